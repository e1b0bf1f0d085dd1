// SPDX-License-Identifier: Apache-2.0
#include "tasks/generator.h"

#include "base/file.h"
#include "base/memory.h"

#include <string.h>

// ---- Opening -----------------------------------------------------------------------------------

static mm_status open_files(mm_generator *generator, const char *directory, mm_error *error) {
    mm_config *config = NULL;
    mm_status status = mm_config_open(&config, directory, error);
    if (!status)
        status =
            mm_weights_create(&generator->weights, generator->backend, generator->dtype, error);
    if (!status)
        status = mm_model_check_type(config, MM_MODEL_GENERATES, error);
    if (!status)
        status = mm_checkpoint_open(&generator->checkpoint, directory, error);
    if (!status)
        status = mm_model_bind(&generator->model, config, generator->checkpoint, generator->weights,
                               MM_MODEL_GENERATES, error);
    if (!status)
        status = mm_generation_settings_open(&generator->settings, directory,
                                             mm_config_json(config), error);
    mm_config_free(config);
    return status;
}

mm_status mm_generator_open_model(mm_generator **out, const char *directory, mm_backend *backend,
                                  mm_compute_dtype dtype, mm_error *error) {
    *out = NULL;
    if (!mm_backend_supports(backend, dtype))
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "this %s does not compute in the dtype asked for",
                       mm_backend_device(backend));
    if (!mm_directory_exists(directory))
        return mm_fail(error, MM_STATUS_MODEL_NOT_FOUND, "%s: no such directory", directory);
    mm_generator *generator = mm_calloc(1, sizeof *generator);
    if (!generator)
        return mm_fail_memory(error, "a generator");
    generator->backend = backend;
    generator->dtype = dtype;
    mm_status status = open_files(generator, directory, error);
    if (status) {
        mm_generator_free(generator);
        return status;
    }
    generator->max_length = (size_t)mm_generator_model(generator)->max_positions;
    *out = generator;
    return MM_STATUS_OK;
}

mm_status mm_generator_open(mm_generator **out, const char *directory, mm_backend *backend,
                            mm_compute_dtype dtype, mm_error *error) {
    mm_status status = mm_generator_open_model(out, directory, backend, dtype, error);
    if (status)
        return status;
    mm_generator *generator = *out;
    status = mm_tokenizer_open(&generator->tokenizer, directory, error);
    if (status) {
        mm_generator_free(generator);
        *out = NULL;
        return status;
    }
    const size_t limit = mm_tokenizer_model_max_length(generator->tokenizer);
    if (limit > 0 && limit < generator->max_length)
        generator->max_length = limit;
    return MM_STATUS_OK;
}

mm_status mm_generator_load(mm_generator *generator, int threads, mm_error *error) {
    if (generator->loaded)
        return MM_STATUS_OK;
    mm_status status = mm_weights_pack(generator->weights, generator->checkpoint, threads, error);
    if (status)
        return status;
    generator->checkpoint = NULL; // the weights' own now
    generator->loaded = true;
    return MM_STATUS_OK;
}

void mm_generator_free(mm_generator *generator) {
    if (!generator)
        return;
    mm_generation_settings_free(&generator->settings);
    mm_tokenizer_free(generator->tokenizer);
    mm_model_free(generator->model);
    mm_weights_free(generator->weights);
    mm_checkpoint_free(generator->checkpoint);
    mm_free(generator);
}

const mm_model_info *mm_generator_model(const mm_generator *generator) {
    return mm_model_get_info(generator->model);
}

const mm_tokenizer *mm_generator_tokenizer(const mm_generator *generator) {
    return generator->tokenizer;
}

size_t mm_generator_max_length(const mm_generator *generator) {
    return generator->max_length;
}

// ---- Jobs --------------------------------------------------------------------------------------

// The settings, and room for `count` sources.
static mm_status begin_job(mm_generation_job *job, const mm_generator *generator, size_t count,
                           const json_t *parameters, mm_error *error) {
    const mm_model_info *info = mm_generator_model(generator);
    const int64_t positions =
        info->max_positions < MM_LONGEST_OUTPUT ? info->max_positions : MM_LONGEST_OUTPUT;
    *job = (mm_generation_job){0};
    mm_status status = mm_generation_settings_copy(&job->settings, &generator->settings, error);
    if (!status && parameters)
        status = mm_generation_settings_read(&job->settings, parameters, MM_FROM_CALL, "the call",
                                             error);
    if (!status)
        status = mm_generation_settings_resolve(&job->settings, info->vocab_size, positions, error);
    if (status)
        return status;
    job->starts = mm_calloc(count + 1, sizeof *job->starts);
    job->truncated = mm_calloc(count + 1, sizeof *job->truncated);
    return job->starts && job->truncated ? MM_STATUS_OK
                                         : mm_fail_memory(error, "a request's sources");
}

static mm_status append_source(mm_generation_job *job, const mm_generator *generator,
                               const int32_t *ids, size_t length, mm_error *error) {
    const size_t index = job->count, start = job->starts[index];
    const int64_t vocab_size = mm_generator_model(generator)->vocab_size;
    mm_status status = MM_STATUS_OK;
    if (length == 0 || length > generator->max_length)
        status = mm_fail(error, length == 0 ? MM_STATUS_INVALID_REQUEST : MM_STATUS_INPUT_TOO_LONG,
                         "source %zu has %zu tokens; 1 to %zu can be read", index, length,
                         generator->max_length);
    for (size_t i = 0; i < length && !status; i++) {
        if (ids[i] < 0 || ids[i] >= vocab_size)
            status = mm_fail(error, MM_STATUS_INVALID_REQUEST,
                             "source %zu holds the id %d; the vocabulary has %lld", index, ids[i],
                             (long long)vocab_size);
    }
    if (status) {
        mm_error_details(error, "{\"index\": %zu}", index);
        return status;
    }
    int32_t *grown = mm_array_realloc(job->ids, start + length, sizeof *grown);
    if (!grown)
        return mm_fail_memory(error, "a request's sources");
    memcpy(grown + start, ids, length * sizeof *grown);
    job->ids = grown;
    job->starts[++job->count] = start + length;
    return MM_STATUS_OK;
}

mm_status mm_generation_job_create(mm_generation_job *out, const mm_generator *generator,
                                   const char *const *texts, const size_t *lengths, size_t count,
                                   const json_t *parameters, mm_error *error) {
    mm_encoding encoding = {0};
    const mm_encode_options options = {
        .add_special_tokens = true,
        .truncation = {.max_length = generator->max_length},
    };
    mm_status status = begin_job(out, generator, count, parameters, error);
    for (size_t i = 0; i < count && !status; i++) {
        status = mm_tokenizer_encode(generator->tokenizer, &encoding, texts[i], lengths[i], NULL, 0,
                                     &options, error);
        if (status)
            mm_error_details(error, "{\"index\": %zu}", i);
        if (!status)
            out->truncated[i] = encoding.truncated;
        if (!status)
            status = append_source(out, generator, encoding.ids, encoding.count, error);
    }
    mm_encoding_free(&encoding);
    if (status)
        mm_generation_job_free(out);
    return status;
}

mm_status mm_generation_job_from_ids(mm_generation_job *out, const mm_generator *generator,
                                     const int32_t *const *ids, const size_t *lengths, size_t count,
                                     const json_t *parameters, mm_error *error) {
    mm_status status = begin_job(out, generator, count, parameters, error);
    for (size_t i = 0; i < count && !status; i++)
        status = append_source(out, generator, ids[i], lengths[i], error);
    if (status)
        mm_generation_job_free(out);
    return status;
}

void mm_generation_job_free(mm_generation_job *job) {
    mm_generation_settings_free(&job->settings);
    mm_free(job->ids);
    mm_free(job->starts);
    mm_free(job->truncated);
    *job = (mm_generation_job){0};
}
