// SPDX-License-Identifier: Apache-2.0
// What the tables of tokenizer classes have in common: the classes of transformers 5.24, which have
// in code what repositories without tokenizer.json do not say.
//
// The tables: sentencepiece_families.c, merges_families.c and that of tokenizer_vocabulary.c.
#ifndef MM_TEXT_TOKENIZER_CLASSES_H
#define MM_TEXT_TOKENIZER_CLASSES_H

#include <stdbool.h>
#include <stddef.h>

typedef enum mm_special_name {
    MM_SPECIAL_BOS,
    MM_SPECIAL_EOS,
    MM_SPECIAL_UNK,
    MM_SPECIAL_SEP,
    MM_SPECIAL_PAD,
    MM_SPECIAL_CLS,
    MM_SPECIAL_MASK,
    MM_SPECIAL_NAMES, // how many there are
} mm_special_name;

// "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"
extern const char *const mm_special_names[MM_SPECIAL_NAMES];
// What they are called, in the same order; NULL: there is none.
typedef const char *const mm_special_set[MM_SPECIAL_NAMES];

extern mm_special_set mm_angle_specials;   // <s> and </s>, as RoBERTa has them
extern mm_special_set mm_bracket_specials; // [CLS] and [SEP], but <unk> and <pad>

typedef struct mm_template_forms {
    const char *single, *pair; // see mm_postprocessor_make
    const char *cls, *sep;     // which special tokens c and s are; "src_lang": the language's
} mm_template_forms;

extern const mm_template_forms mm_bert_forms, mm_roberta_forms;

// A list of names with blanks between them. Returns the next one and steps over it; NULL at the
// end.
const char *mm_next_name(const char **list, size_t *length);
// Whether the list has the name; with `or_fast` also when "Fast" stands behind it.
bool mm_name_is_listed(const char *list, const char *name, bool or_fast);

#endif
