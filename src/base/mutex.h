// SPDX-License-Identifier: Apache-2.0
// A mutex that knows its place. Each has a rank, and a thread takes one only while all that it
// holds have lower ranks, so that no two threads can wait for each other. Builds with assertions
// (debug, sanitizers) check that for every lock; in others nothing of it is left.
#ifndef MM_BASE_MUTEX_H
#define MM_BASE_MUTEX_H

#include <pthread.h>

typedef struct mm_mutex {
    pthread_mutex_t mutex;
#ifndef NDEBUG
    int rank;
#endif
} mm_mutex;

#ifndef NDEBUG
void mm_mutex_note_taken(const mm_mutex *mutex); // before it is waited for
void mm_mutex_note_left(const mm_mutex *mutex);
// Called instead of a failed assertion, with the highest rank that is held (-1: none) and the rank
// of the lock that is taken, or left without being held. NULL: assert. For tests.
extern void (*mm_mutex_on_disorder)(int held, int rank);
#endif

void mm_mutex_init(mm_mutex *mutex, int rank); // ranks from 0 up
void mm_mutex_destroy(mm_mutex *mutex);

static inline void mm_mutex_lock(mm_mutex *mutex) {
#ifndef NDEBUG
    mm_mutex_note_taken(mutex);
#endif
    (void)pthread_mutex_lock(&mutex->mutex);
}

static inline void mm_mutex_unlock(mm_mutex *mutex) {
#ifndef NDEBUG
    mm_mutex_note_left(mutex);
#endif
    (void)pthread_mutex_unlock(&mutex->mutex);
}

// Waits with that mutex, which is the last one that the thread has taken.
static inline void mm_condition_wait(pthread_cond_t *condition, mm_mutex *mutex) {
#ifndef NDEBUG
    mm_mutex_note_left(mutex);
    mm_mutex_note_taken(mutex);
#endif
    (void)pthread_cond_wait(condition, &mutex->mutex);
}

#endif
