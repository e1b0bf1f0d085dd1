// SPDX-License-Identifier: Apache-2.0
// Folders of a cache: reading them in order, walking them, removing them.
#ifndef MM_HUB_HUB_FOLDER_H
#define MM_HUB_HUB_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What is in a folder, sorted; nothing when it cannot be read. Names are its own.
typedef struct mm_hub_folder {
    char **names;
    size_t count;
} mm_hub_folder;

bool mm_hub_folder_open(mm_hub_folder *out, const char *path); // false when memory is out
void mm_hub_folder_close(mm_hub_folder *folder);               // leaves an empty one

// Called for each file, or link to one, below `root`; `relative` is its path from there. False ends
// the walk.
typedef bool (*mm_hub_visit)(const char *path, const char *relative, void *payload);
// False when memory is out or `visit` said so.
bool mm_hub_folder_walk(const char *root, mm_hub_visit visit, void *payload);

// Removes a file, or a folder with all that is below; follows no link. *freed grows by the sizes
// of files that have no other name. 0, or the errno of the first that could not be removed.
int mm_hub_folder_remove(const char *path, uint64_t *freed);

#endif
