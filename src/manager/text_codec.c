// SPDX-License-Identifier: Apache-2.0
// Tokenising as a tool: a model's tokenizer without the model, one JSON object in, one out.
#include "manager/text_codec.h"
#include "base/file.h"
#include "base/memory.h"
#include "manager/json_text.h"
#include "manager/pull.h"
#include "manager/result.h"
#include "manager/state.h"
#include "text/clean_up.h"

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
        status = mm_pull_missing(&found, manager, model, NULL, NULL, MM_HUB_NEED_TEXT, error);
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

// ---- Decoding ----------------------------------------------------------------------------------

static mm_status read_ids(int32_t **out, const json_t *list, mm_error *error) {
    size_t count = json_array_size(list);
    if (!json_is_array(list))
        return mm_codec_wrong("ids", "a list of token ids", error);
    *out = mm_array_realloc(NULL, count, sizeof(**out));
    if (!*out)
        return mm_fail_memory(error, "token ids");
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(list, i);
        json_int_t value = json_integer_value(id);
        if (!json_is_integer(id) || value < 0 || value > INT32_MAX)
            return mm_codec_wrong("ids", "a list of token ids", error);
        (*out)[i] = (int32_t)value;
    }
    return MM_STATUS_OK;
}

static mm_status decode(mm_buffer *out, const mm_tokenizer *tokenizer, const json_t *object,
                        mm_error *error) {
    bool skip = true, cleans_up = false;
    int32_t *ids = NULL;
    char *text = NULL;
    size_t length = 0;
    const json_t *list = json_object_get(object, "ids");
    mm_status status =
        mm_codec_check_names(object, "ids skip_special_tokens clean_up_tokenization_spaces", error);
    if (!status)
        status =
            mm_codec_get_flag(&cleans_up, object, "clean_up_tokenization_spaces", false, error);
    if (!status)
        status = mm_codec_get_flag(&skip, object, "skip_special_tokens", true, error);
    if (!status)
        status = read_ids(&ids, list, error);
    if (!status)
        status =
            mm_tokenizer_decode(tokenizer, &text, &length, ids, json_array_size(list), skip, error);
    if (!status && cleans_up)
        mm_clean_up_text(text, &length);
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
        status = decode(&text, codec->tokenizer, object, &error);
    else if (!status && json_object_get(object, "texts"))
        status = mm_codec_encode_batch(&text, codec->tokenizer, object, &error);
    else if (!status && json_object_get(object, "text"))
        status = mm_codec_encode(&text, codec->tokenizer, object, &error);
    else if (!status)
        status = mm_fail(&error, MM_STATUS_INVALID_REQUEST, "give \"text\", \"texts\" or \"ids\"");
    error.status = status;
    bool ok = !status || put_error(&text, &error);
    *out = ok ? mm_buffer_detach(&text) : NULL;
    mm_buffer_free(&text);
    json_decref(object);
    return *out ? status : MM_STATUS_OUT_OF_MEMORY;
}
