// SPDX-License-Identifier: Apache-2.0
// Members of a text codec's JSON object: checked, and turned into options.
#include "manager/parameters.h"
#include "manager/text_codec.h"

#include <string.h>

mm_status mm_codec_wrong(const char *name, const char *what, mm_error *error) {
    mm_status status =
        mm_fail(error, MM_STATUS_INVALID_PARAMETER, "\"%.64s\" must be %s", name, what);
    mm_parameter_details(error, name);
    return status;
}

mm_status mm_codec_check_names(const json_t *object, const char *names, mm_error *error) {
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

// NULL when absent or null.
static const json_t *get(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return value && !json_is_null(value) ? value : NULL;
}

mm_status mm_codec_get_flag(bool *out, const json_t *object, const char *name, bool fallback,
                            mm_error *error) {
    const json_t *value = get(object, name);
    *out = value ? json_is_true(value) : fallback;
    return !value || json_is_boolean(value) ? MM_STATUS_OK
                                            : mm_codec_wrong(name, "true or false", error);
}

static mm_status get_number(size_t *out, const json_t *object, const char *name, size_t fallback,
                            json_int_t minimum, json_int_t maximum, mm_error *error) {
    const json_t *value = get(object, name);
    json_int_t number = json_integer_value(value);
    *out = value ? (size_t)number : fallback;
    if (!value || (json_is_integer(value) && number >= minimum && number <= maximum))
        return MM_STATUS_OK;
    return mm_codec_wrong(name, minimum ? "a positive integer" : "an integer from 0 on", error);
}

// The place of the value in `choices`, the first one being the fallback.
static mm_status get_choice(int *out, const json_t *object, const char *name,
                            const char *const *choices, const char *what, mm_error *error) {
    const json_t *value = get(object, name);
    *out = 0;
    if (!value)
        return MM_STATUS_OK;
    const char *text = json_string_value(value);
    for (; text && choices[*out]; ++*out)
        if (strcmp(text, choices[*out]) == 0)
            return MM_STATUS_OK;
    return mm_codec_wrong(name, what, error);
}

static const char *const directions[] = {"right", "left", NULL};
static const char direction_choices[] = "\"right\" or \"left\"";

static mm_status read_truncation(mm_truncation *out, const json_t *config, mm_error *error) {
    static const char *const strategies[] = {"longest_first", "only_first", "only_second", NULL};
    int strategy = 0, side = 0;
    mm_status status = mm_codec_check_names(config, "max_length stride strategy direction", error);
    if (!status && !get(config, "max_length"))
        status = mm_codec_wrong("max_length", "given in \"truncation\"", error);
    if (!status)
        status = get_number(&out->max_length, config, "max_length", 0, 0, INT64_MAX, error);
    if (!status && out->max_length == 0)
        out->max_length = MM_TRUNCATE_TO_NOTHING;
    if (!status)
        status = get_number(&out->stride, config, "stride", 0, 0, INT64_MAX, error);
    if (!status)
        status = get_choice(&strategy, config, "strategy", strategies,
                            "\"longest_first\", \"only_first\" or \"only_second\"", error);
    if (!status)
        status = get_choice(&side, config, "direction", directions, direction_choices, error);
    out->strategy = (mm_truncate_strategy)strategy;
    out->side = (mm_truncate_side)side;
    return status;
}

static mm_status read_padding(mm_padding *out, const json_t *config, mm_error *error) {
    const json_t *token = get(config, "pad_token");
    size_t id = 0, type_id = 0;
    int side = 0;
    mm_status status = mm_codec_check_names(
        config, "direction pad_id pad_type_id pad_token length pad_to_multiple_of", error);
    if (!status)
        status = get_choice(&side, config, "direction", directions, direction_choices, error);
    if (!status)
        status = get_number(&id, config, "pad_id", 0, 0, INT32_MAX, error);
    if (!status)
        status = get_number(&type_id, config, "pad_type_id", 0, 0, INT32_MAX, error);
    if (!status)
        status = get_number(&out->length, config, "length", 0, 0, INT64_MAX, error);
    if (!status)
        status =
            get_number(&out->multiple_of, config, "pad_to_multiple_of", 0, 0, INT64_MAX, error);
    if (!status && token &&
        (!json_is_string(token) || strlen(json_string_value(token)) != json_string_length(token)))
        status = mm_codec_wrong("pad_token", "a string without U+0000", error);
    out->fixed = get(config, "length");
    out->side = (mm_pad_side)side;
    out->id = (int32_t)id;
    out->type_id = (int32_t)type_id;
    out->token = token ? json_string_value(token) : "[PAD]";
    return status;
}

// True: as the file stores it, if it does; an object: as it says.
static mm_status take_truncation(mm_encode_options *out, const mm_tokenizer *tokenizer,
                                 const json_t *object, mm_error *error) {
    const json_t *config = get(object, "truncation");
    const mm_truncation *stored = mm_tokenizer_stored_truncation(tokenizer);
    if (!config || json_is_false(config))
        return MM_STATUS_OK;
    out->want_overflow = true;
    if (json_is_true(config)) {
        if (stored)
            out->truncation = *stored;
        return MM_STATUS_OK;
    }
    if (!json_is_object(config))
        return mm_codec_wrong("truncation", "true, false or an object", error);
    mm_status status = read_truncation(&out->truncation, config, error);
    return status ? status : mm_tokenizer_check_truncation(tokenizer, &out->truncation, error);
}

static mm_status take_padding(mm_codec_options *out, const mm_tokenizer *tokenizer,
                              const json_t *object, mm_error *error) {
    const json_t *config = get(object, "padding");
    const mm_padding *stored = mm_tokenizer_stored_padding(tokenizer);
    if (!config || json_is_false(config))
        return MM_STATUS_OK;
    if (json_is_object(config)) {
        out->pads = true;
        return read_padding(&out->padding, config, error);
    }
    if (!json_is_true(config))
        return mm_codec_wrong("padding", "true, false or an object", error);
    out->pads = stored;
    if (stored)
        out->padding = *stored;
    return MM_STATUS_OK;
}

mm_status mm_codec_read_options(mm_codec_options *out, const mm_tokenizer *tokenizer,
                                const json_t *object, mm_error *error) {
    *out = (mm_codec_options){.encode.want_offsets = true};
    mm_status status = mm_codec_get_flag(&out->encode.add_special_tokens, object,
                                         "add_special_tokens", true, error);
    if (!status)
        status = take_truncation(&out->encode, tokenizer, object, error);
    return status ? status : take_padding(out, tokenizer, object, error);
}
