// SPDX-License-Identifier: Apache-2.0
#include "toy_generator.h"

#include <string.h>

void toy_generator_close(toy_generator *all) {
    mm_session_free(all->session);
    mm_generator_free(all->generator);
    mm_backend_free(all->backend);
}

mm_status toy_generator_open(toy_generator *all, const char *folder, mm_error *error) {
    *all = (toy_generator){0};
    mm_status status = mm_backend_cpu_create(&all->backend, error);
    if (!status)
        status = mm_generator_open(&all->generator, folder, all->backend, MM_COMPUTE_F32, error);
    if (!status)
        status = mm_generator_load(all->generator, MM_PACK_ON_NEED, 2, error);
    if (!status)
        status = mm_session_create(&all->session, all->backend, 2, error);
    if (!status)
        status = mm_generator_prepare_session(all->generator, all->session, error);
    return status;
}

mm_status toy_generation_job(mm_generation_job *out, const toy_generator *all,
                             const char *const *sources, size_t count, const char *parameters,
                             mm_error *error) {
    size_t lengths[TOY_TEXTS];
    json_t *object = NULL;
    *out = (mm_generation_job){0};
    for (size_t i = 0; i < count; i++)
        lengths[i] = strlen(sources[i]);
    mm_status status =
        mm_json_parse(&object, parameters, strlen(parameters), "test", MM_STATUS_INTERNAL, error);
    const mm_generation_options options = {.parameters = object};
    if (!status)
        status =
            mm_generation_job_create(out, all->generator, sources, lengths, count, &options, error);
    json_decref(object);
    return status;
}

mm_status toy_generate(mm_generated *out, const toy_generator *all, const char *const *sources,
                       size_t count, const char *parameters, mm_error *error) {
    mm_generation_job job;
    *out = (mm_generated){0};
    mm_status status = toy_generation_job(&job, all, sources, count, parameters, error);
    if (!status)
        status = mm_generator_run(all->generator, all->session, &job, NULL, out, error);
    mm_generation_job_free(&job);
    return status;
}
