// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_arrival.h"

#include "base/memory.h"
#include "hub/hub_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 256 << 10, WRITE_BACK = 8 << 20 };

// ---- The hash ----------------------------------------------------------------------------------

bool mm_hub_hash_begin(mm_digest *self, bool is_lfs, uint64_t size) {
    if (mm_digest_begin(self, is_lfs ? MM_DIGEST_SHA256 : MM_DIGEST_SHA1, NULL))
        return false;
    char head[32];
    int length = snprintf(head, sizeof(head), "blob %llu", (unsigned long long)size);
    return is_lfs || mm_digest_add(self, head, (size_t)length + 1);
}

bool mm_hub_hash_is(mm_digest *self, const char *etag) {
    char text[MM_DIGEST_TEXT];
    return mm_digest_end_text(self, text) && strcmp(text, etag) == 0;
}

// ---- The file ----------------------------------------------------------------------------------

bool mm_hub_arrival_restart(mm_hub_arrival *self) {
    self->have = 0;
    if (ftruncate(self->descriptor, 0) != 0 || lseek(self->descriptor, 0, SEEK_SET) != 0)
        self->write_error = errno;
    else if (!mm_hub_hash_begin(&self->hash, self->file->is_lfs, self->file->size))
        self->write_error = ENOMEM;
    return !self->write_error;
}

mm_status mm_hub_arrival_fail(const mm_hub_arrival *self, mm_error *error) {
    return mm_hub_layout_fail(error, "be written", self->path, self->write_error);
}

// Hashes what is there.
static mm_status take_up(mm_hub_arrival *self, const mm_hub_client *client, mm_error *error) {
    unsigned char *chunk = mm_malloc(CHUNK);
    mm_status status = MM_STATUS_OK;
    if (!chunk || !mm_hub_hash_begin(&self->hash, self->file->is_lfs, self->file->size))
        status = mm_fail_memory(error, "a hash");
    while (!status) {
        ssize_t got = read(self->descriptor, chunk, CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = mm_hub_layout_fail(error, "be read", self->path, errno);
        else if (got > 0 && mm_hub_client_cancelled(client))
            status = mm_hub_client_fail_cancelled(error);
        else if (got > 0 && !mm_digest_add(&self->hash, chunk, (size_t)got))
            status = mm_fail_memory(error, "a hash");
        if (got <= 0)
            break;
        self->have += (uint64_t)got;
    }
    mm_free(chunk);
    return status;
}

mm_status mm_hub_arrival_open(mm_hub_arrival *out, const char *path, const mm_hub_file *file,
                              const mm_hub_client *client, mm_error *error) {
    struct stat info;
    *out = (mm_hub_arrival){.file = file, .path = path};
    out->descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (out->descriptor < 0)
        return mm_hub_layout_fail(error, "be opened", path, errno);
    if (fstat(out->descriptor, &info) != 0)
        return mm_hub_layout_fail(error, "be read", path, errno);
    if (info.st_size > 0 && (uint64_t)info.st_size <= file->size)
        return take_up(out, client, error);
    return mm_hub_arrival_restart(out) ? MM_STATUS_OK : mm_hub_arrival_fail(out, error);
}

static bool write_all(int file, const void *bytes, size_t length) {
    for (const char *at = bytes; length > 0;) {
        ssize_t put = write(file, at, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += put;
        length -= (size_t)put;
    }
    return true;
}

// Has the kernel begin to write long before the last byte, so that the end need not wait for all.
static void write_back(const mm_hub_arrival *self, size_t length) {
    uint64_t before = self->have - length;
    if (before / WRITE_BACK != self->have / WRITE_BACK)
        (void)sync_file_range(self->descriptor, (off_t)(before / WRITE_BACK * WRITE_BACK),
                              WRITE_BACK, SYNC_FILE_RANGE_WRITE);
}

bool mm_hub_arrival_append(mm_hub_arrival *self, const void *bytes, size_t length) {
    errno = 0;
    if (!write_all(self->descriptor, bytes, length))
        self->write_error = errno ? errno : EIO;
    else if (!mm_digest_add(&self->hash, bytes, length))
        self->write_error = ENOMEM;
    if (self->write_error)
        return false;
    self->have += length;
    write_back(self, length);
    return true;
}

bool mm_hub_arrival_matches(mm_hub_arrival *self) {
    return mm_hub_hash_is(&self->hash, self->file->etag);
}

mm_status mm_hub_arrival_finish(mm_hub_arrival *self, const char *name, mm_error *error) {
    if (fsync(self->descriptor) != 0 || rename(self->path, name) != 0)
        return mm_hub_layout_fail(error, "be written", self->path, errno);
    return MM_STATUS_OK;
}

void mm_hub_arrival_close(mm_hub_arrival *self) {
    if (self->descriptor >= 0)
        (void)close(self->descriptor);
    self->descriptor = -1;
    mm_digest_free(&self->hash);
}
