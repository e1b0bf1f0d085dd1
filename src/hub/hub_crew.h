// SPDX-License-Identifier: Apache-2.0
// Several files of a repository at once.
#ifndef MM_HUB_HUB_CREW_H
#define MM_HUB_HUB_CREW_H

#include "hub/hub_blob.h"

// Gets the wanted files of `tree` that are not there yet, on threads of its own. The watch of
// `client` is called from this thread only. *progress and *downloaded are brought up to date.
mm_status mm_hub_crew_fetch(mm_hub_client *client, const mm_hub_layout *layout, const char *commit,
                            const mm_hub_tree *tree, mm_hub_progress *progress,
                            uint64_t *downloaded, mm_error *error);

#endif
