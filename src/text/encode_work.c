// SPDX-License-Identifier: Apache-2.0
#include "text/encode_work.h"

#include "base/memory.h"

void mm_encode_work_free(mm_encode_work *work) {
    mm_rewrite_free(&work->text);
    mm_free(work->pieces.items);
    mm_free(work->next_pieces.items);
    for (int i = 0; i < 2; i++) {
        mm_free(work->sequences[i].ids);
        mm_free(work->sequences[i].spans);
    }
    mm_free(work->hashes);
    mm_free(work->points);
    *work = (mm_encode_work){0};
}

bool mm_piece_add(mm_piece_list *list, size_t start, size_t end) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + 64;
        mm_span *items = mm_array_realloc(list->items, capacity, sizeof(*items));
        if (!items)
            return false;
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = (mm_span){(uint32_t)start, (uint32_t)end};
    return true;
}

// Room for `extra` more ids, and as many spans when offsets are wanted.
bool mm_token_reserve(mm_encode_work *work, size_t extra) {
    mm_token_list *tokens = work->tokens;
    size_t need = tokens->count + extra;
    if (need > tokens->capacity) {
        size_t capacity = need + need / 2 + 64;
        uint32_t *ids = mm_array_realloc(tokens->ids, capacity, sizeof(*ids));
        if (!ids)
            return false;
        tokens->ids = ids;
        tokens->capacity = capacity;
    }
    if (work->want_offsets && tokens->spans_capacity < tokens->capacity) {
        mm_span *spans = mm_array_realloc(tokens->spans, tokens->capacity, sizeof(*spans));
        if (!spans)
            return false;
        tokens->spans = spans;
        tokens->spans_capacity = tokens->capacity;
    }
    return true;
}
