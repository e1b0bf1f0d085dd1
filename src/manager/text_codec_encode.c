// SPDX-License-Identifier: Apache-2.0
// Encoding for the text codec, and encodings as JSON.
#include "base/memory.h"
#include "manager/json_text.h"
#include "manager/text_codec.h"

#include <string.h>

static bool is_padding(const mm_encoding *encoding, size_t index) {
    return encoding->pad_side == MM_PAD_LEFT ? index < encoding->padded
                                             : index >= encoding->count - encoding->padded;
}

static bool put_mask(mm_buffer *out, const mm_encoding *encoding) {
    bool ok = mm_buffer_puts(out, ", \"attention_mask\": [");
    for (size_t i = 0; i < encoding->count && ok; i++)
        ok = mm_buffer_puts(out, i ? "," : "") &&
             mm_buffer_putc(out, is_padding(encoding, i) ? '0' : '1');
    return ok && mm_buffer_putc(out, ']');
}

static bool put_tokens(mm_buffer *out, const mm_tokenizer *tokenizer, const mm_encoding *encoding,
                       const mm_padding *padding) {
    bool ok = mm_buffer_puts(out, ", \"tokens\": [");
    for (size_t i = 0; i < encoding->count && ok; i++) {
        size_t length = 0;
        const char *token = mm_tokenizer_token(tokenizer, encoding->ids[i], &length);
        if (is_padding(encoding, i)) {
            token = padding->token;
            length = strlen(token);
        }
        ok = mm_buffer_puts(out, i ? "," : "") &&
             (token ? mm_json_put_string(out, token, length) : mm_buffer_puts(out, "null"));
    }
    ok = ok && mm_buffer_puts(out, "], \"offsets\": [");
    for (size_t i = 0; i < 2 * encoding->count && ok; i++)
        ok = mm_buffer_puts(out, i ? "," : "") &&
             mm_json_put_integer(out, (int64_t)encoding->offsets[i]);
    return ok && mm_buffer_putc(out, ']');
}

static bool put_overflow(mm_buffer *out, const mm_encoding *encoding) {
    bool ok = mm_buffer_puts(out, ", \"overflow\": [");
    for (size_t i = 0, start = 0; i < encoding->overflow_count && ok; i++) {
        size_t end = encoding->overflow_ends[i];
        ok = mm_buffer_puts(out, i ? "," : "") &&
             mm_json_put_integers(out, encoding->overflow + start, end - start);
        start = end;
    }
    return ok && mm_buffer_putc(out, ']');
}

static bool put_encoding(mm_buffer *out, const mm_tokenizer *tokenizer, const mm_encoding *encoding,
                         const mm_codec_options *options) {
    return mm_buffer_puts(out, "{\"ids\": ") &&
           mm_json_put_integers(out, encoding->ids, encoding->count) &&
           mm_buffer_puts(out, ", \"type_ids\": ") &&
           mm_json_put_integers(out, encoding->type_ids, encoding->count) &&
           put_mask(out, encoding) && put_tokens(out, tokenizer, encoding, &options->padding) &&
           (!options->encode.want_overflow || put_overflow(out, encoding)) &&
           mm_buffer_putc(out, '}');
}

mm_status mm_codec_encode(mm_buffer *out, const mm_tokenizer *tokenizer, const json_t *object,
                          mm_error *error) {
    const json_t *text = json_object_get(object, "text");
    const json_t *pair = json_object_get(object, "pair");
    mm_codec_options options;
    mm_status status =
        mm_codec_check_names(object, "text pair add_special_tokens truncation padding", error);
    if (!status && !json_is_string(text))
        status = mm_codec_wrong("text", "a string", error);
    if (!status && pair && !json_is_null(pair) && !json_is_string(pair))
        status = mm_codec_wrong("pair", "a string", error);
    if (!status)
        status = mm_codec_read_options(&options, tokenizer, object, error);
    if (status)
        return status;
    mm_encoding encoding = {0};
    status = mm_tokenizer_encode(tokenizer, &encoding, json_string_value(text),
                                 json_string_length(text), json_string_value(pair),
                                 json_string_length(pair), &options.encode, error);
    if (!status && options.pads)
        status = mm_encodings_pad(&encoding, 1, &options.padding, error);
    if (!status && !put_encoding(out, tokenizer, &encoding, &options))
        status = mm_fail_memory(error, "the tokens");
    mm_encoding_free(&encoding);
    return status;
}

// ---- Batches -----------------------------------------------------------------------------------

static mm_status encode_texts(mm_encoding *encodings, const mm_tokenizer *tokenizer,
                              const json_t *texts, const mm_codec_options *options,
                              mm_error *error) {
    size_t count = json_array_size(texts);
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < count && !status; i++) {
        const json_t *text = json_array_get(texts, i);
        status =
            json_is_string(text)
                ? mm_tokenizer_encode(tokenizer, &encodings[i], json_string_value(text),
                                      json_string_length(text), NULL, 0, &options->encode, error)
                : mm_codec_wrong("texts", "a list of strings", error);
        if (status)
            mm_error_prefix(error, "texts[%zu]", i);
    }
    return !status && options->pads ? mm_encodings_pad(encodings, count, &options->padding, error)
                                    : status;
}

static bool put_batch(mm_buffer *out, const mm_tokenizer *tokenizer, const mm_encoding *encodings,
                      size_t count, const mm_codec_options *options) {
    bool ok = mm_buffer_puts(out, "{\"batch\": [");
    for (size_t i = 0; i < count && ok; i++)
        ok = mm_buffer_puts(out, i ? "," : "") &&
             put_encoding(out, tokenizer, &encodings[i], options);
    return ok && mm_buffer_puts(out, "]}");
}

mm_status mm_codec_encode_batch(mm_buffer *out, const mm_tokenizer *tokenizer, const json_t *object,
                                mm_error *error) {
    const json_t *texts = json_object_get(object, "texts");
    size_t count = json_array_size(texts);
    mm_codec_options options;
    mm_status status =
        mm_codec_check_names(object, "texts add_special_tokens truncation padding", error);
    if (!status && !json_is_array(texts))
        status = mm_codec_wrong("texts", "a list of strings", error);
    if (!status)
        status = mm_codec_read_options(&options, tokenizer, object, error);
    if (status)
        return status;
    mm_encoding *encodings = mm_calloc(count + 1, sizeof(*encodings));
    if (!encodings)
        return mm_fail_memory(error, "a batch");
    status = encode_texts(encodings, tokenizer, texts, &options, error);
    if (!status && !put_batch(out, tokenizer, encodings, count, &options))
        status = mm_fail_memory(error, "the tokens");
    for (size_t i = 0; i < count; i++)
        mm_encoding_free(&encodings[i]);
    mm_free(encodings);
    return status;
}
