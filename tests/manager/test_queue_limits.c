// SPDX-License-Identifier: Apache-2.0
// A queue is bounded in length and time, and can be dropped; who is not served is told why and when
// to try again. Time is moved by hand.
#include "held_worker.h"

#include "manager/state.h"

#include <stdio.h>
#include <stdlib.h>

enum { LIMIT = 3, MANY = 512, VERY_MANY = 10000 };

static const char *const limited[] = {"worker_pool.queue_limit", "3", NULL};

static void end(submitted *job, mm_status expected) {
    submitted_wait(job);
    if (job->status != expected)
        fail_msg("%s, expected %s: %s", mm_status_name(job->status), mm_status_name(expected),
                 job->message);
    submitted_free(job);
}

static int64_t detail(const submitted *job, const char *name) {
    json_t *details = json_loads(job->details, 0, NULL);
    const json_t *value = json_object_get(details, name);
    if (!json_is_integer(value))
        fail_msg("no integer \"%s\" in %s", name, job->details);
    int64_t number = json_integer_value(value);
    json_decref(details);
    return number;
}

// Has the only worker serve one job in so many seconds.
static void serve_one(fixture *own, double seconds) {
    held_worker held;
    held_worker_start(&held, own);
    hand_clock_advance(&own->clock, seconds);
    held_worker_end(&held);
    assert_int_equal(held.status, MM_STATUS_OK);
}

static void submit(submitted *job, fixture *own, double timeout_ms) {
    mm_request *request = fixture_request(T5, "x");
    mm_error error = {0};
    if (timeout_ms > 0)
        assert_ok(mm_request_set_number(request, "timeout_ms", timeout_ms, &error), error);
    fixture_submit(job, own, request);
}

// ---- Full --------------------------------------------------------------------------------------

static void a_full_queue_says_when_to_try_again(void **state) {
    (void)state;
    fixture own;
    held_worker held;
    submitted jobs[LIMIT], refused;
    fixture_open_by_hand(&own, limited);
    serve_one(&own, 10);
    held_worker_start(&held, &own);
    for (int i = 0; i < LIMIT; i++)
        submit(&jobs[i], &own, 0);
    fixture_wait_queued(&own, LIMIT);
    submit(&refused, &own, 0);
    submitted_wait(&refused);
    assert_int_equal(refused.status, MM_STATUS_QUEUE_FULL);
    assert_int_equal(detail(&refused, "queued"), LIMIT);
    assert_int_equal(detail(&refused, "limit"), LIMIT);
    assert_int_equal(detail(&refused, "retry_after_s"), 10 * LIMIT); // one job in ten seconds
    assert_contains(refused.message, "worker_pool.queue_limit");
    submitted_free(&refused);
    held_worker_end(&held);
    for (int i = 0; i < LIMIT; i++)
        end(&jobs[i], MM_STATUS_OK);
    submit(&jobs[0], &own, 0); // there is room again
    end(&jobs[0], MM_STATUS_OK);
    fixture_close(&own);
}

// A faster deployment sends its callers away for a shorter time.
static void the_time_to_wait_follows_the_rate_of_service(void **state) {
    (void)state;
    mm_service_rate rate = {0};
    assert_int_equal(mm_service_rate_seconds(&rate, 100, 0), 1); // nothing is known
    mm_service_rate_begin(&rate, 0);
    assert_int_equal(mm_service_rate_seconds(&rate, 3, 5000000000), 15); // not done yet
    mm_service_rate_end(&rate, 10000000000, true);
    assert_int_equal(mm_service_rate_seconds(&rate, 3, 99000000000), 30); // idle time has no say
    for (int64_t at = 100; at < 200; at++) { // two at a time, each in a second
        mm_service_rate_begin(&rate, at * 1000000000);
        mm_service_rate_begin(&rate, at * 1000000000);
        mm_service_rate_end(&rate, (at + 1) * 1000000000, true);
        mm_service_rate_end(&rate, (at + 1) * 1000000000, true);
    }
    int64_t now = 200000000000;
    assert_in_range(mm_service_rate_seconds(&rate, 100, now), 50, 60);
    assert_int_equal(mm_service_rate_seconds(&rate, 0, now), 1);
    assert_int_equal(mm_service_rate_seconds(&rate, 1000000, now), 3600);
}

static void what_waits_for_the_load_counts_too(void **state) {
    (void)state;
    fixture own;
    submitted jobs[LIMIT], refused;
    fixture_open_by_hand(&own, limited);
    atomic_store(&own.hold_load, true);
    for (int i = 0; i < LIMIT; i++)
        submit(&jobs[i], &own, 0);
    fixture_wait_queued(&own, LIMIT);
    submit(&refused, &own, 0);
    submitted_wait(&refused);
    assert_int_equal(refused.status, MM_STATUS_QUEUE_FULL);
    assert_int_equal(detail(&refused, "queued"), LIMIT);
    assert_true(detail(&refused, "retry_after_s") >= 1);
    submitted_free(&refused);
    atomic_store(&own.hold_load, false);
    for (int i = 0; i < LIMIT; i++)
        end(&jobs[i], MM_STATUS_OK); // who was let in is not refused later
    fixture_close(&own);
}

// ---- Time --------------------------------------------------------------------------------------

static void queue_timeout_counts_once_the_model_is_ready(void **state) {
    (void)state;
    static const char *const settings[] = {"worker_pool.queue_timeout", "30", NULL};
    fixture own;
    held_worker held;
    submitted job;
    fixture_open_by_hand(&own, settings);
    atomic_store(&own.hold_load, true);
    submit(&job, &own, 0);
    fixture_wait_queued(&own, 1);
    hand_clock_advance(&own.clock, 1000);
    atomic_store(&own.hold_load, false);
    end(&job, MM_STATUS_OK);
    serve_one(&own, 10);
    held_worker_start(&held, &own);
    submit(&job, &own, 0);
    fixture_wait_queued(&own, 1);
    hand_clock_advance(&own.clock, 29.9);
    assert_int_equal(atomic_load(&job.calls), 0);
    hand_clock_advance(&own.clock, 0.2);
    submitted_wait(&job);
    assert_int_equal(job.status, MM_STATUS_QUEUE_TIMEOUT);
    assert_int_equal(detail(&job, "queued"), 1);
    assert_int_equal(detail(&job, "limit"), 512);
    assert_true(detail(&job, "retry_after_s") >= 10);
    submitted_free(&job);
    held_worker_end(&held);
    fixture_close(&own);
}

static void timeout_ms_covers_the_whole_way(void **state) {
    (void)state;
    fixture own;
    held_worker held;
    submitted job;
    fixture_open_by_hand(&own, NULL);
    atomic_store(&own.hold_load, true); // the load
    submit(&job, &own, 5000);
    fixture_wait_queued(&own, 1);
    hand_clock_advance(&own.clock, 4.9);
    assert_int_equal(atomic_load(&job.calls), 0);
    hand_clock_advance(&own.clock, 0.2);
    end(&job, MM_STATUS_TIMEOUT);
    submit(&job, &own, 5000); // the load and the queue
    fixture_wait_queued(&own, 1);
    hand_clock_advance(&own.clock, 3);
    atomic_store(&own.hold_load, false);
    end(&job, MM_STATUS_OK);
    held_worker_start(&held, &own);
    submit(&job, &own, 5000); // the queue
    fixture_wait_queued(&own, 1);
    hand_clock_advance(&own.clock, 5.1);
    end(&job, MM_STATUS_TIMEOUT);
    held_worker_end(&held);
    fixture_close(&own);
}

static void many_jobs_time_out_at_once(void **state) {
    (void)state;
    fixture own;
    held_worker held;
    submitted *jobs = calloc(MANY, sizeof(*jobs));
    assert_non_null(jobs);
    fixture_open_by_hand(&own, NULL);
    held_worker_start(&held, &own);
    for (size_t i = 0; i < MANY; i++)
        submit(&jobs[i], &own, 0);
    fixture_wait_queued(&own, MANY);
    hand_clock_advance(&own.clock, 31);
    for (size_t i = 0; i < MANY; i++)
        end(&jobs[i], MM_STATUS_QUEUE_TIMEOUT);
    fixture_wait_queued(&own, 0);
    held_worker_end(&held);
    fixture_close(&own);
    free(jobs);
}

// The last come first, which is the far end of a list.
static void ten_thousand_that_wait_for_a_load_can_go(void **state) {
    (void)state;
    static const char *const settings[] = {"worker_pool.queue_limit", "10000", NULL};
    fixture own;
    submitted *jobs = calloc(VERY_MANY, sizeof(*jobs));
    assert_non_null(jobs);
    fixture_open_by_hand(&own, settings);
    atomic_store(&own.hold_load, true);
    for (size_t i = 0; i < VERY_MANY; i++)
        submit(&jobs[i], &own, 0);
    fixture_wait_queued(&own, VERY_MANY);
    for (size_t i = VERY_MANY; i-- > 1;)
        mm_job_cancel(jobs[i].job);
    fixture_wait_queued(&own, 1);
    atomic_store(&own.hold_load, false);
    end(&jobs[0], MM_STATUS_OK);
    for (size_t i = 1; i < VERY_MANY; i++)
        end(&jobs[i], MM_STATUS_CANCELLED);
    fixture_close(&own);
    free(jobs);
}

// ---- Dropped -----------------------------------------------------------------------------------

static void check_reason(const submitted *job, const char *expected) {
    json_t *details = json_loads(job->details, 0, NULL);
    const char *reason = json_string_value(json_object_get(details, "reason"));
    if (!reason || strcmp(reason, expected) != 0)
        fail_msg("%s has not the reason \"%s\"", job->details, expected);
    json_decref(details);
}

static size_t drop(fixture *own, const char *reason) {
    size_t dropped = 99;
    mm_error error = {0};
    assert_ok(mm_queue_drop(own->manager, T5, reason, &dropped, &error), error);
    return dropped;
}

static void a_dropped_queue_answers_all_that_waits(void **state) {
    (void)state;
    fixture own;
    held_worker held;
    submitted jobs[5], other;
    fixture_open_by_hand(&own, NULL);
    held_worker_start(&held, &own);
    for (int i = 0; i < 5; i++)
        submit(&jobs[i], &own, 0);
    fixture_wait_queued(&own, 5);
    fixture_submit(&other, &own, fixture_request(MODEL, "x")); // is no concern of it
    end(&other, MM_STATUS_OK);
    assert_int_equal(drop(&own, "maintenance \"now\""), 5);
    for (int i = 0; i < 5; i++) {
        submitted_wait(&jobs[i]);
        check_reason(&jobs[i], "maintenance \"now\"");
        end(&jobs[i], MM_STATUS_CANCELLED);
    }
    fixture_wait_queued(&own, 0);
    assert_int_equal(drop(&own, NULL), 0);
    assert_int_equal(atomic_load(&held.calls), 0); // what runs goes on
    submit(&jobs[0], &own, 0);                     // and so does what comes later
    fixture_wait_queued(&own, 1);
    held_worker_end(&held);
    assert_int_equal(held.status, MM_STATUS_OK);
    end(&jobs[0], MM_STATUS_OK);
    fixture_close(&own);
}

static void what_waits_for_the_load_is_dropped_too(void **state) {
    (void)state;
    fixture own;
    submitted jobs[2];
    fixture_open_by_hand(&own, NULL);
    atomic_store(&own.hold_load, true);
    for (int i = 0; i < 2; i++)
        submit(&jobs[i], &own, 0);
    fixture_wait_queued(&own, 2);
    assert_int_equal(drop(&own, NULL), 2);
    for (int i = 0; i < 2; i++) {
        submitted_wait(&jobs[i]);
        check_reason(&jobs[i], "");
        end(&jobs[i], MM_STATUS_CANCELLED);
    }
    submit(&jobs[0], &own, 0);
    fixture_wait_queued(&own, 1);
    atomic_store(&own.hold_load, false);
    end(&jobs[0], MM_STATUS_OK);
    fixture_close(&own);
}

static void a_long_reason_is_cut_at_a_character(void **state) {
    (void)state;
    fixture own;
    submitted job;
    char reason[1001], expected[300];
    for (size_t i = 0; i + 2 < sizeof(reason); i += 2)
        memcpy(reason + i, "\xc3\xa4", 3);
    fixture_open_by_hand(&own, NULL);
    atomic_store(&own.hold_load, true);
    submit(&job, &own, 0);
    fixture_wait_queued(&own, 1);
    assert_int_equal(drop(&own, reason), 1);
    submitted_wait(&job);
    (void)snprintf(expected, sizeof(expected), "%.*s", 240, reason);
    assert_contains(job.details, "\xc3\xa4\"}");
    expected[200] = '\0';
    assert_contains(job.details, expected);
    end(&job, MM_STATUS_CANCELLED);
    atomic_store(&own.hold_load, false);
    fixture_close(&own);
}

static int64_t dropped_by_json(fixture *own, const char *rest) {
    json_t *result =
        fixture_json(own, "{\"op\": \"drop_queue\", \"model_name\": \"" T5 "\"%s}", rest);
    const json_t *dropped = json_object_get(fixture_data(result), "dropped");
    assert_true(json_is_integer(dropped));
    int64_t count = json_integer_value(dropped);
    json_decref(result);
    return count;
}

static void drop_queue_is_an_operation_in_json(void **state) {
    (void)state;
    fixture own;
    held_worker held;
    submitted job;
    fixture_open_by_hand(&own, NULL);
    assert_int_equal(dropped_by_json(&own, ""), 0); // a model that is not there: no error
    held_worker_start(&held, &own);
    submit(&job, &own, 0);
    fixture_wait_queued(&own, 1);
    assert_int_equal(dropped_by_json(&own, ", \"id\": 7, \"reason\": \"full\""), 1);
    submitted_wait(&job);
    check_reason(&job, "full");
    end(&job, MM_STATUS_CANCELLED);
    static const char *const wrong[][2] = {
        {"{\"op\": \"drop_queue\"}", "INVALID_REQUEST"},
        {"{\"op\": \"drop_queue\", \"model_name\": 3}", "INVALID_PARAMETER"},
        {"{\"op\": \"drop_queue\", \"model_name\": \"a\", \"reason\": 1}", "INVALID_PARAMETER"},
        {"{\"op\": \"drop_queue\", \"model_name\": \"a\", \"why\": \"\"}", "INVALID_PARAMETER"},
        {"{\"op\": \"drop\", \"model_name\": \"a\"}", "INVALID_REQUEST"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        json_t *result = fixture_json(&own, "%s", wrong[i][0]);
        assert_string_equal(fixture_code(result), wrong[i][1]);
        json_decref(result);
    }
    held_worker_end(&held);
    fixture_close(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_queue_says_when_to_try_again),
        cmocka_unit_test(the_time_to_wait_follows_the_rate_of_service),
        cmocka_unit_test(what_waits_for_the_load_counts_too),
        cmocka_unit_test(queue_timeout_counts_once_the_model_is_ready),
        cmocka_unit_test(timeout_ms_covers_the_whole_way),
        cmocka_unit_test(many_jobs_time_out_at_once),
        cmocka_unit_test(ten_thousand_that_wait_for_a_load_can_go),
        cmocka_unit_test(a_dropped_queue_answers_all_that_waits),
        cmocka_unit_test(what_waits_for_the_load_is_dropped_too),
        cmocka_unit_test(a_long_reason_is_cut_at_a_character),
        cmocka_unit_test(drop_queue_is_an_operation_in_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
