// SPDX-License-Identifier: Apache-2.0
// The settings of a BPE model: model_bpe_read.c reads them, model_bpe.c runs them.
#ifndef MM_TEXT_MODEL_BPE_H
#define MM_TEXT_MODEL_BPE_H

#include "text/bpe_merges.h"
#include "text/token_model.h"

typedef struct mm_affix { // put to a character before it is looked up
    char *text;
    size_t length;
} mm_affix;

typedef struct mm_bpe {
    mm_merge_table merges;
    mm_affix prefix;  // of all characters of a word but the first
    mm_affix suffix;  // of the last one
    mm_affix unknown; // the unknown token; no text: there is none, unknown characters are dropped
    bool has_unknown; // the vocabulary has it
    uint32_t unknown_id;
    bool fuse_unknown;  // one token for unknown characters in a row
    bool ignore_merges; // a word that is a token is that token, whatever the merges say
    // With byte_fallback: the ids of <0x00> to <0xFF>.
    bool byte_fallback;
    bool has_byte[256];
    uint32_t byte_ids[256];
    // Words are bytes, not the letters that ByteLevel writes for them; the letters' ids.
    bool takes_bytes;
    uint32_t letter_ids[256];
    uint64_t serial; // no other model of this process has it
} mm_bpe;

// Each fills model->settings with what "merges" says, in one of its forms; MODEL_CORRUPT names the
// merge that is wrong.
mm_status mm_bpe_read_merges(mm_model *model, mm_json_part array, const char *where,
                             mm_error *error);
mm_status mm_bpe_read_merge_lines(mm_model *model, mm_json_part lines, const char *where,
                                  mm_error *error);
// As mm_model_make_bpe.
mm_status mm_bpe_make(mm_model *model, const json_t *config, mm_json_part merges, const char *where,
                      mm_error *error);

#endif
