// SPDX-License-Identifier: Apache-2.0
// The functions of the kinds of pre-tokenizers, for the table in pretokenizer.c.
#ifndef MM_TEXT_PRETOKENIZER_KINDS_H
#define MM_TEXT_PRETOKENIZER_KINDS_H

#include "text/pretokenizer.h"

bool mm_bert_pretokenizer_split(const void *settings, const char *text, mm_span piece,
                                mm_piece_list *out);
bool mm_whitespace_split(const void *settings, const char *text, mm_span piece, mm_piece_list *out);
mm_status mm_punctuation_read(void **settings, const json_t *config, const char *where,
                              mm_error *error);
bool mm_punctuation_split(const void *settings, const char *text, mm_span piece,
                          mm_piece_list *out);
mm_status mm_digits_read(void **settings, const json_t *config, const char *where, mm_error *error);
bool mm_digits_split(const void *settings, const char *text, mm_span piece, mm_piece_list *out);
mm_status mm_delimiter_read(void **settings, const json_t *config, const char *where,
                            mm_error *error);
bool mm_delimiter_split(const void *settings, const char *text, mm_span piece, mm_piece_list *out);
bool mm_whitespace_words_split(const void *settings, const char *text, mm_span piece,
                               mm_piece_list *out);
bool mm_scripts_split(const void *settings, const char *text, mm_span piece, mm_piece_list *out);
mm_status mm_fixed_length_read(void **settings, const json_t *config, const char *where,
                               mm_error *error);
bool mm_fixed_length_split(const void *settings, const char *text, mm_span piece,
                           mm_piece_list *out);
mm_status mm_byte_level_read(void **settings, const json_t *config, const char *where,
                             mm_error *error);
bool mm_byte_level_rewrite(const void *settings, mm_encode_work *work);
void mm_byte_level_leave_bytes(void *settings);

mm_status mm_metaspace_pretokenizer_read(void **settings, const json_t *config, const char *where,
                                         mm_error *error);
bool mm_metaspace_rewrite(const void *settings, mm_encode_work *work);
bool mm_metaspace_wants_origins(const void *settings);

// What becomes of the matches of a delimiter.
typedef enum mm_split_behavior {
    MM_SPLIT_REMOVED,
    MM_SPLIT_ISOLATED,
    MM_SPLIT_MERGED_WITH_PREVIOUS,
    MM_SPLIT_MERGED_WITH_NEXT,
    MM_SPLIT_CONTIGUOUS,
} mm_split_behavior;

// Reads "behavior"; `fallback` NULL: it must be there.
mm_status mm_split_behavior_read(mm_split_behavior *behavior, const json_t *config,
                                 const char *fallback, const char *where, mm_error *error);
mm_status mm_split_read(void **settings, const json_t *config, const char *where, mm_error *error);
void mm_split_release(void *settings);
bool mm_split_rewrite(const void *settings, mm_encode_work *work);

#endif
