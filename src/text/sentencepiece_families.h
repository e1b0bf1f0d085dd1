// SPDX-License-Identifier: Apache-2.0
// What the tokenizer classes that use SentencePiece files have in code instead of in files.
//
// To add one: a row in sentencepiece_families.c.
#ifndef MM_TEXT_SENTENCEPIECE_FAMILIES_H
#define MM_TEXT_SENTENCEPIECE_FAMILIES_H

#include "text/sentencepiece_tokens.h"
#include "text/tokenizer_classes.h"

#include "base/json.h"

enum { MM_UNK_OF_FILE = -1, MM_UNK_BY_NAME = -2 };

enum {                         // traits of a family
    MM_FAMILY_BPE = 1,         // else Unigram, or what the file says for the nameless family
    MM_FAMILY_ADDS_BOS = 2,    // what add_bos_token is when nothing is said
    MM_FAMILY_MASK_LSTRIP = 4, // the mask takes the white space before it
};

typedef struct mm_sentencepiece_family {
    const char *classes; // what tokenizer_class may be, with or without "Fast" behind it
    const char *types;   // or, when there is none, model_type of config.json
    mm_piece_order order;
    int64_t unk_id; // MM_UNK_OF_FILE, MM_UNK_BY_NAME or a place in the list
    // Steps in short, see sentencepiece_stages.c.
    const char *normalizers, *pretokenizers, *decoders;
    const mm_template_forms *forms; // NULL: add_bos_token and add_eos_token decide
    const char *const *specials;    // an mm_special_set; NULL: none
    unsigned traits;
    const mm_languages *languages; // behind the pieces; NULL: none
} mm_sentencepiece_family;

// By the class, else by the type of model, else by the file's own settings; each may be NULL.
const mm_sentencepiece_family *mm_sentencepiece_family_find(const char *class_name,
                                                            const char *model_type,
                                                            const mm_sentencepiece_model *model);

// The templates of a family; `legacy` is legacy_behaviour of tokenizer_config.json.
const mm_template_forms *mm_sentencepiece_forms(const mm_sentencepiece_family *family, bool legacy);

typedef struct mm_sentencepiece_stages { // as in tokenizer.json
    json_t *normalizer, *pretokenizer, *decoder;
} mm_sentencepiece_stages;

// `config` is tokenizer_config.json or NULL. Free the stages in any case.
mm_status mm_sentencepiece_stages_make(mm_sentencepiece_stages *stages,
                                       const mm_sentencepiece_family *family,
                                       const mm_sentencepiece_model *model, const json_t *config,
                                       mm_error *error);
void mm_sentencepiece_stages_free(mm_sentencepiece_stages *stages);

#endif
