// SPDX-License-Identifier: Apache-2.0
// Which worker does what: worker_pool.load_balancing, and no job waits while a worker is idle.
#include "held_worker.h"
#include "scratch.h"
#include "simulated_gpus.h"
#include "toy.h"

#include "manager/state.h"

#include <stdio.h>

static int set_up(void **state) {
    (void)state;
    return scratch_create() ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

static int fit_workers(fixture *own) {
    int count = 0;
    mm_mutex_lock(&own->manager->lock);
    const mm_deployment *deployment = own->manager->deployments;
    for (int i = 0; i < deployment->worker_slots; i++)
        count += deployment->workers[i]->is_fit;
    mm_mutex_unlock(&own->manager->lock);
    return count;
}

// Until so many workers of the only model have made their sessions, so that there is a choice.
static void open_pool(fixture *own, const char *balancing, int workers) {
    const char *const settings[] = {"worker_pool.load_balancing", balancing, NULL};
    fixture_open(own, settings);
    mm_request *request = fixture_request(T5, NULL);
    mm_error error = {0};
    mm_result *result;
    assert_ok(mm_request_set_integer(request, "num_workers", workers, &error), error);
    mm_request_set_preload(request, true);
    assert_ok(mm_task(&result, own->manager, request, &error), error);
    mm_result_free(result);
    mm_request_free(request);
    while (fit_workers(own) < workers) {
    }
}

// Embeds a text of so many words and returns the worker that did.
static int worker_of(fixture *own, int words) {
    char text[1024] = "";
    assert_true((size_t)words * 4 < sizeof(text));
    for (int i = 0; i < words; i++)
        memcpy(text + 4 * i, "cat ", 5);
    mm_result *result = fixture_embed(own, T5, text, MM_STATUS_OK);
    int worker = result->worker_id;
    mm_result_free(result);
    return worker;
}

static void round_robin_goes_from_worker_to_worker(void **state) {
    (void)state;
    fixture own;
    open_pool(&own, "round_robin", 3);
    int before = worker_of(&own, 1);
    for (int i = 0; i < 9; i++) {
        int worker = worker_of(&own, i == 0 ? 100 : 1); // what it costs has no say
        assert_int_equal(worker, (before + 1) % 3);
        before = worker;
    }
    fixture_close(&own);
}

static void least_busy_prefers_who_has_done_least(void **state) {
    (void)state;
    fixture own;
    open_pool(&own, "least_busy", 2);
    int first = worker_of(&own, 100);
    for (int i = 0; i < 5; i++)
        assert_int_equal(worker_of(&own, 5), 1 - first);
    assert_int_equal(worker_of(&own, 200), 1 - first);
    for (int i = 0; i < 5; i++)
        assert_int_equal(worker_of(&own, 5), first);
    fixture_close(&own);
}

static void no_job_waits_while_a_worker_is_idle(void **state) {
    (void)state;
    static const char *const policies[] = {"round_robin", "least_busy"};
    for (size_t p = 0; p < 2; p++) {
        fixture own;
        held_worker held;
        open_pool(&own, policies[p], 2);
        held_worker_start(&held, &own);
        int free_worker = worker_of(&own, 50); // the other one has nothing but its first tokens
        for (int i = 0; i < 6; i++)
            assert_int_equal(worker_of(&own, 50), free_worker);
        assert_int_equal(atomic_load(&held.calls), 0);
        held_worker_end(&held);
        assert_int_equal(held.status, MM_STATUS_OK);
        fixture_close(&own);
    }
}

static void work_that_waits_is_done_by_whoever_is_free_first(void **state) {
    (void)state;
    fixture own;
    held_worker held[2];
    submitted jobs[8];
    open_pool(&own, "round_robin", 2);
    held_worker_start(&held[0], &own);
    held_worker_start(&held[1], &own);
    for (int i = 0; i < 8; i++)
        fixture_submit(&jobs[i], &own, fixture_request(T5, "x"));
    fixture_wait_queued(&own, 8);
    held_worker_end(&held[1]);
    for (int i = 0; i < 8; i++) { // although the first one is still at work
        submitted_wait(&jobs[i]);
        assert_int_equal(jobs[i].status, MM_STATUS_OK);
        submitted_free(&jobs[i]);
    }
    assert_int_equal(atomic_load(&held[0].calls), 0);
    held_worker_end(&held[0]);
    fixture_close(&own);
}

// ---- A worker outlives what it fails at --------------------------------------------------------

// A folder whose word of that id has values that overflow.
static const char *write_loud(int32_t id) {
    const char *folder = toy_write("loud", NULL);
    uint8_t digits[8];
    FILE *file = fopen(scratch_path("loud/model.safetensors"), "r+b");
    assert_non_null(file);
    assert_int_equal(fread(digits, 1, 8, file), 8);
    long size = digits[0] | digits[1] << 8 | digits[2] << 16;
    json_t *header = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL);
    const json_t *words = json_object_get(header, "embeddings.word_embeddings.weight");
    const json_t *offsets = json_object_get(words, "data_offsets");
    assert_int_equal(json_array_size(offsets), 2);
    float row[TOY_HIDDEN];
    for (size_t i = 0; i < TOY_HIDDEN; i++)
        row[i] = 3e38F;
    long start = (long)json_integer_value(json_array_get(offsets, 0));
    assert_int_equal(fseek(file, 8 + size + start + id * (long)sizeof(row), SEEK_SET), 0);
    assert_int_equal(fwrite(row, sizeof(row), 1, file), 1);
    assert_int_equal(fclose(file), 0);
    json_decref(header);
    return folder;
}

static mm_request *ids_request(const char *folder, int32_t id) {
    mm_request *request = fixture_request(folder, NULL);
    mm_error error = {0};
    assert_ok(mm_request_add_ids(request, &id, 1, &error), error);
    return request;
}

// One of three requests that are run together cannot be answered.
static void a_job_that_fails_does_not_fail_its_neighbours(void **state) {
    (void)state;
    enum { QUIET = 5, LOUD = 7 };
    static const int32_t ids[] = {QUIET, LOUD, QUIET};
    static const mm_status expected[] = {MM_STATUS_OK, MM_STATUS_INTERNAL, MM_STATUS_OK};
    const char *folder = write_loud(LOUD);
    fixture own;
    submitted blocker, jobs[3];
    fixture_open(&own, NULL);
    fixture_submit_long(&blocker, &own, folder); // they come together behind it
    fixture_wait_busy(&own);
    for (size_t i = 0; i < 3; i++)
        fixture_submit(&jobs[i], &own, ids_request(folder, ids[i]));
    submitted_wait(&blocker);
    assert_int_equal(blocker.status, MM_STATUS_OK);
    for (size_t i = 0; i < 3; i++) {
        submitted_wait(&jobs[i]);
        assert_int_equal(jobs[i].status, expected[i]);
    }
    assert_memory_equal(jobs[0].vector, jobs[2].vector, TOY_HIDDEN * sizeof(float));
    for (size_t i = 0; i < 3; i++)
        submitted_free(&jobs[i]);
    fixture_submit(&jobs[0], &own, ids_request(folder, QUIET)); // and its worker lives on
    submitted_wait(&jobs[0]);
    assert_int_equal(jobs[0].status, MM_STATUS_OK);
    submitted_free(&jobs[0]);
    submitted_free(&blocker);
    fixture_close(&own);
}

// It is made when the model is loaded, and again by each job that finds none.
static void a_session_that_cannot_be_made_is_made_for_a_later_job(void **state) {
    (void)state;
    const size_t bytes = (size_t)128 << 20;
    simulated_gpus gpus;
    fixture own;
    simulated_gpus_create(&gpus, 1, &bytes);
    gpus.gpu[0].bad_sessions = 2;
    fixture_open_with_gpus(&own, NULL, &gpus.source);
    static const mm_status expected[] = {MM_STATUS_OUT_OF_MEMORY, MM_STATUS_OK, MM_STATUS_OK};
    for (size_t i = 0; i < 3; i++) {
        mm_request *request = fixture_request(MODEL, "x");
        mm_error error = {0};
        mm_result *result;
        assert_ok(mm_request_set_text(request, "device", "cuda:0", &error), error);
        assert_status(mm_task(&result, own.manager, request, &error), expected[i], error);
        mm_result_free(result);
        mm_request_free(request);
    }
    assert_int_equal(atomic_load(&own.loads), 1);
    fixture_close(&own);
    assert_int_equal(gpus.gpu[0].sessions, 0);
    simulated_gpus_free(&gpus);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_robin_goes_from_worker_to_worker),
        cmocka_unit_test(least_busy_prefers_who_has_done_least),
        cmocka_unit_test(no_job_waits_while_a_worker_is_idle),
        cmocka_unit_test(work_that_waits_is_done_by_whoever_is_free_first),
        cmocka_unit_test(a_job_that_fails_does_not_fail_its_neighbours),
        cmocka_unit_test(a_session_that_cannot_be_made_is_made_for_a_later_job),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
