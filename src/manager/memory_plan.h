// SPDX-License-Identifier: Apache-2.0
// Who has to go so that a model fits into its device's memory budget. Pure arithmetic over numbers
// that the caller gathered under its lock.
#ifndef MM_MANAGER_MEMORY_PLAN_H
#define MM_MANAGER_MEMORY_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A model that has memory of the device, or was promised some.
typedef struct mm_memory_holder {
    size_t bytes;
    double load_seconds; // what bringing it back would cost
    double idle_seconds; // since the end of its last work; a guess of when the next one comes
    bool is_pinned;      // or kept out of this plan for another reason, such as its loading
    bool is_busy;        // may go once its work is done
} mm_memory_holder;

typedef enum mm_memory_verdict {
    MM_MEMORY_FITS,  // when those chosen are gone, of which there may be none
    MM_MEMORY_WAITS, // for work to end: those who are idle would not be enough
    MM_MEMORY_NEVER, // not even alone beside those that are pinned
} mm_memory_verdict;

typedef struct mm_memory_plan {
    mm_memory_verdict verdict;
    size_t available_bytes; // of the budget, now
    size_t evict_count;     // with MM_MEMORY_FITS
} mm_memory_plan;

// Plans room for `needed` bytes. Chosen are those that cost least a byte: load time over idle time,
// and of these no more than needed. `evict` [count] gets the indices of the chosen.
mm_memory_plan mm_memory_plan_make(size_t *evict, size_t needed, size_t budget,
                                   const mm_memory_holder *holders, size_t count);

#endif
