// SPDX-License-Identifier: Apache-2.0
// Many callers at once: one load, right answers, and every job answered exactly once whatever
// happens to its model meanwhile.
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 16, JOBS = 60 };

typedef struct caller {
    fixture *own;
    const char *text;
    mm_status status;
    mm_result *result;
    mm_error error;
    double timeout_ms; // 0: none
    pthread_t thread;
} caller;

static void *call(void *payload) {
    caller *self = payload;
    mm_request *request = fixture_request(MODEL, self->text);
    if (self->timeout_ms > 0)
        (void)mm_request_set_number(request, "timeout_ms", self->timeout_ms, NULL);
    self->status = mm_task(&self->result, self->own->manager, request, &self->error);
    mm_request_free(request);
    return NULL;
}

static void start(caller *self, fixture *own, const char *text, double timeout_ms) {
    *self = (caller){.own = own, .text = text, .timeout_ms = timeout_ms};
    assert_int_equal(pthread_create(&self->thread, NULL, call, self), 0);
}

static void finish(caller *self) {
    pthread_join(self->thread, NULL);
}

// What one text gives, alone.
static mm_result *expected(fixture *own, const char *text) {
    return fixture_embed(own, MODEL, text, MM_STATUS_OK);
}

static void check_same(const float *vector, const mm_result *result) {
    assert_memory_equal(vector, mm_result_vectors(result),
                        mm_result_dimension(result) * sizeof(float));
}

static void test_one_load(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    caller callers[THREADS];
    for (int i = 0; i < THREADS; i++)
        start(&callers[i], &own, i % 2 ? "odd" : "even", 0);
    for (int i = 0; i < THREADS; i++)
        finish(&callers[i]);
    assert_int_equal(atomic_load(&own.loads), 1);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(callers[i].status, MM_STATUS_OK);
        check_same(mm_result_vectors(callers[i].result), callers[i % 2].result);
    }
    for (int i = 0; i < THREADS; i++)
        mm_result_free(callers[i].result);
    fixture_close(&own);
}

// Small jobs that queue up behind a long one are run together: each gets what it gets alone.
static void test_batched(void **state) {
    (void)state;
    static const char *const texts[] = {"one", "two words", "three words here", ""};
    fixture own;
    fixture_open(&own, NULL);
    mm_result *alone[4];
    for (size_t i = 0; i < 4; i++)
        alone[i] = expected(&own, texts[i]);
    submitted blocker, jobs[JOBS];
    fixture_submit_long(&blocker, &own, MODEL);
    fixture_wait_busy(&own);
    for (size_t i = 0; i < JOBS; i++)
        fixture_submit(&jobs[i], &own, fixture_request(MODEL, texts[i % 4]));
    submitted_wait(&blocker);
    for (size_t i = 0; i < JOBS; i++) {
        submitted_wait(&jobs[i]);
        assert_int_equal(jobs[i].status, MM_STATUS_OK);
        check_same(jobs[i].vector, alone[i % 4]);
        submitted_free(&jobs[i]);
    }
    submitted_free(&blocker);
    for (size_t i = 0; i < 4; i++)
        mm_result_free(alone[i]);
    fixture_close(&own);
}

static void test_cancel(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    atomic_store(&own.hold_load, true); // waiting for the load
    submitted jobs[3];
    for (size_t i = 0; i < 3; i++)
        fixture_submit(&jobs[i], &own, fixture_request(MODEL, "x"));
    fixture_wait(&own.loads, 1);
    mm_job_cancel(jobs[1].job);
    submitted_wait(&jobs[1]);
    assert_int_equal(jobs[1].status, MM_STATUS_CANCELLED);
    mm_job_cancel(jobs[1].job); // again, to no effect
    assert_int_equal(atomic_load(&jobs[0].calls), 0);
    atomic_store(&own.hold_load, false);
    submitted_wait(&jobs[0]);
    submitted_wait(&jobs[2]);
    assert_int_equal(jobs[0].status, MM_STATUS_OK);
    for (size_t i = 0; i < 3; i++)
        submitted_free(&jobs[i]);
    submitted blocker; // in the queue
    fixture_submit_long(&blocker, &own, MODEL);
    fixture_wait_busy(&own);
    fixture_submit(&jobs[0], &own, fixture_request(MODEL, "x"));
    mm_job_cancel(jobs[0].job);
    submitted_wait(&jobs[0]);
    assert_int_equal(jobs[0].status, MM_STATUS_CANCELLED);
    mm_job_cancel(blocker.job); // runs: it completes, or stops; but it answers once
    submitted_wait(&blocker);
    submitted_free(&blocker);
    submitted_free(&jobs[0]);
    fixture_close(&own);
}

static void test_timeouts(void **state) {
    (void)state;
    static const char *const settings[] = {"worker_pool.queue_timeout", "5", NULL};
    fixture own;
    fixture_open_by_hand(&own, settings);
    atomic_store(&own.hold_load, true);
    caller late, patient;
    start(&patient, &own, "x", 0);
    fixture_wait(&own.loads, 1);
    start(&late, &own, "x", 20000); // the load takes longer
    fixture_wait_queued(&own, 2);
    hand_clock_advance(&own.clock, 20);
    finish(&late);
    assert_int_equal(late.status, MM_STATUS_TIMEOUT);
    assert_null(late.result);
    atomic_store(&own.hold_load, false);
    finish(&patient); // its queue time begins only now
    assert_int_equal(patient.status, MM_STATUS_OK);
    mm_result_free(patient.result);
    submitted blocker, waiting;
    fixture_submit_long(&blocker, &own, MODEL);
    fixture_wait_busy(&own);
    fixture_submit(&waiting, &own, fixture_request(MODEL, "x"));
    fixture_wait_queued(&own, 1);
    hand_clock_advance(&own.clock, 4);
    assert_int_equal(atomic_load(&waiting.calls), 0);
    hand_clock_advance(&own.clock, 1);
    submitted_wait(&waiting);
    assert_int_equal(waiting.status, MM_STATUS_QUEUE_TIMEOUT);
    submitted_wait(&blocker);
    assert_int_equal(blocker.status, MM_STATUS_OK);
    submitted_free(&waiting);
    submitted_free(&blocker);
    fixture_close(&own);
}

// A deadline while the batch runs: the caller is answered, the worker goes on in peace.
static void test_timeout_running(void **state) {
    (void)state;
    fixture own;
    fixture_open_by_hand(&own, NULL);
    atomic_store(&own.hold_load, true);
    submitted late;
    mm_request *request = fixture_long_request(MODEL);
    mm_error error = {0};
    assert_ok(mm_request_set_number(request, "timeout_ms", 60, &error), error);
    fixture_submit(&late, &own, request);
    atomic_store(&own.hold_load, false);
    fixture_wait_busy(&own);
    assert_int_equal(atomic_load(&late.calls), 0);
    hand_clock_advance(&own.clock, 0.06);
    submitted_wait(&late);
    assert_int_equal(late.status, MM_STATUS_TIMEOUT);
    submitted_free(&late);
    mm_result_free(fixture_embed(&own, MODEL, "x", MM_STATUS_OK));
    fixture_close(&own);
}

static void test_queue_limit(void **state) {
    (void)state;
    static const char *const settings[] = {"worker_pool.queue_limit", "2", NULL};
    fixture own;
    fixture_open(&own, settings);
    atomic_store(&own.hold_load, true);
    submitted jobs[5];
    fixture_submit(&jobs[0], &own, fixture_request(MODEL, "x"));
    fixture_wait(&own.loads, 1);
    for (size_t i = 1; i < 5; i++)
        fixture_submit(&jobs[i], &own, fixture_request(MODEL, "x"));
    for (size_t full = 0; full < 3;) { // those above two are refused at once
        full = 0;
        for (size_t i = 0; i < 5; i++)
            full += (size_t)atomic_load(&jobs[i].calls);
    }
    atomic_store(&own.hold_load, false);
    size_t refused = 0;
    for (size_t i = 0; i < 5; i++) {
        submitted_wait(&jobs[i]);
        refused += jobs[i].status == MM_STATUS_QUEUE_FULL;
        assert_true(jobs[i].status == MM_STATUS_QUEUE_FULL || jobs[i].status == MM_STATUS_OK);
        submitted_free(&jobs[i]);
    }
    assert_int_equal(refused, 3);
    fixture_close(&own);
}

static void *release_model(void *payload) {
    fixture *own = payload;
    mm_release_info info = {.struct_size = sizeof(info)};
    mm_error error = {0};
    assert_ok(mm_model_release(own->manager, MODEL, &info, &error), error);
    return NULL;
}

static void test_release_loading(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    atomic_store(&own.hold_load, true);
    caller waiting;
    start(&waiting, &own, "x", 0);
    submitted job;
    fixture_wait(&own.loads, 1);
    fixture_submit(&job, &own, fixture_request(MODEL, "y"));
    json_t *status;
    for (int64_t queued = 0; queued < 2;) {
        status = fixture_status(&own);
        queued = json_integer_value(json_object_get(fixture_model(status), "queued"));
        assert_string_equal(json_string_value(json_object_get(fixture_model(status), "state")),
                            "loading");
        json_decref(status);
    }
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, release_model, &own), 0);
    finish(&waiting); // answered although the load is still held
    submitted_wait(&job);
    assert_int_equal(waiting.status, MM_STATUS_RELEASED);
    assert_int_equal(job.status, MM_STATUS_RELEASED);
    atomic_store(&own.hold_load, false);
    pthread_join(thread, NULL);
    status = fixture_status(&own);
    assert_null(fixture_model(status));
    json_decref(status);
    submitted_free(&job);
    fixture_close(&own);
}

// Releases, pre-loads and jobs all at the same time: each job ends once, with vectors or RELEASED.
typedef struct storm {
    fixture *own;
    const mm_result *expected;
    atomic_bool stop;
    atomic_int good, released;
} storm;

static void *storm_caller(void *payload) {
    storm *self = payload;
    mm_request *request = fixture_request(MODEL, "storm");
    (void)mm_request_set_integer(request, "num_workers", 2, NULL);
    while (!atomic_load(&self->stop)) {
        mm_result *result;
        mm_status status = mm_task(&result, self->own->manager, request, NULL);
        if (status == MM_STATUS_OK) {
            check_same(mm_result_vectors(result), self->expected);
            atomic_fetch_add(&self->good, 1);
        } else {
            assert_int_equal(status, MM_STATUS_RELEASED);
            atomic_fetch_add(&self->released, 1);
        }
        mm_result_free(result);
    }
    mm_request_free(request);
    return NULL;
}

static void test_release_storm(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    mm_result *result = expected(&own, "storm");
    storm all = {.own = &own, .expected = result};
    pthread_t threads[6];
    for (int i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, storm_caller, &all), 0);
    for (int i = 0; i < 30; i++) {
        fixture_wait(&all.good, i * 5);
        (void)release_model(&own);
    }
    fixture_wait(&all.good, 200);
    atomic_store(&all.stop, true);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    mm_result_free(result);
    fixture_close(&own);
}

// keep_alive 0 from many threads: loads and releases chase each other, all answers are right.
static void *zero_caller(void *payload) {
    storm *self = payload;
    mm_request *request = fixture_request(MODEL, "storm");
    (void)mm_request_set_number(request, "keep_alive", 0, NULL);
    for (int i = 0; i < 20; i++) {
        mm_result *result;
        mm_error error = {0};
        assert_ok(mm_task(&result, self->own->manager, request, &error), error);
        check_same(mm_result_vectors(result), self->expected);
        mm_result_free(result);
    }
    mm_request_free(request);
    return NULL;
}

static void test_zero_storm(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    mm_result *result = expected(&own, "storm");
    storm all = {.own = &own, .expected = result};
    pthread_t threads[6];
    for (int i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, zero_caller, &all), 0);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    fixture_wait_models(&own, 0);
    mm_result_free(result);
    fixture_close(&own);
}

// Shutting down answers what waits and finishes what runs; handles may be freed afterwards.
static void test_shutdown(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    submitted blocker, jobs[10];
    fixture_submit_long(&blocker, &own, MODEL);
    fixture_wait_busy(&own);
    for (size_t i = 0; i < 10; i++)
        fixture_submit(&jobs[i], &own, fixture_request(i % 2 ? MODEL : OTHER_MODEL, "x"));
    fixture_close(&own);
    assert_int_equal(atomic_load(&blocker.calls), 1);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(atomic_load(&jobs[i].calls), 1);
        assert_true(jobs[i].status == MM_STATUS_CANCELLED || jobs[i].status == MM_STATUS_OK);
        mm_job_cancel(jobs[i].job);
        submitted_free(&jobs[i]);
    }
    submitted_free(&blocker);
}

// A callback may submit, cancel and free.
typedef struct chain {
    fixture *own;
    atomic_int left;
    atomic_int done;
} chain;

static void chain_step(mm_job *job, mm_status status, mm_result *result, const mm_error *error,
                       void *payload) {
    chain *self = payload;
    (void)error;
    assert_int_equal(status, MM_STATUS_OK);
    mm_result_free(result);
    mm_job_cancel(job);
    mm_job_free(job);
    if (atomic_fetch_sub(&self->left, 1) > 1) {
        mm_request *request = fixture_request(MODEL, "chain");
        mm_job *next;
        mm_error failure = {0};
        assert_ok(mm_task_submit(&next, self->own->manager, request, chain_step, self, &failure),
                  failure);
        mm_request_free(request);
    } else {
        atomic_store(&self->done, 1);
    }
}

static void test_chain(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    chain all = {.own = &own};
    atomic_store(&all.left, 50);
    mm_request *request = fixture_request(MODEL, "chain");
    mm_job *job;
    mm_error error = {0};
    assert_ok(mm_task_submit(&job, own.manager, request, chain_step, &all, &error), error);
    mm_request_free(request);
    fixture_wait(&all.done, 1);
    // What is wrong at submission is told there, without a callback.
    assert_ok(mm_request_create(&request, &error), error);
    assert_status(mm_task_submit(&job, own.manager, request, chain_step, &all, &error),
                  MM_STATUS_INVALID_REQUEST, error);
    assert_null(job);
    mm_request_free(request);
    fixture_close(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_load),        cmocka_unit_test(test_batched),
        cmocka_unit_test(test_cancel),          cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_timeout_running), cmocka_unit_test(test_queue_limit),
        cmocka_unit_test(test_release_loading), cmocka_unit_test(test_release_storm),
        cmocka_unit_test(test_zero_storm),      cmocka_unit_test(test_shutdown),
        cmocka_unit_test(test_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
