// SPDX-License-Identifier: Apache-2.0
// Builds a tokenizer from a SentencePiece file, as the class of tokenizer that uses it does.
#include "text/sentencepiece_families.h"
#include "text/tokenizer_files.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static const char config_name[] = "tokenizer_config.json";

typedef struct builder {
    mm_tokenizer *tokenizer;
    const mm_tokenizer_settings *settings;
    const mm_sentencepiece_family *family;
    const char *where;
    mm_error *error;
    mm_sentencepiece_model model;
    mm_token_names names;
    mm_token_scores tokens;
} builder;

static bool has_trait(const builder *self, unsigned trait) {
    return (self->family->traits & trait) != 0;
}

static bool is_nameless(const builder *self) {
    return !*self->family->classes;
}

static const char *name_of(const builder *self, mm_special_name which, const char *fallback) {
    const char *own = self->family->specials ? self->family->specials[which] : NULL;
    return mm_tokenizer_special_text(self->settings, mm_special_names[which], own ? own : fallback);
}

static mm_status read_names(builder *self) {
    const json_t *config = self->settings->config;
    int64_t extra_ids;
    mm_status status = mm_json_get_integer(&extra_ids, config, "extra_ids", 100, 0, 100000,
                                           config_name, self->error);
    if (status)
        return status;
    const char *sentence = json_string_value(json_object_get(config, "mask_token_sent"));
    self->names = (mm_token_names){.bos = name_of(self, MM_SPECIAL_BOS, "<s>"),
                                   .eos = name_of(self, MM_SPECIAL_EOS, "</s>"),
                                   .unk = name_of(self, MM_SPECIAL_UNK, "<unk>"),
                                   .pad = name_of(self, MM_SPECIAL_PAD, "<pad>"),
                                   .mask = name_of(self, MM_SPECIAL_MASK, "<mask>"),
                                   .mask_sentence = sentence ? sentence : "<mask_1>",
                                   .extra_ids = (size_t)extra_ids,
                                   .languages = self->family->languages};
    return MM_STATUS_OK;
}

static mm_status find_unknown(const builder *self, size_t *unknown) {
    int64_t id = self->family->unk_id < 0 ? self->model.unk_id : self->family->unk_id;
    size_t length = strlen(self->names.unk);
    for (size_t i = 0; i < self->tokens.count && self->family->unk_id == MM_UNK_BY_NAME; i++) {
        const mm_scored_token *token = &self->tokens.items[i];
        if (token->length != length || memcmp(token->text, self->names.unk, length) != 0)
            continue;
        id = (int64_t)i;
        break;
    }
    if (id < 0 || (size_t)id >= self->tokens.count)
        return mm_fail(self->error, MM_STATUS_MODEL_CORRUPT,
                       "%s: the unknown token %lld is none of the %zu tokens", self->where,
                       (long long)id, self->tokens.count);
    *unknown = (size_t)id;
    return MM_STATUS_OK;
}

static mm_status make_unigram(builder *self) {
    size_t unknown;
    mm_status status = find_unknown(self, &unknown);
    if (status)
        return status;
    return mm_model_make_unigram(&self->tokenizer->model, self->tokens.items, self->tokens.count,
                                 unknown, is_nameless(self) && self->model.byte_fallback,
                                 self->where, self->error);
}

static bool has_user_defined(const mm_sentencepiece_model *model) {
    for (size_t i = 0; i < model->count; i++)
        if (model->pieces[i].type == MM_PIECE_USER_DEFINED)
            return true;
    return false;
}

static mm_status make_bpe(builder *self) {
    bool nameless = is_nameless(self);
    const mm_piece_merging how = {.plain = nameless,
                                  .byte_fallback = !nameless || self->model.byte_fallback,
                                  .ignore_merges = nameless && has_user_defined(&self->model)};
    size_t unknown;
    mm_status status = find_unknown(self, &unknown);
    return status ? status
                  : mm_sentencepiece_make_bpe(&self->tokenizer->model, &self->model, &self->tokens,
                                              unknown, &how, self->where, self->error);
}

static mm_status make_model(builder *self) {
    mm_status status = mm_sentencepiece_tokens(&self->tokens, &self->model, self->family->order,
                                               &self->names, self->error);
    if (status)
        return status;
    bool nameless = is_nameless(self);
    if (nameless && self->model.kind != MM_SENTENCEPIECE_UNIGRAM &&
        self->model.kind != MM_SENTENCEPIECE_BPE)
        return mm_fail(self->error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: SentencePiece models of type %lld are not supported, only Unigram (1) "
                       "and BPE (2)",
                       self->where, (long long)self->model.kind);
    bool bpe = nameless ? self->model.kind == MM_SENTENCEPIECE_BPE : has_trait(self, MM_FAMILY_BPE);
    return bpe ? make_bpe(self) : make_unigram(self);
}

static mm_status make_stages(builder *self) {
    mm_tokenizer *tokenizer = self->tokenizer;
    mm_sentencepiece_stages stages;
    mm_status status = mm_sentencepiece_stages_make(&stages, self->family, &self->model,
                                                    self->settings->config, self->error);
    if (!status)
        status = mm_normalizer_read(&tokenizer->normalizers, stages.normalizer, self->where,
                                    self->error);
    if (!status)
        status = mm_pretokenizer_read(&tokenizer->pretokenizers, stages.pretokenizer, self->where,
                                      self->error);
    if (!status)
        status = mm_decoder_read(&tokenizer->decoders, stages.decoder, self->where, self->error);
    mm_sentencepiece_stages_free(&stages);
    return status;
}

static mm_status add_token(builder *self, const char *text, size_t length, bool special) {
    mm_added_tokens *added = &self->tokenizer->added;
    if (mm_added_tokens_has(added, text, length))
        return MM_STATUS_OK;
    mm_added_token token = {.content = text, .length = length, .special = special};
    return mm_added_tokens_add(added, &token, &self->tokenizer->model.vocabulary, self->error);
}

// Control pieces are special; those that users defined are found in the text first, too, but for
// the nameless family, which has a pattern for them.
static mm_status add_pieces(builder *self) {
    bool nameless = is_nameless(self);
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < self->model.count && !status; i++) {
        const mm_sentencepiece *piece = &self->model.pieces[i];
        bool control = piece->type == MM_PIECE_CONTROL;
        if (control || (piece->type == MM_PIECE_USER_DEFINED && !nameless))
            status = add_token(self, piece->text, piece->length, control);
    }
    return status;
}

// Tokens beside the pieces that the class knows to be special.
static mm_status add_made(builder *self) {
    mm_status status = MM_STATUS_OK;
    char text[32];
    if (self->family->order == MM_PIECES_T5)
        for (size_t i = 0; i < self->names.extra_ids && !status; i++) {
            int length = snprintf(text, sizeof(text), "<extra_id_%zu>", i);
            status = add_token(self, text, (size_t)length, true);
        }
    const char *codes = self->family->languages ? self->family->languages->codes : "", *code;
    size_t code_length;
    while (!status && (code = mm_next_name(&codes, &code_length)))
        status = add_token(self, code, code_length, true);
    if (self->family->order != MM_PIECES_PEGASUS)
        return status;
    if (!status)
        status =
            add_token(self, self->names.mask_sentence, strlen(self->names.mask_sentence), true);
    for (int i = 2; i < 103 && !status; i++) {
        int length = snprintf(text, sizeof(text), "<unk_%d>", i);
        status = add_token(self, text, (size_t)length, true);
    }
    return status;
}

static mm_status add_special_tokens(builder *self) {
    mm_status status = mm_tokenizer_add_configured(self->tokenizer, self->settings, self->error);
    if (!status)
        status = mm_tokenizer_add_defaults(self->tokenizer, self->settings, self->family->specials,
                                           has_trait(self, MM_FAMILY_MASK_LSTRIP), self->error);
    if (!status)
        status = add_pieces(self);
    return status ? status : add_made(self);
}

static mm_status make_postprocessor(builder *self) {
    bool legacy;
    mm_status status = mm_json_get_bool(&legacy, self->settings->config, "legacy_behaviour", false,
                                        config_name, self->error);
    if (status)
        return status;
    const mm_class_traits traits = {.forms = mm_sentencepiece_forms(self->family, legacy),
                                    .adds_bos = has_trait(self, MM_FAMILY_ADDS_BOS),
                                    .specials = self->family->specials,
                                    .languages = self->family->languages};
    return mm_tokenizer_surround(self->tokenizer, self->settings, &traits, self->error);
}

mm_status mm_tokenizer_read_sentencepiece(mm_tokenizer *tokenizer, const char *bytes, size_t length,
                                          const mm_tokenizer_settings *settings,
                                          const char *model_type, const char *where,
                                          mm_error *error) {
    builder self = {.tokenizer = tokenizer, .settings = settings, .where = where, .error = error};
    mm_status status = mm_sentencepiece_read(&self.model, bytes, length, where, error);
    if (status)
        return status;
    const char *class_name =
        json_string_value(json_object_get(settings->config, "tokenizer_class"));
    self.family = mm_sentencepiece_family_find(class_name, model_type, &self.model);
    status = read_names(&self);
    if (!status)
        status = make_model(&self);
    if (!status)
        status = make_stages(&self);
    if (!status)
        status = add_special_tokens(&self);
    if (!status)
        status = make_postprocessor(&self);
    mm_token_scores_free(&self.tokens);
    mm_sentencepiece_free(&self.model);
    return status;
}
