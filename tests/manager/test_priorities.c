// SPDX-License-Identifier: Apache-2.0
// Interactive and bulk work on real workers: who goes first, who makes way, who is lifted; and work
// that nobody wants any more.
#include "held_worker.h"

#include "manager/state.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXTS = 6000, TRIES = 5 };

static mm_request *new_request(const char *model, const char *text, bool is_bulk) {
    mm_request *request = fixture_request(model, text);
    mm_error error = {0};
    if (is_bulk)
        assert_ok(mm_request_set_text(request, "priority", "bulk", &error), error);
    return request;
}

// ---- Making way --------------------------------------------------------------------------------

static size_t one_row(const mm_job *job) {
    (void)job;
    return 1;
}

// A job that runs on a worker of a manager, without threads.
typedef struct stage {
    fixture own;
    mm_task_kind kind;
    mm_deployment deployment;
    mm_device device;
    mm_replica replica;
    mm_worker worker;
    mm_task_run run;
    mm_job running, other;
    mm_result result;
} stage;

static stage *new_stage(void) {
    stage *self = calloc(1, sizeof(*self));
    assert_non_null(self);
    fixture_open(&self->own, NULL);
    self->kind.rows = one_row;
    self->deployment.manager = self->own.manager;
    self->worker = (mm_worker){.deployment = &self->deployment, .running = 1, .rows_taken = 9};
    mm_service_rate_begin(&self->deployment.rate, 0);
    self->replica.device = &self->device;
    self->worker.replica = &self->replica;
    self->run.worker = &self->worker;
    mm_job *jobs[2] = {&self->running, &self->other};
    for (size_t i = 0; i < 2; i++) {
        jobs[i]->manager = self->own.manager;
        jobs[i]->kind = &self->kind;
        jobs[i]->state = MM_JOB_QUEUED;
        atomic_init(&jobs[i]->references, 2);
    }
    self->running.result = &self->result;
    self->running.is_bulk = true;
    self->running.state = MM_JOB_RUNNING;
    return self;
}

static void free_stage(stage *self) {
    fixture_close(&self->own);
    free(self);
}

static void bulk_work_makes_way_between_its_parts(void **state) {
    (void)state;
    stage *self = new_stage();
    mm_queue *queue = &self->deployment.queue;
    mm_job next = {.kind = &self->kind, .is_bulk = true};
    assert_false(mm_task_run_pause(&self->run, &self->running)); // nobody waits
    mm_queue_push(queue, &next);
    assert_false(mm_task_run_pause(&self->run, &self->running)); // only other bulk work does
    mm_queue_push(queue, &self->other);
    assert_true(mm_task_run_pause(&self->run, &self->running));
    assert_int_equal(self->running.state, MM_JOB_QUEUED);
    assert_int_equal(self->worker.running, 0);
    assert_ptr_equal(mm_queue_first(queue), &self->other);
    mm_queue_remove(queue, &self->other);
    assert_ptr_equal(mm_queue_first(queue), &self->running); // before what came behind it
    free_stage(self);
}

static void interactive_work_does_not_make_way(void **state) {
    (void)state;
    stage *self = new_stage();
    self->running.is_bulk = false;
    mm_queue_push(&self->deployment.queue, &self->other);
    assert_false(mm_task_run_pause(&self->run, &self->running));
    assert_int_equal(self->running.state, MM_JOB_RUNNING);
    free_stage(self);
}

static mm_request *long_bulk(void) {
    mm_request *request = fixture_long_request(MODEL);
    mm_error error = {0};
    assert_ok(mm_request_set_text(request, "priority", "bulk", &error), error);
    return request;
}

// On one worker. A bulk job that is over before the other has come says nothing: once more then.
static void an_interactive_text_does_not_wait_for_the_end_of_bulk_work(void **state) {
    (void)state;
    bool seen = false;
    fixture own;
    fixture_open(&own, NULL);
    mm_result *alone = fixture_embed(&own, MODEL, "a text", MM_STATUS_OK);
    for (int i = 0; i < TRIES && !seen; i++) {
        submitted bulk;
        fixture_submit(&bulk, &own, long_bulk());
        fixture_wait_busy(&own);
        mm_result *result = fixture_embed(&own, MODEL, "a text", MM_STATUS_OK);
        assert_memory_equal(mm_result_vectors(result), mm_result_vectors(alone),
                            mm_result_dimension(alone) * sizeof(float));
        mm_result_free(result);
        seen = atomic_load(&bulk.calls) == 0;
        submitted_wait(&bulk);
        assert_int_equal(bulk.status, MM_STATUS_OK);
        assert_int_equal(bulk.count, TEXTS);
        submitted_free(&bulk);
    }
    assert_true(seen);
    mm_result_free(alone);
    fixture_close(&own);
}

// The parts of a job give what it gives whole.
static void work_in_parts_gives_the_same_bits(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    mm_result *alone = fixture_embed(&own, MODEL, "the last one", MM_STATUS_OK), *result;
    mm_request *request = long_bulk();
    mm_error error = {0};
    assert_ok(mm_request_add_text(request, "the last one", SIZE_MAX, &error), error);
    assert_ok(mm_task(&result, own.manager, request, &error), error);
    assert_int_equal(mm_result_count(result), TEXTS + 1);
    size_t dimension = mm_result_dimension(result);
    const float *vectors = mm_result_vectors(result);
    assert_memory_equal(vectors + TEXTS * dimension, mm_result_vectors(alone),
                        dimension * sizeof(float));
    for (size_t i = 1; i < TEXTS; i++)
        assert_memory_equal(vectors + i * dimension, vectors, dimension * sizeof(float));
    mm_result_free(alone);
    mm_result_free(result);
    mm_request_free(request);
    fixture_close(&own);
}

// ---- Several models ----------------------------------------------------------------------------

// One model is at work for as long as we like, with more behind it; another has its requests
// answered meanwhile, bulk or not.
static void a_model_does_not_wait_for_the_work_of_another(void **state) {
    (void)state;
    enum { WAITING = 8, REQUESTS = 20 };
    fixture own;
    held_worker held;
    submitted waiting[WAITING];
    fixture_open(&own, NULL);
    held_worker_start(&held, &own);
    for (size_t i = 0; i < WAITING; i++)
        fixture_submit(&waiting[i], &own, new_request(T5, "x", false));
    fixture_wait_queued(&own, WAITING);
    for (size_t i = 0; i < REQUESTS; i++) {
        submitted other;
        fixture_submit(&other, &own, new_request(MODEL, "y", i % 2 == 0));
        submitted_wait(&other);
        assert_int_equal(other.status, MM_STATUS_OK);
        submitted_free(&other);
    }
    assert_int_equal(atomic_load(&held.calls), 0);
    held_worker_end(&held);
    for (size_t i = 0; i < WAITING; i++) {
        submitted_wait(&waiting[i]);
        assert_int_equal(waiting[i].status, MM_STATUS_OK);
        submitted_free(&waiting[i]);
    }
    fixture_close(&own);
}

// ---- No longer wanted --------------------------------------------------------------------------

static size_t cached_entries(fixture *own) {
    json_t *status = fixture_status(own);
    const json_t *entries = json_object_get(json_object_get(status, "cache"), "entries");
    size_t count = (size_t)json_integer_value(entries);
    json_decref(status);
    return count;
}

// The cache tells how much of it was computed.
static void work_that_was_cancelled_while_it_ran_is_dropped(void **state) {
    (void)state;
    static const char *const settings[] = {"embedding_cache.enabled", "true", NULL};
    bool seen = false;
    for (int i = 0; i < TRIES && !seen; i++) {
        fixture own;
        submitted job;
        fixture_open(&own, settings);
        mm_request *request = fixture_request(MODEL, NULL);
        mm_error error = {0};
        char text[200];
        for (size_t k = 0; k < TEXTS; k++) {
            int length = snprintf(text, sizeof(text),
                                  "number %zu banana banana banana banana banana banana banana "
                                  "banana banana banana banana banana banana banana banana",
                                  k);
            assert_ok(mm_request_add_text(request, text, (size_t)length, &error), error);
        }
        fixture_submit(&job, &own, request);
        fixture_wait_busy(&own);
        mm_job_cancel(job.job);
        submitted_wait(&job);
        mm_result_free(fixture_embed(&own, MODEL, "the worker is free", MM_STATUS_OK));
        seen = job.status == MM_STATUS_CANCELLED && cached_entries(&own) < TEXTS;
        submitted_free(&job);
        fixture_close(&own);
    }
    assert_true(seen);
}

// ---- Lifting -----------------------------------------------------------------------------------

static void wait_awaiting(const mm_job *job) {
    mm_job_state state;
    do {
        mm_mutex_lock(&job->manager->lock);
        state = job->state;
        mm_mutex_unlock(&job->manager->lock);
    } while (state != MM_JOB_AWAITING);
}

static atomic_int finished;

typedef struct ordered {
    mm_job *job;
    atomic_int place; // 1: the first to end
} ordered;

static void on_end(mm_job *job, mm_status status, mm_result *result, const mm_error *error,
                   void *payload) {
    ordered *self = payload;
    (void)job;
    (void)error;
    assert_int_equal(status, MM_STATUS_OK);
    mm_result_free(result);
    atomic_store(&self->place, atomic_fetch_add(&finished, 1) + 1);
}

static void submit(ordered *out, fixture *own, const char *text, bool is_bulk) {
    mm_request *request = new_request(T5, text, is_bulk);
    mm_error error = {0};
    atomic_init(&out->place, 0);
    assert_ok(mm_task_submit(&out->job, own->manager, request, on_end, out, &error), error);
    mm_request_free(request);
}

static void interactive_work_lifts_the_bulk_work_that_it_waits_for(void **state) {
    (void)state;
    static const char *const settings[] = {"embedding_cache.enabled", "true", "cpu_threads", "1",
                                           NULL}; // one thread calls back, in order
    fixture own;
    held_worker held;
    ordered first, second, waiting;
    fixture_open(&own, settings);
    atomic_store(&finished, 0);
    held_worker_start(&held, &own);
    submit(&first, &own, "nobody waits for this", true);
    fixture_wait_queued(&own, 1);
    submit(&second, &own, "this is wanted", true);
    fixture_wait_queued(&own, 2);
    submit(&waiting, &own, "this is wanted", false);
    wait_awaiting(waiting.job);
    held_worker_end(&held);
    fixture_wait(&finished, 3);
    assert_true(atomic_load(&second.place) < atomic_load(&first.place));
    mm_job_free(first.job);
    mm_job_free(second.job);
    mm_job_free(waiting.job);
    fixture_close(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bulk_work_makes_way_between_its_parts),
        cmocka_unit_test(interactive_work_does_not_make_way),
        cmocka_unit_test(an_interactive_text_does_not_wait_for_the_end_of_bulk_work),
        cmocka_unit_test(work_in_parts_gives_the_same_bits),
        cmocka_unit_test(a_model_does_not_wait_for_the_work_of_another),
        cmocka_unit_test(work_that_was_cancelled_while_it_ran_is_dropped),
        cmocka_unit_test(interactive_work_lifts_the_bulk_work_that_it_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
