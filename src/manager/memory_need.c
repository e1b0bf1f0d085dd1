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

static size_t capped(size_t bytes) {
    return bytes < most ? bytes : most;
}

mm_memory_need mm_memory_need_make(const mm_task_model *model, int workers, int threads,
                                   size_t cache) {
    const size_t session =
        mm_task_model_session_bytes(model, mm_threads_of_worker(threads, workers));
    const size_t weights = mm_task_model_weight_bytes(model);
    const size_t activations = mm_size_product(session, (size_t)workers);
    const size_t caches = mm_size_product(cache, (size_t)workers);
    const size_t total = mm_size_sum(weights, mm_size_sum(activations, caches));
    return (mm_memory_need){.workers = workers,
                            .weights = weights,
                            .activations = capped(activations),
                            .caches = capped(caches),
                            .cache = cache,
                            .total = capped(total)};
}
