// SPDX-License-Identifier: Apache-2.0
#include "base/mutex.h"

#include <assert.h>

void mm_mutex_init(mm_mutex *mutex, int rank) {
    (void)pthread_mutex_init(&mutex->mutex, NULL);
#ifndef NDEBUG
    mutex->rank = rank;
#else
    (void)rank;
#endif
}

void mm_mutex_destroy(mm_mutex *mutex) {
    (void)pthread_mutex_destroy(&mutex->mutex);
}

#ifndef NDEBUG

enum { MAX_HELD = 8 };

// The ranks of what this thread holds, rising.
static _Thread_local int held[MAX_HELD];
static _Thread_local int held_count;

void (*mm_mutex_on_disorder)(int held, int rank);

static void disorder(int rank) {
    int highest = held_count > 0 ? held[held_count - 1] : -1;
    if (mm_mutex_on_disorder)
        mm_mutex_on_disorder(highest, rank);
    else
        assert(!"locks are taken in the order of their ranks, and left by who holds them");
}

void mm_mutex_note_taken(const mm_mutex *mutex) {
    if (held_count == MAX_HELD || (held_count > 0 && held[held_count - 1] >= mutex->rank))
        disorder(mutex->rank);
    if (held_count < MAX_HELD)
        held[held_count++] = mutex->rank;
}

void mm_mutex_note_left(const mm_mutex *mutex) {
    int at = held_count - 1;
    while (at >= 0 && held[at] != mutex->rank)
        at--;
    if (at < 0) {
        disorder(mutex->rank);
        return;
    }
    for (held_count--; at < held_count; at++)
        held[at] = held[at + 1];
}

#endif
