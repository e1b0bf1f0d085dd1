// SPDX-License-Identifier: Apache-2.0
// Jobs that share a batch: each gets bit for bit what it gets alone, whenever it joined and
// whatever went on beside it; one that is cancelled or fails takes nobody with it.
#include "check.h"
#include "toy_generator.h"

#include "base/memory.h"

#include <string.h>

static const char model[] = MM_TESTS_DIR "/golden/models/seq2seq-bart";
static const char *const texts[] = {"The cat sat on the mat.", "x",
                                    "Twelve engineers measured the old bridge.",
                                    "the baker repairs an old violin", "a b c d e f g"};
enum { TEXTS = sizeof texts / sizeof texts[0], JOBS_MAX = 12, TOKENS_MAX = 96 };

// What is asked for at which step.
static const struct {
    int step;
    size_t first, count; // of texts
    const char *parameters;
} requests[] = {
    {0, 0, 5, "{\"num_beams\": 1, \"max_new_tokens\": 9}"},
    {0, 2, 1, "{\"num_beams\": 4, \"max_new_tokens\": 20, \"num_return_sequences\": 3}"},
    {2, 1, 3, "{\"num_beams\": 1, \"max_new_tokens\": 30, \"min_length\": 25}"},
    {2, 0, 2, "{}"},
    {3, 4, 1, "{\"num_beams\": 40, \"max_new_tokens\": 3}"}, // wider than the batch by itself
    {3, 0, 5, "{\"num_beams\": 3, \"max_new_tokens\": 5, \"repetition_penalty\": 1.4}"},
    {9, 3, 1, "{\"num_beams\": 1, \"max_new_tokens\": 2}"},
    {60, 3, 2, "{\"num_beams\": 2, \"max_new_tokens\": 70}"}, // a longer cache than all before
};
enum { REQUESTS = sizeof requests / sizeof requests[0] };

typedef struct caller {
    mm_generation_job job;
    mm_generated result;
    mm_status status;
    int calls, order;
    int *finished; // how many callers were called
    mm_error error;
    int32_t heard[TOKENS_MAX]; // of sequence 0
    int heard_count, stop_after;
    size_t ended; // sequences
    atomic_bool cancelled;
} caller;

static void take(void *context, mm_status status, const mm_error *error, mm_generated *result) {
    caller *self = context;
    self->status = status;
    self->error = *error;
    self->result = *result;
    self->order = (*self->finished)++;
    self->calls++;
}

static bool hear(void *context, size_t sequence, int32_t id, bool is_last) {
    caller *self = context;
    self->ended += is_last;
    if (sequence == 0 && self->heard_count < TOKENS_MAX)
        self->heard[self->heard_count++] = id;
    return self->stop_after == 0 || self->heard_count < self->stop_after;
}

static void add(mm_generation_batch *batch, const toy_generator *all, caller *self, int request,
                int *finished) {
    mm_error error = {0};
    self->finished = finished;
    const mm_generation_events events = {
        .context = self, .on_token = hear, .cancelled = &self->cancelled};
    assert_ok(toy_generation_job(&self->job, all, texts + requests[request].first,
                                 requests[request].count, requests[request].parameters, &error),
              error);
    assert_ok(mm_generation_batch_add(batch, &self->job, &events, take, &error), error);
}

static void drop(caller *self) {
    mm_generated_free(&self->result);
    mm_generation_job_free(&self->job);
}

static void check_alone(const toy_generator *all, const caller *self, int request) {
    mm_error error = {0};
    const size_t returned = (size_t)self->job.settings.num_return_sequences;
    assert_int_equal(self->calls, 1);
    assert_ok(self->status, self->error);
    assert_int_equal(self->result.count, requests[request].count * returned);
    for (size_t i = 0; i < requests[request].count; i++) {
        mm_generated alone;
        assert_ok(toy_generate(&alone, all, texts + requests[request].first + i, 1,
                               requests[request].parameters, &error),
                  error);
        for (size_t k = 0; k < returned; k++) {
            const size_t at = self->result.starts[i * returned + k];
            const size_t length = self->result.starts[i * returned + k + 1] - at;
            assert_int_equal(alone.starts[k + 1] - alone.starts[k], length);
            assert_memory_equal(alone.ids + alone.starts[k], self->result.ids + at,
                                length * sizeof *alone.ids);
            assert_int_equal(alone.stopped[k], self->result.stopped[i * returned + k]);
            if (alone.scores)
                assert_memory_equal(&alone.scores[k], &self->result.scores[i * returned + k],
                                    sizeof(float));
        }
        mm_generated_free(&alone);
    }
    assert_int_equal(self->ended, self->result.count);
    assert_int_equal(self->heard_count, self->result.starts[1]);
    assert_memory_equal(self->heard, self->result.ids,
                        (size_t)self->heard_count * sizeof *self->heard);
}

static void test_coming_and_going(void **state) {
    (void)state;
    mm_error error = {0};
    toy_generator all;
    mm_generation_batch *batch;
    caller *callers = mm_calloc(REQUESTS, sizeof *callers);
    assert_ok(toy_generator_open(&all, model, &error), error);
    assert_ok(mm_generation_batch_create(&batch, all.generator, all.session, NULL, &error), error);
    assert_true(mm_generation_batch_has_room(batch));
    int added = 0, step = 0, finished = 0;
    bool was_full = false;
    for (; added < REQUESTS || mm_generation_batch_jobs(batch) > 0; step++) {
        for (; added < REQUESTS && requests[added].step <= step; added++)
            add(batch, &all, &callers[added], added, &finished);
        was_full = was_full || !mm_generation_batch_has_room(batch);
        mm_generation_batch_step(batch);
        assert_true(step < 400);
    }
    assert_int_equal(finished, REQUESTS);
    assert_true(was_full);
    // The short last but one overtook none that waited, but what was shorter did leave earlier.
    assert_true(callers[0].order < callers[2].order);
    for (int i = 0; i < REQUESTS; i++)
        check_alone(&all, &callers[i], i);
    for (int i = 0; i < REQUESTS; i++)
        drop(&callers[i]);
    mm_generation_batch_free(batch);
    toy_generator_close(&all);
    mm_free(callers);
}

static void test_cancelling(void **state) {
    (void)state;
    mm_error error = {0};
    toy_generator all;
    mm_generation_batch *batch;
    caller *callers = mm_calloc(4, sizeof *callers);
    int finished = 0;
    assert_ok(toy_generator_open(&all, model, &error), error);
    assert_ok(mm_generation_batch_create(&batch, all.generator, all.session, NULL, &error), error);
    callers[1].stop_after = 3;
    add(batch, &all, &callers[0], 0, &finished);
    add(batch, &all, &callers[1], 2, &finished);
    add(batch, &all, &callers[2], 3, &finished);
    mm_generation_batch_step(batch);
    atomic_store(&callers[2].cancelled, true);
    mm_generation_batch_step(batch);
    assert_int_equal(callers[2].status, MM_STATUS_CANCELLED);
    mm_generation_batch_step(batch);
    assert_int_equal(callers[1].status, MM_STATUS_CANCELLED);
    assert_int_equal(callers[1].heard_count, 3);
    assert_int_equal(mm_generation_batch_jobs(batch), 1);
    while (mm_generation_batch_jobs(batch) > 0)
        mm_generation_batch_step(batch);
    check_alone(&all, &callers[0], 0);
    // What is left when the batch goes.
    add(batch, &all, &callers[3], 1, &finished);
    mm_generation_batch_step(batch);
    mm_generation_batch_free(batch);
    assert_int_equal(callers[3].status, MM_STATUS_CANCELLED);
    assert_int_equal(finished, 4);
    for (int i = 0; i < 4; i++)
        drop(&callers[i]);
    toy_generator_close(&all);
    mm_free(callers);
}

static void test_one_job_with_events(void **state) {
    (void)state;
    mm_error error = {0};
    toy_generator all;
    caller *self = mm_calloc(1, sizeof *self);
    assert_ok(toy_generator_open(&all, model, &error), error);
    assert_ok(toy_generation_job(&self->job, &all, texts, 1, "{\"num_beams\": 1}", &error), error);
    mm_generation_events events = {.context = self, .on_token = hear};
    assert_ok(
        mm_generator_run(all.generator, all.session, &self->job, &events, &self->result, &error),
        error);
    assert_int_equal(self->ended, self->result.count);
    assert_int_equal(self->heard_count, self->result.starts[1]);
    mm_generated_free(&self->result);
    self->stop_after = 1;
    assert_status(
        mm_generator_run(all.generator, all.session, &self->job, &events, &self->result, &error),
        MM_STATUS_CANCELLED, error);
    events.cancelled = &self->cancelled;
    atomic_store(&self->cancelled, true);
    assert_status(
        mm_generator_run(all.generator, all.session, &self->job, &events, &self->result, &error),
        MM_STATUS_CANCELLED, error);
    drop(self);
    toy_generator_close(&all);
    mm_free(self);
}

// Memory that runs out: the job says so, or gets what it always gets; the others go on.
static void test_every_allocation_may_fail(void **state) {
    (void)state;
    mm_error error = {0};
    toy_generator all;
    assert_ok(toy_generator_open(&all, model, &error), error);
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        mm_generation_batch *batch;
        caller *callers = mm_calloc(2, sizeof *callers);
        int finished = 0;
        assert_ok(mm_generation_batch_create(&batch, all.generator, all.session, NULL, &error),
                  error);
        add(batch, &all, &callers[0], 6, &finished);
        add(batch, &all, &callers[1], 1, &finished);
        mm_memory_fail_after(n, false);
        while (mm_generation_batch_jobs(batch) > 0)
            mm_generation_batch_step(batch);
        failed = mm_memory_allocations() >= n;
        mm_memory_fail_after(0, false);
        int bad = 0;
        for (int i = 0; i < 2; i++) {
            if (callers[i].status)
                assert_status(callers[i].status, MM_STATUS_OUT_OF_MEMORY, callers[i].error);
            else
                check_alone(&all, &callers[i], i == 0 ? 6 : 1);
            bad += callers[i].status != MM_STATUS_OK;
        }
        assert_true(bad <= 1);
        for (int i = 0; i < 2; i++)
            drop(&callers[i]);
        mm_generation_batch_free(batch);
        mm_free(callers);
    }
    toy_generator_close(&all);
}

int main(void) {
    json_set_alloc_funcs(mm_malloc, mm_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coming_and_going),
        cmocka_unit_test(test_cancelling),
        cmocka_unit_test(test_one_job_with_events),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
