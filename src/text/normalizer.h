// SPDX-License-Identifier: Apache-2.0
// Normalizers: the first stage, from text to text.
//
// To add a kind: write its functions, declare them in normalizer_kinds.h, add a row to the table in
// normalizer.c.
#ifndef MM_TEXT_NORMALIZER_H
#define MM_TEXT_NORMALIZER_H

#include "text/rewrite.h"

#include "base/error.h"
#include "base/json.h"

typedef struct mm_normalizer_kind {
    const char *type; // as "type" in tokenizer.json
    // Makes the settings; NULL when there are none. *settings is released by `release`, or by
    // mm_free when that is NULL.
    mm_status (*read)(void **settings, const json_t *config, const char *where, mm_error *error);
    void (*apply)(const void *settings, mm_rewrite *rewrite);
    void (*release)(void *settings);
} mm_normalizer_kind;

typedef struct mm_normalizer {
    const mm_normalizer_kind *kind;
    void *settings;
} mm_normalizer;

typedef struct mm_normalizer_list { // Sequence, flattened
    mm_normalizer *items;
    size_t count, capacity;
} mm_normalizer_list;

// Appends what `config` (null or an object with "type") says. UNSUPPORTED names a kind not built.
mm_status mm_normalizer_read(mm_normalizer_list *list, const json_t *config, const char *where,
                             mm_error *error);
mm_status mm_normalizer_prepend_lowercase(mm_normalizer_list *list, mm_error *error);
// Runs all on the text that mm_rewrite_begin was given.
void mm_normalizer_run(const mm_normalizer_list *list, mm_rewrite *rewrite);
void mm_normalizer_list_free(mm_normalizer_list *list); // leaves an empty one

#endif
