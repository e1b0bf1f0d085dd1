// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_families.h"

#include <string.h>

static mm_special_set t5_specials = {NULL, "</s>", "<unk>", NULL, "<pad>", NULL, NULL};
static mm_special_set pegasus_specials = {NULL, "</s>", "<unk>", NULL, "<pad>", NULL, "<mask_2>"};
static mm_special_set reformer_specials = {NULL, "</s>", "<unk>", NULL, NULL, NULL, NULL};
static mm_special_set llama_specials = {"<s>", "</s>", "<unk>", NULL, NULL, NULL, NULL};
static mm_special_set gemma_specials = {"<bos>", "<eos>", "<unk>", NULL, "<pad>", NULL, "<mask>"};
static mm_special_set xlnet_specials = {"<s>",   "</s>",  "<unk>", "<sep>",
                                        "<pad>", "<cls>", "<mask>"};
static mm_special_set bigbird_specials = {"<s>",   "</s>",  "<unk>", "[SEP]",
                                          "<pad>", "[CLS]", "[MASK]"};
static mm_special_set deberta_specials = {"[CLS]", "[SEP]", "[UNK]", "[SEP]",
                                          "[PAD]", "[CLS]", "[MASK]"};

static const mm_template_forms t5_forms = {"A0s0", "A0s0B0s0", NULL, "eos_token"};
static const mm_template_forms pegasus_forms = {"A0s0", "A0B0s0", NULL, "eos_token"};
static const mm_template_forms xlnet_forms = {"A0s0c2", "A0s0B1s1c2", "cls_token", "sep_token"};
static const mm_template_forms language_first = {"c0A0s0", "c0A0B0s0", "src_lang", "eos_token"};
static const mm_template_forms language_last = {"A0s0c0", "A0B0s0c0", "src_lang", "eos_token"};

enum { BPE = MM_FAMILY_BPE, BOS = MM_FAMILY_ADDS_BOS, LEFT = MM_FAMILY_MASK_LSTRIP };

// Class of tokenizer, types of model; order of the tokens, the unknown one; steps of normalizers,
// pre-tokenizers and decoders; templates, special tokens, traits, languages.
//
// As transformers 5.24 has them. Llama's is older: merges by score and the blanks of its published
// tokenizer.json, as SentencePiece itself. NLLB's languages are where its models were trained to
// find them; the library puts <mask> before them, unless the files name their ids.
static const mm_sentencepiece_family families[] = {
    {"T5Tokenizer", "t5 mt5 umt5 longt5 switch_transformers", MM_PIECES_T5, 2, "P", "WM", "M",
     &t5_forms, t5_specials, 0, NULL},
    {"XLMRobertaTokenizer", "xlm-roberta xlm-roberta-xl xmod", MM_PIECES_FAIRSEQ, 3, "P", "WM", "M",
     &mm_roberta_forms, mm_angle_specials, 0, NULL},
    {"CamembertTokenizer", "camembert", MM_PIECES_CAMEMBERT, MM_UNK_BY_NAME, "P", "WM", "M",
     &mm_roberta_forms, mm_angle_specials, LEFT, NULL},
    {"AlbertTokenizer FNetTokenizer", "albert fnet yoso", MM_PIECES_AS_THEY_ARE, 1, "qalP", "WM",
     "M", &mm_bert_forms, mm_bracket_specials, 0, NULL},
    {"RemBertTokenizer", "rembert", MM_PIECES_AS_THEY_ARE, 2, "qrkLP", "M", "M", &mm_bert_forms,
     mm_bracket_specials, 0, NULL},
    {"BigBirdTokenizer", "big_bird", MM_PIECES_AS_THEY_ARE, MM_UNK_BY_NAME, "u", "M", "M",
     &mm_bert_forms, bigbird_specials, 0, NULL},
    {"DebertaV2Tokenizer", "deberta-v2", MM_PIECES_AS_THEY_ARE, MM_UNK_BY_NAME, "Lwns", "pM", "M",
     &mm_bert_forms, deberta_specials, 0, NULL},
    {"XLNetTokenizer", "xlnet", MM_PIECES_AS_THEY_ARE, MM_UNK_OF_FILE, "qALP", "WM", "M",
     &xlnet_forms, xlnet_specials, LEFT, NULL},
    {"PegasusTokenizer", "pegasus bigbird_pegasus pegasus_x", MM_PIECES_PEGASUS, MM_UNK_BY_NAME,
     "Nr", "M", "M", &pegasus_forms, pegasus_specials, 0, NULL},
    {"ReformerTokenizer", "reformer", MM_PIECES_AS_THEY_ARE, MM_UNK_BY_NAME, "Pr", "M", "M", NULL,
     reformer_specials, BPE, NULL},
    {"MBartTokenizer", "mbart", MM_PIECES_FAIRSEQ, 3, "", "WM", "M", &language_last,
     mm_angle_specials, LEFT, &mm_mbart_languages},
    {"MBart50Tokenizer", "mbart50", MM_PIECES_FAIRSEQ, 3, "Pr", "M", "M", &language_first,
     mm_angle_specials, LEFT, &mm_mbart50_languages},
    {"NllbTokenizer", "nllb nllb-moe", MM_PIECES_FAIRSEQ, 3, "Pr", "M", "M", &language_first,
     mm_angle_specials, BPE | LEFT, &mm_nllb_languages},
    {"LlamaTokenizer", "llama mistral mixtral", MM_PIECES_AS_THEY_ARE, MM_UNK_OF_FILE, "i", "i",
     "rbfi", NULL, llama_specials, BPE | BOS, NULL},
    {"GemmaTokenizer", "gemma gemma2 gemma3 gemma3_text", MM_PIECES_AS_THEY_ARE, MM_UNK_OF_FILE,
     "e", "b", "rbf", NULL, gemma_specials, BPE | BOS, NULL},
    // Anything else does as the file itself says.
    {"", "", MM_PIECES_AS_THEY_ARE, MM_UNK_OF_FILE, "o", "o", "o", NULL, NULL, 0, NULL},
};

const mm_template_forms *mm_sentencepiece_forms(const mm_sentencepiece_family *family,
                                                bool legacy) {
    // NLLB's, as mBART's, had the language at the end first.
    return legacy && family->forms == &language_first ? &language_last : family->forms;
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
    const char *name = class_name ? class_name : model_type;
    for (size_t i = 0; i < last && name; i++)
        if (class_name ? mm_name_is_listed(families[i].classes, name, true)
                       : mm_name_is_listed(families[i].types, name, false))
            return &families[i];
    return &families[!name && looks_like_t5(model) ? 0 : last];
}
