// SPDX-License-Identifier: Apache-2.0
// A model from the Hub into a cache: what an engine needs of it, whole and verified.
#ifndef MM_HUB_HUB_PULL_H
#define MM_HUB_HUB_PULL_H

#include "hub/hub_client.h"

typedef struct mm_hub_pulled {
    size_t files;        // that the model needs
    uint64_t bytes;      // of these files
    uint64_t downloaded; // bytes that came over the network
} mm_hub_pulled;

typedef enum mm_hub_need {
    MM_HUB_NEED_ALL,
    MM_HUB_NEED_TEXT,    // no weights: to tokenise, for example
    MM_HUB_NEED_HEADERS, // only the headers of the weights, for a cache that nobody else uses
} mm_hub_need;

// Resolves `revision` (NULL = main) on the Hub, gets what is missing and gives out the model that
// now lies in `cache`. A bare name is tried as sentence-transformers/NAME first. Safe against other
// threads, other processes and the Python library doing the same at the same time. May block for
// as long as the network does; `watch` can end that.
mm_status mm_hub_pull(mm_hub_model *out, mm_hub_pulled *pulled, const mm_hub_access *access,
                      const char *cache, const char *name, const char *revision, mm_hub_need need,
                      const mm_hub_watch *watch, mm_error *error);

#endif
