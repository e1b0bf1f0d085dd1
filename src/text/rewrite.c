// SPDX-License-Identifier: Apache-2.0
#include "text/rewrite.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <string.h>

void mm_rewrite_free(mm_rewrite *rewrite) {
    for (int i = 0; i < 2; i++) {
        mm_free(rewrite->buffers[i].bytes);
        mm_free(rewrite->buffers[i].origins);
    }
    mm_free(rewrite->marks.items);
    mm_free(rewrite->sorted.items);
    mm_free(rewrite->waiting.items);
    mm_regex_scratch_free(rewrite->regex_scratch);
    *rewrite = (mm_rewrite){0};
}

mm_status mm_rewrite_error(const mm_rewrite *rewrite, const char *what, mm_error *error) {
    if (rewrite->failure)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED, "%s", rewrite->failure);
    return mm_fail_memory(error, what);
}

static bool reserve(mm_rewrite *rewrite, mm_rewrite_buffer *buffer, size_t need) {
    if (need > buffer->capacity) {
        size_t capacity = need + need / 2 + 64;
        char *bytes = mm_realloc(buffer->bytes, capacity);
        if (!bytes) {
            rewrite->failed = true;
            return false;
        }
        buffer->bytes = bytes;
        buffer->capacity = capacity;
    }
    if (rewrite->origins && buffer->capacity > buffer->origins_capacity) {
        mm_span *origins =
            mm_array_realloc(buffer->origins, buffer->capacity, sizeof(*buffer->origins));
        if (!origins) {
            rewrite->failed = true;
            return false;
        }
        buffer->origins = origins;
        buffer->origins_capacity = buffer->capacity;
    }
    return true;
}

// Every byte of the text comes from its own character.
static void set_identity(mm_rewrite *rewrite) {
    mm_rewrite_buffer *buffer = &rewrite->buffers[1];
    mm_span none = {0};
    rewrite->origins = &none; // so that reserve makes room for origins
    bool ok = reserve(rewrite, buffer, rewrite->length + 1);
    rewrite->origins = buffer->origins;
    if (!ok) {
        rewrite->length = 0;
        return;
    }
    for (size_t at = 0; at < rewrite->length;) {
        size_t end = at + mm_unicode_width(rewrite->text[at]);
        mm_span span = {rewrite->base + (uint32_t)at, rewrite->base + (uint32_t)end};
        while (at < end)
            buffer->origins[at++] = span;
    }
}

void mm_rewrite_begin(mm_rewrite *rewrite, const char *text, size_t length, size_t base,
                      bool want_origins) {
    rewrite->text = text;
    rewrite->length = length;
    rewrite->base = (uint32_t)base;
    rewrite->origins = NULL;
    rewrite->out = &rewrite->buffers[0];
    rewrite->failed = false;
    rewrite->failure = NULL;
    if (want_origins)
        set_identity(rewrite);
}

void mm_rewrite_begin_part(mm_rewrite *rewrite, const mm_rewrite *whole, size_t start, size_t end) {
    rewrite->text = whole->text + start;
    rewrite->length = end - start;
    rewrite->base = whole->base;
    rewrite->origins = NULL;
    if (whole->origins) {
        rewrite->origins = whole->origins + start;
        if (start < end)
            rewrite->base = rewrite->origins[0].start;
    }
    rewrite->out = &rewrite->buffers[0];
    rewrite->failed = false;
    rewrite->failure = NULL;
}

void mm_rewrite_start(mm_rewrite *rewrite) {
    rewrite->read = 0;
    rewrite->written = 0;
    (void)reserve(rewrite, rewrite->out, rewrite->length + 16);
}

char *mm_rewrite_room(mm_rewrite *rewrite, size_t bytes) {
    if (rewrite->failed || !reserve(rewrite, rewrite->out, rewrite->written + bytes))
        return NULL;
    return rewrite->out->bytes + rewrite->written;
}

void mm_rewrite_copy(mm_rewrite *rewrite, size_t bytes) {
    char *room = mm_rewrite_room(rewrite, bytes);
    if (!room || bytes == 0)
        return;
    memcpy(room, rewrite->text + rewrite->read, bytes);
    if (rewrite->origins)
        memcpy(rewrite->out->origins + rewrite->written, rewrite->origins + rewrite->read,
               bytes * sizeof(mm_span));
    rewrite->read += bytes;
    rewrite->written += bytes;
}

static void put(mm_rewrite *rewrite, const char *bytes, size_t length, mm_span origin) {
    char *room = mm_rewrite_room(rewrite, length);
    if (!room)
        return;
    memcpy(room, bytes, length);
    if (rewrite->origins) {
        for (size_t i = 0; i < length; i++)
            rewrite->out->origins[rewrite->written + i] = origin;
    }
    rewrite->written += length;
}

// What has been read last; the beginning when nothing has.
static mm_span previous_origin(const mm_rewrite *rewrite) {
    if (!rewrite->origins)
        return (mm_span){0};
    if (rewrite->read == 0)
        return (mm_span){rewrite->base, rewrite->base};
    return rewrite->origins[rewrite->read - 1];
}

void mm_rewrite_replace(mm_rewrite *rewrite, uint32_t code) {
    if (rewrite->read >= rewrite->length)
        return;
    char bytes[4];
    mm_span origin = rewrite->origins ? rewrite->origins[rewrite->read] : (mm_span){0};
    put(rewrite, bytes, mm_utf8_encode(bytes, code), origin);
    rewrite->read += mm_unicode_width(rewrite->text[rewrite->read]);
}

void mm_rewrite_insert(mm_rewrite *rewrite, uint32_t code) {
    char bytes[4];
    put(rewrite, bytes, mm_utf8_encode(bytes, code), previous_origin(rewrite));
}

void mm_rewrite_insert_text(mm_rewrite *rewrite, const char *text, size_t length) {
    put(rewrite, text, length, previous_origin(rewrite));
}

void mm_rewrite_finish(mm_rewrite *rewrite) {
    if (rewrite->failed) {
        rewrite->length = 0;
        return;
    }
    mm_rewrite_buffer *done = rewrite->out;
    rewrite->text = done->bytes;
    rewrite->length = rewrite->written;
    if (rewrite->origins)
        rewrite->origins = done->origins;
    rewrite->out = done == &rewrite->buffers[0] ? &rewrite->buffers[1] : &rewrite->buffers[0];
}

void mm_rewrite_add_mark(mm_rewrite *rewrite, mm_mark_list *list, mm_mark mark) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + 32;
        mm_mark *items = mm_array_realloc(list->items, capacity, sizeof(*items));
        if (!items) {
            rewrite->failed = true;
            return;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = mark;
}
