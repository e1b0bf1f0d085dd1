// SPDX-License-Identifier: Apache-2.0
// The character map of a SentencePiece file: which strings are rewritten, and how.
//
// Bytes: the size of a double array, the array (little-endian units of 32 bits), then texts that
// end in U+0000. The array is a trie over bytes whose leaves are offsets of texts. Nothing in it
// can be trusted: a step that leads out of the array finds nothing.
#ifndef MM_TEXT_CHARSMAP_H
#define MM_TEXT_CHARSMAP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mm_charsmap {
    uint32_t *units;
    size_t count;
    char *texts; // valid UTF-8
    size_t texts_length;
} mm_charsmap;

// Copies `bytes`. MODEL_CORRUPT when they are no such map.
mm_status mm_charsmap_read(mm_charsmap *map, const char *bytes, size_t length, const char *where,
                           mm_error *error);
// The same in base64, as tokenizer.json has it.
mm_status mm_charsmap_read_base64(mm_charsmap *map, const char *text, size_t length,
                                  const char *where, mm_error *error);
void mm_charsmap_free(mm_charsmap *map); // leaves a zeroed one
// What the shortest string of the map that begins the text becomes, whatever follows it; NULL when
// there is none. Borrowed.
const char *mm_charsmap_find(const mm_charsmap *map, const char *text, size_t length,
                             size_t *found_length);
// The same for the longest such string, of `*matched` bytes.
const char *mm_charsmap_find_longest(const mm_charsmap *map, const char *text, size_t length,
                                     size_t *matched, size_t *found_length);

#endif
