// SPDX-License-Identifier: Apache-2.0
// What a task gave. Filled by the thread that owns the job, then immutable.
#ifndef MM_MANAGER_RESULT_H
#define MM_MANAGER_RESULT_H

#include "base/buffer.h"
#include "modelmanager/modelmanager.h"
#include "tasks/generation.h"

typedef struct mm_task_kind mm_task_kind;

struct mm_result {
    const mm_task_kind *kind;
    size_t count;    // texts or id lists that were answered
    int32_t *tokens; // [count]
    bool *truncated; // [count]
    bool returns_ids;
    int32_t *ids;   // with returns_ids: all sequences one behind the other
    size_t *starts; // [count + 1], with ids
    // Embedding.
    size_t dimension;
    float *vectors; // [count * dimension]
    char *prompt;   // or NULL
    bool *cached;   // [count] that were known already; NULL = none
    // Text generation: the same number of texts for each input, input by input.
    mm_generated generated;
    mm_buffer text;    // all of them, each with a NUL behind
    size_t *text_ends; // [generated.count], behind the NUL
    bool is_scalar;    // one text for one string: no lists
    // All.
    char *model_name;
    char *revision; // commit, or NULL for a directory
    char *fingerprint;
    char *id; // echoed, or NULL
    bool id_is_number;
    char device[24];
    const char *dtype; // static
    bool device_fallback;
    int worker_id; // -1: no worker was needed
    mm_timing timing;
    bool preloaded; // then only these:
    int workers;
    double keep_alive_minutes; // -1 = never
};

// Room for the vectors of result->count texts of this length, and what is told of each.
mm_status mm_result_make_rows(mm_result *result, size_t dimension, mm_error *error);
// Appends the Result without a newline; false when memory is out.
bool mm_result_write(mm_buffer *out, const mm_result *result);
// The Result of a failure; `id` (may be NULL) is echoed.
bool mm_failure_write(mm_buffer *out, const mm_error *error, const char *id, bool id_is_number);

#endif
