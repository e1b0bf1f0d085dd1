// SPDX-License-Identifier: Apache-2.0
#include "hand_clock.h"

#include <sched.h>

static int64_t now_of(mm_clock *clock) {
    hand_clock *own = (hand_clock *)clock; // its first member
    return atomic_load(&own->now_ns);
}

static void wait_by_hand(mm_clock *clock, pthread_cond_t *condition, mm_mutex *lock,
                         int64_t until_ns) {
    hand_clock *own = (hand_clock *)clock;
    atomic_store(&own->condition, condition);
    atomic_store(&own->until_ns, until_ns);
    atomic_store(&own->lock, lock);
    atomic_fetch_add(&own->waits, 1);
    if (atomic_load(&own->now_ns) < until_ns) // moved meanwhile? Else `advance` has yet to signal.
        mm_condition_wait(condition, lock);
}

void hand_clock_init(hand_clock *out) {
    *out = (hand_clock){.clock = {.now_ns = now_of, .wait_until = wait_by_hand}};
    atomic_init(&out->now_ns, INT64_C(1000000000));
}

void hand_clock_advance(hand_clock *own, double seconds) {
    int64_t now = atomic_fetch_add(&own->now_ns, (int64_t)(seconds * 1e9));
    now += (int64_t)(seconds * 1e9);
    mm_mutex *lock;
    while ((lock = atomic_load(&own->lock)) == NULL) // its thread has just begun
        (void)sched_yield();
    mm_mutex_lock(lock);
    unsigned before = atomic_load(&own->waits);
    (void)pthread_cond_broadcast(atomic_load(&own->condition));
    mm_mutex_unlock(lock);
    while (atomic_load(&own->waits) == before || atomic_load(&own->until_ns) <= now)
        (void)sched_yield();
}
