// SPDX-License-Identifier: Apache-2.0
// The languages that translation models have tokens for, in the order of their ids.
#ifndef MM_TEXT_LANGUAGES_H
#define MM_TEXT_LANGUAGES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct mm_languages {
    const char *codes;    // as src_lang names them, with blanks between them
    const char *source;   // src_lang, when nothing is said
    const char *surround; // what stands before and behind a code in its token
} mm_languages;

// Writes the token of a language; false when there is no room.
bool mm_language_token(char *token, size_t room, const mm_languages *languages, const char *code,
                       size_t length);

extern const mm_languages mm_mbart_languages, mm_mbart50_languages, mm_nllb_languages,
    mm_m2m100_languages, mm_wmt21_languages;

#endif
