// SPDX-License-Identifier: Apache-2.0
// Which GPU gets what: over simulated ones, whose memory and failures the test decides.
#include "fixture.h"
#include "simulated_gpus.h"

#include "checkpoint/config.h"
#include "models/model.h"

#include <sched.h>
#include <stdlib.h>

enum { MIB = 1 << 20 };

typedef struct machine {
    simulated_gpus gpus;
    fixture own;
} machine;

static void open_machine(machine *out, const char *const *settings, int count,
                         const size_t *bytes) {
    simulated_gpus_create(&out->gpus, count, bytes);
    fixture_open_with_gpus(&out->own, settings, &out->gpus.source);
}

static void close_machine(machine *own) {
    fixture_close(&own->own);
    for (int i = 0; i < own->gpus.source.count; i++)
        assert_int_equal(own->gpus.gpu[i].sessions, 0);
    simulated_gpus_free(&own->gpus);
}

static json_t *ask(machine *own, const char *model, const char *device, const char *more) {
    return fixture_json(&own->own,
                        "{\"task_type\": \"embedding\", \"model_name\": \"%s\", \"device\": "
                        "\"%s\", \"task_data\": \"a b\"%s}",
                        model, device, more);
}

// Answers with success; on which device.
static void assert_runs_on(machine *own, const char *model, const char *device,
                           const char *expected) {
    json_t *result = ask(own, model, device, "");
    const json_t *data = fixture_data(result);
    assert_string_equal(json_string_value(json_object_get(data, "device")), expected);
    json_decref(result);
}

static void assert_refused(machine *own, const char *model, const char *device, const char *code) {
    json_t *result = ask(own, model, device, "");
    assert_string_equal(fixture_code(result), code);
    json_decref(result);
}

// Pre-loads; how many workers there are then.
static json_int_t preload(machine *own, const char *model, const char *device, int workers) {
    json_t *result = fixture_json(&own->own,
                                  "{\"task_type\": \"embedding\", \"model_name\": \"%s\", "
                                  "\"device\": \"%s\", \"num_workers\": %d, \"task_data\": null}",
                                  model, device, workers);
    json_int_t found = json_integer_value(json_object_get(fixture_data(result), "workers"));
    json_decref(result);
    return found;
}

static void assert_loads(const machine *own, const int *expected) {
    for (int i = 0; i < own->gpus.source.count; i++)
        assert_int_equal(own->gpus.gpu[i].loads, expected[i]);
}

static void submit(submitted *out, machine *own, const char *model, const char *device) {
    mm_request *request = fixture_request(model, "a");
    mm_error error = {0};
    assert_ok(mm_request_set_text(request, "device", device, &error), error);
    fixture_submit(out, &own->own, request);
}

static size_t model_bytes(machine *own) {
    json_t *status = fixture_status(&own->own);
    json_int_t bytes = json_integer_value(json_object_get(fixture_model(status), "bytes"));
    json_decref(status);
    assert_true(bytes > 0);
    return (size_t)bytes;
}

// ---- Choosing ----------------------------------------------------------------------------------

static void test_the_gpu_with_most_free_memory_gets_the_model(void **state) {
    (void)state;
    machine own;
    open_machine(&own, NULL, 3, (const size_t[]){64 * MIB, 128 * MIB, 256 * MIB});
    own.gpus.gpu[2].used += 200 * MIB; // another program
    assert_runs_on(&own, MODEL, "gpu", "cuda:1");
    own.gpus.gpu[2].used -= 200 * MIB;
    assert_runs_on(&own, OTHER_MODEL, "gpu", "cuda:2");
    assert_loads(&own, (const int[]){0, 1, 1});
    close_machine(&own);
}

static void test_cuda_n_is_exactly_that_one_and_never_falls_back(void **state) {
    (void)state;
    machine own;
    open_machine(&own, NULL, 2, (const size_t[]){64 * MIB, 128 * MIB});
    assert_runs_on(&own, MODEL, "cuda:0", "cuda:0");
    assert_runs_on(&own, MODEL, "cuda:1", "cuda:1");
    assert_refused(&own, MODEL, "cuda:2", "INVALID_DEVICE");
    assert_refused(&own, MODEL, "cuda:99999999999999999999", "INVALID_DEVICE");
    assert_int_equal(preload(&own, OTHER_MODEL, "cuda:0", 3), 1);
    assert_loads(&own, (const int[]){2, 1});
    close_machine(&own);
}

static void test_one_worker_for_each_gpu_up_to_num_workers(void **state) {
    (void)state;
    machine own;
    open_machine(&own, NULL, 3, (const size_t[]){64 * MIB, 128 * MIB, 96 * MIB});
    assert_int_equal(preload(&own, MODEL, "gpu", 2), 2);
    assert_loads(&own, (const int[]){0, 1, 1});
    while (own.gpus.gpu[1].sessions == 0 || own.gpus.gpu[2].sessions == 0)
        sched_yield();                                         // each worker makes its own
    assert_int_equal(preload(&own, OTHER_MODEL, "gpu", 8), 3); // as many as there are GPUs
    assert_loads(&own, (const int[]){1, 2, 2});
    close_machine(&own);
}

static void test_workers_per_gpu_share_the_weights(void **state) {
    (void)state;
    machine own;
    const char *const settings[] = {"worker_pool.workers_per_gpu", "2", NULL};
    open_machine(&own, settings, 2, (const size_t[]){64 * MIB, 128 * MIB});
    assert_int_equal(preload(&own, MODEL, "gpu", 2), 2); // one each
    while (own.gpus.gpu[0].sessions + own.gpus.gpu[1].sessions < 2)
        sched_yield();
    assert_int_equal(own.gpus.gpu[0].sessions, 1);
    assert_int_equal(preload(&own, MODEL, "gpu", 3), 3);
    assert_loads(&own, (const int[]){1, 1});
    assert_int_equal(preload(&own, MODEL, "gpu", 9), 4);
    assert_loads(&own, (const int[]){1, 1});
    assert_int_equal(preload(&own, MODEL, "gpu", 1), 1);
    close_machine(&own);
}

static void test_growing_loads_the_model_on_further_gpus(void **state) {
    (void)state;
    machine own;
    open_machine(&own, NULL, 2, (const size_t[]){64 * MIB, 128 * MIB});
    assert_runs_on(&own, MODEL, "gpu", "cuda:1");
    assert_loads(&own, (const int[]){0, 1});
    // The first goes on answering while the second loads.
    simulated_gate_close(&own.gpus.gpu[0].load_gate);
    json_t *result = ask(&own, MODEL, "gpu", ", \"num_workers\": 2");
    assert_string_equal(json_string_value(json_object_get(fixture_data(result), "device")),
                        "cuda:1");
    json_decref(result);
    simulated_gate_await(&own.gpus.gpu[0].load_gate, 1);
    assert_runs_on(&own, MODEL, "gpu", "cuda:1");
    simulated_gate_open(&own.gpus.gpu[0].load_gate);
    assert_int_equal(preload(&own, MODEL, "gpu", 2), 2);
    assert_loads(&own, (const int[]){1, 1});
    close_machine(&own);
}

static void test_gpu_reuses_its_deployment_and_shares_none_with_the_cpu(void **state) {
    (void)state;
    machine own;
    open_machine(&own, NULL, 1, (const size_t[]){128 * MIB});
    json_t *on_gpu = ask(&own, MODEL, "gpu", "");
    json_t *on_cpu = ask(&own, MODEL, "cpu", "");
    assert_true(json_equal(json_object_get(fixture_data(on_gpu), "embeddings"),
                           json_object_get(fixture_data(on_cpu), "embeddings")));
    assert_string_equal(json_string_value(json_object_get(fixture_data(on_cpu), "device")), "cpu");
    assert_runs_on(&own, MODEL, "gpu", "cuda:0");
    assert_loads(&own, (const int[]){1});
    json_t *status = fixture_status(&own.own);
    assert_int_equal(json_array_size(json_object_get(status, "models")), 2);
    json_decref(status);
    json_decref(on_gpu);
    json_decref(on_cpu);
    close_machine(&own);
}

static void test_a_release_gives_the_memory_of_all_gpus_back(void **state) {
    (void)state;
    machine own;
    mm_error error = {0};
    mm_release_info info = {.struct_size = sizeof(info)};
    open_machine(&own, NULL, 2, (const size_t[]){128 * MIB, 128 * MIB});
    assert_int_equal(preload(&own, MODEL, "gpu", 2), 2);
    assert_true(own.gpus.gpu[0].used > 0 && own.gpus.gpu[1].used > 0);
    size_t used = own.gpus.gpu[0].used + own.gpus.gpu[1].used;
    assert_ok(mm_model_release(own.own.manager, MODEL, &info, &error), error);
    assert_int_equal(info.workers_stopped, 2);
    assert_int_equal(info.freed_bytes, used);
    assert_int_equal(own.gpus.gpu[0].used + own.gpus.gpu[1].used, 0);
    close_machine(&own);
}

// Caches of keys and values lie on the worker's device too.
static void test_text_is_generated_on_a_gpu_as_on_the_cpu(void **state) {
    (void)state;
    machine own;
    static const char *const devices[] = {"cpu", "gpu"};
    json_t *results[2];
    open_machine(&own, NULL, 2, (const size_t[]){64 * MIB, 128 * MIB});
    for (int i = 0; i < 2; i++)
        results[i] = fixture_json(
            &own.own,
            "{\"task_type\": \"text_generation\", \"model_name\": \"%s\", \"device\": \"%s\", "
            "\"task_data\": [\"The cat sat on the mat.\", \"A dog.\"], \"num_beams\": 3}",
            MM_TESTS_DIR "/golden/models/seq2seq-t5", devices[i]);
    const json_t *on_cpu = fixture_data(results[0]), *on_gpu = fixture_data(results[1]);
    assert_true(json_equal(json_object_get(on_cpu, "generated_text"),
                           json_object_get(on_gpu, "generated_text")));
    assert_string_equal(json_string_value(json_object_get(on_gpu, "device")), "cuda:1");
    json_decref(results[0]);
    json_decref(results[1]);
    close_machine(&own);
}

// Other devices round otherwise, so one's vectors are none of the other's.
static void test_vectors_of_a_gpu_are_cached_apart_from_those_of_the_cpu(void **state) {
    (void)state;
    machine own;
    const char *const settings[] = {"embedding_cache.enabled", "true", NULL};
    static const char *const devices[] = {"gpu", "cpu", "cuda:0", "gpu", "cpu"};
    open_machine(&own, settings, 1, (const size_t[]){128 * MIB});
    for (int i = 0; i < 5; i++) {
        json_t *result = ask(&own, MODEL, devices[i], "");
        const json_t *cached = json_object_get(fixture_data(result), "cached");
        assert_int_equal(json_is_true(json_array_get(cached, 0)), i >= 2);
        json_decref(result);
    }
    close_machine(&own);
}

static void assert_dtype(machine *own, const char *model, const char *asked, const char *expected) {
    char more[40];
    snprintf(more, sizeof(more), ", \"dtype\": \"%s\"", asked);
    json_t *result = ask(own, model, "gpu", more);
    assert_string_equal(json_string_value(json_object_get(fixture_data(result), "dtype")),
                        expected);
    json_decref(result);
}

static void test_auto_is_half_precision_on_a_gpu_where_the_files_are(void **state) {
    (void)state;
    machine own;
    mm_config *config;
    mm_error error = {0};
    const char *half = MM_TESTS_DIR "/golden/models/bert-f16";
    open_machine(&own, NULL, 1, (const size_t[]){256 * MIB});
    assert_dtype(&own, MODEL, "auto", "f32");
    assert_dtype(&own, half, "auto", "f16");
    assert_dtype(&own, MM_TESTS_DIR "/golden/models/bert-bf16", "auto", "f16");
    assert_loads(&own, (const int[]){3});
    assert_dtype(&own, half, "auto", "f16"); // the same deployment, by both names
    assert_dtype(&own, half, "f16", "f16");
    assert_loads(&own, (const int[]){3});
    assert_dtype(&own, half, "bf16", "bf16");
    assert_dtype(&own, half, "f32", "f32");
    assert_loads(&own, (const int[]){5});
    json_t *result = ask(&own, half, "cpu", ""); // the CPU computes in f32
    assert_string_equal(json_string_value(json_object_get(fixture_data(result), "dtype")), "f32");
    json_decref(result);
    result = ask(&own, half, "gpu", ", \"dtype\": \"int8\"");
    assert_string_equal(fixture_code(result), "INVALID_PARAMETER");
    json_decref(result);
    close_machine(&own);
    // T5's values outgrow f16.
    assert_ok(mm_config_open(&config, MM_TESTS_DIR "/golden/models/t5-gated", &error), error);
    assert_int_equal(mm_model_half(config), MM_COMPUTE_BF16);
    mm_config_free(config);
}

// ---- Memory ------------------------------------------------------------------------------------

static void test_a_gpu_that_is_too_small_is_passed_over(void **state) {
    (void)state;
    machine own;
    open_machine(&own, NULL, 2, (const size_t[]){128 * MIB, 128 * MIB});
    assert_runs_on(&own, MODEL, "cuda:0", "cuda:0");
    size_t bytes = model_bytes(&own);
    close_machine(&own);
    // Most is free on a GPU where models may not have it: 80 % of it are less than the model.
    open_machine(&own, NULL, 2, (const size_t[]){bytes + bytes / 8, 4 * bytes});
    own.gpus.gpu[1].used += 3 * bytes - bytes / 16;
    assert_runs_on(&own, MODEL, "gpu", "cuda:1");
    assert_loads(&own, (const int[]){0, 1});
    close_machine(&own);
}

static void test_without_memory_idle_models_there_go_and_loading_is_tried_once_more(void **state) {
    (void)state;
    machine own;
    open_machine(&own, NULL, 2, (const size_t[]){128 * MIB, 128 * MIB});
    assert_runs_on(&own, OTHER_MODEL, "cuda:0", "cuda:0");
    assert_runs_on(&own, OTHER_MODEL, "cuda:1", "cuda:1");
    own.gpus.gpu[0].load_status = MM_STATUS_OUT_OF_MEMORY;
    own.gpus.gpu[0].bad_loads = 1;
    assert_runs_on(&own, MODEL, "cuda:0", "cuda:0");
    assert_int_equal(own.own.releases, 1); // of the one on the other GPU nobody asked
    own.gpus.gpu[0].bad_loads = 2;
    assert_runs_on(&own, OTHER_MODEL, "cuda:1", "cuda:1");
    json_t *result = ask(&own, OTHER_MODEL, "cuda:0", "");
    assert_string_equal(fixture_code(result), "OUT_OF_MEMORY");
    json_decref(result);
    assert_int_equal(own.gpus.gpu[0].bad_loads, 0);
    assert_runs_on(&own, OTHER_MODEL, "cuda:0", "cuda:0"); // memory may be there at once
    close_machine(&own);
}

static void test_a_load_that_fails_on_a_further_gpu_leaves_the_others_working(void **state) {
    (void)state;
    machine own;
    open_machine(&own, NULL, 3, (const size_t[]){64 * MIB, 128 * MIB, 256 * MIB});
    own.gpus.gpu[1].load_status = MM_STATUS_INTERNAL;
    own.gpus.gpu[1].bad_loads = 1;
    assert_int_equal(preload(&own, MODEL, "gpu", 3), 2);
    assert_int_equal(own.own.warnings, 1);
    assert_loads(&own, (const int[]){1, 0, 1});
    assert_int_equal(preload(&own, MODEL, "gpu", 3), 3); // asked for again, tried again
    close_machine(&own);
}

static void test_a_load_that_fails_on_the_first_gpu_fails_whole(void **state) {
    (void)state;
    machine own;
    open_machine(&own, NULL, 2, (const size_t[]){64 * MIB, 128 * MIB});
    own.gpus.gpu[1].load_status = MM_STATUS_INTERNAL;
    own.gpus.gpu[1].bad_loads = 1;
    assert_refused(&own, MODEL, "gpu", "INTERNAL");
    assert_loads(&own, (const int[]){0, 0});
    assert_int_equal(own.gpus.gpu[1].used, 0);
    close_machine(&own);
}

// ---- Without a GPU -----------------------------------------------------------------------------

static void test_gpu_without_a_usable_gpu_falls_back_as_the_settings_say(void **state) {
    (void)state;
    machine own;
    const char *const settings[] = {"gpu_fallback", "error", NULL};
    for (int may_fall_back = 0; may_fall_back < 2; may_fall_back++) {
        simulated_gpus_create(&own.gpus, 1, (const size_t[]){64 * MIB});
        own.gpus.gpu[0].is_lost = true; // from the start: it does not open
        fixture_open_with_gpus(&own.own, may_fall_back ? NULL : settings, &own.gpus.source);
        if (may_fall_back)
            assert_runs_on(&own, MODEL, "gpu", "cpu");
        else
            assert_refused(&own, MODEL, "gpu", "NO_GPU_AVAILABLE");
        assert_refused(&own, MODEL, "cuda:0", "NO_GPU_AVAILABLE");
        close_machine(&own);
    }
}

// ---- Loss --------------------------------------------------------------------------------------

// Of two workers the one on a lost GPU answers with an error, the other one goes on.
static void test_a_lost_gpu_fails_the_running_job_and_the_others_go_on_elsewhere(void **state) {
    (void)state;
    machine own;
    submitted running[2], queued[6];
    open_machine(&own, NULL, 2, (const size_t[]){128 * MIB, 128 * MIB});
    assert_int_equal(preload(&own, MODEL, "gpu", 2), 2);
    simulated_gate_close(&own.gpus.gpu[0].run_gate);
    simulated_gate_close(&own.gpus.gpu[1].run_gate);
    for (int i = 0; i < 2; i++) { // one each
        submit(&running[i], &own, MODEL, "gpu");
        while (own.gpus.gpu[0].runs + own.gpus.gpu[1].runs <= i)
            sched_yield();
    }
    for (int i = 0; i < 6; i++)
        submit(&queued[i], &own, MODEL, "gpu");
    fixture_wait_queued(&own.own, 6);
    own.gpus.gpu[0].is_lost = true;
    simulated_gate_open(&own.gpus.gpu[0].run_gate);
    while (running[0].calls + running[1].calls == 0)
        sched_yield();
    int ended = running[0].calls ? 0 : 1;
    assert_int_equal(running[ended].status, MM_STATUS_NO_GPU_AVAILABLE);
    assert_non_null(strstr(running[ended].message, "cuda:0"));
    assert_non_null(strstr(running[ended].message, "device is gone"));
    simulated_gate_open(&own.gpus.gpu[1].run_gate);
    submitted_wait(&running[!ended]);
    assert_int_equal(running[!ended].status, MM_STATUS_OK);
    for (int i = 0; i < 6; i++) {
        submitted_wait(&queued[i]);
        assert_int_equal(queued[i].status, MM_STATUS_OK);
        submitted_free(&queued[i]);
    }
    submitted_free(&running[0]);
    submitted_free(&running[1]);
    assert_runs_on(&own, MODEL, "gpu", "cuda:1");
    assert_runs_on(&own, OTHER_MODEL, "gpu", "cuda:1");
    assert_refused(&own, MODEL, "cuda:0", "NO_GPU_AVAILABLE");
    assert_loads(&own, (const int[]){1, 2});
    close_machine(&own);
}

static void test_after_the_loss_of_its_only_gpu_a_model_is_loaded_on_another(void **state) {
    (void)state;
    machine own;
    submitted running, queued;
    open_machine(&own, NULL, 2, (const size_t[]){128 * MIB, 64 * MIB});
    assert_runs_on(&own, MODEL, "gpu", "cuda:0");
    simulated_gate_close(&own.gpus.gpu[0].run_gate);
    submit(&running, &own, MODEL, "gpu");
    simulated_gate_await(&own.gpus.gpu[0].run_gate, 1);
    submit(&queued, &own, MODEL, "gpu");
    fixture_wait_queued(&own.own, 1);
    own.gpus.gpu[0].is_lost = true;
    simulated_gate_open(&own.gpus.gpu[0].run_gate);
    submitted_wait(&running);
    submitted_wait(&queued);
    assert_int_equal(running.status, MM_STATUS_NO_GPU_AVAILABLE);
    assert_int_equal(queued.status, MM_STATUS_OK);
    submitted_free(&running);
    submitted_free(&queued);
    assert_runs_on(&own, MODEL, "gpu", "cuda:1");
    assert_loads(&own, (const int[]){1, 1});
    close_machine(&own);
}

static void test_after_the_loss_of_the_last_gpu_all_who_wait_are_told(void **state) {
    (void)state;
    machine own;
    submitted running, queued;
    open_machine(&own, NULL, 1, (const size_t[]){128 * MIB});
    assert_runs_on(&own, MODEL, "gpu", "cuda:0");
    simulated_gate_close(&own.gpus.gpu[0].run_gate);
    submit(&running, &own, MODEL, "gpu");
    simulated_gate_await(&own.gpus.gpu[0].run_gate, 1);
    submit(&queued, &own, MODEL, "gpu");
    fixture_wait_queued(&own.own, 1);
    own.gpus.gpu[0].is_lost = true;
    simulated_gate_open(&own.gpus.gpu[0].run_gate);
    submitted_wait(&running);
    submitted_wait(&queued);
    assert_int_equal(running.status, MM_STATUS_NO_GPU_AVAILABLE);
    assert_int_equal(queued.status, MM_STATUS_NO_GPU_AVAILABLE);
    submitted_free(&running);
    submitted_free(&queued);
    assert_runs_on(&own, MODEL, "gpu", "cpu"); // as without a GPU
    fixture_wait_models(&own.own, 1);          // what lay on the GPU is given up
    close_machine(&own);
}

static void test_a_gpu_that_is_lost_while_loading_is_replaced_by_another(void **state) {
    (void)state;
    machine own;
    submitted waiting;
    open_machine(&own, NULL, 2, (const size_t[]){128 * MIB, 64 * MIB});
    simulated_gate_close(&own.gpus.gpu[0].load_gate);
    submit(&waiting, &own, MODEL, "gpu");
    simulated_gate_await(&own.gpus.gpu[0].load_gate, 1);
    own.gpus.gpu[0].is_lost = true;
    simulated_gate_open(&own.gpus.gpu[0].load_gate);
    submitted_wait(&waiting);
    assert_int_equal(waiting.status, MM_STATUS_OK);
    submitted_free(&waiting);
    assert_loads(&own, (const int[]){0, 1});
    close_machine(&own);
}

// ---- A crowd -----------------------------------------------------------------------------------

enum { CALLERS = 6, CALLS = 40 };

typedef struct caller {
    machine *own;
    unsigned random;
    int refused;
} caller;

static unsigned draw(caller *self, unsigned below) {
    self->random = self->random * 1103515245u + 12345u;
    return (self->random >> 16) % below;
}

static void *call(void *payload) {
    static const char *const models[] = {MODEL, OTHER_MODEL};
    static const char *const devices[] = {"gpu", "gpu", "gpu", "cuda:0", "cuda:1", "cpu"};
    caller *self = payload;
    for (int i = 0; i < CALLS; i++) {
        char workers[40];
        snprintf(workers, sizeof(workers), ", \"num_workers\": %u", 1 + draw(self, 4));
        json_t *result = ask(self->own, models[draw(self, 2)], devices[draw(self, 6)],
                             draw(self, 3) ? "" : workers);
        if (!json_is_true(json_object_get(result, "success"))) {
            const char *code = fixture_code(result);
            assert_true(strcmp(code, "NO_GPU_AVAILABLE") == 0 || strcmp(code, "RELEASED") == 0);
            self->refused++;
        }
        json_decref(result);
    }
    return NULL;
}

// Callers of all devices, GPUs too small for both models at once, releases, and one GPU that fails:
// every call is answered, and with nothing but what may be.
static void test_a_crowd_on_failing_gpus_is_answered(void **state) {
    (void)state;
    machine own;
    pthread_t threads[CALLERS];
    caller callers[CALLERS];
    open_machine(&own, NULL, 3, (const size_t[]){128 * MIB, 128 * MIB, 128 * MIB});
    assert_runs_on(&own, MODEL, "cuda:0", "cuda:0");
    for (int i = 0; i < 3; i++)
        own.gpus.gpu[i].bytes = own.gpus.gpu[0].used * 2; // with others' models and sessions: one
    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i] = (caller){.own = &own, .random = 77u * i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, call, &callers[i]), 0);
    }
    while (own.gpus.gpu[0].runs + own.gpus.gpu[1].runs + own.gpus.gpu[2].runs < CALLS)
        sched_yield();
    mm_error error = {0};
    assert_ok(mm_model_release(own.own.manager, MODEL, NULL, &error), error);
    own.gpus.gpu[1].is_lost = true;
    for (int i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
    assert_runs_on(&own, MODEL, "cuda:0", "cuda:0");
    assert_refused(&own, MODEL, "cuda:1", "NO_GPU_AVAILABLE");
    close_machine(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_gpu_with_most_free_memory_gets_the_model),
        cmocka_unit_test(test_cuda_n_is_exactly_that_one_and_never_falls_back),
        cmocka_unit_test(test_one_worker_for_each_gpu_up_to_num_workers),
        cmocka_unit_test(test_workers_per_gpu_share_the_weights),
        cmocka_unit_test(test_growing_loads_the_model_on_further_gpus),
        cmocka_unit_test(test_gpu_reuses_its_deployment_and_shares_none_with_the_cpu),
        cmocka_unit_test(test_vectors_of_a_gpu_are_cached_apart_from_those_of_the_cpu),
        cmocka_unit_test(test_text_is_generated_on_a_gpu_as_on_the_cpu),
        cmocka_unit_test(test_auto_is_half_precision_on_a_gpu_where_the_files_are),
        cmocka_unit_test(test_a_release_gives_the_memory_of_all_gpus_back),
        cmocka_unit_test(test_a_gpu_that_is_too_small_is_passed_over),
        cmocka_unit_test(test_without_memory_idle_models_there_go_and_loading_is_tried_once_more),
        cmocka_unit_test(test_a_load_that_fails_on_a_further_gpu_leaves_the_others_working),
        cmocka_unit_test(test_a_load_that_fails_on_the_first_gpu_fails_whole),
        cmocka_unit_test(test_gpu_without_a_usable_gpu_falls_back_as_the_settings_say),
        cmocka_unit_test(test_a_lost_gpu_fails_the_running_job_and_the_others_go_on_elsewhere),
        cmocka_unit_test(test_after_the_loss_of_its_only_gpu_a_model_is_loaded_on_another),
        cmocka_unit_test(test_after_the_loss_of_the_last_gpu_all_who_wait_are_told),
        cmocka_unit_test(test_a_gpu_that_is_lost_while_loading_is_replaced_by_another),
        cmocka_unit_test(test_a_crowd_on_failing_gpus_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
