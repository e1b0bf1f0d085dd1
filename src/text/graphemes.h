// SPDX-License-Identifier: Apache-2.0
// Extended grapheme clusters: what readers take for one character.
//
// utf8proc knows the rules, the generated tables (scripts/make_grapheme_tables.py) bring it to the
// reference library's version of Unicode.
#ifndef MM_TEXT_GRAPHEMES_H
#define MM_TEXT_GRAPHEMES_H

#include "text/unicode_text.h"

// The end of the cluster that begins at `start` < length of valid UTF-8.
size_t mm_grapheme_end(const char *text, size_t length, size_t start);

typedef struct mm_grapheme_stand_in { // utf8proc is asked about another code point
    uint32_t first, last, code;
} mm_grapheme_stand_in;

extern const mm_grapheme_stand_in mm_grapheme_stand_ins[];
extern const size_t mm_grapheme_stand_ins_count;
extern const mm_code_range mm_grapheme_linkers[], mm_grapheme_consonants[];
extern const size_t mm_grapheme_linkers_count, mm_grapheme_consonants_count;

#endif
