// SPDX-License-Identifier: Apache-2.0
// A BPE model of the pieces of a SentencePiece file: it has scores where BPE has merges.
#include "text/sentencepiece_tokens.h"

#include "base/memory.h"
#include "text/unicode_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct merge {
    const mm_scored_token *token;
    uint32_t cut;         // bytes of the left part
    uint32_t left_length; // in characters
} merge;

typedef struct merge_list {
    merge *items;
    size_t count, capacity;
    bool plain;
} merge_list;

static bool add_merge(merge_list *list, merge one) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + 1024;
        merge *items = mm_array_realloc(list->items, capacity, sizeof(*items));
        if (!items)
            return false;
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = one;
    return true;
}

static int compare(const void *left, const void *right, void *payload) {
    const merge *a = left, *b = right;
    const merge_list *list = payload;
    if (a->token->score > b->token->score || a->token->score < b->token->score)
        return a->token->score > b->token->score ? -1 : 1;
    if (a->token != b->token && list->plain)
        return a->token < b->token ? -1 : 1;
    if (a->left_length != b->left_length)
        return (a->left_length > b->left_length) != list->plain ? -1 : 1;
    return a->token < b->token ? -1 : a->token > b->token;
}

static bool is_normal(const mm_sentencepiece_model *model, uint32_t id, bool plain) {
    return !plain || (id < model->count && model->pieces[id].type == MM_PIECE_NORMAL);
}

static bool find_merges(merge_list *list, const mm_sentencepiece_model *model,
                        const mm_scored_token *token, const mm_vocabulary *vocabulary) {
    uint32_t characters = 0, left, right;
    for (size_t cut = mm_unicode_width(*token->text); cut < token->length;
         cut += mm_unicode_width(token->text[cut])) {
        characters++;
        if (mm_vocabulary_find(vocabulary, token->text, cut, &left) &&
            mm_vocabulary_find(vocabulary, token->text + cut, token->length - cut, &right) &&
            is_normal(model, left, list->plain) && is_normal(model, right, list->plain) &&
            !add_merge(list, (merge){token, (uint32_t)cut, characters}))
            return false;
    }
    return true;
}

static bool write_string(mm_buffer *json, const char *text, size_t length) {
    bool ok = mm_buffer_putc(json, '"');
    for (size_t i = 0; i < length && ok; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte == '"' || byte == '\\') {
            char escape[8];
            snprintf(escape, sizeof(escape), "\\u%04x", byte);
            ok = mm_buffer_puts(json, escape);
        } else {
            ok = mm_buffer_putc(json, text[i]);
        }
    }
    return ok && mm_buffer_putc(json, '"');
}

static bool write_merges(mm_buffer *json, const merge_list *list) {
    bool ok = mm_buffer_putc(json, '[');
    for (size_t i = 0; i < list->count && ok; i++) {
        const merge *one = &list->items[i];
        const char *text = one->token->text;
        ok = mm_buffer_puts(json, i ? ",[" : "[") && write_string(json, text, one->cut) &&
             mm_buffer_putc(json, ',') &&
             write_string(json, text + one->cut, one->token->length - one->cut) &&
             mm_buffer_putc(json, ']');
    }
    return ok && mm_buffer_putc(json, ']');
}

static mm_status list_merges(mm_buffer *json, const mm_sentencepiece_model *model,
                             const mm_token_scores *list, const mm_vocabulary *vocabulary,
                             bool plain, mm_error *error) {
    merge_list merges = {.plain = plain};
    bool ok = true;
    for (size_t i = 0; i < list->count && ok; i++) {
        uint32_t id; // of tokens that come twice the last one counts
        const mm_scored_token *token = &list->items[i];
        if (token->length && token->length < UINT32_MAX && is_normal(model, (uint32_t)i, plain) &&
            mm_vocabulary_find(vocabulary, token->text, token->length, &id) && id == i)
            ok = find_merges(&merges, model, token, vocabulary);
    }
    if (ok && merges.count)
        qsort_r(merges.items, merges.count, sizeof(*merges.items), compare, &merges);
    ok = ok && write_merges(json, &merges);
    mm_free(merges.items);
    return ok ? MM_STATUS_OK : mm_fail_memory(error, "merges");
}

static mm_status read_bpe(mm_model *made, const mm_buffer *merges, const mm_scored_token *unknown,
                          const mm_piece_merging *how, const char *where, mm_error *error) {
    json_t *config =
        json_pack("{s:s, s:{}, s:[], s:s%, s:b, s:b, s:b}", "type", "BPE", "vocab", "merges",
                  "unk_token", unknown->text, unknown->length, "fuse_unk", 1, "byte_fallback",
                  (int)how->byte_fallback, "ignore_merges", (int)how->ignore_merges);
    if (!config)
        return mm_fail_memory(error, "BPE");
    mm_model_parts parts = {.merges = {merges->data, merges->length}};
    mm_status status = mm_model_read(made, config, &parts, where, error);
    json_decref(config);
    return status;
}

mm_status mm_sentencepiece_make_bpe(mm_model *made, const mm_sentencepiece_model *model,
                                    const mm_token_scores *tokens, size_t unknown,
                                    const mm_piece_merging *how, const char *where,
                                    mm_error *error) {
    bool ok = true;
    for (size_t i = 0; i < tokens->count && ok; i++)
        ok =
            mm_vocabulary_append(&made->vocabulary, tokens->items[i].text, tokens->items[i].length);
    if (!ok)
        return mm_fail_memory(error, "the vocabulary");
    mm_buffer merges;
    mm_buffer_init(&merges, SIZE_MAX / 2);
    mm_status status = list_merges(&merges, model, tokens, &made->vocabulary, how->plain, error);
    if (!status)
        status = read_bpe(made, &merges, &tokens->items[unknown], how, where, error);
    mm_buffer_free(&merges);
    return status;
}
