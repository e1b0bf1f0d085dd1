// SPDX-License-Identifier: Apache-2.0
#include "text/pretokenizer.h"

#include "text/pretokenizer_kinds.h"

#include <string.h>

static const mm_pretokenizer_kind kinds[] = {
    {{"BertPreTokenizer", NULL, NULL}, mm_bert_pretokenizer_split, NULL, NULL},
    {{"WhitespaceSplit", NULL, NULL}, mm_whitespace_split, NULL, NULL},
    {{"Punctuation", mm_punctuation_read, NULL}, mm_punctuation_split, NULL, NULL},
    {{"Digits", mm_digits_read, NULL}, mm_digits_split, NULL, NULL},
    {{"CharDelimiterSplit", mm_delimiter_read, NULL}, mm_delimiter_split, NULL, NULL},
    {{"Split", mm_split_read, mm_split_release}, NULL, mm_split_rewrite, NULL},
    {{"Whitespace", NULL, NULL}, mm_whitespace_words_split, NULL, NULL},
    {{"UnicodeScripts", NULL, NULL}, mm_scripts_split, NULL, NULL},
    {{"FixedLength", mm_fixed_length_read, NULL}, mm_fixed_length_split, NULL, NULL},
    {{"ByteLevel", mm_byte_level_read, NULL}, NULL, mm_byte_level_rewrite, NULL},
    {{"Metaspace", mm_metaspace_pretokenizer_read, NULL},
     NULL,
     mm_metaspace_rewrite,
     mm_metaspace_wants_origins},
};

static const mm_stage_kind *find_kind(const char *type) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].stage.type, type) == 0)
            return &kinds[i].stage;
    return NULL;
}

static const mm_stage_family family = {"pre-tokenizer", "pretokenizers", find_kind};

mm_status mm_pretokenizer_read(mm_stage_list *list, const json_t *config, const char *where,
                               mm_error *error) {
    return mm_stages_read(list, &family, config, where, error);
}

bool mm_pretokenizer_wants_origins(const mm_stage_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        const mm_pretokenizer_kind *kind = (const mm_pretokenizer_kind *)list->items[i].kind;
        if (kind->wants_origins && kind->wants_origins(list->items[i].settings))
            return true;
    }
    return false;
}

static bool run_stage(const mm_stage *stage, mm_encode_work *work) {
    const mm_pretokenizer_kind *kind = (const mm_pretokenizer_kind *)stage->kind;
    if (kind->rewrite)
        return kind->rewrite(stage->settings, work);
    for (size_t i = 0; i < work->pieces.count; i++)
        if (!kind->split(stage->settings, work->text.text, work->pieces.items[i],
                         &work->next_pieces))
            return false;
    return true;
}

bool mm_pretokenizer_run(const mm_stage_list *list, mm_encode_work *work) {
    work->pieces.count = 0;
    if (work->text.length > 0 && !mm_piece_add(&work->pieces, 0, work->text.length))
        return false;
    for (size_t i = 0; i < list->count; i++) {
        work->next_pieces.count = 0;
        if (!run_stage(&list->items[i], work))
            return false;
        mm_piece_list swap = work->pieces;
        work->pieces = work->next_pieces;
        work->next_pieces = swap;
    }
    return true;
}

static mm_stage *last_byte_level(const mm_stage_list *list) {
    mm_stage *last = list->count ? &list->items[list->count - 1] : NULL;
    return last && last->kind == find_kind("ByteLevel") ? last : NULL;
}

bool mm_pretokenizer_ends_in_letters(const mm_stage_list *list) {
    return last_byte_level(list) != NULL;
}

void mm_pretokenizer_leave_bytes(mm_stage_list *list) {
    mm_byte_level_leave_bytes(last_byte_level(list)->settings);
}
