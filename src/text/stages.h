// SPDX-License-Identifier: Apache-2.0
// Stages: what normalizers, pre-tokenizers and decoders have in common, namely how tokenizer.json
// describes them. A "Sequence" of them, however nested, comes down to one flat list.
#ifndef MM_TEXT_STAGES_H
#define MM_TEXT_STAGES_H

#include "base/error.h"
#include "base/json.h"

#include <stddef.h>

typedef struct mm_stage_kind { // first member of each stage's own kind
    const char *type;          // as "type" in tokenizer.json
    // Makes the settings; NULL when there are none. `release` gives them back, or mm_free when that
    // is NULL.
    mm_status (*read)(void **settings, const json_t *config, const char *where, mm_error *error);
    void (*release)(void *settings);
} mm_stage_kind;

typedef struct mm_stage {
    const mm_stage_kind *kind;
    void *settings;
} mm_stage;

typedef struct mm_stage_list {
    mm_stage *items;
    size_t count, capacity;
} mm_stage_list;

typedef struct mm_stage_family {
    const char *noun;                               // for messages: "normalizer"
    const char *members;                            // where a Sequence has its parts: "normalizers"
    const mm_stage_kind *(*find)(const char *type); // NULL when not known
} mm_stage_family;

// Appends what `config` (null, or an object with "type") says. UNSUPPORTED names a kind not built.
mm_status mm_stages_read(mm_stage_list *list, const mm_stage_family *family, const json_t *config,
                         const char *where, mm_error *error);
// Takes `stage` over, also when it fails.
mm_status mm_stages_append(mm_stage_list *list, mm_stage stage, mm_error *error);
void mm_stages_free(mm_stage_list *list); // leaves an empty one

// The walk below mm_stages_read: calls `visit` for each part of a Sequence, in order.
typedef mm_status (*mm_stage_visitor)(void *context, const char *type, const json_t *config,
                                      const char *where, mm_error *error);
mm_status mm_stages_visit(const json_t *config, const char *members, mm_stage_visitor visit,
                          void *context, const char *where, mm_error *error);

#endif
