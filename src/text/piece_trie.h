// SPDX-License-Identifier: Apache-2.0
// A trie over the bytes of a vocabulary's tokens, for finding all tokens that begin a text.
//
// Built by one thread, in time linear in the bytes of the tokens, then read by any number.
#ifndef MM_TEXT_PIECE_TRIE_H
#define MM_TEXT_PIECE_TRIE_H

#include "text/vocabulary.h"

typedef struct mm_piece_node {
    uint32_t child; // the first of its children, which lie side by side
    uint32_t count; // of children; beyond MM_PIECE_NARROW: MM_PIECE_WIDE + number of its table
    uint32_t id;    // of the token that ends here, or MM_PIECE_NONE
} mm_piece_node;

enum { MM_PIECE_NARROW = 16, MM_PIECE_WIDE = 256 };
#define MM_PIECE_NONE UINT32_MAX

typedef struct mm_piece_trie {
    mm_piece_node *nodes;  // 0 is the root, which is nobody's child
    unsigned char *labels; // the byte that leads to a node
    size_t count, capacity;
    uint32_t (*tables)[256]; // for nodes with many children: the child at the byte, or 0
    size_t tables_count, tables_capacity;
} mm_piece_trie;

// Ids must be below MM_PIECE_NONE. The empty token is left out. False when out of memory.
bool mm_piece_trie_make(mm_piece_trie *trie, const mm_vocabulary *vocabulary);
void mm_piece_trie_free(mm_piece_trie *trie); // accepts a zeroed one

// The child that `byte` leads to, or 0.
static inline uint32_t mm_piece_trie_step(const mm_piece_trie *trie, uint32_t node,
                                          unsigned char byte) {
    const mm_piece_node *from = &trie->nodes[node];
    if (from->count >= MM_PIECE_WIDE)
        return trie->tables[from->count - MM_PIECE_WIDE][byte];
    const unsigned char *labels = trie->labels + from->child;
    for (uint32_t i = 0; i < from->count; i++)
        if (labels[i] == byte)
            return from->child + i;
    return 0;
}

#endif
