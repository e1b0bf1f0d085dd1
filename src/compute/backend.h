// SPDX-License-Identifier: Apache-2.0
// What models see of a device: weights that live on it, sessions that run on it, and about twenty
// coarse operations over packed sequences. The CPU implements them in compute/cpu; a GPU plug-in
// implements the same table. Models never touch the numbers themselves.
//
// Ownership: backend > weights (shared by all sessions, their values immutable once packed) and
// sessions (one per worker, used by one thread at a time) > lanes (a session's independent
// execution streams); and caches, what decoding keeps from step to step, used by one lane at a
// time.
#ifndef MM_COMPUTE_BACKEND_H
#define MM_COMPUTE_BACKEND_H

#include "base/error.h"
#include "checkpoint/checkpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mm_backend mm_backend;
typedef struct mm_weights mm_weights;
typedef struct mm_session mm_session;
typedef struct mm_lane mm_lane;
typedef struct mm_cache mm_cache;

typedef enum mm_compute_dtype { MM_COMPUTE_F32, MM_COMPUTE_BF16, MM_COMPUTE_F16 } mm_compute_dtype;
const char *mm_compute_dtype_name(mm_compute_dtype dtype); // "f32", "bf16", "f16"

// ---- Device ------------------------------------------------------------------------------------

// The CPU. Free with mm_backend_free after all its weights and sessions.
mm_status mm_backend_cpu_create(mm_backend **out, mm_error *error);
void mm_backend_free(mm_backend *backend);                // accepts NULL
const char *mm_backend_device(const mm_backend *backend); // its kind: "cpu", "cuda"
bool mm_backend_supports(const mm_backend *backend, mm_compute_dtype dtype);
// Rows (tokens) a batch should hold at least, if there are that many, to run at full speed.
int32_t mm_backend_batch_rows(const mm_backend *backend);
// The memory of a device that has its own, and what of it is free whoever has the rest, by its
// driver. False for the CPU, whose memory is the system's.
bool mm_backend_memory(const mm_backend *backend, uint64_t *total, uint64_t *available);
// Whether the device failed for good (its driver gave it up, it fell off the bus): what runs or
// loads there ends with an error, nothing more will work, and freeing what is there is still right.
// Does not wait for the device.
bool mm_backend_is_lost(const mm_backend *backend);

// ---- Weights -----------------------------------------------------------------------------------
// A model binds its tensors with the add functions, which only note them (so planning costs
// nothing), then mm_weights_pack converts and packs all of them in parallel. The handles are
// borrowed from the mm_weights and die with it.

typedef struct mm_matrix mm_matrix;     // y = x W^T + b, W [out_features, in_features]
typedef struct mm_table mm_table;       // rows to look up, [rows, columns]
typedef struct mm_norm mm_norm;         // weight and bias of a normalisation, of either kind
typedef struct mm_relative mm_relative; // score bias by distance between query and key

mm_status mm_weights_create(mm_weights **out, mm_backend *backend, mm_compute_dtype dtype,
                            mm_error *error);
void mm_weights_free(mm_weights *weights); // accepts NULL; memory goes back to the system
// Stacks `parts` weights [out_i, in] (biases may be NULL, or hold NULLs) into one matrix.
mm_status mm_weights_add_matrix(const mm_matrix **out, mm_weights *weights, int parts,
                                const mm_tensor *const *weight, const mm_tensor *const *bias,
                                mm_error *error);
mm_status mm_weights_add_table(const mm_table **out, mm_weights *weights, const mm_tensor *tensor,
                               mm_error *error);
// A table that is computed while packing: `fill` writes row `row`, on any thread.
typedef void (*mm_table_fill)(float *out, int64_t row, int64_t columns, int64_t parameter);
mm_status mm_weights_add_computed_table(const mm_table **out, mm_weights *weights, int64_t rows,
                                        int64_t columns, mm_table_fill fill, int64_t parameter,
                                        mm_error *error);
// Layer normalisation; `bias` may be NULL.
mm_status mm_weights_add_norm(const mm_norm **out, mm_weights *weights, const mm_tensor *weight,
                              const mm_tensor *bias, double epsilon, mm_error *error);
// Normalisation by the root mean square: x / sqrt(mean(x^2) + epsilon) * weight.
mm_status mm_weights_add_rms_norm(const mm_norm **out, mm_weights *weights, const mm_tensor *weight,
                                  double epsilon, mm_error *error);
// T5-style buckets, [buckets, heads], for sequences of up to max_length rows
// (transformers MPNetEncoder.relative_position_bucket, T5Attention._relative_position_bucket).
mm_status mm_weights_add_relative(const mm_relative **out, mm_weights *weights,
                                  const mm_tensor *tensor, int64_t buckets, int64_t max_distance,
                                  int64_t max_length, bool bidirectional, mm_error *error);
size_t mm_weights_bytes(const mm_weights *weights); // device memory, also before packing
// What a device may leave in the checkpoint's files at first.
typedef enum mm_packing {
    MM_PACK_ALL,        // nothing
    MM_PACK_BUT_TABLES, // large tables, of which a pass needs a few rows
    MM_PACK_ON_NEED,    // and large matrices: the first pass takes less time, others may take more
} mm_packing;
// Packs with `threads` threads. MODEL_CORRUPT naming the first tensor that holds NaN or infinity.
// On success the weights own `checkpoint` (NULL: packs all), in which all tables must lie, and free
// it as soon as they have their own copies; nothing is read from tensors of other files afterwards.
mm_status mm_weights_pack(mm_weights *weights, mm_checkpoint *checkpoint, mm_packing packing,
                          int threads, mm_error *error);
// Has a thread of the weights pack what was left in the files, and returns. For the end of the
// first forward pass, which should not share the processor with it; when it is not called, that
// begins a second after packing. From any thread, any number of times.
void mm_weights_settle(mm_weights *weights);

// ---- Sessions and lanes ------------------------------------------------------------------------

// A worker's execution resources: `threads` threads (the caller of mm_session_run is one of them).
mm_status mm_session_create(mm_session **out, mm_backend *backend, int threads, mm_error *error);
void mm_session_free(mm_session *session); // accepts NULL
// Makes room for batches of up to `rows` rows in a model of these weights that keeps `row_floats`
// values a row in activations (the sum of the columns it asks for). Growing allocates; running
// never does.
mm_status mm_session_reserve(mm_session *session, const mm_weights *weights, int64_t rows,
                             int64_t row_floats, mm_error *error);
// Device memory of a session of `threads` threads that is reserved for so much, when texts use all
// of it; also before packing. What short texts never touch is counted too. SIZE_MAX when it is more
// than can be counted.
size_t mm_session_bytes(const mm_weights *weights, int threads, int64_t rows, int64_t row_floats);
// Calls function(lane, index, payload) for index 0 .. count-1, batches being independent of each
// other: a lane a thread while there are many, all threads together on one batch while there are
// few. Give the largest first. Returns the first error of any lane.
typedef void (*mm_batch_function)(mm_lane *lane, size_t index, void *payload);
mm_status mm_session_run(mm_session *session, size_t count, mm_batch_function function,
                         void *payload, mm_error *error);

// Errors in a lane are sticky: operations after the first failure do nothing, mm_session_run
// reports it. So a forward pass reads as its block diagram.
void mm_lane_fail(mm_lane *lane, mm_status status, const char *message);
// For finding where numbers break: with watching on, mm_lane_layer records the first layer whose
// output is not finite.
enum { MM_NO_LAYER = -2 };
void mm_session_watch(mm_session *session, bool on);       // then run one batch at a time
int mm_session_first_bad_layer(const mm_session *session); // MM_NO_LAYER: none

// ---- Activations and batches -------------------------------------------------------------------

// A matrix of values in the lane's memory, valid until the batch ends. The element type is the
// device's affair.
typedef struct mm_activation {
    void *data;
    int64_t rows;
    int64_t columns;
} mm_activation;

mm_activation mm_lane_activation(mm_lane *lane, int64_t rows, int64_t columns);
// Marks x as the output of layer `layer` (see mm_session_watch); -1 = the embedding layer.
void mm_lane_layer(mm_lane *lane, int layer, const mm_activation *x);

// Sequences one behind the other, no padding.
typedef struct mm_batch {
    int32_t rows;
    int32_t sequences;
    const int32_t *ids;       // [rows], each within the vocabulary
    const int32_t *type_ids;  // [rows], or NULL = all 0
    const int32_t *starts;    // [sequences + 1], starts[0] = 0, starts[sequences] = rows
    const int32_t *skip;      // [sequences] leading rows that pooling leaves out, or NULL = none
    const int32_t *positions; // [rows], or NULL = counted from the start of each sequence
} mm_batch;

// ---- Operations --------------------------------------------------------------------------------
// Each takes row-major activations whose sizes must fit; a row's result has the same bits whatever
// else is in the batch and however many threads the lane has.

typedef enum mm_function { // element-wise activation functions
    MM_FUNCTION_NONE,
    MM_FUNCTION_GELU,      // exact, by erf
    MM_FUNCTION_GELU_TANH, // gelu_new, gelu_pytorch_tanh
    MM_FUNCTION_RELU,
    MM_FUNCTION_SILU,
    MM_FUNCTION_TANH,
    MM_FUNCTION_SIGMOID,
} mm_function;

// What follows a product, in this order; zero = nothing.
typedef struct mm_epilogue {
    mm_function function;
    const mm_activation *residual; // added; may be the output itself
    const mm_norm *norm;
} mm_epilogue;

// out[r] = scale * words[ids[r]] + positions[r - start + position_offset] + types[type_ids[r]],
// then norm. positions, types and norm may be NULL. [rows, columns]
typedef struct mm_embed_tables {
    const mm_table *words;
    float scale; // 0 = 1
    const mm_table *positions;
    int32_t position_offset;
    // RoBERTa's and MPNet's way: id position_offset - 1 is padding, also where a text spells it
    // out; such a row takes position position_offset - 1 and the rows behind it do not count it.
    bool skip_padding;
    const mm_table *types;
    const mm_norm *norm;
} mm_embed_tables;
void mm_embed(mm_lane *lane, mm_activation *out, const mm_batch *batch,
              const mm_embed_tables *tables);

// out [rows, out_features] = epilogue(in [rows, in_features] W^T + b). out must not be in.
void mm_linear(mm_lane *lane, mm_activation *out, const mm_activation *in, const mm_matrix *matrix,
               const mm_epilogue *epilogue);
// out = epilogue(down(function(up(in)))), with gate: down(function(gate(in)) * up(in)); gate NULL
// for the plain form. The epilogue's own function must be NONE. out may be in.
void mm_feed_forward(mm_lane *lane, mm_activation *out, const mm_activation *in,
                     const mm_matrix *up, const mm_matrix *gate, const mm_matrix *down,
                     mm_function function, const mm_epilogue *epilogue);
// Self-attention within each sequence. qkv [rows, 3 * heads * head_dim]: queries, keys, values side
// by side. out [rows, heads * head_dim] = softmax(scale * q k^T + bias) v.
typedef struct mm_attention_options {
    int32_t heads;
    int32_t head_dim;
    float scale;
    const mm_relative *bias; // or NULL
} mm_attention_options;
void mm_attention(mm_lane *lane, mm_activation *out, const mm_activation *qkv,
                  const mm_batch *batch, const mm_attention_options *options);
// Normalises rows, in place when out == in.
void mm_normalize_layer(mm_lane *lane, mm_activation *out, const mm_activation *in,
                        const mm_norm *norm);

// ---- Decoding ----------------------------------------------------------------------------------
// A cache keeps rows of keys and values for each layer. Which rows make up a sequence is the
// caller's affair: sequences with a common beginning share its rows, and a search that drops one
// sequence and forks another moves nothing.

// `rows` rows, each of `columns` = heads * head_dim keys and as many values, for `layers` layers.
mm_status mm_cache_create(mm_cache **out, mm_backend *backend, int64_t layers, int64_t rows,
                          int64_t columns, mm_error *error);
void mm_cache_free(mm_cache *cache); // accepts NULL
// Device memory of such a cache with every row in use; SIZE_MAX when it cannot be counted.
size_t mm_cache_bytes(const mm_backend *backend, int64_t layers, int64_t rows, int64_t columns);
// Puts columns [column, column + 2 * cache columns) of each row of x, its keys and values, into
// cache row rows[r]; `rows` NULL = rows 0, 1, 2, ...
void mm_cache_write(mm_lane *lane, mm_cache *cache, int64_t layer, const mm_activation *x,
                    int64_t column, const int32_t *rows);

// The cache rows that each query attends to, by position: count[q] of them, rows first[q],
// first[q] + 1, ..., or with a list, rows list[first[q]], list[first[q] + 1], ...
typedef struct mm_reach {
    const int32_t *first;
    const int32_t *count; // at least 1
    const int32_t *list;  // or NULL
} mm_reach;
// Attention of one query a row, in the first heads * head_dim columns of q. For options->bias the
// last row that a query reaches is its own position.
void mm_attention_cached(mm_lane *lane, mm_activation *out, const mm_activation *q,
                         const mm_cache *cache, int64_t layer, const mm_reach *reach,
                         const mm_attention_options *options);
// out [rows, out_features], on the host = scale * (x W^T + b), float32; of the rows r with
// log_softmax[r] the logarithm of its softmax. NULL: of none.
void mm_logits(mm_lane *lane, float *out, const mm_activation *x, const mm_matrix *matrix,
               float scale, const bool *log_softmax);

// ---- From token vectors to one vector a text ---------------------------------------------------

typedef enum mm_pooling { // sentence-transformers models/Pooling.py; rows before `skip` left out
    MM_POOLING_CLS,       // first row
    MM_POOLING_MAX,
    MM_POOLING_MEAN,
    MM_POOLING_MEAN_SQRT,     // sum / sqrt(rows)
    MM_POOLING_WEIGHTED_MEAN, // weights 1, 2, 3, ... by position in the sequence
    MM_POOLING_LAST,
} mm_pooling;
// Writes columns [column, column + x->columns) of out [sequences, ...].
void mm_pool(mm_lane *lane, mm_activation *out, int64_t column, const mm_activation *x,
             const mm_batch *batch, mm_pooling pooling);
// row / max(||row||, 1e-12), in place.
void mm_normalize_l2(mm_lane *lane, mm_activation *x);
// Copies rows to the host as float32, [rows, columns].
void mm_download(mm_lane *lane, float *out, const mm_activation *x);

#endif
