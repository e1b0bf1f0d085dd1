// SPDX-License-Identifier: Apache-2.0
// In which numbers a model is computed: what a request says, or what its files are best kept in.
#include "manager/placement.h"

#include "checkpoint/checkpoint.h"
#include "checkpoint/config.h"
#include "manager/parameters.h"
#include "manager/state.h"
#include "models/model.h"

#include <string.h>

static bool find_dtype(mm_compute_dtype *out, const char *name) {
    static const mm_compute_dtype all[] = {MM_COMPUTE_F32, MM_COMPUTE_BF16, MM_COMPUTE_F16};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        *out = all[i];
        if (strcmp(name, mm_compute_dtype_name(all[i])) == 0)
            return true;
    }
    return false;
}

static mm_status unavailable(const mm_target *target, const char *name, mm_error *error) {
    const bool is_gpu = target->device->is_gpu;
    const bool is_bf16 = strcmp(name, "bf16") == 0;
    mm_status status = mm_fail(
        error, MM_STATUS_INVALID_PARAMETER,
        is_gpu    ? "dtype %s is not available on this GPU; use f32"
        : is_bf16 ? "dtype %s: this processor has no bf16 instructions; use f32"
                  : "dtype %s is not available on the CPU; use f32, or bf16 where the processor "
                    "has it",
        name);
    mm_parameter_details(error, "dtype");
    return status;
}

// One of the class that works stands for all.
static mm_status open_one(mm_backend **out, mm_manager *manager, const mm_device_class *class,
                          mm_error *error) {
    mm_device *device = class->devices;
    mm_mutex_lock(&manager->lock);
    for (int i = 0; i < class->count; i++) {
        if (mm_device_is_usable_locked(&class->devices[i]))
            device = &class->devices[i];
    }
    mm_mutex_unlock(&manager->lock);
    return mm_device_open(out, device, &manager->lock, error);
}

mm_status mm_placement_dtype(mm_target *target, mm_manager *manager, const char *name,
                             mm_error *error) {
    mm_backend *backend;
    bool is_auto = strcmp(name, "auto") == 0;
    target->is_auto = is_auto && target->device->is_gpu;
    target->dtype = MM_COMPUTE_F32;
    if (is_auto || strcmp(name, "f32") == 0)
        return MM_STATUS_OK;
    if (!find_dtype(&target->dtype, name))
        return unavailable(target, name, error);
    mm_status status = open_one(&backend, manager, target->device, error);
    if (!status && !mm_backend_supports(backend, target->dtype))
        status = unavailable(target, name, error);
    return status;
}

static bool is_half(const mm_checkpoint *checkpoint) {
    int64_t half = 0;
    for (size_t i = 0; i < mm_checkpoint_count(checkpoint); i++) {
        const mm_tensor *tensor = mm_checkpoint_at(checkpoint, i);
        if (tensor->dtype == MM_DTYPE_F16 || tensor->dtype == MM_DTYPE_BF16)
            half += tensor->elements;
    }
    return half > mm_checkpoint_parameters(checkpoint) / 2;
}

mm_status mm_placement_resolve(mm_target *target, mm_manager *manager, const mm_hub_model *model,
                               mm_error *error) {
    mm_config *config = NULL;
    mm_checkpoint *checkpoint = NULL;
    mm_backend *backend;
    if (!target->is_auto || mm_deployment_dtype(manager, model, target))
        return MM_STATUS_OK;
    // What is wrong with the files is said when they are loaded.
    if (mm_config_open(&config, model->directory, NULL) == MM_STATUS_OK &&
        mm_checkpoint_open(&checkpoint, model->directory, NULL) == MM_STATUS_OK &&
        is_half(checkpoint))
        target->dtype = mm_model_half(config);
    mm_checkpoint_free(checkpoint);
    mm_config_free(config);
    mm_status status = open_one(&backend, manager, target->device, error);
    if (!status && !mm_backend_supports(backend, target->dtype))
        target->dtype = MM_COMPUTE_F32;
    return status;
}
