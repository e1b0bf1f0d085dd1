// SPDX-License-Identifier: Apache-2.0
// The last step of encoding: truncated sequences and special tokens to one encoding, as the
// post-processor's template has it.
#ifndef MM_TEXT_ASSEMBLE_H
#define MM_TEXT_ASSEMBLE_H

#include "text/tokenizer_parts.h"

// Fills `out` from work->sequences, whose spans count code points when offsets are wanted.
mm_status mm_assemble(const mm_tokenizer *tokenizer, const mm_encode_work *work, mm_encoding *out,
                      bool has_pair, const mm_encode_options *options, mm_error *error);

#endif
