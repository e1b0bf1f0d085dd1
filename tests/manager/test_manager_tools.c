// SPDX-License-Identifier: Apache-2.0
// Tokenising and inspecting as tools.
#include "fixture.h"
#include "scratch.h"
#include "toy.h"

#include <stdio.h>
#include <stdlib.h>

static json_t *codec_json(const mm_text_codec *codec, const char *line, mm_status expected) {
    char *text;
    mm_status status = mm_text_codec_json(&text, codec, line, strlen(line));
    if (status != expected)
        fail_msg("%s: %s", line, text);
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    mm_text_free(text);
    return object;
}

static void test_tokenize(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    static const char *const models[] = {MODEL, MODEL "/tokenizer.json", MODEL "/vocab.txt"};
    for (size_t m = 0; m < 3; m++) {
        mm_text_codec *codec;
        mm_error error = {0};
        assert_ok(mm_text_codec_open(&codec, own.manager, models[m], &error), error);
        json_t *answer = codec_json(codec, "{\"text\": \"a\\u00e9 b\", \"pair\": \"c\"}", 0);
        size_t count = json_array_size(json_object_get(answer, "ids"));
        assert_true(count >= 6);
        static const char *const lists[] = {"type_ids", "attention_mask", "tokens"};
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(json_array_size(json_object_get(answer, lists[i])), count);
        const json_t *offsets = json_object_get(answer, "offsets");
        assert_int_equal(json_array_size(offsets), 2 * count);
        assert_string_equal(json_string_value(json_array_get(json_object_get(answer, "tokens"), 0)),
                            "[CLS]");
        assert_int_equal(
            json_integer_value(json_array_get(json_object_get(answer, "type_ids"), count - 1)), 1);
        // And back again.
        char *ids = json_dumps(json_object_get(answer, "ids"), 0);
        char *line;
        assert_true(asprintf(&line, "{\"ids\": %s}", ids) > 0);
        json_t *text = codec_json(codec, line, 0);
        assert_contains(json_string_value(json_object_get(text, "text")), "b");
        assert_null(strstr(json_string_value(json_object_get(text, "text")), "[CLS]"));
        json_decref(text);
        free(line);
        assert_true(asprintf(&line, "{\"ids\": %s, \"skip_special_tokens\": false}", ids) > 0);
        text = codec_json(codec, line, 0);
        assert_contains(json_string_value(json_object_get(text, "text")), "[CLS]");
        json_decref(text);
        json_decref(answer);
        free(line);
        free(ids);
        answer = codec_json(codec, "{\"text\": \"a b\", \"add_special_tokens\": false}", 0);
        assert_int_equal(json_array_size(json_object_get(answer, "ids")), 2);
        json_decref(answer);
        answer = codec_json(codec, "{\"text\": \"\", \"add_special_tokens\": false}", 0);
        assert_int_equal(json_array_size(json_object_get(answer, "ids")), 0);
        json_decref(answer);
        mm_text_codec_free(codec);
    }
    fixture_close(&own);
}

static void test_tokenize_errors(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    mm_text_codec *codec;
    mm_error error = {0};
    assert_ok(mm_text_codec_open(&codec, own.manager, MODEL, &error), error);
    static const struct {
        const char *line;
        mm_status status;
    } cases[] = {
        {"", MM_STATUS_INVALID_REQUEST},
        {"[]", MM_STATUS_INVALID_REQUEST},
        {"{}", MM_STATUS_INVALID_REQUEST},
        {"{\"text\": 5}", MM_STATUS_INVALID_PARAMETER},
        {"{\"text\": \"a\", \"pair\": []}", MM_STATUS_INVALID_PARAMETER},
        {"{\"text\": \"a\", \"pears\": \"b\"}", MM_STATUS_INVALID_PARAMETER},
        {"{\"text\": \"a\", \"add_special_tokens\": 1}", MM_STATUS_INVALID_PARAMETER},
        {"{\"text\": \"\xFF\"}", MM_STATUS_INVALID_REQUEST},
        {"{\"ids\": 1}", MM_STATUS_INVALID_PARAMETER},
        {"{\"ids\": [1, -1]}", MM_STATUS_INVALID_PARAMETER},
        {"{\"ids\": [1, \"a\"]}", MM_STATUS_INVALID_PARAMETER},
        {"{\"ids\": [1], \"text\": \"a\"}", MM_STATUS_INVALID_PARAMETER},
        {"{\"texts\": {}}", MM_STATUS_INVALID_PARAMETER},
        {"{\"texts\": [\"a\"], \"text\": \"a\"}", MM_STATUS_INVALID_PARAMETER},
        {"{\"text\": \"a\", \"truncation\": {\"max_length\": -1}}", MM_STATUS_INVALID_PARAMETER},
        {"{\"text\": \"a\", \"padding\": {\"length\": -1}}", MM_STATUS_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *answer = codec_json(codec, cases[i].line, cases[i].status);
        assert_int_equal(json_object_size(answer), 1);
        assert_string_equal(fixture_code(answer), mm_status_name(cases[i].status));
        json_decref(answer);
    }
    mm_text_codec_free(codec);
    static const char *const none[] = {"./none", MM_TESTS_DIR "/golden", "no-org/none"};
    for (size_t i = 0; i < 3; i++) {
        assert_status(mm_text_codec_open(&codec, own.manager, none[i], &error),
                      i < 2 ? MM_STATUS_MODEL_NOT_FOUND : MM_STATUS_OFFLINE, error);
        assert_null(codec);
    }
    fixture_close(&own);
}

static json_t *inspect(fixture *own, const char *model) {
    char *text;
    mm_error error = {0};
    assert_ok(mm_model_inspect(&text, own->manager, model, &error), error);
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    mm_text_free(text);
    return object;
}

static void test_inspect(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    json_t *model = inspect(&own, MODEL);
    assert_string_equal(json_string_value(json_object_get(model, "model_type")), "bert");
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(model, "architectures"), 0)), "BertModel");
    assert_string_equal(json_string_value(json_array_get(json_object_get(model, "task_types"), 0)),
                        "embedding");
    assert_string_equal(json_string_value(json_object_get(model, "tokenizer")), "WordPiece");
    json_int_t parameters = json_integer_value(json_object_get(model, "parameters"));
    const json_t *memory = json_object_get(model, "memory_bytes");
    assert_true(parameters > 1000);
    assert_true(json_integer_value(json_object_get(model, "file_bytes")) >= 4 * parameters);
    assert_true(json_integer_value(json_object_get(memory, "f32")) > 2 * parameters);
    static const char *const numbers[] = {"hidden_size", "layers", "max_length", "dimension",
                                          "vocab_size"};
    for (size_t i = 0; i < 5; i++)
        assert_true(json_integer_value(json_object_get(model, numbers[i])) > 0);
    json_decref(model);
    assert_int_equal(atomic_load(&own.loads), 0); // nothing was loaded for it
    char *text;
    mm_error error = {0};
    assert_status(mm_model_inspect(&text, own.manager, "./none", &error), MM_STATUS_MODEL_NOT_FOUND,
                  error);
    assert_null(text);
    fixture_close(&own);
}

// What no family here can run is described as far as it goes.
static void test_inspect_other(void **state) {
    (void)state;
    assert_non_null(scratch_create());
    const char *folder = toy_write("other", NULL);
    assert_non_null(folder);
    assert_true(toy_write_text("other", "config.json",
                               "{\"model_type\": \"abacus\", \"architectures\": [\"Abacus\"]}"));
    fixture own;
    fixture_open(&own, NULL);
    json_t *model = inspect(&own, folder);
    assert_string_equal(json_string_value(json_object_get(model, "model_type")), "abacus");
    assert_true(json_integer_value(json_object_get(model, "parameters")) > 0);
    assert_int_equal(json_array_size(json_object_get(model, "task_types")), 0);
    assert_string_equal(fixture_code(model), "MODEL_UNSUPPORTED");
    json_decref(model);
    fixture_close(&own);
    scratch_remove();
}

static void test_version(void **state) {
    (void)state;
    assert_non_null(strchr(mm_version(), '.'));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenize), cmocka_unit_test(test_tokenize_errors),
        cmocka_unit_test(test_inspect),  cmocka_unit_test(test_inspect_other),
        cmocka_unit_test(test_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
