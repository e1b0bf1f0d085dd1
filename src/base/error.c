// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http;
} statuses[] = {{"OK", 200},
#define STATUS_ROW(name, http) {#name, http},
                MM_STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

#define STATUS_COUNT (sizeof(statuses) / sizeof(statuses[0]))

const char *mm_status_name(mm_status status) {
    return (size_t)status < STATUS_COUNT ? statuses[status].name : "INTERNAL";
}

int mm_status_http(mm_status status) {
    return (size_t)status < STATUS_COUNT ? statuses[status].http : 500;
}

// Drops a multi-byte character that the end of the buffer cut in two.
static void trim_partial_character(char *text) {
    size_t length = strlen(text);
    size_t start = length;
    while (start > 0 && length - start < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (length - (start - 1) < need)
        text[start - 1] = '\0';
}

// Paths and parts of broken files get into messages; a Result must be UTF-8 all the same.
static void repair_utf8(char *text) {
    size_t length = strlen(text);
    size_t bad = 0;
    for (size_t at = 0; !mm_utf8_valid(text + at, length - at, &bad); at += bad + 1)
        text[at + bad] = '?';
}

MM_PRINTF(3, 0)
static void format_message(char *out, size_t size, const char *format, va_list arguments) {
    int length = vsnprintf(out, size, format, arguments);
    if (length < 0)
        out[0] = '\0';
    else if ((size_t)length >= size)
        trim_partial_character(out);
    repair_utf8(out);
}

mm_status mm_fail(mm_error *error, mm_status status, const char *format, ...) {
    if (error) {
        char message[sizeof(error->message)];
        va_list arguments;
        va_start(arguments, format);
        format_message(message, sizeof(message), format, arguments);
        va_end(arguments);
        memcpy(error->message, message, sizeof(message));
        error->status = status;
        error->details[0] = '\0';
    }
    return status;
}

mm_status mm_fail_memory(mm_error *error, const char *what) {
    return mm_fail(error, MM_STATUS_OUT_OF_MEMORY, "out of memory while allocating %s", what);
}

void mm_error_details(mm_error *error, const char *format, ...) {
    if (!error)
        return;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(error->details, sizeof(error->details), format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof(error->details))
        error->details[0] = '\0';
    repair_utf8(error->details);
}

void mm_error_prefix(mm_error *error, const char *format, ...) {
    if (!error)
        return;
    char message[sizeof(error->message)];
    va_list arguments;
    va_start(arguments, format);
    format_message(message, sizeof(message), format, arguments);
    va_end(arguments);
    size_t used = strlen(message);
    const char *parts[] = {": ", error->message};
    for (size_t i = 0; i < 2; i++) {
        size_t length = strnlen(parts[i], sizeof(message) - 1 - used);
        memcpy(message + used, parts[i], length);
        used += length;
    }
    message[used] = '\0';
    trim_partial_character(message);
    memcpy(error->message, message, sizeof(message));
}
