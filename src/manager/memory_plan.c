// SPDX-License-Identifier: Apache-2.0
#include "manager/memory_plan.h"

#include "base/memory.h"

#include <math.h>

static bool may_go(const mm_memory_holder *holder) {
    return !holder->is_pinned && !holder->is_busy && holder->bytes > 0;
}

// The expected loss a byte: a model that was used a moment ago will be wanted again soon.
static double cost(const mm_memory_holder *holder) {
    static const double soonest = 1e-3;
    return holder->load_seconds / fmax(holder->idle_seconds, soonest) / (double)holder->bytes;
}

// Sorts the first `count` indices by cost; there are few models.
static void sort(size_t *evict, size_t count, const mm_memory_holder *holders) {
    for (size_t i = 1; i < count; i++) {
        size_t own = evict[i], at = i;
        for (; at > 0 && cost(&holders[evict[at - 1]]) > cost(&holders[own]); at--)
            evict[at] = evict[at - 1];
        evict[at] = own;
    }
}

// Keeps of the sorted candidates what is needed, the dear ones given back first.
static size_t keep_needed(size_t *evict, size_t count, size_t missing,
                          const mm_memory_holder *holders) {
    size_t freed = 0, taken = 0;
    while (taken < count && freed < missing)
        freed = mm_size_sum(freed, holders[evict[taken++]].bytes);
    for (size_t i = taken; i-- > 0;) {
        size_t bytes = holders[evict[i]].bytes;
        if (freed - bytes < missing)
            continue;
        freed -= bytes;
        taken--;
        for (size_t k = i; k < taken; k++)
            evict[k] = evict[k + 1];
    }
    return taken;
}

mm_memory_plan mm_memory_plan_make(size_t *evict, size_t needed, size_t budget,
                                   const mm_memory_holder *holders, size_t count) {
    size_t used = 0, pinned = 0, idle = 0, candidates = 0;
    for (size_t i = 0; i < count; i++) {
        used = mm_size_sum(used, holders[i].bytes);
        if (holders[i].is_pinned)
            pinned = mm_size_sum(pinned, holders[i].bytes);
        if (may_go(&holders[i])) {
            idle = mm_size_sum(idle, holders[i].bytes);
            evict[candidates++] = i;
        }
    }
    mm_memory_plan plan = {.available_bytes = used < budget ? budget - used : 0};
    size_t wanted = mm_size_sum(used, needed);
    if (wanted <= budget) {
        plan.verdict = MM_MEMORY_FITS;
    } else if (mm_size_sum(pinned, needed) > budget) {
        plan.verdict = MM_MEMORY_NEVER;
    } else if (wanted - budget > idle) {
        plan.verdict = MM_MEMORY_WAITS;
    } else {
        plan.verdict = MM_MEMORY_FITS;
        sort(evict, candidates, holders);
        plan.evict_count = keep_needed(evict, candidates, wanted - budget, holders);
    }
    return plan;
}
