// SPDX-License-Identifier: Apache-2.0
// UTF-8 by the Unicode standard's table 3-7: no overlong forms, no surrogates, nothing above
// 10FFFF.
#ifndef MM_BASE_UTF8_H
#define MM_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Decodes one character from the `length` > 0 bytes at `text` into *character; returns the bytes
// used (1 to 4), or 0 when the bytes there are not valid UTF-8.
size_t mm_utf8_decode(uint32_t *character, const char *text, size_t length);
// Writes 1 to 4 bytes; `character` must be a Unicode scalar value.
size_t mm_utf8_encode(char out[4], uint32_t character);
// True when all is valid; else *error_offset (may be NULL) is the first bad byte.
bool mm_utf8_valid(const char *text, size_t length, size_t *error_offset);
// At bytes that are not valid: how many of the `length` > 0 one U+FFFD stands for, namely the
// longest beginning of a character, or else one byte (the standard's "maximal subparts").
size_t mm_utf8_bad_length(const char *text, size_t length);

#endif
