// SPDX-License-Identifier: Apache-2.0
// Offsets of tokens: from bytes to code points, and without the blanks around them.
#ifndef MM_TEXT_OFFSETS_H
#define MM_TEXT_OFFSETS_H

#include "text/tokenizer_parts.h"

// Turns the spans of a sequence from bytes of its text into code points.
mm_status mm_offsets_count_points(mm_encode_work *work, mm_token_list *tokens, const char *text,
                                  size_t length, mm_error *error);
// What RobertaProcessing and ByteLevel do with trim_offsets to the offsets (two a token) of the
// `count` tokens from `start` on. `behind`: as in the part of the template that they stand for.
void mm_offsets_trim(const mm_tokenizer *tokenizer, const mm_token_list *tokens, size_t start,
                     size_t count, uint32_t behind, size_t *offsets);
// Blanks at the two ends of a token's text, as code points; a text of blanks only has all of them
// at both ends.
void mm_blanks(const char *text, size_t length, size_t *leading, size_t *trailing);

#endif
