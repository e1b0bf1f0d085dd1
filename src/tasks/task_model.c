// SPDX-License-Identifier: Apache-2.0
// Whoever can embed owns the model, and a generator is opened beside it; a family that does not
// embed has a generator alone.
#include "tasks/task_model.h"

#include "base/memory.h"
#include "tasks/generator.h"

#include <string.h>

struct mm_task_model {
    mm_embedder *embedder;    // or NULL
    mm_generator *generator;  // or NULL, with generator_error
    mm_error generator_error; // why it does not generate
};

// The decoder counts only where the transformer stands in the folder itself: transformers, whose
// task this is, knows no modules.
static bool may_generate(const mm_embedder *embedder, const char *directory) {
    return mm_embedder_model(embedder)->generates &&
           strcmp(embedder->modules.items[0].directory, directory) == 0;
}

static mm_status open_tasks(mm_task_model *model, const char *directory, const char *model_name,
                            mm_backend *backend, mm_compute_dtype dtype, mm_error *error) {
    mm_status status =
        mm_embedder_open(&model->embedder, directory, model_name, backend, dtype, error);
    if (status == MM_STATUS_INVALID_TASK_TYPE)
        return mm_generator_open(&model->generator, directory, backend, dtype, error);
    if (status)
        return status;
    if (may_generate(model->embedder, directory))
        status = mm_generator_open_beside(&model->generator, directory, model->embedder,
                                          &model->generator_error);
    else
        status = mm_fail(&model->generator_error, MM_STATUS_INVALID_TASK_TYPE,
                         "this model generates no text (its files hold no decoder); it is for the "
                         "task_type \"embedding\"");
    if (status == MM_STATUS_INVALID_TASK_TYPE)
        mm_error_details(&model->generator_error,
                         "{\"parameter\": \"task_type\", \"task_types\": [\"embedding\"]}");
    if (status == MM_STATUS_OUT_OF_MEMORY && error)
        *error = model->generator_error;
    return status == MM_STATUS_OUT_OF_MEMORY ? status : MM_STATUS_OK;
}

mm_status mm_task_model_open(mm_task_model **out, const char *directory, const char *model_name,
                             mm_backend *backend, mm_compute_dtype dtype, mm_error *error) {
    mm_task_model *model = *out = mm_calloc(1, sizeof *model);
    if (!model)
        return mm_fail_memory(error, "a model");
    mm_status status = open_tasks(model, directory, model_name, backend, dtype, error);
    if (status) {
        mm_task_model_free(model);
        *out = NULL;
    }
    return status;
}

static mm_weights *weights_of(const mm_task_model *model) {
    return model->embedder ? model->embedder->weights : model->generator->weights;
}

mm_status mm_task_model_load(mm_task_model *model, mm_packing packing, int threads,
                             mm_error *error) {
    return model->embedder ? mm_embedder_load(model->embedder, packing, threads, error)
                           : mm_generator_load(model->generator, packing, threads, error);
}

void mm_task_model_free(mm_task_model *model) {
    if (!model)
        return;
    mm_generator_free(model->generator); // may hold what is the embedder's
    mm_embedder_free(model->embedder);
    mm_free(model);
}

mm_status mm_task_model_embedder(const mm_embedder **out, const mm_task_model *model,
                                 mm_error *error) {
    *out = model->embedder;
    if (model->embedder)
        return MM_STATUS_OK;
    mm_status status = mm_fail(error, MM_STATUS_INVALID_TASK_TYPE,
                               "a model of the family \"%s\" makes no embeddings; it is for the "
                               "task_type \"text_generation\"",
                               mm_generator_model(model->generator)->family);
    mm_error_details(error,
                     "{\"parameter\": \"task_type\", \"task_types\": [\"text_generation\"]}");
    return status;
}

mm_status mm_task_model_generator(const mm_generator **out, const mm_task_model *model,
                                  mm_error *error) {
    *out = model->generator;
    if (model->generator)
        return MM_STATUS_OK;
    if (error)
        *error = model->generator_error;
    return model->generator_error.status;
}

mm_status mm_task_model_prepare_session(const mm_task_model *model, mm_session *session,
                                        mm_error *error) {
    mm_status status = MM_STATUS_OK;
    if (model->embedder)
        status = mm_embedder_prepare_session(model->embedder, session, error);
    if (!status && model->generator)
        status = mm_generator_prepare_session(model->generator, session, error);
    return status;
}

size_t mm_task_model_session_bytes(const mm_task_model *model, int threads) {
    mm_session_size size = {0}, other = {0};
    if (model->embedder)
        size = mm_embedder_session_size(model->embedder);
    if (model->generator)
        other = mm_generator_session_size(model->generator);
    return mm_session_bytes(
        weights_of(model), threads, size.rows > other.rows ? size.rows : other.rows,
        size.row_floats > other.row_floats ? size.row_floats : other.row_floats);
}

mm_status mm_task_model_cache_bytes(size_t *out, const mm_task_model *model, mm_error *error) {
    mm_generation_bytes bytes = {0};
    mm_error ignored = {0};
    mm_status status = MM_STATUS_OK;
    if (model->generator)
        status = mm_generator_bytes(&bytes, model->generator, &ignored);
    *out = status ? 0 : bytes.least;
    // Settings that need a call's to be whole are that call's affair.
    if (status != MM_STATUS_OUT_OF_MEMORY)
        return MM_STATUS_OK;
    if (error)
        *error = ignored;
    return status;
}

const mm_model_info *mm_task_model_info(const mm_task_model *model) {
    return model->embedder ? mm_embedder_model(model->embedder)
                           : mm_generator_model(model->generator);
}

const mm_tokenizer *mm_task_model_tokenizer(const mm_task_model *model) {
    return model->embedder ? model->embedder->tokenizer : model->generator->tokenizer;
}

size_t mm_task_model_max_length(const mm_task_model *model) {
    return model->embedder ? model->embedder->max_length : model->generator->max_length;
}

size_t mm_task_model_weight_bytes(const mm_task_model *model) {
    return mm_weights_bytes(weights_of(model));
}

const char *mm_task_model_fingerprint(const mm_task_model *model) {
    return model->embedder ? model->embedder->fingerprint : model->generator->fingerprint;
}
