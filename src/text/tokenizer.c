// SPDX-License-Identifier: Apache-2.0
// Runs the stages over a text: added tokens, normalizers, pre-tokenizers, model, truncation,
// post-processor; and back.
#include "text/tokenizer_parts.h"

#include "base/memory.h"
#include "base/utf8.h"
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
    mm_free(tokenizer);
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
        status = mm_added_tokens_prepare(&tokenizer->added, &tokenizer->normalizers, error);
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
        return mm_fail_memory(error, "pieces of text");
    return tokenizer->model.kind->tokenize(&tokenizer->model, work, error);
}

// `span`: in the original; `text`: what was matched.
static bool add_added(mm_encode_work *work, uint32_t id, mm_span span, const char *text,
                      size_t length) {
    return mm_token_add_span(work, id, span) &&
           (!work->want_offsets || mm_token_note_blanks(work, text, length));
}

// A part of the original between added tokens that are matched raw.
static mm_status encode_chunk(const mm_tokenizer *tokenizer, mm_encode_work *work, const char *text,
                              size_t start, size_t end, mm_error *error) {
    mm_rewrite *normalized = &work->normalized;
    mm_rewrite_begin(normalized, text + start, end - start, start, work->want_offsets);
    if (!normalized->failed)
        mm_normalizer_run(&tokenizer->normalizers, normalized);
    if (normalized->failed)
        return mm_fail_memory(error, "normalized text");
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

typedef struct kept { // what truncation leaves of a sequence
    size_t start, count;
} kept;

// "Longest first" as the reference library does it: the shorter sequence stays whole when it fits
// into half of the room.
static void share_room(size_t room, size_t *first, size_t *second) {
    bool swap = *first > *second;
    size_t shorter = swap ? *second : *first, longer = shorter;
    if (shorter <= room && room - shorter > shorter)
        longer = room - shorter;
    if (shorter + longer > room) {
        shorter = room / 2;
        longer = shorter + room % 2;
    }
    size_t new_first = swap ? longer : shorter, new_second = swap ? shorter : longer;
    if (new_first < *first)
        *first = new_first;
    if (new_second < *second)
        *second = new_second;
}

static void truncate_sequences(const mm_encode_work *work, kept keep[2], size_t specials,
                               const mm_encode_options *options) {
    size_t total = keep[0].count + keep[1].count;
    // A limit below the special tokens cuts nothing: so does the reference library.
    if (options->max_length == 0 || options->max_length < specials ||
        total <= options->max_length - specials)
        return;
    size_t room = options->max_length - specials;
    if (keep[1].count == 0)
        keep[0].count = room;
    else
        share_room(room, &keep[0].count, &keep[1].count);
    if (options->side == MM_TRUNCATE_LEFT) {
        for (int i = 0; i < 2; i++)
            keep[i].start = work->sequences[i].count - keep[i].count;
    }
}

static mm_status reserve_encoding(mm_encoding *out, size_t count, bool want_offsets,
                                  mm_error *error) {
    if (count > out->capacity) {
        size_t capacity = count + count / 4 + 32;
        int32_t *ids = mm_array_realloc(out->ids, capacity, sizeof(*ids));
        if (ids)
            out->ids = ids;
        int32_t *type_ids = ids ? mm_array_realloc(out->type_ids, capacity, sizeof(*ids)) : NULL;
        if (!type_ids)
            return mm_fail_memory(error, "token ids");
        out->type_ids = type_ids;
        mm_free(out->offsets); // made anew below when wanted
        out->offsets = NULL;
        out->capacity = capacity;
    }
    if (want_offsets && !out->offsets) {
        out->offsets = mm_array_realloc(NULL, out->capacity * 2, sizeof(*out->offsets));
        if (!out->offsets)
            return mm_fail_memory(error, "token offsets");
    }
    return MM_STATUS_OK;
}

static void put(mm_encoding *out, uint32_t id, int32_t type_id, mm_span span, bool want_offsets) {
    out->ids[out->count] = (int32_t)id;
    out->type_ids[out->count] = type_id;
    if (want_offsets) {
        out->offsets[out->count * 2] = span.start;
        out->offsets[out->count * 2 + 1] = span.end;
    }
    out->count++;
}

static mm_status assemble(const mm_tokenizer *tokenizer, mm_encode_work *work, mm_encoding *out,
                          bool has_pair, const mm_encode_options *options, mm_error *error) {
    const mm_template *template =
        has_pair ? &tokenizer->postprocessor.pair : &tokenizer->postprocessor.single;
    size_t specials = options->add_special_tokens ? template->special_count : 0;
    kept keep[2] = {{0, work->sequences[0].count}, {0, work->sequences[1].count}};
    size_t full[2] = {keep[0].count, keep[1].count};
    truncate_sequences(work, keep, specials, options);
    size_t count = specials, full_count = specials;
    for (size_t i = 0; i < template->count; i++) {
        const mm_template_part *part = &template->parts[i];
        if (part->kind == MM_PART_SPECIAL)
            continue;
        int which = part->kind == MM_PART_PAIR;
        count += keep[which].count;
        full_count += full[which];
    }
    mm_status status = reserve_encoding(out, count, work->want_offsets, error);
    if (status)
        return status;
    for (int i = 0; i < 2 && work->want_offsets && tokenizer->postprocessor.trim_offsets; i++)
        mm_offsets_trim(tokenizer, &work->sequences[i], keep[i].start, keep[i].count);
    for (size_t i = 0; i < template->count; i++) {
        const mm_template_part *part = &template->parts[i];
        if (part->kind == MM_PART_SPECIAL) {
            if (options->add_special_tokens)
                put(out, part->id, part->type_id, (mm_span){0}, work->want_offsets);
            continue;
        }
        int which = part->kind == MM_PART_PAIR;
        const mm_token_list *tokens = &work->sequences[which];
        for (size_t j = keep[which].start; j < keep[which].start + keep[which].count; j++)
            put(out, tokens->ids[j], part->type_id,
                work->want_offsets ? tokens->spans[j] : (mm_span){0}, work->want_offsets);
    }
    out->full_count = full_count;
    out->truncated = full_count > out->count;
    return MM_STATUS_OK;
}

mm_status mm_tokenizer_encode(const mm_tokenizer *tokenizer, mm_encoding *out, const char *text,
                              size_t length, const char *pair, size_t pair_length,
                              const mm_encode_options *options, mm_error *error) {
    out->count = out->full_count = 0;
    out->truncated = false;
    if (!out->scratch)
        out->scratch = mm_calloc(1, sizeof(mm_encode_work));
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
    return assemble(tokenizer, work, out, pair != NULL, options, error);
}

void mm_encoding_free(mm_encoding *encoding) {
    if (encoding->scratch)
        mm_encode_work_free(encoding->scratch);
    mm_free(encoding->scratch);
    mm_free(encoding->ids);
    mm_free(encoding->type_ids);
    mm_free(encoding->offsets);
    *encoding = (mm_encoding){0};
}

const char *mm_tokenizer_token(const mm_tokenizer *tokenizer, int32_t id, size_t *length) {
    const mm_added_token *added = mm_added_tokens_by_id(&tokenizer->added, (uint32_t)id);
    if (!added)
        return mm_vocabulary_token(&tokenizer->model.vocabulary, (uint32_t)id, length);
    *length = added->shown_length;
    return added->shown;
}

mm_status mm_tokenizer_decode(const mm_tokenizer *tokenizer, char **out, size_t *out_length,
                              const int32_t *ids, size_t count, bool skip_special_tokens,
                              mm_error *error) {
    *out = NULL;
    *out_length = 0;
    mm_decode_texts texts;
    mm_decode_texts_init(&texts);
    for (size_t i = 0; i < count; i++) {
        const mm_added_token *added = mm_added_tokens_by_id(&tokenizer->added, (uint32_t)ids[i]);
        if (skip_special_tokens && added && mm_added_tokens_skips(&tokenizer->added, added))
            continue;
        size_t length = 0;
        const char *text = mm_tokenizer_token(tokenizer, ids[i], &length);
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

size_t mm_tokenizer_special_count(const mm_tokenizer *tokenizer, bool pair) {
    return pair ? tokenizer->postprocessor.pair.special_count
                : tokenizer->postprocessor.single.special_count;
}

const char *mm_tokenizer_kind(const mm_tokenizer *tokenizer) {
    return tokenizer->model.kind->type;
}
