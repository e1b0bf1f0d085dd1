// SPDX-License-Identifier: Apache-2.0
// Builds a BPE tokenizer from vocab.json and merges.txt, as the tokenizer classes of transformers
// 5.24 do.
#include "text/merges_families.h"
#include "text/tokenizer_files.h"

#include "base/utf8.h"
#include "text/vocabulary_json.h"

#include <string.h>

static const char config_name[] = "tokenizer_config.json";

static mm_status find_family(const mm_merges_family **out, const mm_vocabulary *vocabulary,
                             const mm_merge_files *files, const mm_tokenizer_settings *settings,
                             mm_error *error) {
    const char *class = json_string_value(json_object_get(settings->config, "tokenizer_class"));
    // These two are of no family.
    if (class &&
        (strcmp(class, "PreTrainedTokenizerFast") == 0 || strcmp(class, "TokenizersBackend") == 0))
        class = NULL;
    *out = mm_merges_family_find(class, files->model_type, vocabulary);
    if (!*out)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: a tokenizer of \"%s\" made of vocab.json and merges.txt is not "
                       "supported; tokenizer.json is",
                       files->vocabulary_path, class ? class : files->model_type);
    return MM_STATUS_OK;
}

// A stage that a family has as text.
static mm_status parse(json_t **stage, const char *text, mm_error *error) {
    *stage = NULL;
    if (!text)
        return MM_STATUS_OK;
    return mm_json_parse(stage, text, strlen(text), "a stage of the tokenizer",
                         MM_STATUS_MODEL_CORRUPT, error);
}

static json_t *byte_level(bool add_prefix_space, bool trim_offsets, bool use_regex) {
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space",
                     (int)add_prefix_space, "trim_offsets", (int)trim_offsets, "use_regex",
                     (int)use_regex);
}

static mm_status add_byte_level(mm_tokenizer *tokenizer, bool add_prefix_space, bool use_regex,
                                mm_error *error) {
    static const char where[] = "ByteLevel";
    json_t *config = byte_level(add_prefix_space, true, use_regex);
    mm_status status = config ? MM_STATUS_OK : mm_fail_memory(error, where);
    if (!status)
        status = mm_pretokenizer_read(&tokenizer->pretokenizers, config, where, error);
    if (!status)
        status = mm_decoder_read(&tokenizer->decoders, config, where, error);
    json_decref(config);
    return status;
}

static mm_status make_stages(mm_tokenizer *tokenizer, const mm_merges_stages *stages,
                             bool add_prefix_space, mm_error *error) {
    static const char where[] = "a stage of the tokenizer";
    json_t *normalizer, *splitter = NULL, *decoder = NULL;
    mm_status status = parse(&normalizer, stages->normalizer, error);
    if (!status)
        status = parse(&splitter, stages->splitter, error);
    if (!status)
        status = parse(&decoder, stages->decoder, error);
    if (!status)
        status = mm_normalizer_read(&tokenizer->normalizers, normalizer, where, error);
    if (!status)
        status = mm_pretokenizer_read(&tokenizer->pretokenizers, splitter, where, error);
    if (!status && stages->byte_level)
        status = add_byte_level(tokenizer, add_prefix_space, !splitter, error);
    if (!status)
        status = mm_decoder_read(&tokenizer->decoders, decoder, where, error);
    json_decref(normalizer);
    json_decref(splitter);
    json_decref(decoder);
    return status;
}

static mm_status note_trim(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                           bool add_prefix_space, mm_error *error) {
    bool trim;
    mm_status status =
        mm_json_get_bool(&trim, settings->config, "trim_offsets", true, config_name, error);
    if (status)
        return status;
    json_t *config = byte_level(add_prefix_space, trim, true);
    status = config ? mm_postprocessor_apply(&tokenizer->postprocessor, "ByteLevel", config,
                                             config_name, error)
                    : mm_fail_memory(error, config_name);
    json_decref(config);
    return status;
}

static mm_status read_vocabulary(mm_tokenizer *tokenizer, const mm_merge_files *files,
                                 mm_error *error) {
    size_t bad;
    if (!mm_utf8_valid(files->vocabulary.start, files->vocabulary.length, &bad))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: not UTF-8 at byte %zu",
                       files->vocabulary_path, bad);
    return mm_vocabulary_read_object(&tokenizer->model.vocabulary, files->vocabulary,
                                     files->vocabulary_path, error);
}

// Words with a suffix have letters that may be missing, which are then the unknown token.
static mm_status read_model(mm_tokenizer *tokenizer, const mm_merge_files *files,
                            const mm_tokenizer_settings *settings, const mm_merges_family *family,
                            mm_error *error) {
    const char *suffix = family->stages->suffix;
    const char *unknown =
        mm_tokenizer_special_text(settings, "unk_token", family->specials[MM_SPECIAL_UNK]);
    json_t *config =
        suffix ? json_pack("{s:s, s:s?}", "end_of_word_suffix", suffix, "unk_token", unknown)
               : json_object();
    if (!config)
        return mm_fail_memory(error, "BPE");
    mm_status status =
        mm_model_make_bpe(&tokenizer->model, config, files->merges, files->merges_path, error);
    json_decref(config);
    return status;
}

static mm_status add_tokens(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                            const mm_merges_family *family, mm_error *error) {
    bool lstrip = (family->traits & MM_MERGES_MASK_LSTRIP) != 0;
    const mm_class_traits traits = {.forms = family->forms, .specials = family->specials};
    mm_status status = mm_tokenizer_add_configured(tokenizer, settings, error);
    if (!status)
        status = mm_tokenizer_add_defaults(tokenizer, settings, family->specials, lstrip, error);
    return status ? status : mm_tokenizer_surround(tokenizer, settings, &traits, error);
}

mm_status mm_tokenizer_read_merges(mm_tokenizer *tokenizer, const mm_merge_files *files,
                                   const mm_tokenizer_settings *settings, mm_error *error) {
    const mm_merges_family *family = NULL;
    bool prefix = false;
    mm_status status = read_vocabulary(tokenizer, files, error);
    if (!status)
        status = find_family(&family, &tokenizer->model.vocabulary, files, settings, error);
    if (!status)
        status = read_model(tokenizer, files, settings, family, error);
    if (!status)
        status = mm_json_get_bool(&prefix, settings->config, "add_prefix_space",
                                  (family->traits & MM_MERGES_PREFIX) != 0, config_name, error);
    if (!status)
        status = make_stages(tokenizer, family->stages, prefix, error);
    if (!status)
        status = add_tokens(tokenizer, settings, family, error);
    if (!status && (family->traits & MM_MERGES_TRIMS))
        status = note_trim(tokenizer, settings, prefix, error);
    return status;
}
