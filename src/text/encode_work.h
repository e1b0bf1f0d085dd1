// SPDX-License-Identifier: Apache-2.0
// What one call of encode works with; lives in mm_encoding.scratch and is reused.
#ifndef MM_TEXT_ENCODE_WORK_H
#define MM_TEXT_ENCODE_WORK_H

#include "text/bpe_merges.h"
#include "text/rewrite.h"
#include "text/word_cache.h"

#include "base/buffer.h"
#include "base/error.h"

typedef struct mm_piece_list { // parts of the present text
    mm_span *items;
    size_t count, capacity;
} mm_piece_list;

typedef struct mm_token_trim { // blanks in an added token's text, some of them swallowed
    size_t token;              // index in the list
    size_t leading, trailing;  // code points
} mm_token_trim;

typedef struct mm_token_list {
    uint32_t *ids;
    mm_span *spans; // bytes of the original; NULL unless offsets are wanted
    size_t count, capacity, spans_capacity;
    mm_token_trim *trims; // of added tokens with blanks, when offsets are wanted
    size_t trims_count, trims_capacity;
} mm_token_list;

typedef struct mm_lattice_cell { // the best way to a place in a piece
    union {
        double score;  // of all tokens up to here
        uint32_t next; // once the way is known: where the token that begins here ends
    };
    uint32_t start; // of its last token
    uint32_t id;    // of its last token
} mm_lattice_cell;

typedef struct mm_encode_work {
    mm_rewrite normalized; // what the normalizers made of a part of the original
    mm_rewrite text;       // a part of that, as the pre-tokenizers leave it
    mm_piece_list pieces, next_pieces;
    mm_token_list sequences[2]; // text and pair
    mm_token_list *tokens;      // the one being filled
    uint64_t *hashes;           // scratch of the model
    size_t hashes_capacity;
    mm_lattice_cell *lattice; // the same
    size_t lattice_capacity;
    mm_word_cache words;
    mm_symbol_list symbols; // of the word being merged
    mm_buffer spelled;      // a token as the vocabulary spells it
    uint32_t *points;       // code point number of each byte of the original
    size_t points_capacity;
    bool want_offsets;
} mm_encode_work;

mm_encode_work *mm_encode_work_make(void);      // NULL when out of memory; mm_free the struct
void mm_encode_work_free(mm_encode_work *work); // frees the members, not the struct
// False when out of memory.
bool mm_piece_add(mm_piece_list *list, size_t start, size_t end);
bool mm_token_reserve(mm_encode_work *work, size_t extra);
// Remembers the blanks around the token added last, whose text is given.
bool mm_token_note_blanks(mm_encode_work *work, const char *text, size_t length);
// `span` is in the original; not looked at unless offsets are wanted.
static inline bool mm_token_add_span(mm_encode_work *work, uint32_t id, mm_span span) {
    mm_token_list *tokens = work->tokens;
    if (tokens->count == tokens->capacity && !mm_token_reserve(work, 1))
        return false;
    tokens->ids[tokens->count] = id;
    if (work->want_offsets)
        tokens->spans[tokens->count] = span;
    tokens->count++;
    return true;
}
// `start` and `end` are bytes of work->text.
static inline bool mm_token_add(mm_encode_work *work, uint32_t id, size_t start, size_t end) {
    return mm_token_add_span(work, id, mm_rewrite_span(&work->text, start, end));
}

#endif
