// SPDX-License-Identifier: Apache-2.0
#include "text/model_bpe.h"

#include "base/memory.h"

#include <string.h>

static const mm_model_kind kinds[] = {
    {"WordPiece", true, mm_wordpiece_read, NULL, mm_wordpiece_tokenize, NULL},
    {"WordLevel", true, mm_wordlevel_read, NULL, mm_wordlevel_tokenize, NULL},
    {"BPE", true, mm_bpe_read, mm_bpe_release, mm_bpe_tokenize, mm_bpe_take_bytes},
    {"Unigram", false, mm_unigram_read, mm_unigram_release, mm_unigram_tokenize, NULL},
};

static const mm_model_kind *find_kind(const char *type) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].type, type) == 0)
            return &kinds[i];
    return NULL;
}

// Older files have no "type": the shape decides, in the reference library's order.
static const char *type_by_shape(const json_t *config) {
    if (json_object_get(config, "merges"))
        return "BPE";
    if (json_is_array(json_object_get(config, "vocab")))
        return "Unigram";
    if (json_object_get(config, "continuing_subword_prefix"))
        return "WordPiece";
    return "WordLevel";
}

mm_status mm_model_read(mm_model *model, const json_t *config, const mm_model_parts *parts,
                        const char *where, mm_error *error) {
    if (!json_is_object(config))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"model\" is missing", where);
    const char *type;
    mm_status status = mm_json_get_string(&type, config, "type", NULL, where, error);
    if (status)
        return status;
    if (!type)
        type = type_by_shape(config);
    const mm_model_kind *kind = find_kind(type);
    if (!kind)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: the tokenizer model \"%s\" is not supported", where, type);
    if (kind->wants_vocabulary && !json_is_object(json_object_get(config, "vocab")))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"vocab\" must be an object", where);
    model->kind = kind;
    return kind->read(model, config, parts, where, error);
}

mm_status mm_model_make_wordpiece(mm_model *model, const mm_wordpiece_options *options,
                                  mm_error *error) {
    json_t *config =
        json_pack("{s:s, s:s, s:I}", "unk_token", options->unk_token, "continuing_subword_prefix",
                  options->prefix, "max_input_chars_per_word", (json_int_t)options->max_characters);
    if (!config)
        return mm_fail_memory(error, "WordPiece");
    model->kind = find_kind("WordPiece");
    mm_status status = mm_wordpiece_read(model, config, NULL, "WordPiece", error);
    json_decref(config);
    return status;
}

mm_status mm_model_make_bpe(mm_model *model, const json_t *config, mm_json_part merges,
                            const char *where, mm_error *error) {
    model->kind = find_kind("BPE");
    return mm_bpe_make(model, config, merges, where, error);
}

mm_status mm_model_make_unigram(mm_model *model, const mm_scored_token *tokens, size_t count,
                                size_t unknown, bool byte_fallback, const char *where,
                                mm_error *error) {
    model->kind = find_kind("Unigram");
    return mm_unigram_make(model, tokens, count, unknown, byte_fallback, where, error);
}

void mm_token_model_free(mm_model *model) {
    mm_vocabulary_free(&model->vocabulary);
    if (model->kind && model->kind->release)
        model->kind->release(model->settings);
    else
        mm_free(model->settings);
    *model = (mm_model){0};
}
