// SPDX-License-Identifier: Apache-2.0
#include "manager/json_text.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <math.h>
#include <string.h>

static bool put_escaped(mm_buffer *out, unsigned char byte) {
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
    switch (byte) {
    case '"':
        return mm_buffer_append(out, "\\\"", 2);
    case '\\':
        return mm_buffer_append(out, "\\\\", 2);
    case '\n':
        return mm_buffer_append(out, "\\n", 2);
    case '\r':
        return mm_buffer_append(out, "\\r", 2);
    case '\t':
        return mm_buffer_append(out, "\\t", 2);
    default:
        return mm_buffer_append(out, text, sizeof(text));
    }
}

bool mm_json_put_string(mm_buffer *out, const char *text, size_t length) {
    bool ok = mm_buffer_reserve(out, length + 2) && mm_buffer_putc(out, '"');
    size_t plain = 0; // start of bytes that need no change
    size_t at = 0;
    while (at < length && ok) {
        unsigned char byte = (unsigned char)text[at];
        if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\') {
            at++;
            continue;
        }
        uint32_t character;
        size_t used = byte < 0x80 ? 0 : mm_utf8_decode(&character, text + at, length - at);
        if (used > 0) {
            at += used;
            continue;
        }
        ok = mm_buffer_append(out, text + plain, at - plain) &&
             (byte < 0x80 ? put_escaped(out, byte) : mm_buffer_append(out, "\xEF\xBF\xBD", 3));
        plain = ++at;
    }
    return ok && mm_buffer_append(out, text + plain, at - plain) && mm_buffer_putc(out, '"');
}

bool mm_json_put_string_or_null(mm_buffer *out, const char *text) {
    return text ? mm_json_put_string(out, text, strlen(text)) : mm_buffer_append(out, "null", 4);
}

static size_t integer_text(char out[24], int64_t value) {
    char text[24];
    char *at = text + sizeof(text);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        *--at = '-';
    size_t length = (size_t)(text + sizeof(text) - at);
    memcpy(out, at, length);
    return length;
}

bool mm_json_put_integer(mm_buffer *out, int64_t value) {
    char text[24];
    return mm_buffer_append(out, text, integer_text(text, value));
}

bool mm_json_put_float(mm_buffer *out, float value) {
    char text[MM_FLOAT_TEXT_MAX];
    if (!isfinite(value))
        return mm_buffer_append(out, "null", 4);
    return mm_buffer_append(out, text, mm_float_text(text, value));
}

bool mm_json_put_milliseconds(mm_buffer *out, double value) {
    // Whole ones, so that parts of a time do not add up to more than it. Times come in nanoseconds;
    // half of one keeps a whole number whole.
    int64_t microseconds = value > 0 ? (int64_t)(value * 1000 + 0.0005) : 0;
    char text[4] = {'.', (char)('0' + microseconds / 100 % 10),
                    (char)('0' + microseconds / 10 % 10), (char)('0' + microseconds % 10)};
    return mm_json_put_integer(out, microseconds / 1000) && mm_buffer_append(out, text, 4);
}

// Room is reserved once for the longest form, then the bytes are written without further checks.
static char *open_list(mm_buffer *out, size_t count, size_t each) {
    size_t need;
    if (!mm_size_mul(&need, count, each + 1) || !mm_size_add(&need, need, 2) ||
        !mm_buffer_reserve(out, need))
        return NULL;
    char *at = out->data + out->length;
    *at++ = '[';
    return at;
}

static void close_list(mm_buffer *out, char *at) {
    *at++ = ']';
    *at = '\0';
    out->length = (size_t)(at - out->data);
}

bool mm_json_put_floats(mm_buffer *out, const float *values, size_t count) {
    char *at = open_list(out, count, MM_FLOAT_TEXT_MAX);
    if (!at)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *at++ = ',';
        at += mm_float_text(at, values[i]);
    }
    close_list(out, at);
    return true;
}

bool mm_json_put_integers(mm_buffer *out, const int32_t *values, size_t count) {
    char *at = open_list(out, count, 24);
    if (!at)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *at++ = ',';
        at += integer_text(at, values[i]);
    }
    close_list(out, at);
    return true;
}

bool mm_json_put_integer_lists(mm_buffer *out, const int32_t *values, const size_t *starts,
                               size_t count) {
    bool ok = mm_buffer_putc(out, '[');
    for (size_t i = 0; i < count && ok; i++)
        ok = mm_buffer_puts(out, i ? "," : "") &&
             mm_json_put_integers(out, values + starts[i], starts[i + 1] - starts[i]);
    return ok && mm_buffer_putc(out, ']');
}

bool mm_json_put_booleans(mm_buffer *out, const bool *values, size_t count) {
    bool ok = mm_buffer_putc(out, '[');
    for (size_t i = 0; i < count && ok; i++)
        ok = mm_buffer_puts(out, i ? "," : "") &&
             mm_buffer_puts(out, values && values[i] ? "true" : "false");
    return ok && mm_buffer_putc(out, ']');
}
