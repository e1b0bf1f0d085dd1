// SPDX-License-Identifier: Apache-2.0
// A model: a family's graph bound to a checkpoint's weights. One file per family; models.c lists
// them.
#ifndef MM_MODELS_MODEL_H
#define MM_MODELS_MODEL_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/config.h"
#include "compute/backend.h"

typedef struct mm_model mm_model;

// What every family says about itself after reading its config.
typedef struct mm_model_info {
    const char *family; // "bert"
    int64_t hidden_size;
    int64_t vocab_size;    // rows of the word table; ids of texts must stay below
    int64_t max_positions; // longest sequence the position table allows
    int64_t layers;
    int64_t row_floats; // activation values a row needs in encode or start
    // Generation only.
    bool generates;            // known before bind: the decoder is wanted too
    int64_t output_vocab_size; // of the logits, and of the ids that a step reads
    int64_t decoder_layers;    // of the caches
    int64_t cache_columns;     // of the caches
    int64_t step_floats;       // activation values a row needs in a step
} mm_model_info;

// What a model is wanted for.
typedef enum mm_model_use { MM_MODEL_EMBEDS, MM_MODEL_GENERATES } mm_model_use;

// The next token of several sequences, one row each.
typedef struct mm_step {
    mm_batch batch;      // ids and positions; every sequence is one row
    const int32_t *rows; // [rows] where this token's keys and values go in the decoder's own cache
    mm_reach past;       // in that cache, this token last
    mm_reach source;     // in the cache of the sources
    const bool *log_softmax; // [rows] whose logits are wanted as log-probabilities; NULL: none
} mm_step;

// The interface a family implements, as a const table. `state` is the family's own struct.
typedef struct mm_model_family {
    const char *name;
    const char *const *model_types; // NULL-terminated values of config.json's model_type
    // NULL-terminated names of tensors: one that is there shows that a checkpoint can generate, for
    // some hold the encoder alone. NULL: the family generates nothing.
    const char *const *decoder_tensors;
    bool outgrows_f16; // its activations: in half precision it needs bf16
    // Reads the config, finds and checks every tensor (exact shapes) and adds it to `weights`.
    mm_status (*bind)(void **state, mm_model_info *info, const mm_config *config,
                      const mm_checkpoint *checkpoint, mm_weights *weights, mm_error *error);
    void (*free)(void *state); // accepts NULL
    // Token vectors [rows, hidden_size]. NULL: the family makes no embeddings.
    mm_activation (*encode)(const void *state, mm_lane *lane, const mm_batch *batch);
    // An encoder-decoder's generation; both NULL for others. `start` reads the sources and fills
    // rows rows[0], rows[1], ... of `cross`, one for each row of the batch; NULL = 0, 1, 2, ...
    void (*start)(const void *state, mm_lane *lane, const mm_batch *source, mm_cache *cross,
                  const int32_t *rows);
    // logits [rows, output_vocab_size] of the token after each, or log-probabilities.
    void (*step)(const void *state, mm_lane *lane, const mm_step *step, mm_cache *own,
                 const mm_cache *cross, float *logits);
} mm_model_family;

// MODEL_UNSUPPORTED for an unknown model_type (the message lists those there are),
// INVALID_TASK_TYPE for one that is for something else; mm_model_bind checks it too.
mm_status mm_model_check_type(const mm_config *config, mm_model_use use, mm_error *error);
// The half-precision dtype for models of the type.
mm_compute_dtype mm_model_half(const mm_config *config);
// Whether the type is for that use and the checkpoint holds what it takes.
bool mm_model_can(const mm_config *config, const mm_checkpoint *checkpoint, mm_model_use use);
// A model that is bound to generate embeds as well, if its family does.
mm_status mm_model_bind(mm_model **out, const mm_config *config, const mm_checkpoint *checkpoint,
                        mm_weights *weights, mm_model_use use, mm_error *error);
void mm_model_free(mm_model *model); // accepts NULL; weights stay the caller's
const mm_model_info *mm_model_get_info(const mm_model *model);
mm_activation mm_model_encode(const mm_model *model, mm_lane *lane, const mm_batch *batch);
// As in mm_model_family.
void mm_model_start(const mm_model *model, mm_lane *lane, const mm_batch *source, mm_cache *cross,
                    const int32_t *rows);
void mm_model_step(const mm_model *model, mm_lane *lane, const mm_step *step, mm_cache *own,
                   const mm_cache *cross, float *logits);
bool mm_model_type_known(const char *model_type);

#endif
