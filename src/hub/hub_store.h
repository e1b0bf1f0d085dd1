// SPDX-License-Identifier: Apache-2.0
// Keeping house in a cache of huggingface_hub's form: removing models, checking them.
#ifndef MM_HUB_HUB_STORE_H
#define MM_HUB_HUB_STORE_H

#include "hub/hub_list.h"

typedef struct mm_hub_removed {
    size_t snapshots;
    uint64_t freed_bytes;
} mm_hub_removed;

// Removes the snapshot that `revision` names, with the refs that stand for it and the blobs that no
// other snapshot needs; `revision` NULL or the only one: all of the repository. Readers see it
// whole or not at all. `name` is that of the repository. MODEL_NOT_FOUND when it is not there.
mm_status mm_hub_remove(mm_hub_removed *out, const char *cache, const char *name,
                        const char *revision, mm_error *error);

typedef struct mm_hub_checked {
    size_t files, unchecked; // of these some lie in the snapshot itself: their hash is not known
    uint64_t bytes;
} mm_hub_checked;

// Called for each file that is not what it should be; false ends it.
typedef bool (*mm_hub_fault_function)(const char *path, const char *problem, void *payload);
// Called several times a second with the bytes read; false ends it.
typedef bool (*mm_hub_read_function)(const char *path, uint64_t bytes, void *payload);

// Reads all files of a snapshot and compares their hashes with the names of their blobs. CANCELLED
// when a function said so.
mm_status mm_hub_verify(mm_hub_checked *out, const char *directory, mm_hub_fault_function fault,
                        mm_hub_read_function read, void *payload, mm_error *error);

#endif
