// SPDX-License-Identifier: Apache-2.0
// Loading a model, on a thread of its own, so that whoever waits can time out or be cancelled.
#include "manager/memory_claims.h"

#include <string.h>

static mm_status reserve(mm_replica *replica, const mm_task_model *model, mm_error *error) {
    const mm_deployment *deployment = replica->deployment;
    mm_manager *manager = deployment->manager;
    size_t cache;
    mm_status status = mm_task_model_cache_bytes(&cache, model, error);
    if (status)
        return status;
    mm_mutex_lock(&manager->lock);
    replica->need =
        mm_memory_need_on(manager, replica->device, model, deployment->wanted_workers, cache);
    status = mm_memory_reserve_locked(replica, replica->need.total, error);
    mm_mutex_unlock(&manager->lock);
    return status;
}

static void take_back(mm_replica *replica) {
    mm_manager *manager = replica->deployment->manager;
    mm_mutex_lock(&manager->lock);
    mm_memory_return_locked(replica);
    mm_mutex_unlock(&manager->lock);
}

// A pre-load leaves no work to requests.
static mm_packing packing_for(const mm_deployment *deployment) {
    mm_mutex_lock(&deployment->manager->lock);
    const mm_job *job = deployment->waiting.first;
    while (job && !job->request->preload)
        job = job->next;
    mm_mutex_unlock(&deployment->manager->lock);
    return job ? MM_PACK_ALL : MM_PACK_ON_NEED;
}

typedef struct attempt {
    mm_task_model *model; // NULL without an error: nobody wants it any more
    double seconds;       // of work, without waiting for memory
    bool refused;         // by the budget
    bool stamped;
    mm_stamp stamp; // of the files, from before they were read
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
    mm_mutex_lock(&deployment->manager->lock);
    bool wanted = refuse_locked(deployment, model);
    mm_mutex_unlock(&deployment->manager->lock);
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
    // A further replica is of a model that was wanted.
    bool wanted = deployment->loaded || is_wanted(deployment, out->model);
    if (wanted) {
        status = reserve(replica, out->model, error);
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

// ---- The first replica -------------------------------------------------------------------------

// True when the model may fit or work on another device: this one is too small, or is lost.
static bool is_of_device_locked(mm_replica *replica, const attempt *made, mm_status status,
                                mm_error *error) {
    mm_manager *manager = replica->deployment->manager;
    if (status && mm_placement_check_locked(manager, replica->device)) {
        (void)mm_placement_lost_error(error, replica->device, error->message);
        return true;
    }
    return status == MM_STATUS_OUT_OF_MEMORY && made->refused;
}

// On the best device, or on the next one where that cannot have it. `*where` is NULL when there is
// none.
static mm_status load_somewhere(attempt *made, mm_replica **where, mm_deployment *deployment,
                                mm_error *error) {
    mm_manager *manager = deployment->manager;
    mm_status status = mm_fail(error, MM_STATUS_NO_GPU_AVAILABLE,
                               "no usable GPU is left for %.100s", deployment->asked);
    *made = (attempt){0};
    for (bool again = true; again;) {
        mm_mutex_lock(&manager->lock);
        mm_replica *replica = mm_placement_next_locked(deployment);
        mm_mutex_unlock(&manager->lock);
        if (!replica)
            break;
        *where = replica;
        status = load_with_room(made, replica, error);
        mm_mutex_lock(&manager->lock);
        again = is_of_device_locked(replica, made, status, error);
        replica->has_failed = status != MM_STATUS_OK;
        mm_mutex_unlock(&manager->lock);
    }
    return status;
}

static void fail_locked(mm_deployment *deployment, const mm_error *error) {
    // Memory may be there again at once; files stay broken for a while.
    bool retry = error->status == MM_STATUS_OUT_OF_MEMORY || error->status == MM_STATUS_RELEASED;
    if (!retry)
        mm_cool_down_begin(&deployment->cool_down, error, mm_manager_now(deployment->manager));
    mm_placement_retry_locked(deployment);
    mm_deployment_become_locked(deployment, retry ? MM_DEPLOYMENT_ABSENT : MM_DEPLOYMENT_FAILED,
                                error);
    mm_timer_schedule_locked(deployment->manager, mm_deployment_expiry_locked(deployment));
    while (deployment->waiting.first)
        mm_job_finish_locked(deployment->waiting.first, error->status, error);
}

static void succeed_locked(mm_deployment *deployment, const attempt *made) {
    if (made->stamped)
        mm_fingerprint_note_locked(deployment->manager, &deployment->model, &deployment->target,
                                   &made->stamp, mm_task_model_fingerprint(made->model));
    mm_cool_down_reset(&deployment->cool_down);
    mm_deployment_become_locked(deployment, MM_DEPLOYMENT_READY, NULL);
    deployment->growing = mm_placement_is_short_locked(deployment);
    deployment->loads++;
    deployment->last_used_ns = mm_manager_now(deployment->manager);
    mm_deployment_resume_locked(deployment);
    mm_timer_schedule_locked(deployment->manager, mm_deployment_expiry_locked(deployment));
    mm_workers_wake_locked(deployment); // to make their sessions
}

static void log_outcome(const mm_replica *replica, const attempt *made, mm_status status,
                        const mm_error *error) {
    const mm_deployment *deployment = replica->deployment;
    const mm_log *log = &deployment->manager->log;
    if (made->model)
        mm_log_write(log, MM_LOG_INFO, "loaded %s on %s in %d ms", deployment->asked,
                     replica->device->name, (int)(made->seconds * 1e3));
    else if (status && status != MM_STATUS_RELEASED)
        mm_log_write(log, MM_LOG_ERROR, "loading %s failed: %s", deployment->asked, error->message);
}

static mm_status start_workers_locked(mm_replica *replica, const attempt *made, mm_error *error) {
    mm_deployment *deployment = replica->deployment;
    deployment->loaded = replica->model = made->model;
    mm_memory_loaded_locked(replica);
    if (mm_workers_set_locked(deployment, deployment->wanted_workers))
        return MM_STATUS_OK;
    deployment->loaded = replica->model = NULL;
    if (replica->device->is_lost)
        return mm_placement_lost_error(error, replica->device, "after loading");
    return mm_fail(error, MM_STATUS_OUT_OF_MEMORY,
                   "cannot start a worker thread; lower num_workers or raise the limit on "
                   "processes");
}

typedef enum sequel {
    SEQUEL_NONE,
    SEQUEL_AGAIN, // all that waited wanted what the model does not do, and others have come since
    SEQUEL_GROW,
} sequel;

static sequel load_once(mm_deployment *deployment) {
    mm_manager *manager = deployment->manager;
    mm_replica *replica = &deployment->replicas[0];
    attempt made;
    mm_error error = {0};
    mm_status status = load_somewhere(&made, &replica, deployment, &error);
    log_outcome(replica, &made, status, &error);
    mm_mutex_lock(&manager->lock);
    bool wanted = !deployment->abandoned && (made.model || status);
    bool again = !deployment->abandoned && !wanted && deployment->waiting.count > 0;
    if (!status && wanted)
        status = start_workers_locked(replica, &made, &error);
    if (made.model && (status || !wanted)) { // freed before anybody learns that the load is over
        mm_mutex_unlock(&manager->lock);
        mm_task_model_free(made.model);
        mm_mutex_lock(&manager->lock);
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
    sequel next = again ? SEQUEL_AGAIN : deployment->growing ? SEQUEL_GROW : SEQUEL_NONE;
    mm_mutex_unlock(&manager->lock);
    return next;
}

// ---- Further replicas --------------------------------------------------------------------------

static bool is_left_alone_locked(const mm_deployment *deployment) {
    return deployment->state == MM_DEPLOYMENT_READY && !deployment->abandoned;
}

// A directory may have been written to since the first replica was loaded.
static mm_status check_same(const mm_deployment *deployment, attempt *made, mm_error *error) {
    if (strcmp(mm_task_model_fingerprint(made->model),
               mm_task_model_fingerprint(deployment->loaded)) == 0)
        return MM_STATUS_OK;
    mm_task_model_free(made->model);
    made->model = NULL;
    return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                   "%.100s: its files changed while it was loaded; release it and ask again",
                   deployment->asked);
}

// What came of one more replica.
static void settle_locked(mm_replica *replica, const attempt *made, mm_status status,
                          mm_error *error) {
    mm_deployment *deployment = replica->deployment;
    (void)is_of_device_locked(replica, made, status, error);
    replica->model = made->model;
    replica->has_failed = !made->model;
    if (made->model)
        mm_memory_loaded_locked(replica);
    else
        mm_memory_return_locked(replica);
    if (made->model && mm_deployment_works_locked(deployment))
        (void)mm_workers_set_locked(deployment, deployment->wanted_workers);
    else if (!made->model && status != MM_STATUS_RELEASED)
        mm_log_write(&deployment->manager->log, MM_LOG_WARNING,
                     "%s is not loaded on %s and goes on without: %s", deployment->asked,
                     replica->device->name, error->message);
}

void mm_loader_give_up_locked(mm_deployment *deployment, const mm_error *why) {
    mm_error error = why ? *why : (mm_error){0};
    if (!error.status || error.status == MM_STATUS_RELEASED)
        (void)mm_fail(&error, MM_STATUS_NO_GPU_AVAILABLE,
                      "the GPU of %.100s failed, and there is no other for it", deployment->asked);
    mm_log_write(&deployment->manager->log, MM_LOG_ERROR, "%s has no device any more: %s",
                 deployment->asked, error.message);
    mm_deployment_fail_jobs_locked(deployment, &error);
    mm_timer_schedule_locked(deployment->manager, mm_deployment_expiry_locked(deployment));
}

// With `growing` set, by whoever started this.
static void grow(mm_deployment *deployment) {
    mm_manager *manager = deployment->manager;
    mm_error error = {0};
    mm_mutex_lock(&manager->lock);
    while (is_left_alone_locked(deployment) && mm_placement_is_short_locked(deployment)) {
        mm_replica *replica = mm_placement_next_locked(deployment);
        if (!replica)
            break;
        attempt made;
        mm_mutex_unlock(&manager->lock);
        mm_status status = load_with_room(&made, replica, &error);
        if (made.model)
            status = check_same(deployment, &made, &error);
        if (made.model)
            log_outcome(replica, &made, status, &error);
        mm_mutex_lock(&manager->lock);
        settle_locked(replica, &made, status, &error);
    }
    const bool works = mm_deployment_works_locked(deployment);
    const bool is_alive = mm_replicas_live_locked(deployment) > 0;
    if (works && is_alive) // second workers of GPUs have waited until now
        (void)mm_workers_set_locked(deployment, deployment->wanted_workers);
    deployment->growing = false;
    if (works && !is_alive)
        mm_loader_give_up_locked(deployment, &error);
    else if (is_left_alone_locked(deployment))
        mm_deployment_resume_locked(deployment);
    mm_timer_schedule_locked(manager, mm_deployment_expiry_locked(deployment));
    pthread_cond_broadcast(&deployment->changed);
    pthread_cond_broadcast(&manager->memory_wake);
    mm_mutex_unlock(&manager->lock);
}

// ---- The thread --------------------------------------------------------------------------------

static void *loader_main(void *deployment) {
    sequel next = SEQUEL_AGAIN;
    while (next == SEQUEL_AGAIN)
        next = load_once(deployment);
    if (next == SEQUEL_GROW)
        grow(deployment);
    return NULL;
}

static void *grower_main(void *deployment) {
    grow(deployment);
    return NULL;
}

static bool start_locked(mm_deployment *deployment, void *(*run)(void *deployment)) {
    if (deployment->has_loader) // an earlier one, at its end: it only had to let go of the lock
        pthread_join(deployment->loader, NULL);
    deployment->has_loader = mm_thread_start(&deployment->loader, run, deployment);
    return deployment->has_loader;
}

void mm_loader_start_locked(mm_deployment *deployment) {
    mm_deployment_become_locked(deployment, MM_DEPLOYMENT_LOADING, NULL);
    if (start_locked(deployment, loader_main))
        return;
    mm_error error = {0};
    (void)mm_fail(&error, MM_STATUS_OUT_OF_MEMORY,
                  "cannot start a thread to load the model; raise the limit on processes");
    fail_locked(deployment, &error);
}

void mm_loader_grow_locked(mm_deployment *deployment) {
    if (deployment->growing || !is_left_alone_locked(deployment) ||
        !mm_placement_is_short_locked(deployment))
        return;
    deployment->growing = true;
    if (start_locked(deployment, grower_main))
        return;
    deployment->growing = false;
    mm_log_write(&deployment->manager->log, MM_LOG_WARNING,
                 "%s: cannot start a thread to load it on more GPUs", deployment->asked);
}
