// SPDX-License-Identifier: Apache-2.0
// The merges of a BPE model, and applying them to the symbols of one word.
#ifndef MM_TEXT_BPE_MERGES_H
#define MM_TEXT_BPE_MERGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MM_NO_MERGE = UINT32_MAX }; // as a rank

typedef struct mm_merge {
    uint32_t left, right; // token ids
    uint32_t rank;        // MM_NO_MERGE: a free slot
    uint32_t made;        // the id of both together
} mm_merge;

typedef struct mm_merge_table {
    mm_merge *slots; // hashed by left and right, 2^bits of them, half of them free
    unsigned bits;
    size_t count;
    uint32_t *made_by_rank; // of every pair added, those that came again included
    size_t ranks, ranks_capacity;
} mm_merge_table;

void mm_merge_table_free(mm_merge_table *table); // leaves an empty one
// Makes room for so many more. False when out of memory.
bool mm_merge_table_reserve(mm_merge_table *table, size_t count);
// The rank is the number of pairs added before; a pair that is there already gets the new rank.
bool mm_merge_table_add(mm_merge_table *table, uint32_t left, uint32_t right, uint32_t made);

enum { MM_NO_SYMBOL = UINT32_MAX }; // as an index

typedef struct mm_symbol {
    uint32_t id;
    uint32_t length;         // bytes of the word; 0 when merged into the symbol before it
    uint32_t previous, next; // indices
    uint32_t rank;           // of the merge with the next symbol
} mm_symbol;

// A word being merged; lives in mm_encode_work and is reused.
typedef struct mm_symbol_list {
    mm_symbol *items;
    size_t count, capacity;
    uint64_t *queue; // heap of rank << 32 | index, least first
    size_t queued, queue_capacity;
} mm_symbol_list;

void mm_symbol_list_free(mm_symbol_list *list); // frees the members
// Empties it and makes room for so many symbols. False when out of memory.
bool mm_symbol_list_start(mm_symbol_list *list, size_t most);
static inline void mm_symbol_add(mm_symbol_list *list, uint32_t id, uint32_t length) {
    list->items[list->count++] = (mm_symbol){.id = id, .length = length};
}
// Merges until no merge applies: the lowest rank first, of equal ones the leftmost. The word then
// is the symbols from the first on along `next`.
void mm_symbols_merge(mm_symbol_list *list, const mm_merge_table *table);

#endif
