// SPDX-License-Identifier: Apache-2.0
// What "pattern" in tokenizer.json says: a text, or a regular expression.
#ifndef MM_TEXT_TEXT_PATTERN_H
#define MM_TEXT_TEXT_PATTERN_H

#include "text/regex.h"

#include "base/json.h"

typedef struct mm_text_pattern { // read by any number of threads
    mm_regex *regex;             // NULL: the literal, which is not empty then
    char *literal;
    size_t length;
} mm_text_pattern;

// `config` is {"String": ..} or {"Regex": ..}.
mm_status mm_text_pattern_read(mm_text_pattern *pattern, const json_t *config, const char *where,
                               mm_error *error);
void mm_text_pattern_free(mm_text_pattern *pattern); // leaves a zeroed one

typedef struct mm_text_replacement { // "Replace": all that matches becomes the content
    mm_text_pattern pattern;
    char *content;
    size_t length;
} mm_text_replacement;

// Makes an mm_text_replacement, as normalizers and decoders read their settings.
mm_status mm_text_replacement_read(void **settings, const json_t *config, const char *where,
                                   mm_error *error);
void mm_text_replacement_free(void *settings);

// The matches in a text, from left to right. Texts are valid UTF-8.
typedef struct mm_text_finder {
    const mm_text_pattern *pattern;
    mm_regex_search search; // text, start and end are of literals too
} mm_text_finder;

// Makes *scratch when it is needed and NULL; false when out of memory.
bool mm_text_find_begin(mm_text_finder *finder, const mm_text_pattern *pattern,
                        mm_regex_scratch **scratch, const char *text, size_t length);
mm_regex_result mm_text_find_next(mm_text_finder *finder);
// Why MM_REGEX_TOO_LONG or MM_REGEX_NO_MEMORY came: what to say of it, NULL for want of memory.
const char *mm_text_find_failure(const mm_text_finder *finder, mm_regex_result result);

#endif
