// SPDX-License-Identifier: Apache-2.0
// What a model takes of a device's memory, known once it is open, before anything is taken: the
// exact bytes of its weights, and what all its workers can come to use. That no text is long enough
// to use all of it does not count.
#ifndef MM_MANAGER_MEMORY_NEED_H
#define MM_MANAGER_MEMORY_NEED_H

#include "tasks/task_model.h"

typedef struct mm_memory_need {
    int workers;
    size_t weights;
    size_t activations; // of all workers
    size_t caches;      // for generation, of all workers
    size_t cache;       // of each: what it may use without asking
    size_t total;       // PTRDIFF_MAX: more than can be counted
} mm_memory_need;

// `threads` are shared by the workers; `cache` is of each.
mm_memory_need mm_memory_need_make(const mm_task_model *model, int workers, int threads,
                                   size_t cache);
// Threads of each of so many workers; at least 1.
int mm_threads_of_worker(int threads, int workers);

#endif
