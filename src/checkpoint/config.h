// SPDX-License-Identifier: Apache-2.0
// config.json with typed, bounds-checked access.
#ifndef MM_CHECKPOINT_CONFIG_H
#define MM_CHECKPOINT_CONFIG_H

#include "base/error.h"
#include "base/json.h"

typedef struct mm_config mm_config;

// Reads directory/config.json. MODEL_NOT_FOUND when the directory or the file is missing.
mm_status mm_config_open(mm_config **out, const char *directory, mm_error *error);
void mm_config_free(mm_config *config);                    // accepts NULL
const char *mm_config_model_type(const mm_config *config); // "" when absent
const json_t *mm_config_json(const mm_config *config);     // borrowed
const char *mm_config_path(const mm_config *config);       // for error texts

// The first of the NULL-terminated `keys` that is present and not null (files use old and new
// names). With `required`, absence is MODEL_CORRUPT; otherwise *out keeps the fallback.
mm_status mm_config_get_size(int64_t *out, const mm_config *config, const char *const *keys,
                             bool required, int64_t fallback, int64_t minimum, int64_t maximum,
                             mm_error *error);
// Shorthands for one key.
mm_status mm_config_get_number(double *out, const mm_config *config, const char *key,
                               double fallback, double minimum, double maximum, mm_error *error);
mm_status mm_config_get_string(const char **out, const mm_config *config, const char *key,
                               const char *fallback, mm_error *error);
mm_status mm_config_get_bool(bool *out, const mm_config *config, const char *key, bool fallback,
                             mm_error *error);

#endif
