// SPDX-License-Identifier: Apache-2.0
// Reading files: small ones whole, large ones mapped.
#ifndef MM_BASE_FILE_H
#define MM_BASE_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mm_file_map {
    const unsigned char *data; // read-only; a file that is cut while mapped raises SIGBUS on access
    size_t size;
    int64_t mtime_ns;
} mm_file_map;

// Maps a regular file. *out is borrowed by whoever reads it until mm_file_unmap.
// MODEL_NOT_FOUND when it does not exist, MODEL_ACCESS_DENIED without permission, MODEL_CORRUPT
// when it is no regular file.
mm_status mm_file_map_open(mm_file_map *out, const char *path, mm_error *error);
void mm_file_unmap(mm_file_map *map); // accepts a zeroed map; leaves a zeroed one
// Lets go of the memory that holds the map's pages; they are fetched again when looked at.
void mm_file_map_rest(const mm_file_map *map);

// Reads a whole file of at most `maximum` bytes; *out is NUL-terminated and the caller's to
// mm_free. A missing file is MODEL_NOT_FOUND, a larger one MODEL_CORRUPT.
mm_status mm_file_read(char **out, size_t *out_size, const char *path, size_t maximum,
                       mm_error *error);
bool mm_file_exists(const char *path);      // a regular file (links followed)
bool mm_directory_exists(const char *path); // a directory (links followed)
// "directory/name"; the caller frees. NULL when out of memory.
char *mm_path_join(const char *directory, const char *name);

#endif
