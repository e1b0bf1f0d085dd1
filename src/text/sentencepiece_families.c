// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_families.h"

#include <string.h>

// As transformers 5.24 has them. Llama's is older: merges by score and the blanks of its published
// tokenizer.json, as SentencePiece itself.
static const mm_sentencepiece_family families[] = {
    {.class_name = "T5Tokenizer",
     .model_types = {"t5", "mt5", "umt5", "longt5"},
     .order = MM_PIECES_T5,
     .unk_id = 2,
     .normalizers = "P",
     .pretokenizers = "WM",
     .decoders = "M",
     .single = "A0s0",
     .pair = "A0s0B0s0",
     .sep = "eos_token",
     .specials = {NULL, "</s>", "<unk>", NULL, "<pad>", NULL, NULL}},
    {.class_name = "XLMRobertaTokenizer",
     .model_types = {"xlm-roberta", "xlm-roberta-xl", "xmod"},
     .order = MM_PIECES_FAIRSEQ,
     .unk_id = 3,
     .normalizers = "P",
     .pretokenizers = "WM",
     .decoders = "M",
     .single = "c0A0s0",
     .pair = "c0A0s0s0B0s0",
     .cls = "bos_token",
     .sep = "eos_token",
     .specials = {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"}},
    {.class_name = "CamembertTokenizer",
     .model_types = {"camembert"},
     .order = MM_PIECES_CAMEMBERT,
     .unk_id = MM_UNK_BY_NAME,
     .normalizers = "P",
     .pretokenizers = "WM",
     .decoders = "M",
     .single = "c0A0s0",
     .pair = "c0A0s0s0B0s0",
     .cls = "cls_token",
     .sep = "sep_token",
     .specials = {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"},
     .mask_lstrip = true},
    {.class_name = "AlbertTokenizer",
     .model_types = {"albert"},
     .unk_id = 1,
     .normalizers = "qalP",
     .pretokenizers = "WM",
     .decoders = "M",
     .single = "c0A0s0",
     .pair = "c0A0s0B1s1",
     .cls = "cls_token",
     .sep = "sep_token",
     .specials = {"[CLS]", "[SEP]", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"}},
    {.class_name = "XLNetTokenizer",
     .model_types = {"xlnet"},
     .unk_id = MM_UNK_OF_FILE,
     .normalizers = "qALP",
     .pretokenizers = "WM",
     .decoders = "M",
     .single = "A0s0c2",
     .pair = "A0s0B1s1c2",
     .cls = "cls_token",
     .sep = "sep_token",
     .specials = {"<s>", "</s>", "<unk>", "<sep>", "<pad>", "<cls>", "<mask>"},
     .mask_lstrip = true},
    {.class_name = "PegasusTokenizer",
     .model_types = {"pegasus", "bigbird_pegasus", "pegasus_x"},
     .order = MM_PIECES_PEGASUS,
     .unk_id = MM_UNK_BY_NAME,
     .normalizers = "Nr",
     .pretokenizers = "M",
     .decoders = "M",
     .single = "A0s0",
     .pair = "A0B0s0",
     .sep = "eos_token",
     .specials = {NULL, "</s>", "<unk>", NULL, "<pad>", NULL, "<mask_2>"}},
    {.class_name = "MBartTokenizer",
     .model_types = {"mbart"},
     .order = MM_PIECES_MBART,
     .unk_id = 3,
     .normalizers = "",
     .pretokenizers = "WM",
     .decoders = "M",
     .single = "A0s0c0",
     .pair = "A0B0s0c0",
     .cls = "src_lang",
     .sep = "eos_token",
     .specials = {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"},
     .mask_lstrip = true},
    {.class_name = "DebertaV2Tokenizer",
     .model_types = {"deberta-v2"},
     .unk_id = MM_UNK_BY_NAME,
     .normalizers = "Lwns",
     .pretokenizers = "pM",
     .decoders = "M",
     .single = "c0A0s0",
     .pair = "c0A0s0B1s1",
     .cls = "cls_token",
     .sep = "sep_token",
     .specials = {"[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"}},
    {.class_name = "LlamaTokenizer",
     .model_types = {"llama", "mistral", "mixtral"},
     .unk_id = MM_UNK_OF_FILE,
     .bpe = true,
     .normalizers = "i",
     .pretokenizers = "i",
     .decoders = "rbfi",
     .adds_bos = true,
     .specials = {"<s>", "</s>", "<unk>", NULL, NULL, NULL, NULL}},
    {.class_name = "GemmaTokenizer",
     .model_types = {"gemma", "gemma2", "gemma3", "gemma3_text"},
     .unk_id = MM_UNK_OF_FILE,
     .bpe = true,
     .normalizers = "e",
     .pretokenizers = "b",
     .decoders = "rbf",
     .adds_bos = true,
     .specials = {"<bos>", "<eos>", "<unk>", NULL, "<pad>", NULL, "<mask>"}},
    // Anything else does as the file itself says.
    {.class_name = "",
     .unk_id = MM_UNK_OF_FILE,
     .normalizers = "o",
     .pretokenizers = "o",
     .decoders = "o"},
};

static bool is_named(const mm_sentencepiece_family *family, const char *class_name) {
    size_t length = strlen(family->class_name);
    return length && strncmp(class_name, family->class_name, length) == 0 &&
           (class_name[length] == '\0' || strcmp(class_name + length, "Fast") == 0);
}

static bool has_type(const mm_sentencepiece_family *family, const char *model_type) {
    for (size_t i = 0; i < sizeof(family->model_types) / sizeof(family->model_types[0]); i++)
        if (family->model_types[i] && strcmp(family->model_types[i], model_type) == 0)
            return true;
    return false;
}

// T5's files are the only ones of wide use that have these numbers.
static bool looks_like_t5(const mm_sentencepiece_model *model) {
    return model->kind == MM_SENTENCEPIECE_UNIGRAM && model->pad_id == 0 && model->eos_id == 1 &&
           model->unk_id == 2 && model->bos_id == -1;
}

const mm_sentencepiece_family *mm_sentencepiece_family_find(const char *class_name,
                                                            const char *model_type,
                                                            const mm_sentencepiece_model *model) {
    const size_t last = sizeof(families) / sizeof(families[0]) - 1;
    for (size_t i = 0; i < last && class_name; i++)
        if (is_named(&families[i], class_name))
            return &families[i];
    for (size_t i = 0; i < last && model_type && !class_name; i++)
        if (has_type(&families[i], model_type))
            return &families[i];
    if (!class_name && !model_type && looks_like_t5(model))
        return &families[0];
    return &families[last];
}
