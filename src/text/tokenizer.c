// SPDX-License-Identifier: Apache-2.0
// Runs the stages over a text: added tokens, normalizers, pre-tokenizers, model; and back.
#include "text/tokenizer_parts.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/assemble.h"
#include "text/encoding.h"
#include "text/offsets.h"

#include <string.h>

mm_status mm_tokenizer_make(mm_tokenizer **out, mm_error *error) {
    *out = mm_calloc(1, sizeof(**out));
    return *out ? MM_STATUS_OK : mm_fail_memory(error, "a tokenizer");
}

void mm_tokenizer_free(mm_tokenizer *tokenizer) {
    if (!tokenizer)
        return;
    mm_added_tokens_free(&tokenizer->added);
    mm_stages_free(&tokenizer->normalizers);
    mm_stages_free(&tokenizer->pretokenizers);
    mm_token_model_free(&tokenizer->model);
    mm_postprocessor_free(&tokenizer->postprocessor);
    mm_decoder_list_free(&tokenizer->decoders);
    mm_free(tokenizer->pad_token);
    mm_free(tokenizer);
}

mm_status mm_tokenizer_finish(mm_tokenizer *tokenizer, mm_error *error) {
    mm_model *model = &tokenizer->model;
    if (mm_pretokenizer_ends_in_letters(&tokenizer->pretokenizers) && model->kind->take_bytes &&
        model->kind->take_bytes(model))
        mm_pretokenizer_leave_bytes(&tokenizer->pretokenizers);
    return mm_added_tokens_prepare(&tokenizer->added, &tokenizer->normalizers, error);
}

mm_status mm_tokenizer_parse(mm_tokenizer **out, const char *json, size_t length, const char *where,
                             mm_error *error) {
    *out = NULL;
    mm_tokenizer *tokenizer;
    mm_status status = mm_tokenizer_make(&tokenizer, error);
    if (status)
        return status;
    status = mm_tokenizer_read_json(tokenizer, json, length, where, error);
    if (!status)
        status = mm_tokenizer_finish(tokenizer, error);
    if (status)
        mm_tokenizer_free(tokenizer);
    else
        *out = tokenizer;
    return status;
}

mm_status mm_tokenizer_prepend_lowercase(mm_tokenizer *tokenizer, mm_error *error) {
    mm_status status = mm_normalizer_prepend_lowercase(&tokenizer->normalizers, error);
    if (status)
        return status;
    return mm_added_tokens_prepare(&tokenizer->added, &tokenizer->normalizers, error);
}

// A part of work->normalized with no added token in it.
static mm_status encode_plain(const mm_tokenizer *tokenizer, mm_encode_work *work, size_t start,
                              size_t end, mm_error *error) {
    mm_rewrite_begin_part(&work->text, &work->normalized, start, end);
    if (!mm_pretokenizer_run(&tokenizer->pretokenizers, work))
        return mm_rewrite_error(&work->text, "pieces of text", error);
    return tokenizer->model.kind->tokenize(&tokenizer->model, work, error);
}

// `span`: in the original; `text`: what was matched.
static bool add_added(mm_encode_work *work, uint32_t id, mm_span span, const char *text,
                      size_t length) {
    return mm_token_add_span(work, id, span) &&
           (!work->want_offsets || mm_token_note_blanks(work, text, length));
}

// How long the language's code, such as ">>fra<<", is that a text begins with.
static size_t code_length(const char *text, size_t length) {
    const char *end =
        length > 2 && memcmp(text, ">>", 2) == 0 ? memmem(text, length, "<<", 2) : NULL;
    return end ? (size_t)(end - text) + 2 : 0;
}

// One token, known or not.
static bool add_code(const mm_tokenizer *tokenizer, mm_encode_work *work, const char *text,
                     size_t start, size_t length) {
    uint32_t id;
    if (!mm_vocabulary_find(&tokenizer->model.vocabulary, text + start, length, &id))
        id = mm_model_unknown(&tokenizer->model);
    return mm_token_add_span(work, id, (mm_span){(uint32_t)start, (uint32_t)(start + length)});
}

// A part of the original between added tokens that are matched raw.
static mm_status encode_chunk(const mm_tokenizer *tokenizer, mm_encode_work *work, const char *text,
                              size_t start, size_t end, mm_error *error) {
    size_t code = tokenizer->codes_first ? code_length(text + start, end - start) : 0;
    if (code && !add_code(tokenizer, work, text, start, code))
        return mm_fail_memory(error, "tokens");
    start += code;
    mm_rewrite *normalized = &work->normalized;
    bool want_origins = work->want_offsets ||
                        (start == 0 && mm_pretokenizer_wants_origins(&tokenizer->pretokenizers));
    mm_rewrite_begin(normalized, text + start, end - start, start, want_origins);
    if (!normalized->failed)
        mm_normalizer_run(&tokenizer->normalizers, normalized);
    if (normalized->failed)
        return mm_rewrite_error(normalized, "normalized text", error);
    if (normalized->length > UINT32_MAX)
        return mm_fail(error, MM_STATUS_INPUT_TOO_LONG, "the normalized text exceeds 4 GiB");
    mm_added_cutter cutter = {.tokens = &tokenizer->added,
                              .set = &tokenizer->added.normalized,
                              .text = normalized->text,
                              .length = normalized->length};
    mm_added_part part;
    mm_status status = MM_STATUS_OK;
    while (!status && mm_added_next(&cutter, &part)) {
        if (!part.token)
            status = encode_plain(tokenizer, work, part.start, part.end, error);
        else if (!add_added(work, part.token->id, mm_rewrite_span(normalized, part.start, part.end),
                            normalized->text + part.start, part.end - part.start))
            status = mm_fail_memory(error, "tokens");
    }
    return status;
}

static mm_status encode_sequence(const mm_tokenizer *tokenizer, mm_encode_work *work,
                                 const char *text, size_t length, mm_error *error) {
    size_t bad;
    if (length > UINT32_MAX)
        return mm_fail(error, MM_STATUS_INPUT_TOO_LONG, "a text of %zu bytes exceeds 4 GiB",
                       length);
    if (!mm_utf8_valid(text, length, &bad)) {
        mm_status status =
            mm_fail(error, MM_STATUS_INVALID_REQUEST, "the text is not UTF-8 at byte %zu", bad);
        mm_error_details(error, "{\"byte\": %zu}", bad);
        return status;
    }
    work->tokens->count = work->tokens->trims_count = 0;
    if (!mm_token_reserve(work, 1)) // spans too, which the last call may not have wanted
        return mm_fail_memory(error, "tokens");
    mm_added_cutter cutter = {
        .tokens = &tokenizer->added, .set = &tokenizer->added.raw, .text = text, .length = length};
    mm_added_part part;
    mm_status status = MM_STATUS_OK;
    while (!status && mm_added_next(&cutter, &part)) {
        if (!part.token) {
            status = encode_chunk(tokenizer, work, text, part.start, part.end, error);
            continue;
        }
        mm_span span = {(uint32_t)part.start, (uint32_t)part.end};
        if (!add_added(work, part.token->id, span, text + part.start, part.end - part.start))
            status = mm_fail_memory(error, "tokens");
    }
    return status;
}

mm_status mm_tokenizer_encode(const mm_tokenizer *tokenizer, mm_encoding *out, const char *text,
                              size_t length, const char *pair, size_t pair_length,
                              const mm_encode_options *options, mm_error *error) {
    mm_encoding_reset(out);
    if (!out->scratch)
        out->scratch = mm_encode_work_make();
    mm_encode_work *work = out->scratch;
    if (!work)
        return mm_fail_memory(error, "tokens");
    work->want_offsets = options->want_offsets;
    work->sequences[0].count = work->sequences[1].count = 0;
    const char *texts[2] = {text, pair};
    size_t lengths[2] = {length, pair_length};
    for (int i = 0; i < (pair ? 2 : 1); i++) {
        work->tokens = &work->sequences[i];
        mm_status status = encode_sequence(tokenizer, work, texts[i], lengths[i], error);
        if (!status && work->want_offsets)
            status = mm_offsets_count_points(work, work->tokens, texts[i], lengths[i], error);
        if (status)
            return status;
    }
    return mm_assemble(tokenizer, work, out, pair != NULL, options, error);
}

const char *mm_tokenizer_token(const mm_tokenizer *tokenizer, int32_t id, size_t *length) {
    const mm_added_token *added = mm_added_tokens_by_id(&tokenizer->added, (uint32_t)id);
    if (!added)
        return mm_vocabulary_token(&tokenizer->model.vocabulary, (uint32_t)id, length);
    *length = added->shown_length;
    return added->shown;
}

const char *mm_tokenizer_shown(const mm_tokenizer *tokenizer, int32_t id, bool skip_special_tokens,
                               size_t *length) {
    const mm_added_token *added = mm_added_tokens_by_id(&tokenizer->added, (uint32_t)id);
    if (skip_special_tokens && added && mm_added_tokens_skips(&tokenizer->added, added))
        return NULL;
    const char *token = mm_tokenizer_token(tokenizer, id, length);
    if (!token && tokenizer->unknown_beyond)
        token = mm_tokenizer_token(tokenizer, (int32_t)mm_model_unknown(&tokenizer->model), length);
    return token;
}

mm_status mm_tokenizer_decode(const mm_tokenizer *tokenizer, char **out, size_t *out_length,
                              const int32_t *ids, size_t count, bool skip_special_tokens,
                              mm_error *error) {
    *out = NULL;
    *out_length = 0;
    mm_decode_texts texts;
    mm_decode_texts_init(&texts);
    for (size_t i = 0; i < count; i++) {
        size_t length = 0;
        const char *text = mm_tokenizer_shown(tokenizer, ids[i], skip_special_tokens, &length);
        if (text && !mm_decode_texts_add(&texts, text, length)) {
            mm_decode_texts_free(&texts);
            return mm_fail_memory(error, "decoded text");
        }
    }
    return mm_decoder_run(&tokenizer->decoders, &texts, out, out_length, error);
}

size_t mm_tokenizer_vocab_size(const mm_tokenizer *tokenizer) {
    const mm_vocabulary *vocabulary = &tokenizer->model.vocabulary;
    size_t size = vocabulary->count ? (size_t)vocabulary->largest_id + 1 : 0;
    for (size_t i = 0; i < tokenizer->added.count; i++)
        if (tokenizer->added.items[i].id >= size)
            size = (size_t)tokenizer->added.items[i].id + 1;
    return size;
}

int32_t mm_tokenizer_token_id(const mm_tokenizer *tokenizer, const char *token) {
    uint32_t id;
    size_t length = strlen(token);
    if (mm_added_tokens_find(&tokenizer->added, token, length, &id) ||
        mm_vocabulary_find(&tokenizer->model.vocabulary, token, length, &id))
        return (int32_t)id;
    return -1;
}

size_t mm_tokenizer_model_max_length(const mm_tokenizer *tokenizer) {
    return tokenizer->model_max_length;
}

bool mm_tokenizer_cleans_up(const mm_tokenizer *tokenizer) {
    return tokenizer->cleans_up;
}

size_t mm_tokenizer_special_count(const mm_tokenizer *tokenizer, bool pair) {
    return tokenizer->postprocessor.added[pair];
}

const char *mm_tokenizer_kind(const mm_tokenizer *tokenizer) {
    return tokenizer->model.kind->type;
}
