// SPDX-License-Identifier: Apache-2.0
// Builds a tokenizer from tokenizer.json.
#include "text/tokenizer_parts.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/vocabulary_json.h"

#include <string.h>

mm_status mm_tokenizer_read_added(mm_added_token *token, const json_t *config, const char *where,
                                  mm_error *error) {
    const json_t *content = json_object_get(config, "content");
    if (content && !json_is_string(content))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"content\" must be a string", where);
    *token = (mm_added_token){.content = json_string_value(content),
                              .length = json_string_length(content)};
    struct {
        const char *key;
        bool *flag;
    } flags[] = {{"single_word", &token->single_word},
                 {"lstrip", &token->lstrip},
                 {"rstrip", &token->rstrip},
                 {"special", &token->special}};
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && !status; i++)
        status = mm_json_get_bool(flags[i].flag, config, flags[i].key, false, where, error);
    if (!status)
        status = mm_json_get_bool(&token->normalized, config, "normalized", !token->special, where,
                                  error);
    return status;
}

static mm_status read_added_tokens(mm_tokenizer *tokenizer, const json_t *list, const char *where,
                                   mm_error *error) {
    if (!list || json_is_null(list))
        return MM_STATUS_OK;
    if (!json_is_array(list))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"added_tokens\" must be an array",
                       where);
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < json_array_size(list) && !status; i++) {
        const json_t *config = json_array_get(list, i);
        const json_t *id = json_object_get(config, "id");
        mm_added_token token;
        status = mm_tokenizer_read_added(&token, config, where, error);
        if (status)
            break;
        if (!token.content || !json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) > UINT32_MAX)
            return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                           "%s: added token %zu needs \"content\" and an \"id\"", where, i);
        status =
            mm_added_tokens_add(&tokenizer->added, &token, &tokenizer->model.vocabulary, error);
    }
    return status;
}

// The file with nothing in the places of `parts`, which are objects or arrays in their order.
static mm_status parse_without(json_t **out, const char *json, size_t length,
                               const mm_json_part *parts, size_t count, const char *where,
                               mm_error *error) {
    mm_buffer rest;
    mm_buffer_init(&rest, length);
    bool ok = true;
    const char *at = json;
    for (size_t i = 0; i < count && ok; i++) {
        ok = mm_buffer_append(&rest, at, (size_t)(parts[i].start - at)) &&
             mm_buffer_puts(&rest, *parts[i].start == '{' ? "{}" : "[]");
        at = parts[i].start + parts[i].length;
    }
    ok = ok && mm_buffer_append(&rest, at, (size_t)(json + length - at));
    mm_status status =
        ok ? mm_json_parse(out, rest.data, rest.length, where, MM_STATUS_MODEL_CORRUPT, error)
           : mm_fail_memory(error, where);
    mm_buffer_free(&rest);
    return status;
}

// The long members of "model" are read without a tree, when they are objects or arrays.
static mm_model_parts find_parts(const char *json, size_t length) {
    mm_json_part parts[2];
    mm_json_locate(parts, json, length, "model", (const char *const[]){"vocab", "merges"}, 2);
    for (int i = 0; i < 2; i++) {
        if (parts[i].length < 2 || (*parts[i].start != '{' && *parts[i].start != '['))
            parts[i] = (mm_json_part){0};
    }
    return (mm_model_parts){parts[0], parts[1]};
}

static mm_status parse_rest(json_t **out, const char *json, size_t length,
                            const mm_model_parts *parts, const char *where, mm_error *error) {
    mm_json_part cut[2];
    size_t count = 0;
    if (parts->vocab.start)
        cut[count++] = parts->vocab;
    if (parts->merges.start)
        cut[count++] = parts->merges;
    if (count == 2 && cut[0].start > cut[1].start) {
        mm_json_part swap = cut[0];
        cut[0] = cut[1];
        cut[1] = swap;
    }
    return parse_without(out, json, length, cut, count, where, error);
}

static mm_status read_version(const json_t *root, const char *where, mm_error *error) {
    const char *version;
    mm_status status = mm_json_get_string(&version, root, "version", "1.0", where, error);
    if (!status && strcmp(version, "1.0") != 0)
        status = mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                         "%s: version \"%s\" is not supported, only \"1.0\"", where, version);
    return status;
}

static mm_status read_components(mm_tokenizer *tokenizer, const json_t *root,
                                 const mm_model_parts *parts, const char *where, mm_error *error) {
    mm_status status = read_version(root, where, error);
    if (!status)
        status =
            mm_model_read(&tokenizer->model, json_object_get(root, "model"), parts, where, error);
    if (!status)
        status = mm_normalizer_read(&tokenizer->normalizers, json_object_get(root, "normalizer"),
                                    where, error);
    if (!status)
        status = mm_pretokenizer_read(&tokenizer->pretokenizers,
                                      json_object_get(root, "pre_tokenizer"), where, error);
    if (!status)
        status = mm_postprocessor_read(&tokenizer->postprocessor,
                                       json_object_get(root, "post_processor"), where, error);
    if (!status)
        status =
            mm_decoder_read(&tokenizer->decoders, json_object_get(root, "decoder"), where, error);
    if (!status)
        status = mm_tokenizer_read_stored(tokenizer, root, where, error);
    if (!status)
        status = read_added_tokens(tokenizer, json_object_get(root, "added_tokens"), where, error);
    return status;
}

mm_status mm_tokenizer_read_json(mm_tokenizer *tokenizer, const char *json, size_t length,
                                 const char *where, mm_error *error) {
    size_t bad;
    if (!mm_utf8_valid(json, length, &bad))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: not UTF-8 at byte %zu", where, bad);
    mm_model_parts parts = find_parts(json, length);
    mm_status status = MM_STATUS_OK;
    if (parts.vocab.start && *parts.vocab.start == '{')
        status = mm_vocabulary_read_object(&tokenizer->model.vocabulary, parts.vocab, where, error);
    json_t *root = NULL;
    if (!status)
        status = parse_rest(&root, json, length, &parts, where, error);
    if (!status && !json_is_object(root))
        status = mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: must hold a JSON object", where);
    if (!status)
        status = read_components(tokenizer, root, &parts, where, error);
    json_decref(root);
    return status;
}
