// SPDX-License-Identifier: Apache-2.0
// Tokens and their ids: a hash table made for finding the longest token that begins a text.
//
// Built by one thread, then read by any number. Ids are what the file says, up to 2^32-1, so no
// table is as long as the largest id unless the ids are dense.
#ifndef MM_TEXT_VOCABULARY_H
#define MM_TEXT_VOCABULARY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mm_vocabulary_entry {
    uint32_t offset; // of its NUL-terminated bytes
    uint32_t length;
    uint32_t id;
    uint32_t tag; // hash bits, to compare before the bytes
} mm_vocabulary_entry;

typedef struct mm_vocabulary {
    char *bytes;
    size_t bytes_length, bytes_capacity;
    mm_vocabulary_entry *entries;
    size_t count, capacity;
    uint64_t *slots; // tag in the upper half, entry number + 1 in the lower; 0 = free
    unsigned bits;   // there are 2^bits slots
    size_t longest;  // bytes of the longest token
    uint32_t *by_id; // entry numbers + 1 at the id when dense, else entry numbers sorted by id
    size_t by_id_count, by_id_capacity;
    bool dense;
    uint32_t largest_id;
    size_t repeated; // appended tokens that were there already
} mm_vocabulary;

void mm_vocabulary_free(mm_vocabulary *vocabulary); // leaves a zeroed one
// Makes room for about so many tokens; worth it only when they are many. False when out of memory.
bool mm_vocabulary_reserve(mm_vocabulary *vocabulary, size_t count, size_t bytes);
// Adds a token; one that is there already gets the new id. False when out of memory or beyond 4
// GiB.
bool mm_vocabulary_add(mm_vocabulary *vocabulary, const char *token, size_t length, uint32_t id);
// Adds a token whose id is its place in a list: 0, 1, and so on. One that comes again is found with
// its last id, and all its ids are known as that token. Use either this or add and finish.
bool mm_vocabulary_append(mm_vocabulary *vocabulary, const char *token, size_t length);
// Makes ids searchable; call after the last add, and again when there were more.
bool mm_vocabulary_finish(mm_vocabulary *vocabulary);
bool mm_vocabulary_find(const mm_vocabulary *vocabulary, const char *token, size_t length,
                        uint32_t *id);
// The token of an id, NUL-terminated and borrowed, or NULL.
const char *mm_vocabulary_token(const mm_vocabulary *vocabulary, uint32_t id, size_t *length);

// For longest-match search: the hash of a token grows byte by byte from MM_VOCABULARY_SEED.
#define MM_VOCABULARY_SEED UINT64_C(0x9E3779B97F4A7C15)
static inline uint64_t mm_vocabulary_hash(uint64_t hash, unsigned char byte) {
    hash = (hash ^ byte) * UINT64_C(0xD6E8FEB86659FD93);
    return hash ^ hash >> 32;
}
// As find, for the token prefix + rest whose hash is known already; NULL when there is none.
const mm_vocabulary_entry *mm_vocabulary_probe(const mm_vocabulary *vocabulary, uint64_t hash,
                                               const char *prefix, size_t prefix_length,
                                               const char *rest, size_t rest_length);

#endif
