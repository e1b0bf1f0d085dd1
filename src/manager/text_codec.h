// SPDX-License-Identifier: Apache-2.0
// The parts of the text codec: members of a JSON object to options, encodings to JSON.
#ifndef MM_MANAGER_TEXT_CODEC_H
#define MM_MANAGER_TEXT_CODEC_H

#include "base/buffer.h"
#include "base/json.h"
#include "text/tokenizer.h"

// INVALID_PARAMETER: "name" must be `what`.
mm_status mm_codec_wrong(const char *name, const char *what, mm_error *error);
// INVALID_PARAMETER when the object has a member that is not among `names` (blanks between).
mm_status mm_codec_check_names(const json_t *object, const char *names, mm_error *error);
mm_status mm_codec_get_flag(bool *out, const json_t *object, const char *name, bool fallback,
                            mm_error *error);

typedef struct mm_codec_options { // how to encode
    mm_encode_options encode;
    bool pads;
    mm_padding padding; // its token is borrowed from the object or the tokenizer
} mm_codec_options;

// From "add_special_tokens", "truncation" and "padding".
mm_status mm_codec_read_options(mm_codec_options *out, const mm_tokenizer *tokenizer,
                                const json_t *object, mm_error *error);

// Append the answer to an object with "text", and to one with "texts".
mm_status mm_codec_encode(mm_buffer *out, const mm_tokenizer *tokenizer, const json_t *object,
                          mm_error *error);
mm_status mm_codec_encode_batch(mm_buffer *out, const mm_tokenizer *tokenizer, const json_t *object,
                                mm_error *error);

#endif
