// SPDX-License-Identifier: Apache-2.0
// Loading a model, on a thread of its own, so that whoever waits can time out or be cancelled.
#include "base/clock.h"
#include "manager/state.h"

static mm_status reserve(mm_deployment *deployment, size_t bytes, mm_error *error) {
    pthread_mutex_lock(&deployment->manager->lock);
    mm_status status = mm_memory_reserve_locked(deployment, bytes, error);
    pthread_mutex_unlock(&deployment->manager->lock);
    return status;
}

static void take_back(mm_deployment *deployment) {
    pthread_mutex_lock(&deployment->manager->lock);
    mm_memory_return_locked(deployment);
    pthread_mutex_unlock(&deployment->manager->lock);
}

typedef struct attempt {
    mm_embedder *embedder;
    double seconds; // of work, without waiting for memory
    bool refused;   // by the budget
} attempt;

static mm_status load(attempt *out, mm_deployment *deployment, mm_error *error) {
    mm_manager *manager = deployment->manager;
    mm_backend *backend;
    *out = (attempt){0};
    int64_t begun = mm_clock_now_ns();
    mm_status status = mm_manager_cpu(&backend, manager, error);
    const char *name = deployment->model.kind == MM_NAME_DIRECTORY ? NULL : deployment->model.name;
    if (!status)
        status = mm_embedder_open(&out->embedder, deployment->model.directory, name, backend,
                                  deployment->dtype, error);
    int64_t opened = mm_clock_now_ns();
    if (!status) {
        status = reserve(deployment, mm_embedder_weight_bytes(out->embedder), error);
        out->refused = status != MM_STATUS_OK;
    }
    int64_t reserved = mm_clock_now_ns();
    if (!status)
        status = mm_embedder_load(out->embedder, manager->cpu_threads, error);
    out->seconds = (double)(mm_clock_now_ns() - reserved + opened - begun) * 1e-9;
    if (status) {
        mm_embedder_free(out->embedder);
        out->embedder = NULL;
        take_back(deployment);
    }
    return status;
}

// Once more with all that is idle gone, when the system refuses memory.
static mm_status load_with_room(attempt *out, mm_deployment *deployment, mm_error *error) {
    mm_status status = load(out, deployment, error);
    if (status == MM_STATUS_OUT_OF_MEMORY && !out->refused &&
        mm_memory_evict_idle(deployment->manager))
        status = load(out, deployment, error);
    return status;
}

static void fail_locked(mm_deployment *deployment, const mm_error *error) {
    // Memory may be there again at once; files stay broken for a while.
    bool retry = error->status == MM_STATUS_OUT_OF_MEMORY;
    deployment->state = retry ? MM_DEPLOYMENT_UNLOADED : MM_DEPLOYMENT_FAILED;
    deployment->failure = *error;
    deployment->failed_ns = mm_clock_now_ns();
    while (deployment->waiting.first)
        mm_job_finish_locked(deployment->waiting.first, error->status, error);
}

static void succeed_locked(mm_deployment *deployment, mm_embedder *embedder) {
    deployment->embedder = embedder;
    deployment->state = MM_DEPLOYMENT_READY;
    deployment->loads++;
    deployment->last_used_ns = mm_clock_now_ns();
    mm_deployment_resume_locked(deployment);
    mm_timer_schedule_locked(deployment->manager, mm_deployment_expiry_locked(deployment));
    pthread_cond_broadcast(&deployment->work); // workers make their sessions ready
}

static void *loader_main(void *argument) {
    mm_deployment *deployment = argument;
    mm_manager *manager = deployment->manager;
    attempt made;
    mm_error error = {0};
    mm_status status = load_with_room(&made, deployment, &error);
    if (!status)
        mm_log_write(&manager->log, MM_LOG_INFO, "loaded %s on %s in %d ms", deployment->asked,
                     deployment->device, (int)(made.seconds * 1e3));
    else if (status != MM_STATUS_RELEASED)
        mm_log_write(&manager->log, MM_LOG_ERROR, "loading %s failed: %s", deployment->asked,
                     error.message);
    pthread_mutex_lock(&manager->lock);
    bool wanted = !deployment->abandoned;
    if (!status && wanted && !mm_workers_set_locked(deployment, deployment->wanted_workers))
        status = mm_fail(&error, MM_STATUS_OUT_OF_MEMORY,
                         "cannot start a worker thread; lower num_workers or raise the limit on "
                         "processes");
    if (made.embedder && (status || !wanted)) { // freed before anybody learns that the load is over
        pthread_mutex_unlock(&manager->lock);
        mm_embedder_free(made.embedder);
        pthread_mutex_lock(&manager->lock);
        mm_memory_return_locked(deployment);
    }
    deployment->load_seconds = made.seconds;
    if (status)
        fail_locked(deployment, &error);
    else if (wanted)
        succeed_locked(deployment, made.embedder);
    else
        deployment->state = MM_DEPLOYMENT_UNLOADED;
    pthread_cond_broadcast(&deployment->changed);
    pthread_cond_broadcast(&manager->memory_wake);
    pthread_mutex_unlock(&manager->lock);
    return NULL;
}

void mm_loader_start_locked(mm_deployment *deployment) {
    if (deployment->has_loader) // an earlier one, at its end: it only had to let go of the lock
        pthread_join(deployment->loader, NULL);
    deployment->has_loader = true;
    deployment->state = MM_DEPLOYMENT_LOADING;
    if (mm_thread_start(&deployment->loader, loader_main, deployment))
        return;
    deployment->has_loader = false;
    mm_error error = {0};
    (void)mm_fail(&error, MM_STATUS_OUT_OF_MEMORY,
                  "cannot start a thread to load the model; raise the limit on processes");
    fail_locked(deployment, &error);
}
