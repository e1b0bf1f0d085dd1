// SPDX-License-Identifier: Apache-2.0
// A generator with all that it needs to run, from a golden folder.
#ifndef MM_TESTS_TOY_GENERATOR_H
#define MM_TESTS_TOY_GENERATOR_H

#include "tasks/generation.h"

enum { TOY_TEXTS = 16 }; // at most, of one call

typedef struct toy_generator {
    mm_backend *backend;
    mm_generator *generator;
    mm_session *session;
} toy_generator;

mm_status toy_generator_open(toy_generator *all, const char *folder, mm_error *error);
void toy_generator_close(toy_generator *all); // half-opened ones too
// `parameters` is JSON.
mm_status toy_generation_job(mm_generation_job *out, const toy_generator *all,
                             const char *const *sources, size_t count, const char *parameters,
                             mm_error *error);
mm_status toy_generate(mm_generated *out, const toy_generator *all, const char *const *sources,
                       size_t count, const char *parameters, mm_error *error);

#endif
