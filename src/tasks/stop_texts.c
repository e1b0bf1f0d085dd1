// SPDX-License-Identifier: Apache-2.0
#include "tasks/stop_texts.h"

#include "base/memory.h"

#include <string.h>

enum {
    CONTEXT = 8
}; // bytes and ids decoded before those that matter, for spaces to come out right

static const char *text_at(const mm_text_list *list, size_t i, size_t *length) {
    const size_t start = i > 0 ? list->ends[i - 1] : 0;
    *length = list->ends[i] - start;
    return list->bytes + start;
}

size_t mm_stop_texts_find(const mm_text_list *list, const char *text, size_t length) {
    size_t found = length, size;
    for (size_t i = 0; i < list->count; i++) {
        const char *stop = text_at(list, i, &size);
        for (size_t at = 0; at + size <= length && at < found; at++) {
            if (memcmp(text + at, stop, size) == 0)
                found = at;
        }
    }
    return found;
}

size_t mm_stop_texts_held(const mm_text_list *list, const char *text, size_t length) {
    size_t held = 0, size;
    for (size_t i = 0; i < list->count; i++) {
        const char *stop = text_at(list, i, &size);
        for (size_t n = size - 1 < length ? size - 1 : length; n > held; n--) {
            if (memcmp(text + length - n, stop, n) == 0)
                held = n;
        }
    }
    return held;
}

// ---- Reading -----------------------------------------------------------------------------------

static const char lead_text[] = "abcdef"; // StopStringCriteria.clean_tokenizer_vocab's

mm_status mm_stop_reader_create(mm_stop_reader *out, const mm_tokenizer *tokenizer,
                                mm_error *error) {
    mm_encoding encoding = {0};
    const mm_encode_options options = {.add_special_tokens = false};
    char *text = NULL;
    *out = (mm_stop_reader){.tokenizer = tokenizer};
    mm_status status = mm_tokenizer_encode(tokenizer, &encoding, lead_text, sizeof lead_text - 1,
                                           NULL, 0, &options, error);
    if (!status)
        status = mm_tokenizer_decode(tokenizer, &text, &out->lead_length, encoding.ids,
                                     encoding.count, true, error);
    mm_free(text);
    if (!status) {
        out->lead_count = encoding.count;
        out->capacity = encoding.count + 64;
        out->ids = mm_array_realloc(NULL, out->capacity, sizeof *out->ids);
        if (!out->ids)
            status = mm_fail_memory(error, "stop texts");
        else if (encoding.count > 0)
            memcpy(out->ids, encoding.ids, encoding.count * sizeof *out->ids);
    }
    mm_encoding_free(&encoding);
    if (status)
        mm_stop_reader_free(out);
    return status;
}

void mm_stop_reader_free(mm_stop_reader *reader) {
    mm_free(reader->ids);
    *reader = (mm_stop_reader){0};
}

// What the ids say begins at *start of *text, which is the caller's to free.
static mm_status read_ids(char **text, size_t *start, size_t *length, mm_stop_reader *reader,
                          const int32_t *ids, size_t count, mm_error *error) {
    const size_t lead = reader->lead_count;
    if (lead + count > reader->capacity) {
        int32_t *grown = mm_array_realloc(reader->ids, lead + 2 * count, sizeof *grown);
        if (!grown)
            return mm_fail_memory(error, "stop texts");
        reader->ids = grown;
        reader->capacity = lead + 2 * count;
    }
    memcpy(reader->ids + lead, ids, count * sizeof *ids);
    mm_status status = mm_tokenizer_decode(reader->tokenizer, text, length, reader->ids,
                                           lead + count, true, error);
    *start = reader->lead_length < *length ? reader->lead_length : *length;
    return status;
}

mm_status mm_stop_texts_reached(bool *out, mm_stop_reader *reader, const mm_text_list *list,
                                const int32_t *ids, size_t count, mm_error *error) {
    size_t longest = 0, size, last = 0;
    *out = false;
    if (list->count == 0 || count == 0)
        return MM_STATUS_OK;
    for (size_t i = 0; i < list->count; i++) {
        (void)text_at(list, i, &size);
        longest = size > longest ? size : longest;
    }
    // What the last id says is no longer than its token; with it a character of up to four bytes
    // may have become whole. A match ends there, so it begins within `window`.
    (void)mm_tokenizer_token(reader->tokenizer, ids[count - 1], &last);
    const size_t window = longest - 1 + last + 4;
    // Ids say a byte each as a rule, special ones nothing.
    for (size_t n = longest + CONTEXT;; n *= 2) {
        char *text;
        size_t start, length;
        n = n < count ? n : count;
        mm_status status = read_ids(&text, &start, &length, reader, ids + count - n, n, error);
        if (status)
            return status;
        const bool is_enough = n == count || length - start >= window + CONTEXT;
        start = length - start > window ? length - window : start;
        *out = mm_stop_texts_find(list, text + start, length - start) < length - start;
        mm_free(text);
        if (is_enough)
            return MM_STATUS_OK;
    }
}

mm_status mm_stop_texts_decode(char **out, size_t *length, mm_stop_reader *reader,
                               const mm_text_list *list, const int32_t *ids, size_t count,
                               mm_error *error) {
    char *text;
    size_t start, whole;
    mm_status status = mm_tokenizer_decode(reader->tokenizer, out, length, ids, count, true, error);
    if (status || list->count == 0 || count == 0)
        return status;
    status = read_ids(&text, &start, &whole, reader, ids, count, error);
    if (status) {
        mm_free(*out);
        *out = NULL;
        return status;
    }
    // In front of the first word the whole text lacks the blank.
    const size_t blank = whole - start > *length ? whole - start - *length : 0;
    const size_t found = mm_stop_texts_find(list, text + start, whole - start);
    mm_free(text);
    if (found < whole - start) {
        *length = found > blank ? found - blank : 0;
        (*out)[*length] = '\0';
    }
    return MM_STATUS_OK;
}
