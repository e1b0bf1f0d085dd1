// SPDX-License-Identifier: Apache-2.0
// transformers GenerationConfig: which names there are, what they may hold, what they default to.
// When generation_config.json is there the old keys in config.json count for nothing
// (generation/utils.py, adjust_generation_fn).
#include "tasks/generation_settings.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, LENGTH_MAX = 1 << 24, MESSAGE_SIZE = 256 };

void mm_generation_settings_init(mm_generation_settings *settings) {
    *settings = (mm_generation_settings){
        .max_length = MM_NOT_SET,
        .max_new_tokens = MM_NOT_SET,
        .min_length = MM_NOT_SET,
        .min_new_tokens = MM_NOT_SET,
        .num_beams = 1,
        .num_return_sequences = 1,
        .length_penalty = 1.0,
        .repetition_penalty = 1.0,
        .encoder_repetition_penalty = 1.0,
        .decoder_start_token_id = MM_NOT_SET,
        .bos_token_id = MM_NOT_SET,
        .forced_bos_token_id = MM_NOT_SET,
        .decay_start = MM_NOT_SET,
    };
}

static void free_sequences(mm_biased_sequences *sequences) {
    mm_free(sequences->ids);
    mm_free(sequences->ends);
    mm_free(sequences->biases);
    *sequences = (mm_biased_sequences){0};
}

static void free_list(mm_id_list *list) {
    mm_free(list->ids);
    *list = (mm_id_list){0};
}

void mm_generation_settings_free(mm_generation_settings *settings) {
    free_list(&settings->eos_token_id);
    free_list(&settings->forced_eos_token_id);
    free_list(&settings->suppress_tokens);
    free_list(&settings->begin_suppress_tokens);
    free_sequences(&settings->bad_words);
    free_sequences(&settings->sequence_bias);
    *settings = (mm_generation_settings){0};
}

// ---- Copying -----------------------------------------------------------------------------------

static bool copy_bytes(void *out, const void *from, size_t count, size_t size) {
    void *copy = NULL;
    if (count > 0) {
        copy = mm_array_realloc(NULL, count, size);
        if (!copy)
            return false;
        memcpy(copy, from, count * size);
    }
    memcpy(out, &copy, sizeof copy);
    return true;
}

static bool copy_list(mm_id_list *out, const mm_id_list *from) {
    *out = (mm_id_list){.count = from->count};
    return copy_bytes(&out->ids, from->ids, from->count, sizeof *from->ids);
}

static bool copy_sequences(mm_biased_sequences *out, const mm_biased_sequences *from) {
    const size_t ids = from->count > 0 ? from->ends[from->count - 1] : 0;
    *out = (mm_biased_sequences){.count = from->count};
    return copy_bytes(&out->ids, from->ids, ids, sizeof *from->ids) &&
           copy_bytes(&out->ends, from->ends, from->count, sizeof *from->ends) &&
           copy_bytes(&out->biases, from->biases, from->count, sizeof *from->biases);
}

mm_status mm_generation_settings_copy(mm_generation_settings *out,
                                      const mm_generation_settings *from, mm_error *error) {
    *out = *from;
    out->eos_token_id = out->forced_eos_token_id = (mm_id_list){0};
    out->suppress_tokens = out->begin_suppress_tokens = (mm_id_list){0};
    out->bad_words = out->sequence_bias = (mm_biased_sequences){0};
    bool ok = copy_list(&out->eos_token_id, &from->eos_token_id) &&
              copy_list(&out->forced_eos_token_id, &from->forced_eos_token_id) &&
              copy_list(&out->suppress_tokens, &from->suppress_tokens) &&
              copy_list(&out->begin_suppress_tokens, &from->begin_suppress_tokens) &&
              copy_sequences(&out->bad_words, &from->bad_words) &&
              copy_sequences(&out->sequence_bias, &from->sequence_bias);
    if (ok)
        return MM_STATUS_OK;
    mm_generation_settings_free(out);
    return mm_fail_memory(error, "generation settings");
}

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
    free_list(out);
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
    free_sequences(out);
    out->ids = mm_array_realloc(NULL, total, sizeof *out->ids);
    out->ends = mm_array_realloc(NULL, count, sizeof *out->ends);
    out->biases = mm_calloc(count, sizeof *out->biases);
    if (!out->ids || !out->ends || !out->biases) {
        free_sequences(out);
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

static mm_status read_stopping(mm_early_stopping *out, const reader *r, const char *name,
                               const json_t *value) {
    const char *text = json_string_value(value);
    if (!json_is_boolean(value) && !(text && strcmp(text, "never") == 0))
        return refuse(r, name, false, "must be true, false or \"never\"");
    *out = text ? MM_STOP_NEVER : json_is_true(value) ? MM_STOP_EARLY : MM_STOP_LATE;
    return MM_STATUS_OK;
}

// ---- All of them -------------------------------------------------------------------------------

typedef enum value_kind { INTEGER, NUMBER, FLAG, IDS, WORDS, BIASES, DECAY, STOPPING } value_kind;

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
};
enum { PARAMETER_COUNT = sizeof parameters / sizeof parameters[0] };

// Those that are not built, with the value that changes nothing (a number, or null for absence).
static const struct {
    const char *name;
    double neutral;
} not_built[] = {
    {"num_beam_groups", 1},    {"diversity_penalty", 0},   {"penalty_alpha", 0},
    {"guidance_scale", 1},     {"constraints", 0},         {"force_words_ids", 0},
    {"dola_layers", 0},        {"renormalize_logits", 0},  {"remove_invalid_values", 0},
    {"stop_strings", 0},       {"watermarking_config", 0}, {"prompt_lookup_num_tokens", 0},
    {"forced_decoder_ids", 0}, {"token_healing", 0},
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
    for (int i = 0; i < PARAMETER_COUNT; i++) {
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

mm_status mm_generation_settings_read(mm_generation_settings *settings, const json_t *object,
                                      mm_settings_source source, const char *where,
                                      mm_error *error) {
    const reader r = {source, where, error};
    json_t *members = (json_t *)(uintptr_t)object; // jansson's iterator wants it not const
    mm_status status = MM_STATUS_OK;
    for (void *at = json_object_iter(members); at && !status;
         at = json_object_iter_next(members, at))
        status = read_member(settings, &r, json_object_iter_key(at), json_object_iter_value(at));
    return status;
}

mm_status mm_generation_settings_open(mm_generation_settings *out, const char *directory,
                                      const json_t *config, mm_error *error) {
    mm_generation_settings_init(out);
    char *path = mm_path_join(directory, "generation_config.json");
    if (!path)
        return mm_fail_memory(error, "a path");
    json_t *object = NULL;
    mm_status status = MM_STATUS_OK;
    if (mm_file_exists(path)) {
        status = mm_json_read_object(&object, path, FILE_MAX, error);
        if (!status)
            status =
                mm_generation_settings_read(out, object, MM_FROM_GENERATION_CONFIG, path, error);
    } else {
        status =
            mm_generation_settings_read(out, config, MM_FROM_MODEL_CONFIG, "config.json", error);
    }
    json_decref(object);
    mm_free(path);
    if (status)
        mm_generation_settings_free(out);
    return status;
}

// ---- The whole ---------------------------------------------------------------------------------

static mm_status wrong(mm_error *error, const char *name, const char *format, ...) MM_PRINTF(3, 4);
static mm_status wrong(mm_error *error, const char *name, const char *format, ...) {
    char message[MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    mm_status status = mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s %s", name, message);
    mm_error_details(error, "{\"parameter\": \"%s\"}", name);
    return status;
}

static mm_status check_ids(const int32_t *ids, size_t count, const char *name, int64_t vocab_size,
                           mm_error *error) {
    for (size_t i = 0; i < count; i++) {
        if (ids[i] >= vocab_size)
            return wrong(error, name, "holds %d, but the vocabulary has %lld ids", ids[i],
                         (long long)vocab_size);
    }
    return MM_STATUS_OK;
}

static size_t sequence_ids(const mm_biased_sequences *sequences) {
    return sequences->count > 0 ? sequences->ends[sequences->count - 1] : 0;
}

static mm_status check_all_ids(const mm_generation_settings *s, int64_t vocab_size,
                               mm_error *error) {
    const struct {
        const char *name;
        const int32_t *ids;
        size_t count;
    } lists[] = {
        {"eos_token_id", s->eos_token_id.ids, s->eos_token_id.count},
        {"forced_eos_token_id", s->forced_eos_token_id.ids, s->forced_eos_token_id.count},
        {"suppress_tokens", s->suppress_tokens.ids, s->suppress_tokens.count},
        {"begin_suppress_tokens", s->begin_suppress_tokens.ids, s->begin_suppress_tokens.count},
        {"bad_words_ids", s->bad_words.ids, sequence_ids(&s->bad_words)},
        {"sequence_bias", s->sequence_bias.ids, sequence_ids(&s->sequence_bias)},
    };
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0] && !status; i++)
        status = check_ids(lists[i].ids, lists[i].count, lists[i].name, vocab_size, error);
    const int32_t forced = (int32_t)s->forced_bos_token_id;
    const int32_t start = (int32_t)s->decoder_start_token_id;
    if (!status)
        status = check_ids(&forced, 1, "forced_bos_token_id", vocab_size, error);
    if (!status)
        status = check_ids(&start, 1, "decoder_start_token_id", vocab_size, error);
    return status;
}

mm_status mm_generation_settings_resolve(mm_generation_settings *settings, int64_t vocab_size,
                                         int64_t positions, mm_error *error) {
    mm_generation_settings *s = settings;
    if (s->do_sample)
        return wrong(error, "do_sample", "true is not built yet: set it to false");
    if (s->num_return_sequences > s->num_beams)
        return wrong(error, "num_return_sequences", "is %lld, more than the %lld beams",
                     (long long)s->num_return_sequences, (long long)s->num_beams);
    if (s->decoder_start_token_id == MM_NOT_SET)
        s->decoder_start_token_id = s->bos_token_id;
    if (s->decoder_start_token_id == MM_NOT_SET)
        return wrong(error, "decoder_start_token_id", "is not set by the model, nor bos_token_id");
    if (s->max_new_tokens != MM_NOT_SET)
        s->max_length = s->max_new_tokens + 1;
    else if (s->max_length == MM_NOT_SET) // generate()'s 20 new tokens
        s->max_length = positions < 21 ? positions : 21;
    if (s->min_new_tokens != MM_NOT_SET)
        s->min_length = s->min_new_tokens + 1;
    else if (s->min_length == MM_NOT_SET)
        s->min_length = 0;
    if (s->max_length < 2)
        return wrong(error, "max_length", "is %lld, which the start token fills",
                     (long long)s->max_length);
    if (s->max_length > positions)
        return wrong(error, "max_length", "comes to %lld, the model has %lld positions",
                     (long long)s->max_length, (long long)positions);
    for (size_t i = 0; i < s->suppress_tokens.count; i++) {
        if (s->suppress_tokens.ids[i] == s->forced_bos_token_id)
            return wrong(error, "suppress_tokens", "holds the forced_bos_token_id %lld",
                         (long long)s->forced_bos_token_id);
    }
    return check_all_ids(s, vocab_size, error);
}
