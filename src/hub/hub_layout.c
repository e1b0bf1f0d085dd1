// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_layout.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { MAX_PATH = 16384 };

// The words of the Python library, so that either may write it.
static const char cache_tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                                "# This file is a cache directory tag created by huggingface_hub.\n"
                                "# For information about cache directory tags, see:\n"
                                "#\thttps://bford.info/cachedir/\n";

mm_status mm_hub_layout_fail(mm_error *error, const char *what, const char *path, int reason) {
    mm_status status = MM_STATUS_DOWNLOAD_FAILED;
    if (reason == ENOSPC || reason == EDQUOT || reason == EFBIG)
        status = MM_STATUS_DISK_FULL;
    if (reason == ENOMEM || reason == EMFILE || reason == ENFILE)
        status = MM_STATUS_OUT_OF_MEMORY;
    return mm_fail(error, status, "%.300s: cannot %s: %s (setting models_dir says where models go)",
                   path, what, strerror(reason));
}

// ---- Paths -------------------------------------------------------------------------------------

static bool put_folder(mm_buffer *out, const char *name) {
    bool ok = mm_buffer_puts(out, "models--");
    for (; *name && ok; name++)
        ok = *name == '/' ? mm_buffer_puts(out, "--") : mm_buffer_putc(out, *name);
    return ok;
}

mm_status mm_hub_layout_open(mm_hub_layout *out, const char *cache, const char *name, bool no_links,
                             mm_error *error) {
    *out = (mm_hub_layout){.no_links = no_links};
    mm_buffer path;
    mm_buffer_init(&path, MAX_PATH);
    out->cache = mm_strdup(cache);
    if (put_folder(&path, name))
        out->folder = mm_path_join(cache, path.data);
    mm_buffer_clear(&path);
    if (mm_buffer_puts(&path, ".locks/") && put_folder(&path, name))
        out->locks = mm_path_join(cache, path.data);
    if (out->folder)
        out->blobs = mm_path_join(out->folder, "blobs");
    mm_buffer_free(&path);
    if (out->cache && out->locks && out->blobs)
        return MM_STATUS_OK;
    mm_hub_layout_close(out);
    return mm_fail_memory(error, "a path");
}

void mm_hub_layout_close(mm_hub_layout *layout) {
    mm_free(layout->cache);
    mm_free(layout->folder);
    mm_free(layout->blobs);
    mm_free(layout->locks);
    *layout = (mm_hub_layout){0};
}

static char *join(const char *folder, const char *kind, const char *commit, const char *path) {
    mm_buffer text;
    mm_buffer_init(&text, MAX_PATH);
    char *joined =
        mm_buffer_printf(&text, "%s/%s/%s%s%s", folder, kind, commit, *path ? "/" : "", path)
            ? mm_buffer_detach(&text)
            : NULL;
    mm_buffer_free(&text);
    return joined;
}

char *mm_hub_layout_pointer(const mm_hub_layout *layout, const char *commit, const char *path) {
    return join(layout->folder, "snapshots", commit, path);
}

static char *blob_path(const mm_hub_layout *layout, const char *etag) {
    return mm_path_join(layout->blobs, etag);
}

static bool is_plain(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0 && S_ISREG(info.st_mode);
}

char *mm_hub_layout_content(const mm_hub_layout *layout, const char *commit, const char *path,
                            const char *etag) {
    char *pointer = mm_hub_layout_pointer(layout, commit, path);
    char *blob = pointer ? blob_path(layout, etag) : NULL;
    bool itself = blob && !mm_file_exists(blob) && is_plain(pointer);
    mm_free(itself || !blob ? NULL : pointer);
    if (!itself)
        return blob;
    mm_free(blob);
    return pointer;
}

// ---- Folders -----------------------------------------------------------------------------------

// The folders in front of the last '/', or all of it with `whole`. `path` is as before afterwards.
static mm_status make_folders(char *path, bool whole, mm_error *error) {
    for (char *slash = path;;) {
        slash = strchr(slash + 1, '/');
        if (!slash && !whole)
            return MM_STATUS_OK;
        if (slash)
            *slash = '\0';
        int reason = mkdir(path, 0777) == 0 || errno == EEXIST ? 0 : errno;
        if (reason && mm_directory_exists(path))
            reason = 0; // such as a folder on the way that may only be read
        mm_status status =
            reason ? mm_hub_layout_fail(error, "be made", path, reason) : MM_STATUS_OK;
        if (slash)
            *slash = '/';
        if (status || !slash)
            return status;
    }
}

static int write_new(const char *path, const char *text, bool synced) {
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0)
        return errno;
    size_t length = strlen(text);
    int reason = 0;
    if (write(file, text, length) != (ssize_t)length)
        reason = errno ? errno : ENOSPC;
    if (!reason && synced && fsync(file) != 0)
        reason = errno;
    (void)close(file);
    if (reason)
        (void)unlink(path);
    return reason;
}

mm_status mm_hub_layout_prepare(const mm_hub_layout *layout, mm_error *error) {
    mm_status status = make_folders(layout->blobs, true, error);
    if (!status)
        status = make_folders(layout->locks, true, error);
    if (status)
        return status;
    char *tag = mm_path_join(layout->cache, "CACHEDIR.TAG");
    if (!tag)
        return mm_fail_memory(error, "a path");
    (void)write_new(tag, cache_tag, false); // is there mostly; nothing depends on it
    mm_free(tag);
    return MM_STATUS_OK;
}

void mm_hub_layout_sync(const char *directory) {
    int file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0)
        return;
    (void)fsync(file);
    (void)close(file);
}

static void sync_parent(char *path) {
    char *slash = strrchr(path, '/');
    *slash = '\0';
    mm_hub_layout_sync(path);
    *slash = '/';
}

// What a killed process leaves there misleads nobody.
char *mm_hub_layout_temporary(const mm_hub_layout *layout) {
    mm_buffer text;
    mm_buffer_init(&text, MAX_PATH);
    char *name = mm_buffer_printf(&text, "%s/%08x.tmp", layout->locks, (unsigned)gettid())
                     ? mm_buffer_detach(&text)
                     : NULL;
    mm_buffer_free(&text);
    return name;
}

// ---- Writing -----------------------------------------------------------------------------------

// Replaces `path` by a link to `target`, unless it is that already.
static int place_link(const mm_hub_layout *layout, const char *path, const char *target) {
    char now[256];
    ssize_t length = readlink(path, now, sizeof(now) - 1);
    if (length > 0) {
        now[length] = '\0';
        if (strcmp(now, target) == 0)
            return 0;
    }
    if (symlink(target, path) == 0)
        return 0;
    if (errno != EEXIST)
        return errno;
    char *temporary = mm_hub_layout_temporary(layout);
    if (!temporary)
        return ENOMEM;
    (void)unlink(temporary);
    int reason = symlink(target, temporary) == 0 && rename(temporary, path) == 0 ? 0 : errno;
    if (reason)
        (void)unlink(temporary);
    mm_free(temporary);
    return reason;
}

// The file itself, where there are no links; its name in blobs/ goes later, since another path may
// have the same content.
static int place_file(const mm_hub_layout *layout, const char *path, const char *etag) {
    char *blob = blob_path(layout, etag);
    if (!blob)
        return ENOMEM;
    int reason = link(blob, path) == 0 || errno == EEXIST ? 0 : errno;
    if (reason == EPERM || reason == EOPNOTSUPP || reason == ENOSYS)
        reason = rename(blob, path) == 0 ? 0 : errno;
    mm_free(blob);
    return reason;
}

static int place(const mm_hub_layout *layout, const char *path, const char *target,
                 const char *etag) {
    if (layout->no_links)
        return place_file(layout, path, etag);
    int reason = place_link(layout, path, target);
    bool none = reason == EPERM || reason == EOPNOTSUPP || reason == ENOSYS;
    return none ? place_file(layout, path, etag) : reason;
}

mm_status mm_hub_layout_link(const mm_hub_layout *layout, const char *commit, const char *path,
                             const char *etag, mm_error *error) {
    mm_buffer target;
    mm_buffer_init(&target, MAX_PATH);
    bool ok = mm_buffer_puts(&target, "../../");
    for (const char *slash = path; ok && (slash = strchr(slash, '/')) != NULL; slash++)
        ok = mm_buffer_puts(&target, "../");
    ok = ok && mm_buffer_printf(&target, "blobs/%s", etag);
    char *pointer = mm_hub_layout_pointer(layout, commit, path);
    char *blob = blob_path(layout, etag);
    mm_status status = ok && pointer && blob ? make_folders(pointer, false, error)
                                             : mm_fail_memory(error, "a path");
    // What lies there itself while there is no blob is the file.
    bool there = !status && !mm_file_exists(blob) && is_plain(pointer);
    int reason = status || there ? 0 : place(layout, pointer, target.data, etag);
    if (reason)
        status = mm_hub_layout_fail(error, "be linked to its blob", pointer, reason);
    if (!status && !there)
        sync_parent(pointer);
    mm_free(blob);
    mm_free(pointer);
    mm_buffer_free(&target);
    return status;
}

void mm_hub_layout_settle(const mm_hub_layout *layout, const char *commit, const char *path,
                          const char *etag) {
    char *pointer = mm_hub_layout_pointer(layout, commit, path);
    char *blob = blob_path(layout, etag);
    if (pointer && blob && is_plain(pointer))
        (void)unlink(blob);
    mm_free(blob);
    mm_free(pointer);
}

mm_status mm_hub_layout_note_missing(const mm_hub_layout *layout, const char *commit,
                                     const char *path, mm_error *error) {
    char *note = join(layout->folder, ".no_exist", commit, path);
    mm_status status = note ? make_folders(note, false, error) : mm_fail_memory(error, "a path");
    int reason = status ? 0 : write_new(note, "", false);
    if (reason && reason != EEXIST)
        status = mm_hub_layout_fail(error, "be written", note, reason);
    mm_free(note);
    return status;
}

mm_status mm_hub_layout_write_ref(const mm_hub_layout *layout, const char *revision,
                                  const char *commit, mm_error *error) {
    if (strcmp(revision, commit) == 0)
        return MM_STATUS_OK;
    char *path = join(layout->folder, "refs", revision, "");
    char *temporary = path ? mm_hub_layout_temporary(layout) : NULL;
    mm_status status =
        temporary ? make_folders(path, false, error) : mm_fail_memory(error, "a path");
    if (!status) {
        (void)unlink(temporary);
        int reason = write_new(temporary, commit, true);
        if (!reason && rename(temporary, path) != 0)
            reason = errno;
        if (reason) {
            (void)unlink(temporary);
            status = mm_hub_layout_fail(error, "be written", path, reason);
        } else {
            sync_parent(path);
        }
    }
    mm_free(temporary);
    mm_free(path);
    return status;
}

mm_status mm_hub_layout_check_space(const mm_hub_layout *layout, uint64_t bytes, mm_error *error) {
    struct statvfs info;
    if (statvfs(layout->blobs, &info) != 0)
        return MM_STATUS_OK; // writing will tell
    uint64_t available = (uint64_t)info.f_bavail * (uint64_t)info.f_frsize;
    if (bytes <= available)
        return MM_STATUS_OK;
    return mm_fail(error, MM_STATUS_DISK_FULL,
                   "%.300s: %llu MB are to be downloaded, but only %llu MB are free; make room, or "
                   "let the setting models_dir point elsewhere",
                   layout->cache, (unsigned long long)(bytes / 1000000),
                   (unsigned long long)(available / 1000000));
}
