// SPDX-License-Identifier: Apache-2.0
// The embedding cache at work: what is answered from it, what is not, and who computes a text that
// several want at once.
#include "fixture.h"
#include "scratch.h"
#include "toy.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

// Bytes of a text count, all of them and nothing else: no two of these share a vector.
static void test_every_text_has_its_own_key(void **state) {
    (void)state;
    static char texts[4][9000];
    static const char *const plain[] = {"Gr\\u00fc\\u00dfe",
                                        "Gru\\u0308\\u00dfe",
                                        "gr\\u00fc\\u00dfe",
                                        "\\u65e5\\u672c\\u8a9e",
                                        "\\ud83d\\ude00",
                                        " ",
                                        "",
                                        "a",
                                        "a ",
                                        "a\\u0000",
                                        "a\\u0000b"};
    fixture own;
    open_cached(&own);
    for (size_t i = 0; i < 4; i++) { // long ones that differ at their end
        memset(texts[i], 'x', sizeof(texts[i]) - 2);
        texts[i][sizeof(texts[i]) - 2] = (char)('a' + i);
    }
    json_int_t expected = 0;
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < 4 + sizeof(plain) / sizeof(plain[0]); i++) {
            json_t *answer = fixture_json(
                &own,
                "{\"task_type\": \"embedding\", \"model_name\": \"%s\", \"device\": \"cpu\", "
                "\"task_data\": \"%s\"}",
                MODEL, i < 4 ? texts[i] : plain[i - 4]);
            assert_cached(answer, again ? "t" : "f");
            json_decref(answer);
            expected += !again;
        }
    }
    assert_int_equal(count(&own, "entries"), expected);
    fixture_close(&own);
}

// Each variant is another key, and finds its own vector again among all others.
static void test_every_option_has_its_own_key(void **state) {
    (void)state;
    static const char *const options[] = {
        "",
        ", \"normalize\": false",
        ", \"normalize\": true",
        ", \"dimensions\": 4",
        ", \"dimensions\": 5",
        ", \"dimensions\": 4, \"normalize\": true",
        ", \"max_length\": 4",
        ", \"max_length\": 5",
        ", \"prompt\": \"p\"",
        ", \"prompt\": \"p\", \"truncate\": \"left\"",
        ", \"prompt\": \"left\"",
        ", \"truncate\": \"left\"",
        ", \"input_role\": \"query\"",
        ", \"input_role\": \"document\"",
    };
    fixture own;
    open_cached(&own);
    json_t *first[sizeof(options) / sizeof(options[0])];
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        first[i] = ask(&own, MODEL, "\"one two three four\"", options[i]);
        assert_cached(first[i], "f");
    }
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        json_t *second = ask(&own, MODEL, "\"one two three four\"", options[i]);
        assert_cached(second, "t");
        assert_true(json_equal(vector(first[i], 0), vector(second, 0)));
        json_decref(second);
        json_decref(first[i]);
    }
    fixture_close(&own);
}

static void test_a_cache_of_no_size_or_no_time_keeps_nothing(void **state) {
    (void)state;
    static const char *const names[] = {"embedding_cache.max_cache_size",
                                        "embedding_cache.ttl_seconds"};
    for (size_t i = 0; i < 2; i++) {
        const char *settings[] = {"embedding_cache.enabled", "true", names[i], "0", NULL};
        fixture own;
        fixture_open(&own, settings);
        for (int again = 0; again < 2; again++) {
            json_t *answer = ask(&own, MODEL, "[\"a\", \"b\"]", "");
            assert_cached(answer, "ff");
            json_decref(answer);
        }
        assert_int_equal(count(&own, "hits"), 0);
        fixture_close(&own);
    }
}

static void test_a_cache_of_one_keeps_the_last(void **state) {
    (void)state;
    static const char *const settings[] = {"embedding_cache.enabled", "true",
                                           "embedding_cache.max_cache_size", "1", NULL};
    static const char *const texts[] = {"\"a\"", "\"a\"", "\"b\"", "\"b\"", "\"a\""};
    static const char *const cached[] = {"f", "t", "f", "t", "f"};
    fixture own;
    fixture_open(&own, settings);
    for (size_t i = 0; i < 5; i++) {
        json_t *answer = ask(&own, MODEL, texts[i], "");
        assert_cached(answer, cached[i]);
        json_decref(answer);
    }
    assert_int_equal(count(&own, "entries"), 1);
    fixture_close(&own);
}

static void test_a_vector_gets_too_old_by_the_managers_clock(void **state) {
    (void)state;
    static const char *const settings[] = {"embedding_cache.enabled", "true",
                                           "embedding_cache.ttl_seconds", "100", NULL};
    fixture own;
    fixture_open_by_hand(&own, settings);
    json_decref(ask(&own, MODEL, "\"a\"", ""));
    hand_clock_advance(&own.clock, 99);
    json_t *young = ask(&own, MODEL, "\"a\"", "");
    hand_clock_advance(&own.clock, 2); // use does not prolong it
    json_t *old = ask(&own, MODEL, "\"a\"", "");
    assert_cached(young, "t");
    assert_cached(old, "f");
    json_decref(young);
    json_decref(old);
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

// While the model is loaded its name says which model is meant, but a name that leads to another
// directory means another one at once.
static void test_a_directory_is_the_one_that_its_name_leads_to(void **state) {
    (void)state;
    assert_non_null(scratch_create());
    char first[512], second[512], name[512];
    (void)snprintf(first, sizeof(first), "%s", toy_write("first", NULL));
    (void)snprintf(second, sizeof(second), "%s",
                   toy_write("second", &(toy_options){.model_type = "distilbert"}));
    (void)snprintf(name, sizeof(name), "%s", scratch_path("current"));
    fixture own;
    open_cached(&own);
    assert_int_equal(symlink(first, name), 0);
    json_t *of_first = ask(&own, name, "\"a\"", "");
    json_t *again = ask(&own, name, "\"a\"", "");
    assert_cached(again, "t");
    assert_int_equal(unlink(name), 0);
    assert_int_equal(symlink(second, name), 0);
    json_t *of_second = ask(&own, name, "\"a\"", "");
    assert_cached(of_second, "f");
    assert_false(json_equal(vector(of_first, 0), vector(of_second, 0)));
    json_decref(of_first);
    json_decref(again);
    json_decref(of_second);
    fixture_close(&own);
    scratch_remove();
}

static void test_answers_from_the_cache_count_as_hits_of_the_model(void **state) {
    (void)state;
    fixture own;
    open_cached(&own);
    for (int i = 0; i < 4; i++)
        json_decref(ask(&own, MODEL, "[\"a\", \"b\"]", ""));
    json_t *status = fixture_status(&own);
    assert_int_equal(json_integer_value(json_object_get(fixture_model(status), "loads")), 1);
    assert_int_equal(json_integer_value(json_object_get(fixture_model(status), "hits")), 3);
    json_decref(status);
    assert_int_equal(count(&own, "hits"), 6); // of the cache: texts
    fixture_close(&own);
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
        cmocka_unit_test(test_every_text_has_its_own_key),
        cmocka_unit_test(test_every_option_has_its_own_key),
        cmocka_unit_test(test_a_cache_of_no_size_or_no_time_keeps_nothing),
        cmocka_unit_test(test_a_cache_of_one_keeps_the_last),
        cmocka_unit_test(test_a_vector_gets_too_old_by_the_managers_clock),
        cmocka_unit_test(test_a_directory_is_the_one_that_its_name_leads_to),
        cmocka_unit_test(test_answers_from_the_cache_count_as_hits_of_the_model),
        cmocka_unit_test(test_an_error_names_the_text_by_its_place),
        cmocka_unit_test(test_hits_load_no_model),
        cmocka_unit_test(test_a_hit_keeps_no_model_alive_but_says_how_long),
        cmocka_unit_test(test_a_text_that_many_want_is_computed_once),
        cmocka_unit_test(test_who_waits_takes_over_when_the_first_is_cancelled),
        cmocka_unit_test(test_release_answers_who_waits_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
