// SPDX-License-Identifier: Apache-2.0
// What generation takes is said before it is taken, granted, and never more than that.
#include "check.h"
#include "toy_generator.h"

#include "base/memory.h"
#include "tasks/task_model.h"

#include <string.h>

static const char model[] = MM_TESTS_DIR "/golden/models/seq2seq-bart";
static const char *const texts[] = {"The cat sat on the mat.", "x",
                                    "Twelve engineers measured the old bridge.",
                                    "the baker repairs an old violin", "a b c d e f g"};
enum { TEXTS = sizeof texts / sizeof texts[0] };

// Grants from a budget, and watches what is taken.
typedef struct watch {
    size_t budget, granted;
    size_t before, most; // bytes of pages
    int claims, relieved;
    bool can_relieve;
} watch;

static mm_status claim(void *context, size_t *granted, size_t least, size_t wanted,
                       mm_error *error) {
    watch *self = context;
    self->claims++;
    self->granted = *granted = 0;
    if (least > self->budget)
        return mm_fail(error, MM_STATUS_OUT_OF_MEMORY, "%zu bytes are needed, %zu are there", least,
                       self->budget);
    self->granted = *granted = wanted < self->budget ? wanted : self->budget;
    return MM_STATUS_OK;
}

static bool relieve(void *context) {
    watch *self = context;
    self->relieved++;
    return self->can_relieve;
}

static void look(watch *self) {
    const size_t bytes = mm_memory_page_bytes() - self->before;
    assert_true(bytes <= self->granted);
    self->most = bytes > self->most ? bytes : self->most;
}

typedef struct caller {
    mm_generation_job job;
    mm_generated result;
    mm_status status;
    mm_error error;
    bool is_done;
} caller;

static void take(void *context, mm_status status, const mm_error *error, mm_generated *result) {
    caller *self = context;
    self->status = status;
    self->error = *error;
    self->result = *result;
    self->is_done = true;
}

static void drop(caller *self) {
    mm_generated_free(&self->result);
    mm_generation_job_free(&self->job);
}

// Runs `count` jobs in one batch to their end.
static void run(watch *self, const toy_generator *all, caller *callers, size_t count) {
    mm_error error = {0};
    mm_generation_batch *batch;
    const mm_generation_memory memory = {.context = self, .claim = claim, .relieve = relieve};
    self->before = mm_memory_page_bytes();
    assert_ok(mm_generation_batch_create(&batch, all->generator, all->session, &memory, &error),
              error);
    for (size_t i = 0; i < count; i++) {
        const mm_generation_events events = {.context = &callers[i]};
        assert_ok(mm_generation_batch_add(batch, &callers[i].job, &events, take, &error), error);
    }
    while (mm_generation_batch_jobs(batch) > 0) {
        mm_generation_batch_step(batch);
        look(self);
    }
    mm_generation_batch_free(batch);
    assert_int_equal(self->granted, 0); // given back
    assert_int_equal(mm_memory_page_bytes(), self->before);
    for (size_t i = 0; i < count; i++)
        assert_true(callers[i].is_done);
}

static void check_alone(const toy_generator *all, const caller *self) {
    mm_generated alone;
    mm_error error = {0};
    assert_ok(self->status, self->error);
    assert_ok(mm_generator_run(all->generator, all->session, &self->job, NULL, &alone, &error),
              error);
    assert_int_equal(alone.count, self->result.count);
    assert_memory_equal(alone.starts, self->result.starts, (alone.count + 1) * sizeof(size_t));
    assert_memory_equal(alone.ids, self->result.ids, alone.starts[alone.count] * sizeof(int32_t));
    mm_generated_free(&alone);
}

static const char *const parameters[] = {
    "{}",
    "{\"num_beams\": 1, \"max_new_tokens\": 60}",
    "{\"num_beams\": 4, \"max_new_tokens\": 70}",
    "{\"num_beams\": 40, \"max_new_tokens\": 30}",
    "{\"num_beams\": 1, \"do_sample\": true, \"num_return_sequences\": 7, \"seed\": 3}",
};
enum { PARAMETERS = sizeof parameters / sizeof parameters[0] };

static void the_said_bytes_bound_what_a_job_takes(void **state) {
    (void)state;
    mm_error error = {0};
    toy_generator all;
    assert_ok(toy_generator_open(&all, model, &error), error);
    for (size_t p = 0; p < PARAMETERS; p++) {
        caller self = {0};
        assert_ok(toy_generation_job(&self.job, &all, texts, TEXTS, parameters[p], &error), error);
        const mm_generation_bytes bytes = mm_generation_job_bytes(all.generator, &self.job);
        assert_true(bytes.least <= bytes.wanted);
        for (int full = 0; full < 2; full++) {
            watch watched = {.budget = full ? bytes.wanted : bytes.least};
            run(&watched, &all, &self, 1);
            check_alone(&all, &self);
            assert_in_range(watched.most, 1, watched.budget);
            assert_true(watched.most >= watched.budget / 3);
            mm_generated_free(&self.result);
        }
        drop(&self);
    }
    toy_generator_close(&all);
}

static void a_job_that_is_granted_nothing_is_refused_with_the_numbers(void **state) {
    (void)state;
    mm_error error = {0};
    toy_generator all;
    caller callers[2] = {0};
    assert_ok(toy_generator_open(&all, model, &error), error);
    assert_ok(toy_generation_job(&callers[0].job, &all, texts, TEXTS,
                                 "{\"num_beams\": 256, \"max_length\": 80}", &error),
              error);
    assert_ok(toy_generation_job(&callers[1].job, &all, texts, TEXTS, "{\"num_beams\": 2}", &error),
              error);
    const size_t large = mm_generation_job_bytes(all.generator, &callers[0].job).least;
    const size_t small = mm_generation_job_bytes(all.generator, &callers[1].job).least;
    assert_true(small < large);
    watch watched = {.budget = large - 1};
    run(&watched, &all, callers, 2);
    assert_status(callers[0].status, MM_STATUS_OUT_OF_MEMORY, callers[0].error);
    char number[32];
    (void)snprintf(number, sizeof number, "%zu bytes", large);
    assert_non_null(strstr(callers[0].error.message, number));
    check_alone(&all, &callers[1]); // which came behind it
    drop(&callers[0]);
    drop(&callers[1]);
    toy_generator_close(&all);
}

static void who_must_wait_for_the_caches_of_others_gets_a_turn(void **state) {
    (void)state;
    mm_error error = {0};
    toy_generator all;
    caller callers[PARAMETERS] = {0};
    size_t largest = 0;
    assert_ok(toy_generator_open(&all, model, &error), error);
    for (size_t p = 0; p < PARAMETERS; p++) {
        assert_ok(toy_generation_job(&callers[p].job, &all, texts, TEXTS, parameters[p], &error),
                  error);
        const size_t least = mm_generation_job_bytes(all.generator, &callers[p].job).least;
        largest = least > largest ? least : largest;
    }
    watch watched = {.budget = largest}; // for one source of one of them
    run(&watched, &all, callers, PARAMETERS);
    assert_true(watched.claims > 2);
    for (size_t p = 0; p < PARAMETERS; p++) {
        check_alone(&all, &callers[p]);
        drop(&callers[p]);
    }
    toy_generator_close(&all);
}

// Fails each allocation in turn, with others that have memory to give.
static void a_refusal_by_the_system_is_tried_again_when_others_gave_way(void **state) {
    (void)state;
    mm_error error = {0};
    toy_generator all;
    int relieved = 0;
    assert_ok(toy_generator_open(&all, model, &error), error);
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        caller self = {0};
        watch watched = {.budget = SIZE_MAX, .can_relieve = true};
        const mm_generation_memory memory = {
            .context = &watched, .claim = claim, .relieve = relieve};
        const mm_generation_events events = {.context = &self};
        mm_generation_batch *batch;
        assert_ok(toy_generation_job(&self.job, &all, texts, 1, "{\"num_beams\": 3}", &error),
                  error);
        assert_ok(mm_generation_batch_create(&batch, all.generator, all.session, &memory, &error),
                  error);
        assert_ok(mm_generation_batch_add(batch, &self.job, &events, take, &error), error);
        mm_memory_fail_after(n, false);
        mm_generation_batch_step(batch); // all that is taken for a place
        failed = mm_memory_allocations() >= n;
        mm_memory_fail_after(0, false);
        while (mm_generation_batch_jobs(batch) > 0)
            mm_generation_batch_step(batch);
        check_alone(&all, &self);
        relieved += watched.relieved;
        mm_generation_batch_free(batch);
        drop(&self);
    }
    assert_true(relieved > 3);
    toy_generator_close(&all);
}

static void a_models_session_takes_no_more_than_was_said(void **state) {
    (void)state;
    mm_error error = {0};
    mm_backend *backend;
    mm_task_model *opened;
    assert_ok(mm_backend_cpu_create(&backend, &error), error);
    assert_ok(mm_task_model_open(&opened, model, NULL, backend, MM_COMPUTE_F32, &error), error);
    for (int threads = 1; threads <= 3; threads++) {
        const size_t said = mm_task_model_session_bytes(opened, threads);
        const size_t before = mm_memory_page_bytes();
        mm_session *session;
        assert_ok(mm_session_create(&session, backend, threads, &error), error);
        if (threads == 1)
            assert_ok(mm_task_model_load(opened, MM_PACK_ALL, 2, &error), error);
        const size_t weights = threads == 1 ? mm_task_model_weight_bytes(opened) : 0;
        assert_ok(mm_task_model_prepare_session(opened, session, &error), error);
        const size_t taken = mm_memory_page_bytes() - before - weights;
        assert_in_range(taken, said / 2, said);
        mm_session_free(session);
    }
    mm_task_model_free(opened);
    mm_backend_free(backend);
}

int main(void) {
    json_set_alloc_funcs(mm_malloc, mm_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_said_bytes_bound_what_a_job_takes),
        cmocka_unit_test(a_job_that_is_granted_nothing_is_refused_with_the_numbers),
        cmocka_unit_test(who_must_wait_for_the_caches_of_others_gets_a_turn),
        cmocka_unit_test(a_refusal_by_the_system_is_tried_again_when_others_gave_way),
        cmocka_unit_test(a_models_session_takes_no_more_than_was_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
