// SPDX-License-Identifier: Apache-2.0
// One file's content, from the Hub to blobs/ETAG, whole and verified or not at all.
#ifndef MM_HUB_HUB_BLOB_H
#define MM_HUB_HUB_BLOB_H

#include "hub/hub_layout.h"
#include "hub/hub_parts.h"

// Whether the commit's file is there with the size it should have: blobs/ETAG, or, in a cache
// without links, the file itself.
bool mm_hub_blob_present(const mm_hub_layout *layout, const char *commit, const mm_hub_file *file);
// How many bytes of it must still come and find room.
uint64_t mm_hub_blob_missing(const mm_hub_layout *layout, const char *commit,
                             const mm_hub_file *file);
// Gets it unless it is there: under the lock that the Python library takes too, going on where an
// earlier download stopped. `flow` says meanwhile how far it is.
mm_status mm_hub_blob_fetch(mm_hub_client *client, const mm_hub_layout *layout, const char *commit,
                            const mm_hub_file *file, mm_hub_flow *flow, mm_error *error);

#endif
