// SPDX-License-Identifier: Apache-2.0
// What a model name means: a directory, or a repository of the Hugging Face Hub.
#ifndef MM_HUB_HUB_NAME_H
#define MM_HUB_HUB_NAME_H

#include "base/error.h"

#include <stdbool.h>

typedef enum mm_name_kind {
    MM_NAME_DIRECTORY,  // "/...", "./...", "../...", ".", ".."
    MM_NAME_REPOSITORY, // "org/name"
    MM_NAME_BARE,       // "name"
} mm_name_kind;

// INVALID_PARAMETER when the name is none of these (the Hub's rules for repository names).
mm_status mm_hub_name_kind(mm_name_kind *out, const char *name, mm_error *error);
// The bare name by which a repository of sentence-transformers may be asked for too ("x" of
// "sentence-transformers/x"); of any other, NULL.
const char *mm_hub_name_bare(const char *repository);
// INVALID_PARAMETER unless a branch, tag, commit or "refs/pr/1", safe as a relative path.
mm_status mm_hub_revision_check(const char *revision, mm_error *error);
bool mm_hub_is_commit(const char *text); // 40 lower-case hexadecimal digits

#endif
