// SPDX-License-Identifier: Apache-2.0
// Pre-tokenizers that gather runs of characters: Whitespace, UnicodeScripts, FixedLength.
#include "text/pretokenizer_kinds.h"

#include "base/memory.h"
#include "text/regex_tables.h"

enum { WORD, OTHER, SPACE };

// ASCII as \w and \s of the reference library's Whitespace have it.
static unsigned char_class(const char *text, size_t *at) {
    unsigned char byte = (unsigned char)text[*at];
    if (byte >= 0x80) {
        uint32_t code = mm_unicode_next(text, at);
        return mm_unicode_is_word(code) ? WORD : mm_unicode_is_space(code) ? SPACE : OTHER;
    }
    *at += 1;
    unsigned char letter = byte | 0x20;
    if ((letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9') || byte == '_')
        return WORD;
    return byte == ' ' || (byte >= '\t' && byte <= '\r') ? SPACE : OTHER;
}

bool mm_whitespace_words_split(const void *settings, const char *text, mm_span piece,
                               mm_piece_list *out) {
    (void)settings;
    size_t start = piece.start;
    unsigned previous = SPACE;
    for (size_t at = piece.start; at < piece.end;) {
        size_t here = at;
        unsigned class = char_class(text, &at);
        if (class == previous)
            continue;
        if (previous != SPACE && !mm_piece_add(out, start, here))
            return false;
        start = here;
        previous = class;
    }
    return previous == SPACE || mm_piece_add(out, start, piece.end);
}

// The number of the script in the table; 0 for characters that go with any.
static uint32_t script_of(uint32_t code) {
    size_t low = 0, high = mm_script_runs_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (mm_script_runs[middle] >> 8 <= code)
            low = middle;
        else
            high = middle;
    }
    return mm_script_runs[low] & 0xFF;
}

bool mm_scripts_split(const void *settings, const char *text, mm_span piece, mm_piece_list *out) {
    (void)settings;
    size_t start = piece.start;
    uint32_t script = 0;
    for (size_t at = piece.start; at < piece.end;) {
        size_t here = at;
        uint32_t next = script_of(mm_unicode_next(text, &at));
        if (next == 0 || next == script)
            continue;
        // As in the reference library, what comes before the first script is dropped.
        if (script && !mm_piece_add(out, start, here))
            return false;
        start = here;
        script = next;
    }
    return script == 0 || mm_piece_add(out, start, piece.end);
}

mm_status mm_fixed_length_read(void **settings, const json_t *config, const char *where,
                               mm_error *error) {
    int64_t length;
    mm_status status =
        mm_json_get_integer(&length, config, "length", 5, 1, INT64_MAX, where, error);
    if (status)
        return status;
    size_t *made = mm_malloc(sizeof(*made));
    if (!made)
        return mm_fail_memory(error, "FixedLength");
    *made = (size_t)length;
    *settings = made;
    return MM_STATUS_OK;
}

bool mm_fixed_length_split(const void *settings, const char *text, mm_span piece,
                           mm_piece_list *out) {
    size_t length = *(const size_t *)settings;
    for (size_t at = piece.start; at < piece.end;) {
        size_t start = at;
        for (size_t n = 0; n < length && at < piece.end; n++)
            at += mm_unicode_width(text[at]);
        if (!mm_piece_add(out, start, at))
            return false;
    }
    return true;
}
