// SPDX-License-Identifier: Apache-2.0
// Builds a tokenizer of BERT's family from vocab.txt: one token a line, its number is the id.
#include "text/tokenizer_files.h"

#include "base/utf8.h"

#include <string.h>

// What the tokenizer classes have in code instead of in files.
typedef struct family {
    const char *class_prefix; // of tokenizer_class
    mm_special_set *specials;
    bool mask_lstrip;
    const mm_template_forms *forms;
} family;

static mm_special_set mpnet_specials = {NULL, NULL, "[UNK]", "</s>", "<pad>", "<s>", "<mask>"};
static mm_special_set funnel_specials = {NULL, NULL, "<unk>", "<sep>", "<pad>", "<cls>", "<mask>"};
static mm_special_set bert_specials = {NULL, NULL, "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};

static const mm_template_forms funnel_forms = {"c2A0s0", "c2A0s0B1s1", "cls_token", "sep_token"};

static const family families[] = {
    {"MPNet", &mpnet_specials, true, &mm_roberta_forms},
    {"Funnel", &funnel_specials, false, &funnel_forms},
    {"", &bert_specials, false, &mm_bert_forms},
};

static const family *find_family(const mm_tokenizer_settings *settings) {
    const char *name = json_string_value(json_object_get(settings->config, "tokenizer_class"));
    const family *row = families;
    while (strncmp(name ? name : "", row->class_prefix, strlen(row->class_prefix)) != 0)
        row++;
    return row;
}

static mm_status read_lines(mm_vocabulary *vocabulary, const char *text, size_t length,
                            const char *where, mm_error *error) {
    size_t bad;
    if (!mm_utf8_valid(text, length, &bad))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: not UTF-8 at byte %zu", where, bad);
    uint32_t id = 0;
    for (size_t at = 0; at < length; id++) {
        const char *newline = memchr(text + at, '\n', length - at);
        size_t next = newline ? (size_t)(newline - text) + 1 : length;
        size_t end = newline ? next - 1 : length;
        while (end > at) {
            size_t before = end;
            if (!mm_unicode_is_space(mm_unicode_previous(text, &before)))
                break;
            end = before;
        }
        end = end < at ? at : end;
        if (id == UINT32_MAX || !mm_vocabulary_add(vocabulary, text + at, end - at, id))
            return mm_fail_memory(error, "the vocabulary");
        at = next;
    }
    if (vocabulary->count == 0)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: the vocabulary is empty", where);
    return mm_vocabulary_finish(vocabulary) ? MM_STATUS_OK
                                            : mm_fail_memory(error, "the vocabulary");
}

static mm_status make_normalizer(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                                 mm_error *error) {
    static const char where[] = "tokenizer_config.json";
    bool lowercase, chinese, accents;
    mm_status status =
        mm_json_get_bool(&lowercase, settings->config, "do_lower_case", true, where, error);
    if (!status)
        status =
            mm_json_get_bool(&accents, settings->config, "strip_accents", lowercase, where, error);
    if (!status)
        status = mm_json_get_bool(&chinese, settings->config, "tokenize_chinese_chars", true, where,
                                  error);
    if (status)
        return status;
    json_t *config = json_pack("{s:s, s:b, s:b, s:b, s:b}", "type", "BertNormalizer", "clean_text",
                               1, "handle_chinese_chars", (int)chinese, "strip_accents",
                               (int)accents, "lowercase", (int)lowercase);
    json_t *splitter = json_pack("{s:s}", "type", "BertPreTokenizer");
    status = config && splitter ? MM_STATUS_OK : mm_fail_memory(error, where);
    if (!status)
        status = mm_normalizer_read(&tokenizer->normalizers, config, where, error);
    if (!status)
        status = mm_pretokenizer_read(&tokenizer->pretokenizers, splitter, where, error);
    json_decref(config);
    json_decref(splitter);
    return status;
}

mm_status mm_tokenizer_read_vocabulary(mm_tokenizer *tokenizer, const char *text, size_t length,
                                       const mm_tokenizer_settings *settings, const char *where,
                                       mm_error *error) {
    const family *own = find_family(settings);
    mm_status status = read_lines(&tokenizer->model.vocabulary, text, length, where, error);
    mm_wordpiece_options options = {
        mm_tokenizer_special_text(settings, "unk_token", (*own->specials)[MM_SPECIAL_UNK]), "##",
        100};
    if (!status)
        status = mm_model_make_wordpiece(&tokenizer->model, &options, error);
    if (!status)
        status = make_normalizer(tokenizer, settings, error);
    if (!status)
        status = mm_tokenizer_add_configured(tokenizer, settings, error);
    if (!status)
        status =
            mm_tokenizer_add_defaults(tokenizer, settings, *own->specials, own->mask_lstrip, error);
    if (!status)
        status = mm_decoder_make_wordpiece(&tokenizer->decoders, "##", error);
    if (status)
        return status;
    const mm_class_traits traits = {.forms = own->forms, .specials = *own->specials};
    return mm_tokenizer_surround(tokenizer, settings, &traits, error);
}
