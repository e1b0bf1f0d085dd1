// SPDX-License-Identifier: Apache-2.0
// GPUs for tests, on a machine that has none: each is the CPU's backend behind a device's face,
// with memory of its own size that loading takes from, a gate that holds work back, and failures on
// demand. Results are real. Lanes and caches are the CPU's own.
#ifndef MM_TESTS_MANAGER_SIMULATED_GPUS_H
#define MM_TESTS_MANAGER_SIMULATED_GPUS_H

#include "manager/devices.h"

#include <stdatomic.h>

enum { SIMULATED_GPUS_MAX = 8 };

// Work that comes while it is closed waits there until it is opened.
typedef struct simulated_gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_closed;
    int waiting; // now
} simulated_gate;

void simulated_gate_close(simulated_gate *gate);
void simulated_gate_open(simulated_gate *gate);
void simulated_gate_await(simulated_gate *gate, int count); // until so many wait there

typedef struct simulated_gpu {
    size_t bytes;
    atomic_size_t used;      // by weights, and by what a test adds for other programs
    atomic_bool is_lost;     // what runs or loads from now on, or is at a gate, fails
    atomic_int bad_loads;    // so many loads fail, with `load_status`
    mm_status load_status;   // set before bad_loads
    atomic_int loads;        // weights that were packed
    atomic_int runs;         // of sessions, begun
    atomic_int sessions;     // there are
    atomic_int bad_sessions; // so many cannot be made: OUT_OF_MEMORY
    simulated_gate load_gate, run_gate;
} simulated_gpu;

typedef struct simulated_gpus {
    simulated_gpu gpu[SIMULATED_GPUS_MAX];
    mm_gpu_source source;
} simulated_gpus;

// `bytes`: of each.
void simulated_gpus_create(simulated_gpus *out, int count, const size_t *bytes);
void simulated_gpus_free(simulated_gpus *gpus); // behind the manager

#endif
