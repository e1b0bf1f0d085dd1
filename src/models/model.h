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
    int64_t vocab_size;    // rows of the word table; ids must stay below
    int64_t max_positions; // longest sequence the position table allows
    int64_t layers;
    int64_t row_floats; // activation values a row needs in a forward pass
} mm_model_info;

// The interface a family implements, as a const table. `state` is the family's own struct.
typedef struct mm_model_family {
    const char *name;
    const char *const *model_types; // NULL-terminated values of config.json's model_type
    // Reads the config, finds and checks every tensor (exact shapes) and adds it to `weights`.
    mm_status (*bind)(void **state, mm_model_info *info, const mm_config *config,
                      const mm_checkpoint *checkpoint, mm_weights *weights, mm_error *error);
    void (*free)(void *state); // accepts NULL
    // Token vectors [rows, hidden_size].
    mm_activation (*encode)(const void *state, mm_lane *lane, const mm_batch *batch);
} mm_model_family;

// MODEL_UNSUPPORTED for an unknown model_type (the message lists those there are); mm_model_bind
// checks it too.
mm_status mm_model_check_type(const mm_config *config, mm_error *error);
mm_status mm_model_bind(mm_model **out, const mm_config *config, const mm_checkpoint *checkpoint,
                        mm_weights *weights, mm_error *error);
void mm_model_free(mm_model *model); // accepts NULL; weights stay the caller's
const mm_model_info *mm_model_get_info(const mm_model *model);
mm_activation mm_model_encode(const mm_model *model, mm_lane *lane, const mm_batch *batch);
bool mm_model_type_known(const char *model_type);

#endif
