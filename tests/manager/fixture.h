// SPDX-License-Identifier: Apache-2.0
// A manager for tests over the small models of tests/golden, with a log that can hold a load back.
#ifndef MM_TESTS_MANAGER_FIXTURE_H
#define MM_TESTS_MANAGER_FIXTURE_H

#include "check.h"
#include "hand_clock.h"

#include "manager/devices.h"
#include "modelmanager/modelmanager.h"

#include <jansson.h>
#include <stdatomic.h>
#include <string.h>

#define MODEL MM_TESTS_DIR "/golden/models/bert-mean-normalize" // vectors of length 1, 64 tokens
#define OTHER_MODEL MM_TESTS_DIR "/golden/models/distilbert-mean"

typedef struct fixture {
    mm_manager *manager;
    atomic_int loads;      // "loaded ..." lines
    atomic_int releases;   // "released ..." lines
    atomic_int warnings;   // lines of that level
    atomic_int errors;     // lines of that level
    hand_clock clock;      // of one that was opened by hand
    atomic_bool hold_load; // a load stays at its end, not yet known to anybody, while this is set
    atomic_bool hold_release; // the same of a release, whose model is free already
} fixture;

// `settings`: names and values in turn, then NULL; or NULL for none. Fails the test on an error.
void fixture_open(fixture *out, const char *const *settings);
// The same with a clock that stands still until hand_clock_advance(&out->clock, seconds).
void fixture_open_by_hand(fixture *out, const char *const *settings);
// The same, and tells of changes of state.
void fixture_open_watched(fixture *out, const char *const *settings, mm_event_callback events,
                          void *payload);
// On a machine that has GPUs as well.
void fixture_open_with_gpus(fixture *out, const char *const *settings, const mm_gpu_source *gpus);
void fixture_open_by_hand_with_gpus(fixture *out, const char *const *settings,
                                    const mm_gpu_source *gpus);
void fixture_close(fixture *own);

// {"task_type": "embedding", "model_name": model} with one text unless NULL.
mm_request *fixture_request(const char *model, const char *text);
// Runs a request with one text and frees it; fails the test unless the status is `expected`.
mm_result *fixture_embed(fixture *own, const char *model, const char *text, mm_status expected);
// Sends JSON text (printf-like), checks that the answer is JSON, returns it (json_decref).
json_t *fixture_json(fixture *own, const char *format, ...) __attribute__((format(printf, 2, 3)));
const json_t *fixture_data(const json_t *result);      // of a success, else fails the test
const char *fixture_code(const json_t *result);        // of a failure, else fails the test
json_t *fixture_status(fixture *own);                  // json_decref
const json_t *fixture_model(const json_t *status);     // the only model, or NULL
bool fixture_holds(fixture *own, const char *name);    // a model by that name is in the status
void fixture_wait_models(fixture *own, size_t count);  // until status shows that many
void fixture_wait_queued(fixture *own, int64_t count); // until the models have that many waiting
void fixture_wait_busy(fixture *own);                  // until a worker is busy
void fixture_wait(const atomic_int *counter, int reached); // until it has reached that

// A job that was submitted, and how it ended.
typedef struct submitted {
    mm_job *job;
    atomic_int calls;
    mm_status status;
    size_t count;  // of the result
    float *vector; // a copy of the first vector
    char message[512];
    char details[256]; // JSON, of a failure
} submitted;

// Takes the request.
void fixture_submit(submitted *out, fixture *own, mm_request *request);
void submitted_wait(submitted *job);
void submitted_free(submitted *job);
mm_request *fixture_long_request(const char *model);
// Keeps a worker busy for a good while: many long texts in one request.
void fixture_submit_long(submitted *out, fixture *own, const char *model);

#endif
