// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void mm_buffer_init(mm_buffer *buffer, size_t maximum) {
    *buffer = (mm_buffer){.maximum = maximum};
}

void mm_buffer_free(mm_buffer *buffer) {
    mm_free(buffer->data);
    mm_buffer_init(buffer, buffer->maximum);
}

bool mm_buffer_reserve(mm_buffer *buffer, size_t extra) {
    if (extra > buffer->maximum || buffer->length > buffer->maximum - extra)
        return false;
    size_t need;
    if (!mm_size_add(&need, buffer->length + extra, 1))
        return false;
    if (need <= buffer->capacity)
        return true;
    size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
    while (capacity < need) {
        if (!mm_size_add(&capacity, capacity, capacity / 2 + 1))
            return false;
    }
    if (capacity - 1 > buffer->maximum)
        capacity = buffer->maximum + 1;
    char *data = mm_realloc(buffer->data, capacity);
    if (!data)
        return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool mm_buffer_append(mm_buffer *buffer, const void *bytes, size_t length) {
    if (!mm_buffer_reserve(buffer, length))
        return false;
    if (length)
        memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
    return true;
}

bool mm_buffer_puts(mm_buffer *buffer, const char *text) {
    return mm_buffer_append(buffer, text, strlen(text));
}

bool mm_buffer_putc(mm_buffer *buffer, char byte) {
    return mm_buffer_append(buffer, &byte, 1);
}

bool mm_buffer_printf(mm_buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !mm_buffer_reserve(buffer, (size_t)length))
        return false;
    va_start(arguments, format);
    (void)vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->length += (size_t)length;
    return true;
}

void mm_buffer_clear(mm_buffer *buffer) {
    buffer->length = 0;
    if (buffer->data)
        buffer->data[0] = '\0';
}

char *mm_buffer_detach(mm_buffer *buffer) {
    if (!mm_buffer_reserve(buffer, 0))
        return NULL;
    char *data = buffer->data;
    data[buffer->length] = '\0';
    mm_buffer_init(buffer, buffer->maximum);
    return data;
}
