// SPDX-License-Identifier: Apache-2.0
// A clock that stands still until a test moves it. One thread may wait by it, a manager's timer.
#ifndef MM_TESTS_HAND_CLOCK_H
#define MM_TESTS_HAND_CLOCK_H

#include "base/clock.h"

#include <stdatomic.h>

typedef struct hand_clock {
    mm_clock clock; // give &clock to mm_manager_create_in
    _Atomic int64_t now_ns;
    // How the thread waits, or waited last; NULL before it did.
    _Atomic(pthread_cond_t *) condition;
    _Atomic(mm_mutex *) lock;
    _Atomic int64_t until_ns;
    atomic_uint waits; // it has begun
} hand_clock;

void hand_clock_init(hand_clock *out); // some time after 0
// Lets that time pass, and returns when the waiting thread has seen it and waits again for a time
// yet to come: what was due has been done. Not with the lock held; the manager must be alive.
void hand_clock_advance(hand_clock *own, double seconds);

#endif
