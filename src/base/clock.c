// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <time.h>

static const int64_t second_ns = 1000000000;

int64_t mm_clock_now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * second_ns + now.tv_nsec;
}

static int64_t monotonic_now(mm_clock *self) {
    (void)self;
    return mm_clock_now_ns();
}

static void monotonic_wait(mm_clock *self, pthread_cond_t *condition, mm_mutex *lock,
                           int64_t until_ns) {
    (void)self;
    if (until_ns == INT64_MAX) {
        mm_condition_wait(condition, lock);
        return;
    }
    struct timespec until = {.tv_sec = until_ns / second_ns, .tv_nsec = until_ns % second_ns};
    pthread_cond_timedwait(condition, &lock->mutex, &until);
}

mm_clock mm_clock_monotonic = {.now_ns = monotonic_now, .wait_until = monotonic_wait};
