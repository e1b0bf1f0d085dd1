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

// Texts one behind the other.
typedef struct mm_text_list {
    char *bytes;
    size_t *ends; // [count]
    size_t count;
} mm_text_list;

// Each leaves a zeroed one.
void mm_id_list_free(mm_id_list *list);
void mm_biased_sequences_free(mm_biased_sequences *sequences);
void mm_text_list_free(mm_text_list *list);

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
    double temperature, top_p, min_p, typical_p;
    double epsilon_cutoff, eta_cutoff, top_h; // 0 = off, as top_k
    int64_t top_k;
    bool renormalize_logits, remove_invalid_values;
    int64_t seed; // MM_NOT_SET: another one each time
    int64_t decoder_start_token_id, bos_token_id, forced_bos_token_id;
    mm_id_list eos_token_id, forced_eos_token_id;
    mm_id_list suppress_tokens, begin_suppress_tokens;
    mm_biased_sequences bad_words; // biases are not used
    mm_biased_sequences sequence_bias;
    int64_t decay_start; // exponential_decay_length_penalty; MM_NOT_SET = none
    double decay_factor;
    mm_text_list stop;
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
// Takes over the object's values; null counts as absent. A length in tokens of one kind
// (max_length, max_new_tokens) replaces one of the other kind that was there, likewise the smallest
// length; in one object new tokens count.
mm_status mm_generation_settings_read(mm_generation_settings *settings, const json_t *object,
                                      mm_settings_source source, const char *where,
                                      mm_error *error);
// generation_config.json, or without it the keys of `config`.
mm_status mm_generation_settings_open(mm_generation_settings *out, const char *directory,
                                      const json_t *config, mm_error *error);
// Checks the whole, ids against the vocabulary too, and turns the lengths into max_length and
// min_length, which are set afterwards. `positions` bounds the length. What `call` (or NULL) says
// must have an effect beside the rest: the same value in a model's file may lie idle.
mm_status mm_generation_settings_resolve(mm_generation_settings *settings, const json_t *call,
                                         int64_t vocab_size, int64_t positions, mm_error *error);

#endif
