// SPDX-License-Identifier: Apache-2.0
// Generated tables of characters as the reference library's regexes see them
// (scripts/make_regex_tables.py).
#ifndef MM_TEXT_REGEX_TABLES_H
#define MM_TEXT_REGEX_TABLES_H

#include "text/unicode_text.h"

typedef enum mm_category {
    MM_CN,
    MM_LU,
    MM_LL,
    MM_LT,
    MM_LM,
    MM_LO,
    MM_MN,
    MM_MC,
    MM_ME,
    MM_ND,
    MM_NL,
    MM_NO,
    MM_PC,
    MM_PD,
    MM_PS,
    MM_PE,
    MM_PI,
    MM_PF,
    MM_PO,
    MM_SM,
    MM_SC,
    MM_SK,
    MM_SO,
    MM_ZS,
    MM_ZL,
    MM_ZP,
    MM_CC,
    MM_CF,
    MM_CO,
    MM_CATEGORIES,
} mm_category;

typedef struct mm_property {
    const char *name;      // lower case without separators
    uint32_t start, count; // in mm_property_ranges
} mm_property;

typedef struct mm_fold {
    uint32_t code, next;
} mm_fold;

// Runs of characters, each word the first one << 8 | what they have.
extern const uint32_t mm_script_runs[]; // as the pre-tokenizer UnicodeScripts sees it; 0: any
extern const size_t mm_script_runs_count;
extern const uint32_t mm_category_runs[]; // mm_category
extern const size_t mm_category_runs_count;

// The same as PCRE2 with this version of Unicode sees it.
extern const char mm_pcre2_unicode[];
extern const uint32_t mm_pcre2_category_runs[];
extern const size_t mm_pcre2_category_runs_count;

extern const mm_code_range mm_property_ranges[];
extern const mm_property mm_properties[]; // sorted by name
extern const size_t mm_properties_count;

extern const mm_fold mm_folds[]; // rings of characters that are equal without case, by code
extern const size_t mm_folds_count;

#endif
