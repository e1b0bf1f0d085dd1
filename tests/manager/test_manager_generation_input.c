// SPDX-License-Identifier: Apache-2.0
// Generation asked for what cannot be had: each an error before any token is made, which names
// what is wrong. And texts that hold nothing, which are none.
#include "fixture.h"
#include "model_copy.h"
#include "scratch.h"

#include <stdlib.h>

#define T5 MM_TESTS_DIR "/golden/models/seq2seq-t5"
#define BART MM_TESTS_DIR "/golden/models/seq2seq-bart"
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

// The request must fail with this code, and message and details hold these words.
static void refused(const char *folder, const char *rest, const char *code, const char *message,
                    const char *details) {
    json_t *answer = fixture_json(&shared, GENERATE "%s", folder, rest);
    const json_t *error = json_object_get(answer, "error");
    char *found = json_dumps(json_object_get(error, "details"), JSON_COMPACT);
    assert_string_equal(fixture_code(answer), code);
    assert_contains(json_string_value(json_object_get(error, "message")), message);
    assert_contains(found, details);
    free(found);
    json_decref(answer);
}

static void wrong(const char *rest, const char *message, const char *parameter) {
    char *whole;
    assert_true(asprintf(&whole, "\"task_data\": \"a cat\", %s}", rest) > 0);
    refused(T5, whole, "INVALID_PARAMETER", message, parameter);
    free(whole);
}

static void max_length_0_is_refused(void **state) {
    (void)state;
    wrong("\"max_length\": 0", "max_length", "max_length");
    wrong("\"max_new_tokens\": 0", "max_new_tokens", "max_new_tokens");
}

static void a_max_length_that_the_decoders_prompt_fills_is_refused(void **state) {
    (void)state;
    wrong("\"max_length\": 1", "is 1, which the start token fills", "max_length");
}

static void more_sequences_than_beams_are_refused(void **state) {
    (void)state;
    wrong("\"num_beams\": 2, \"num_return_sequences\": 3", "is 3, more than the 2 beams",
          "num_return_sequences");
    wrong("\"num_return_sequences\": 2", "one beam without do_sample", "num_return_sequences");
}

static void settings_that_contradict_each_other_are_refused(void **state) {
    (void)state;
    wrong("\"min_length\": 9, \"max_length\": 8", "more than the 8 of max_length", "min_length");
    wrong("\"min_new_tokens\": 9, \"max_new_tokens\": 8", "more than the 9", "min_new_tokens");
    wrong("\"temperature\": 0.5", "without do_sample true", "temperature");
    wrong("\"early_stopping\": true", "without num_beams above 1", "early_stopping");
    wrong("\"do_sample\": true, \"temperature\": 0.0", "at least 0.0001", "temperature");
    wrong("\"forced_bos_token_id\": 7, \"suppress_tokens\": [6, 7]", "forced_bos_token_id 7",
          "suppress_tokens");
}

static void a_thousand_beams_are_refused(void **state) {
    (void)state;
    wrong("\"num_beams\": 1000", "num_beams", "num_beams");
}

static void ids_beyond_the_vocabulary_are_refused_in_parameters(void **state) {
    (void)state;
    wrong("\"suppress_tokens\": [600]", "the vocabulary has 600 ids", "suppress_tokens");
    wrong("\"bad_words_ids\": [[5, 600]]", "the vocabulary has 600 ids", "bad_words_ids");
    wrong("\"sequence_bias\": [[[600], 1.0]]", "the vocabulary has 600 ids", "sequence_bias");
    wrong("\"forced_bos_token_id\": 600", "the vocabulary has 600 ids", "forced_bos_token_id");
    wrong("\"forced_eos_token_id\": 600", "the vocabulary has 600 ids", "forced_eos_token_id");
}

static void ids_beyond_the_vocabulary_are_refused_in_sources(void **state) {
    (void)state;
    refused(T5, "\"input_ids\": [[5], [599, 600]]}", "INVALID_REQUEST", "holds the id 600",
            "\"index\":1");
    refused(T5, "\"input_ids\": [[5], [-1]]}", "INVALID_REQUEST", "input_ids[1]", "{");
}

// bart-large-cnn has 50264 rows, and a tokenizer whose <mask> is 50264.
static void a_token_that_the_model_has_no_row_for_is_refused(void **state) {
    (void)state;
    const char *folder = model_copy("mask", BART);
    model_copy_add_token("mask", 600, "<blank>");
    refused(folder, "\"task_data\": [\"a cat\", \"a <blank> cat\"]}", "INVALID_REQUEST",
            "text 1 holds the id 600; the vocabulary has 600", "\"index\":1");
}

static void a_source_of_no_tokens_is_refused(void **state) {
    (void)state;
    refused(T5, "\"input_ids\": [[5], []]}", "INVALID_REQUEST", "no tokens", "\"index\":1");
    const char *folder = model_copy("bare", T5);
    model_copy_change("bare", "tokenizer.json", "{\"post_processor\": null}");
    refused(folder, "\"task_data\": [\"a cat\", \"\"]}", "INVALID_REQUEST",
            "text 1 has no tokens; there is nothing to answer", "\"index\":1");
}

// As the reference does: what the tokenizer puts around a text is a source.
static void a_text_of_nothing_but_special_tokens_is_answered_as_their_ids_are(void **state) {
    (void)state;
    static const char *const sources[] = {"", "</s>", "<pad> <mask></s>"};
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        json_t *answer = fixture_json(&shared, GENERATE "\"task_data\": \"%s\"}", BART, sources[i]);
        const json_t *data = fixture_data(answer), *ids = json_object_get(data, "input_ids");
        assert_true(json_array_size(ids) >= 2);
        assert_int_equal(json_integer_value(json_array_get(ids, 0)), 0);
        char *text = json_dumps(ids, JSON_COMPACT);
        json_t *same = fixture_json(&shared, GENERATE "\"input_ids\": [%s]}", BART, text);
        const json_t *output = json_object_get(fixture_data(same), "output_ids");
        assert_true(json_equal(json_object_get(data, "output_ids"), json_array_get(output, 0)));
        free(text);
        json_decref(same);
        json_decref(answer);
    }
}

// Weights that are finite, and a decoder that overflows: no token comes of that.
static void logits_that_are_not_numbers_are_an_internal_error(void **state) {
    (void)state;
    const char *folder = model_copy("loud", T5);
    model_copy_fill("loud", "decoder.final_layer_norm.weight", 3e38F);
    refused(folder, "\"task_data\": \"a cat\"}", "INTERNAL", "not finite in f32",
            "\"dtype\":\"f32\"");
    refused(folder, "\"task_data\": \"a cat\", \"num_beams\": 3}", "INTERNAL", "not finite in f32",
            "\"dtype\":\"f32\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(max_length_0_is_refused),
        cmocka_unit_test(a_max_length_that_the_decoders_prompt_fills_is_refused),
        cmocka_unit_test(more_sequences_than_beams_are_refused),
        cmocka_unit_test(settings_that_contradict_each_other_are_refused),
        cmocka_unit_test(a_thousand_beams_are_refused),
        cmocka_unit_test(ids_beyond_the_vocabulary_are_refused_in_parameters),
        cmocka_unit_test(ids_beyond_the_vocabulary_are_refused_in_sources),
        cmocka_unit_test(a_token_that_the_model_has_no_row_for_is_refused),
        cmocka_unit_test(a_source_of_no_tokens_is_refused),
        cmocka_unit_test(a_text_of_nothing_but_special_tokens_is_answered_as_their_ids_are),
        cmocka_unit_test(logits_that_are_not_numbers_are_an_internal_error),
    };
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}
