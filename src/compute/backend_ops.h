// SPDX-License-Identifier: Apache-2.0
// The table a device implements. backend.c forwards each function of backend.h to it; the objects
// of a device begin with a pointer to its table.
#ifndef MM_COMPUTE_BACKEND_OPS_H
#define MM_COMPUTE_BACKEND_OPS_H

#include "compute/backend.h"

typedef struct mm_backend_ops {
    const char *device;
    void (*free)(mm_backend *backend);
    bool (*supports)(const mm_backend *backend, mm_compute_dtype dtype);
    int32_t (*batch_rows)(const mm_backend *backend);
    // NULL where the memory is the system's.
    void (*memory)(const mm_backend *backend, uint64_t *total, uint64_t *available);
    bool (*is_lost)(const mm_backend *backend); // NULL: never

    mm_status (*weights_create)(mm_weights **out, mm_backend *backend, mm_compute_dtype dtype,
                                mm_error *error);
    void (*weights_free)(mm_weights *weights);
    mm_status (*add_matrix)(const mm_matrix **out, mm_weights *weights, int parts,
                            const mm_tensor *const *weight, const mm_tensor *const *bias,
                            mm_error *error);
    mm_status (*add_table)(const mm_table **out, mm_weights *weights, const mm_tensor *tensor,
                           mm_error *error);
    mm_status (*add_computed_table)(const mm_table **out, mm_weights *weights, int64_t rows,
                                    int64_t columns, mm_table_fill fill, int64_t parameter,
                                    mm_error *error);
    mm_status (*add_norm)(const mm_norm **out, mm_weights *weights, const mm_tensor *weight,
                          const mm_tensor *bias, double epsilon, mm_error *error);
    mm_status (*add_rms_norm)(const mm_norm **out, mm_weights *weights, const mm_tensor *weight,
                              double epsilon, mm_error *error);
    mm_status (*add_relative)(const mm_relative **out, mm_weights *weights, const mm_tensor *tensor,
                              int64_t buckets, int64_t max_distance, int64_t max_length,
                              bool bidirectional, mm_error *error);
    size_t (*weights_bytes)(const mm_weights *weights);
    mm_status (*weights_pack)(mm_weights *weights, mm_checkpoint *checkpoint, mm_packing packing,
                              int threads, mm_error *error);
    void (*weights_settle)(mm_weights *weights);

    mm_status (*session_create)(mm_session **out, mm_backend *backend, int threads,
                                mm_error *error);
    void (*session_free)(mm_session *session);
    mm_status (*session_reserve)(mm_session *session, const mm_weights *weights, int64_t rows,
                                 int64_t row_floats, mm_error *error);
    size_t (*session_bytes)(const mm_weights *weights, int threads, int64_t rows,
                            int64_t row_floats);
    mm_status (*session_run)(mm_session *session, size_t count, mm_batch_function function,
                             void *payload, mm_error *error);
    void (*session_watch)(mm_session *session, bool on);
    int (*session_first_bad_layer)(const mm_session *session);

    void (*lane_fail)(mm_lane *lane, mm_status status, const char *message);
    mm_activation (*lane_activation)(mm_lane *lane, int64_t rows, int64_t columns);
    void (*lane_layer)(mm_lane *lane, int layer, const mm_activation *x);
    void (*embed)(mm_lane *lane, mm_activation *out, const mm_batch *batch,
                  const mm_embed_tables *tables);
    void (*linear)(mm_lane *lane, mm_activation *out, const mm_activation *in,
                   const mm_matrix *matrix, const mm_epilogue *epilogue);
    void (*feed_forward)(mm_lane *lane, mm_activation *out, const mm_activation *in,
                         const mm_matrix *up, const mm_matrix *gate, const mm_matrix *down,
                         mm_function function, const mm_epilogue *epilogue);
    void (*attention)(mm_lane *lane, mm_activation *out, const mm_activation *qkv,
                      const mm_batch *batch, const mm_attention_options *options);
    void (*normalize_layer)(mm_lane *lane, mm_activation *out, const mm_activation *in,
                            const mm_norm *norm);
    mm_status (*cache_create)(mm_cache **out, mm_backend *backend, int64_t layers, int64_t rows,
                              int64_t columns, mm_error *error);
    void (*cache_free)(mm_cache *cache);
    size_t (*cache_bytes)(int64_t layers, int64_t rows, int64_t columns);
    void (*cache_write)(mm_lane *lane, mm_cache *cache, int64_t layer, const mm_activation *x,
                        int64_t column, const int32_t *rows);
    void (*attention_cached)(mm_lane *lane, mm_activation *out, const mm_activation *q,
                             const mm_cache *cache, int64_t layer, const mm_reach *reach,
                             const mm_attention_options *options);
    void (*logits)(mm_lane *lane, float *out, const mm_activation *x, const mm_matrix *matrix,
                   float scale, const bool *log_softmax);
    void (*pool)(mm_lane *lane, mm_activation *out, int64_t column, const mm_activation *x,
                 const mm_batch *batch, mm_pooling pooling);
    void (*normalize_l2)(mm_lane *lane, mm_activation *x);
    void (*download)(mm_lane *lane, float *out, const mm_activation *x);
} mm_backend_ops;

// The first member of every device's mm_backend, mm_weights, mm_session, mm_lane and mm_cache.
typedef struct mm_backend_object {
    const mm_backend_ops *ops;
} mm_backend_object;

#endif
