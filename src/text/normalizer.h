// SPDX-License-Identifier: Apache-2.0
// Normalizers: the first stage, from text to text.
//
// To add a kind: write its functions, declare them in normalizer_kinds.h, add a row to the table in
// normalizer.c.
#ifndef MM_TEXT_NORMALIZER_H
#define MM_TEXT_NORMALIZER_H

#include "text/rewrite.h"
#include "text/stages.h"

typedef struct mm_normalizer_kind {
    mm_stage_kind stage;
    void (*apply)(const void *settings, mm_rewrite *rewrite);
} mm_normalizer_kind;

// Appends what `config` (null or an object with "type") says. UNSUPPORTED names a kind not built.
mm_status mm_normalizer_read(mm_stage_list *list, const json_t *config, const char *where,
                             mm_error *error);
mm_status mm_normalizer_prepend_lowercase(mm_stage_list *list, mm_error *error);
// Runs all on the text that mm_rewrite_begin was given.
void mm_normalizer_run(const mm_stage_list *list, mm_rewrite *rewrite);

#endif
