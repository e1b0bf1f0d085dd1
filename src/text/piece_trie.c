// SPDX-License-Identifier: Apache-2.0
#include "text/piece_trie.h"

#include "base/memory.h"

#include <string.h>

typedef struct key_range { // the tokens below a node: they share its path
    uint32_t start, end;   // in the builder's order
} key_range;

typedef struct builder {
    mm_piece_trie *trie;
    const mm_vocabulary *vocabulary;
    uint32_t *order, *sorted; // entry numbers; the second is scratch
    key_range *ranges;        // one a node
} builder;

void mm_piece_trie_free(mm_piece_trie *trie) {
    mm_free(trie->nodes);
    mm_free(trie->labels);
    mm_free(trie->tables);
    *trie = (mm_piece_trie){0};
}

static bool add_node(builder *self, unsigned char label, key_range range) {
    mm_piece_trie *trie = self->trie;
    if (trie->count == trie->capacity) {
        size_t capacity = trie->capacity * 2 + 256;
        if (capacity >= UINT32_MAX)
            return false;
        mm_piece_node *nodes = mm_array_realloc(trie->nodes, capacity, sizeof(*nodes));
        if (nodes)
            trie->nodes = nodes;
        unsigned char *labels = nodes ? mm_realloc(trie->labels, capacity) : NULL;
        if (labels)
            trie->labels = labels;
        key_range *ranges =
            labels ? mm_array_realloc(self->ranges, capacity, sizeof(*ranges)) : NULL;
        if (!ranges)
            return false;
        self->ranges = ranges;
        trie->capacity = capacity;
    }
    trie->nodes[trie->count] = (mm_piece_node){.id = MM_PIECE_NONE};
    trie->labels[trie->count] = label;
    self->ranges[trie->count++] = range;
    return true;
}

static const mm_vocabulary_entry *entry_at(const builder *self, uint32_t index) {
    return &self->vocabulary->entries[self->order[index]];
}

static unsigned char byte_at(const builder *self, uint32_t index, uint32_t depth) {
    return (unsigned char)self->vocabulary->bytes[entry_at(self, index)->offset + depth];
}

// Few are sorted by insertion, so that a node costs no more than its tokens.
static void sort_range(builder *self, key_range range, uint32_t depth) {
    if (range.end - range.start <= MM_PIECE_NARROW) {
        for (uint32_t i = range.start + 1; i < range.end; i++) {
            uint32_t moved = self->order[i], at = i;
            unsigned char byte = byte_at(self, i, depth);
            for (; at > range.start && byte_at(self, at - 1, depth) > byte; at--)
                self->order[at] = self->order[at - 1];
            self->order[at] = moved;
        }
        return;
    }
    uint32_t starts[257] = {0};
    for (uint32_t i = range.start; i < range.end; i++)
        starts[byte_at(self, i, depth) + 1]++;
    for (int i = 0; i < 256; i++)
        starts[i + 1] += starts[i];
    for (uint32_t i = range.start; i < range.end; i++)
        self->sorted[starts[byte_at(self, i, depth)]++] = self->order[i];
    memcpy(self->order + range.start, self->sorted,
           (range.end - range.start) * sizeof(*self->order));
}

static bool make_table(mm_piece_trie *trie, mm_piece_node *node) {
    if (trie->tables_count == trie->tables_capacity) {
        size_t capacity = trie->tables_capacity * 2 + 16;
        uint32_t(*tables)[256] = mm_array_realloc(trie->tables, capacity, sizeof(*tables));
        if (!tables)
            return false;
        trie->tables = tables;
        trie->tables_capacity = capacity;
    }
    uint32_t *table = trie->tables[trie->tables_count];
    memset(table, 0, sizeof(trie->tables[0]));
    for (uint32_t i = 0; i < node->count; i++)
        table[trie->labels[node->child + i]] = node->child + i;
    node->count = MM_PIECE_WIDE + (uint32_t)trie->tables_count++;
    return true;
}

// Makes the children of a node, all of whose tokens are at least `depth` long.
static bool expand(builder *self, uint32_t node, uint32_t depth) {
    mm_piece_trie *trie = self->trie;
    key_range range = self->ranges[node];
    for (uint32_t i = range.start; i < range.end; i++) {
        const mm_vocabulary_entry *entry = entry_at(self, i);
        if (entry->length > depth)
            continue;
        if (depth > 0)
            trie->nodes[node].id = entry->id;
        self->order[i] = self->order[range.start];
        range.start++; // tokens are different, so only one ends here
        break;
    }
    sort_range(self, range, depth);
    uint32_t first = (uint32_t)trie->count;
    for (uint32_t i = range.start; i < range.end;) {
        key_range child = {i, i + 1};
        unsigned char byte = byte_at(self, i, depth);
        while (child.end < range.end && byte_at(self, child.end, depth) == byte)
            child.end++;
        if (!add_node(self, byte, child))
            return false;
        i = child.end;
    }
    mm_piece_node *made = &trie->nodes[node];
    made->child = first;
    made->count = (uint32_t)trie->count - first;
    return made->count <= MM_PIECE_NARROW || make_table(trie, made);
}

bool mm_piece_trie_make(mm_piece_trie *trie, const mm_vocabulary *vocabulary) {
    *trie = (mm_piece_trie){0};
    size_t count = vocabulary->count;
    builder self = {.trie = trie, .vocabulary = vocabulary};
    self.order = mm_calloc(count + 1, sizeof(*self.order));
    self.sorted = mm_calloc(count + 1, sizeof(*self.sorted));
    bool ok = self.order && self.sorted;
    for (size_t i = 0; i < count && ok; i++)
        self.order[i] = (uint32_t)i;
    ok = ok && add_node(&self, 0, (key_range){0, (uint32_t)count});
    // Breadth first: nodes of one depth lie between two marks.
    uint32_t depth = 0;
    for (size_t node = 0, level = 1; ok && node < trie->count; node++) {
        if (node == level) {
            depth++;
            level = trie->count;
        }
        ok = expand(&self, (uint32_t)node, depth);
    }
    mm_free(self.order);
    mm_free(self.sorted);
    mm_free(self.ranges);
    if (!ok)
        mm_piece_trie_free(trie);
    return ok;
}
