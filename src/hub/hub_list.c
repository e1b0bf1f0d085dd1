// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_list.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "hub/hub_folder.h"

#include <string.h>
#include <sys/stat.h>

enum { MAX_PATH = 16384, MAX_REFS = 4096, MAX_REF_BYTES = 256 };

typedef struct measured_entry {
    mm_hub_entry entry;
    uint64_t largest;
} measured_entry;

// The largest file tells when the model was used: small ones are read by whoever only looks.
static bool measure(const char *path, const char *relative, void *payload) {
    struct stat info;
    measured_entry *measured = payload;
    (void)relative;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return true;
    uint64_t size = (uint64_t)info.st_size;
    measured->entry.bytes += size;
    if (size >= measured->largest) {
        measured->largest = size;
        measured->entry.last_used_s = info.st_atime;
    }
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
    measured_entry measured = {.entry = {.name = name, .commit = commit}};
    mm_hub_entry *entry = &measured.entry;
    bool ok = mm_buffer_printf(&directory, "%s/snapshots/%s", repository, commit) &&
              mm_buffer_printf(&refs, "%s/refs", repository) &&
              mm_hub_folder_walk(directory.data, measure, &measured) &&
              mm_hub_folder_walk(refs.data, add_ref, &search);
    if (ok) {
        entry->directory = directory.data;
        entry->refs = search.refs.data ? search.refs.data : "";
        entry->complete = mm_hub_snapshot_complete(directory.data, true, NULL);
        ok = function(entry, payload);
    }
    mm_buffer_free(&search.refs);
    mm_buffer_free(&refs);
    mm_buffer_free(&directory);
    return ok;
}

static bool list_repository(const char *repository, const char *name,
                            mm_hub_entry_function function, void *payload) {
    mm_hub_folder snapshots = {0};
    char *path = mm_path_join(repository, "snapshots");
    bool ok = path && mm_hub_folder_open(&snapshots, path);
    for (size_t i = 0; i < snapshots.count && ok; i++) {
        if (mm_hub_is_commit(snapshots.names[i]))
            ok = list_snapshot(repository, name, snapshots.names[i], function, payload);
    }
    mm_hub_folder_close(&snapshots);
    mm_free(path);
    return ok;
}

bool mm_hub_list(const char *cache, mm_hub_entry_function function, void *payload) {
    mm_hub_folder entries;
    mm_buffer name;
    mm_buffer_init(&name, MAX_PATH);
    bool ok = mm_hub_folder_open(&entries, cache);
    for (size_t i = 0; i < entries.count && ok; i++) {
        ok = name_of(&name, entries.names[i]);
        char *repository = ok && name.length ? mm_path_join(cache, entries.names[i]) : NULL;
        if (ok && name.length)
            ok = repository && list_repository(repository, name.data, function, payload);
        mm_free(repository);
    }
    mm_hub_folder_close(&entries);
    mm_buffer_free(&name);
    return ok;
}
