// SPDX-License-Identifier: Apache-2.0
#include "cli/input.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, KEEP = 1 << 20 };

void mm_input_init(mm_input *input, int file) {
    *input = (mm_input){.file = file, .stop = -1};
    mm_buffer_init(&input->buffer, SIZE_MAX / 4);
}

bool mm_input_open(mm_input *input, const char *path, mm_error *error) {
    mm_input_init(input, STDIN_FILENO);
    if (strcmp(path, "-") == 0)
        return true;
    input->file = open(path, O_RDONLY | O_CLOEXEC);
    if (input->file >= 0) {
        input->owned = true;
        return true;
    }
    mm_fail(error, MM_STATUS_INVALID_REQUEST, "cannot open %s: %s", path, strerror(errno));
    return false;
}

void mm_input_close(mm_input *input) {
    if (input->owned)
        close(input->file);
    mm_buffer_free(&input->buffer);
    mm_input_init(input, -1);
}

// Moves the unread rest to the front; a buffer that one huge line blew up is given back.
static bool compact(mm_input *input) {
    mm_buffer *buffer = &input->buffer;
    size_t rest = buffer->length - input->start;
    if (buffer->capacity > KEEP && rest < CHUNK) {
        mm_buffer fresh;
        mm_buffer_init(&fresh, buffer->maximum);
        if (!mm_buffer_append(&fresh, buffer->data + input->start, rest))
            return false;
        mm_buffer_free(buffer);
        *buffer = fresh;
    } else if (input->start) {
        memmove(buffer->data, buffer->data + input->start, rest);
        buffer->length = rest;
    }
    input->start = 0;
    return true;
}

// Waits for input or for the order to stop; false on the latter.
static bool wait_for_input(const mm_input *input) {
    if (input->stop < 0)
        return true;
    struct pollfd files[2] = {{.fd = input->stop, .events = POLLIN},
                              {.fd = input->file, .events = POLLIN}};
    while (poll(files, 2, -1) < 0) {
        if (errno != EINTR)
            return true; // let read() tell
    }
    return files[0].revents == 0;
}

// 1 when bytes came, 0 at the end, -1 on failure.
static int fill(mm_input *input, mm_error *error) {
    mm_buffer *buffer = &input->buffer;
    if (input->start && !compact(input))
        return mm_fail_memory(error, "a line of input"), -1;
    if (!mm_buffer_reserve(buffer, CHUNK))
        return mm_fail_memory(error, "a line of input"), -1;
    ssize_t got;
    do {
        if (!wait_for_input(input))
            return 0;
        got =
            read(input->file, buffer->data + buffer->length, buffer->capacity - buffer->length - 1);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        mm_fail(error, MM_STATUS_INVALID_REQUEST, "cannot read the input: %s", strerror(errno));
        return -1;
    }
    buffer->length += (size_t)got;
    return got > 0;
}

static char *find_newline(mm_input *input) {
    const mm_buffer *buffer = &input->buffer;
    if (!buffer->data)
        return NULL;
    size_t from = input->start + input->scanned;
    char *end = memchr(buffer->data + from, '\n', buffer->length - from);
    if (!end)
        input->scanned = buffer->length - input->start;
    return end;
}

bool mm_input_pending(mm_input *input) {
    return find_newline(input) != NULL;
}

int mm_input_line(mm_input *input, char **line, size_t *length, mm_error *error) {
    char *end;
    while (!(end = find_newline(input))) {
        int got = input->ended ? 0 : fill(input, error);
        if (got < 0)
            return -1;
        if (got == 0) {
            input->ended = true;
            break;
        }
    }
    *line = input->buffer.data ? input->buffer.data + input->start : NULL;
    *length = input->buffer.length - input->start;
    if (!end && *length == 0)
        return 0;
    if (end)
        *length = (size_t)(end - *line);
    input->start += *length + (end ? 1 : 0);
    input->scanned = 0;
    return 1;
}
