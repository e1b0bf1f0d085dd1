// SPDX-License-Identifier: Apache-2.0
// What the tokenizer classes that use vocab.json and merges.txt have in code instead of in files.
//
// To add one: a row in merges_families.c.
#ifndef MM_TEXT_MERGES_FAMILIES_H
#define MM_TEXT_MERGES_FAMILIES_H

#include "text/tokenizer_classes.h"
#include "text/vocabulary.h"

enum {                         // traits of a family
    MM_MERGES_TRIMS = 1,       // blanks are no part of a token's offsets
    MM_MERGES_PREFIX = 2,      // what add_prefix_space is when nothing is said
    MM_MERGES_MASK_LSTRIP = 4, // the mask takes the white space before it
};

typedef struct mm_merges_stages { // as in tokenizer.json; NULL: none
    const char *normalizer;
    const char *splitter; // cuts a text before ByteLevel, which then does not cut by itself
    bool byte_level;      // bytes are written as letters, and read so by the decoder
    const char *decoder;  // what is done then
    const char *suffix;   // of the last letter of a word
} mm_merges_stages;

typedef struct mm_merges_family {
    const char *classes; // what tokenizer_class may be, with or without "Fast" behind it
    const char *types;   // or, when there is none, model_type of config.json
    const mm_merges_stages *stages;
    const mm_template_forms *forms; // NULL: add_bos_token and add_eos_token decide
    const char *const *specials;    // an mm_special_set
    unsigned traits;
} mm_merges_family;

// By the class, else by the type of model, else by what the vocabulary has; NULL when none has the
// name. Each name may be NULL.
const mm_merges_family *mm_merges_family_find(const char *class_name, const char *model_type,
                                              const mm_vocabulary *vocabulary);

#endif
