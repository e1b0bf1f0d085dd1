// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_store.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "hub/hub_arrival.h"
#include "hub/hub_folder.h"
#include "hub/hub_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PATH = 16384, CHUNK = 1 << 20 };

// ---- Removing ----------------------------------------------------------------------------------

// One removal.
typedef struct removal {
    mm_hub_layout layout;
    char *commit; // NULL = all
    mm_hub_removed *out;
} removal;

static mm_status fail_removal(mm_error *error, const char *path, int reason) {
    if (reason == ENOMEM)
        return mm_fail_memory(error, "a path");
    return mm_fail(error, MM_STATUS_MODEL_ACCESS_DENIED, "%.300s: cannot be removed: %s", path,
                   strerror(reason));
}

// FOLDER/KIND/NAME; the caller frees. NULL when memory is out.
static char *inside(const removal *self, const char *kind, const char *name) {
    mm_buffer path;
    mm_buffer_init(&path, MAX_PATH);
    char *text = mm_buffer_printf(&path, "%s/%s/%s", self->layout.folder, kind, name)
                     ? mm_buffer_detach(&path)
                     : NULL;
    mm_buffer_free(&path);
    return text;
}

// Moves it out of the readers' sight in one step, then takes it apart.
static mm_status remove_folder(removal *self, const char *path, mm_error *error) {
    char *aside = mm_hub_layout_temporary(&self->layout);
    if (!aside)
        return mm_fail_memory(error, "a path");
    int reason = mm_hub_folder_remove(aside, &self->out->freed_bytes); // what a killed one left
    if (!reason && rename(path, aside) != 0)
        reason = errno == ENOENT ? 0 : errno;
    if (!reason)
        reason = mm_hub_folder_remove(aside, &self->out->freed_bytes);
    mm_free(aside);
    return reason ? fail_removal(error, path, reason) : MM_STATUS_OK;
}

static bool remove_ref(const char *path, const char *relative, void *payload) {
    const char *commit = payload;
    char *text;
    size_t length;
    (void)relative;
    mm_status status = mm_file_read(&text, &length, path, 256, NULL);
    if (status)
        return status != MM_STATUS_OUT_OF_MEMORY;
    text[strcspn(text, " \r\n")] = '\0';
    if (strcmp(text, commit) == 0)
        (void)unlink(path);
    mm_free(text);
    return true;
}

// The name of the blob that a file of a snapshot links to; false when it is no link.
static bool blob_name(char out[PATH_MAX], const char *path) {
    char target[PATH_MAX];
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    if (length <= 0)
        return false;
    target[length] = '\0';
    const char *slash = strrchr(target, '/');
    memcpy(out, slash ? slash + 1 : target, strlen(slash ? slash + 1 : target) + 1);
    return true;
}

// Names of blobs, each between newlines.
static bool add_blob(const char *path, const char *relative, void *payload) {
    char name[PATH_MAX];
    mm_buffer *names = payload;
    (void)relative;
    return !blob_name(name, path) || mm_buffer_printf(names, "%s\n", name);
}

static bool holds(const mm_buffer *names, const char *name, size_t length) {
    for (const char *at = names->data; at && *at; at = strchr(at, '\n') + 1) {
        if (strncmp(at, name, length) == 0 && at[length] == '\n')
            return true;
    }
    return false;
}

// What the other snapshots link to. False when memory is out.
static bool kept_blobs(mm_buffer *out, const removal *self, size_t *others) {
    mm_hub_folder snapshots = {0};
    char *root = mm_path_join(self->layout.folder, "snapshots");
    bool ok = root && mm_hub_folder_open(&snapshots, root);
    for (size_t i = 0; i < snapshots.count && ok; i++) {
        if (strcmp(snapshots.names[i], self->commit) == 0)
            continue;
        char *path = mm_path_join(root, snapshots.names[i]);
        ok = path && mm_hub_folder_walk(path, add_blob, out);
        mm_free(path);
        (*others)++;
    }
    mm_hub_folder_close(&snapshots);
    mm_free(root);
    return ok;
}

static mm_status remove_blobs(removal *self, const mm_buffer *gone, const mm_buffer *kept,
                              mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (char *at = gone->data; at && *at && !status;) {
        char *end = strchr(at, '\n');
        size_t length = (size_t)(end - at);
        if (!holds(kept, at, length)) {
            *end = '\0';
            char *path = inside(self, "blobs", at);
            int reason = path ? mm_hub_folder_remove(path, &self->out->freed_bytes) : ENOMEM;
            if (reason)
                status = fail_removal(error, path ? path : at, reason);
            mm_free(path);
            *end = '\n';
        }
        at = end + 1;
    }
    return status;
}

static mm_status remove_snapshot(removal *self, const mm_buffer *kept, mm_error *error) {
    mm_buffer gone;
    mm_buffer_init(&gone, 64 << 20);
    char *refs = mm_path_join(self->layout.folder, "refs");
    char *snapshot = inside(self, "snapshots", self->commit);
    char *missing = inside(self, ".no_exist", self->commit);
    mm_status status = MM_STATUS_OK;
    if (!refs || !snapshot || !missing || !mm_hub_folder_walk(snapshot, add_blob, &gone) ||
        !mm_hub_folder_walk(refs, remove_ref, self->commit))
        status = mm_fail_memory(error, "a list of files");
    if (!status)
        status = remove_folder(self, snapshot, error);
    if (!status)
        status = remove_folder(self, missing, error);
    if (!status)
        status = remove_blobs(self, &gone, kept, error);
    mm_free(missing);
    mm_free(snapshot);
    mm_free(refs);
    mm_buffer_free(&gone);
    return status;
}

static mm_status remove_all(removal *self, mm_error *error) {
    mm_hub_folder snapshots = {0};
    char *root = mm_path_join(self->layout.folder, "snapshots");
    if (!root || !mm_hub_folder_open(&snapshots, root)) {
        mm_free(root);
        return mm_fail_memory(error, "a list of files");
    }
    self->out->snapshots = snapshots.count;
    mm_hub_folder_close(&snapshots);
    mm_free(root);
    return remove_folder(self, self->layout.folder, error);
}

static mm_status remove_revision(removal *self, mm_error *error) {
    mm_buffer kept;
    mm_buffer_init(&kept, 64 << 20);
    size_t others = 0;
    mm_status status =
        kept_blobs(&kept, self, &others) ? MM_STATUS_OK : mm_fail_memory(error, "a list of files");
    self->out->snapshots = 1;
    if (!status)
        status = others ? remove_snapshot(self, &kept, error)
                        : remove_folder(self, self->layout.folder, error);
    mm_buffer_free(&kept);
    return status;
}

mm_status mm_hub_remove(mm_hub_removed *out, const char *cache, const char *name,
                        const char *revision, mm_error *error) {
    *out = (mm_hub_removed){0};
    removal self = {.out = out};
    char *snapshot = NULL;
    mm_status status = mm_hub_layout_open(&self.layout, cache, name, false, error);
    if (!status && revision)
        status = mm_hub_read_ref(&self.commit, self.layout.folder, revision, error);
    if (!status && self.commit)
        snapshot = mm_hub_layout_pointer(&self.layout, self.commit, "");
    bool there = !status && mm_directory_exists(self.layout.folder) &&
                 (!revision || (snapshot && mm_directory_exists(snapshot)));
    if (!status && !there)
        status = mm_fail(error, MM_STATUS_MODEL_NOT_FOUND, "%.200s: there is no %.100s%s%.64s",
                         cache, name, revision ? " of revision " : "", revision ? revision : "");
    if (!status)
        status = mm_hub_layout_prepare(&self.layout, error); // the place to move things to
    if (!status)
        status = revision ? remove_revision(&self, error) : remove_all(&self, error);
    mm_free(snapshot);
    mm_free(self.commit);
    mm_hub_layout_close(&self.layout);
    return status;
}

// ---- Checking ----------------------------------------------------------------------------------

typedef struct verification {
    mm_hub_checked *out;
    mm_hub_fault_function fault;
    mm_hub_read_function read;
    void *payload;
    mm_digest hash;
    unsigned char *chunk; // [CHUNK]
    bool no_memory;
} verification;

static bool is_etag(const char *name) {
    size_t length = strspn(name, "0123456789abcdef");
    return (length == 40 || length == 64) && !name[length];
}

// False when it ended early.
static bool hash_file(const char **problem, verification *self, int file, uint64_t size,
                      const char *relative, const char *etag) {
    bool is_lfs = strlen(etag) == 64;
    if (!mm_hub_hash_begin(&self->hash, is_lfs, size)) {
        self->no_memory = true;
        return false;
    }
    for (;;) {
        ssize_t got = read(file, self->chunk, CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            *problem = strerror(errno);
        if (got <= 0)
            break;
        self->no_memory |= !mm_digest_add(&self->hash, self->chunk, (size_t)got);
        self->out->bytes += (uint64_t)got;
        if (self->no_memory || !self->read(relative, self->out->bytes, self->payload))
            return false;
    }
    if (!*problem && !mm_hub_hash_is(&self->hash, etag))
        *problem =
            is_lfs ? "its SHA-256 is not the blob's name" : "its git SHA-1 is not the blob's name";
    return true;
}

static bool verify_file(const char *path, const char *relative, void *payload) {
    verification *self = payload;
    char etag[PATH_MAX];
    struct stat info;
    const char *problem = NULL;
    self->out->files++;
    if (!blob_name(etag, path) || !is_etag(etag)) {
        self->out->unchecked++;
        return true;
    }
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOATIME); // a check is no use of the model
    if (file < 0 && errno == EPERM)                          // somebody else's file
        file = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = true;
    if (file < 0 || fstat(file, &info) != 0)
        problem = errno == ENOENT ? "its blob is missing" : strerror(errno);
    else
        ok = hash_file(&problem, self, file, (uint64_t)info.st_size, relative, etag);
    if (file >= 0)
        (void)close(file);
    return ok && (!problem || self->fault(relative, problem, self->payload));
}

mm_status mm_hub_verify(mm_hub_checked *out, const char *directory, mm_hub_fault_function fault,
                        mm_hub_read_function read, void *payload, mm_error *error) {
    *out = (mm_hub_checked){0};
    verification self = {.out = out, .fault = fault, .read = read, .payload = payload};
    self.chunk = mm_malloc(CHUNK);
    mm_status status = MM_STATUS_OK;
    if (!self.chunk)
        status = mm_fail_memory(error, "reading a model");
    else if (!mm_hub_folder_walk(directory, verify_file, &self))
        status = self.no_memory ? mm_fail_memory(error, "reading a model")
                                : mm_fail(error, MM_STATUS_CANCELLED, "the check was stopped");
    mm_digest_free(&self.hash);
    mm_free(self.chunk);
    return status;
}
