// SPDX-License-Identifier: Apache-2.0
// The parameters of generate() as JSON: which names there are and what they may hold.
#include "base/memory.h"
#include "tasks/generation_settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LENGTH_MAX = 1 << 24, MESSAGE_SIZE = 256, STOPS_MAX = 64, STOP_BYTES_MAX = 1024 };
#define SEED_MAX 9007199254740992.0 // 2^53, which every JSON reader keeps exact

// ---- Reading one value -------------------------------------------------------------------------

typedef struct reader {
    mm_settings_source source;
    const char *where;
    mm_error *error;
} reader;

MM_PRINTF(4, 5)
static mm_status refuse(const reader *r, const char *name, bool is_unsupported, const char *format,
                        ...) {
    char message[MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (r->source != MM_FROM_CALL)
        return mm_fail(r->error,
                       is_unsupported ? MM_STATUS_MODEL_UNSUPPORTED : MM_STATUS_MODEL_CORRUPT,
                       "%s: \"%s\" %s", r->where, name, message);
    mm_status status = mm_fail(r->error, MM_STATUS_INVALID_PARAMETER, "%.64s %s", name, message);
    mm_error_details(r->error, "{\"parameter\": \"%.64s\"}", name);
    return status;
}

static bool is_id(const json_t *value) {
    return json_is_integer(value) && json_integer_value(value) >= 0 &&
           json_integer_value(value) <= INT32_MAX;
}

// An id or a list of ids.
static mm_status read_list(mm_id_list *out, const reader *r, const char *name,
                           const json_t *value) {
    const bool single = is_id(value);
    const size_t count = single ? 1 : json_array_size(value);
    bool good = single || json_is_array(value);
    for (size_t i = 0; i < count && !single; i++)
        good = good && is_id(json_array_get(value, i));
    if (!good)
        return refuse(r, name, false, "must be a token id or a list of them");
    mm_id_list_free(out);
    if (count == 0)
        return MM_STATUS_OK;
    out->ids = mm_array_realloc(NULL, count, sizeof *out->ids);
    if (!out->ids)
        return mm_fail_memory(r->error, "token ids");
    out->count = count;
    for (size_t i = 0; i < count; i++)
        out->ids[i] = (int32_t)json_integer_value(single ? value : json_array_get(value, i));
    return MM_STATUS_OK;
}

// Element i of bad_words_ids is a list of ids, of sequence_bias a pair [ids, number].
static const json_t *ids_of(const json_t *list, size_t i, bool with_bias) {
    const json_t *element = json_array_get(list, i);
    return with_bias ? json_array_get(element, 0) : element;
}

static bool sequences_good(const json_t *list, bool with_bias, size_t *total) {
    bool good = json_array_size(list) > 0;
    *total = 0;
    for (size_t i = 0; i < json_array_size(list) && good; i++) {
        const json_t *ids = ids_of(list, i, with_bias);
        good = json_array_size(ids) > 0 &&
               (!with_bias || json_is_number(json_array_get(json_array_get(list, i), 1)));
        for (size_t j = 0; j < json_array_size(ids); j++)
            good = good && is_id(json_array_get(ids, j));
        *total += json_array_size(ids);
    }
    return good;
}

static mm_status read_sequences(mm_biased_sequences *out, const reader *r, const char *name,
                                const json_t *value, bool with_bias) {
    size_t total;
    if (!sequences_good(value, with_bias, &total))
        return refuse(r, name, false, "must be a list of %s",
                      with_bias ? "[[ids], bias] pairs" : "lists of token ids");
    const size_t count = json_array_size(value);
    mm_biased_sequences_free(out);
    out->ids = mm_array_realloc(NULL, total, sizeof *out->ids);
    out->ends = mm_array_realloc(NULL, count, sizeof *out->ends);
    out->biases = mm_calloc(count, sizeof *out->biases);
    if (!out->ids || !out->ends || !out->biases) {
        mm_biased_sequences_free(out);
        return mm_fail_memory(r->error, "token ids");
    }
    out->count = count;
    total = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *ids = ids_of(value, i, with_bias);
        for (size_t j = 0; j < json_array_size(ids); j++)
            out->ids[total++] = (int32_t)json_integer_value(json_array_get(ids, j));
        out->ends[i] = total;
        if (with_bias)
            out->biases[i] = json_number_value(json_array_get(json_array_get(value, i), 1));
    }
    return MM_STATUS_OK;
}

static mm_status read_decay(mm_generation_settings *settings, const reader *r, const char *name,
                            const json_t *value) {
    const json_t *start = json_array_get(value, 0), *factor = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !is_id(start) || !json_is_number(factor) ||
        json_number_value(factor) <= 0)
        return refuse(r, name, false, "must be [tokens before it begins, factor above 0]");
    settings->decay_start = json_integer_value(start);
    settings->decay_factor = json_number_value(factor);
    return MM_STATUS_OK;
}

// A text or a list of them, each replacing what was there.
static mm_status read_stops(mm_text_list *out, const reader *r, const char *name,
                            const json_t *value) {
    const bool single = json_is_string(value);
    const size_t count = single ? 1 : json_array_size(value);
    bool good = (single || json_is_array(value)) && count <= STOPS_MAX;
    size_t total = 0;
    for (size_t i = 0; i < count && good; i++) {
        const size_t length = json_string_length(single ? value : json_array_get(value, i));
        good = length > 0 && length <= STOP_BYTES_MAX;
        total += length;
    }
    if (!good)
        return refuse(r, name, false, "must be a text of 1 to %d bytes, or up to %d of them",
                      STOP_BYTES_MAX, STOPS_MAX);
    mm_text_list_free(out);
    if (count == 0)
        return MM_STATUS_OK;
    out->bytes = mm_malloc(total);
    out->ends = mm_array_realloc(NULL, count, sizeof *out->ends);
    if (!out->bytes || !out->ends) {
        mm_text_list_free(out);
        return mm_fail_memory(r->error, "stop texts");
    }
    out->count = count;
    total = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *text = single ? value : json_array_get(value, i);
        memcpy(out->bytes + total, json_string_value(text), json_string_length(text));
        out->ends[i] = total += json_string_length(text);
    }
    return MM_STATUS_OK;
}

static mm_status read_stopping(mm_early_stopping *out, const reader *r, const char *name,
                               const json_t *value) {
    const char *text = json_string_value(value);
    if (!json_is_boolean(value) && !(text && strcmp(text, "never") == 0))
        return refuse(r, name, false, "must be true, false or \"never\"");
    *out = text ? MM_STOP_NEVER : json_is_true(value) ? MM_STOP_EARLY : MM_STOP_LATE;
    return MM_STATUS_OK;
}

// ---- All of them -------------------------------------------------------------------------------

typedef enum value_kind {
    INTEGER,
    NUMBER,
    FLAG,
    IDS,
    WORDS,
    BIASES,
    DECAY,
    STOPPING,
    STOPS
} value_kind;

#define FIELD(name) #name, offsetof(mm_generation_settings, name)
static const struct {
    value_kind kind;
    const char *name;
    size_t offset;
    double minimum, maximum;
} parameters[] = {
    {INTEGER, FIELD(max_length), 1, LENGTH_MAX},
    {INTEGER, FIELD(max_new_tokens), 1, LENGTH_MAX},
    {INTEGER, FIELD(min_length), 0, LENGTH_MAX},
    {INTEGER, FIELD(min_new_tokens), 0, LENGTH_MAX},
    {INTEGER, FIELD(num_beams), 1, MM_HYPOTHESES_MAX},
    {INTEGER, FIELD(num_return_sequences), 1, MM_HYPOTHESES_MAX},
    {STOPPING, FIELD(early_stopping), 0, 0},
    {NUMBER, FIELD(length_penalty), -1e3, 1e3},
    {NUMBER, FIELD(repetition_penalty), 1e-6, 1e6},
    {NUMBER, FIELD(encoder_repetition_penalty), 1e-6, 1e6},
    {INTEGER, FIELD(no_repeat_ngram_size), 0, LENGTH_MAX},
    {INTEGER, FIELD(encoder_no_repeat_ngram_size), 0, LENGTH_MAX},
    {FLAG, FIELD(do_sample), 0, 0},
    {NUMBER, FIELD(temperature), 0, 1e6},
    {INTEGER, FIELD(top_k), 0, INT32_MAX},
    {NUMBER, FIELD(top_p), 0, 1},
    {NUMBER, FIELD(min_p), 0, 1},
    {NUMBER, FIELD(typical_p), 0, 1},
    {NUMBER, FIELD(epsilon_cutoff), 0, 1},
    {NUMBER, FIELD(eta_cutoff), 0, 1},
    {NUMBER, FIELD(top_h), 0, 1},
    {FLAG, FIELD(renormalize_logits), 0, 0},
    {FLAG, FIELD(remove_invalid_values), 0, 0},
    {INTEGER, FIELD(decoder_start_token_id), 0, INT32_MAX},
    {INTEGER, FIELD(bos_token_id), 0, INT32_MAX},
    {INTEGER, FIELD(forced_bos_token_id), 0, INT32_MAX},
    {IDS, FIELD(eos_token_id), 0, 0},
    {IDS, FIELD(forced_eos_token_id), 0, 0},
    {IDS, FIELD(suppress_tokens), 0, 0},
    {IDS, FIELD(begin_suppress_tokens), 0, 0},
    {WORDS, "bad_words_ids", offsetof(mm_generation_settings, bad_words), 0, 0},
    {BIASES, FIELD(sequence_bias), 0, 0},
    {DECAY, "exponential_decay_length_penalty", offsetof(mm_generation_settings, decay_start), 0,
     0},
    {STOPS, "stop_strings", offsetof(mm_generation_settings, stop), 0, 0},
    // Ours; those above are transformers' and may stand in files.
    {STOPS, FIELD(stop), 0, 0},
    {INTEGER, FIELD(seed), 0, SEED_MAX},
};
enum { PARAMETER_COUNT = sizeof parameters / sizeof parameters[0], CALL_ONLY = 2 };

// Those that are not built, with the value that changes nothing (a number, or null for absence).
static const struct {
    const char *name;
    double neutral;
} not_built[] = {
    {"num_beam_groups", 1},
    {"diversity_penalty", 0},
    {"penalty_alpha", 0},
    {"guidance_scale", 1},
    {"constraints", 0},
    {"force_words_ids", 0},
    {"dola_layers", 0},
    {"watermarking_config", 0},
    {"prompt_lookup_num_tokens", 0},
    {"forced_decoder_ids", 0},
    {"token_healing", 0},
    {"max_time", 0},
    {"low_memory", 0},
    {"use_mtp", 0},
};
enum { NOT_BUILT_COUNT = sizeof not_built / sizeof not_built[0] };

static mm_status read_value(mm_generation_settings *settings, const reader *r, int index,
                            const json_t *value) {
    const char *name = parameters[index].name;
    char *field = (char *)settings + parameters[index].offset;
    const double low = parameters[index].minimum, high = parameters[index].maximum;
    const double number = json_number_value(value);
    switch (parameters[index].kind) {
    case INTEGER:
        if (!json_is_integer(value) || number < low || number > high)
            return refuse(r, name, false, "must be an integer from %.0f to %.0f", low, high);
        *(int64_t *)(void *)field = json_integer_value(value);
        return MM_STATUS_OK;
    case NUMBER:
        if (!json_is_number(value) || number < low || number > high)
            return refuse(r, name, false, "must be a number from %g to %g", low, high);
        *(double *)(void *)field = number;
        return MM_STATUS_OK;
    case FLAG:
        if (!json_is_boolean(value))
            return refuse(r, name, false, "must be true or false");
        *(bool *)(void *)field = json_is_true(value);
        return MM_STATUS_OK;
    case IDS:
        return read_list((mm_id_list *)(void *)field, r, name, value);
    case WORDS:
    case BIASES:
        return read_sequences((mm_biased_sequences *)(void *)field, r, name, value,
                              parameters[index].kind == BIASES);
    case DECAY:
        return read_decay(settings, r, name, value);
    case STOPPING:
        return read_stopping(&settings->early_stopping, r, name, value);
    case STOPS:
        return read_stops(&settings->stop, r, name, value);
    }
    return MM_STATUS_OK;
}

static bool is_neutral(const json_t *value, double neutral) {
    return json_is_null(value) || json_is_false(value) ||
           (json_is_number(value) && json_number_value(value) == neutral) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

static mm_status read_member(mm_generation_settings *settings, const reader *r, const char *name,
                             const json_t *value) {
    if (json_is_null(value))
        return MM_STATUS_OK;
    const int known = r->source == MM_FROM_CALL ? PARAMETER_COUNT : PARAMETER_COUNT - CALL_ONLY;
    for (int i = 0; i < known; i++) {
        if (strcmp(parameters[i].name, name) == 0)
            return read_value(settings, r, i, value);
    }
    for (int i = 0; i < NOT_BUILT_COUNT; i++) {
        if (strcmp(not_built[i].name, name) == 0)
            return is_neutral(value, not_built[i].neutral)
                       ? MM_STATUS_OK
                       : refuse(r, name, true, "is not built yet; only its default is");
    }
    if (r->source == MM_FROM_CALL)
        return refuse(r, name, false, "is no parameter of generation that is built");
    return MM_STATUS_OK;
}

static bool says(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return value && !json_is_null(value);
}

mm_status mm_generation_settings_read(mm_generation_settings *settings, const json_t *object,
                                      mm_settings_source source, const char *where,
                                      mm_error *error) {
    const reader r = {source, where, error};
    if (says(object, "max_length"))
        settings->max_new_tokens = MM_NOT_SET;
    if (says(object, "min_length"))
        settings->min_new_tokens = MM_NOT_SET;
    json_t *members = (json_t *)(uintptr_t)object; // jansson's iterator wants it not const
    mm_status status = MM_STATUS_OK;
    for (void *at = json_object_iter(members); at && !status;
         at = json_object_iter_next(members, at))
        status = read_member(settings, &r, json_object_iter_key(at), json_object_iter_value(at));
    return status;
}
