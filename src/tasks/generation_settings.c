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

enum { FILE_MAX = 1 << 20, MESSAGE_SIZE = 256 };
static const double TEMPERATURE_MIN = 1e-4; // below it scores would overflow

void mm_generation_settings_init(mm_generation_settings *settings) {
    *settings = (mm_generation_settings){
        .max_length = MM_NOT_SET,
        .max_new_tokens = MM_NOT_SET,
        .min_length = MM_NOT_SET,
        .min_new_tokens = MM_NOT_SET,
        .num_beams = 1,
        .num_return_sequences = 1,
        .length_penalty = 1.0,
        .temperature = 1.0,
        .top_k = 50,
        .top_p = 1.0,
        .typical_p = 1.0,
        .seed = MM_NOT_SET,
        .repetition_penalty = 1.0,
        .encoder_repetition_penalty = 1.0,
        .decoder_start_token_id = MM_NOT_SET,
        .bos_token_id = MM_NOT_SET,
        .forced_bos_token_id = MM_NOT_SET,
        .decay_start = MM_NOT_SET,
    };
}

void mm_biased_sequences_free(mm_biased_sequences *sequences) {
    mm_free(sequences->ids);
    mm_free(sequences->ends);
    mm_free(sequences->biases);
    *sequences = (mm_biased_sequences){0};
}

void mm_id_list_free(mm_id_list *list) {
    mm_free(list->ids);
    *list = (mm_id_list){0};
}

void mm_text_list_free(mm_text_list *list) {
    mm_free(list->bytes);
    mm_free(list->ends);
    *list = (mm_text_list){0};
}

void mm_generation_settings_free(mm_generation_settings *settings) {
    mm_id_list_free(&settings->eos_token_id);
    mm_id_list_free(&settings->forced_eos_token_id);
    mm_id_list_free(&settings->suppress_tokens);
    mm_id_list_free(&settings->begin_suppress_tokens);
    mm_biased_sequences_free(&settings->bad_words);
    mm_biased_sequences_free(&settings->sequence_bias);
    mm_text_list_free(&settings->stop);
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

static bool copy_texts(mm_text_list *out, const mm_text_list *from) {
    const size_t bytes = from->count > 0 ? from->ends[from->count - 1] : 0;
    *out = (mm_text_list){.count = from->count};
    return copy_bytes(&out->bytes, from->bytes, bytes, 1) &&
           copy_bytes(&out->ends, from->ends, from->count, sizeof *from->ends);
}

mm_status mm_generation_settings_copy(mm_generation_settings *out,
                                      const mm_generation_settings *from, mm_error *error) {
    *out = *from;
    out->eos_token_id = out->forced_eos_token_id = (mm_id_list){0};
    out->suppress_tokens = out->begin_suppress_tokens = (mm_id_list){0};
    out->bad_words = out->sequence_bias = (mm_biased_sequences){0};
    out->stop = (mm_text_list){0};
    bool ok = copy_list(&out->eos_token_id, &from->eos_token_id) &&
              copy_list(&out->forced_eos_token_id, &from->forced_eos_token_id) &&
              copy_list(&out->suppress_tokens, &from->suppress_tokens) &&
              copy_list(&out->begin_suppress_tokens, &from->begin_suppress_tokens) &&
              copy_sequences(&out->bad_words, &from->bad_words) &&
              copy_sequences(&out->sequence_bias, &from->sequence_bias) &&
              copy_texts(&out->stop, &from->stop);
    if (ok)
        return MM_STATUS_OK;
    mm_generation_settings_free(out);
    return mm_fail_memory(error, "generation settings");
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
        if (json_is_true(json_object_get(config, "force_bos_token_to_be_generated")))
            out->forced_bos_token_id = out->bos_token_id;
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

// ---- What contradicts itself --------------------------------------------------------------------

static bool says(const json_t *call, const char *name) {
    const json_t *value = json_object_get(call, name);
    return value && !json_is_null(value);
}

// Parameters of a call that would do nothing, because of the kind of search.
static mm_status check_idle(const mm_generation_settings *s, const json_t *call, mm_error *error) {
    const struct {
        const char *name;
        double value, neutral;
        bool works;
        const char *needs;
    } parameters[] = {
        {"temperature", s->temperature, 1, s->do_sample, "do_sample true"},
        {"top_k", (double)s->top_k, 50, s->do_sample || s->top_k == 0, "do_sample true"},
        {"top_p", s->top_p, 1, s->do_sample, "do_sample true"},
        {"min_p", s->min_p, 0, s->do_sample, "do_sample true"},
        {"typical_p", s->typical_p, 1, s->do_sample, "do_sample true"},
        {"epsilon_cutoff", s->epsilon_cutoff, 0, s->do_sample, "do_sample true"},
        {"eta_cutoff", s->eta_cutoff, 0, s->do_sample, "do_sample true"},
        {"top_h", s->top_h, 0, s->do_sample, "do_sample true"},
        {"length_penalty", s->length_penalty, 1, s->num_beams > 1, "num_beams above 1"},
        {"early_stopping", (double)s->early_stopping, (double)MM_STOP_LATE, s->num_beams > 1,
         "num_beams above 1"},
    };
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        const char *name = parameters[i].name;
        if (says(call, name) && !parameters[i].works &&
            parameters[i].value != parameters[i].neutral)
            return wrong(error, name, "has no effect without %s: set that, or leave it out",
                         parameters[i].needs);
    }
    return MM_STATUS_OK;
}

static mm_status check_sampling(const mm_generation_settings *s, mm_error *error) {
    if (!s->do_sample)
        return MM_STATUS_OK;
    if (s->temperature < TEMPERATURE_MIN)
        return wrong(error, "temperature",
                     "is %g, must be at least %g to sample; for the likeliest tokens set do_sample "
                     "to false",
                     s->temperature, TEMPERATURE_MIN);
    if (s->typical_p <= 0)
        return wrong(error, "typical_p", "is 0, which keeps no token; 1 switches it off");
    return MM_STATUS_OK;
}

static mm_status check_sequences(const mm_generation_settings *s, mm_error *error) {
    if (s->num_return_sequences > 1 && s->num_beams == 1 && !s->do_sample)
        return wrong(error, "num_return_sequences",
                     "is %lld, but one beam without do_sample finds one text: set num_beams to as "
                     "many, or do_sample to true",
                     (long long)s->num_return_sequences);
    if (s->num_return_sequences > s->num_beams && s->num_beams > 1)
        return wrong(error, "num_return_sequences", "is %lld, more than the %lld beams",
                     (long long)s->num_return_sequences, (long long)s->num_beams);
    return MM_STATUS_OK;
}

static mm_status resolve_lengths(mm_generation_settings *s, const json_t *call, int64_t positions,
                                 mm_error *error) {
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
    // A model's own smallest length may exceed the largest of a call, as in the reference.
    const char *least = says(call, "min_new_tokens") ? "min_new_tokens" : "min_length";
    if (s->min_length > s->max_length && says(call, least))
        return wrong(error, least, "comes to %lld tokens, more than the %lld of max_length",
                     (long long)s->min_length, (long long)s->max_length);
    return MM_STATUS_OK;
}

mm_status mm_generation_settings_resolve(mm_generation_settings *settings, const json_t *call,
                                         int64_t vocab_size, int64_t positions, mm_error *error) {
    mm_generation_settings *s = settings;
    mm_status status = check_idle(s, call, error);
    if (!status)
        status = check_sampling(s, error);
    if (!status)
        status = check_sequences(s, error);
    if (s->decoder_start_token_id == MM_NOT_SET)
        s->decoder_start_token_id = s->bos_token_id;
    if (!status && s->decoder_start_token_id == MM_NOT_SET)
        status =
            wrong(error, "decoder_start_token_id", "is not set by the model, nor bos_token_id");
    if (!status)
        status = resolve_lengths(s, call, positions, error);
    for (size_t i = 0; i < s->suppress_tokens.count && !status; i++) {
        if (s->suppress_tokens.ids[i] == s->forced_bos_token_id)
            status = wrong(error, "suppress_tokens", "holds the forced_bos_token_id %lld",
                           (long long)s->forced_bos_token_id);
    }
    return status ? status : check_all_ids(s, vocab_size, error);
}
