// SPDX-License-Identifier: Apache-2.0
// The inside of an mm_embedder, shared by the files of tasks/ only:
//
//     embedder.c        opens and loads the whole
//     modules.c         modules.json: the chain behind the transformer
//     pooling_config.c  1_Pooling/config.json
//     limits.c          sentence_bert_config.json: length and lower-casing
//     prompts.c         config_sentence_transformers.json, built-in prompts, the choice of one
//     fingerprint.c     what identifies a model's answers
//     embedding_job.c   texts to token ids, on the caller's thread
//     embedding_run.c   token ids to vectors, on a worker
#ifndef MM_TASKS_EMBEDDER_H
#define MM_TASKS_EMBEDDER_H

#include "tasks/embedding.h"

#include "base/json.h"

enum {
    MM_JSON_MAX = 1 << 20, // bytes of a repository's small configuration files
    MM_MODULES_MAX = 32,
    MM_POOLINGS_MAX = 16,
};

// ---- Modules -----------------------------------------------------------------------------------

typedef enum mm_module_kind {
    MM_MODULE_TRANSFORMER,
    MM_MODULE_POOLING,
    MM_MODULE_DENSE,
    MM_MODULE_LAYER_NORM,
    MM_MODULE_NORMALIZE,
    MM_MODULE_DROPOUT, // does nothing
} mm_module_kind;

typedef struct mm_module {
    mm_module_kind kind;
    char *directory;           // absolute or relative to the process, as the model's own
    mm_checkpoint *checkpoint; // Dense, LayerNorm: until the weights are packed
    const mm_matrix *matrix;   // Dense: linear.weight [out_features, in_features], linear.bias
    const mm_matrix *residual; // Dense: residual.weight [out_features, in_features], or NULL
    bool use_residual;         // Dense: adds its input, through `residual` if there is one
    mm_function function;      // Dense
    const mm_norm *norm;       // LayerNorm: norm.weight, norm.bias [columns]
    int64_t columns;           // of what comes out
} mm_module;

typedef struct mm_modules {
    mm_module items[MM_MODULES_MAX]; // the transformer, its pooling, then what follows
    size_t count;
    bool from_file; // false: no modules.json, a plain transformer
    mm_pooling poolings[MM_POOLINGS_MAX];
    size_t pooling_count;
    bool include_prompt;
    int64_t dimension; // of the last module
    int64_t floats;    // activation values a sequence needs behind the transformer
} mm_modules;

// Reads modules.json (kinds and directories only). On failure `modules` is still for
// mm_modules_free.
mm_status mm_modules_read(mm_modules *modules, const char *directory, mm_error *error);
// Reads the modules' own configurations and binds their weights, behind a transformer that gives
// `hidden_size` columns.
mm_status mm_modules_bind(mm_modules *modules, int64_t hidden_size, mm_weights *weights,
                          mm_error *error);
void mm_modules_close_files(mm_modules *modules); // once the weights are packed
void mm_modules_free(mm_modules *modules);        // accepts a zeroed one
// Fills the pooling part from directory/config.json.
mm_status mm_pooling_read(mm_modules *modules, const char *directory, mm_error *error);

// ---- Limits ------------------------------------------------------------------------------------

typedef struct mm_limits {
    size_t max_length; // 0 = the repository says nothing
    bool lower_case;
} mm_limits;

// Reads sentence_bert_config.json, or the first of its older names.
mm_status mm_limits_read(mm_limits *out, const char *directory, mm_error *error);

// ---- Prompts -----------------------------------------------------------------------------------

typedef struct mm_prompt {
    char *name;
    char *text;
} mm_prompt;

typedef struct mm_prompts {
    mm_prompt *items;
    size_t count;
    const char *default_text;  // of default_prompt_name, NULL if none; borrowed from items
    const char *role_texts[3]; // by mm_input_role: built in for this Hub id, or NULL
    int64_t truncate_dim;      // 0 = none
} mm_prompts;

// Reads config_sentence_transformers.json when it exists.
mm_status mm_prompts_read(mm_prompts *prompts, const char *directory, mm_error *error);
void mm_prompts_set_built_in(mm_prompts *prompts, const char *model_name); // NULL: none
void mm_prompts_free(mm_prompts *prompts);                                 // accepts a zeroed one
// *out is the text to put in front (borrowed from `options` or `prompts`), NULL for none.
mm_status mm_prompts_choose(const char **out, const mm_prompts *prompts,
                            const mm_embedding_options *options, mm_error *error);

// ---- The embedder ------------------------------------------------------------------------------

struct mm_embedder {
    mm_backend *backend; // the caller's
    mm_compute_dtype dtype;
    mm_tokenizer *tokenizer;
    mm_checkpoint *checkpoint; // until the weights are packed, which own it then
    mm_weights *weights;
    mm_model *model;
    mm_modules modules;
    mm_prompts prompts;
    size_t max_length;
    bool lower_cases; // the tokenizer does, because the limits ask for it
    int64_t parameters;
    size_t file_bytes;
    bool loaded;
    char fingerprint[MM_FINGERPRINT_DIGITS + 1];
};

// What a session is reserved for, so that it is big enough for any job.
typedef struct mm_session_size {
    int64_t rows, row_floats;
} mm_session_size;
mm_session_size mm_embedder_session_size(const mm_embedder *embedder);

// Over a model's weights and files, and the kind of device and the dtype, since other ones round
// otherwise; `modules` NULL for one that is no sentence transformer.
mm_status mm_fingerprint_make(char out[MM_FINGERPRINT_DIGITS + 1], const mm_backend *backend,
                              mm_compute_dtype dtype, const mm_checkpoint *checkpoint,
                              const mm_modules *modules, const char *directory, mm_error *error);

#endif
