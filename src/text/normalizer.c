// SPDX-License-Identifier: Apache-2.0
#include "text/normalizer.h"

#include "text/normalizer_kinds.h"
#include "text/text_pattern.h"

#include <string.h>

static const mm_normalizer_kind kinds[] = {
    {{"BertNormalizer", mm_bert_normalizer_read, NULL}, mm_bert_normalizer_apply},
    {{"Lowercase", NULL, NULL}, mm_lowercase_apply},
    {{"NFC", NULL, NULL}, mm_nfc_apply},
    {{"NFD", NULL, NULL}, mm_nfd_apply},
    {{"NFKC", NULL, NULL}, mm_nfkc_apply},
    {{"NFKD", NULL, NULL}, mm_nfkd_apply},
    {{"StripAccents", NULL, NULL}, mm_strip_accents_apply},
    {{"Strip", mm_strip_read, NULL}, mm_strip_apply},
    {{"Replace", mm_text_replacement_read, mm_text_replacement_free}, mm_replace_apply},
    {{"Nmt", NULL, NULL}, mm_nmt_apply},
    {{"Prepend", mm_prepend_read, NULL}, mm_prepend_apply},
    {{"ByteLevel", NULL, NULL}, mm_byte_level_normalize},
    {{"Precompiled", mm_precompiled_read, mm_precompiled_release}, mm_precompiled_apply},
};

static const mm_stage_kind *find_kind(const char *type) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].stage.type, type) == 0)
            return &kinds[i].stage;
    return NULL;
}

static const mm_stage_family family = {"normalizer", "normalizers", find_kind};

mm_status mm_normalizer_read(mm_stage_list *list, const json_t *config, const char *where,
                             mm_error *error) {
    return mm_stages_read(list, &family, config, where, error);
}

mm_status mm_normalizer_prepend_lowercase(mm_stage_list *list, mm_error *error) {
    mm_stage lowercase = {.kind = find_kind("Lowercase")};
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].kind == lowercase.kind) // as sentence-transformers: once is enough
            return MM_STATUS_OK;
    }
    mm_status status = mm_stages_append(list, lowercase, error);
    if (status)
        return status;
    memmove(list->items + 1, list->items, (list->count - 1) * sizeof(*list->items));
    list->items[0] = lowercase;
    return MM_STATUS_OK;
}

void mm_normalizer_run(const mm_stage_list *list, mm_rewrite *rewrite) {
    for (size_t i = 0; i < list->count && !rewrite->failed; i++) {
        const mm_normalizer_kind *kind = (const mm_normalizer_kind *)list->items[i].kind;
        kind->apply(list->items[i].settings, rewrite);
    }
}
