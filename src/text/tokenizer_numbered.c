// SPDX-License-Identifier: Apache-2.0
// Builds a tokenizer from a SentencePiece file that cuts and a vocab.json that numbers, as the
// classes of transformers 5.24 do that call the SentencePiece library itself.
#include "text/decoder_kinds.h"
#include "text/normalizer_kinds.h"
#include "text/sentencepiece_families.h"
#include "text/tokenizer_files.h"
#include "text/vocabulary_json.h"

#include "base/utf8.h"

#include <string.h>

static const char config_name[] = "tokenizer_config.json";

typedef struct family {
    const char *classes, *types; // of tokenizer_class; or, when there is none, of model_type
    mm_template_forms forms;
    mm_special_set specials;
    const mm_languages *languages;    // behind the vocabulary; NULL: none
    bool spaced;                      // see mm_pieces_decoder
    bool codes_first, unknown_beyond; // see struct mm_tokenizer
} family;

static const family families[] = {
    {"M2M100Tokenizer",
     "m2m_100",
     {"c0A0s0", "c0A0B0s0", "src_lang", "eos_token"},
     {"<s>", "</s>", "<unk>", "</s>", "<pad>", NULL, NULL},
     &mm_m2m100_languages,
     false,
     false,
     true},
    {"MarianTokenizer",
     "marian",
     {"A0s0", "A0B0s0", NULL, "eos_token"},
     {NULL, "</s>", "<unk>", NULL, "<pad>", NULL, NULL},
     NULL,
     true,
     true,
     false},
};

// What stands around the model is as the SentencePiece file says.
static const mm_sentencepiece_family own_steps = {
    .normalizers = "oz", .pretokenizers = "o", .decoders = ""};

typedef struct builder {
    mm_tokenizer *tokenizer;
    const mm_numbered_files *files;
    const mm_tokenizer_settings *settings;
    const family *family;
    const mm_languages *languages;
    mm_error *error;
    mm_sentencepiece_model model;
    mm_token_scores tokens;
} builder;

static mm_status find_family(builder *self) {
    const json_t *config = self->settings->config;
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
    const char *name = class ? class : self->files->model_type;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && name; i++)
        if (class ? mm_name_is_listed(families[i].classes, class, true)
                  : mm_name_is_listed(families[i].types, name, false))
            self->family = &families[i];
    if (!self->family)
        return mm_fail(self->error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: a tokenizer of \"%s\" made of vocab.json and a SentencePiece file is "
                       "not supported; tokenizer.json is",
                       self->files->vocabulary_path, name ? name : "");
    bool separate;
    mm_status status =
        mm_json_get_bool(&separate, config, "separate_vocabs", false, config_name, self->error);
    if (!status && separate)
        status = mm_fail(self->error, MM_STATUS_MODEL_UNSUPPORTED,
                         "%s: \"separate_vocabs\", ids of its own for each language, is not "
                         "supported",
                         config_name);
    const char *codes = json_string_value(json_object_get(config, "language_codes"));
    self->languages = self->family->languages;
    if (self->languages && codes && strcmp(codes, "wmt21") == 0)
        self->languages = &mm_wmt21_languages;
    return status;
}

static mm_status add_languages(builder *self) {
    mm_vocabulary *vocabulary = &self->tokenizer->model.vocabulary;
    const char *codes = self->languages ? self->languages->codes : "", *code;
    uint32_t id = (uint32_t)vocabulary->count;
    size_t length;
    bool ok = true;
    while (ok && (code = mm_next_name(&codes, &length))) {
        char token[64];
        mm_language_token(token, sizeof(token), self->languages, code, length);
        ok = mm_vocabulary_add(vocabulary, token, strlen(token), id++);
    }
    return ok && mm_vocabulary_finish(vocabulary)
               ? MM_STATUS_OK
               : mm_fail_memory(self->error, self->files->vocabulary_path);
}

static mm_status read_vocabulary(builder *self) {
    const mm_numbered_files *files = self->files;
    size_t bad;
    if (!mm_utf8_valid(files->vocabulary.start, files->vocabulary.length, &bad))
        return mm_fail(self->error, MM_STATUS_MODEL_CORRUPT, "%s: not UTF-8 at byte %zu",
                       files->vocabulary_path, bad);
    mm_status status = mm_vocabulary_read_object(
        &self->tokenizer->model.vocabulary, files->vocabulary, files->vocabulary_path, self->error);
    return status ? status : add_languages(self);
}

static mm_status make_bpe(builder *self) {
    const mm_piece_merging how = {.plain = true, .ignore_merges = true};
    return mm_sentencepiece_make_bpe(mm_model_pieces(&self->tokenizer->model), &self->model,
                                     &self->tokens, (size_t)self->model.unk_id, &how,
                                     self->files->pieces_path, self->error);
}

// Only some pieces are found in a text; the others stand in the list for their places.
static mm_status make_unigram(builder *self) {
    mm_model *model = &self->tokenizer->model, *pieces = mm_model_pieces(model);
    for (size_t i = 0; i < self->tokens.count; i++) {
        int64_t type = self->model.pieces[i].type;
        if (type != MM_PIECE_NORMAL && type != MM_PIECE_USER_DEFINED)
            self->tokens.items[i] = (mm_scored_token){"", 0, 0};
    }
    mm_status status = mm_model_make_unigram(pieces, self->tokens.items, self->tokens.count,
                                             (size_t)self->model.unk_id, false,
                                             self->files->pieces_path, self->error);
    if (!status)
        mm_unigram_as_sentencepiece(pieces, &model->vocabulary);
    return status;
}

static mm_status make_model(builder *self) {
    mm_model *model = &self->tokenizer->model;
    const char *where = self->files->pieces_path;
    if (self->model.byte_fallback)
        return mm_fail(self->error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: bytes as tokens beside a vocab.json are not supported", where);
    if (self->model.unk_id < 0 || (size_t)self->model.unk_id >= self->tokens.count)
        return mm_fail(self->error, MM_STATUS_MODEL_CORRUPT,
                       "%s: the unknown token %lld is none of the %zu pieces", where,
                       (long long)self->model.unk_id, self->tokens.count);
    if (self->model.kind != MM_SENTENCEPIECE_UNIGRAM && self->model.kind != MM_SENTENCEPIECE_BPE)
        return mm_fail(self->error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: SentencePiece models of type %lld are not supported, only Unigram (1) "
                       "and BPE (2)",
                       where, (long long)self->model.kind);
    mm_status status =
        mm_model_make_numbered(model, self->tokens.items, self->tokens.count,
                               mm_tokenizer_special_text(self->settings, "unk_token",
                                                         self->family->specials[MM_SPECIAL_UNK]),
                               self->files->vocabulary_path, self->error);
    if (status)
        return status;
    return self->model.kind == MM_SENTENCEPIECE_BPE ? make_bpe(self) : make_unigram(self);
}

// The library's own normalization, then what its settings say.
static mm_status make_stages(builder *self) {
    mm_tokenizer *tokenizer = self->tokenizer;
    const char *where = self->files->pieces_path;
    mm_sentencepiece_model rest = self->model;
    rest.charsmap = (mm_bytes){0};
    mm_sentencepiece_stages stages;
    mm_status status =
        mm_normalizer_add_charsmap(&tokenizer->normalizers, self->model.charsmap.start,
                                   self->model.charsmap.length, where, self->error);
    if (status)
        return status;
    status = mm_sentencepiece_stages_make(&stages, &own_steps, &rest, NULL, self->error);
    if (!status)
        status = mm_normalizer_read(&tokenizer->normalizers, stages.normalizer, where, self->error);
    if (!status)
        status = mm_pretokenizer_read(&tokenizer->pretokenizers, stages.pretokenizer, where,
                                      self->error);
    mm_sentencepiece_stages_free(&stages);
    const mm_pieces_decoder decoder = {.added = &tokenizer->added,
                                       .pieces = &mm_model_pieces(&tokenizer->model)->vocabulary,
                                       .spaced = self->family->spaced};
    return status ? status : mm_decoder_add_pieces(&tokenizer->decoders, &decoder, self->error);
}

static mm_status add_tokens(builder *self) {
    mm_tokenizer *tokenizer = self->tokenizer;
    const mm_class_traits traits = {.forms = &self->family->forms,
                                    .specials = self->family->specials,
                                    .languages = self->languages};
    mm_status status = mm_tokenizer_add_configured(tokenizer, self->settings, self->error);
    if (!status)
        status = mm_tokenizer_add_defaults(tokenizer, self->settings, self->family->specials, false,
                                           self->error);
    tokenizer->codes_first = self->family->codes_first;
    tokenizer->unknown_beyond = self->family->unknown_beyond;
    return status ? status : mm_tokenizer_surround(tokenizer, self->settings, &traits, self->error);
}

mm_status mm_tokenizer_read_numbered(mm_tokenizer *tokenizer, const mm_numbered_files *files,
                                     const mm_tokenizer_settings *settings, mm_error *error) {
    static const mm_token_names no_names = {"", "", "", "", "", "", 0, NULL};
    builder self = {.tokenizer = tokenizer, .files = files, .settings = settings, .error = error};
    mm_status status = mm_sentencepiece_read(&self.model, files->pieces.start, files->pieces.length,
                                             files->pieces_path, error);
    if (status)
        return status;
    status = find_family(&self);
    if (!status)
        status = read_vocabulary(&self);
    if (!status)
        status = mm_sentencepiece_tokens(&self.tokens, &self.model, MM_PIECES_AS_THEY_ARE,
                                         &no_names, error);
    if (!status)
        status = make_model(&self);
    if (!status)
        status = make_stages(&self);
    if (!status)
        status = add_tokens(&self);
    mm_token_scores_free(&self.tokens);
    mm_sentencepiece_free(&self.model);
    return status;
}
