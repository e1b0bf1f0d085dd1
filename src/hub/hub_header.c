// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_header.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

// The longest header that the reference reader takes, and as much as most headers need at first.
enum { LENGTH_BYTES = 8, MAX_HEADER = 100000000, FIRST_BYTES = 256 << 10 };

static bool take(void *payload, const void *bytes, size_t length) {
    return mm_buffer_append(payload, bytes, length);
}

// Little-endian, in front of the header.
static uint64_t header_length(const mm_buffer *content) {
    uint64_t length = 0;
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        length |= (uint64_t)(unsigned char)content->data[i] << (8 * i);
    return length;
}

static mm_status get_until(mm_hub_stream *stream, mm_hub_client *client, uint64_t end,
                           mm_error *error) {
    stream->end = end < stream->file->size ? end : stream->file->size;
    mm_status status = mm_hub_stream_get(stream, client, error);
    if (!status && stream->refused)
        return mm_fail_memory(error, "a header");
    if (!status && stream->at < stream->end)
        return mm_fail(error, MM_STATUS_DOWNLOAD_FAILED,
                       "%.100s of %.100s: the server sends nothing but whole files; get it with "
                       "`mm pull`",
                       stream->file->path, client->name);
    return status;
}

static mm_status get_header(mm_buffer *content, mm_hub_client *client, const mm_hub_file *file,
                            const char *url, _Atomic uint64_t *downloaded, mm_error *error) {
    mm_hub_stream stream = {
        .url = url, .file = file, .take = take, .payload = content, .downloaded = downloaded};
    mm_status status = get_until(&stream, client, FIRST_BYTES, error);
    uint64_t length = 0;
    if (!status && content->length >= LENGTH_BYTES)
        length = header_length(content);
    if (!status && (length == 0 || length > MAX_HEADER || length > file->size - LENGTH_BYTES))
        status = mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                         "%.100s of %.100s is no safetensors file: its header's length is wrong",
                         file->path, client->name);
    if (!status && content->length < LENGTH_BYTES + length)
        status = get_until(&stream, client, LENGTH_BYTES + length, error);
    if (!status)
        content->length = LENGTH_BYTES + (size_t)length;
    mm_hub_stream_close(&stream);
    return status;
}

static mm_status write_hollow(const char *path, const mm_buffer *content, uint64_t size,
                              mm_error *error) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int reason = file < 0 ? errno : 0;
    errno = ENOSPC;
    if (!reason && write(file, content->data, content->length) != (ssize_t)content->length)
        reason = errno;
    if (!reason && ftruncate(file, (off_t)size) != 0)
        reason = errno;
    if (file >= 0)
        (void)close(file);
    return reason ? mm_hub_layout_fail(error, "be written", path, reason) : MM_STATUS_OK;
}

mm_status mm_hub_header_fetch(mm_hub_client *client, const mm_hub_layout *layout,
                              const char *commit, const mm_hub_file *file, uint64_t *downloaded,
                              mm_error *error) {
    _Atomic uint64_t came = 0;
    mm_buffer content;
    mm_buffer_init(&content, (size_t)LENGTH_BYTES + MAX_HEADER + FIRST_BYTES);
    char *url = mm_hub_client_file_url(client, commit, file->path);
    char *path = mm_path_join(layout->blobs, file->etag);
    mm_status status = MM_STATUS_OK;
    if (!url || !path)
        status = mm_fail_memory(error, "a path");
    if (!status)
        status = get_header(&content, client, file, url, &came, error);
    if (!status)
        status = write_hollow(path, &content, file->size, error);
    *downloaded += atomic_load(&came);
    mm_free(path);
    mm_free(url);
    mm_buffer_free(&content);
    return status;
}
