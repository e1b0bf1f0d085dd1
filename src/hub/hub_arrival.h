// SPDX-License-Identifier: Apache-2.0
// The incomplete file of a download: always a beginning of the content, hashed as it is written.
#ifndef MM_HUB_HUB_ARRIVAL_H
#define MM_HUB_HUB_ARRIVAL_H

#include "base/digest.h"
#include "hub/hub_client.h"

// SHA-256 of a content, or git's SHA-1 of "blob SIZE\0" and the content.
// mm_digest_free when done; false when memory is out.
bool mm_hub_hash_begin(mm_digest *self, bool is_lfs, uint64_t size); // also to begin anew
bool mm_hub_hash_is(mm_digest *self, const char *etag);              // ends it

// Belongs to one thread at a time.
typedef struct mm_hub_arrival {
    const mm_hub_file *file;
    const char *path; // borrowed
    int descriptor;
    mm_digest hash;
    uint64_t have;   // bytes written and hashed
    int write_error; // errno of what failed
} mm_hub_arrival;

// Opens the file and hashes what an earlier download left there; `cancelled` is looked at.
mm_status mm_hub_arrival_open(mm_hub_arrival *out, const char *path, const mm_hub_file *file,
                              const mm_hub_client *client, mm_error *error);
bool mm_hub_arrival_append(mm_hub_arrival *self, const void *bytes, size_t length);
bool mm_hub_arrival_restart(mm_hub_arrival *self); // from its first byte
// What `write_error` means.
mm_status mm_hub_arrival_fail(const mm_hub_arrival *self, mm_error *error);
// Whether what has come is the content; ends the hash, so ask once.
bool mm_hub_arrival_matches(mm_hub_arrival *self);
// Writes it back to the disk and gives it its name.
mm_status mm_hub_arrival_finish(mm_hub_arrival *self, const char *name, mm_error *error);
void mm_hub_arrival_close(mm_hub_arrival *self); // accepts a half-open one

#endif
