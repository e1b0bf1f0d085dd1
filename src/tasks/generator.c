// SPDX-License-Identifier: Apache-2.0
#include "tasks/generator.h"

#include "base/file.h"
#include "base/memory.h"

#include <string.h>

// ---- Opening -----------------------------------------------------------------------------------

// What the files say about generating. A model that does not say with which token a text begins was
// not made for it: an encoder-decoder that was trained for embeddings, say.
static mm_status open_settings(mm_generator *generator, const char *directory,
                               const mm_config *config, mm_error *error) {
    const json_t *json = mm_config_json(config);
    mm_generation_settings *settings = &generator->settings;
    generator->tasks = json_incref(json_object_get(json, "task_specific_params"));
    mm_status status = mm_generation_settings_open(settings, directory, json, error);
    if (!status && settings->decoder_start_token_id == MM_NOT_SET &&
        settings->bos_token_id == MM_NOT_SET)
        status = mm_fail(error, MM_STATUS_INVALID_TASK_TYPE,
                         "this model generates no text: its files set neither "
                         "decoder_start_token_id nor bos_token_id to begin one with");
    return status;
}

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
        status = open_settings(generator, directory, config, error);
    if (!status)
        status = mm_fingerprint_make(generator->fingerprint, generator->backend, generator->dtype,
                                     generator->checkpoint, NULL, directory, error);
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

// A source may be as long as the tokenizer says, if the model has positions for it.
static void limit_sources(mm_generator *generator) {
    const size_t limit = mm_tokenizer_model_max_length(generator->tokenizer);
    if (limit > 0 && limit < generator->max_length)
        generator->max_length = limit;
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
    limit_sources(generator);
    return MM_STATUS_OK;
}

mm_status mm_generator_open_beside(mm_generator **out, const char *directory,
                                   const mm_embedder *embedder, mm_error *error) {
    *out = NULL;
    mm_generator *generator = mm_calloc(1, sizeof *generator);
    if (!generator)
        return mm_fail_memory(error, "a generator");
    *generator = (mm_generator){.backend = embedder->backend,
                                .dtype = embedder->dtype,
                                .tokenizer = embedder->lower_cases ? NULL : embedder->tokenizer,
                                .weights = embedder->weights,
                                .model = embedder->model,
                                .host = embedder};
    memcpy(generator->fingerprint, embedder->fingerprint, sizeof generator->fingerprint);
    mm_config *config = NULL;
    mm_status status = mm_config_open(&config, directory, error);
    if (!status)
        status = open_settings(generator, directory, config, error);
    if (!status && !generator->tokenizer)
        status = mm_tokenizer_open(&generator->tokenizer, directory, error);
    mm_config_free(config);
    if (status) {
        mm_generator_free(generator);
        return status;
    }
    generator->max_length = (size_t)mm_generator_model(generator)->max_positions;
    limit_sources(generator);
    *out = generator;
    return MM_STATUS_OK;
}

bool mm_generator_is_loaded(const mm_generator *generator) {
    return generator->host ? generator->host->loaded : generator->loaded;
}

mm_status mm_generator_load(mm_generator *generator, mm_packing packing, int threads,
                            mm_error *error) {
    if (mm_generator_is_loaded(generator))
        return MM_STATUS_OK;
    // The first text takes many passes already, which want panels in their places.
    if (packing == MM_PACK_ON_NEED)
        packing = MM_PACK_BUT_TABLES;
    mm_status status =
        mm_weights_pack(generator->weights, generator->checkpoint, packing, threads, error);
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
    json_decref(generator->tasks);
    if (!generator->host || generator->tokenizer != generator->host->tokenizer)
        mm_tokenizer_free(generator->tokenizer);
    if (!generator->host) {
        mm_model_free(generator->model);
        mm_weights_free(generator->weights);
        mm_checkpoint_free(generator->checkpoint);
    }
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
