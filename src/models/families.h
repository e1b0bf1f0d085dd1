// SPDX-License-Identifier: Apache-2.0
// The families there are, and the largest sizes any of them takes from a config.
#ifndef MM_MODELS_FAMILIES_H
#define MM_MODELS_FAMILIES_H

#include "models/model.h"

// Far above any published model, small enough that products of two never overflow int64_t.
enum {
    MM_MAX_WIDTH = 1 << 20,
    MM_MAX_LAYERS = 1 << 12,
    MM_MAX_POSITIONS = 1 << 24,
    MM_MAX_VOCABULARY = 1 << 28,
};

extern const mm_model_family mm_family_albert;
extern const mm_model_family mm_family_bart;
extern const mm_model_family mm_family_bert;
extern const mm_model_family mm_family_distilbert;
extern const mm_model_family mm_family_mpnet;
extern const mm_model_family mm_family_t5;

#endif
