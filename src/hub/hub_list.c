// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_list.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_PATH = 16384, MAX_DEPTH = 16, MAX_REFS = 4096, MAX_REF_BYTES = 256 };

// What is in a folder, sorted; count 0 when it cannot be read.
typedef struct folder {
    char **names;
    size_t count;
} folder;

static void folder_close(folder *own) {
    for (size_t i = 0; i < own->count; i++)
        mm_free(own->names[i]);
    mm_free(own->names);
    *own = (folder){0};
}

static int compare_names(const void *left, const void *right) {
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

static bool folder_open(folder *out, const char *path) {
    *out = (folder){0};
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
        folder_close(out);
    else if (out->count > 0)
        qsort(out->names, out->count, sizeof(*out->names), compare_names);
    return ok;
}

// Goes through all files below a folder. False when memory is out or `visit` said so.
typedef bool (*visit_function)(const char *path, const char *relative, void *payload);
static bool walk(const char *root, const char *relative, int depth, visit_function visit,
                 void *payload) {
    char *here = mm_path_join(root, relative);
    folder entries = {0};
    bool ok = here && folder_open(&entries, here);
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
    folder_close(&entries);
    mm_free(here);
    return ok;
}

static bool add_size(const char *path, const char *relative, void *payload) {
    struct stat info;
    uint64_t *sum = payload;
    (void)relative;
    if (stat(path, &info) == 0 && S_ISREG(info.st_mode))
        *sum += (uint64_t)info.st_size;
    return true;
}

// The refs whose file holds the commit.
typedef struct ref_search {
    const char *commit;
    mm_buffer refs;
} ref_search;

static bool add_ref(const char *path, const char *relative, void *payload) {
    ref_search *self = payload;
    char *text;
    size_t length;
    mm_status status = mm_file_read(&text, &length, path, MAX_REF_BYTES, NULL);
    if (status)
        return status != MM_STATUS_OUT_OF_MEMORY;
    text[strcspn(text, " \r\n")] = '\0';
    bool same = strcmp(text, self->commit) == 0;
    mm_free(text);
    return !same || self->refs.length + strlen(relative) + 1 > MAX_REFS ||
           (mm_buffer_puts(&self->refs, self->refs.length ? " " : "") &&
            mm_buffer_puts(&self->refs, relative));
}

// "models--org--name" to "org/name"; false when it is no such folder.
static bool name_of(mm_buffer *out, const char *entry) {
    static const char prefix[] = "models--";
    mm_buffer_clear(out);
    if (strncmp(entry, prefix, sizeof(prefix) - 1) != 0)
        return true;
    const char *rest = entry + sizeof(prefix) - 1;
    const char *dashes = strstr(rest, "--");
    if (!dashes)
        return mm_buffer_puts(out, rest);
    return mm_buffer_append(out, rest, (size_t)(dashes - rest)) && mm_buffer_putc(out, '/') &&
           mm_buffer_puts(out, dashes + 2);
}

static bool list_snapshot(const char *repository, const char *name, const char *commit,
                          mm_hub_entry_function function, void *payload) {
    mm_buffer directory, refs;
    ref_search search = {.commit = commit};
    mm_buffer_init(&directory, MAX_PATH);
    mm_buffer_init(&refs, MAX_PATH);
    mm_buffer_init(&search.refs, MAX_REFS);
    mm_hub_entry entry = {.name = name, .commit = commit};
    bool ok = mm_buffer_printf(&directory, "%s/snapshots/%s", repository, commit) &&
              mm_buffer_printf(&refs, "%s/refs", repository) &&
              walk(directory.data, "", 0, add_size, &entry.bytes) &&
              walk(refs.data, "", 0, add_ref, &search);
    if (ok) {
        entry.directory = directory.data;
        entry.refs = search.refs.data ? search.refs.data : "";
        entry.complete = mm_hub_snapshot_complete(directory.data, true);
        ok = function(&entry, payload);
    }
    mm_buffer_free(&search.refs);
    mm_buffer_free(&refs);
    mm_buffer_free(&directory);
    return ok;
}

static bool list_repository(const char *repository, const char *name,
                            mm_hub_entry_function function, void *payload) {
    folder snapshots = {0};
    char *path = mm_path_join(repository, "snapshots");
    bool ok = path && folder_open(&snapshots, path);
    for (size_t i = 0; i < snapshots.count && ok; i++) {
        if (mm_hub_is_commit(snapshots.names[i]))
            ok = list_snapshot(repository, name, snapshots.names[i], function, payload);
    }
    folder_close(&snapshots);
    mm_free(path);
    return ok;
}

bool mm_hub_list(const char *cache, mm_hub_entry_function function, void *payload) {
    folder entries;
    mm_buffer name;
    mm_buffer_init(&name, MAX_PATH);
    bool ok = folder_open(&entries, cache);
    for (size_t i = 0; i < entries.count && ok; i++) {
        ok = name_of(&name, entries.names[i]);
        char *repository = ok && name.length ? mm_path_join(cache, entries.names[i]) : NULL;
        if (ok && name.length)
            ok = repository && list_repository(repository, name.data, function, payload);
        mm_free(repository);
    }
    folder_close(&entries);
    mm_buffer_free(&name);
    return ok;
}
