// SPDX-License-Identifier: Apache-2.0
// Loading a model, on a thread of its own, so that whoever waits can time out or be cancelled.
#include "manager/state.h"

static mm_status reserve(mm_replica *replica, size_t bytes, mm_error *error) {
    mm_manager *manager = replica->deployment->manager;
    pthread_mutex_lock(&manager->lock);
    mm_status status = mm_memory_reserve_locked(replica, bytes, error);
    pthread_mutex_unlock(&manager->lock);
    return status;
}

static void take_back(mm_replica *replica) {
    mm_manager *manager = replica->deployment->manager;
    pthread_mutex_lock(&manager->lock);
    mm_memory_return_locked(replica);
    pthread_mutex_unlock(&manager->lock);
}

// A pre-load leaves no work to requests.
static mm_packing packing_for(const mm_deployment *deployment) {
    pthread_mutex_lock(&deployment->manager->lock);
    const mm_job *job = deployment->waiting.first;
    while (job && !job->request->preload)
        job = job->next;
    pthread_mutex_unlock(&deployment->manager->lock);
    return job ? MM_PACK_ALL : MM_PACK_ON_NEED;
}

typedef struct attempt {
    mm_task_model *model; // NULL without an error: nobody wants it any more
    double seconds;       // of work, without waiting for memory
    bool refused;         // by the budget
    bool stamped;
    mm_cache_key stamp; // of the files, from before they were read
} attempt;

static mm_status open_model(mm_task_model **out, const mm_replica *replica, mm_error *error) {
    const mm_deployment *deployment = replica->deployment;
    mm_backend *backend;
    *out = NULL;
    mm_status status = mm_device_open(&backend, replica->device, &deployment->manager->lock, error);
    const char *name = deployment->model.kind == MM_NAME_DIRECTORY ? NULL : deployment->model.name;
    if (!status)
        status = mm_task_model_open(out, deployment->model.directory, name, backend,
                                    deployment->target.dtype, error);
    return status;
}

// Answers who wants a task that the model does not do, before its weights are read. False when
// nobody is left.
static bool refuse_locked(mm_deployment *deployment, const mm_task_model *model) {
    size_t refused = 0;
    for (mm_job *job = deployment->waiting.first, *next; job; job = next) {
        mm_error error = {0};
        next = job->next;
        mm_status status = job->kind->check(model, &error);
        if (status != MM_STATUS_INVALID_TASK_TYPE)
            continue; // what else is wrong is said when it is used
        mm_job_finish_locked(job, status, &error);
        refused++;
    }
    return refused == 0 || deployment->waiting.count > 0;
}

static bool is_wanted(mm_deployment *deployment, const mm_task_model *model) {
    pthread_mutex_lock(&deployment->manager->lock);
    bool wanted = refuse_locked(deployment, model);
    pthread_mutex_unlock(&deployment->manager->lock);
    return wanted;
}

static mm_status load(attempt *out, mm_replica *replica, mm_error *error) {
    mm_deployment *deployment = replica->deployment;
    *out = (attempt){0};
    mm_manager *manager = deployment->manager;
    int64_t begun = mm_manager_now(manager);
    out->stamped = mm_directory_stamp(&out->stamp, deployment->model.directory);
    mm_status status = open_model(&out->model, replica, error);
    int64_t opened = mm_manager_now(manager);
    if (status)
        return status;
    bool wanted = is_wanted(deployment, out->model);
    if (wanted) {
        status = reserve(replica, mm_task_model_weight_bytes(out->model), error);
        out->refused = status != MM_STATUS_OK;
    }
    int64_t reserved = mm_manager_now(manager);
    if (wanted && !status)
        status =
            mm_task_model_load(out->model, packing_for(deployment), manager->cpu_threads, error);
    out->seconds = (double)(mm_manager_now(manager) - reserved + opened - begun) * 1e-9;
    if (status || !wanted) {
        mm_task_model_free(out->model);
        out->model = NULL;
        take_back(replica);
    }
    return status;
}

// Once more with all that is idle there gone, when the device refuses memory.
static mm_status load_with_room(attempt *out, mm_replica *replica, mm_error *error) {
    mm_status status = load(out, replica, error);
    if (status == MM_STATUS_OUT_OF_MEMORY && !out->refused &&
        mm_memory_evict_idle(replica->deployment->manager, replica->device))
        status = load(out, replica, error);
    return status;
}

static void fail_locked(mm_deployment *deployment, const mm_error *error) {
    // Memory may be there again at once; files stay broken for a while.
    bool retry = error->status == MM_STATUS_OUT_OF_MEMORY || error->status == MM_STATUS_RELEASED;
    if (!retry)
        mm_cool_down_begin(&deployment->cool_down, error, mm_manager_now(deployment->manager));
    mm_deployment_become_locked(deployment, retry ? MM_DEPLOYMENT_ABSENT : MM_DEPLOYMENT_FAILED,
                                error);
    mm_timer_schedule_locked(deployment->manager, mm_deployment_expiry_locked(deployment));
    while (deployment->waiting.first)
        mm_job_finish_locked(deployment->waiting.first, error->status, error);
}

static void succeed_locked(mm_deployment *deployment, const attempt *made) {
    mm_replica *replica = &deployment->replicas[0];
    deployment->loaded = replica->model = made->model;
    if (made->stamped)
        mm_fingerprint_note_locked(deployment->manager, &deployment->model,
                                   deployment->target.dtype, &made->stamp,
                                   mm_task_model_fingerprint(made->model));
    mm_cool_down_reset(&deployment->cool_down);
    mm_deployment_become_locked(deployment, MM_DEPLOYMENT_READY, NULL);
    deployment->loads++;
    deployment->last_used_ns = mm_manager_now(deployment->manager);
    mm_deployment_resume_locked(deployment);
    mm_timer_schedule_locked(deployment->manager, mm_deployment_expiry_locked(deployment));
    mm_workers_wake_locked(deployment); // to make their sessions
}

// True when it has to be done again: all that waited wanted what the model does not do, and others
// have come meanwhile.
static bool load_once(mm_deployment *deployment) {
    mm_manager *manager = deployment->manager;
    mm_replica *replica = &deployment->replicas[0];
    attempt made;
    mm_error error = {0};
    mm_status status = load_with_room(&made, replica, &error);
    if (made.model)
        mm_log_write(&manager->log, MM_LOG_INFO, "loaded %s on %s in %d ms", deployment->asked,
                     replica->device->name, (int)(made.seconds * 1e3));
    else if (status && status != MM_STATUS_RELEASED)
        mm_log_write(&manager->log, MM_LOG_ERROR, "loading %s failed: %s", deployment->asked,
                     error.message);
    pthread_mutex_lock(&manager->lock);
    bool wanted = !deployment->abandoned && (made.model || status);
    bool again = !deployment->abandoned && !wanted && deployment->waiting.count > 0;
    if (!status && wanted && !mm_workers_set_locked(deployment, deployment->wanted_workers))
        status = mm_fail(&error, MM_STATUS_OUT_OF_MEMORY,
                         "cannot start a worker thread; lower num_workers or raise the limit on "
                         "processes");
    if (made.model && (status || !wanted)) { // freed before anybody learns that the load is over
        pthread_mutex_unlock(&manager->lock);
        mm_task_model_free(made.model);
        pthread_mutex_lock(&manager->lock);
        mm_memory_return_locked(replica);
    }
    deployment->load_seconds = made.seconds;
    if (status)
        fail_locked(deployment, &error);
    else if (wanted)
        succeed_locked(deployment, &made);
    else if (!again)
        mm_deployment_become_locked(deployment, MM_DEPLOYMENT_ABSENT, NULL);
    pthread_cond_broadcast(&manager->memory_wake);
    pthread_mutex_unlock(&manager->lock);
    return again;
}

static void *loader_main(void *argument) {
    while (load_once(argument)) {
    }
    return NULL;
}

void mm_loader_start_locked(mm_deployment *deployment) {
    if (deployment->has_loader) // an earlier one, at its end: it only had to let go of the lock
        pthread_join(deployment->loader, NULL);
    deployment->has_loader = true;
    mm_deployment_become_locked(deployment, MM_DEPLOYMENT_LOADING, NULL);
    if (mm_thread_start(&deployment->loader, loader_main, deployment))
        return;
    deployment->has_loader = false;
    mm_error error = {0};
    (void)mm_fail(&error, MM_STATUS_OUT_OF_MEMORY,
                  "cannot start a thread to load the model; raise the limit on processes");
    fail_locked(deployment, &error);
}
