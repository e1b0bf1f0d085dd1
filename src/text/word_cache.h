// SPDX-License-Identifier: Apache-2.0
// What a model made of the words it met last, for models where that costs more than a look.
//
// A table of one cache line a word, two places for each hash; a new word takes the place of an
// older one. Only short words that gave few tokens are kept. Belongs to one mm_encode_work.
#ifndef MM_TEXT_WORD_CACHE_H
#define MM_TEXT_WORD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MM_WORD_BYTES = 32, MM_WORD_TOKENS = 6 }; // longer words are not kept

typedef struct mm_word { // the text, see mm_word_key
    uint64_t parts[4];
    uint64_t hash;
} mm_word;

typedef struct mm_word_entry {
    uint64_t parts[4];
    uint32_t ids[MM_WORD_TOKENS];
    uint8_t ends[MM_WORD_TOKENS]; // of the tokens, in bytes of the word
    uint8_t length;               // of the word; 0 = free
    uint8_t count;                // of tokens
} mm_word_entry;

typedef struct mm_word_cache {
    mm_word_entry *entries; // 2^bits
    unsigned bits;
    size_t kept;    // words put in since it grew last
    uint64_t owner; // the model whose words these are
} mm_word_cache;

void mm_word_cache_free(mm_word_cache *cache); // leaves an empty one
// Forgets everything when it belonged to another model.
void mm_word_cache_claim(mm_word_cache *cache, uint64_t owner);
// `length` is 1 to MM_WORD_BYTES.
mm_word mm_word_key(const char *text, size_t length);
// NULL when not there.
const mm_word_entry *mm_word_cache_find(const mm_word_cache *cache, const mm_word *word,
                                        size_t length);
// A place for the word with `parts` and `length` set, to be filled by the caller; NULL when out of
// memory.
mm_word_entry *mm_word_cache_put(mm_word_cache *cache, const mm_word *word, size_t length);

#endif
