// SPDX-License-Identifier: Apache-2.0
// GPT-2's pattern by hand. A blank, if any, and the run of one class behind it are one piece; only
// white space and apostrophes need a second look.
#include "text/byte_level.h"
#include "text/unicode_text.h"

#include <string.h>

enum { OTHER, LETTER, NUMBER, SPACE };

static const unsigned char ascii_class[128] = {
    ['\t'] = SPACE, ['\n'] = SPACE, ['\v'] = SPACE, ['\f'] = SPACE, ['\r'] = SPACE, [' '] = SPACE,
    ['0'] = NUMBER, ['1'] = NUMBER, ['2'] = NUMBER, ['3'] = NUMBER, ['4'] = NUMBER, ['5'] = NUMBER,
    ['6'] = NUMBER, ['7'] = NUMBER, ['8'] = NUMBER, ['9'] = NUMBER, ['A'] = LETTER, ['B'] = LETTER,
    ['C'] = LETTER, ['D'] = LETTER, ['E'] = LETTER, ['F'] = LETTER, ['G'] = LETTER, ['H'] = LETTER,
    ['I'] = LETTER, ['J'] = LETTER, ['K'] = LETTER, ['L'] = LETTER, ['M'] = LETTER, ['N'] = LETTER,
    ['O'] = LETTER, ['P'] = LETTER, ['Q'] = LETTER, ['R'] = LETTER, ['S'] = LETTER, ['T'] = LETTER,
    ['U'] = LETTER, ['V'] = LETTER, ['W'] = LETTER, ['X'] = LETTER, ['Y'] = LETTER, ['Z'] = LETTER,
    ['a'] = LETTER, ['b'] = LETTER, ['c'] = LETTER, ['d'] = LETTER, ['e'] = LETTER, ['f'] = LETTER,
    ['g'] = LETTER, ['h'] = LETTER, ['i'] = LETTER, ['j'] = LETTER, ['k'] = LETTER, ['l'] = LETTER,
    ['m'] = LETTER, ['n'] = LETTER, ['o'] = LETTER, ['p'] = LETTER, ['q'] = LETTER, ['r'] = LETTER,
    ['s'] = LETTER, ['t'] = LETTER, ['u'] = LETTER, ['v'] = LETTER, ['w'] = LETTER, ['x'] = LETTER,
    ['y'] = LETTER, ['z'] = LETTER,
};

static unsigned wide_class(const char *text, size_t *at) {
    uint32_t code = mm_unicode_next(text, at);
    if (mm_unicode_is_letter(code))
        return LETTER;
    if (mm_unicode_is_space(code))
        return SPACE;
    return mm_unicode_is_number(code) ? NUMBER : OTHER;
}

static inline unsigned next_class(const char *text, size_t *at) {
    unsigned char byte = (unsigned char)text[*at];
    if (byte >= 0x80)
        return wide_class(text, at);
    ++*at;
    return ascii_class[byte];
}

// The end of the run of `class` that reaches to `at`; *last is where its last character begins.
static size_t run_end(const char *text, size_t at, size_t end, unsigned class, size_t *last) {
    while (at < end) {
        size_t next = at;
        if (next_class(text, &next) != class)
            break;
        *last = at;
        at = next;
    }
    return at;
}

// Bytes of 's, 't, 're, 've, 'm, 'll or 'd at an apostrophe; 0 when there is none of them.
static size_t contraction(const char *text, size_t length) {
    if (length >= 2 && memchr("stmd", text[1], 4))
        return 2;
    if (length >= 3 &&
        (memcmp(text, "'re", 3) == 0 || memcmp(text, "'ve", 3) == 0 || memcmp(text, "'ll", 3) == 0))
        return 3;
    return 0;
}

static size_t piece_end(const char *text, size_t start, size_t end) {
    size_t at = start, last = start;
    if (text[at] == '\'') {
        size_t length = contraction(text + at, end - at);
        if (length)
            return at + length;
    }
    unsigned class = next_class(text, &at);
    if (class == SPACE && text[start] == ' ' && at < end) {
        size_t next = at;
        unsigned behind = next_class(text, &next);
        if (behind != SPACE) {
            at = next;
            class = behind;
        }
    }
    at = run_end(text, at, end, class, &last);
    // White space leaves its last character to what follows, unless it has no other.
    return class == SPACE && at < end && last > start ? last : at;
}

bool mm_byte_level_split(const char *text, mm_span piece, mm_piece_list *out) {
    for (size_t at = piece.start; at < piece.end;) {
        size_t end = piece_end(text, at, piece.end);
        if (!mm_piece_add(out, at, end))
            return false;
        at = end;
    }
    return true;
}
