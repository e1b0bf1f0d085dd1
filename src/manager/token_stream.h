// SPDX-License-Identifier: Apache-2.0
// The texts of a generation job as they grow, token by token. What the pieces of a text give
// together is the text that the Result has.
#ifndef MM_MANAGER_TOKEN_STREAM_H
#define MM_MANAGER_TOKEN_STREAM_H

#include "tasks/generation_settings.h"
#include "text/tokenizer.h"

typedef struct mm_token_stream mm_token_stream;

// Borrows the tokenizer and the stop texts. One thread uses a stream at a time.
mm_status mm_token_stream_create(mm_token_stream **out, const mm_tokenizer *tokenizer,
                                 const mm_text_list *stop, int32_t start_token, size_t sequences,
                                 mm_error *error);
void mm_token_stream_free(mm_token_stream *stream); // accepts NULL
// *text (borrowed until the next call) is what has become certain with the token.
mm_status mm_token_stream_push(mm_token_stream *stream, size_t sequence, int32_t id,
                               const char **text, size_t *length, mm_error *error);
// Moves *text and *length from the whole text, as the Result has it, to what was not handed out.
void mm_token_stream_finish(const mm_token_stream *stream, size_t sequence, const char **text,
                            size_t *length);

#endif
