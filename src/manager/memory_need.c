// SPDX-License-Identifier: Apache-2.0
#include "manager/memory_need.h"

#include "base/memory.h"

#include <stdint.h>

int mm_threads_of_worker(int threads, int workers) {
    const int share = threads / (workers > 0 ? workers : 1);
    return share > 0 ? share : 1;
}

// More than any device has, and a number in every reader of JSON.
static const size_t most = PTRDIFF_MAX;

static size_t sum(size_t a, size_t b) {
    size_t result;
    return mm_size_add(&result, a, b) && result < most ? result : most;
}

static size_t times(size_t bytes, int count) {
    size_t result;
    return mm_size_mul(&result, bytes, (size_t)count) && result < most ? result : most;
}

mm_memory_need mm_memory_need_make(const mm_task_model *model, int workers, int threads,
                                   size_t cache) {
    const size_t session =
        mm_task_model_session_bytes(model, mm_threads_of_worker(threads, workers));
    const size_t weights = mm_task_model_weight_bytes(model);
    const size_t activations = times(session, workers), caches = times(cache, workers);
    return (mm_memory_need){.workers = workers,
                            .weights = weights,
                            .activations = activations,
                            .caches = caches,
                            .cache = cache,
                            .total = sum(sum(weights, activations), caches)};
}
