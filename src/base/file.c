// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static mm_status open_status(int reason) {
    switch (reason) {
    case ENOENT:
    case ENOTDIR:
        return MM_STATUS_MODEL_NOT_FOUND;
    case EACCES:
    case EPERM:
        return MM_STATUS_MODEL_ACCESS_DENIED;
    case EMFILE: // not the file's fault
    case ENFILE:
    case ENOMEM:
        return MM_STATUS_OUT_OF_MEMORY;
    default:
        return MM_STATUS_MODEL_CORRUPT;
    }
}

static mm_status open_regular(int *out, struct stat *info, const char *path, mm_error *error) {
    // O_NONBLOCK: opening a FIFO must not hang; it has no effect on regular files.
    int descriptor = *out = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        int reason = errno;
        return mm_fail(error, open_status(reason), "%s: cannot be opened: %s", path,
                       strerror(reason));
    }
    if (fstat(descriptor, info) != 0 || !S_ISREG(info->st_mode)) {
        close(descriptor);
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: is not a regular file", path);
    }
    return MM_STATUS_OK;
}

mm_status mm_file_map_open(mm_file_map *out, const char *path, mm_error *error) {
    *out = (mm_file_map){0};
    int descriptor;
    struct stat info;
    mm_status status = open_regular(&descriptor, &info, path, error);
    if (status)
        return status;
    size_t size = (size_t)info.st_size;
    void *data = NULL;
    if (size > 0) {
        data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (data == MAP_FAILED) {
            status = mm_fail(error, MM_STATUS_OUT_OF_MEMORY, "%s: cannot be mapped: %s", path,
                             strerror(errno));
            data = NULL;
        }
    }
    close(descriptor);
    if (!status)
        *out = (mm_file_map){data, size,
                             (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec};
    return status;
}

void mm_file_unmap(mm_file_map *map) {
    if (map->data)
        (void)munmap((void *)(uintptr_t)map->data, map->size);
    *map = (mm_file_map){0};
}

void mm_file_map_rest(const mm_file_map *map) {
    if (map->data)
        (void)madvise((void *)(uintptr_t)map->data, map->size, MADV_DONTNEED);
}

mm_status mm_file_read(char **out, size_t *out_size, const char *path, size_t maximum,
                       mm_error *error) {
    *out = NULL;
    int descriptor;
    struct stat info;
    mm_status status = open_regular(&descriptor, &info, path, error);
    if (status)
        return status;
    mm_buffer content;
    mm_buffer_init(&content, maximum);
    if (info.st_size > 0 && (size_t)info.st_size <= maximum &&
        !mm_buffer_reserve(&content, (size_t)info.st_size))
        status = mm_fail_memory(error, path);
    char chunk[16384];
    while (!status) {
        ssize_t got = read(descriptor, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: cannot be read: %s", path,
                             strerror(errno));
        if (got <= 0)
            break;
        if (content.length + (size_t)got > maximum) {
            status = mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: is larger than %zu bytes", path,
                             maximum);
            break;
        }
        if (!mm_buffer_append(&content, chunk, (size_t)got)) {
            status = mm_fail_memory(error, path);
            break;
        }
    }
    close(descriptor);
    if (!status) {
        *out_size = content.length;
        *out = mm_buffer_detach(&content);
        if (!*out)
            status = mm_fail_memory(error, path);
    }
    mm_buffer_free(&content);
    return status;
}

bool mm_file_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool mm_directory_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

char *mm_path_join(const char *directory, const char *name) {
    mm_buffer path;
    mm_buffer_init(&path, 65536);
    size_t length = strlen(directory);
    bool ok = mm_buffer_append(&path, directory, length);
    if (ok && *name && length > 0 && directory[length - 1] != '/')
        ok = mm_buffer_putc(&path, '/');
    char *joined = ok && mm_buffer_puts(&path, name) ? mm_buffer_detach(&path) : NULL;
    mm_buffer_free(&path);
    return joined;
}
