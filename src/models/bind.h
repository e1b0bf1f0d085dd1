// SPDX-License-Identifier: Apache-2.0
// What every family needs to read its config and to find its tensors.
//
// A binder remembers its first failure: after it every function does nothing and returns NULL (or
// the fallback), so that a family's bind function reads as the list of its weights.
#ifndef MM_MODELS_BIND_H
#define MM_MODELS_BIND_H

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/config.h"
#include "compute/backend.h"

typedef struct mm_binder {
    const mm_config *config;
    const mm_checkpoint *checkpoint;
    mm_weights *weights;
    mm_error *error;
    mm_status status;   // the first failure
    const char *prefix; // in front of every tensor name, "" at first
    bool no_bias;       // linear layers have a weight only
} mm_binder;

static inline mm_binder mm_binder_start(const mm_config *config, const mm_checkpoint *checkpoint,
                                        mm_weights *weights, mm_error *error) {
    return (mm_binder){.config = config,
                       .checkpoint = checkpoint,
                       .weights = weights,
                       .error = error,
                       .prefix = ""};
}

// Fails the binder unless it has failed already.
void mm_binder_fail(mm_binder *binder, mm_status status, const char *format, ...) MM_PRINTF(3, 4);

// Config values by the first of the NULL-terminated keys that is there, else the fallback
// (transformers' own default).
int64_t mm_bind_size(mm_binder *binder, const char *const *keys, int64_t fallback, int64_t maximum);
double mm_bind_epsilon(mm_binder *binder, const char *key, double fallback);
// The activation function under `key`; MODEL_UNSUPPORTED for one that no backend has.
mm_function mm_bind_function(mm_binder *binder, const char *key, const char *fallback);
// The same for a `name` that was found under `key`.
mm_function mm_bind_function_named(mm_binder *binder, const char *key, const char *name);
// MODEL_UNSUPPORTED when the config's flag is true.
void mm_bind_refuse_flag(mm_binder *binder, const char *key);
// MODEL_UNSUPPORTED when the config's text is there and is not `only`.
void mm_bind_require_text(mm_binder *binder, const char *key, const char *only);

// Takes the first of the NULL-terminated prefixes under which `probe` exists; without any the
// prefix stays "" and the tensor is reported missing when it is bound.
void mm_bind_prefix(mm_binder *binder, const char *const *prefixes, const char *probe);

// Tensors by name; `format` and its arguments give the name without prefix and ".weight".
const mm_table *mm_bind_table(mm_binder *binder, int64_t rows, int64_t columns, const char *name);
// A table that `fill` computes, see mm_weights_add_computed_table.
const mm_table *mm_bind_computed_table(mm_binder *binder, int64_t rows, int64_t columns,
                                       mm_table_fill fill, int64_t parameter);
// NAME.weight [out, in] and NAME.bias [out].
const mm_matrix *mm_bind_linear(mm_binder *binder, int64_t out, int64_t in, const char *format, ...)
    MM_PRINTF(4, 5);
// Three such matrices [out, in] side by side, named by `format` (which ends where the three names
// begin): queries, keys, values.
const mm_matrix *mm_bind_qkv(mm_binder *binder, int64_t out, int64_t in, const char *const names[3],
                             const char *format, ...) MM_PRINTF(5, 6);
// The last two of them: keys, values.
const mm_matrix *mm_bind_kv(mm_binder *binder, int64_t out, int64_t in, const char *const names[2],
                            const char *format, ...) MM_PRINTF(5, 6);
// NAME.weight [size]
const mm_norm *mm_bind_rms_norm(mm_binder *binder, int64_t size, double epsilon, const char *format,
                                ...) MM_PRINTF(4, 5);
// NAME.weight and NAME.bias [size], or as old files call them NAME.gamma and NAME.beta.
const mm_norm *mm_bind_norm(mm_binder *binder, int64_t size, double epsilon, const char *format,
                            ...) MM_PRINTF(4, 5);
const mm_tensor *mm_bind_tensor(mm_binder *binder, int rank, const int64_t *shape,
                                const char *name);

#endif
