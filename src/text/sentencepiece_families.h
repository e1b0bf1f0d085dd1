// SPDX-License-Identifier: Apache-2.0
// What the tokenizer classes that use SentencePiece files have in code instead of in files.
//
// To add one: a row in sentencepiece_families.c.
#ifndef MM_TEXT_SENTENCEPIECE_FAMILIES_H
#define MM_TEXT_SENTENCEPIECE_FAMILIES_H

#include "text/sentencepiece_tokens.h"

#include "base/json.h"

typedef struct mm_sentencepiece_family {
    const char *class_name; // tokenizer_class, with or without "Fast" behind it
    const char *model_types[6];
    mm_piece_order order;
    int64_t unk_id; // MM_UNK_OF_FILE, MM_UNK_BY_NAME or a place in the list
    bool bpe;       // else Unigram, or what the file says for the nameless family
    // Steps in short, see sentencepiece_stages.c.
    const char *normalizers, *pretokenizers, *decoders;
    // See mm_postprocessor_make; `cls` and `sep` say which special tokens c and s are. NULL: the
    // settings add_bos_token and add_eos_token decide, the first of which is true with `adds_bos`.
    const char *single, *pair, *cls, *sep;
    bool adds_bos;
    // bos, eos, unk, sep, pad, cls, mask, as in mm_special_names; NULL: none
    const char *specials[7];
    bool mask_lstrip;
} mm_sentencepiece_family;

enum { MM_UNK_OF_FILE = -1, MM_UNK_BY_NAME = -2 };

// By the class, else by the type of model, else by the file's own settings; each may be NULL.
const mm_sentencepiece_family *mm_sentencepiece_family_find(const char *class_name,
                                                            const char *model_type,
                                                            const mm_sentencepiece_model *model);

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
