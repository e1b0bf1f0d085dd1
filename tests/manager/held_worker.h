// SPDX-License-Identifier: Apache-2.0
// A worker that stays busy for as long as a test wants: it generates, and its first token is not
// taken. Nothing is timed.
#ifndef MM_TESTS_MANAGER_HELD_WORKER_H
#define MM_TESTS_MANAGER_HELD_WORKER_H

#include "fixture.h"

#define T5 MM_TESTS_DIR "/golden/models/seq2seq-t5" // embeds and generates

typedef struct held_worker {
    mm_job *job;
    atomic_int tokens, calls;
    atomic_bool is_free;
    mm_status status;
    mm_timing timing;
} held_worker;

// Returns when a worker of T5 is at work and stays so.
void held_worker_start(held_worker *out, fixture *own);
void held_worker_free(held_worker *held); // lets it go on
void held_worker_end(held_worker *held);  // that, and waits until its job is done

#endif
