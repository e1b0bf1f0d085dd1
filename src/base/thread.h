// SPDX-License-Identifier: Apache-2.0
// Starting threads and waiting with a deadline, the same way everywhere.
#ifndef MM_BASE_THREAD_H
#define MM_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

// A thread that takes no signals: those are the host program's affair. False when the system
// refuses it; whoever starts it joins it.
bool mm_thread_start(pthread_t *out, void *(*function)(void *), void *argument);
// For timed waits by the monotonic clock (mm_clock_now_ns).
void mm_condition_init(pthread_cond_t *condition);

#endif
