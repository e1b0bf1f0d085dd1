// SPDX-License-Identifier: Apache-2.0
// What the works of manager_timer share: clocks, medians, managers, requests, callers at once.
// Whatever goes wrong ends the program with a message: a figure of something else is none.
#ifndef MM_TESTS_TIMER_TOOLS_H
#define MM_TESTS_TIMER_TOOLS_H

#include "modelmanager/modelmanager.h"

#include <pthread.h>
#include <stdatomic.h>

double timer_now_us(void);
double timer_cpu_us(void);                      // of all threads of the process
double timer_median(double *values, int count); // sorts them
void timer_check(mm_status status, const mm_error *error);
void *timer_allocate(size_t count, size_t size); // zeroed

// How models came and went, from the manager's log.
typedef struct timer_log {
    pthread_mutex_t lock;
    char text[1 << 14]; // lines since the last timer_log_take, each ended by a newline
    size_t used;
    int loads, releases;
    double load_ms; // of all loads, without waiting for memory
} timer_log;

void timer_log_init(timer_log *log);
void timer_log_take(timer_log *log, char *out, size_t size); // the lines until now

// With the settings of the environment (MM_...). `log` may be NULL.
mm_manager *timer_manager(timer_log *log);
// For an embedding on the CPU; `text` NULL: add texts or ids.
mm_request *timer_request(const char *model, const char *text, bool use_cache);
// Runs it, and fails if it does. The caller frees.
mm_result *timer_task(mm_manager *manager, const mm_request *request);
// Runs and drops it; returns its time in microseconds.
double timer_run(mm_manager *manager, const mm_request *request);
double timer_compute_us(mm_manager *manager, const mm_request *request); // what its Result says

// Has `count` threads call, each with its number; returns when all have.
void timer_together(int count, void (*call)(int number, void *payload), void *payload);

// "name": [1.000, 2.000]
void timer_print_list(const char *name, const double *values, int count);

// The works; each prints one JSON object, or one a line.
int timer_overhead(int count, char **arguments);
int timer_callers(int count, char **arguments);
int timer_hits(int count, char **arguments);
int timer_reload(int count, char **arguments);
int timer_batching(int count, char **arguments);
int timer_stream(int count, char **arguments);
int timer_swaps(int count, char **arguments);

#endif
