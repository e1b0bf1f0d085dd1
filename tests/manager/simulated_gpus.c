// SPDX-License-Identifier: Apache-2.0
#include "simulated_gpus.h"

#include "base/memory.h"
#include "compute/backend_ops.h"

#include <string.h>

// ---- Gates -------------------------------------------------------------------------------------

void simulated_gate_close(simulated_gate *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->is_closed = true;
    pthread_mutex_unlock(&gate->lock);
}

void simulated_gate_open(simulated_gate *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->is_closed = false;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

void simulated_gate_await(simulated_gate *gate, int count) {
    pthread_mutex_lock(&gate->lock);
    while (gate->waiting < count)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void pass(simulated_gate *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->waiting++;
    pthread_cond_broadcast(&gate->changed);
    while (gate->is_closed)
        pthread_cond_wait(&gate->changed, &gate->lock);
    gate->waiting--;
    pthread_mutex_unlock(&gate->lock);
}

extern const mm_backend_ops mm_cpu_ops; // of compute/cpu/cpu.h, whose objects are not ours

// ---- Objects -----------------------------------------------------------------------------------

struct mm_backend {
    const mm_backend_ops *ops;
    mm_backend *cpu;
    simulated_gpu *gpu;
};

struct mm_weights {
    const mm_backend_ops *ops;
    mm_weights *cpu;
    simulated_gpu *gpu;
    size_t taken;
};

struct mm_session {
    const mm_backend_ops *ops;
    mm_session *cpu;
    simulated_gpu *gpu;
};

static mm_status lost(mm_error *error) {
    return mm_fail(error, MM_STATUS_INTERNAL, "the driver says: device is gone");
}

static void backend_free(mm_backend *backend) {
    mm_backend_free(backend->cpu);
    mm_free(backend);
}

// Half precision is computed in float32.
static bool backend_supports(const mm_backend *backend, mm_compute_dtype dtype) {
    (void)backend;
    (void)dtype;
    return true;
}

static int32_t backend_batch_rows(const mm_backend *backend) {
    return mm_backend_batch_rows(backend->cpu);
}

static void backend_memory(const mm_backend *backend, uint64_t *total, uint64_t *available) {
    const size_t used = atomic_load(&backend->gpu->used);
    *total = backend->gpu->bytes;
    *available = used < *total ? *total - used : 0;
}

static bool backend_is_lost(const mm_backend *backend) {
    return atomic_load(&backend->gpu->is_lost);
}

// ---- Weights -----------------------------------------------------------------------------------

static const mm_backend_ops ops;

static mm_status weights_create(mm_weights **out, mm_backend *backend, mm_compute_dtype dtype,
                                mm_error *error) {
    mm_weights *weights = *out = mm_calloc(1, sizeof(*weights));
    if (!weights)
        return mm_fail_memory(error, "simulated weights");
    weights->ops = &ops;
    weights->gpu = backend->gpu;
    (void)dtype;
    mm_status status = mm_weights_create(&weights->cpu, backend->cpu, MM_COMPUTE_F32, error);
    if (status) {
        mm_free(weights);
        *out = NULL;
    }
    return status;
}

static void weights_free(mm_weights *weights) {
    atomic_fetch_sub(&weights->gpu->used, weights->taken);
    mm_weights_free(weights->cpu);
    mm_free(weights);
}

static mm_status add_matrix(const mm_matrix **out, mm_weights *weights, int parts,
                            const mm_tensor *const *weight, const mm_tensor *const *bias,
                            mm_error *error) {
    return mm_weights_add_matrix(out, weights->cpu, parts, weight, bias, error);
}

static mm_status add_table(const mm_table **out, mm_weights *weights, const mm_tensor *tensor,
                           mm_error *error) {
    return mm_weights_add_table(out, weights->cpu, tensor, error);
}

static mm_status add_computed_table(const mm_table **out, mm_weights *weights, int64_t rows,
                                    int64_t columns, mm_table_fill fill, int64_t parameter,
                                    mm_error *error) {
    return mm_weights_add_computed_table(out, weights->cpu, rows, columns, fill, parameter, error);
}

static mm_status add_norm(const mm_norm **out, mm_weights *weights, const mm_tensor *weight,
                          const mm_tensor *bias, double epsilon, mm_error *error) {
    return mm_weights_add_norm(out, weights->cpu, weight, bias, epsilon, error);
}

static mm_status add_rms_norm(const mm_norm **out, mm_weights *weights, const mm_tensor *weight,
                              double epsilon, mm_error *error) {
    return mm_weights_add_rms_norm(out, weights->cpu, weight, epsilon, error);
}

static mm_status add_relative(const mm_relative **out, mm_weights *weights, const mm_tensor *tensor,
                              int64_t buckets, int64_t max_distance, int64_t max_length,
                              bool bidirectional, mm_error *error) {
    return mm_weights_add_relative(out, weights->cpu, tensor, buckets, max_distance, max_length,
                                   bidirectional, error);
}

static size_t weights_bytes(const mm_weights *weights) {
    return mm_weights_bytes(weights->cpu);
}

static mm_status take_memory(mm_weights *weights, mm_error *error) {
    simulated_gpu *gpu = weights->gpu;
    size_t wanted = mm_weights_bytes(weights->cpu);
    size_t used = atomic_load(&gpu->used);
    do {
        if (used > gpu->bytes || wanted > gpu->bytes - used)
            return mm_fail(error, MM_STATUS_OUT_OF_MEMORY, "the driver has no %zu bytes", wanted);
    } while (!atomic_compare_exchange_weak(&gpu->used, &used, used + wanted));
    weights->taken = wanted;
    return MM_STATUS_OK;
}

static mm_status weights_pack(mm_weights *weights, mm_checkpoint *checkpoint, mm_packing packing,
                              int threads, mm_error *error) {
    simulated_gpu *gpu = weights->gpu;
    pass(&gpu->load_gate);
    if (atomic_load(&gpu->is_lost))
        return lost(error);
    if (atomic_load(&gpu->bad_loads) > 0) {
        atomic_fetch_sub(&gpu->bad_loads, 1);
        return mm_fail(error, gpu->load_status, "loading was made to fail");
    }
    mm_status status = take_memory(weights, error);
    if (!status)
        status = mm_weights_pack(weights->cpu, checkpoint, packing, threads, error);
    if (!status)
        atomic_fetch_add(&gpu->loads, 1);
    return status;
}

static void weights_settle(mm_weights *weights) {
    mm_weights_settle(weights->cpu);
}

// ---- Sessions ----------------------------------------------------------------------------------

static mm_status session_create(mm_session **out, mm_backend *backend, int threads,
                                mm_error *error) {
    mm_session *session = *out = mm_calloc(1, sizeof(*session));
    if (!session)
        return mm_fail_memory(error, "a simulated session");
    session->ops = &ops;
    session->gpu = backend->gpu;
    mm_status status = MM_STATUS_OK;
    if (atomic_load(&session->gpu->bad_sessions) > 0) {
        atomic_fetch_sub(&session->gpu->bad_sessions, 1);
        status = mm_fail(error, MM_STATUS_OUT_OF_MEMORY, "no memory for a simulated session");
    }
    if (!status)
        status = mm_session_create(&session->cpu, backend->cpu, threads, error);
    if (status) {
        mm_free(session);
        *out = NULL;
    } else {
        atomic_fetch_add(&session->gpu->sessions, 1);
    }
    return status;
}

static void session_free(mm_session *session) {
    atomic_fetch_sub(&session->gpu->sessions, 1);
    mm_session_free(session->cpu);
    mm_free(session);
}

static mm_status session_reserve(mm_session *session, const mm_weights *weights, int64_t rows,
                                 int64_t row_floats, mm_error *error) {
    return mm_session_reserve(session->cpu, weights->cpu, rows, row_floats, error);
}

// What is computed takes memory of the CPU only.
static size_t session_bytes(const mm_weights *weights, int threads, int64_t rows,
                            int64_t row_floats) {
    (void)weights;
    (void)threads;
    (void)rows;
    (void)row_floats;
    return 0;
}

static mm_status session_run(mm_session *session, size_t count, mm_batch_function function,
                             void *payload, mm_error *error) {
    simulated_gpu *gpu = session->gpu;
    atomic_fetch_add(&gpu->runs, 1);
    pass(&gpu->run_gate);
    if (atomic_load(&gpu->is_lost))
        return lost(error);
    return mm_session_run(session->cpu, count, function, payload, error);
}

static void session_watch(mm_session *session, bool on) {
    mm_session_watch(session->cpu, on);
}

static int session_first_bad_layer(const mm_session *session) {
    return mm_session_first_bad_layer(session->cpu);
}

static mm_status cache_create(mm_cache **out, mm_backend *backend, int64_t layers, int64_t rows,
                              int64_t columns, mm_error *error) {
    return mm_cache_create(out, backend->cpu, layers, rows, columns, error);
}

static size_t cache_bytes(int64_t layers, int64_t rows, int64_t columns) {
    (void)layers;
    (void)rows;
    (void)columns;
    return 0;
}

// What is done on lanes and caches is asked of the CPU's own.
static const mm_backend_ops ops = {
    .device = "cuda",
    .free = backend_free,
    .supports = backend_supports,
    .batch_rows = backend_batch_rows,
    .memory = backend_memory,
    .is_lost = backend_is_lost,
    .weights_create = weights_create,
    .weights_free = weights_free,
    .add_matrix = add_matrix,
    .add_table = add_table,
    .add_computed_table = add_computed_table,
    .add_norm = add_norm,
    .add_rms_norm = add_rms_norm,
    .add_relative = add_relative,
    .weights_bytes = weights_bytes,
    .weights_pack = weights_pack,
    .weights_settle = weights_settle,
    .session_create = session_create,
    .session_free = session_free,
    .session_reserve = session_reserve,
    .session_bytes = session_bytes,
    .session_run = session_run,
    .session_watch = session_watch,
    .session_first_bad_layer = session_first_bad_layer,
    .cache_bytes = cache_bytes,
    .cache_create = cache_create,
};

// ---- The set -----------------------------------------------------------------------------------

static mm_status open_gpu(mm_backend **out, int index, void *payload, mm_error *error) {
    simulated_gpus *gpus = payload;
    *out = NULL;
    if (atomic_load(&gpus->gpu[index].is_lost))
        return lost(error);
    mm_backend *backend = mm_calloc(1, sizeof(*backend));
    if (!backend)
        return mm_fail_memory(error, "a simulated backend");
    backend->ops = &ops;
    backend->gpu = &gpus->gpu[index];
    mm_status status = mm_backend_cpu_create(&backend->cpu, error);
    if (status)
        mm_free(backend);
    else
        *out = backend;
    return status;
}

static void gate_create(simulated_gate *gate) {
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->changed, NULL);
}

static void gate_free(simulated_gate *gate) {
    pthread_mutex_destroy(&gate->lock);
    pthread_cond_destroy(&gate->changed);
}

void simulated_gpus_create(simulated_gpus *out, int count, const size_t *bytes) {
    memset(out, 0, sizeof(*out));
    for (int i = 0; i < count; i++) {
        out->gpu[i].bytes = bytes[i];
        gate_create(&out->gpu[i].load_gate);
        gate_create(&out->gpu[i].run_gate);
    }
    out->source = (mm_gpu_source){.count = count, .open = open_gpu, .payload = out};
}

void simulated_gpus_free(simulated_gpus *gpus) {
    for (int i = 0; i < gpus->source.count; i++) {
        gate_free(&gpus->gpu[i].load_gate);
        gate_free(&gpus->gpu[i].run_gate);
    }
}
