// SPDX-License-Identifier: Apache-2.0
// Regular expressions in the dialect of the reference library (Oniguruma's), run by PCRE2.
//
// A compiled pattern is read by any number of threads at the same time; what a search needs to
// work with is in an mm_regex_scratch, which belongs to one. A search allocates nothing once its
// scratch is there. No pattern can hang one: the steps over a text are counted, and what takes more
// than a large multiple of the text's length ends as MM_REGEX_TOO_LONG.
#ifndef MM_TEXT_REGEX_H
#define MM_TEXT_REGEX_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mm_regex mm_regex;
typedef struct mm_regex_scratch mm_regex_scratch;

// MODEL_CORRUPT for what the reference library refuses too, MODEL_UNSUPPORTED for what is not
// built; the message has the pattern.
mm_status mm_regex_compile(mm_regex **out, const char *pattern, size_t length, const char *where,
                           mm_error *error);
void mm_regex_free(mm_regex *regex);                   // accepts NULL
const char *mm_regex_failure(const mm_regex *regex);   // what to say of MM_REGEX_TOO_LONG; borrowed
void mm_regex_scratch_free(mm_regex_scratch *scratch); // accepts NULL

typedef enum mm_regex_result {
    MM_REGEX_FOUND,
    MM_REGEX_END, // no more matches
    MM_REGEX_NO_MEMORY,
    MM_REGEX_TOO_LONG,
} mm_regex_result;

// All matches in a text, from left to right, as the reference library looks for them: an empty
// match right behind another does not count.
typedef struct mm_regex_search {
    const mm_regex *regex;
    const char *text; // valid UTF-8
    size_t length;
    mm_regex_scratch *scratch;
    size_t at;         // where the search goes on
    size_t last_end;   // of the match before; SIZE_MAX: none
    size_t start, end; // of the match that was found
} mm_regex_search;

// Makes *scratch when it is NULL; false when out of memory.
bool mm_regex_begin(mm_regex_search *search, const mm_regex *regex, mm_regex_scratch **scratch,
                    const char *text, size_t length);
mm_regex_result mm_regex_next(mm_regex_search *search);

// Whether the tables of PCRE2's general categories are those of the library in use.
bool mm_regex_knows_unicode(void);

#endif
