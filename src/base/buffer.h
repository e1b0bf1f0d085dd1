// SPDX-License-Identifier: Apache-2.0
// A growing byte buffer with a stated maximum. Always NUL-terminated behind `length`.
#ifndef MM_BASE_BUFFER_H
#define MM_BASE_BUFFER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct mm_buffer {
    char *data; // NULL until the first byte
    size_t length;
    size_t capacity;
    size_t maximum; // appending beyond it fails
} mm_buffer;

void mm_buffer_init(mm_buffer *buffer, size_t maximum);
void mm_buffer_free(mm_buffer *buffer); // leaves an empty, usable buffer
// Each returns false when memory or the maximum is exhausted; the content stays as it was.
bool mm_buffer_reserve(mm_buffer *buffer, size_t extra);
bool mm_buffer_append(mm_buffer *buffer, const void *bytes, size_t length);
bool mm_buffer_puts(mm_buffer *buffer, const char *text);
bool mm_buffer_putc(mm_buffer *buffer, char byte);
bool mm_buffer_printf(mm_buffer *buffer, const char *format, ...) MM_PRINTF(2, 3);
void mm_buffer_clear(mm_buffer *buffer); // keeps the capacity
// Hands the data (never NULL on success) to the caller, who frees it with mm_free.
char *mm_buffer_detach(mm_buffer *buffer);

#endif
