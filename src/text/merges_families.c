// SPDX-License-Identifier: Apache-2.0
#include "text/merges_families.h"

#define REGEX(pattern) "{\"Regex\": \"" pattern "\"}"
#define SPLIT(pattern, behavior, invert)                                                           \
    "{\"type\": \"Split\", \"pattern\": " REGEX(pattern) ", \"behavior\": \"" behavior             \
                                                         "\", \"invert\": " invert "}"
#define REPLACE(pattern, content)                                                                  \
    "{\"type\": \"Replace\", \"pattern\": " REGEX(pattern) ", \"content\": \"" content "\"}"
#define SEQUENCE(members, list) "{\"type\": \"Sequence\", \"" members "\": [" list "]}"
#define KIND(type) "{\"type\": \"" type "\"}"

#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"

static const mm_merges_stages gpt2_stages = {NULL, NULL, true, NULL, NULL};
static const mm_merges_stages neox_stages = {KIND("NFC"), NULL, true, NULL, NULL};
static const mm_merges_stages qwen2_stages = {
    KIND("NFC"),
    SPLIT("(?i:" CONTRACTIONS ")|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}"
          "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+",
          "Isolated", "false"),
    true, NULL, NULL};
// The ends of words are blanks; those around the text go, as Python's strip takes them.
static const mm_merges_stages clip_stages = {
    SEQUENCE("normalizers", KIND("NFC") ", " REPLACE("\\\\s+", " ") ", " KIND("Lowercase")),
    SPLIT("<\\\\|startoftext\\\\|>|<\\\\|endoftext\\\\|>|" CONTRACTIONS
          "|[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+",
          "Removed", "true"),
    true,
    SEQUENCE("decoders", REPLACE("</w>", " ") ", " REPLACE(
                             "\\\\A[\\\\s\\\\x1C-\\\\x1F]+|[\\\\s\\\\x1C-\\\\x1F]+\\\\z", "")),
    "</w>"};
static const mm_merges_stages gpt1_stages = {
    "{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, "
    "\"strip_accents\": null, \"lowercase\": true}",
    KIND("BertPreTokenizer"), false, "{\"type\": \"BPEDecoder\", \"suffix\": \"</w>\"}", "</w>"};

#define END "<|endoftext|>"
static mm_special_set gpt1_specials = {NULL, NULL, "<unk>", NULL, NULL, NULL, NULL};
static mm_special_set gpt2_specials = {END, END, END, NULL, NULL, NULL, NULL};
static mm_special_set neox_specials = {END, END, END, NULL, "<|padding|>", NULL, NULL};
static mm_special_set qwen2_specials = {NULL, END, END, NULL, END, NULL, NULL};
static mm_special_set clip_specials = {"<|startoftext|>", END, END, NULL, END, NULL, NULL};
static mm_special_set deberta_specials = {"[CLS]", "[SEP]", "[UNK]", "[SEP]",
                                          "[PAD]", "[CLS]", "[MASK]"};

static const mm_template_forms clip_forms = {"c0A0s0", "c0A0s0s0B0s0", "bos_token", "eos_token"};

enum { TRIMS = MM_MERGES_TRIMS, PREFIX = MM_MERGES_PREFIX, LEFT = MM_MERGES_MASK_LSTRIP };

// Class of tokenizer, types of model; stages; templates, special tokens, traits.
static const mm_merges_family families[] = {
    {"RobertaTokenizer BartTokenizer LongformerTokenizer LEDTokenizer MvpTokenizer",
     "roberta bart longformer led mvp ibert data2vec-text clap mega mra roberta-prelayernorm lilt "
     "bridgetower",
     &gpt2_stages, &mm_roberta_forms, mm_angle_specials, TRIMS},
    {"BlenderbotTokenizer", "blenderbot", &gpt2_stages, NULL, mm_angle_specials, PREFIX | LEFT},
    {"DebertaTokenizer", "deberta", &gpt2_stages, &mm_roberta_forms, deberta_specials, 0},
    {"CLIPTokenizer", "clip clipseg owlvit owlv2 groupvit xclip", &clip_stages, &clip_forms,
     clip_specials, 0},
    {"Qwen2Tokenizer", "qwen2 qwen2_moe qwen3 qwen3_moe qwen3_next", &qwen2_stages, NULL,
     qwen2_specials, 0},
    {"GPTNeoXTokenizer", "gpt_neox mamba mamba2 mpt olmo olmoe rwkv", &neox_stages, NULL,
     neox_specials, 0},
    {"OpenAIGPTTokenizer", "openai-gpt", &gpt1_stages, NULL, gpt1_specials, 0},
    {"GPT2Tokenizer CodeGenTokenizer", "gpt2 gpt_neo gptj opt codegen gpt_bigcode phi starcoder2",
     &gpt2_stages, NULL, gpt2_specials, 0},
};
enum { FAMILIES = sizeof(families) / sizeof(families[0]), ROBERTA = 0, GPT2 = FAMILIES - 1 };

// Files that say nothing: RoBERTa's vocabulary has its special tokens, GPT-2's has none of them.
static const mm_merges_family *guess(const mm_vocabulary *vocabulary) {
    uint32_t id;
    bool surrounded = mm_vocabulary_find(vocabulary, "<s>", 3, &id) &&
                      mm_vocabulary_find(vocabulary, "</s>", 4, &id);
    return &families[surrounded ? ROBERTA : GPT2];
}

const mm_merges_family *mm_merges_family_find(const char *class_name, const char *model_type,
                                              const mm_vocabulary *vocabulary) {
    const char *name = class_name ? class_name : model_type;
    if (!name)
        return guess(vocabulary);
    for (size_t i = 0; i < FAMILIES; i++)
        if (class_name ? mm_name_is_listed(families[i].classes, name, true)
                       : mm_name_is_listed(families[i].types, name, false))
            return &families[i];
    return NULL;
}
