// SPDX-License-Identifier: Apache-2.0
#ifndef MM_BASE_CLOCK_H
#define MM_BASE_CLOCK_H

#include "base/mutex.h"

#include <stdint.h>

// Nanoseconds of the monotonic clock. Never goes back; counts from an arbitrary point.
int64_t mm_clock_now_ns(void);

// Where decisions take the time from (ages, deadlines), so that a test can move it by hand.
typedef struct mm_clock mm_clock;
struct mm_clock {
    // Nanoseconds; never goes back. Any thread.
    int64_t (*now_ns)(mm_clock *self);
    // With `lock` held, waits until `condition` is signalled or that time has come (INT64_MAX:
    // never). May return early.
    void (*wait_until)(mm_clock *self, pthread_cond_t *condition, mm_mutex *lock, int64_t until_ns);
};

// The system's, of mm_clock_now_ns; conditions made with mm_condition_init.
extern mm_clock mm_clock_monotonic;

#endif
