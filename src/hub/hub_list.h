// SPDX-License-Identifier: Apache-2.0
// Which models a cache of huggingface_hub's form holds.
#ifndef MM_HUB_HUB_LIST_H
#define MM_HUB_HUB_LIST_H

#include "hub/hub_cache.h"

#include <stdint.h>

// One snapshot; strings are borrowed for the call.
typedef struct mm_hub_entry {
    const char *name; // of the repository
    const char *commit;
    const char *directory;
    const char *refs; // revisions that stand for this commit, "main v1.0"; may be empty
    bool complete;    // could be loaded
    uint64_t bytes;   // of its files
    int64_t
        last_used_s; // Unix time at which the largest was last read, as the file system notes it
} mm_hub_entry;

// Called for each snapshot; false ends the listing.
typedef bool (*mm_hub_entry_function)(const mm_hub_entry *entry, void *payload);

// In the order of names and commits. A cache that is not there, and what is none of its files, is
// passed over. False when memory is out or the function said so.
bool mm_hub_list(const char *cache, mm_hub_entry_function function, void *payload);

#endif
