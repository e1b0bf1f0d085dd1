// SPDX-License-Identifier: Apache-2.0
#include "text/pretokenizer.h"

#include "base/memory.h"
#include "text/pretokenizer_kinds.h"

#include <string.h>

static const mm_pretokenizer_kind kinds[] = {
    {"BertPreTokenizer", NULL, mm_bert_pretokenizer_split},
    {"WhitespaceSplit", NULL, mm_whitespace_split},
    {"Punctuation", mm_punctuation_read, mm_punctuation_split},
    {"Digits", mm_digits_read, mm_digits_split},
    {"CharDelimiterSplit", mm_delimiter_read, mm_delimiter_split},
};

enum { MAX_DEPTH = 60 };

static const mm_pretokenizer_kind *find_kind(const char *type) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].type, type) == 0)
            return &kinds[i];
    return NULL;
}

static mm_status append(mm_pretokenizer_list *list, mm_pretokenizer item, mm_error *error) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + 4;
        mm_pretokenizer *items = mm_array_realloc(list->items, capacity, sizeof(*items));
        if (!items) {
            mm_free(item.settings);
            return mm_fail_memory(error, "pre-tokenizers");
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return MM_STATUS_OK;
}

static mm_status read_item(mm_pretokenizer_list *list, const json_t *config, const char *where,
                           int depth, mm_error *error) {
    if (!config || json_is_null(config))
        return MM_STATUS_OK;
    const char *type;
    mm_status status = mm_json_get_string(&type, config, "type", NULL, where, error);
    if (status)
        return status;
    if (!type || depth > MAX_DEPTH)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: %s", where,
                       type ? "nested too deeply" : "\"type\" is missing");
    if (strcmp(type, "Sequence") == 0) {
        const json_t *items = json_object_get(config, "pretokenizers");
        if (!json_is_array(items))
            return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"pretokenizers\" must be an array",
                           where);
        for (size_t i = 0; i < json_array_size(items) && !status; i++)
            status = read_item(list, json_array_get(items, i), where, depth + 1, error);
        return status;
    }
    mm_pretokenizer item = {.kind = find_kind(type)};
    if (!item.kind)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: the pre-tokenizer \"%s\" is not supported", where, type);
    if (item.kind->read) {
        status = item.kind->read(&item.settings, config, where, error);
        if (status)
            return status;
    }
    return append(list, item, error);
}

mm_status mm_pretokenizer_read(mm_pretokenizer_list *list, const json_t *config, const char *where,
                               mm_error *error) {
    return read_item(list, config, where, 0, error);
}

bool mm_pretokenizer_run(const mm_pretokenizer_list *list, mm_encode_work *work, size_t start,
                         size_t end) {
    work->pieces.count = 0;
    if (start < end && !mm_piece_add(&work->pieces, start, end))
        return false;
    for (size_t i = 0; i < list->count; i++) {
        const mm_pretokenizer *item = &list->items[i];
        work->next_pieces.count = 0;
        for (size_t j = 0; j < work->pieces.count; j++)
            if (!item->kind->split(item->settings, work->text.text, work->pieces.items[j],
                                   &work->next_pieces))
                return false;
        mm_piece_list swap = work->pieces;
        work->pieces = work->next_pieces;
        work->next_pieces = swap;
    }
    return true;
}

void mm_pretokenizer_list_free(mm_pretokenizer_list *list) {
    for (size_t i = 0; i < list->count; i++)
        mm_free(list->items[i].settings);
    mm_free(list->items);
    *list = (mm_pretokenizer_list){0};
}
