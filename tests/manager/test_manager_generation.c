// SPDX-License-Identifier: Apache-2.0
// Text generation through the manager: the texts of the reference, the form of the Result, one
// deployment for all tasks of a model.
#include "fixture.h"

#include "base/json.h"

#include <stdlib.h>

#define T5 MM_TESTS_DIR "/golden/models/seq2seq-t5"
#define BART MM_TESTS_DIR "/golden/models/seq2seq-bart"
#define GENERATE                                                                                   \
    "{\"task_type\": \"text_generation\", \"device\": \"cpu\", \"model_name\": \"%s\", "
#define CAT "\"task_data\": \"The cat sat on the mat.\""

static fixture shared;

static int open_shared(void **state) {
    (void)state;
    fixture_open(&shared, NULL);
    return 0;
}

static int close_shared(void **state) {
    (void)state;
    fixture_close(&shared);
    return 0;
}

static json_t *load_golden(const char *model) {
    char *path;
    json_t *golden;
    mm_error error = {0};
    assert_true(asprintf(&path, "%s/golden.json", model) > 0);
    assert_ok(mm_json_read_object(&golden, path, 1 << 26, &error), error);
    free(path);
    return golden;
}

// ---- Answers -----------------------------------------------------------------------------------

// The run of a golden file as a request: its parameters, and its texts.
static json_t *ask_run(const char *model, const json_t *golden, const json_t *run) {
    json_t *request = json_deep_copy(json_object_get(run, "params"));
    json_t *texts = json_array();
    const json_t *inputs = json_object_get(golden, "inputs");
    size_t i;
    json_t *index;
    json_array_foreach(json_object_get(run, "inputs"), i, index) {
        const json_t *input = json_array_get(inputs, (size_t)json_integer_value(index));
        (void)json_array_append(texts, json_object_get(input, "text"));
    }
    (void)json_object_set_new(request, "task_data", texts);
    (void)json_object_set_new(request, "task_type", json_string("text_generation"));
    (void)json_object_set_new(request, "model_name", json_string(model));
    (void)json_object_set_new(request, "device", json_string("cpu"));
    char *text = json_dumps(request, JSON_COMPACT);
    json_t *answer = fixture_json(&shared, "%s", text);
    free(text);
    json_decref(request);
    return answer;
}

static void check_golden(const char *model) {
    json_t *golden = load_golden(model), *run;
    size_t i, j, ran = 0;
    json_array_foreach(json_object_get(golden, "runs"), i, run) {
        if (json_object_get(json_object_get(run, "params"), "eos_token_id"))
            continue; // a request cannot say that
        ran++;
        json_t *answer = ask_run(model, golden, run), *text;
        const json_t *data = fixture_data(answer);
        const json_t *texts = json_object_get(data, "generated_text");
        const json_t *expected = json_object_get(run, "text");
        const size_t inputs = json_array_size(json_object_get(run, "inputs"));
        assert_int_equal(json_array_size(texts), json_array_size(expected));
        json_array_foreach(texts, j, text) {
            if (!json_equal(text, json_array_get(expected, j)))
                fail_msg("run %zu: \"%s\", expected \"%s\"", i, json_string_value(text),
                         json_string_value(json_array_get(expected, j)));
        }
        assert_int_equal(json_array_size(json_object_get(data, "input_tokens")), inputs);
        assert_int_equal(json_array_size(json_object_get(data, "truncated")), inputs);
        assert_int_equal(json_array_size(json_object_get(data, "output_tokens")),
                         json_array_size(texts));
        assert_int_equal(json_array_size(json_object_get(data, "finish_reason")),
                         json_array_size(texts));
        const json_t *scores = json_object_get(data, "scores");
        assert_int_equal(json_array_size(scores),
                         json_object_get(run, "sequences_scores_f64") ? json_array_size(texts) : 0);
        json_decref(answer);
    }
    assert_true(ran > 20);
    json_decref(golden);
}

static void test_golden(void **state) {
    (void)state;
    check_golden(T5);
    check_golden(BART);
}

// One string and one text: no lists. A list of one string, or several texts: lists.
static void test_form(void **state) {
    (void)state;
    json_t *answer =
        fixture_json(&shared, GENERATE CAT ", \"max_new_tokens\": 3, \"return_ids\": true}", T5);
    const json_t *data = fixture_data(answer);
    assert_true(json_is_string(json_object_get(data, "generated_text")));
    assert_string_equal(json_string_value(json_object_get(data, "finish_reason")), "length");
    assert_int_equal(json_integer_value(json_object_get(data, "input_tokens")), 16);
    assert_int_equal(json_integer_value(json_object_get(data, "output_tokens")), 3);
    assert_true(json_is_false(json_object_get(data, "truncated")));
    assert_null(json_object_get(data, "scores"));
    assert_int_equal(json_array_size(json_object_get(data, "input_ids")), 16);
    assert_true(json_is_integer(json_array_get(json_object_get(data, "input_ids"), 0)));
    assert_int_equal(json_array_size(json_object_get(data, "output_ids")), 3);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(data, "output_ids"), 0)),
                     75);
    assert_int_equal(json_integer_value(json_object_get(data, "worker_id")), 0);
    json_decref(answer);

    answer = fixture_json(&shared,
                          GENERATE "\"task_data\": [\"The cat sat on the mat.\"], \"return_ids\": "
                                   "true, \"max_new_tokens\": 3}",
                          T5);
    data = fixture_data(answer);
    assert_int_equal(json_array_size(json_object_get(data, "generated_text")), 1);
    assert_int_equal(json_array_size(json_array_get(json_object_get(data, "output_ids"), 0)), 3);
    json_decref(answer);

    answer = fixture_json(
        &shared, GENERATE CAT ", \"num_beams\": 3, \"num_return_sequences\": 2, \"max_length\": 4}",
        T5);
    data = fixture_data(answer);
    assert_int_equal(json_array_size(json_object_get(data, "generated_text")), 2);
    assert_int_equal(json_array_size(json_object_get(data, "scores")), 2);
    assert_int_equal(json_array_size(json_object_get(data, "input_tokens")), 1);
    json_decref(answer);

    answer = fixture_json(&shared, GENERATE "\"task_data\": []}", T5);
    data = fixture_data(answer);
    assert_true(json_is_array(json_object_get(data, "generated_text")));
    assert_int_equal(json_array_size(json_object_get(data, "generated_text")), 0);
    assert_true(json_is_null(json_object_get(data, "worker_id")));
    json_decref(answer);
}

static void test_accessors(void **state) {
    (void)state;
    mm_request *request = fixture_request(BART, NULL);
    mm_error error = {0};
    assert_ok(mm_request_set_text(request, "task_type", "text_generation", &error), error);
    assert_ok(mm_request_set_integer(request, "num_beams", 2, &error), error);
    assert_ok(mm_request_set_integer(request, "num_return_sequences", 2, &error), error);
    assert_ok(mm_request_set_integer(request, "max_new_tokens", 4, &error), error);
    static const int32_t ids[] = {0, 42, 2};
    assert_ok(mm_request_add_ids(request, ids, 3, &error), error);
    mm_result *result;
    assert_ok(mm_task(&result, shared.manager, request, &error), error);
    assert_int_equal(mm_result_count(result), 1);
    assert_int_equal(mm_result_sequences(result), 2);
    assert_int_equal(mm_result_tokens(result, 0), 3);
    size_t length, count;
    float first = 0, second = 0;
    const char *text = mm_result_generated_text(result, 0, &length);
    assert_int_equal(strlen(text), length);
    assert_ptr_equal(mm_result_generated_text(result, 1, NULL), text + length + 1);
    assert_null(mm_result_generated_text(result, 2, &length));
    assert_non_null(mm_result_output_ids(result, 1, &count));
    assert_true(count > 0 && count <= 4);
    assert_null(mm_result_output_ids(result, 2, &count));
    assert_true(mm_result_score(&first, result, 0) && mm_result_score(&second, result, 1));
    assert_true(first >= second);
    assert_false(mm_result_score(&first, result, 2));
    assert_string_equal(mm_result_finish_reason(result, 0), "stop");
    assert_null(mm_result_finish_reason(result, 2));
    mm_result_free(result);
    mm_request_free(request);
}

// ---- Refusals ----------------------------------------------------------------------------------

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *rest;
        const char *code;
        const char *details; // must be found there
    } cases[] = {
        {CAT ", \"num_beams\": 0}", "INVALID_PARAMETER", "num_beams"},
        {CAT ", \"num_beams\": 2, \"num_return_sequences\": 3}", "INVALID_PARAMETER",
         "num_return_sequences"},
        {CAT ", \"max_length\": 1}", "INVALID_PARAMETER", "max_length"},
        {CAT ", \"max_new_tokens\": 10000000}", "INVALID_PARAMETER", "max_length"},
        {CAT ", \"suppress_tokens\": [100000]}", "INVALID_PARAMETER", "suppress_tokens"},
        {CAT ", \"bad_words_ids\": []}", "INVALID_PARAMETER", "bad_words_ids"},
        {CAT ", \"dimensions\": 4}", "INVALID_PARAMETER", "dimensions"},
        {CAT ", \"task\": \"summarization\"}", "INVALID_PARAMETER", "task"},
        {CAT ", \"diversity_penalty\": 1.0}", "INVALID_PARAMETER", "diversity_penalty"},
        {"\"task_data\": [\"a\", \"\xC3\"]}", "INVALID_REQUEST", "\"index\": 1"},
        {"\"input_ids\": [[5], [600]]}", "INVALID_REQUEST", "\"index\": 1"},
        {"\"input_ids\": [[5], []]}", "INVALID_REQUEST", "\"index\": 1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text;
        assert_true(asprintf(&text, GENERATE "%s", T5, cases[i].rest) > 0);
        json_t *answer = fixture_json(&shared, "%s", text);
        char *details = json_dumps(json_object_get(json_object_get(answer, "error"), "details"), 0);
        if (strcmp(fixture_code(answer), cases[i].code) != 0 || !strstr(details, cases[i].details))
            fail_msg("%s: %s %s", cases[i].rest, fixture_code(answer), details);
        free(details);
        free(text);
        json_decref(answer);
    }
}

static void test_too_long(void **state) {
    (void)state;
    char words[900] = "";
    for (size_t i = 0; i < 110; i++)
        memcpy(words + 6 * i, "banana", 7), words[6 * i] = ' ';
    json_t *answer =
        fixture_json(&shared, GENERATE "\"task_data\": \"%s\", \"max_length\": 3}", BART, words);
    const json_t *data = fixture_data(answer);
    assert_true(json_is_true(json_object_get(data, "truncated")));
    assert_int_equal(json_integer_value(json_object_get(data, "input_tokens")), 80);
    json_decref(answer);
    answer = fixture_json(
        &shared, GENERATE "\"task_data\": [\"a\", \"%s\"], \"truncate\": \"error\"}", BART, words);
    assert_string_equal(fixture_code(answer), "INPUT_TOO_LONG");
    json_decref(answer);
}

// ---- One deployment ----------------------------------------------------------------------------

#define EMBED "{\"task_type\": \"embedding\", \"device\": \"cpu\", \"model_name\": \"%s\", "

static void test_tasks_share_a_model(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    json_t *embedded = fixture_json(&own, EMBED CAT "}", T5);
    json_t *generated = fixture_json(&own, GENERATE CAT "}", T5);
    const json_t *first = fixture_data(embedded), *second = fixture_data(generated);
    assert_true(
        json_equal(json_object_get(first, "fingerprint"), json_object_get(second, "fingerprint")));
    assert_int_equal(atomic_load(&own.loads), 1);
    json_decref(embedded);
    json_decref(generated);
    json_t *status = fixture_status(&own);
    assert_non_null(fixture_model(status)); // the only one
    json_decref(status);
    fixture_close(&own);
}

static const char *offered(const json_t *answer) {
    const json_t *details = json_object_get(json_object_get(answer, "error"), "details");
    return json_string_value(json_array_get(json_object_get(details, "task_types"), 0));
}

// A model that does not do the task is not loaded for it, nor is it spoilt for the task it does.
static void test_wrong_task(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    json_t *answer = fixture_json(&own, EMBED CAT "}", BART);
    assert_string_equal(fixture_code(answer), "INVALID_TASK_TYPE");
    assert_string_equal(offered(answer), "text_generation");
    json_decref(answer);
    answer = fixture_json(&own, EMBED "\"task_data\": null}", BART);
    assert_string_equal(fixture_code(answer), "INVALID_TASK_TYPE");
    json_decref(answer);
    answer = fixture_json(&own, GENERATE CAT "}", MODEL);
    assert_string_equal(fixture_code(answer), "INVALID_TASK_TYPE");
    assert_string_equal(offered(answer), "embedding");
    json_decref(answer);
    assert_int_equal(atomic_load(&own.loads), 0);
    fixture_wait_models(&own, 0);
    answer = fixture_json(&own, GENERATE "\"task_data\": null}", BART);
    assert_true(json_is_true(json_object_get(fixture_data(answer), "preloaded")));
    json_decref(answer);
    assert_int_equal(atomic_load(&own.loads), 1);
    answer = fixture_json(&own, EMBED CAT "}", BART); // loaded as it is
    assert_string_equal(fixture_code(answer), "INVALID_TASK_TYPE");
    json_decref(answer);
    fixture_close(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),     cmocka_unit_test(test_form),
        cmocka_unit_test(test_accessors),  cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_too_long),   cmocka_unit_test(test_tasks_share_a_model),
        cmocka_unit_test(test_wrong_task),
    };
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}
