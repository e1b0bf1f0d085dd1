// SPDX-License-Identifier: Apache-2.0
#include "text/graphemes.h"

#include <stdbool.h>
#include <utf8proc.h>

enum { FIRST_DIFFERENT = 0x300 }; // nothing below is in a table

static uint32_t stand_in(uint32_t code) {
    size_t low = 0, high = mm_grapheme_stand_ins_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mm_grapheme_stand_ins[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < mm_grapheme_stand_ins_count && mm_grapheme_stand_ins[low].first <= code;
    return found ? mm_grapheme_stand_ins[low].code : code;
}

static bool is_among(uint32_t code, const mm_code_range *ranges, size_t count) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && ranges[low].first <= code;
}

typedef struct conjunct { // rule GB9c: consonants stay together around a linker
    bool consonant, linker;
} conjunct;

static void follow(conjunct *state, uint32_t code, uint32_t seen) {
    if (code < FIRST_DIFFERENT) {
        *state = (conjunct){0};
        return;
    }
    if (is_among(code, mm_grapheme_consonants, mm_grapheme_consonants_count)) {
        *state = (conjunct){.consonant = true};
        return;
    }
    if (!state->consonant)
        return;
    int class = (int)utf8proc_get_property((utf8proc_int32_t)seen)->boundclass;
    if (is_among(code, mm_grapheme_linkers, mm_grapheme_linkers_count))
        state->linker = true;
    else if ((class != UTF8PROC_BOUNDCLASS_EXTEND && class != UTF8PROC_BOUNDCLASS_ZWJ) ||
             code == 0x200C)
        *state = (conjunct){0};
}

size_t mm_grapheme_end(const char *text, size_t length, size_t start) {
    size_t at = start;
    uint32_t code = mm_unicode_next(text, &at);
    uint32_t seen = code < FIRST_DIFFERENT ? code : stand_in(code);
    utf8proc_int32_t state = 0;
    conjunct indic = {0};
    follow(&indic, code, seen);
    while (at < length) {
        size_t here = at;
        uint32_t next = mm_unicode_next(text, &at);
        uint32_t next_seen = next < FIRST_DIFFERENT ? next : stand_in(next);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)seen, (utf8proc_int32_t)next_seen,
                                             &state)) {
            bool joined = indic.linker && next >= FIRST_DIFFERENT &&
                          is_among(next, mm_grapheme_consonants, mm_grapheme_consonants_count);
            if (!joined)
                return here;
        }
        follow(&indic, next, next_seen);
        seen = next_seen;
    }
    return length;
}
