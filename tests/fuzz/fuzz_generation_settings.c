// SPDX-License-Identifier: Apache-2.0
// The parameters of generation, in the order in which they go over each other. The input, cut at
// FF 00 FF, is generation_config.json (none: a missing file), config.json with its old keys and its
// tasks, and the object that a call gives.
//
// Covers: src/tasks/generation_parameters.c src/tasks/generation_settings.c
#include "frame.h"
#include "tasks/generation_settings.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VOCABULARY = 100, POSITIONS = 64 };
static const char separator[] = "\xff\0\xff";

typedef struct input {
    frame_part config, call;
} input;

// NULL with MM_STATUS_OK when there is no text.
static mm_status parse(json_t **out, frame_part text, mm_error *error) {
    *out = NULL;
    if (!text.size)
        return MM_STATUS_OK;
    mm_status status =
        mm_json_parse(out, text.data, text.size, "the input", MM_STATUS_INVALID_REQUEST, error);
    if (!status && !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

static void check_ids(const int32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++)
        frame_require(ids[i] >= 0 && ids[i] < VOCABULARY);
}

static void check_sequences(const mm_biased_sequences *sequences) {
    for (size_t i = 0; i < sequences->count; i++)
        frame_require(sequences->ends[i] > (i ? sequences->ends[i - 1] : 0));
    check_ids(sequences->ids, sequences->count ? sequences->ends[sequences->count - 1] : 0);
}

// What a search relies on.
static void check_resolved(const mm_generation_settings *s) {
    frame_require(s->max_length >= 2 && s->max_length <= POSITIONS && s->min_length >= 0);
    frame_require(s->num_beams >= 1 && s->num_beams <= MM_HYPOTHESES_MAX);
    frame_require(s->num_return_sequences >= 1 && s->num_return_sequences <= MM_HYPOTHESES_MAX);
    frame_require(s->num_beams == 1 || s->num_return_sequences <= s->num_beams);
    frame_require(s->do_sample || s->num_beams > 1 || s->num_return_sequences == 1);
    frame_require(!s->do_sample || (s->temperature > 0 && s->typical_p > 0));
    frame_require(s->top_p >= 0 && s->top_p <= 1 && s->min_p >= 0 && s->min_p <= 1);
    frame_require(s->decoder_start_token_id >= 0 && s->decoder_start_token_id < VOCABULARY);
    frame_require(s->forced_bos_token_id < VOCABULARY);
    check_ids(s->eos_token_id.ids, s->eos_token_id.count);
    check_ids(s->forced_eos_token_id.ids, s->forced_eos_token_id.count);
    check_ids(s->suppress_tokens.ids, s->suppress_tokens.count);
    check_ids(s->begin_suppress_tokens.ids, s->begin_suppress_tokens.count);
    check_sequences(&s->bad_words);
    check_sequences(&s->sequence_bias);
    for (size_t i = 0; i < s->stop.count; i++)
        frame_require(s->stop.ends[i] > (i ? s->stop.ends[i - 1] : 0));
}

// A task and a call on top of what the files say, as a job does it.
static mm_status apply(const mm_generation_settings *files, const json_t *config,
                       const json_t *call, mm_error *error) {
    mm_generation_settings settings;
    mm_status status = mm_generation_settings_copy(&settings, files, error);
    if (status)
        return status;
    json_t *task = json_object_get(json_object_get(config, "task_specific_params"), "task");
    if (json_is_object(task))
        status =
            mm_generation_settings_read(&settings, task, MM_FROM_MODEL_CONFIG, "the task", error);
    if (!status && call) {
        status = mm_generation_settings_read(&settings, call, MM_FROM_CALL, "the call", error);
        frame_require(!status || status == MM_STATUS_OUT_OF_MEMORY ||
                      strstr(error->details, "\"parameter\""));
    }
    if (!status)
        status = mm_generation_settings_resolve(&settings, call, VOCABULARY, POSITIONS, error);
    if (!status)
        check_resolved(&settings);
    mm_generation_settings_free(&settings);
    return status;
}

static mm_status read_all(const void *payload, mm_error *error) {
    const input *in = payload;
    json_t *config = NULL, *call = NULL;
    mm_generation_settings files;
    mm_status status = parse(&config, in->config, error);
    if (!status)
        status = parse(&call, in->call, error);
    if (!status) {
        status = mm_generation_settings_open(&files, frame_folder(), config, error);
        if (!status) {
            status = apply(&files, config, call, error);
            mm_generation_settings_free(&files);
        }
    }
    json_decref(config);
    json_decref(call);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t failing;
    frame_part left = frame_input(&failing, data, size);
    frame_write("generation_config.json", frame_take(&left, separator, 3));
    const input in = {.config = frame_take(&left, separator, 3), .call = left};
    frame_run(read_all, &in, failing);
    return 0;
}
