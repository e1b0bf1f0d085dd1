// SPDX-License-Identifier: Apache-2.0
#include "held_worker.h"

#include <time.h>

static void nap(void) {
    const struct timespec moment = {.tv_nsec = 1000000};
    (void)nanosleep(&moment, NULL);
}

static bool on_token(mm_job *job, const mm_token *token, void *payload) {
    held_worker *self = payload;
    (void)job;
    (void)token;
    atomic_fetch_add(&self->tokens, 1);
    while (!atomic_load(&self->is_free))
        nap();
    return true;
}

static void on_end(mm_job *job, mm_status status, mm_result *result, const mm_error *error,
                   void *payload) {
    held_worker *self = payload;
    (void)job;
    (void)error;
    self->status = status;
    if (result)
        mm_result_timing(result, &self->timing);
    mm_result_free(result);
    atomic_fetch_add(&self->calls, 1);
}

void held_worker_start(held_worker *out, fixture *own) {
    mm_error error = {0};
    memset(out, 0, sizeof(*out));
    mm_request *request = fixture_request(T5, "The cat sat on the mat.");
    assert_ok(mm_request_set_text(request, "task_type", "text_generation", &error), error);
    assert_ok(mm_request_set_integer(request, "max_new_tokens", 3, &error), error);
    assert_ok(mm_task_stream(&out->job, own->manager, request, on_token, on_end, out, &error),
              error);
    mm_request_free(request);
    fixture_wait(&out->tokens, 1);
}

void held_worker_free(held_worker *held) {
    atomic_store(&held->is_free, true);
}

void held_worker_end(held_worker *held) {
    held_worker_free(held);
    fixture_wait(&held->calls, 1);
    mm_job_free(held->job);
}
