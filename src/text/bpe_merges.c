// SPDX-License-Identifier: Apache-2.0
// Merging with a queue of candidates: each merge costs the logarithm of the word's length, so a
// text without any blank is no slower to merge than one with many.
#include "text/bpe_merges.h"

#include "base/memory.h"

#include <string.h>

void mm_merge_table_free(mm_merge_table *table) {
    mm_free(table->slots);
    mm_free(table->made_by_rank);
    *table = (mm_merge_table){0};
}

static size_t first_slot(const mm_merge_table *table, uint32_t left, uint32_t right) {
    uint64_t pair = (uint64_t)left << 32 | right;
    pair = (pair ^ pair >> 29) * UINT64_C(0xBF58476D1CE4E5B9);
    return (size_t)((pair ^ pair >> 32) * UINT64_C(0x9E3779B97F4A7C15) >> (64 - table->bits));
}

// The slot of a pair, or the free one where it belongs. The table has slots.
static mm_merge *find_slot(const mm_merge_table *table, uint32_t left, uint32_t right) {
    size_t mask = ((size_t)1 << table->bits) - 1;
    size_t slot = first_slot(table, left, right);
    while (table->slots[slot].rank != MM_NO_MERGE &&
           (table->slots[slot].left != left || table->slots[slot].right != right))
        slot = (slot + 1) & mask;
    return &table->slots[slot];
}

static bool set_slots(mm_merge_table *table, unsigned bits) {
    size_t count = (size_t)1 << bits, old_count = table->bits ? (size_t)1 << table->bits : 0;
    mm_merge *old = table->slots, *slots = mm_array_realloc(NULL, count, sizeof(*slots));
    if (!slots)
        return false;
    memset(slots, 0xFF, count * sizeof(*slots)); // all free
    table->slots = slots;
    table->bits = bits;
    for (size_t i = 0; i < old_count; i++)
        if (old[i].rank != MM_NO_MERGE)
            *find_slot(table, old[i].left, old[i].right) = old[i];
    mm_free(old);
    return true;
}

static bool reserve_ranks(mm_merge_table *table, size_t need) {
    if (need <= table->ranks_capacity)
        return true;
    uint32_t *made = mm_array_realloc(table->made_by_rank, need, sizeof(*made));
    if (!made)
        return false;
    table->made_by_rank = made;
    table->ranks_capacity = need;
    return true;
}

bool mm_merge_table_reserve(mm_merge_table *table, size_t count) {
    unsigned bits = table->bits ? table->bits : 4;
    while (((size_t)1 << bits) / 2 < table->count + count && bits < 33)
        bits++;
    if (bits > 32 || !reserve_ranks(table, table->ranks + count))
        return false;
    return bits == table->bits || set_slots(table, bits);
}

bool mm_merge_table_add(mm_merge_table *table, uint32_t left, uint32_t right, uint32_t made) {
    if (table->ranks == table->ranks_capacity &&
        !reserve_ranks(table, table->ranks + table->ranks / 2 + 16))
        return false;
    size_t slots = table->bits ? (size_t)1 << table->bits : 0;
    if (table->count >= slots / 2 && !mm_merge_table_reserve(table, 1))
        return false;
    mm_merge *slot = find_slot(table, left, right);
    table->count += slot->rank == MM_NO_MERGE;
    *slot = (mm_merge){left, right, (uint32_t)table->ranks, made};
    table->made_by_rank[table->ranks++] = made;
    return true;
}

void mm_symbol_list_free(mm_symbol_list *list) {
    mm_free(list->items);
    mm_free(list->queue);
    *list = (mm_symbol_list){0};
}

// Every merge takes one candidate out of the queue and puts two in at most, so twice the symbols is
// room enough for all of them.
bool mm_symbol_list_start(mm_symbol_list *list, size_t most) {
    list->count = list->queued = 0;
    if (most >= MM_NO_SYMBOL)
        return false;
    if (most > list->capacity) {
        size_t capacity = most + most / 2 + 64;
        mm_symbol *items = mm_array_realloc(list->items, capacity, sizeof(*items));
        if (!items)
            return false;
        list->items = items;
        list->capacity = capacity;
    }
    if (most * 2 > list->queue_capacity) {
        size_t capacity = most * 2 + most + 128;
        uint64_t *queue = mm_array_realloc(list->queue, capacity, sizeof(*queue));
        if (!queue)
            return false;
        list->queue = queue;
        list->queue_capacity = capacity;
    }
    return true;
}

enum { CHILDREN = 4 }; // of a node of the heap

static void sift_up(uint64_t *queue, size_t at, uint64_t value) {
    while (at > 0) {
        size_t parent = (at - 1) / CHILDREN;
        if (queue[parent] <= value)
            break;
        queue[at] = queue[parent];
        at = parent;
    }
    queue[at] = value;
}

static void sift_down(uint64_t *queue, size_t count, size_t at, uint64_t value) {
    for (;;) {
        size_t child = at * CHILDREN + 1, end = child + CHILDREN;
        if (child >= count)
            break;
        if (end > count)
            end = count;
        size_t least = child;
        while (++child < end)
            if (queue[child] < queue[least])
                least = child;
        if (queue[least] >= value)
            break;
        queue[at] = queue[least];
        at = least;
    }
    queue[at] = value;
}

static uint64_t take_least(mm_symbol_list *list) {
    uint64_t least = list->queue[0];
    list->queued--;
    if (list->queued)
        sift_down(list->queue, list->queued, 0, list->queue[list->queued]);
    return least;
}

static uint32_t rank_of(const mm_merge_table *table, uint32_t left, uint32_t right) {
    return find_slot(table, left, right)->rank;
}

// Links the symbols and queues every pair that merges.
static void link_symbols(mm_symbol_list *list, const mm_merge_table *table) {
    for (size_t i = 0; i < list->count; i++) {
        mm_symbol *symbol = &list->items[i];
        bool last = i + 1 == list->count;
        symbol->previous = i ? (uint32_t)i - 1 : MM_NO_SYMBOL;
        symbol->next = last ? MM_NO_SYMBOL : (uint32_t)i + 1;
        symbol->rank = last ? MM_NO_MERGE : rank_of(table, symbol->id, symbol[1].id);
        if (symbol->rank != MM_NO_MERGE)
            list->queue[list->queued++] = (uint64_t)symbol->rank << 32 | i;
    }
    for (size_t i = list->queued / CHILDREN + 1; i-- > 0;)
        if (i < list->queued)
            sift_down(list->queue, list->queued, i, list->queue[i]);
}

static void pair_changed(mm_symbol_list *list, const mm_merge_table *table, uint32_t index) {
    mm_symbol *symbol = &list->items[index];
    symbol->rank = symbol->next == MM_NO_SYMBOL
                       ? MM_NO_MERGE
                       : rank_of(table, symbol->id, list->items[symbol->next].id);
    if (symbol->rank != MM_NO_MERGE)
        sift_up(list->queue, list->queued++, (uint64_t)symbol->rank << 32 | index);
}

void mm_symbols_merge(mm_symbol_list *list, const mm_merge_table *table) {
    if (list->count < 2 || table->bits == 0) {
        for (size_t i = 0; i < list->count; i++)
            list->items[i].next = i + 1 < list->count ? (uint32_t)i + 1 : MM_NO_SYMBOL;
        return;
    }
    link_symbols(list, table);
    while (list->queued) {
        uint64_t candidate = take_least(list);
        uint32_t rank = (uint32_t)(candidate >> 32), index = (uint32_t)candidate;
        mm_symbol *symbol = &list->items[index];
        // The pair may have changed since. As the reference library has it, the candidate counts
        // all the same when the present pair makes the same token.
        uint32_t made = table->made_by_rank[rank];
        if (symbol->rank != rank &&
            (symbol->rank == MM_NO_MERGE || table->made_by_rank[symbol->rank] != made))
            continue;
        mm_symbol *right = &list->items[symbol->next];
        symbol->id = made;
        symbol->length += right->length;
        symbol->next = right->next;
        right->length = 0;
        right->rank = MM_NO_MERGE;
        if (symbol->next != MM_NO_SYMBOL)
            list->items[symbol->next].previous = index;
        if (symbol->previous != MM_NO_SYMBOL)
            pair_changed(list, table, symbol->previous);
        pair_changed(list, table, index);
    }
}
