// SPDX-License-Identifier: Apache-2.0
// An embedder over a toy model, ready to run.
#ifndef MM_TESTS_TOY_EMBEDDER_H
#define MM_TESTS_TOY_EMBEDDER_H

#include "tasks/embedding.h"

typedef struct toy_embedder {
    mm_backend *backend;
    mm_embedder *embedder;
    mm_session *session;
} toy_embedder;

// Opens the folder, loads it and makes a session of `threads` threads; fails the test otherwise.
void toy_embedder_open(toy_embedder *out, const char *folder, mm_compute_dtype dtype, int threads);
// The same with all packed at once, or with matrices in the file however small.
void toy_embedder_open_packed(toy_embedder *out, const char *folder, mm_compute_dtype dtype,
                              int threads);
void toy_embedder_open_waiting(toy_embedder *out, const char *folder, mm_compute_dtype dtype,
                               int threads);
void toy_embedder_close(toy_embedder *toy);
// Opens the folder and closes it again: the status of opening, or else of loading.
mm_status toy_embedder_try(const char *folder, mm_error *error);
mm_status toy_embedder_try_waiting(const char *folder, mm_error *error);
// The vectors [count, dimension] of NUL-terminated texts; the caller frees with mm_free.
float *toy_embedder_run(const toy_embedder *toy, const char *const *texts, size_t count,
                        const mm_embedding_options *options, int64_t *dimension);

#endif
