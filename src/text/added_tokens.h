// SPDX-License-Identifier: Apache-2.0
// Added tokens: found in the text before anything else looks at it.
//
// Two sets: those matched in the raw text and those (flag `normalized`) matched in the normalized
// one by their own normalized content. Built by one thread, then read by any number.
#ifndef MM_TEXT_ADDED_TOKENS_H
#define MM_TEXT_ADDED_TOKENS_H

#include "text/normalizer.h"
#include "text/vocabulary.h"

typedef struct mm_added_token {
    const char *content;
    size_t length;
    uint32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
    // Set by the list:
    char *owned; // its copy of the content
    char *shown; // what decoding gives, owned: the content, normalized if `shows_normalized`
    size_t shown_length;
    bool shows_normalized; // this or an earlier token of that content is `normalized`
    bool is_special;       // this or an earlier token of that content is special
    bool is_matched;       // this one makes a pattern
} mm_added_token;

typedef struct mm_added_pattern {
    char *bytes;
    size_t length;
    size_t token; // index in the list
} mm_added_pattern;

typedef struct mm_added_set {
    mm_added_pattern *patterns; // sorted by bytes, no two equal
    size_t count;
    uint32_t buckets[257]; // patterns that begin with byte b: buckets[b] .. buckets[b + 1]
    int only_first;        // the first byte when all patterns share it, else -1
} mm_added_set;

typedef struct mm_added_tokens {
    mm_added_token *items; // in file order; a content may come again with other flags
    size_t count, capacity;
    uint32_t largest_id;
    mm_vocabulary ids; // content to the last such index in items
    size_t *by_id;     // indices sorted by id; of equal ids the last one counts
    mm_added_set raw, normalized;
} mm_added_tokens;

void mm_added_tokens_free(mm_added_tokens *tokens); // leaves an empty list
// Adds one as the reference library does: its id is the model's when the vocabulary has the
// content, else the next free one. `content` is copied. Empty contents are ignored; one that is
// known gets the new flags.
mm_status mm_added_tokens_add(mm_added_tokens *tokens, const mm_added_token *token,
                              const mm_vocabulary *vocabulary, mm_error *error);
// Makes the sets; call after the last add and whenever the normalizers change.
mm_status mm_added_tokens_prepare(mm_added_tokens *tokens, const mm_stage_list *normalizers,
                                  mm_error *error);
const mm_added_token *mm_added_tokens_by_id(const mm_added_tokens *tokens, uint32_t id);
bool mm_added_tokens_has(const mm_added_tokens *tokens, const char *content, size_t length);
// Whether decoding leaves the token out when special ones are skipped.
bool mm_added_tokens_skips(const mm_added_tokens *tokens, const mm_added_token *token);
bool mm_added_tokens_find(const mm_added_tokens *tokens, const char *content, size_t length,
                          uint32_t *id);

// Cutting a text at its added tokens. Zero but for tokens, set, text and length to begin with.
typedef struct mm_added_cutter {
    const mm_added_tokens *tokens;
    const mm_added_set *set;
    const char *text;
    size_t length;
    size_t at;   // where the search goes on
    size_t done; // what has been handed out
    const mm_added_token *pending;
    size_t pending_start, pending_end;
} mm_added_cutter;

typedef struct mm_added_part {
    const mm_added_token *token; // NULL: plain text
    size_t start, end;
} mm_added_part;

bool mm_added_next(mm_added_cutter *cutter, mm_added_part *part); // false at the end

#endif
