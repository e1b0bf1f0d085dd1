// SPDX-License-Identifier: Apache-2.0
#include "manager/memory_claims.h"

mm_memory_need mm_memory_need_on(const mm_manager *manager, const mm_device *device,
                                 const mm_task_model *model, int workers, size_t cache) {
    if (!device->is_gpu)
        return mm_memory_need_make(model, workers, manager->cpu_threads, cache);
    const int64_t most = mm_settings_integer(manager->settings, MM_SETTING_WORKERS_PER_GPU_INDEX);
    return mm_memory_need_make(model, workers < most ? workers : (int)most, 1, cache);
}

static mm_status refuse(mm_error *error, const mm_device *device, size_t needed, size_t available,
                        const char *hint) {
    mm_status status =
        mm_fail(error, MM_STATUS_OUT_OF_MEMORY,
                "the caches of this request need %zu bytes for one text, and %zu are to be had of "
                "%s; %s",
                needed, available, device->name, hint);
    mm_error_details(error, "{\"device\": \"%s\", \"needed_bytes\": %zu, \"available_bytes\": %zu}",
                     device->name, needed, available);
    return status;
}

static void give_back_locked(mm_worker *worker) {
    mm_replica *replica = worker->replica;
    replica->planned_bytes -= worker->claimed_bytes;
    replica->device->planned_bytes -= worker->claimed_bytes;
    if (worker->claimed_bytes > 0)
        pthread_cond_broadcast(&worker->deployment->manager->memory_wake);
    worker->claimed_bytes = 0;
}

static void take_locked(mm_worker *worker, size_t bytes) {
    mm_replica *replica = worker->replica;
    worker->claimed_bytes = bytes;
    replica->planned_bytes += bytes;
    replica->device->planned_bytes += bytes;
}

// From `least` to `wanted` bytes beyond the promise; false when idle models have not that much.
static bool extend_locked(mm_worker *worker, size_t least, size_t wanted) {
    const mm_device *device = worker->replica->device;
    if (!mm_memory_make_room_locked(worker->replica, least))
        return false;
    // What is not needed is left to loads that wait.
    const size_t available = device->reserving ? least : mm_device_free_locked(device);
    take_locked(worker, wanted < available ? wanted : available);
    return true;
}

static mm_status claim(void *context, size_t *granted, size_t least, size_t wanted,
                       mm_error *error) {
    mm_worker *worker = context;
    mm_replica *replica = worker->replica;
    mm_manager *manager = worker->deployment->manager;
    mm_status status = MM_STATUS_OK;
    *granted = 0;
    mm_mutex_lock(&manager->lock);
    give_back_locked(worker);
    const size_t promised = replica->need.cache;
    if (least > 0 && wanted <= promised) {
        *granted = wanted;
    } else if (least > 0) {
        const size_t more = least > promised ? least - promised : 0;
        if (extend_locked(worker, more, wanted - promised))
            *granted = promised + worker->claimed_bytes;
        else
            status = refuse(error, replica->device, least,
                            promised + mm_device_free_locked(replica->device),
                            "send it again when other models are done, lower num_beams or "
                            "max_length, or raise the memory budget");
    }
    mm_mutex_unlock(&manager->lock);
    return status;
}

int mm_memory_workers_locked(mm_deployment *deployment, int count) {
    const int on = mm_workers_on_locked(deployment), wanted = count;
    mm_replica *replica = &deployment->replicas[0]; // of the CPU there is one
    if (replica->device->is_gpu || !replica->model)
        return count;
    for (; count > on && count > 1; count--) {
        const mm_memory_need need = mm_memory_need_on(deployment->manager, replica->device,
                                                      replica->model, count, replica->need.cache);
        const size_t promised = replica->need.total;
        const size_t more = need.total > promised ? need.total - promised : 0;
        if (more > mm_device_free_locked(replica->device))
            continue;
        if (more > 0)
            replica->need = need;
        replica->planned_bytes += more;
        replica->device->planned_bytes += more;
        break;
    }
    if (count < wanted) {
        mm_log_write(&deployment->manager->log, MM_LOG_WARNING,
                     "%s: %d workers in place of %d, since the memory budget has no room for more",
                     deployment->asked, count, wanted);
        deployment->wanted_workers = count;
    }
    return count;
}

bool mm_memory_relieve(const mm_worker *worker) {
    return mm_memory_evict_idle(worker->deployment->manager, worker->replica->device);
}

static bool relieve(void *context) {
    return mm_memory_relieve(context);
}

mm_generation_memory mm_memory_claims(mm_worker *worker) {
    return (mm_generation_memory){.context = worker, .claim = claim, .relieve = relieve};
}

mm_status mm_memory_admit(const mm_job *job, size_t bytes, mm_error *error) {
    mm_deployment *deployment = job->deployment;
    mm_mutex_lock(&deployment->manager->lock);
    const mm_device *device = NULL;
    size_t most = 0;
    for (int i = 0; i < deployment->replica_count; i++) {
        const mm_replica *replica = &deployment->replicas[i];
        const size_t taken = mm_memory_pinned_locked(replica) + replica->need.total;
        const size_t budget = mm_device_budget_locked(replica->device);
        const size_t room = replica->need.cache + (budget > taken ? budget - taken : 0);
        if (!replica->model || (device && room <= most))
            continue;
        device = replica->device;
        most = room;
    }
    mm_mutex_unlock(&deployment->manager->lock);
    if (!device || bytes <= most)
        return MM_STATUS_OK;
    return refuse(error, device, bytes, most,
                  "lower num_beams, num_return_sequences or max_length, send a shorter text, or "
                  "raise the memory budget");
}
