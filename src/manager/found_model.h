// SPDX-License-Identifier: Apache-2.0
// A model that is to be looked at: where its configuration and the headers of its weights are. What
// is not on this machine is fetched without its weights, and not kept.
#ifndef MM_MANAGER_FOUND_MODEL_H
#define MM_MANAGER_FOUND_MODEL_H

#include "hub/hub_cache.h"
#include "modelmanager/modelmanager.h"

typedef struct mm_found_model {
    mm_hub_model model;
    char scratch[64]; // a folder for what is not on this machine; "" = none
} mm_found_model;

// `revision` may be NULL.
mm_status mm_found_model_open(mm_found_model *out, mm_manager *manager, const char *name,
                              const char *revision, mm_error *error);
// The name to open it by, NULL for a directory; borrowed.
const char *mm_found_model_name(const mm_found_model *found);
void mm_found_model_close(mm_found_model *found); // accepts a zeroed one

#endif
