// SPDX-License-Identifier: Apache-2.0
// mm_manager_plan: whether a request's model would fit, and who would have to go, without loading
// anything.
#include "manager/plan.h"

#include "base/memory.h"
#include "manager/json_text.h"
#include "manager/memory_claims.h"

#include <string.h>

// ---- What is needed ----------------------------------------------------------------------------

// Workers that there would be.
static int workers_for(const mm_manager *manager, const mm_request *request) {
    const mm_settings *settings = manager->settings;
    const mm_value *asked = &request->values[MM_PARAM_NUM_WORKERS];
    if (!asked->set || !mm_settings_boolean(settings, MM_SETTING_POOL_ENABLED_INDEX))
        return 1;
    return (int)(asked->null ? mm_settings_integer(settings, MM_SETTING_NUM_WORKERS_INDEX)
                             : asked->integer);
}

mm_status mm_plan_need(mm_memory_need *out, const mm_manager *manager, const mm_device *device,
                       const mm_task_model *model, const mm_request *request, mm_error *error) {
    size_t cache = 0, asked = 0;
    mm_status status = mm_task_model_cache_bytes(&cache, model, error);
    const mm_task_kind *kind =
        request ? mm_task_kind_find(mm_request_text(request, MM_PARAM_TASK_TYPE, "")) : NULL;
    if (!status && kind)
        status = kind->check(model, error);
    if (!status && kind && kind->cache_bytes)
        status = kind->cache_bytes(&asked, model, request, error);
    *out = mm_memory_need_on(manager, device, model, request ? workers_for(manager, request) : 1,
                             asked > cache ? asked : cache);
    return status;
}

// ---- The answer --------------------------------------------------------------------------------

// A deployment of the model that has memory on the device already.
static mm_replica *loaded_locked(const mm_manager *manager, const mm_hub_model *model,
                                 const mm_target *target, const mm_device *device) {
    for (mm_deployment *at = manager->deployments; at; at = at->next) {
        mm_replica *replica = mm_replicas_on(at, device);
        if (replica && replica->planned_bytes > 0 && at->target.dtype == target->dtype &&
            strcmp(at->model.directory, model->directory) == 0)
            return replica;
    }
    return NULL;
}

bool mm_plan_write(mm_buffer *out, mm_manager *manager, const mm_hub_model *model,
                   const mm_target *target, const mm_memory_need *need) {
    mm_buffer names;
    mm_buffer_init(&names, PTRDIFF_MAX);
    const mm_device *device = target->device->devices;
    mm_mutex_lock(&manager->lock);
    const mm_replica *own = loaded_locked(manager, model, target, device);
    const size_t held = own ? own->planned_bytes : 0;
    mm_memory_plan plan = {.verdict = MM_MEMORY_FITS};
    bool ok = mm_memory_preview_locked(&plan, &names, manager, device, own,
                                       need->total > held ? need->total - held : 0);
    mm_mutex_unlock(&manager->lock);
    ok = ok &&
         mm_buffer_printf(out,
                          "{\"fits\": %s, \"weight_bytes\": %zu, \"activation_bytes\": %zu, "
                          "\"cache_bytes\": %zu, \"available_bytes\": %zu, \"evicts\": [",
                          plan.verdict == MM_MEMORY_NEVER ? "false" : "true", need->weights,
                          need->activations, need->caches, plan.available_bytes) &&
         mm_buffer_append(out, names.data ? names.data : "", names.length) &&
         mm_buffer_puts(out, "]}");
    mm_buffer_free(&names);
    return ok;
}

// ---- The call ----------------------------------------------------------------------------------

static mm_status plan(mm_buffer *out, mm_manager *manager, const mm_request *request,
                      mm_error *error) {
    mm_target target = {0};
    bool fell_back;
    mm_found_model found = {0};
    mm_task_model *model = NULL;
    mm_backend *backend;
    mm_memory_need need = {0};
    mm_status status = mm_request_check(request, error);
    if (!status)
        status = mm_placement_class(&target.device, &fell_back, manager,
                                    mm_request_text(request, MM_PARAM_DEVICE, "gpu"), error);
    if (!status)
        status = mm_placement_dtype(&target, manager,
                                    mm_request_text(request, MM_PARAM_DTYPE, "auto"), error);
    if (!status)
        status =
            mm_found_model_open(&found, manager, mm_request_text(request, MM_PARAM_MODEL_NAME, ""),
                                mm_request_text(request, MM_PARAM_REVISION, NULL), error);
    if (!status)
        status = mm_placement_resolve(&target, manager, &found.model, error);
    if (!status)
        status = mm_device_open(&backend, target.device->devices, &manager->lock, error);
    if (!status)
        status = mm_task_model_open(&model, found.model.directory, mm_found_model_name(&found),
                                    backend, target.dtype, error);
    if (!status)
        status = mm_plan_need(&need, manager, target.device->devices, model, request, error);
    if (!status && !mm_plan_write(out, manager, &found.model, &target, &need))
        status = mm_fail_memory(error, "a plan");
    mm_task_model_free(model);
    mm_found_model_close(&found);
    return status;
}

mm_status mm_manager_plan(char **out, mm_manager *manager, const mm_request *request,
                          mm_error *error) {
    *out = NULL;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    mm_buffer text;
    mm_buffer_init(&text, PTRDIFF_MAX);
    status = plan(&text, manager, request, error);
    if (!status && !(*out = mm_buffer_detach(&text)))
        status = mm_fail_memory(error, "a plan");
    mm_buffer_free(&text);
    mm_manager_leave(manager);
    return status;
}
