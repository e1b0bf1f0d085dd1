// SPDX-License-Identifier: Apache-2.0
// The small files beside a tokenizer, and tokenizers made of files older than tokenizer.json.
#ifndef MM_TEXT_TOKENIZER_FILES_H
#define MM_TEXT_TOKENIZER_FILES_H

#include "text/languages.h"
#include "text/tokenizer_classes.h"
#include "text/tokenizer_parts.h"

typedef struct mm_tokenizer_settings { // each NULL when there is no such file
    json_t *config;                    // tokenizer_config.json
    json_t *special_map;               // special_tokens_map.json
    json_t *added;                     // added_tokens.json
} mm_tokenizer_settings;

// What the files say of a special token: a string, an object with "content", or NULL.
const json_t *mm_tokenizer_special(const mm_tokenizer_settings *settings, const char *name);
// The same as a text, or `fallback`.
const char *mm_tokenizer_special_text(const mm_tokenizer_settings *settings, const char *name,
                                      const char *fallback);
// Adds a token given as a string or as an object with flags, when it is not there yet.
mm_status mm_tokenizer_add(mm_tokenizer *tokenizer, const json_t *value, bool special,
                           mm_error *error);
// Adds the tokens that the files name.
mm_status mm_tokenizer_add_configured(mm_tokenizer *tokenizer,
                                      const mm_tokenizer_settings *settings, mm_error *error);
// Adds the special tokens that the class knows (an mm_special_set or NULL) and the files do not
// name; with `mask_lstrip` its mask takes the white space before it.
mm_status mm_tokenizer_add_defaults(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                                    const char *const *specials, bool mask_lstrip, mm_error *error);

typedef struct mm_class_traits {    // what a tokenizer class has in code
    const mm_template_forms *forms; // NULL: add_bos_token and add_eos_token decide
    bool adds_bos;                  // what the first of them is when nothing is said
    const char *const *specials;    // an mm_special_set, or NULL
    const mm_languages *languages;  // when the forms have "src_lang"
} mm_class_traits;

// Makes the post-processor. MODEL_CORRUPT when a token that it needs is not there.
mm_status mm_tokenizer_surround(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                                const mm_class_traits *traits, mm_error *error);
// Fills a zeroed tokenizer from the bytes of vocab.txt, as BERT's family has it.
mm_status mm_tokenizer_read_vocabulary(mm_tokenizer *tokenizer, const char *text, size_t length,
                                       const mm_tokenizer_settings *settings, const char *where,
                                       mm_error *error);

typedef struct mm_merge_files {
    mm_json_part vocabulary, merges; // the bytes of vocab.json and merges.txt
    const char *vocabulary_path, *merges_path;
    const char *model_type; // of config.json, or NULL
} mm_merge_files;

// Fills a zeroed tokenizer from vocab.json and merges.txt, as the byte-level BPE families have
// them.
mm_status mm_tokenizer_read_merges(mm_tokenizer *tokenizer, const mm_merge_files *files,
                                   const mm_tokenizer_settings *settings, mm_error *error);

typedef struct mm_numbered_files {
    mm_json_part vocabulary, pieces; // the bytes of vocab.json and of a SentencePiece file
    const char *vocabulary_path, *pieces_path;
    const char *model_type; // of config.json, or NULL
} mm_numbered_files;

// Fills a zeroed tokenizer from a SentencePiece file that cuts and a vocab.json that numbers.
mm_status mm_tokenizer_read_numbered(mm_tokenizer *tokenizer, const mm_numbered_files *files,
                                     const mm_tokenizer_settings *settings, mm_error *error);

// Fills a zeroed tokenizer from the bytes of a SentencePiece file. `model_type` is that of
// config.json, or NULL.
mm_status mm_tokenizer_read_sentencepiece(mm_tokenizer *tokenizer, const char *bytes, size_t length,
                                          const mm_tokenizer_settings *settings,
                                          const char *model_type, const char *where,
                                          mm_error *error);

#endif
