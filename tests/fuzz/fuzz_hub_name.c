// SPDX-License-Identifier: Apache-2.0
// Names from outside that become addresses and paths. The input is the name of a model; behind a
// NUL byte follow a revision and a path in a repository.
//
// Covers: src/hub/hub_name.c
#include "base/memory.h"
#include "frame.h"
#include "hub/hub_name.h"
#include "hub/hub_tree.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PARTS = 3 };

// Whether a path stays below the folder that it is joined to.
static bool stays(const char *path) {
    for (const char *part = path;;) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (length == 2 && memcmp(part, "..", 2) == 0))
            return false;
        if (!part[length])
            return true;
        part += length + 1;
    }
}

static mm_status check_name(const char *name, mm_error *error) {
    mm_name_kind kind;
    mm_status status = mm_hub_name_kind(&kind, name, error);
    if (status || kind == MM_NAME_DIRECTORY)
        return status;
    frame_require(stays(name) && strlen(name) <= 2 * 96 + 1);
    frame_require((strchr(name, '/') != NULL) == (kind == MM_NAME_REPOSITORY));
    frame_require(strspn(name, "/-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz") == strlen(name));
    return status;
}

static mm_status check_revision(const char *revision, mm_error *error) {
    mm_status status = mm_hub_revision_check(revision, error);
    frame_require(status || stays(revision));
    frame_require(!mm_hub_is_commit(revision) || (!status && strlen(revision) == 40));
    return status;
}

static mm_status check(const void *payload, mm_error *error) {
    char *const *texts = payload;
    mm_status status = check_name(texts[0], error);
    if (!status)
        status = check_revision(texts[1], error);
    frame_require(!mm_hub_path_safe(texts[2]) || stays(texts[2]));
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *texts[PARTS];
    size_t failing;
    frame_part left = frame_input(&failing, data, size);
    mm_memory_fail_after(0, false);
    for (size_t i = 0; i < PARTS; i++) {
        frame_part part = frame_take(&left, "", 1);
        texts[i] = mm_strndup(part.data, part.size);
        frame_require(texts[i] != NULL);
    }
    frame_run(check, texts, failing);
    for (size_t i = 0; i < PARTS; i++)
        mm_free(texts[i]);
    return 0;
}
