// SPDX-License-Identifier: Apache-2.0
// Tokenizers: text to token ids and back, as huggingface/tokenizers does it.
//
// A tokenizer is immutable once opened; any number of threads may encode with it at the same time.
// An mm_encoding belongs to one thread and is reused from call to call.
#ifndef MM_TEXT_TOKENIZER_H
#define MM_TEXT_TOKENIZER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mm_tokenizer mm_tokenizer;

typedef enum mm_truncate_side { MM_TRUNCATE_RIGHT, MM_TRUNCATE_LEFT } mm_truncate_side;

typedef struct mm_encode_options {
    bool add_special_tokens; // what the post-processor adds
    size_t max_length;       // special tokens included; 0 = no limit
    mm_truncate_side side;
    bool want_offsets; // fill offsets (slower)
} mm_encode_options;

// What encoding gave: arrays of `count`. Zero-initialise, reuse, then mm_encoding_free.
typedef struct mm_encoding {
    int32_t *ids;
    int32_t *type_ids;
    size_t *offsets; // with want_offsets: 2 per id, [start, end) in code points of the text
    size_t count;
    size_t full_count; // ids there were before truncation, special tokens included
    bool truncated;
    size_t capacity; // internal
    void *scratch;   // internal
} mm_encoding;

// Opens a directory (tokenizer.json, else the files older repositories have; tokenizer_config.json
// and special_tokens_map.json are honoured) or one file (tokenizer.json, vocab.txt).
// MODEL_NOT_FOUND when there is none, MODEL_UNSUPPORTED for kinds not built yet, MODEL_CORRUPT
// naming the field.
mm_status mm_tokenizer_open(mm_tokenizer **out, const char *path, mm_error *error);
// The same from tokenizer.json bytes (fuzzing, tests).
mm_status mm_tokenizer_parse(mm_tokenizer **out, const char *json, size_t length, const char *where,
                             mm_error *error);
void mm_tokenizer_free(mm_tokenizer *tokenizer); // accepts NULL

// Puts a Lowercase normaliser in front of the file's own (sentence-transformers' do_lower_case).
// Before the first encode only.
mm_status mm_tokenizer_prepend_lowercase(mm_tokenizer *tokenizer, mm_error *error);

// `pair` may be NULL. Texts may hold U+0000. INVALID_REQUEST when they are not UTF-8 (details:
// byte).
mm_status mm_tokenizer_encode(const mm_tokenizer *tokenizer, mm_encoding *out, const char *text,
                              size_t length, const char *pair, size_t pair_length,
                              const mm_encode_options *options, mm_error *error);
void mm_encoding_free(mm_encoding *encoding); // leaves a zeroed one

// *out is NUL-terminated, *out_length long, and the caller's to mm_free. Ids beyond the vocabulary
// are skipped.
mm_status mm_tokenizer_decode(const mm_tokenizer *tokenizer, char **out, size_t *out_length,
                              const int32_t *ids, size_t count, bool skip_special_tokens,
                              mm_error *error);

size_t
mm_tokenizer_vocab_size(const mm_tokenizer *tokenizer); // largest id + 1, added ones included
const char *mm_tokenizer_token(const mm_tokenizer *tokenizer, int32_t id,
                               size_t *length);                                  // or NULL
int32_t mm_tokenizer_token_id(const mm_tokenizer *tokenizer, const char *token); // or -1
// model_max_length of tokenizer_config.json; 0 when unset (absent or 1e30).
size_t mm_tokenizer_model_max_length(const mm_tokenizer *tokenizer);
size_t mm_tokenizer_special_count(const mm_tokenizer *tokenizer, bool pair); // post-processor adds
const char *mm_tokenizer_kind(const mm_tokenizer *tokenizer);                // "WordPiece", ...

#endif
