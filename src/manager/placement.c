// SPDX-License-Identifier: Apache-2.0
#include "manager/placement.h"

#include "base/memory.h"
#include "manager/state.h"

#include <limits.h>
#include <string.h>

// ---- Of a request ------------------------------------------------------------------------------

static mm_status no_such_gpu(const mm_manager *manager, const char *device, mm_error *error) {
    const mm_device_class *known = mm_devices_find(&manager->devices, device);
    const int gpus = manager->devices.count - 1;
    if (gpus == 0)
        return mm_fail(error, MM_STATUS_NO_GPU_AVAILABLE,
                       "device is \"%s\", and no GPU is to be had here: ask for \"cpu\"", device);
    if (known && known->devices->is_lost)
        return mm_fail(error, MM_STATUS_NO_GPU_AVAILABLE,
                       "device is \"%s\", which failed and is not used any more: ask for \"gpu\"",
                       device);
    if (known)
        return mm_fail(error, MM_STATUS_INVALID_DEVICE,
                       "device is \"%s\", which worker_pool.devices does not list", device);
    return mm_fail(error, MM_STATUS_INVALID_DEVICE,
                   "device is \"%s\", and the last GPU is \"cuda:%d\": ask for that, or \"gpu\"",
                   device, gpus - 1);
}

static mm_status no_device(const mm_manager *manager, const char *device, mm_error *error) {
    if (strcmp(device, "cpu") == 0)
        return mm_fail(error, MM_STATUS_INVALID_DEVICE,
                       "device is \"cpu\", which worker_pool.devices does not list");
    if (strcmp(device, "gpu") != 0)
        return no_such_gpu(manager, device, error);
    return mm_fail(error, MM_STATUS_NO_GPU_AVAILABLE,
                   "device is \"gpu\", and there is no usable GPU: ask for \"cpu\", or set "
                   "gpu_fallback to \"cpu\"");
}

static void warn_of_fallback_locked(mm_manager *manager) {
    bool first = !manager->warned_fallback;
    manager->warned_fallback = true;
    if (first)
        mm_log_write(&manager->log, MM_LOG_WARNING,
                     "no usable GPU: requests for device \"gpu\" run on the CPU");
}

mm_status mm_placement_class(const mm_device_class **out, bool *fell_back, mm_manager *manager,
                             const char *device, mm_error *error) {
    const mm_device_class *cpu = mm_devices_find(&manager->devices, "cpu");
    const char *fallback = mm_settings_text(manager->settings, MM_SETTING_GPU_FALLBACK_INDEX);
    mm_status status = MM_STATUS_OK;
    *out = mm_devices_find(&manager->devices, device);
    *fell_back = false;
    mm_mutex_lock(&manager->lock);
    if (!*out || mm_device_class_usable_locked(*out) == 0) {
        *fell_back = strcmp(device, "gpu") == 0 && strcmp(fallback, "cpu") == 0 &&
                     mm_device_class_usable_locked(cpu) > 0;
        if (*fell_back)
            warn_of_fallback_locked(manager);
        else
            status = no_device(manager, device, error);
        *out = cpu;
    }
    mm_mutex_unlock(&manager->lock);
    return status;
}

// ---- Replicas ----------------------------------------------------------------------------------

mm_status mm_replicas_create(mm_deployment *deployment, mm_error *error) {
    const mm_device_class *class = deployment->target.device;
    deployment->replicas = mm_calloc((size_t) class->count, sizeof(*deployment->replicas));
    if (!deployment->replicas)
        return mm_fail_memory(error, "a deployment");
    deployment->replica_count = class->count;
    for (int i = 0; i < class->count; i++)
        deployment->replicas[i] =
            (mm_replica){.deployment = deployment, .device = &class->devices[i]};
    return MM_STATUS_OK;
}

void mm_replicas_free(mm_deployment *deployment) {
    mm_free(deployment->replicas);
}

size_t mm_replicas_bytes_locked(const mm_deployment *deployment) {
    size_t bytes = 0;
    for (int i = 0; i < deployment->replica_count; i++)
        bytes += deployment->replicas[i].planned_bytes;
    return bytes;
}

size_t mm_replicas_unload(mm_deployment *deployment) {
    size_t freed = 0;
    for (int i = 0; i < deployment->replica_count; i++) {
        const mm_replica *replica = &deployment->replicas[i];
        if (!replica->model)
            continue;
        freed += replica->need.total;
        mm_task_model_free(replica->model);
    }
    mm_memory_trim();
    return freed;
}

void mm_replicas_forget_locked(mm_deployment *deployment) {
    for (int i = 0; i < deployment->replica_count; i++) {
        deployment->replicas[i].model = NULL;
        mm_memory_return_locked(&deployment->replicas[i]);
    }
    mm_placement_retry_locked(deployment);
    deployment->loaded = NULL;
}

mm_replica *mm_replicas_on(const mm_deployment *deployment, const mm_device *device) {
    for (int i = 0; i < deployment->replica_count; i++) {
        if (deployment->replicas[i].device == device)
            return &deployment->replicas[i];
    }
    return NULL;
}

bool mm_replica_is_live_locked(const mm_replica *replica) {
    return replica->model && !replica->device->is_lost;
}

int mm_replicas_live_locked(const mm_deployment *deployment) {
    int live = 0;
    for (int i = 0; i < deployment->replica_count; i++)
        live += mm_replica_is_live_locked(&deployment->replicas[i]);
    return live;
}

// ---- Choosing ----------------------------------------------------------------------------------

static bool may_load_locked(const mm_replica *replica) {
    return !replica->model && !replica->has_failed && mm_device_is_usable_locked(replica->device);
}

// What other loads will take has not been seen by the driver yet.
static uint64_t room_locked(const mm_device *device) {
    return device->free_bytes > device->loading_bytes ? device->free_bytes - device->loading_bytes
                                                      : 0;
}

mm_replica *mm_placement_next_locked(mm_deployment *deployment) {
    mm_replica *best = NULL;
    for (int i = 0; i < deployment->replica_count; i++)
        mm_device_measure_locked(deployment->replicas[i].device, &deployment->manager->lock);
    for (int i = 0; i < deployment->replica_count; i++) {
        mm_replica *replica = &deployment->replicas[i];
        if (may_load_locked(replica) &&
            (!best || room_locked(replica->device) > room_locked(best->device)))
            best = replica;
    }
    return best;
}

bool mm_placement_is_short_locked(const mm_deployment *deployment) {
    bool may_load = false;
    for (int i = 0; i < deployment->replica_count; i++)
        may_load |= may_load_locked(&deployment->replicas[i]);
    return may_load && mm_replicas_live_locked(deployment) < deployment->wanted_workers;
}

void mm_placement_retry_locked(mm_deployment *deployment) {
    for (int i = 0; i < deployment->replica_count; i++)
        deployment->replicas[i].has_failed = false;
}

// The second worker of a GPU has to wait until no other GPU can have a first one.
static int most_workers_locked(const mm_replica *replica) {
    const mm_settings *settings = replica->deployment->manager->settings;
    if (!replica->device->is_gpu)
        return INT_MAX;
    if (mm_placement_is_short_locked(replica->deployment))
        return 1;
    return (int)mm_settings_integer(settings, MM_SETTING_WORKERS_PER_GPU_INDEX);
}

int mm_placement_room_locked(const mm_deployment *deployment) {
    int room = 0;
    for (int i = 0; i < deployment->replica_count; i++) {
        const mm_replica *replica = &deployment->replicas[i];
        int most = mm_replica_is_live_locked(replica) ? most_workers_locked(replica) : 0;
        room = most > INT_MAX - room ? INT_MAX : room + most;
    }
    return room;
}

mm_replica *mm_placement_of_worker_locked(const mm_deployment *deployment) {
    mm_replica *best = NULL;
    int fewest = INT_MAX;
    for (int i = 0; i < deployment->replica_count; i++) {
        mm_replica *replica = &deployment->replicas[i];
        int workers = mm_workers_of_locked(replica);
        if (mm_replica_is_live_locked(replica) && workers < most_workers_locked(replica) &&
            workers < fewest) {
            best = replica;
            fewest = workers;
        }
    }
    return best;
}

bool mm_placement_ensure_locked(mm_deployment *deployment) {
    if (mm_replicas_live_locked(deployment) == 0 && !deployment->growing) {
        mm_placement_retry_locked(deployment);
        mm_loader_grow_locked(deployment);
    }
    return mm_replicas_live_locked(deployment) > 0 || deployment->growing;
}

// ---- Loss --------------------------------------------------------------------------------------

static void go_on_elsewhere_locked(mm_deployment *deployment, const mm_device *device) {
    mm_replica *replica = mm_replicas_on(deployment, device);
    if (!replica || !replica->model)
        return;
    mm_workers_leave_locked(replica);
    if (!mm_deployment_works_locked(deployment))
        return;
    if (!mm_placement_ensure_locked(deployment))
        mm_loader_give_up_locked(deployment, NULL);
    else
        (void)mm_workers_set_locked(deployment, deployment->wanted_workers);
}

bool mm_placement_check_locked(mm_manager *manager, mm_device *device) {
    if (device->is_lost || !device->backend || !mm_backend_is_lost(device->backend))
        return device->is_lost;
    device->is_lost = true;
    mm_log_write(&manager->log, MM_LOG_ERROR, "%s failed and is not used any more", device->name);
    for (mm_deployment *at = manager->deployments; at; at = at->next)
        go_on_elsewhere_locked(at, device);
    pthread_cond_broadcast(&manager->memory_wake); // loads that wait for its memory
    return true;
}

mm_status mm_placement_lost_error(mm_error *error, const mm_device *device, const char *why) {
    mm_status status = mm_fail(error, MM_STATUS_NO_GPU_AVAILABLE,
                               "%s failed while it worked for this request and is not used any "
                               "more (%.120s); send the request again to have it run elsewhere",
                               device->name, why);
    mm_error_details(error, "{\"device\": \"%s\"}", device->name);
    return status;
}
