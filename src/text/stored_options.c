// SPDX-License-Identifier: Apache-2.0
// The truncation and padding that tokenizer.json stores: kept for those who ask for them.
#include "text/tokenizer_parts.h"

#include "base/memory.h"

#include <string.h>

static mm_status get_choice(int *out, const json_t *config, const char *key,
                            const char *const *choices, const char *fallback, const char *where,
                            mm_error *error) {
    const char *text;
    mm_status status = mm_json_get_string(&text, config, key, fallback, where, error);
    if (status)
        return status;
    for (*out = 0; text && choices[*out]; ++*out)
        if (strcmp(text, choices[*out]) == 0)
            return MM_STATUS_OK;
    return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"%s\" is \"%.64s\", must be %s, %s, ...",
                   where, key, text ? text : "", choices[0], choices[1]);
}

// One that must be there.
static mm_status get_number(int64_t *out, const json_t *config, const char *key, int64_t maximum,
                            const char *where, mm_error *error) {
    mm_status status = mm_json_get_integer(out, config, key, -1, 0, maximum, where, error);
    if (!status && *out < 0)
        status = mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"%s\" is missing", where, key);
    return status;
}

static mm_status read_truncation(mm_tokenizer *tokenizer, const json_t *config, const char *where,
                                 mm_error *error) {
    static const char *const strategies[] = {"LongestFirst", "OnlyFirst", "OnlySecond", NULL};
    static const char *const sides[] = {"Right", "Left", NULL};
    int64_t max_length, stride;
    int strategy, side;
    mm_status status = get_number(&max_length, config, "max_length", INT64_MAX, where, error);
    if (!status)
        status = get_number(&stride, config, "stride", INT64_MAX, where, error);
    if (!status)
        status = get_choice(&strategy, config, "strategy", strategies, NULL, where, error);
    if (!status)
        status = get_choice(&side, config, "direction", sides, "Right", where, error);
    if (status)
        return status;
    tokenizer->truncates = true;
    tokenizer->truncation =
        (mm_truncation){.max_length = max_length ? (size_t)max_length : MM_TRUNCATE_TO_NOTHING,
                        .stride = (size_t)stride,
                        .strategy = (mm_truncate_strategy)strategy,
                        .side = (mm_truncate_side)side};
    return MM_STATUS_OK;
}

// "BatchLongest", or {"Fixed": n}.
static mm_status read_pad_strategy(mm_padding *padding, const json_t *config, const char *where,
                                   mm_error *error) {
    const json_t *strategy = json_object_get(config, "strategy");
    int64_t length = 0;
    padding->fixed = json_is_object(strategy);
    if (padding->fixed) {
        mm_status status = get_number(&length, strategy, "Fixed", INT64_MAX, where, error);
        padding->length = (size_t)length;
        return status;
    }
    if (json_is_string(strategy) && strcmp(json_string_value(strategy), "BatchLongest") == 0)
        return MM_STATUS_OK;
    return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                   "%s: the \"strategy\" of \"padding\" must be \"BatchLongest\" or {\"Fixed\": "
                   "length}",
                   where);
}

static mm_status read_padding(mm_tokenizer *tokenizer, const json_t *config, const char *where,
                              mm_error *error) {
    static const char *const sides[] = {"Right", "Left", NULL};
    mm_padding padding = {0};
    int64_t multiple = 0, id = 0, type_id = 0;
    int side = 0;
    const char *token = NULL;
    mm_status status = read_pad_strategy(&padding, config, where, error);
    if (!status)
        status = get_choice(&side, config, "direction", sides, NULL, where, error);
    if (!status)
        status = mm_json_get_integer(&multiple, config, "pad_to_multiple_of", 0, 0, INT64_MAX,
                                     where, error);
    if (!status)
        status = get_number(&id, config, "pad_id", UINT32_MAX, where, error);
    if (!status)
        status = get_number(&type_id, config, "pad_type_id", UINT32_MAX, where, error);
    if (!status)
        status = mm_json_get_string(&token, config, "pad_token", NULL, where, error);
    if (!status && !token)
        status = mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"pad_token\" is missing", where);
    if (!status && !(tokenizer->pad_token = mm_strdup(token)))
        status = mm_fail_memory(error, where);
    if (status)
        return status;
    padding.multiple_of = (size_t)multiple;
    padding.side = (mm_pad_side)side;
    padding.id = (int32_t)(uint32_t)id;
    padding.type_id = (int32_t)(uint32_t)type_id;
    padding.token = tokenizer->pad_token;
    tokenizer->padding = padding;
    return MM_STATUS_OK;
}

static mm_status wrong(const char *key, const char *where, mm_error *error) {
    return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"%s\" must be an object or null", where,
                   key);
}

mm_status mm_tokenizer_read_stored(mm_tokenizer *tokenizer, const json_t *root, const char *where,
                                   mm_error *error) {
    const json_t *truncation = json_object_get(root, "truncation");
    const json_t *padding = json_object_get(root, "padding");
    mm_status status = MM_STATUS_OK;
    if (truncation && !json_is_null(truncation))
        status = json_is_object(truncation) ? read_truncation(tokenizer, truncation, where, error)
                                            : wrong("truncation", where, error);
    if (!status && padding && !json_is_null(padding))
        status = json_is_object(padding) ? read_padding(tokenizer, padding, where, error)
                                         : wrong("padding", where, error);
    return status;
}

const mm_truncation *mm_tokenizer_stored_truncation(const mm_tokenizer *tokenizer) {
    return tokenizer->truncates ? &tokenizer->truncation : NULL;
}

const mm_padding *mm_tokenizer_stored_padding(const mm_tokenizer *tokenizer) {
    return tokenizer->padding.token ? &tokenizer->padding : NULL;
}
