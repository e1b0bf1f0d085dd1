// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_classes.h"

#include <string.h>

const char *const mm_special_names[MM_SPECIAL_NAMES] = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

mm_special_set mm_angle_specials = {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"};
mm_special_set mm_bracket_specials = {"[CLS]", "[SEP]", "<unk>", "[SEP]",
                                      "<pad>", "[CLS]", "[MASK]"};

const mm_template_forms mm_bert_forms = {"c0A0s0", "c0A0s0B1s1", "cls_token", "sep_token"};
const mm_template_forms mm_roberta_forms = {"c0A0s0", "c0A0s0s0B0s0", "cls_token", "sep_token"};

const char *mm_next_name(const char **list, size_t *length) {
    const char *name = *list + strspn(*list, " ");
    *length = strcspn(name, " ");
    *list = name + *length;
    return *length ? name : NULL;
}

bool mm_name_is_listed(const char *list, const char *name, bool or_fast) {
    size_t length;
    for (const char *next; (next = mm_next_name(&list, &length));) {
        if (strncmp(name, next, length) != 0)
            continue;
        if (name[length] == '\0' || (or_fast && strcmp(name + length, "Fast") == 0))
            return true;
    }
    return false;
}
