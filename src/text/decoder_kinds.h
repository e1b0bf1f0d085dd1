// SPDX-License-Identifier: Apache-2.0
// The functions of the kinds of decoders that have a file of their own, for the table in
// decoder_kinds.c.
#ifndef MM_TEXT_DECODER_KINDS_H
#define MM_TEXT_DECODER_KINDS_H

#include "text/added_tokens.h"
#include "text/decoder.h"

mm_status mm_metaspace_decoder_read(void **settings, const json_t *config, const char *where,
                                    mm_error *error);
bool mm_metaspace_decode(const void *settings, const mm_decode_texts *in, mm_decode_texts *out);

typedef struct mm_pieces_decoder { // what it borrows must outlive it
    const mm_added_tokens *added;  // special ones end a part of the text
    const mm_vocabulary *pieces;   // those that the SentencePiece file has
    bool spaced;                   // a blank behind each special token, and blanks shown everywhere
} mm_pieces_decoder;

mm_status mm_decoder_add_pieces(mm_decoder_list *list, const mm_pieces_decoder *settings,
                                mm_error *error);

#endif
