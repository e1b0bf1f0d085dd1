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

typedef enum mm_truncate_strategy {
    MM_TRUNCATE_LONGEST_FIRST,
    MM_TRUNCATE_ONLY_FIRST,
    MM_TRUNCATE_ONLY_SECOND,
} mm_truncate_strategy;

// A limit of no token at all, since 0 is none.
#define MM_TRUNCATE_TO_NOTHING SIZE_MAX

typedef struct mm_truncation {
    size_t max_length; // special tokens included; 0 = no limit
    size_t stride;     // tokens that neighbouring windows share
    mm_truncate_strategy strategy;
    mm_truncate_side side; // where is cut
} mm_truncation;

typedef struct mm_encode_options {
    bool add_special_tokens; // what the post-processor adds
    mm_truncation truncation;
    bool want_offsets;  // fill offsets (slower)
    bool want_overflow; // fill overflow: what is cut, as further windows
} mm_encode_options;

typedef enum mm_pad_side { MM_PAD_RIGHT, MM_PAD_LEFT } mm_pad_side;

typedef struct mm_padding {
    bool fixed;         // to `length`; else to the longest of the batch
    size_t length;      //
    size_t multiple_of; // rounded up to; 0 = not
    mm_pad_side side;
    int32_t id, type_id;
    const char *token; // the text of the id, for those who print tokens; borrowed
} mm_padding;

// What encoding gave: arrays of `count`. Zero-initialise, reuse, then mm_encoding_free.
typedef struct mm_encoding {
    int32_t *ids;
    int32_t *type_ids;
    size_t *offsets; // with want_offsets: 2 per id, [start, end) in code points of the text
    size_t count;
    size_t full_count; // ids there were before truncation, special tokens included
    bool truncated;
    size_t padded; // of count, on pad_side; attention_mask is 0 there, else 1
    mm_pad_side pad_side;
    // With want_overflow: the ids of the further windows, one behind the other; window i ends at
    // overflow_ends[i].
    int32_t *overflow;
    size_t *overflow_ends;
    size_t overflow_count;
    bool has_offsets; // internal, as the rest
    size_t capacity;
    size_t offsets_capacity, overflow_capacity, overflow_ends_capacity;
    void *scratch;
} mm_encoding;

// Opens a directory (tokenizer.json, else the files older repositories have; tokenizer_config.json
// and special_tokens_map.json are honoured) or one file (tokenizer.json, vocab.txt,
// vocab.json beside merges.txt, or a SentencePiece file, *.model).
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
// byte), and INVALID_PARAMETER when there is no way to truncate as asked.
mm_status mm_tokenizer_encode(const mm_tokenizer *tokenizer, mm_encoding *out, const char *text,
                              size_t length, const char *pair, size_t pair_length,
                              const mm_encode_options *options, mm_error *error);
void mm_encoding_free(mm_encoding *encoding); // leaves a zeroed one
// Fills up the encodings of one batch, each just encoded, and their further windows.
mm_status mm_encodings_pad(mm_encoding *encodings, size_t count, const mm_padding *padding,
                           mm_error *error);
// INVALID_PARAMETER when no text could be truncated with this stride.
mm_status mm_tokenizer_check_truncation(const mm_tokenizer *tokenizer,
                                        const mm_truncation *truncation, mm_error *error);
// What the file stores, or NULL; encoding uses neither by itself.
const mm_truncation *mm_tokenizer_stored_truncation(const mm_tokenizer *tokenizer);
const mm_padding *mm_tokenizer_stored_padding(const mm_tokenizer *tokenizer);

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
// Whether transformers would clean up (text/clean_up.h) what decoding gives, as
// clean_up_tokenization_spaces of tokenizer_config.json says.
bool mm_tokenizer_cleans_up(const mm_tokenizer *tokenizer);
size_t mm_tokenizer_special_count(const mm_tokenizer *tokenizer, bool pair); // post-processor adds
const char *mm_tokenizer_kind(const mm_tokenizer *tokenizer);                // "WordPiece", ...

#endif
