// SPDX-License-Identifier: Apache-2.0
// One file's content, from the Hub to blobs/ETAG, whole and verified or not at all.
#ifndef MM_HUB_HUB_BLOB_H
#define MM_HUB_HUB_BLOB_H

#include "hub/hub_client.h"
#include "hub/hub_layout.h"

// Whether blobs/ETAG is there with the size it should have.
bool mm_hub_blob_present(const mm_hub_layout *layout, const mm_hub_file *file);
// Gets it unless it is there: under the lock that the Python library takes too, going on where an
// earlier download stopped. `progress` (its file_bytes and bytes) is kept up to date and shown to
// the watch. *downloaded grows by the bytes that came over the network.
mm_status mm_hub_blob_fetch(mm_hub_client *client, const mm_hub_layout *layout, const char *commit,
                            const mm_hub_file *file, mm_hub_progress *progress,
                            uint64_t *downloaded, mm_error *error);

#endif
