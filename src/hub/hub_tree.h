// SPDX-License-Identifier: Apache-2.0
// What a repository holds at a commit, and which of it an engine needs.
#ifndef MM_HUB_HUB_TREE_H
#define MM_HUB_HUB_TREE_H

#include "base/json.h"

#include <stddef.h>

typedef struct mm_hub_file {
    char *path; // relative, checked: never leads out of the repository
    uint64_t size;
    char etag[65]; // SHA-256 of the content, or SHA-1 of the git object
    bool is_lfs;   // which of the two
    bool is_wanted;
    bool is_index;   // names the shards
    bool is_weights; // or the index of their files
} mm_hub_file;

typedef struct mm_hub_tree {
    mm_hub_file *files; // sorted by path once complete
    size_t count, capacity;
    bool without_weights; // only what surrounds them is chosen
} mm_hub_tree;

void mm_hub_tree_free(mm_hub_tree *tree); // leaves a zeroed one
// Adds a page of the Hub's list, a JSON array. DOWNLOAD_FAILED for hostile or senseless entries.
mm_status mm_hub_tree_add(mm_hub_tree *tree, const json_t *page, mm_error *error);
void mm_hub_tree_sort(mm_hub_tree *tree);
mm_hub_file *mm_hub_tree_find(const mm_hub_tree *tree, const char *path); // NULL if not there
bool mm_hub_path_safe(const char *path);

// Choosing goes folder by folder, the root first. MODEL_UNSUPPORTED when there is nothing that we
// could run; `name` is for messages.
mm_status mm_hub_choose_folder(mm_hub_tree *tree, const char *folder, const char *name,
                               mm_error *error);
// The folders that modules.json, read from the disk, names.
mm_status mm_hub_choose_modules(mm_hub_tree *tree, const char *modules_path, const char *name,
                                mm_error *error);
// The shards that an index, read from the disk, names; `index` is its entry in the tree.
mm_status mm_hub_choose_shards(mm_hub_tree *tree, const mm_hub_file *index, const char *index_path,
                               mm_error *error);
// After all that: MODEL_UNSUPPORTED unless there are a configuration and weights, or without those
// anything to begin with.
mm_status mm_hub_choose_check(const mm_hub_tree *tree, const char *name, mm_error *error);
// The files of the root that may be missing, one after the other; NULL behind the last.
const char *mm_hub_root_file(size_t index);

#endif
