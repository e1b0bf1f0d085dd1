// SPDX-License-Identifier: Apache-2.0
// What the embedding cache has of one job's texts, what others compute of them, and what is left
// for the job itself. Belongs to the job's owner but for mm_recall_abandon_locked.
#ifndef MM_MANAGER_RECALL_H
#define MM_MANAGER_RECALL_H

#include "manager/cache_keys.h"

typedef enum mm_recall_state {
    MM_RECALL_UNKNOWN, // not asked for, or claimed by another job when it was
    MM_RECALL_MINE,    // for this job to compute, and to publish
    MM_RECALL_ALONE,   // for this job to compute
    MM_RECALL_DONE,    // in the Result
} mm_recall_state;

typedef struct mm_recall {
    mm_embedding_cache *cache; // NULL: every text is the job's own
    size_t count;              // texts
    mm_cache_key *keys;        // [count]
    mm_cache_waiter *waiters;  // [count]
    mm_recall_state *states;   // [count]
} mm_recall;

// `cache` may be NULL.
mm_status mm_recall_create(mm_recall *out, mm_embedding_cache *cache, const char *fingerprint,
                           const mm_request *request, mm_error *error);
void mm_recall_free(mm_recall *recall); // leaves a zeroed one

// The cache that a request wants, or NULL.
mm_embedding_cache *mm_recall_cache_for(const mm_job *job);
// The kind's `recall`: answers a whole request from the cache, by the fingerprint in its Result.
bool mm_recall_answer(mm_job *job);
// Asks for every text that is UNKNOWN: hits go into the Result, the others become MINE or ALONE, or
// stay UNKNOWN while another job computes them, which wakes this one (mm_job_await). Returns how
// many those are.
size_t mm_recall_ask(mm_recall *recall, mm_job *job);
// The texts that are for this job to compute, in order; `indices` has room for all.
size_t mm_recall_own(const mm_recall *recall, size_t *indices);
// Text `index`, which was MINE or ALONE, is in the Result now: others may have it.
void mm_recall_publish(mm_recall *recall, const mm_job *job, size_t index);
// Gives up what is MINE, waking who waits for it.
void mm_recall_abandon_locked(mm_recall *recall);

#endif
