// SPDX-License-Identifier: Apache-2.0
// Builds a byte-level BPE tokenizer from vocab.json and merges.txt, as the tokenizer classes of
// transformers 5.24 do.
#include "text/tokenizer_files.h"

#include "base/utf8.h"
#include "text/vocabulary_json.h"

#include <string.h>

// What the tokenizer classes have in code instead of in files.
typedef struct family {
    const char *const *classes; // how tokenizer_class begins
    const char *const *types;   // or, when there is none, model_type of config.json
    const char *bos, *eos, *cls, *sep, *unk, *pad, *mask;
    bool mask_lstrip;
    bool add_prefix_space; // when tokenizer_config.json does not say
    bool surrounds;        // with RobertaProcessing, whatever the file asks for
} family;

static const char *const gpt2_classes[] = {"GPT2", "CodeGen", NULL};
static const char *const gpt2_types[] = {"gpt2",        "gpt_neo", "gptj",       "opt", "codegen",
                                         "gpt_bigcode", "phi",     "starcoder2", NULL};
static const char *const roberta_classes[] = {"Roberta", "Bart", "Longformer", "LED", "Mvp", NULL};
static const char *const roberta_types[] = {"roberta",     "bart",  "longformer",           "led",
                                            "mvp",         "ibert", "data2vec-text",        "clap",
                                            "mega",        "mra",   "roberta-prelayernorm", "lilt",
                                            "bridgetower", NULL};
static const char *const blenderbot_classes[] = {"BlenderbotTokenizer", NULL};
static const char *const blenderbot_types[] = {"blenderbot", NULL};

#define END_OF_TEXT "<|endoftext|>"
static const family families[] = {
    {.classes = roberta_classes,
     .types = roberta_types,
     .bos = "<s>",
     .eos = "</s>",
     .cls = "<s>",
     .sep = "</s>",
     .unk = "<unk>",
     .pad = "<pad>",
     .mask = "<mask>",
     .surrounds = true},
    {.classes = blenderbot_classes,
     .types = blenderbot_types,
     .bos = "<s>",
     .eos = "</s>",
     .cls = "<s>",
     .sep = "</s>",
     .unk = "<unk>",
     .pad = "<pad>",
     .mask = "<mask>",
     .mask_lstrip = true,
     .add_prefix_space = true},
    {.classes = gpt2_classes,
     .types = gpt2_types,
     .bos = END_OF_TEXT,
     .eos = END_OF_TEXT,
     .unk = END_OF_TEXT},
};
enum { FAMILIES = sizeof(families) / sizeof(families[0]), ROBERTA = 0, GPT2 = FAMILIES - 1 };

static bool is_listed(const char *const *names, const char *name, bool as_prefix) {
    for (; *names; names++)
        if (as_prefix ? strncmp(name, *names, strlen(*names)) == 0 : strcmp(name, *names) == 0)
            return true;
    return false;
}

// Files that say nothing: RoBERTa's vocabulary has its special tokens, GPT-2's has none of them.
static const family *guess(const mm_vocabulary *vocabulary) {
    uint32_t id;
    bool surrounded = mm_vocabulary_find(vocabulary, "<s>", 3, &id) &&
                      mm_vocabulary_find(vocabulary, "</s>", 4, &id);
    return &families[surrounded ? ROBERTA : GPT2];
}

static mm_status find_family(const family **out, const mm_vocabulary *vocabulary,
                             const mm_merge_files *files, const mm_tokenizer_settings *settings,
                             mm_error *error) {
    const char *class = json_string_value(json_object_get(settings->config, "tokenizer_class"));
    // These two are of no family.
    if (class &&
        (strcmp(class, "PreTrainedTokenizerFast") == 0 || strcmp(class, "TokenizersBackend") == 0))
        class = NULL;
    const char *name = class ? class : files->model_type;
    *out = name ? NULL : guess(vocabulary);
    for (size_t i = 0; i < FAMILIES && !*out; i++)
        if (is_listed(class ? families[i].classes : families[i].types, name, class != NULL))
            *out = &families[i];
    if (!*out)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: a tokenizer of \"%s\" made of vocab.json and merges.txt is not "
                       "supported; tokenizer.json is",
                       files->vocabulary_path, name);
    return MM_STATUS_OK;
}

static mm_status make_stages(mm_tokenizer *tokenizer, bool add_prefix_space, mm_error *error) {
    static const char where[] = "ByteLevel";
    json_t *config = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space",
                               (int)add_prefix_space, "trim_offsets", 1, "use_regex", 1);
    mm_status status = config ? MM_STATUS_OK : mm_fail_memory(error, where);
    if (!status)
        status = mm_pretokenizer_read(&tokenizer->pretokenizers, config, where, error);
    if (!status)
        status = mm_decoder_read(&tokenizer->decoders, config, where, error);
    json_decref(config);
    return status;
}

static mm_status add_defaults(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                              const family *own, mm_error *error) {
    const mm_special_default rows[] = {{"bos_token", own->bos, false},
                                       {"eos_token", own->eos, false},
                                       {"unk_token", own->unk, false},
                                       {"sep_token", own->sep, false},
                                       {"pad_token", own->pad, false},
                                       {"cls_token", own->cls, false},
                                       {"mask_token", own->mask, own->mask_lstrip}};
    return mm_tokenizer_add_defaults(tokenizer, settings, rows, sizeof(rows) / sizeof(rows[0]),
                                     error);
}

static mm_status surround(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                          const family *own, bool add_prefix_space, mm_error *error) {
    static const char where[] = "tokenizer_config.json";
    bool trim;
    mm_status status =
        mm_json_get_bool(&trim, settings->config, "trim_offsets", true, where, error);
    if (status)
        return status;
    const char *cls = mm_tokenizer_special_text(settings, "cls_token", own->cls);
    const char *sep = mm_tokenizer_special_text(settings, "sep_token", own->sep);
    // Both are there: they have just been added.
    json_t *config = json_pack("{s:s, s:b, s:b, s:[s,i], s:[s,i]}", "type", "RobertaProcessing",
                               "trim_offsets", (int)trim, "add_prefix_space", (int)add_prefix_space,
                               "cls", cls, (int)mm_tokenizer_token_id(tokenizer, cls), "sep", sep,
                               (int)mm_tokenizer_token_id(tokenizer, sep));
    if (!config)
        return mm_fail_memory(error, where);
    status = mm_postprocessor_read(&tokenizer->postprocessor, config, where, error);
    json_decref(config);
    return status;
}

// What the file asks for: tokens at the beginning, the end, both or neither.
static mm_status put_at_ends(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                             const family *own, mm_error *error) {
    static const char where[] = "tokenizer_config.json";
    bool bos, eos;
    mm_status status =
        mm_json_get_bool(&bos, settings->config, "add_bos_token", false, where, error);
    if (!status)
        status = mm_json_get_bool(&eos, settings->config, "add_eos_token", false, where, error);
    if (status)
        return status;
    static const char *const singles[] = {"A0", "A0s0", "c0A0", "c0A0s0"};
    static const char *const pairs[] = {"A0B1", "A0s0B1s1", "c0A0c1B1", "c0A0s0c1B1s1"};
    int which = bos * 2 + eos;
    const char *first = mm_tokenizer_special_text(settings, "bos_token", own->bos);
    const char *last = mm_tokenizer_special_text(settings, "eos_token", own->eos);
    int32_t first_id = mm_tokenizer_token_id(tokenizer, first);
    int32_t last_id = mm_tokenizer_token_id(tokenizer, last);
    if ((bos && first_id < 0) || (eos && last_id < 0)) // an empty text is no token
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: add_bos_token or add_eos_token asks for a token that is not there",
                       where);
    return mm_postprocessor_make(&tokenizer->postprocessor, singles[which], pairs[which],
                                 (uint32_t)first_id, (uint32_t)last_id, error);
}

static mm_status read_model(mm_tokenizer *tokenizer, const mm_merge_files *files, mm_error *error) {
    size_t bad;
    if (!mm_utf8_valid(files->vocabulary.start, files->vocabulary.length, &bad))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: not UTF-8 at byte %zu",
                       files->vocabulary_path, bad);
    mm_status status = mm_vocabulary_read_object(&tokenizer->model.vocabulary, files->vocabulary,
                                                 files->vocabulary_path, error);
    if (status)
        return status;
    json_t *config = json_object();
    if (!config)
        return mm_fail_memory(error, "BPE");
    status = mm_model_make_bpe(&tokenizer->model, config, files->merges, files->merges_path, error);
    json_decref(config);
    return status;
}

mm_status mm_tokenizer_read_merges(mm_tokenizer *tokenizer, const mm_merge_files *files,
                                   const mm_tokenizer_settings *settings, mm_error *error) {
    const family *own = NULL;
    bool add_prefix_space = false;
    mm_status status = read_model(tokenizer, files, error);
    if (!status)
        status = find_family(&own, &tokenizer->model.vocabulary, files, settings, error);
    if (!status)
        status = mm_json_get_bool(&add_prefix_space, settings->config, "add_prefix_space",
                                  own->add_prefix_space, "tokenizer_config.json", error);
    if (!status)
        status = make_stages(tokenizer, add_prefix_space, error);
    if (!status)
        status = mm_tokenizer_add_configured(tokenizer, settings, error);
    if (!status)
        status = add_defaults(tokenizer, settings, own, error);
    if (status)
        return status;
    return own->surrounds ? surround(tokenizer, settings, own, add_prefix_space, error)
                          : put_at_ends(tokenizer, settings, own, error);
}
