// SPDX-License-Identifier: Apache-2.0
// The disk tier of the embedding cache: reads at once, on the caller's thread; writes later, many
// together, on a thread of its own. It only ever helps: what goes wrong is a warning in the log,
// and then a vector is not there, or not kept.
//
// Any thread may call any function at the same time.
#ifndef MM_MANAGER_DISK_CACHE_H
#define MM_MANAGER_DISK_CACHE_H

#include "base/clock.h"
#include "base/log.h"
#include "manager/disk_store.h"

// Ages go by `clock`. It and `log` have to live as long. See mm_disk_store_open.
mm_status mm_disk_cache_open(mm_disk_cache **out, const char *path, uint64_t max_bytes,
                             mm_clock *clock, const mm_log *log, mm_error *error);
// Writes what is waiting first. Accepts NULL.
void mm_disk_cache_close(mm_disk_cache *disk);

// The wall clock, which all processes share, as far as `clock` goes with the system's.
int64_t mm_disk_cache_wall_ns(const mm_disk_cache *disk);

// NULL when it is not there, or too old. For the caller to mm_free.
// What is used of the half of the file that goes first is written anew.
mm_disk_record *mm_disk_cache_get(mm_disk_cache *disk, const mm_cache_key *key);
// Has a copy written soon; forgets it when too much is waiting.
void mm_disk_cache_put(mm_disk_cache *disk, const mm_cache_key *key, const mm_cached_vector *vector,
                       int64_t expires_ns);
// Returns when all that was put before has been written, or failed to be.
void mm_disk_cache_flush(mm_disk_cache *disk);

typedef struct mm_disk_statistics {
    uint64_t entries, bytes; // of the file, whoever wrote them
    uint64_t hits, misses;   // of this process, since it opened the file
} mm_disk_statistics;
void mm_disk_cache_statistics(mm_disk_statistics *out, mm_disk_cache *disk);

#endif
