// SPDX-License-Identifier: Apache-2.0
// mm_manager_shutdown: nothing new, time for what was begun, then its end.
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>

enum { JOBS = 6 };

typedef struct closer {
    fixture *own;
    int64_t deadline_ms;
    mm_status status;
    mm_error error;
    atomic_int done;
    pthread_t thread;
} closer;

static void *shut_down(void *payload) {
    closer *self = payload;
    self->status = mm_manager_shutdown(self->own->manager, self->deadline_ms, &self->error);
    atomic_store(&self->done, 1);
    return NULL;
}

// On another thread; returns when new work is refused.
static void start(closer *out, fixture *own, int64_t deadline_ms) {
    *out = (closer){.own = own, .deadline_ms = deadline_ms};
    assert_int_equal(pthread_create(&out->thread, NULL, shut_down, out), 0);
    mm_status status = MM_STATUS_OK;
    while (status == MM_STATUS_OK) {
        char *text;
        status = mm_manager_status(&text, own->manager, NULL);
        mm_text_free(text);
    }
    assert_int_equal(status, MM_STATUS_SHUTTING_DOWN);
}

static void finish(closer *self) {
    pthread_join(self->thread, NULL);
}

// One that runs, with JOBS behind it in the queue.
static void fill(fixture *own, submitted *blocker, submitted *jobs) {
    fixture_submit_long(blocker, own, MODEL);
    fixture_wait_busy(own);
    for (size_t i = 0; i < JOBS; i++)
        fixture_submit(&jobs[i], own, fixture_request(MODEL, "x"));
    fixture_wait_queued(own, JOBS);
}

static void test_what_was_begun_is_finished(void **state) {
    (void)state;
    fixture own;
    fixture_open_by_hand(&own, NULL);
    submitted blocker, jobs[JOBS];
    mm_result_free(fixture_embed(&own, MODEL, "x", MM_STATUS_OK));
    fill(&own, &blocker, jobs);
    mm_error error = {0};
    assert_ok(mm_manager_shutdown(own.manager, 1000, &error), error); // the clock stands still
    assert_int_equal(atomic_load(&blocker.calls), 1);
    assert_int_equal(blocker.status, MM_STATUS_OK);
    for (size_t i = 0; i < JOBS; i++) {
        assert_int_equal(atomic_load(&jobs[i].calls), 1); // callbacks have returned
        assert_int_equal(jobs[i].status, MM_STATUS_OK);
        submitted_free(&jobs[i]);
    }
    submitted_free(&blocker);
    // For ever: also a second time, and of every kind.
    (void)fixture_embed(&own, MODEL, "x", MM_STATUS_SHUTTING_DOWN);
    assert_status(mm_model_release(own.manager, MODEL, NULL, &error), MM_STATUS_SHUTTING_DOWN,
                  error);
    assert_ok(mm_manager_shutdown(own.manager, 0, &error), error);
    fixture_close(&own);
}

static void test_a_load_that_was_begun_is_finished(void **state) {
    (void)state;
    fixture own;
    fixture_open_by_hand(&own, NULL);
    atomic_store(&own.hold_load, true);
    submitted job;
    closer end;
    fixture_submit(&job, &own, fixture_request(MODEL, "x"));
    fixture_wait(&own.loads, 1);
    start(&end, &own, -1);
    hand_clock_advance(&own.clock, 1e6); // without an end
    assert_int_equal(atomic_load(&end.done), 0);
    atomic_store(&own.hold_load, false);
    finish(&end);
    assert_int_equal(end.status, MM_STATUS_OK);
    assert_int_equal(job.status, MM_STATUS_OK);
    submitted_free(&job);
    fixture_close(&own);
}

static void test_what_takes_longer_than_the_deadline_is_cancelled(void **state) {
    (void)state;
    fixture own;
    fixture_open_by_hand(&own, NULL);
    atomic_store(&own.hold_load, true);
    submitted jobs[JOBS];
    closer end;
    for (size_t i = 0; i < JOBS; i++)
        fixture_submit(&jobs[i], &own, fixture_request(MODEL, "x"));
    fixture_wait_queued(&own, JOBS);
    start(&end, &own, 20000);
    hand_clock_advance(&own.clock, 19.9);
    assert_int_equal(atomic_load(&end.done), 0);
    hand_clock_advance(&own.clock, 0.1);
    finish(&end); // although the load is still held
    assert_int_equal(end.status, MM_STATUS_TIMEOUT);
    char details[64];
    (void)snprintf(details, sizeof(details), "{\"cancelled\": %d}", JOBS);
    assert_string_equal(end.error.details, details);
    for (size_t i = 0; i < JOBS; i++) {
        assert_int_equal(atomic_load(&jobs[i].calls), 1);
        assert_int_equal(jobs[i].status, MM_STATUS_CANCELLED);
        submitted_free(&jobs[i]);
    }
    atomic_store(&own.hold_load, false);
    fixture_close(&own);
}

static void test_running_work_is_answered_at_the_deadline(void **state) {
    (void)state;
    fixture own;
    fixture_open_by_hand(&own, NULL);
    submitted blocker, jobs[JOBS];
    mm_result_free(fixture_embed(&own, MODEL, "x", MM_STATUS_OK));
    fill(&own, &blocker, jobs);
    mm_error error = {0};
    assert_status(mm_manager_shutdown(own.manager, 0, &error), MM_STATUS_TIMEOUT, error);
    assert_int_equal(blocker.status, MM_STATUS_CANCELLED);
    for (size_t i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].status, MM_STATUS_CANCELLED);
        submitted_free(&jobs[i]);
    }
    submitted_free(&blocker);
    fixture_close(&own); // waits for the worker
}

static void test_a_later_call_may_hurry(void **state) {
    (void)state;
    fixture own;
    fixture_open_by_hand(&own, NULL);
    atomic_store(&own.hold_load, true);
    submitted job;
    closer patient, hasty;
    fixture_submit(&job, &own, fixture_request(MODEL, "x"));
    fixture_wait_queued(&own, 1);
    start(&patient, &own, 60000);
    start(&hasty, &own, 5000);
    while (atomic_load(&own.clock.until_ns) > atomic_load(&own.clock.now_ns) + 5000000000)
        hand_clock_advance(&own.clock, 0); // until the timer knows of it
    hand_clock_advance(&own.clock, 5);
    finish(&patient);
    finish(&hasty);
    assert_int_equal(patient.status, MM_STATUS_TIMEOUT);
    assert_int_equal(hasty.status, MM_STATUS_TIMEOUT);
    assert_int_equal(job.status, MM_STATUS_CANCELLED);
    submitted_free(&job);
    atomic_store(&own.hold_load, false);
    fixture_close(&own);
}

static void test_an_idle_manager_shuts_down_at_once(void **state) {
    (void)state;
    static const char *const disabled[] = {"enabled", "false", NULL};
    fixture own;
    mm_error error = {0};
    fixture_open(&own, NULL);
    assert_ok(mm_manager_shutdown(own.manager, -1, &error), error);
    fixture_close(&own);
    fixture_open(&own, disabled);
    assert_ok(mm_manager_shutdown(own.manager, -1, &error), error);
    fixture_close(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_begun_is_finished),
        cmocka_unit_test(test_a_load_that_was_begun_is_finished),
        cmocka_unit_test(test_what_takes_longer_than_the_deadline_is_cancelled),
        cmocka_unit_test(test_running_work_is_answered_at_the_deadline),
        cmocka_unit_test(test_a_later_call_may_hurry),
        cmocka_unit_test(test_an_idle_manager_shuts_down_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
