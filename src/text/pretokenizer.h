// SPDX-License-Identifier: Apache-2.0
// Pre-tokenizers: the second stage, which cuts the normalized text into pieces.
//
// To add a kind: write its functions, declare them in pretokenizer_kinds.h, add a row to the table
// in pretokenizer.c.
#ifndef MM_TEXT_PRETOKENIZER_H
#define MM_TEXT_PRETOKENIZER_H

#include "text/encode_work.h"
#include "text/stages.h"

typedef struct mm_pretokenizer_kind {
    mm_stage_kind stage;
    // A kind has one of the two. Both return false when they fail: for want of memory, or as
    // work->text.failure says.
    // Appends the parts of one piece of `text` to `out`, none of them empty.
    bool (*split)(const void *settings, const char *text, mm_span piece, mm_piece_list *out);
    // For kinds that change the text too, or need what is in `work`: rewrites all of work->text and
    // fills work->next_pieces with what becomes of work->pieces. The text between two pieces is
    // dropped.
    bool (*rewrite)(const void *settings, mm_encode_work *work);
    // Whether it must know which piece begins the original text; NULL: it need not.
    bool (*wants_origins)(const void *settings);
} mm_pretokenizer_kind;

// Appends what `config` (null or an object with "type") says. UNSUPPORTED names a kind not built.
mm_status mm_pretokenizer_read(mm_stage_list *list, const json_t *config, const char *where,
                               mm_error *error);
// Whether texts that begin the original need origins for one of the stages.
bool mm_pretokenizer_wants_origins(const mm_stage_list *list);
// Cuts work->text into work->pieces.
bool mm_pretokenizer_run(const mm_stage_list *list, mm_encode_work *work);
// Whether the last one is ByteLevel, which writes letters for bytes; and the order to it to leave
// the bytes as they are, for a model that takes them.
bool mm_pretokenizer_ends_in_letters(const mm_stage_list *list);
void mm_pretokenizer_leave_bytes(mm_stage_list *list);

#endif
