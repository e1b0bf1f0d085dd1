// SPDX-License-Identifier: Apache-2.0
#include "toy_embedder.h"

#include "check.h"

#include "base/memory.h"
#include "compute/cpu/cpu.h"

#include <string.h>

static void open_backend(mm_backend **out, bool waiting) {
    mm_error error = {0};
    assert_ok(mm_backend_cpu_create(out, &error), error);
    if (waiting)
        (*out)->large = 0;
}

static void open_as(toy_embedder *out, const char *folder, mm_compute_dtype dtype, int threads,
                    mm_packing packing, bool waiting) {
    mm_error error = {0};
    assert_non_null(folder);
    open_backend(&out->backend, waiting);
    assert_ok(mm_embedder_open(&out->embedder, folder, NULL, out->backend, dtype, &error), error);
    assert_ok(mm_embedder_load(out->embedder, packing, threads, &error), error);
    assert_ok(mm_session_create(&out->session, out->backend, threads, &error), error);
    assert_ok(mm_embedder_prepare_session(out->embedder, out->session, &error), error);
}

void toy_embedder_open(toy_embedder *out, const char *folder, mm_compute_dtype dtype, int threads) {
    open_as(out, folder, dtype, threads, MM_PACK_ON_NEED, false);
}

void toy_embedder_open_packed(toy_embedder *out, const char *folder, mm_compute_dtype dtype,
                              int threads) {
    open_as(out, folder, dtype, threads, MM_PACK_ALL, false);
}

void toy_embedder_open_waiting(toy_embedder *out, const char *folder, mm_compute_dtype dtype,
                               int threads) {
    open_as(out, folder, dtype, threads, MM_PACK_ON_NEED, true);
}

void toy_embedder_close(toy_embedder *toy) {
    mm_session_free(toy->session);
    mm_embedder_free(toy->embedder);
    mm_backend_free(toy->backend);
    *toy = (toy_embedder){0};
}

static mm_status try_as(const char *folder, bool waiting, mm_error *error) {
    *error = (mm_error){0};
    mm_backend *backend;
    mm_embedder *embedder;
    assert_non_null(folder);
    open_backend(&backend, waiting);
    mm_status status = mm_embedder_open(&embedder, folder, NULL, backend, MM_COMPUTE_F32, error);
    if (!status)
        status = mm_embedder_load(embedder, MM_PACK_ON_NEED, 1, error);
    mm_embedder_free(embedder);
    mm_backend_free(backend);
    return status;
}

mm_status toy_embedder_try(const char *folder, mm_error *error) {
    return try_as(folder, false, error);
}

mm_status toy_embedder_try_waiting(const char *folder, mm_error *error) {
    return try_as(folder, true, error);
}

float *toy_embedder_run(const toy_embedder *toy, const char *const *texts, size_t count,
                        const mm_embedding_options *options, int64_t *dimension) {
    mm_error error = {0};
    mm_embedding_job job;
    size_t *lengths = mm_calloc(count, sizeof *lengths);
    for (size_t i = 0; i < count; i++)
        lengths[i] = strlen(texts[i]);
    assert_ok(mm_embedding_job_create(&job, toy->embedder, texts, lengths, count, options, &error),
              error);
    float *vectors = mm_calloc(count * (size_t)job.dimension, sizeof *vectors);
    assert_ok(mm_embedder_run(toy->embedder, toy->session, &job, vectors, &error), error);
    *dimension = job.dimension;
    mm_embedding_job_free(&job);
    mm_free(lengths);
    return vectors;
}
