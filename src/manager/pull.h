// SPDX-License-Identifier: Apache-2.0
// What downloads for a caller and downloads for requests have in common.
#ifndef MM_MANAGER_PULL_H
#define MM_MANAGER_PULL_H

#include "hub/hub_pull.h"
#include "modelmanager/modelmanager.h"

// Shows how far a download is to a callback (or NULL); false when it wants to stop it.
bool mm_pull_show(const mm_hub_progress *progress, const char *name, mm_pull_callback callback,
                  void *payload);
// Finds a model on this machine, or, when a model of the Hub is not here, gets as much of it as
// `need` says into `cache` (NULL = models_dir); waits, showing the manager's progress.
mm_status mm_pull_missing(mm_hub_model *out, mm_manager *manager, const char *name,
                          const char *revision, const char *cache, mm_hub_need need,
                          mm_error *error);

#endif
