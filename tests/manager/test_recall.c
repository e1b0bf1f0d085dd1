// SPDX-License-Identifier: Apache-2.0
// The embedding cache at work: what is answered from it, what is not, and who computes a text that
// several want at once.
#include "fixture.h"
#include "scratch.h"
#include "toy.h"

#include <stdio.h>
#include <stdlib.h>

static void open_cached(fixture *own) {
    static const char *const settings[] = {"embedding_cache.enabled", "true",
                                           "worker_pool.queue_timeout", "null", NULL};
    fixture_open(own, settings);
}

// {"task_data": data as JSON, more members}; the data of the success, to be freed with the answer.
static json_t *ask(fixture *own, const char *model, const char *data, const char *more) {
    json_t *answer = fixture_json(own,
                                  "{\"task_type\": \"embedding\", \"model_name\": \"%s\", "
                                  "\"device\": \"cpu\", \"task_data\": %s%s}",
                                  model, data, more);
    return answer;
}

// "tf": which texts were cached.
static void assert_cached(const json_t *answer, const char *expected) {
    const json_t *flags = json_object_get(fixture_data(answer), "cached");
    assert_int_equal(json_array_size(flags), strlen(expected));
    for (size_t i = 0; expected[i]; i++)
        assert_true(json_is_true(json_array_get(flags, i)) == (expected[i] == 't'));
}

static const json_t *vector(const json_t *answer, size_t index) {
    return json_array_get(json_object_get(fixture_data(answer), "embeddings"), index);
}

static json_int_t count(fixture *own, const char *name) {
    json_t *status = fixture_status(own);
    json_int_t value = json_integer_value(json_object_get(json_object_get(status, "cache"), name));
    json_decref(status);
    return value;
}

static void test_a_second_call_needs_no_worker(void **state) {
    (void)state;
    fixture own;
    open_cached(&own);
    json_t *first = ask(&own, MODEL, "[\"one\", \"two three\"]", "");
    json_t *second = ask(&own, MODEL, "[\"one\", \"two three\"]", "");
    assert_cached(first, "ff");
    assert_cached(second, "tt");
    static const char *const same[] = {"embeddings", "dimension", "tokens", "truncated",
                                       "model_name", "prompt",    "dtype",  "fingerprint"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        assert_true(json_equal(json_object_get(fixture_data(first), same[i]),
                               json_object_get(fixture_data(second), same[i])));
    assert_true(json_is_null(json_object_get(fixture_data(second), "worker_id")));
    assert_int_equal(count(&own, "entries"), 2);
    assert_int_equal(count(&own, "hits"), 2);
    assert_int_equal(count(&own, "misses"), 2);
    json_decref(first);
    json_decref(second);
    fixture_close(&own);
}

static void test_only_what_is_missing_is_computed(void **state) {
    (void)state;
    fixture own;
    open_cached(&own);
    json_decref(ask(&own, MODEL, "[\"b\", \"d\"]", ""));
    json_t *mixed = ask(&own, MODEL, "[\"a\", \"b\", \"c\", \"d\", \"a\"]", "");
    json_t *plain =
        ask(&own, MODEL, "[\"a\", \"b\", \"c\", \"d\", \"a\"]", ", \"use_cache\": false");
    assert_cached(mixed, "ftftt"); // the last one was computed a moment ago, for the first
    assert_cached(plain, "fffff");
    for (size_t i = 0; i < 5; i++)
        assert_true(json_equal(vector(mixed, i), vector(plain, i)));
    assert_int_equal(count(&own, "misses"), 4);
    json_decref(mixed);
    json_decref(plain);
    fixture_close(&own);
}

static void test_options_are_part_of_the_key(void **state) {
    (void)state;
    fixture own;
    open_cached(&own);
    static const char *const options[] = {
        "",
        ", \"prompt\": \"p: \"",
        ", \"dimensions\": 4",
        ", \"dimensions\": 4, \"normalize\": true",
        ", \"max_length\": 5",
        ", \"truncate\": \"left\"",
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        json_t *first = ask(&own, MODEL, "\"one two three four five six\"", options[i]);
        json_t *second = ask(&own, MODEL, "\"one two three four five six\"", options[i]);
        assert_cached(first, "f");
        assert_cached(second, "t");
        assert_true(json_equal(vector(first, 0), vector(second, 0)));
        assert_true(json_equal(json_object_get(fixture_data(first), "prompt"),
                               json_object_get(fixture_data(second), "prompt")));
        json_decref(first);
        json_decref(second);
    }
    // The cache keeps no token ids: who wants them has the text computed.
    json_t *returned =
        ask(&own, MODEL, "\"one two three four five six\"", ", \"return_ids\": true");
    assert_cached(returned, "f");
    assert_int_equal(json_array_size(json_object_get(fixture_data(returned), "input_ids")), 1);
    json_decref(returned);
    json_decref(ask(&own, OTHER_MODEL, "\"one two three four five six\"",
                    "")); // and another model another one
    assert_int_equal(own.loads, 2);
    fixture_close(&own);
}

static void test_an_error_names_the_text_by_its_place(void **state) {
    (void)state;
    fixture own;
    open_cached(&own);
    json_decref(ask(&own, MODEL, "[\"a\", \"b\"]", ""));
    json_t *answer = ask(&own, MODEL, "[\"a\", \"b\", \"one two three four five six seven\"]",
                         ", \"truncate\": \"error\", \"max_length\": 4");
    assert_string_equal(fixture_code(answer), "INPUT_TOO_LONG");
    json_decref(answer);
    json_decref(ask(&own, MODEL, "[\"a\", \"b\"]", ", \"truncate\": \"error\", \"max_length\": 4"));
    answer = ask(&own, MODEL, "[\"a\", \"b\", \"one two three four five six seven\"]",
                 ", \"truncate\": \"error\", \"max_length\": 4");
    const json_t *details = json_object_get(json_object_get(answer, "error"), "details");
    assert_int_equal(json_integer_value(json_object_get(details, "index")), 2);
    json_decref(answer);
    fixture_close(&own);
}

// ---- Without the model -------------------------------------------------------------------------

static void test_hits_load_no_model(void **state) {
    (void)state;
    assert_non_null(scratch_create());
    char folder[512];
    (void)snprintf(folder, sizeof(folder), "%s", toy_write("kept", NULL));
    fixture own;
    open_cached(&own);
    json_decref(ask(&own, folder, "\"a\"", ""));
    mm_error error = {0};
    assert_ok(mm_model_release(own.manager, folder, NULL, &error), error);
    json_t *answer = ask(&own, folder, "[\"a\"]", "");
    assert_cached(answer, "t");
    assert_string_equal(json_string_value(json_object_get(fixture_data(answer), "model_name")),
                        folder);
    json_decref(answer);
    assert_int_equal(own.loads, 1);
    // Files that changed are another model.
    assert_true(toy_write_text("kept", "sentence_bert_config.json", "{\"max_seq_length\": 7}"));
    json_decref(ask(&own, folder, "\"a\"", ""));
    assert_int_equal(own.loads, 2);
    fixture_close(&own);
    scratch_remove();
}

static void test_a_hit_keeps_no_model_alive_but_says_how_long(void **state) {
    (void)state;
    fixture own;
    open_cached(&own);
    json_decref(ask(&own, MODEL, "\"a\"", ""));
    json_t *before = fixture_status(&own);
    json_decref(ask(&own, MODEL, "\"a\"", ""));
    json_decref(ask(&own, MODEL, "\"a\"", ", \"keep_alive\": 7, \"num_workers\": 2"));
    json_t *after = fixture_status(&own);
    assert_true(json_number_value(json_object_get(fixture_model(after), "last_used_s")) >=
                json_number_value(json_object_get(fixture_model(before), "last_used_s")));
    assert_int_equal(json_number_value(json_object_get(fixture_model(after), "keep_alive_minutes")),
                     7);
    assert_int_equal(json_integer_value(json_object_get(fixture_model(after), "workers")), 2);
    json_decref(before);
    json_decref(after);
    json_t *answer = ask(&own, MODEL, "\"a\"", ", \"num_workers\": 1000");
    assert_string_equal(fixture_code(answer), "INVALID_PARAMETER");
    json_decref(answer);
    json_decref(ask(&own, MODEL, "\"a\"", ", \"keep_alive\": 0")); // also without work
    fixture_wait_models(&own, 0);
    fixture_close(&own);
}

// ---- In flight ---------------------------------------------------------------------------------

static void test_a_text_that_many_want_is_computed_once(void **state) {
    (void)state;
    enum { CALLERS = 6 };
    fixture own;
    open_cached(&own);
    submitted blocker, jobs[CALLERS];
    fixture_submit_long(&blocker, &own, MODEL);
    fixture_wait_busy(&own);
    for (size_t i = 0; i < CALLERS; i++)
        fixture_submit(&jobs[i], &own, fixture_request(MODEL, "wanted"));
    for (size_t i = 0; i < CALLERS; i++) {
        submitted_wait(&jobs[i]);
        assert_int_equal(jobs[i].status, MM_STATUS_OK);
        assert_int_equal(jobs[i].calls, 1);
        for (size_t k = 0; k < 4; k++)
            assert_true(jobs[i].vector[k] == jobs[0].vector[k]);
    }
    assert_int_equal(count(&own, "misses"), 1);
    assert_int_equal(count(&own, "hits"), CALLERS - 1);
    for (size_t i = 0; i < CALLERS; i++)
        submitted_free(&jobs[i]);
    submitted_wait(&blocker);
    submitted_free(&blocker);
    fixture_close(&own);
}

static void test_who_waits_takes_over_when_the_first_is_cancelled(void **state) {
    (void)state;
    fixture own;
    open_cached(&own);
    submitted blocker, first, second;
    fixture_submit_long(&blocker, &own, MODEL);
    fixture_wait_busy(&own);
    fixture_submit(&first, &own, fixture_request(MODEL, "wanted"));
    fixture_submit(&second, &own, fixture_request(MODEL, "wanted"));
    mm_job_cancel(first.job);
    submitted_wait(&first);
    submitted_wait(&second);
    assert_int_equal(second.status, MM_STATUS_OK);
    submitted_free(&first);
    submitted_free(&second);
    submitted_wait(&blocker);
    submitted_free(&blocker);
    fixture_close(&own);
}

static void test_release_answers_who_waits_for_others(void **state) {
    (void)state;
    fixture own;
    open_cached(&own);
    submitted blocker, jobs[4];
    fixture_submit_long(&blocker, &own, MODEL);
    fixture_wait_busy(&own);
    for (size_t i = 0; i < 4; i++)
        fixture_submit(&jobs[i], &own, fixture_request(MODEL, "wanted"));
    mm_error error = {0};
    assert_ok(mm_model_release(own.manager, MODEL, NULL, &error), error);
    for (size_t i = 0; i < 4; i++) {
        submitted_wait(&jobs[i]);
        assert_true(jobs[i].status == MM_STATUS_RELEASED || jobs[i].status == MM_STATUS_OK);
        submitted_free(&jobs[i]);
    }
    submitted_wait(&blocker);
    submitted_free(&blocker);
    json_decref(ask(&own, MODEL, "\"wanted\"", ""));
    fixture_close(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_second_call_needs_no_worker),
        cmocka_unit_test(test_only_what_is_missing_is_computed),
        cmocka_unit_test(test_options_are_part_of_the_key),
        cmocka_unit_test(test_an_error_names_the_text_by_its_place),
        cmocka_unit_test(test_hits_load_no_model),
        cmocka_unit_test(test_a_hit_keeps_no_model_alive_but_says_how_long),
        cmocka_unit_test(test_a_text_that_many_want_is_computed_once),
        cmocka_unit_test(test_who_waits_takes_over_when_the_first_is_cancelled),
        cmocka_unit_test(test_release_answers_who_waits_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
