// SPDX-License-Identifier: Apache-2.0
// What a model says it can do: the entries of task_specific_params, and whether it generates.
#include "fixture.h"
#include "model_copy.h"
#include "scratch.h"

#include <stdlib.h>

#define T5 MM_TESTS_DIR "/golden/models/seq2seq-t5"
#define BART MM_TESTS_DIR "/golden/models/seq2seq-bart"
#define T5_OF_VECTORS MM_TESTS_DIR "/golden/models/t5-mean" // no decoder_start_token_id
#define GENERATE                                                                                   \
    "{\"task_type\": \"text_generation\", \"device\": \"cpu\", \"return_ids\": true, "             \
    "\"model_name\": \"%s\", "

static fixture shared;

static int open_shared(void **state) {
    (void)state;
    fixture_open(&shared, NULL);
    return scratch_create() ? 0 : -1;
}

static int close_shared(void **state) {
    (void)state;
    fixture_close(&shared);
    scratch_remove();
    return 0;
}

static const char *folder_with_tasks(void) {
    const char *folder = model_copy("tasks", T5);
    model_copy_change("tasks", "config.json",
                      "{\"task_specific_params\": {"
                      "\"summarization\": {\"prefix\": \"summarize: \", \"num_beams\": 3, "
                      "\"max_length\": 7, \"early_stopping\": true, \"length_penalty\": 2.0}, "
                      "\"translation_en_to_de\": {\"prefix\": \"translate English to German: \", "
                      "\"max_length\": 5}}}");
    return folder;
}

static void assert_same(const json_t *a, const json_t *b, const char *field) {
    if (!json_object_get(a, field) ||
        !json_equal(json_object_get(a, field), json_object_get(b, field)))
        fail_msg("%s differs", field);
}

// Answers of two requests to the same folder, each the end of the JSON text.
static void assert_same_answer(const char *folder, const char *one, const char *other) {
    json_t *first = fixture_json(&shared, GENERATE "%s", folder, one);
    json_t *second = fixture_json(&shared, GENERATE "%s", folder, other);
    assert_same(fixture_data(first), fixture_data(second), "input_ids");
    assert_same(fixture_data(first), fixture_data(second), "output_ids");
    assert_same(fixture_data(first), fixture_data(second), "generated_text");
    json_decref(first);
    json_decref(second);
}

static void
a_task_puts_its_prefix_before_each_text_and_its_settings_before_the_models(void **state) {
    (void)state;
    const char *folder = folder_with_tasks();
    assert_same_answer(folder, "\"task_data\": \"the old bridge\", \"task\": \"summarization\"}",
                       "\"task_data\": \"summarize: the old bridge\", \"num_beams\": 3, "
                       "\"max_length\": 7, \"early_stopping\": true, \"length_penalty\": 2.0}");
    assert_same_answer(folder,
                       "\"task_data\": [\"x\", \"cat\"], \"task\": \"translation_en_to_de\"}",
                       "\"task_data\": [\"translate English to German: x\", "
                       "\"translate English to German: cat\"], \"max_length\": 5}");
}

static void a_parameter_of_the_call_goes_before_that_of_the_task(void **state) {
    (void)state;
    assert_same_answer(folder_with_tasks(),
                       "\"task_data\": \"the old bridge\", \"task\": \"translation_en_to_de\", "
                       "\"max_new_tokens\": 9}",
                       "\"task_data\": \"translate English to German: the old bridge\", "
                       "\"max_new_tokens\": 9}");
}

static void token_ids_get_the_settings_of_a_task_without_its_prefix(void **state) {
    (void)state;
    assert_same_answer(folder_with_tasks(),
                       "\"input_ids\": [[5, 6, 2]], \"task\": \"translation_en_to_de\"}",
                       "\"input_ids\": [[5, 6, 2]], \"max_length\": 5}");
}

static const json_t *error_of(const json_t *answer) {
    return json_object_get(answer, "error");
}

static void an_unknown_task_is_refused_and_those_there_are_named(void **state) {
    (void)state;
    json_t *answer = fixture_json(&shared, GENERATE "\"task_data\": \"a\", \"task\": \"poetry\"}",
                                  folder_with_tasks());
    assert_string_equal(fixture_code(answer), "INVALID_PARAMETER");
    const char *message = json_string_value(json_object_get(error_of(answer), "message"));
    assert_contains(message, "\"poetry\"");
    assert_contains(message, "summarization, translation_en_to_de");
    const json_t *details = json_object_get(error_of(answer), "details");
    assert_string_equal(json_string_value(json_object_get(details, "parameter")), "task");
    json_decref(answer);
    answer = fixture_json(&shared, GENERATE "\"task_data\": \"a\", \"task\": \"poetry\"}", T5);
    message = json_string_value(json_object_get(error_of(answer), "message"));
    assert_contains(message, "have no entries");
    json_decref(answer);
}

static void a_task_that_holds_an_impossible_value_is_the_models_fault(void **state) {
    (void)state;
    const char *folder = model_copy("impossible", T5);
    model_copy_change("impossible", "config.json",
                      "{\"task_specific_params\": {\"loud\": {\"num_beams\": -4}}}");
    json_t *answer =
        fixture_json(&shared, GENERATE "\"task_data\": \"a\", \"task\": \"loud\"}", folder);
    assert_string_equal(fixture_code(answer), "MODEL_CORRUPT");
    const char *message = json_string_value(json_object_get(error_of(answer), "message"));
    assert_contains(message, "task_specific_params: \"num_beams\"");
    json_decref(answer);
}

// ---- Whether it generates
// ------------------------------------------------------------------------

// The list of inspect as text, freed by the next call's caller.
static char *task_types(const char *folder) {
    char *text;
    mm_error error = {0};
    assert_ok(mm_model_inspect(&text, shared.manager, folder, &error), error);
    json_t *object = json_loads(text, 0, NULL);
    char *types = json_dumps(json_object_get(object, "task_types"), JSON_COMPACT);
    json_decref(object);
    mm_text_free(text);
    return types;
}

static void assert_task_types(const char *folder, const char *expected) {
    char *types = task_types(folder);
    assert_string_equal(types, expected);
    free(types);
}

static void an_encoder_decoder_without_a_first_token_only_embeds(void **state) {
    (void)state;
    assert_task_types(T5, "[\"embedding\",\"text_generation\"]");
    assert_task_types(T5_OF_VECTORS, "[\"embedding\"]");
    json_t *answer = fixture_json(&shared, GENERATE "\"task_data\": \"a\"}", T5_OF_VECTORS);
    assert_string_equal(fixture_code(answer), "INVALID_TASK_TYPE");
    const json_t *details = json_object_get(error_of(answer), "details");
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(details, "task_types"), 0)), "embedding");
    assert_contains(json_string_value(json_object_get(error_of(answer), "message")),
                    "decoder_start_token_id");
    json_decref(answer);
}

static void an_encoder_without_a_decoder_only_embeds(void **state) {
    (void)state;
    assert_task_types(MODEL, "[\"embedding\"]");
}

static void a_decoder_that_cannot_begin_does_nothing(void **state) {
    (void)state;
    const char *folder = model_copy("mute", BART);
    const char *none = "{\"decoder_start_token_id\": null, \"bos_token_id\": null}";
    model_copy_change("mute", "config.json", none);
    model_copy_change("mute", "generation_config.json", none);
    assert_task_types(folder, "[]");
    json_t *answer = fixture_json(&shared, GENERATE "\"task_data\": \"a\"}", folder);
    assert_string_equal(fixture_code(answer), "INVALID_TASK_TYPE");
    json_decref(answer);
}

static void a_text_begins_with_bos_where_nothing_else_is_said(void **state) {
    (void)state;
    const char *folder = model_copy("bos", BART);
    const char *bos = "{\"decoder_start_token_id\": null, \"bos_token_id\": 2}";
    model_copy_change("bos", "generation_config.json", bos);
    json_t *first = fixture_json(&shared, GENERATE "\"task_data\": \"a cat\"}", folder);
    json_t *second = fixture_json(&shared, GENERATE "\"task_data\": \"a cat\"}", BART);
    assert_same(fixture_data(first), fixture_data(second), "output_ids");
    json_decref(first);
    json_decref(second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_task_puts_its_prefix_before_each_text_and_its_settings_before_the_models),
        cmocka_unit_test(a_parameter_of_the_call_goes_before_that_of_the_task),
        cmocka_unit_test(token_ids_get_the_settings_of_a_task_without_its_prefix),
        cmocka_unit_test(an_unknown_task_is_refused_and_those_there_are_named),
        cmocka_unit_test(a_task_that_holds_an_impossible_value_is_the_models_fault),
        cmocka_unit_test(an_encoder_decoder_without_a_first_token_only_embeds),
        cmocka_unit_test(an_encoder_without_a_decoder_only_embeds),
        cmocka_unit_test(a_decoder_that_cannot_begin_does_nothing),
        cmocka_unit_test(a_text_begins_with_bos_where_nothing_else_is_said),
    };
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}
