// SPDX-License-Identifier: Apache-2.0
// Tokenising as a tool: a model's tokenizer without the model, one JSON object in, one out.
#include "base/file.h"
#include "base/memory.h"
#include "manager/json_text.h"
#include "manager/result.h"
#include "manager/state.h"
#include "text/tokenizer.h"

#include <string.h>

struct mm_text_codec {
    mm_tokenizer *tokenizer;
};

mm_status mm_text_codec_open(mm_text_codec **out, mm_manager *manager, const char *model,
                             mm_error *error) {
    *out = NULL;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    mm_hub_model found = {0};
    bool is_file = mm_file_exists(model);
    mm_text_codec *codec = mm_calloc(1, sizeof(*codec));
    if (!codec)
        status = mm_fail_memory(error, "a tokenizer");
    if (!status && !is_file)
        status = mm_hub_find(&found, &manager->places, model, NULL, false, error);
    if (!status)
        status = mm_tokenizer_open(&codec->tokenizer, is_file ? model : found.directory, error);
    if (status)
        mm_text_codec_free(codec);
    else
        *out = codec;
    mm_hub_model_free(&found);
    mm_manager_leave(manager);
    return status;
}

void mm_text_codec_free(mm_text_codec *codec) {
    if (!codec)
        return;
    mm_tokenizer_free(codec->tokenizer);
    mm_free(codec);
}

// ---- Reading the object ------------------------------------------------------------------------

static mm_status wrong(const char *name, const char *what, mm_error *error) {
    mm_status status =
        mm_fail(error, MM_STATUS_INVALID_PARAMETER, "\"%.64s\" must be %s", name, what);
    mm_parameter_details(error, name);
    return status;
}

static mm_status check_names(const json_t *object, const char *names, mm_error *error) {
    json_t *members = (json_t *)(uintptr_t)object; // jansson's iterator wants it not const
    for (void *at = json_object_iter(members); at; at = json_object_iter_next(members, at)) {
        const char *name = json_object_iter_key(at);
        if (mm_choice_known(names, name))
            continue;
        mm_status status = mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                                   "there is no \"%.64s\" here, only: %s", name, names);
        mm_parameter_details(error, name);
        return status;
    }
    return MM_STATUS_OK;
}

static mm_status get_flag(bool *out, const json_t *object, const char *name, bool fallback,
                          mm_error *error) {
    const json_t *value = json_object_get(object, name);
    *out = value && !json_is_null(value) ? json_is_true(value) : fallback;
    return !value || json_is_null(value) || json_is_boolean(value)
               ? MM_STATUS_OK
               : wrong(name, "true or false", error);
}

// ---- Encoding ----------------------------------------------------------------------------------

static bool put_tokens(mm_buffer *out, const mm_tokenizer *tokenizer, const mm_encoding *encoding) {
    bool ok = mm_buffer_puts(out, ", \"tokens\": [");
    for (size_t i = 0; i < encoding->count && ok; i++) {
        size_t length = 0;
        const char *token = mm_tokenizer_token(tokenizer, encoding->ids[i], &length);
        ok = mm_buffer_puts(out, i ? "," : "") &&
             (token ? mm_json_put_string(out, token, length) : mm_buffer_puts(out, "null"));
    }
    ok = ok && mm_buffer_puts(out, "], \"offsets\": [");
    for (size_t i = 0; i < 2 * encoding->count && ok; i++)
        ok = mm_buffer_puts(out, i ? "," : "") &&
             mm_json_put_integer(out, (int64_t)encoding->offsets[i]);
    return ok && mm_buffer_putc(out, ']');
}

static bool put_encoding(mm_buffer *out, const mm_tokenizer *tokenizer,
                         const mm_encoding *encoding) {
    bool ok = mm_buffer_puts(out, "{\"ids\": ") &&
              mm_json_put_integers(out, encoding->ids, encoding->count) &&
              mm_buffer_puts(out, ", \"type_ids\": ") &&
              mm_json_put_integers(out, encoding->type_ids, encoding->count) &&
              mm_buffer_puts(out, ", \"attention_mask\": [");
    for (size_t i = 0; i < encoding->count && ok; i++)
        ok = mm_buffer_puts(out, i ? ",1" : "1");
    return ok && mm_buffer_putc(out, ']') && put_tokens(out, tokenizer, encoding) &&
           mm_buffer_putc(out, '}');
}

static mm_status encode(mm_buffer *out, const mm_text_codec *codec, const json_t *object,
                        mm_error *error) {
    const json_t *text = json_object_get(object, "text");
    const json_t *pair = json_object_get(object, "pair");
    mm_encode_options options = {.want_offsets = true};
    mm_status status = check_names(object, "text pair add_special_tokens", error);
    if (!status && !json_is_string(text))
        status = wrong("text", "a string", error);
    if (!status && pair && !json_is_null(pair) && !json_is_string(pair))
        status = wrong("pair", "a string", error);
    if (!status)
        status = get_flag(&options.add_special_tokens, object, "add_special_tokens", true, error);
    if (status)
        return status;
    mm_encoding encoding = {0};
    status = mm_tokenizer_encode(codec->tokenizer, &encoding, json_string_value(text),
                                 json_string_length(text), json_string_value(pair),
                                 json_string_length(pair), &options, error);
    if (!status && !put_encoding(out, codec->tokenizer, &encoding))
        status = mm_fail_memory(error, "the tokens");
    mm_encoding_free(&encoding);
    return status;
}

// ---- Decoding ----------------------------------------------------------------------------------

static mm_status read_ids(int32_t **out, const json_t *list, mm_error *error) {
    size_t count = json_array_size(list);
    if (!json_is_array(list))
        return wrong("ids", "a list of token ids", error);
    *out = mm_array_realloc(NULL, count, sizeof(**out));
    if (!*out)
        return mm_fail_memory(error, "token ids");
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(list, i);
        json_int_t value = json_integer_value(id);
        if (!json_is_integer(id) || value < 0 || value > INT32_MAX)
            return wrong("ids", "a list of token ids", error);
        (*out)[i] = (int32_t)value;
    }
    return MM_STATUS_OK;
}

static mm_status decode(mm_buffer *out, const mm_text_codec *codec, const json_t *object,
                        mm_error *error) {
    bool skip = true;
    int32_t *ids = NULL;
    char *text = NULL;
    size_t length = 0;
    const json_t *list = json_object_get(object, "ids");
    mm_status status = check_names(object, "ids skip_special_tokens", error);
    if (!status)
        status = get_flag(&skip, object, "skip_special_tokens", true, error);
    if (!status)
        status = read_ids(&ids, list, error);
    if (!status)
        status = mm_tokenizer_decode(codec->tokenizer, &text, &length, ids, json_array_size(list),
                                     skip, error);
    if (!status && !(mm_buffer_puts(out, "{\"text\": ") && mm_json_put_string(out, text, length) &&
                     mm_buffer_putc(out, '}')))
        status = mm_fail_memory(error, "the text");
    mm_free(ids);
    mm_free(text);
    return status;
}

// {"error": {...}} with the object that a Result would hold.
static bool put_error(mm_buffer *out, const mm_error *error) {
    mm_buffer result;
    mm_buffer_init(&result, PTRDIFF_MAX);
    static const char head[] = "{\"success\": false, ";
    bool ok = mm_failure_write(&result, error, NULL, false);
    mm_buffer_clear(out);
    ok = ok && mm_buffer_putc(out, '{') && mm_buffer_puts(out, result.data + sizeof(head) - 1);
    mm_buffer_free(&result);
    return ok;
}

mm_status mm_text_codec_json(char **out, const mm_text_codec *codec, const char *json,
                             size_t length) {
    mm_buffer text;
    mm_error error = {0};
    json_t *object;
    mm_buffer_init(&text, PTRDIFF_MAX);
    mm_status status =
        mm_json_parse(&object, json, length, "line", MM_STATUS_INVALID_REQUEST, &error);
    if (!status && !json_is_object(object))
        status = mm_fail(&error, MM_STATUS_INVALID_REQUEST, "a line must be a JSON object");
    if (!status && json_object_get(object, "ids"))
        status = decode(&text, codec, object, &error);
    else if (!status && json_object_get(object, "text"))
        status = encode(&text, codec, object, &error);
    else if (!status)
        status = mm_fail(&error, MM_STATUS_INVALID_REQUEST, "give \"text\" or \"ids\"");
    error.status = status;
    bool ok = !status || put_error(&text, &error);
    *out = ok ? mm_buffer_detach(&text) : NULL;
    mm_buffer_free(&text);
    json_decref(object);
    return *out ? status : MM_STATUS_OUT_OF_MEMORY;
}
