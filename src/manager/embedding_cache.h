// SPDX-License-Identifier: Apache-2.0
// Vectors of texts that were embedded before: at most so many, the longest unused going first, none
// older than its time to live. What is being computed is known too, so that the same text in two
// requests is computed once.
//
// Any thread may call any function at the same time. There are 16 shards, each with a lock of its
// own that is held for a few hash steps and a copy, and under which no other is taken. `now_ns` is
// the caller's clock, so that time can be injected.
#ifndef MM_MANAGER_EMBEDDING_CACHE_H
#define MM_MANAGER_EMBEDDING_CACHE_H

#include "base/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mm_embedding_cache mm_embedding_cache;
typedef struct mm_disk_cache mm_disk_cache; // disk_cache.h

// SHA-256 over all that has a say in the vector; keys that are equal stand for equal vectors.
typedef struct mm_cache_key {
    uint8_t digest[MM_SHA256_BYTES];
} mm_cache_key;

typedef struct mm_cached_vector {
    float *values; // [dimension], the caller's memory
    size_t dimension;
    int32_t tokens;
    bool truncated;
    const char *prompt; // in front of the text, or NULL; not among what a hit copies
} mm_cached_vector;

// Who asked for a vector. One that another is computing makes it wait: the caller's memory until
// the claim ends.
typedef struct mm_cache_waiter {
    struct mm_cache_waiter *next;
    void *payload;
    void (*keep)(void *owner); // called with the claim's owner, which it keeps alive; or NULL
    void *owner;               // then: the payload of who claimed it
} mm_cache_waiter;

typedef enum mm_cache_answer {
    MM_CACHE_HIT,     // the vector was copied
    MM_CACHE_CLAIMED, // not there: the caller computes it, then publishes or abandons it
    MM_CACHE_PENDING, // somebody has claimed it; with a waiter, the end of the claim will name it
    MM_CACHE_FULL,    // not there and no memory to remember the claim: compute it, publish nothing
} mm_cache_answer;

// `ttl_seconds` infinite: nothing gets too old. `max_entries` 0 is allowed: only claims then.
mm_status mm_embedding_cache_create(mm_embedding_cache **out, size_t max_entries,
                                    double ttl_seconds, mm_error *error);
// A second tier, before the first use; the cache closes it in the end. What memory has not, the
// disk is asked for, except by claims, which say so themselves (mm_embedding_cache_restore).
void mm_embedding_cache_set_disk(mm_embedding_cache *cache, mm_disk_cache *disk);
// There must be no claims any more. Accepts NULL.
void mm_embedding_cache_free(mm_embedding_cache *cache);

// Whether the vector is there; copies it into `out` if so and counts as a use. `out->dimension`
// says what the caller expects: a vector of another length counts as not there. Who claims is known
// to others as `waiter->payload`.
mm_cache_answer mm_embedding_cache_claim(mm_embedding_cache *cache, const mm_cache_key *key,
                                         mm_cached_vector *out, mm_cache_waiter *waiter,
                                         int64_t now_ns);
// The same without claiming: false when the vector is not there.
bool mm_embedding_cache_get(mm_embedding_cache *cache, const mm_cache_key *key,
                            mm_cached_vector *out, int64_t now_ns);
// What can be said of a vector without using it: its length, 0 when it is not there, and its prompt
// (unless `prompt` is NULL), which the caller frees; NULL too when memory is out.
size_t mm_embedding_cache_look(mm_embedding_cache *cache, const mm_cache_key *key, char **prompt,
                               int64_t now_ns);
// Ends a claim with the vector that the disk has, if any: copies it into `out`, and names those who
// waited. A hit then, in place of the miss that the claim was.
bool mm_embedding_cache_restore(mm_embedding_cache *cache, const mm_cache_key *key,
                                mm_cached_vector *out, mm_cache_waiter **waiters, int64_t now_ns);
// Ends a claim with its vector, which may push out others (out of memory: it is just not kept).
// Returns those who waited for it: they may ask again.
mm_cache_waiter *mm_embedding_cache_publish(mm_embedding_cache *cache, const mm_cache_key *key,
                                            const mm_cached_vector *vector, int64_t now_ns);
// Ends a claim without one: the computation failed or was given up.
mm_cache_waiter *mm_embedding_cache_abandon(mm_embedding_cache *cache, const mm_cache_key *key);

typedef struct mm_cache_statistics {
    uint64_t entries, hits, misses, bytes; // bytes: all that the entries take
    bool has_disk;
    uint64_t disk_entries, disk_hits, disk_misses, disk_bytes;
} mm_cache_statistics;
void mm_embedding_cache_statistics(mm_cache_statistics *out, const mm_embedding_cache *cache);

#endif
