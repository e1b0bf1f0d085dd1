// SPDX-License-Identifier: Apache-2.0
// Decoding id by id, as generation gives them: what comes out, put together, is what decoding all
// ids at once gives.
//
// Only what later ids cannot change is handed out, so always whole characters. Each id costs about
// its own length, however long the sequence is. A decoder whose parts no one could run that way
// (CTC, or a Replace behind a Fuse) gives all of its text at the end.
#ifndef MM_TEXT_STREAM_DECODER_H
#define MM_TEXT_STREAM_DECODER_H

#include "text/tokenizer.h"

typedef struct mm_stream_decoder mm_stream_decoder;

// Borrows the tokenizer. One thread uses a decoder at a time.
mm_status mm_stream_decoder_create(mm_stream_decoder **out, const mm_tokenizer *tokenizer,
                                   bool skip_special_tokens, mm_error *error);
// Before the first push: also cleans up the text as mm_clean_up_text does.
void mm_stream_decoder_clean_up(mm_stream_decoder *decoder);
void mm_stream_decoder_free(mm_stream_decoder *decoder); // accepts NULL
// *text (borrowed until the next call, *length may be 0) is what has become final. After a failure
// the decoder is good for nothing but finish, whose text is then to be thrown away, and free.
mm_status mm_stream_decoder_push(mm_stream_decoder *decoder, int32_t id, const char **text,
                                 size_t *length, mm_error *error);
// The rest. Afterwards the decoder is as new.
mm_status mm_stream_decoder_finish(mm_stream_decoder *decoder, const char **text, size_t *length,
                                   mm_error *error);

#endif
