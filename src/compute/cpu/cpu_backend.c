// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"
#include "compute/cpu/cpu.h"

// Enough tiles that a remainder does not matter, few enough that activations stay near the core.
enum { BATCH_ROWS = 256 };

// Less is packed in about the time that a first pass with panels in files takes longer.
enum { LARGE = 64 << 20 };

mm_status mm_backend_cpu_create(mm_backend **out, mm_error *error) {
    *out = NULL;
    mm_backend *backend = mm_calloc(1, sizeof(*backend));
    if (!backend)
        return mm_fail_memory(error, "the CPU backend");
    backend->ops = &mm_cpu_ops;
    backend->kernels = mm_kernels_select();
    backend->large = LARGE;
    mm_status status = mm_products_create(&backend->products, error);
    if (status)
        mm_free(backend);
    else
        *out = backend;
    return status;
}

static void cpu_free(mm_backend *backend) {
    mm_products_free(backend->products);
    mm_free(backend);
}

static bool cpu_supports(const mm_backend *backend, mm_compute_dtype dtype) {
    return dtype == MM_COMPUTE_F32 ||
           (dtype == MM_COMPUTE_BF16 && backend->kernels->attention_bf16 != NULL);
}

static int32_t cpu_batch_rows(const mm_backend *backend) {
    (void)backend;
    return BATCH_ROWS;
}

const mm_backend_ops mm_cpu_ops = {
    .device = "cpu",
    .free = cpu_free,
    .supports = cpu_supports,
    .batch_rows = cpu_batch_rows,
    .weights_create = mm_cpu_weights_create,
    .weights_free = mm_cpu_weights_free,
    .add_matrix = mm_cpu_add_matrix,
    .add_table = mm_cpu_add_table,
    .add_computed_table = mm_cpu_add_computed_table,
    .add_norm = mm_cpu_add_norm,
    .add_rms_norm = mm_cpu_add_rms_norm,
    .add_relative = mm_cpu_add_relative,
    .weights_bytes = mm_cpu_weights_bytes,
    .weights_pack = mm_cpu_weights_pack,
    .weights_settle = mm_cpu_weights_settle,
    .session_create = mm_cpu_session_create,
    .session_free = mm_cpu_session_free,
    .session_reserve = mm_cpu_session_reserve,
    .session_bytes = mm_cpu_session_bytes,
    .session_run = mm_cpu_session_run,
    .session_watch = mm_cpu_session_watch,
    .session_first_bad_layer = mm_cpu_session_first_bad_layer,
    .lane_fail = mm_cpu_lane_fail,
    .lane_activation = mm_cpu_lane_activation,
    .lane_layer = mm_cpu_lane_layer,
    .embed = mm_cpu_embed,
    .linear = mm_cpu_linear,
    .feed_forward = mm_cpu_feed_forward,
    .attention = mm_cpu_attention,
    .normalize_layer = mm_cpu_normalize_layer,
    .cache_create = mm_cpu_cache_create,
    .cache_free = mm_cpu_cache_free,
    .cache_bytes = mm_cpu_cache_bytes,
    .cache_write = mm_cpu_cache_write,
    .attention_cached = mm_cpu_attention_cached,
    .logits = mm_cpu_logits,
    .pool = mm_cpu_pool,
    .normalize_l2 = mm_cpu_normalize_l2,
    .download = mm_cpu_download,
};
