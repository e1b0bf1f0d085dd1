// SPDX-License-Identifier: Apache-2.0
// Finding models on this machine: directories, and snapshots in caches that have the layout of the
// Python library huggingface_hub (models--org--name/refs, snapshots). Reads only.
#ifndef MM_HUB_HUB_CACHE_H
#define MM_HUB_HUB_CACHE_H

#include "hub/hub_name.h"

#include <stddef.h>

// Where to look, in this order. Strings are borrowed; either may be NULL.
typedef struct mm_hub_places {
    const char *models_dir;
    const char *hub_cache;
    bool offline; // only changes what an error says
} mm_hub_places;

// A model that lies on this machine. The strings are its own; mm_hub_model_free.
typedef struct mm_hub_model {
    mm_name_kind kind; // MM_NAME_DIRECTORY or MM_NAME_REPOSITORY (also for a name without org)
    char *name;        // canonical: the repository's name, or the directory's real path
    char *directory;   // where its files are
    char *commit;      // NULL for a directory
} mm_hub_model;

// A bare name is looked for as sentence-transformers/NAME first. `revision` NULL = main; a
// directory has none (INVALID_PARAMETER). With `need_weights` a snapshot must hold weights.
// MODEL_NOT_FOUND, or OFFLINE for a Hub name with places->offline.
mm_status mm_hub_find(mm_hub_model *out, const mm_hub_places *places, const char *name,
                      const char *revision, bool need_weights, mm_error *error);
void mm_hub_model_free(mm_hub_model *model); // leaves a zeroed one
// Whether a snapshot's folder holds what a model needs, as far as a look at its files tells. If
// not, `missing` (may be NULL) names the first file that it lacks.
enum { MM_HUB_FILE_NAME = 256 };
bool mm_hub_snapshot_complete(const char *directory, bool need_weights,
                              char missing[MM_HUB_FILE_NAME]);

// The commit that a revision stands for in a repository's folder; the caller frees *out, NULL when
// there is none.
mm_status mm_hub_read_ref(char **out, const char *repository, const char *revision,
                          mm_error *error);

// Gives an environment variable; NULL or "" = unset.
typedef const char *(*mm_variable_function)(const void *payload, const char *name);
typedef struct mm_hub_way { // to a path
    const char *name;       // of a variable
    const char *below;      // what follows its value
} mm_hub_way;
// The path by the first way whose variable is set, ~ being HOME and $NAME or ${NAME} a variable.
// *out is the caller's, NULL when no variable leads anywhere.
mm_status mm_hub_first_path(char **out, const mm_hub_way *ways, size_t count,
                            mm_variable_function variable, const void *payload, mm_error *error);
// The user's own cache as huggingface_hub finds it, in the same way from HF_HUB_CACHE,
// HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HOME.
mm_status mm_hub_cache_path(char **out, mm_variable_function variable, const void *payload,
                            mm_error *error);
// What the library counts as true: 1, ON, YES, TRUE in any case.
bool mm_hub_variable_true(const char *value);

#endif
