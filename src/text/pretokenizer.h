// SPDX-License-Identifier: Apache-2.0
// Pre-tokenizers: the second stage, which cuts the normalized text into pieces.
//
// To add a kind: write its functions and add a row to the table in pretokenizer.c. Kinds that also
// change the text (Metaspace, ByteLevel) will get a slot of their own here.
#ifndef MM_TEXT_PRETOKENIZER_H
#define MM_TEXT_PRETOKENIZER_H

#include "text/encode_work.h"

#include "base/json.h"

typedef struct mm_pretokenizer_kind {
    const char *type;
    // Makes the settings; NULL when there are none. mm_free releases them.
    mm_status (*read)(void **settings, const json_t *config, const char *where, mm_error *error);
    // Appends the parts of one piece of `text` to `out`, none of them empty; false when out of
    // memory.
    bool (*split)(const void *settings, const char *text, mm_span piece, mm_piece_list *out);
} mm_pretokenizer_kind;

typedef struct mm_pretokenizer {
    const mm_pretokenizer_kind *kind;
    void *settings;
} mm_pretokenizer;

typedef struct mm_pretokenizer_list { // Sequence, flattened
    mm_pretokenizer *items;
    size_t count, capacity;
} mm_pretokenizer_list;

// Appends what `config` (null or an object with "type") says. UNSUPPORTED names a kind not built.
mm_status mm_pretokenizer_read(mm_pretokenizer_list *list, const json_t *config, const char *where,
                               mm_error *error);
// Cuts a part of work->text into work->pieces.
bool mm_pretokenizer_run(const mm_pretokenizer_list *list, mm_encode_work *work, size_t start,
                         size_t end);
void mm_pretokenizer_list_free(mm_pretokenizer_list *list);

#endif
