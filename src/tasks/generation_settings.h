// SPDX-License-Identifier: Apache-2.0
// The parameters of transformers' generate(): a model's own, from generation_config.json or the old
// keys of config.json, and on top of them what a call says.
#ifndef MM_TASKS_GENERATION_SETTINGS_H
#define MM_TASKS_GENERATION_SETTINGS_H

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mm_id_list {
    int32_t *ids;
    size_t count;
} mm_id_list;

// Sequences of ids one behind the other, each with a bias.
typedef struct mm_biased_sequences {
    int32_t *ids;
    size_t *ends; // [count]
    double *biases;
    size_t count;
} mm_biased_sequences;

typedef enum mm_early_stopping { MM_STOP_LATE, MM_STOP_EARLY, MM_STOP_NEVER } mm_early_stopping;

enum { MM_NOT_SET = -1 };
// Beams, or sequences to return, of one source; a step has room for as many.
enum { MM_HYPOTHESES_MAX = 256 };

// Lengths count the start token, "new tokens" do not. MM_NOT_SET where nothing says anything.
typedef struct mm_generation_settings {
    int64_t max_length, max_new_tokens, min_length, min_new_tokens;
    int64_t num_beams, num_return_sequences;
    mm_early_stopping early_stopping;
    double length_penalty;
    double repetition_penalty, encoder_repetition_penalty;
    int64_t no_repeat_ngram_size, encoder_no_repeat_ngram_size;
    bool do_sample;
    int64_t decoder_start_token_id, bos_token_id, forced_bos_token_id;
    mm_id_list eos_token_id, forced_eos_token_id;
    mm_id_list suppress_tokens, begin_suppress_tokens;
    mm_biased_sequences bad_words; // biases are not used
    mm_biased_sequences sequence_bias;
    int64_t decay_start; // exponential_decay_length_penalty; MM_NOT_SET = none
    double decay_factor;
} mm_generation_settings;

void mm_generation_settings_init(mm_generation_settings *settings); // transformers' defaults
void mm_generation_settings_free(mm_generation_settings *settings); // leaves a zeroed one
mm_status mm_generation_settings_copy(mm_generation_settings *out,
                                      const mm_generation_settings *from, mm_error *error);

// Who wrote the values: an error is MODEL_CORRUPT or MODEL_UNSUPPORTED for the files,
// INVALID_PARAMETER (with the name in details) for a call; only a call may hold no unknown names.
typedef enum mm_settings_source {
    MM_FROM_GENERATION_CONFIG,
    MM_FROM_MODEL_CONFIG,
    MM_FROM_CALL
} mm_settings_source;
// Takes over the object's values; null counts as absent.
mm_status mm_generation_settings_read(mm_generation_settings *settings, const json_t *object,
                                      mm_settings_source source, const char *where,
                                      mm_error *error);
// generation_config.json, or without it the keys of `config`.
mm_status mm_generation_settings_open(mm_generation_settings *out, const char *directory,
                                      const json_t *config, mm_error *error);
// Checks the whole, ids against the vocabulary too, and turns the lengths into max_length and
// min_length, which are set afterwards. `positions` bounds the length.
mm_status mm_generation_settings_resolve(mm_generation_settings *settings, int64_t vocab_size,
                                         int64_t positions, mm_error *error);

#endif
