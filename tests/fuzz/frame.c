// SPDX-License-Identifier: Apache-2.0
#include "frame.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void frame_require(bool truth) {
    if (!truth)
        abort();
}

void frame_check(mm_status status, const mm_error *error) {
    frame_require(!status || (error->status == status && error->message[0] &&
                              mm_utf8_valid(error->message, strlen(error->message), NULL)));
}

frame_part frame_input(size_t *failing, const uint8_t *data, size_t size) {
    size_t start = size, number = 0, unit = 1, sum = size;
    for (; start > 0 && data[start - 1] >= '0' && data[start - 1] <= '9' && unit < 10000000;
         unit *= 10)
        number += unit * (size_t)(data[--start] - '0');
    if (start >= 2 && number > 0 && data[start - 1] == '#' && data[start - 2] == '\0') {
        *failing = number - 1;
        return (frame_part){(const char *)data, start - 2};
    }
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + data[i];
    *failing = sum;
    return (frame_part){(const char *)data, size};
}

frame_part frame_take(frame_part *left, const char *separator, size_t length) {
    const char *cut = left->size ? memmem(left->data, left->size, separator, length) : NULL;
    frame_part part = {left->data, cut ? (size_t)(cut - left->data) : left->size};
    size_t used = part.size + (cut ? length : 0);
    left->size -= used;
    if (used)
        left->data += used;
    return part;
}

void frame_run(mm_status (*run)(const void *payload, mm_error *error), const void *payload,
               size_t failing) {
    static bool prepared;
    if (!prepared)
        json_set_alloc_funcs(mm_malloc, mm_free);
    prepared = true;
    mm_error error = {0};
    mm_memory_fail_after(0, false);
    mm_status status = run(payload, &error);
    frame_check(status, &error);
    size_t allocations = mm_memory_allocations();
    error = (mm_error){0};
    mm_memory_fail_after(1 + failing % (allocations + 1), false);
    mm_status again = run(payload, &error);
    mm_memory_fail_after(0, false);
    frame_check(again, &error);
    frame_require(again == status || again == MM_STATUS_OUT_OF_MEMORY);
}

const char *frame_folder(void) {
    static char folder[600];
    if (!folder[0]) {
        const char *made = scratch_create();
        frame_require(made != NULL);
        (void)snprintf(folder, sizeof(folder), "%s", made);
        (void)atexit(scratch_remove);
    }
    return folder;
}

void frame_write(const char *name, frame_part content) {
    (void)frame_folder();
    if (content.size)
        frame_require(scratch_write(name, content.data, content.size) != NULL);
    else
        (void)remove(scratch_path(name));
}
