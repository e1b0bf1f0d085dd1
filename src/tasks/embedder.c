// SPDX-License-Identifier: Apache-2.0
// Opening follows the files: modules.json says where the transformer lies and what comes behind it;
// the transformer's folder gives config, limits, weights and tokenizer; then the modules bind
// theirs against the width before them. Until mm_embedder_load nothing of the weights has been read
// but what the fingerprint samples.
#include "tasks/embedder.h"

#include "base/file.h"
#include "base/memory.h"

#include <string.h>

// The longest text in tokens: what the repository says, else what tokenizer and config agree on
// (transformer.py of sentence-transformers), but never more than the position table holds, where
// the reference library would fail.
static mm_status set_max_length(mm_embedder *embedder, const mm_limits *limits,
                                const mm_config *config, mm_error *error) {
    const size_t positions = (size_t)mm_embedder_model(embedder)->max_positions;
    size_t length = limits->max_length;
    if (length == 0) {
        int64_t configured = 0;
        mm_status status = mm_config_get_size(&configured, config,
                                              (const char *[]){"max_position_embeddings", NULL},
                                              false, 0, 1, INT32_MAX, error);
        if (status)
            return status;
        length = mm_tokenizer_model_max_length(embedder->tokenizer);
        if (length == 0 || (configured > 0 && length > (size_t)configured))
            length = configured > 0 ? (size_t)configured : positions;
    }
    embedder->max_length = length < positions ? length : positions;
    size_t special = mm_tokenizer_special_count(embedder->tokenizer, false);
    if (embedder->max_length < special)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: sequences of %zu tokens leave no room for the %zu special tokens",
                       mm_config_path(config), embedder->max_length, special);
    return MM_STATUS_OK;
}

// Everything of the transformer's own folder.
static mm_status open_transformer(mm_embedder *embedder, const char *directory, mm_error *error) {
    mm_config *config = NULL;
    mm_limits limits = {0};
    mm_status status = mm_config_open(&config, directory, error);
    // Without modules.json the reference library does not look for the limits either.
    if (!status && embedder->modules.from_file)
        status = mm_limits_read(&limits, directory, error);
    if (!status)
        status = mm_weights_create(&embedder->weights, embedder->backend, embedder->dtype, error);
    if (!status) // before the files that another kind of model would lack
        status = mm_model_check_type(config, MM_MODEL_EMBEDS, error);
    if (!status)
        status = mm_checkpoint_open(&embedder->checkpoint, directory, error);
    if (!status)
        status = mm_model_bind(&embedder->model, config, embedder->checkpoint, embedder->weights,
                               mm_model_can(config, embedder->checkpoint, MM_MODEL_GENERATES)
                                   ? MM_MODEL_GENERATES // one model for both tasks
                                   : MM_MODEL_EMBEDS,
                               error);
    if (!status)
        status = mm_tokenizer_open(&embedder->tokenizer, directory, error);
    if (!status && limits.lower_case)
        status = mm_tokenizer_prepend_lowercase(embedder->tokenizer, error);
    embedder->lower_cases = limits.lower_case;
    if (!status)
        status = set_max_length(embedder, &limits, config, error);
    mm_config_free(config);
    return status;
}

// For plans and `inspect`: what the files hold, heads included.
static void count_files(mm_embedder *embedder) {
    embedder->parameters = mm_checkpoint_parameters(embedder->checkpoint);
    embedder->file_bytes = mm_checkpoint_bytes(embedder->checkpoint);
    for (size_t i = 0; i < embedder->modules.count; i++) {
        const mm_checkpoint *checkpoint = embedder->modules.items[i].checkpoint;
        if (checkpoint) {
            embedder->parameters += mm_checkpoint_parameters(checkpoint);
            embedder->file_bytes += mm_checkpoint_bytes(checkpoint);
        }
    }
}

mm_status mm_embedder_open(mm_embedder **out, const char *directory, const char *model_name,
                           mm_backend *backend, mm_compute_dtype dtype, mm_error *error) {
    *out = NULL;
    if (!mm_backend_supports(backend, dtype))
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "dtype \"%s\" is not available on this %s", mm_compute_dtype_name(dtype),
                       mm_backend_device(backend));
    // A missing folder must not look like a folder without modules.json.
    if (!mm_directory_exists(directory))
        return mm_fail(error, MM_STATUS_MODEL_NOT_FOUND, "%s: no such directory", directory);
    mm_embedder *embedder = mm_calloc(1, sizeof *embedder);
    if (!embedder)
        return mm_fail_memory(error, "an embedder");
    embedder->backend = backend;
    embedder->dtype = dtype;
    mm_status status = mm_modules_read(&embedder->modules, directory, error);
    if (!status)
        status = open_transformer(embedder, embedder->modules.items[0].directory, error);
    if (!status)
        status = mm_modules_bind(&embedder->modules, mm_embedder_model(embedder)->hidden_size,
                                 embedder->weights, error);
    if (!status && embedder->modules.from_file)
        status = mm_prompts_read(&embedder->prompts, directory, error);
    if (!status)
        status = mm_fingerprint_make(embedder->fingerprint, backend, dtype, embedder->checkpoint,
                                     &embedder->modules, directory, error);
    if (status) {
        mm_embedder_free(embedder);
        return status;
    }
    mm_prompts_set_built_in(&embedder->prompts, model_name);
    count_files(embedder);
    *out = embedder;
    return MM_STATUS_OK;
}

// The modules' files are closed here, the transformer's by the weights, once they have all that is
// in them: then the model does not depend on any file.
mm_status mm_embedder_load(mm_embedder *embedder, mm_packing packing, int threads,
                           mm_error *error) {
    if (embedder->loaded)
        return MM_STATUS_OK;
    mm_status status =
        mm_weights_pack(embedder->weights, embedder->checkpoint, packing, threads, error);
    if (status)
        return status;
    embedder->checkpoint = NULL;
    mm_modules_close_files(&embedder->modules);
    embedder->loaded = true;
    return MM_STATUS_OK;
}

void mm_embedder_free(mm_embedder *embedder) {
    if (!embedder)
        return;
    mm_prompts_free(&embedder->prompts);
    mm_tokenizer_free(embedder->tokenizer);
    mm_model_free(embedder->model);
    mm_weights_free(embedder->weights);
    mm_modules_free(&embedder->modules);
    mm_checkpoint_free(embedder->checkpoint);
    mm_free(embedder);
}

const mm_model_info *mm_embedder_model(const mm_embedder *embedder) {
    return mm_model_get_info(embedder->model);
}

const mm_tokenizer *mm_embedder_tokenizer(const mm_embedder *embedder) {
    return embedder->tokenizer;
}

int64_t mm_embedder_dimension(const mm_embedder *embedder) {
    return embedder->modules.dimension;
}

size_t mm_embedder_max_length(const mm_embedder *embedder) {
    return embedder->max_length;
}

size_t mm_embedder_weight_bytes(const mm_embedder *embedder) {
    return mm_weights_bytes(embedder->weights);
}

int64_t mm_embedder_parameters(const mm_embedder *embedder) {
    return embedder->parameters;
}

size_t mm_embedder_file_bytes(const mm_embedder *embedder) {
    return embedder->file_bytes;
}

const char *mm_embedder_fingerprint(const mm_embedder *embedder) {
    return embedder->fingerprint;
}
