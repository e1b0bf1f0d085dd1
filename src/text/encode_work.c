// SPDX-License-Identifier: Apache-2.0
#include "text/encode_work.h"

#include "base/memory.h"
#include "text/offsets.h"

mm_encode_work *mm_encode_work_make(void) {
    mm_encode_work *work = mm_calloc(1, sizeof(*work));
    if (work)
        mm_buffer_init(&work->spelled, SIZE_MAX / 2);
    return work;
}

void mm_encode_work_free(mm_encode_work *work) {
    mm_rewrite_free(&work->normalized);
    mm_rewrite_free(&work->text);
    mm_free(work->pieces.items);
    mm_free(work->next_pieces.items);
    for (int i = 0; i < 2; i++) {
        mm_free(work->sequences[i].ids);
        mm_free(work->sequences[i].spans);
        mm_free(work->sequences[i].trims);
    }
    mm_free(work->hashes);
    mm_word_cache_free(&work->words);
    mm_symbol_list_free(&work->symbols);
    mm_buffer_free(&work->spelled);
    mm_free(work->lattice);
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

bool mm_token_note_blanks(mm_encode_work *work, const char *text, size_t length) {
    mm_token_list *tokens = work->tokens;
    mm_token_trim trim = {.token = tokens->count - 1};
    mm_blanks(text, length, &trim.leading, &trim.trailing);
    if (trim.leading == 0 && trim.trailing == 0)
        return true;
    if (tokens->trims_count == tokens->trims_capacity) {
        size_t capacity = tokens->trims_capacity * 2 + 8;
        mm_token_trim *trims = mm_array_realloc(tokens->trims, capacity, sizeof(*trims));
        if (!trims)
            return false;
        tokens->trims = trims;
        tokens->trims_capacity = capacity;
    }
    tokens->trims[tokens->trims_count++] = trim;
    return true;
}
