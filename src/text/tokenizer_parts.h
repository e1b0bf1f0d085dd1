// SPDX-License-Identifier: Apache-2.0
// What a tokenizer is made of, for the files that build one and the one that runs it.
#ifndef MM_TEXT_TOKENIZER_PARTS_H
#define MM_TEXT_TOKENIZER_PARTS_H

#include "text/added_tokens.h"
#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/postprocessor.h"
#include "text/pretokenizer.h"
#include "text/token_model.h"
#include "text/tokenizer.h"

struct mm_tokenizer { // in the order a text goes through
    mm_added_tokens added;
    mm_stage_list normalizers;
    mm_stage_list pretokenizers;
    mm_model model;
    mm_postprocessor postprocessor;
    mm_decoder_list decoders;
    bool codes_first;    // a text may begin with a language's code (Marian)
    bool unknown_beyond; // ids beyond the vocabulary are the unknown token (M2M100)
    size_t model_max_length;
    bool cleans_up;           // so says tokenizer_config.json, and it isn't lost on this model
    mm_truncation truncation; // as the file stores it, if it does
    bool truncates;
    mm_padding padding; // the same; the token is NULL when the file stores none
    char *pad_token;    // which padding.token points to
};

// A zeroed tokenizer; free with mm_tokenizer_free at any stage of building.
mm_status mm_tokenizer_make(mm_tokenizer **out, mm_error *error);
// Fills a zeroed one from the bytes of tokenizer.json. The caller finishes it.
mm_status mm_tokenizer_read_json(mm_tokenizer *tokenizer, const char *json, size_t length,
                                 const char *where, mm_error *error);
// After everything has been read: makes the stages fit each other, and the added tokens searchable.
mm_status mm_tokenizer_finish(mm_tokenizer *tokenizer, mm_error *error);
// Reads the flags of one added token; `content` stays NULL when the object has none.
mm_status mm_tokenizer_read_added(mm_added_token *token, const json_t *config, const char *where,
                                  mm_error *error);

// What decoding starts from; NULL when the id is none, or is left out.
const char *mm_tokenizer_shown(const mm_tokenizer *tokenizer, int32_t id, bool skip_special_tokens,
                               size_t *length);
// Keeps the "truncation" and "padding" of tokenizer.json.
mm_status mm_tokenizer_read_stored(mm_tokenizer *tokenizer, const json_t *root, const char *where,
                                   mm_error *error);

#endif
