// SPDX-License-Identifier: Apache-2.0
// How long a model that nobody uses stays: what a request says of it, what the settings say, what
// it is counted from, and what happens to requests that come while it goes.
#include "fixture.h"

// {"task_type", "model_name", "device", rest}, which succeeds.
static void ask(fixture *own, const char *rest) {
    json_t *result = fixture_json(own,
                                  "{\"task_type\": \"embedding\", \"model_name\": \"" MODEL
                                  "\", \"device\": \"cpu\", %s}",
                                  rest);
    (void)fixture_data(result);
    json_decref(result);
}

static double minutes(fixture *own) {
    json_t *status = fixture_status(own);
    double kept = json_number_value(json_object_get(fixture_model(status), "keep_alive_minutes"));
    json_decref(status);
    return kept;
}

// It is there just before `seconds` have passed, and gone just after.
static void check_stays(fixture *own, double seconds) {
    hand_clock_advance(&own->clock, seconds - 0.001);
    assert_true(fixture_holds(own, MODEL));
    hand_clock_advance(&own->clock, 0.002);
    assert_false(fixture_holds(own, MODEL));
}

static void test_a_model_goes_after_its_minutes_of_inactivity(void **state) {
    (void)state;
    fixture own;
    fixture_open_by_hand(&own, NULL);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": 2");
    check_stays(&own, 120);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": 0.001"); // a fraction
    check_stays(&own, 0.06);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": -3"); // never
    hand_clock_advance(&own.clock, 1e8);
    assert_true(fixture_holds(&own, MODEL));
    assert_true(minutes(&own) == -1);
    assert_int_equal(atomic_load(&own.loads), 3);
    fixture_close(&own);
}

static void test_without_keep_alive_what_is_set_stays(void **state) {
    (void)state;
    static const char *const settings[] = {"worker_pool.model_idle_timeout", "90", NULL};
    fixture own;
    fixture_open_by_hand(&own, settings);
    ask(&own, "\"task_data\": \"a\""); // the settings' number
    check_stays(&own, 90);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": 5");
    ask(&own, "\"task_data\": \"b\"");
    assert_true(minutes(&own) == 5);
    check_stays(&own, 300);
    ask(&own, "\"task_data\": \"b\""); // remembered over a release by time
    check_stays(&own, 300);
    fixture_close(&own);
}

static void test_an_explicit_keep_alive_replaces_what_is_set(void **state) {
    (void)state;
    fixture own;
    fixture_open_by_hand(&own, NULL);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": 60");
    ask(&own, "\"task_data\": null, \"keep_alive\": 1"); // less, and by a pre-load
    check_stays(&own, 60);
    ask(&own, "\"task_data\": \"a\"");
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": 3"); // more
    check_stays(&own, 180);
    fixture_close(&own);
}

static void test_keep_alive_zero_releases_before_the_answer(void **state) {
    (void)state;
    fixture own;
    fixture_open_by_hand(&own, NULL);
    for (int i = 1; i <= 3; i++) {
        ask(&own, "\"task_data\": \"a\", \"keep_alive\": 0");
        assert_int_equal(atomic_load(&own.releases), i);
        assert_false(fixture_holds(&own, MODEL));
    }
    submitted job;
    fixture_submit(&job, &own, fixture_request(MODEL, "a")); // remembered over the release
    submitted_wait(&job);
    assert_int_equal(job.status, MM_STATUS_OK);
    assert_int_equal(atomic_load(&own.releases), 4);
    submitted_free(&job);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": 1");
    check_stays(&own, 60);
    fixture_close(&own);
}

static void test_settings_bound_what_requests_ask_for(void **state) {
    (void)state;
    static const char *const bounded[] = {"worker_pool.keep_alive_min", "5",
                                          "worker_pool.keep_alive_max", "7", NULL};
    fixture own;
    fixture_open_by_hand(&own, bounded);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": 0");
    assert_true(minutes(&own) == 5);
    check_stays(&own, 300);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": -1");
    assert_true(minutes(&own) == 7);
    check_stays(&own, 420);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": 6");
    check_stays(&own, 360);
    fixture_close(&own);
    static const char *const lowest[] = {"worker_pool.keep_alive_min", "5", NULL};
    fixture_open_by_hand(&own, lowest);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": -1"); // for ever is more than five minutes
    assert_true(minutes(&own) == -1);
    fixture_close(&own);
}

static void test_pinned_models_stay(void **state) {
    (void)state;
    static const char *const pinned[] = {"worker_pool.pinned", "[\"" MODEL "\"]", NULL};
    fixture own;
    fixture_open_by_hand(&own, pinned);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": 0");
    mm_result_free(fixture_embed(&own, OTHER_MODEL, "a", MM_STATUS_OK));
    hand_clock_advance(&own.clock, 1e6);
    assert_true(fixture_holds(&own, MODEL));
    assert_false(fixture_holds(&own, OTHER_MODEL));
    fixture_close(&own);
}

static void test_inactivity_counts_from_the_end_of_the_last_work(void **state) {
    (void)state;
    fixture own;
    fixture_open_by_hand(&own, NULL);
    ask(&own, "\"task_data\": null, \"keep_alive\": 1");
    submitted job;
    fixture_submit_long(&job, &own, MODEL);
    fixture_wait_busy(&own);
    hand_clock_advance(&own.clock, 600); // running work is never cut
    assert_true(fixture_holds(&own, MODEL));
    submitted_wait(&job);
    assert_int_equal(job.status, MM_STATUS_OK);
    submitted_free(&job);
    check_stays(&own, 60);
    assert_int_equal(atomic_load(&own.loads), 1);
    fixture_close(&own);
}

static void test_a_cache_hit_does_not_extend_it(void **state) {
    (void)state;
    static const char *const settings[] = {"embedding_cache.enabled", "true", NULL};
    fixture own;
    fixture_open_by_hand(&own, settings);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": 1");
    hand_clock_advance(&own.clock, 40);
    ask(&own, "\"task_data\": \"a\""); // from the cache
    check_stays(&own, 20);
    ask(&own, "\"task_data\": \"b\"");
    hand_clock_advance(&own.clock, 40);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": 2"); // counts all the same
    check_stays(&own, 80);
    fixture_close(&own);
}

static void test_the_cache_forgets_after_ttl_seconds(void **state) {
    (void)state;
    static const char *const settings[] = {"embedding_cache.enabled",
                                           "true",
                                           "embedding_cache.ttl_seconds",
                                           "100",
                                           "worker_pool.model_idle_timeout",
                                           "null",
                                           NULL};
    static const double pauses[] = {0, 99, 2};
    static const bool expected[] = {false, true, false};
    fixture own;
    fixture_open_by_hand(&own, settings);
    for (size_t i = 0; i < 3; i++) {
        hand_clock_advance(&own.clock, pauses[i]);
        mm_result *result = fixture_embed(&own, MODEL, "a", MM_STATUS_OK);
        assert_true(mm_result_cached(result, 0) == expected[i]);
        mm_result_free(result);
    }
    fixture_close(&own);
}

static void test_a_request_that_comes_while_a_model_goes_gets_it_back(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL); // the timer is in the release that is held
    mm_result *before = fixture_embed(&own, MODEL, "same again", MM_STATUS_OK);
    atomic_store(&own.hold_release, true);
    ask(&own, "\"task_data\": null, \"keep_alive\": 0.0001");
    fixture_wait(&own.releases, 1);
    submitted job;
    fixture_submit(&job, &own, fixture_request(MODEL, "same again"));
    fixture_wait_queued(&own, 1);
    assert_int_equal(atomic_load(&own.loads), 1);
    atomic_store(&own.hold_release, false);
    submitted_wait(&job);
    assert_int_equal(job.status, MM_STATUS_OK);
    assert_int_equal(atomic_load(&own.loads), 2);
    assert_memory_equal(job.vector, mm_result_vectors(before),
                        mm_result_dimension(before) * sizeof(float));
    mm_result_free(before);
    submitted_free(&job);
    fixture_close(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_model_goes_after_its_minutes_of_inactivity),
        cmocka_unit_test(test_without_keep_alive_what_is_set_stays),
        cmocka_unit_test(test_an_explicit_keep_alive_replaces_what_is_set),
        cmocka_unit_test(test_keep_alive_zero_releases_before_the_answer),
        cmocka_unit_test(test_settings_bound_what_requests_ask_for),
        cmocka_unit_test(test_pinned_models_stay),
        cmocka_unit_test(test_inactivity_counts_from_the_end_of_the_last_work),
        cmocka_unit_test(test_a_cache_hit_does_not_extend_it),
        cmocka_unit_test(test_the_cache_forgets_after_ttl_seconds),
        cmocka_unit_test(test_a_request_that_comes_while_a_model_goes_gets_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
