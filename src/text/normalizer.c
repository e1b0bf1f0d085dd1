// SPDX-License-Identifier: Apache-2.0
#include "text/normalizer.h"

#include "base/memory.h"
#include "text/normalizer_kinds.h"

#include <string.h>

static const mm_normalizer_kind kinds[] = {
    {"BertNormalizer", mm_bert_normalizer_read, mm_bert_normalizer_apply, NULL},
    {"Lowercase", NULL, mm_lowercase_apply, NULL},
    {"NFC", NULL, mm_nfc_apply, NULL},
    {"NFD", NULL, mm_nfd_apply, NULL},
    {"NFKC", NULL, mm_nfkc_apply, NULL},
    {"NFKD", NULL, mm_nfkd_apply, NULL},
    {"StripAccents", NULL, mm_strip_accents_apply, NULL},
    {"Strip", mm_strip_read, mm_strip_apply, NULL},
    {"Replace", mm_replace_read, mm_replace_apply, NULL},
    {"Prepend", mm_prepend_read, mm_prepend_apply, NULL},
};

enum { MAX_DEPTH = 60 }; // of Sequences in Sequences, as the reference library's JSON reader has it

static const mm_normalizer_kind *find_kind(const char *type) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].type, type) == 0)
            return &kinds[i];
    return NULL;
}

static void release(mm_normalizer *item) {
    if (item->kind->release)
        item->kind->release(item->settings);
    else
        mm_free(item->settings);
}

static mm_status append(mm_normalizer_list *list, mm_normalizer item, mm_error *error) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + 4;
        mm_normalizer *items = mm_array_realloc(list->items, capacity, sizeof(*items));
        if (!items) {
            release(&item);
            return mm_fail_memory(error, "normalizers");
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return MM_STATUS_OK;
}

static mm_status read_item(mm_normalizer_list *list, const json_t *config, const char *where,
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
        const json_t *items = json_object_get(config, "normalizers");
        if (!json_is_array(items))
            return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"normalizers\" must be an array",
                           where);
        for (size_t i = 0; i < json_array_size(items) && !status; i++)
            status = read_item(list, json_array_get(items, i), where, depth + 1, error);
        return status;
    }
    mm_normalizer item = {.kind = find_kind(type)};
    if (!item.kind)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: the normalizer \"%s\" is not supported", where, type);
    if (item.kind->read) {
        status = item.kind->read(&item.settings, config, where, error);
        if (status)
            return status;
    }
    return append(list, item, error);
}

mm_status mm_normalizer_read(mm_normalizer_list *list, const json_t *config, const char *where,
                             mm_error *error) {
    return read_item(list, config, where, 0, error);
}

mm_status mm_normalizer_prepend_lowercase(mm_normalizer_list *list, mm_error *error) {
    mm_normalizer lowercase = {.kind = find_kind("Lowercase")};
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].kind == lowercase.kind) // as sentence-transformers: once is enough
            return MM_STATUS_OK;
    }
    mm_status status = append(list, lowercase, error);
    if (status)
        return status;
    memmove(list->items + 1, list->items, (list->count - 1) * sizeof(*list->items));
    list->items[0] = lowercase;
    return MM_STATUS_OK;
}

void mm_normalizer_run(const mm_normalizer_list *list, mm_rewrite *rewrite) {
    for (size_t i = 0; i < list->count && !rewrite->failed; i++)
        list->items[i].kind->apply(list->items[i].settings, rewrite);
}

void mm_normalizer_list_free(mm_normalizer_list *list) {
    for (size_t i = 0; i < list->count; i++)
        release(&list->items[i]);
    mm_free(list->items);
    *list = (mm_normalizer_list){0};
}
