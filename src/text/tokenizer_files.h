// SPDX-License-Identifier: Apache-2.0
// The small files beside a tokenizer, and tokenizers made of files older than tokenizer.json.
#ifndef MM_TEXT_TOKENIZER_FILES_H
#define MM_TEXT_TOKENIZER_FILES_H

#include "text/tokenizer_parts.h"

typedef struct mm_tokenizer_settings { // each NULL when there is no such file
    json_t *config;                    // tokenizer_config.json
    json_t *special_map;               // special_tokens_map.json
    json_t *added;                     // added_tokens.json
} mm_tokenizer_settings;

enum { MM_SPECIAL_NAMES = 7 };
extern const char *const mm_special_names[MM_SPECIAL_NAMES]; // "bos_token" and so on

// What the files say of a special token: a string, an object with "content", or NULL.
const json_t *mm_tokenizer_special(const mm_tokenizer_settings *settings, const char *name);
// Adds a token given as a string or as an object with flags, when it is not there yet.
mm_status mm_tokenizer_add(mm_tokenizer *tokenizer, const json_t *value, bool special,
                           mm_error *error);
// Adds the tokens that the files name.
mm_status mm_tokenizer_add_configured(mm_tokenizer *tokenizer,
                                      const mm_tokenizer_settings *settings, mm_error *error);
// Fills a zeroed tokenizer from the bytes of vocab.txt, as BERT's family has it.
mm_status mm_tokenizer_read_vocabulary(mm_tokenizer *tokenizer, const char *text, size_t length,
                                       const mm_tokenizer_settings *settings, const char *where,
                                       mm_error *error);

#endif
