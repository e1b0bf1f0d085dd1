// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_folder.h"

#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 16 };

void mm_hub_folder_close(mm_hub_folder *folder) {
    for (size_t i = 0; i < folder->count; i++)
        mm_free(folder->names[i]);
    mm_free(folder->names);
    *folder = (mm_hub_folder){0};
}

static int compare_names(const void *left, const void *right) {
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

bool mm_hub_folder_open(mm_hub_folder *out, const char *path) {
    *out = (mm_hub_folder){0};
    DIR *directory = opendir(path);
    if (!directory)
        return true;
    size_t capacity = 0;
    bool ok = true;
    for (const struct dirent *entry; ok && (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (out->count == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            char **names = mm_array_realloc(out->names, capacity, sizeof(*names));
            ok = names != NULL;
            out->names = names ? names : out->names;
        }
        char *name = ok ? mm_strdup(entry->d_name) : NULL;
        ok = name != NULL;
        if (ok)
            out->names[out->count++] = name;
    }
    (void)closedir(directory);
    if (!ok)
        mm_hub_folder_close(out);
    else if (out->count > 0)
        qsort(out->names, out->count, sizeof(*out->names), compare_names);
    return ok;
}

static bool walk(const char *root, const char *relative, int depth, mm_hub_visit visit,
                 void *payload) {
    char *here = mm_path_join(root, relative);
    mm_hub_folder entries = {0};
    bool ok = here && mm_hub_folder_open(&entries, here);
    for (size_t i = 0; i < entries.count && ok; i++) {
        char *path = mm_path_join(here, entries.names[i]);
        char *below =
            *relative ? mm_path_join(relative, entries.names[i]) : mm_strdup(entries.names[i]);
        ok = path && below;
        if (ok && mm_directory_exists(path))
            ok = depth == MAX_DEPTH || walk(root, below, depth + 1, visit, payload);
        else if (ok)
            ok = visit(path, below, payload);
        mm_free(path);
        mm_free(below);
    }
    mm_hub_folder_close(&entries);
    mm_free(here);
    return ok;
}

bool mm_hub_folder_walk(const char *root, mm_hub_visit visit, void *payload) {
    return walk(root, "", 0, visit, payload);
}

// ---- Removing ----------------------------------------------------------------------------------

static int remove_at(int parent, const char *name, int depth, uint64_t *freed);

// Consumes the descriptor.
static int remove_inside(int folder, int depth, uint64_t *freed) {
    DIR *directory = fdopendir(folder);
    if (!directory) {
        int reason = errno;
        (void)close(folder);
        return reason;
    }
    int reason = depth > MAX_DEPTH ? ELOOP : 0;
    for (const struct dirent *entry; !reason && (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            reason = remove_at(dirfd(directory), entry->d_name, depth + 1, freed);
    }
    (void)closedir(directory);
    return reason;
}

static int remove_at(int parent, const char *name, int depth, uint64_t *freed) {
    struct stat info;
    if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : errno;
    bool is_folder = S_ISDIR(info.st_mode);
    if (is_folder) {
        int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int reason = folder < 0 ? errno : remove_inside(folder, depth, freed);
        if (reason)
            return reason;
    }
    if (unlinkat(parent, name, is_folder ? AT_REMOVEDIR : 0) != 0)
        return errno == ENOENT ? 0 : errno;
    if (S_ISREG(info.st_mode) && info.st_nlink == 1)
        *freed += (uint64_t)info.st_size;
    return 0;
}

int mm_hub_folder_remove(const char *path, uint64_t *freed) {
    return remove_at(AT_FDCWD, path, 0, freed);
}
