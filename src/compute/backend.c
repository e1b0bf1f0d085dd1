// SPDX-License-Identifier: Apache-2.0
// Forwards the interface to the device an object belongs to.
#include "compute/backend_ops.h"

const char *mm_compute_dtype_name(mm_compute_dtype dtype) {
    switch (dtype) {
    case MM_COMPUTE_F32:
        return "f32";
    case MM_COMPUTE_BF16:
        return "bf16";
    case MM_COMPUTE_F16:
        return "f16";
    }
    return "";
}

static const mm_backend_ops *ops_of(const void *object) {
    return ((const mm_backend_object *)object)->ops;
}

void mm_backend_free(mm_backend *backend) {
    if (backend)
        ops_of(backend)->free(backend);
}

const char *mm_backend_device(const mm_backend *backend) {
    return ops_of(backend)->device;
}

bool mm_backend_supports(const mm_backend *backend, mm_compute_dtype dtype) {
    return ops_of(backend)->supports(backend, dtype);
}

int32_t mm_backend_batch_rows(const mm_backend *backend) {
    return ops_of(backend)->batch_rows(backend);
}

bool mm_backend_memory(const mm_backend *backend, uint64_t *total, uint64_t *available) {
    const mm_backend_ops *ops = ops_of(backend);
    if (ops->memory)
        ops->memory(backend, total, available);
    return ops->memory != NULL;
}

bool mm_backend_is_lost(const mm_backend *backend) {
    const mm_backend_ops *ops = ops_of(backend);
    return ops->is_lost && ops->is_lost(backend);
}

mm_status mm_weights_create(mm_weights **out, mm_backend *backend, mm_compute_dtype dtype,
                            mm_error *error) {
    return ops_of(backend)->weights_create(out, backend, dtype, error);
}

void mm_weights_free(mm_weights *weights) {
    if (weights)
        ops_of(weights)->weights_free(weights);
}

mm_status mm_weights_add_matrix(const mm_matrix **out, mm_weights *weights, int parts,
                                const mm_tensor *const *weight, const mm_tensor *const *bias,
                                mm_error *error) {
    return ops_of(weights)->add_matrix(out, weights, parts, weight, bias, error);
}

mm_status mm_weights_add_table(const mm_table **out, mm_weights *weights, const mm_tensor *tensor,
                               mm_error *error) {
    return ops_of(weights)->add_table(out, weights, tensor, error);
}

mm_status mm_weights_add_computed_table(const mm_table **out, mm_weights *weights, int64_t rows,
                                        int64_t columns, mm_table_fill fill, int64_t parameter,
                                        mm_error *error) {
    return ops_of(weights)->add_computed_table(out, weights, rows, columns, fill, parameter, error);
}

mm_status mm_weights_add_norm(const mm_norm **out, mm_weights *weights, const mm_tensor *weight,
                              const mm_tensor *bias, double epsilon, mm_error *error) {
    return ops_of(weights)->add_norm(out, weights, weight, bias, epsilon, error);
}

mm_status mm_weights_add_rms_norm(const mm_norm **out, mm_weights *weights, const mm_tensor *weight,
                                  double epsilon, mm_error *error) {
    return ops_of(weights)->add_rms_norm(out, weights, weight, epsilon, error);
}

mm_status mm_weights_add_relative(const mm_relative **out, mm_weights *weights,
                                  const mm_tensor *tensor, int64_t buckets, int64_t max_distance,
                                  int64_t max_length, bool bidirectional, mm_error *error) {
    return ops_of(weights)->add_relative(out, weights, tensor, buckets, max_distance, max_length,
                                         bidirectional, error);
}

size_t mm_weights_bytes(const mm_weights *weights) {
    return ops_of(weights)->weights_bytes(weights);
}

mm_status mm_weights_pack(mm_weights *weights, mm_checkpoint *checkpoint, mm_packing packing,
                          int threads, mm_error *error) {
    return ops_of(weights)->weights_pack(weights, checkpoint, packing, threads, error);
}

void mm_weights_settle(mm_weights *weights) {
    ops_of(weights)->weights_settle(weights);
}

mm_status mm_session_create(mm_session **out, mm_backend *backend, int threads, mm_error *error) {
    return ops_of(backend)->session_create(out, backend, threads, error);
}

void mm_session_free(mm_session *session) {
    if (session)
        ops_of(session)->session_free(session);
}

mm_status mm_session_reserve(mm_session *session, const mm_weights *weights, int64_t rows,
                             int64_t row_floats, mm_error *error) {
    return ops_of(session)->session_reserve(session, weights, rows, row_floats, error);
}

size_t mm_session_bytes(const mm_weights *weights, int threads, int64_t rows, int64_t row_floats) {
    return ops_of(weights)->session_bytes(weights, threads, rows, row_floats);
}

mm_status mm_session_run(mm_session *session, size_t count, mm_batch_function function,
                         void *payload, mm_error *error) {
    return ops_of(session)->session_run(session, count, function, payload, error);
}

void mm_session_watch(mm_session *session, bool on) {
    ops_of(session)->session_watch(session, on);
}

int mm_session_first_bad_layer(const mm_session *session) {
    return ops_of(session)->session_first_bad_layer(session);
}

void mm_lane_fail(mm_lane *lane, mm_status status, const char *message) {
    ops_of(lane)->lane_fail(lane, status, message);
}

mm_activation mm_lane_activation(mm_lane *lane, int64_t rows, int64_t columns) {
    return ops_of(lane)->lane_activation(lane, rows, columns);
}

void mm_lane_layer(mm_lane *lane, int layer, const mm_activation *x) {
    ops_of(lane)->lane_layer(lane, layer, x);
}

void mm_embed(mm_lane *lane, mm_activation *out, const mm_batch *batch,
              const mm_embed_tables *tables) {
    ops_of(lane)->embed(lane, out, batch, tables);
}

void mm_linear(mm_lane *lane, mm_activation *out, const mm_activation *in, const mm_matrix *matrix,
               const mm_epilogue *epilogue) {
    ops_of(lane)->linear(lane, out, in, matrix, epilogue);
}

void mm_feed_forward(mm_lane *lane, mm_activation *out, const mm_activation *in,
                     const mm_matrix *up, const mm_matrix *gate, const mm_matrix *down,
                     mm_function function, const mm_epilogue *epilogue) {
    ops_of(lane)->feed_forward(lane, out, in, up, gate, down, function, epilogue);
}

void mm_attention(mm_lane *lane, mm_activation *out, const mm_activation *qkv,
                  const mm_batch *batch, const mm_attention_options *options) {
    ops_of(lane)->attention(lane, out, qkv, batch, options);
}

void mm_normalize_layer(mm_lane *lane, mm_activation *out, const mm_activation *in,
                        const mm_norm *norm) {
    ops_of(lane)->normalize_layer(lane, out, in, norm);
}

mm_status mm_cache_create(mm_cache **out, mm_backend *backend, int64_t layers, int64_t rows,
                          int64_t columns, mm_error *error) {
    return ops_of(backend)->cache_create(out, backend, layers, rows, columns, error);
}

void mm_cache_free(mm_cache *cache) {
    if (cache)
        ops_of(cache)->cache_free(cache);
}

size_t mm_cache_bytes(const mm_backend *backend, int64_t layers, int64_t rows, int64_t columns) {
    return ops_of(backend)->cache_bytes(layers, rows, columns);
}

void mm_cache_write(mm_lane *lane, mm_cache *cache, int64_t layer, const mm_activation *x,
                    int64_t column, const int32_t *rows) {
    ops_of(lane)->cache_write(lane, cache, layer, x, column, rows);
}

void mm_attention_cached(mm_lane *lane, mm_activation *out, const mm_activation *q,
                         const mm_cache *cache, int64_t layer, const mm_reach *reach,
                         const mm_attention_options *options) {
    ops_of(lane)->attention_cached(lane, out, q, cache, layer, reach, options);
}

void mm_logits(mm_lane *lane, float *out, const mm_activation *x, const mm_matrix *matrix,
               float scale, const bool *log_softmax) {
    ops_of(lane)->logits(lane, out, x, matrix, scale, log_softmax);
}

void mm_pool(mm_lane *lane, mm_activation *out, int64_t column, const mm_activation *x,
             const mm_batch *batch, mm_pooling pooling) {
    ops_of(lane)->pool(lane, out, column, x, batch, pooling);
}

void mm_normalize_l2(mm_lane *lane, mm_activation *x) {
    ops_of(lane)->normalize_l2(lane, x);
}

void mm_download(mm_lane *lane, float *out, const mm_activation *x) {
    ops_of(lane)->download(lane, out, x);
}
