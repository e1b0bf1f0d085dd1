// SPDX-License-Identifier: Apache-2.0
// The file of the embedding cache's disk tier: vectors by key, the longest ago written going first
// when there are too many. It is an LMDB file, with its lock file ("-lock") beside it, and
// processes may share it; a process that is killed at any moment leaves it whole.
//
// Any thread may call any function at the same time. A write waits for other processes' writes; a
// read for nobody, but where the file is full for those reads that are under way.
#ifndef MM_MANAGER_DISK_STORE_H
#define MM_MANAGER_DISK_STORE_H

#include "manager/embedding_cache.h"

typedef struct mm_disk_store mm_disk_store;

// One block of memory; whoever has it frees it by mm_free.
typedef struct mm_disk_record {
    struct mm_disk_record *next; // for whoever has it
    mm_cache_key key;
    int64_t expires_ns; // wall clock, since it outlives processes; INT64_MAX: never
    size_t dimension;
    int32_t tokens;
    bool truncated;
    const char *prompt; // behind the values, or NULL
    float values[];
} mm_disk_record;

// NULL when memory is out.
mm_disk_record *mm_disk_record_create(const mm_cache_key *key, const mm_cached_vector *vector,
                                      int64_t expires_ns);
size_t mm_disk_record_bytes(const mm_disk_record *record); // what a write of it costs

// Makes the file if it is not there; its folder has to be. The file will not grow beyond
// `max_bytes`. Any failure says what is wrong with the path; what is there is left as it is.
mm_status mm_disk_store_open(mm_disk_store **out, const char *path, uint64_t max_bytes,
                             mm_error *error);
void mm_disk_store_close(mm_disk_store *store); // accepts NULL

// How many bytes of records one write should hold at most.
size_t mm_disk_store_batch(const mm_disk_store *store);
// Adds the records of a list, or replaces those of the same key, all or none, after dropping what
// is too old at `now_ns` or too much.
mm_status mm_disk_store_write(mm_disk_store *store, const mm_disk_record *records, int64_t now_ns,
                              mm_error *error);

typedef enum mm_disk_found {
    MM_DISK_ABSENT,
    MM_DISK_FRESH,
    MM_DISK_OLD,     // it is among the half that goes first
    MM_DISK_DAMAGED, // its checksum is wrong: as good as absent
} mm_disk_found;

// *out is set for FRESH and OLD. What is too old is found all the same. Fails when the file can be
// used no longer, or when memory is out.
mm_status mm_disk_store_read(mm_disk_record **out, mm_disk_found *found, mm_disk_store *store,
                             const mm_cache_key *key, mm_error *error);

// Vectors, and the bytes of the file that they take.
void mm_disk_store_count(mm_disk_store *store, uint64_t *entries, uint64_t *bytes);

#endif
