// SPDX-License-Identifier: Apache-2.0
#include "text/code_set.h"

#include "base/memory.h"
#include "text/regex_tables.h"

#include <stdlib.h>

enum { LAST_CODE = 0x10FFFF, FIRST_SURROGATE = 0xD800, LAST_SURROGATE = 0xDFFF };

void mm_code_set_free(mm_code_set *set) {
    mm_free(set->items);
    *set = (mm_code_set){0};
}

bool mm_code_set_add(mm_code_set *set, uint32_t first, uint32_t last) {
    if (first >= FIRST_SURROGATE && first <= LAST_SURROGATE)
        first = LAST_SURROGATE + 1;
    if (last >= FIRST_SURROGATE && last <= LAST_SURROGATE)
        last = FIRST_SURROGATE - 1;
    if (first > last)
        return true;
    if (set->count == set->capacity) {
        size_t capacity = set->capacity * 2 + 8;
        mm_code_range *items = mm_array_realloc(set->items, capacity, sizeof(*items));
        if (!items)
            return false;
        set->items = items;
        set->capacity = capacity;
    }
    set->items[set->count++] = (mm_code_range){first, last};
    return true;
}

bool mm_code_set_add_set(mm_code_set *set, const mm_code_set *other) {
    for (size_t i = 0; i < other->count; i++)
        if (!mm_code_set_add(set, other->items[i].first, other->items[i].last))
            return false;
    return true;
}

static int compare(const void *left, const void *right) {
    const mm_code_range *a = left, *b = right;
    return a->first < b->first ? -1 : a->first > b->first;
}

static uint32_t next_code(uint32_t code) {
    return code == FIRST_SURROGATE - 1 ? LAST_SURROGATE + 1 : code + 1;
}

void mm_code_set_tidy(mm_code_set *set) {
    if (set->count == 0)
        return;
    qsort(set->items, set->count, sizeof(*set->items), compare);
    size_t kept = 0;
    for (size_t i = 1; i < set->count; i++) {
        mm_code_range *last = &set->items[kept], item = set->items[i];
        if (item.first > next_code(last->last))
            set->items[++kept] = item;
        else if (item.last > last->last)
            last->last = item.last;
    }
    set->count = kept + 1;
}

bool mm_code_set_invert(mm_code_set *set) {
    mm_code_set out = {0};
    bool ok = true;
    uint32_t from = 0;
    mm_code_set_tidy(set);
    for (size_t i = 0; i < set->count && ok; i++) {
        if (set->items[i].first > from)
            ok = mm_code_set_add(&out, from, set->items[i].first - 1);
        from = set->items[i].last + 1;
    }
    if (ok && from <= LAST_CODE)
        ok = mm_code_set_add(&out, from, LAST_CODE);
    mm_code_set_free(set);
    *set = out;
    return ok;
}

bool mm_code_set_intersect(mm_code_set *set, const mm_code_set *other) {
    mm_code_set out = {0};
    bool ok = true;
    mm_code_set_tidy(set);
    for (size_t i = 0, j = 0; i < set->count && j < other->count && ok;) {
        mm_code_range a = set->items[i], b = other->items[j];
        uint32_t first = a.first > b.first ? a.first : b.first;
        uint32_t last = a.last < b.last ? a.last : b.last;
        if (first <= last)
            ok = mm_code_set_add(&out, first, last);
        if (a.last <= b.last)
            i++;
        if (b.last <= a.last)
            j++;
    }
    mm_code_set_free(set);
    *set = out;
    return ok;
}

// The first of the tidy ranges that ends at or behind the code point.
static size_t find_range(const mm_code_set *set, uint32_t code) {
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->items[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t fold_next(uint32_t code) {
    size_t low = 0, high = mm_folds_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mm_folds[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return mm_folds[low].next;
}

bool mm_code_set_fold(mm_code_set *set) {
    mm_code_set more = {0};
    bool ok = true;
    mm_code_set_tidy(set);
    for (size_t i = 0; i < mm_folds_count && ok; i++) {
        uint32_t code = mm_folds[i].code;
        size_t range = find_range(set, code);
        if (range == set->count || set->items[range].first > code)
            continue;
        for (uint32_t other = mm_folds[i].next; other != code && ok; other = fold_next(other))
            ok = mm_code_set_add(&more, other, other);
    }
    ok = ok && mm_code_set_add_set(set, &more);
    mm_code_set_free(&more);
    mm_code_set_tidy(set);
    return ok;
}
