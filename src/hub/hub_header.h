// SPDX-License-Identifier: Apache-2.0
// What safetensors files hold, without their weights.
#ifndef MM_HUB_HUB_HEADER_H
#define MM_HUB_HUB_HEADER_H

#include "hub/hub_layout.h"
#include "hub/hub_stream.h"

// blobs/ETAG with the header of a safetensors file and nothing behind it but a hole, of the size
// that the file has. For caches that nobody else uses: it is no proper blob. *downloaded grows by
// what came.
mm_status mm_hub_header_fetch(mm_hub_client *client, const mm_hub_layout *layout,
                              const char *commit, const mm_hub_file *file, uint64_t *downloaded,
                              mm_error *error);

#endif
