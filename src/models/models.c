// SPDX-License-Identifier: Apache-2.0
// The list of families, and calls through their tables. A new family is a new line here.
#include "models/model.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "models/families.h"

#include <string.h>

static const mm_model_family *const families[] = {
    &mm_family_albert,     &mm_family_bart,  &mm_family_bert,
    &mm_family_distilbert, &mm_family_mpnet, &mm_family_t5,
};
enum { FAMILY_COUNT = sizeof families / sizeof families[0] };

struct mm_model {
    const mm_model_family *family;
    void *state;
    mm_model_info info;
};

static const mm_model_family *find_family(const char *model_type) {
    for (int i = 0; i < FAMILY_COUNT; i++) {
        for (const char *const *type = families[i]->model_types; *type; type++) {
            if (strcmp(*type, model_type) == 0)
                return families[i];
        }
    }
    return NULL;
}

bool mm_model_type_known(const char *model_type) {
    return find_family(model_type) != NULL;
}

static mm_status fail_unknown(const mm_config *config, mm_error *error) {
    mm_buffer list;
    mm_buffer_init(&list, 1024);
    bool ok = true;
    for (int i = 0; i < FAMILY_COUNT; i++) {
        for (const char *const *type = families[i]->model_types; *type; type++)
            ok = ok && mm_buffer_puts(&list, list.length ? ", " : "") &&
                 mm_buffer_puts(&list, *type);
    }
    const char *model_type = mm_config_model_type(config);
    mm_status status;
    if (!ok)
        status = mm_fail_memory(error, "an error message");
    else if (model_type[0] == '\0')
        status = mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                         "%s: there is no \"model_type\"; supported are %s", mm_config_path(config),
                         list.data);
    else
        status = mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                         "%s: the model_type \"%.64s\" is not supported; supported are %s",
                         mm_config_path(config), model_type, list.data);
    mm_buffer_free(&list);
    return status;
}

mm_status mm_model_check_type(const mm_config *config, mm_model_use use, mm_error *error) {
    const mm_model_family *family = find_family(mm_config_model_type(config));
    if (!family)
        return fail_unknown(config, error);
    if (use == MM_MODEL_EMBEDS && !family->encode)
        return mm_fail(error, MM_STATUS_INVALID_TASK_TYPE,
                       "%s: a model of the type \"%s\" makes no embeddings; it is for the "
                       "task_type \"text_generation\"",
                       mm_config_path(config), mm_config_model_type(config));
    if (use == MM_MODEL_GENERATES && !family->step)
        return mm_fail(error, MM_STATUS_INVALID_TASK_TYPE,
                       "%s: a model of the type \"%s\" generates no text; it is for the "
                       "task_type \"embedding\"",
                       mm_config_path(config), mm_config_model_type(config));
    return MM_STATUS_OK;
}

mm_compute_dtype mm_model_half(const mm_config *config) {
    const mm_model_family *family = find_family(mm_config_model_type(config));
    return family && family->outgrows_f16 ? MM_COMPUTE_BF16 : MM_COMPUTE_F16;
}

bool mm_model_can(const mm_config *config, const mm_checkpoint *checkpoint, mm_model_use use) {
    const mm_model_family *family = find_family(mm_config_model_type(config));
    if (!family)
        return false;
    if (use == MM_MODEL_EMBEDS)
        return family->encode != NULL;
    const char *const *name = family->decoder_tensors;
    while (name && *name && !mm_checkpoint_find(checkpoint, *name))
        name++;
    return name && *name;
}

mm_status mm_model_bind(mm_model **out, const mm_config *config, const mm_checkpoint *checkpoint,
                        mm_weights *weights, mm_model_use use, mm_error *error) {
    *out = NULL;
    mm_status status = mm_model_check_type(config, use, error);
    if (status)
        return status;
    const mm_model_family *family = find_family(mm_config_model_type(config));
    mm_model *model = mm_calloc(1, sizeof *model);
    if (!model)
        return mm_fail_memory(error, "a model");
    model->family = family;
    model->info.family = family->name;
    model->info.generates = use == MM_MODEL_GENERATES;
    status = family->bind(&model->state, &model->info, config, checkpoint, weights, error);
    if (status) {
        mm_free(model);
        return status;
    }
    *out = model;
    return MM_STATUS_OK;
}

void mm_model_free(mm_model *model) {
    if (!model)
        return;
    model->family->free(model->state);
    mm_free(model);
}

const mm_model_info *mm_model_get_info(const mm_model *model) {
    return &model->info;
}

mm_activation mm_model_encode(const mm_model *model, mm_lane *lane, const mm_batch *batch) {
    return model->family->encode(model->state, lane, batch);
}

void mm_model_start(const mm_model *model, mm_lane *lane, const mm_batch *source, mm_cache *cross,
                    const int32_t *rows) {
    model->family->start(model->state, lane, source, cross, rows);
}

void mm_model_step(const mm_model *model, mm_lane *lane, const mm_step *step, mm_cache *own,
                   const mm_cache *cross, float *logits) {
    model->family->step(model->state, lane, step, own, cross, logits);
}
