// SPDX-License-Identifier: Apache-2.0
#include "manager/found_model.h"

#include "hub/hub_folder.h"
#include "manager/pull.h"
#include "manager/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// In a cache of its own, which goes when the model has been looked at.
static mm_status fetch_headers(mm_found_model *out, mm_manager *manager, const char *name,
                               const char *revision, mm_error *error) {
    (void)snprintf(out->scratch, sizeof(out->scratch), "/tmp/mm-inspect-XXXXXX");
    if (!mkdtemp(out->scratch)) {
        out->scratch[0] = '\0';
        return mm_fail(error, MM_STATUS_DISK_FULL, "/tmp: no folder can be made there: %s",
                       strerror(errno));
    }
    return mm_pull_missing(&out->model, manager, name, revision, out->scratch, MM_HUB_NEED_HEADERS,
                           error);
}

mm_status mm_found_model_open(mm_found_model *out, mm_manager *manager, const char *name,
                              const char *revision, mm_error *error) {
    mm_name_kind kind = MM_NAME_DIRECTORY;
    *out = (mm_found_model){0};
    mm_status status = mm_hub_find(&out->model, &manager->places, name, revision, true, error);
    (void)mm_hub_name_kind(&kind, name, NULL);
    if (status != MM_STATUS_MODEL_NOT_FOUND || kind == MM_NAME_DIRECTORY)
        return status;
    return fetch_headers(out, manager, name, revision, error);
}

const char *mm_found_model_name(const mm_found_model *found) {
    return found->model.kind == MM_NAME_DIRECTORY ? NULL : found->model.name;
}

void mm_found_model_close(mm_found_model *found) {
    uint64_t freed = 0;
    if (found->scratch[0])
        (void)mm_hub_folder_remove(found->scratch, &freed);
    mm_hub_model_free(&found->model);
}
