// SPDX-License-Identifier: Apache-2.0
// Character properties as the reference tokenizer library has them.
//
// Each component there carries its own version of Unicode, so each question has its own function.
// utf8proc answers, the generated tables of differences correct it
// (scripts/make_unicode_tables.py). All functions are pure and may be called from any thread; code
// points are scalar values.
#ifndef MM_TEXT_UNICODE_TEXT_H
#define MM_TEXT_UNICODE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mm_code_range {
    uint32_t first, last;
} mm_code_range;

typedef struct mm_lower_difference {
    uint32_t code, first, second;
} mm_lower_difference;

#define MM_UNICODE_DIFFERENCES(X)                                                                  \
    X(control)                                                                                     \
    X(nonspacing)                                                                                  \
    X(mark)                                                                                        \
    X(punctuation)                                                                                 \
    X(numeric)                                                                                     \
    X(word)                                                                                        \
    X(letter)                                                                                      \
    X(number)                                                                                      \
    X(normalization)
#define MM_UNICODE_DECLARE(name)                                                                   \
    extern const mm_code_range mm_unicode_##name##_differs[];                                      \
    extern const size_t mm_unicode_##name##_differs_count;
MM_UNICODE_DIFFERENCES(MM_UNICODE_DECLARE)
#undef MM_UNICODE_DECLARE
extern const mm_lower_difference mm_unicode_lower_differs[];
extern const char mm_unicode_tables_utf8proc[]; // the version that the tables correct
extern const size_t mm_unicode_lower_differs_count;

bool mm_unicode_is_space(uint32_t code);       // White_Space
bool mm_unicode_is_control(uint32_t code);     // clean_text drops it (U+0000 and U+FFFD apart)
bool mm_unicode_is_nonspacing(uint32_t code);  // strip_accents drops it
bool mm_unicode_is_mark(uint32_t code);        // StripAccents drops it
bool mm_unicode_is_punctuation(uint32_t code); // ASCII symbols included
bool mm_unicode_is_numeric(uint32_t code);
bool mm_unicode_is_word(uint32_t code);   // as \w looks at the neighbours of an added token
bool mm_unicode_is_letter(uint32_t code); // as the regex \p{L}
bool mm_unicode_is_number(uint32_t code); // as the regex \p{N}
bool mm_unicode_is_chinese(uint32_t code);
// Lower-cases one character into 1 or 2; returns how many.
size_t mm_unicode_lower(uint32_t out[2], uint32_t code);

enum { MM_DECOMPOSITION_MAX = 18 };
// Full decomposition of one character; returns its length.
size_t mm_unicode_decompose(uint32_t out[MM_DECOMPOSITION_MAX], uint32_t code, bool compat);
unsigned mm_unicode_combining_class(uint32_t code);
// The primary composite of two characters, or 0.
uint32_t mm_unicode_compose(uint32_t first, uint32_t second);

// Decodes one character of valid UTF-8 at *at and steps over it.
static inline uint32_t mm_unicode_next(const char *text, size_t *at) {
    const unsigned char *bytes = (const unsigned char *)text + *at;
    if (bytes[0] < 0x80) {
        *at += 1;
        return bytes[0];
    }
    if (bytes[0] < 0xE0) {
        *at += 2;
        return (bytes[0] & 0x1Fu) << 6 | (bytes[1] & 0x3Fu);
    }
    if (bytes[0] < 0xF0) {
        *at += 3;
        return (bytes[0] & 0xFu) << 12 | (bytes[1] & 0x3Fu) << 6 | (bytes[2] & 0x3Fu);
    }
    *at += 4;
    return (bytes[0] & 7u) << 18 | (bytes[1] & 0x3Fu) << 12 | (bytes[2] & 0x3Fu) << 6 |
           (bytes[3] & 0x3Fu);
}

// The character that ends before *at > 0; *at moves to its start.
static inline uint32_t mm_unicode_previous(const char *text, size_t *at) {
    size_t start = *at - 1;
    while (start > 0 && ((unsigned char)text[start] & 0xC0) == 0x80)
        start--;
    *at = start;
    size_t next = start;
    return mm_unicode_next(text, &next);
}

// Bytes of the UTF-8 character that begins with this byte.
static inline size_t mm_unicode_width(char lead) {
    unsigned char byte = (unsigned char)lead;
    return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

#endif
