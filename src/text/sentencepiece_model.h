// SPDX-License-Identifier: Apache-2.0
// Reads SentencePiece files (spiece.model, tokenizer.model, sentencepiece.bpe.model, source.spm).
//
// They are protocol buffers: fields of a number and a wire type, of which we read those that a
// tokenizer needs and step over the rest. Every length is checked.
#ifndef MM_TEXT_SENTENCEPIECE_MODEL_H
#define MM_TEXT_SENTENCEPIECE_MODEL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum mm_sentencepiece_type { // as in the file
    MM_PIECE_NORMAL = 1,
    MM_PIECE_UNKNOWN,
    MM_PIECE_CONTROL,
    MM_PIECE_USER_DEFINED,
    MM_PIECE_UNUSED,
    MM_PIECE_BYTE,
} mm_sentencepiece_type;

typedef enum mm_sentencepiece_kind { // as in the file
    MM_SENTENCEPIECE_UNIGRAM = 1,
    MM_SENTENCEPIECE_BPE,
    MM_SENTENCEPIECE_WORD,
    MM_SENTENCEPIECE_CHAR,
} mm_sentencepiece_kind;

typedef struct mm_sentencepiece { // a piece; its text is UTF-8
    const char *text;             // borrowed from the bytes read, not NUL-terminated
    size_t length;
    float score; // finite
    int64_t type;
} mm_sentencepiece;

typedef struct mm_bytes { // borrowed
    const char *start;    // NULL when the file has none
    size_t length;
} mm_bytes;

typedef struct mm_sentencepiece_model {
    mm_sentencepiece *pieces;
    size_t count, capacity;
    int64_t kind; // mm_sentencepiece_kind
    bool byte_fallback;
    int64_t unk_id, bos_id, eos_id, pad_id; // as the file says; -1 = none
    mm_bytes unk_piece, bos_piece, eos_piece;
    mm_bytes charsmap;
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
} mm_sentencepiece_model;

// `bytes` must outlive the model. MODEL_CORRUPT when they are no such file, or have no piece.
mm_status mm_sentencepiece_read(mm_sentencepiece_model *model, const char *bytes, size_t length,
                                const char *where, mm_error *error);
void mm_sentencepiece_free(mm_sentencepiece_model *model);

#endif
