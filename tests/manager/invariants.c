// SPDX-License-Identifier: Apache-2.0
#include "invariants.h"

#include "manager/state.h"

#include <stdio.h>

static _Thread_local char wrong[256];

#define SAY(...) ((void)snprintf(wrong, sizeof(wrong), __VA_ARGS__), wrong)

// ---- Jobs --------------------------------------------------------------------------------------

// A list is linked both ways, as long as it says, and all its jobs are in that state.
static const char *broken_list(const mm_job_list *list, const mm_deployment *deployment,
                               mm_job_state state) {
    size_t count = 0;
    const mm_job *last = NULL;
    for (const mm_job *job = list->first; job; last = job, job = job->next, count++) {
        if (job->state != state || job->deployment != deployment)
            return SAY("a job in state %d is listed as one in state %d", (int)job->state,
                       (int)state);
        if (job->before != last)
            return SAY("a list of jobs in state %d is not linked back", (int)state);
    }
    if (count != list->count || last != list->last)
        return SAY("a list of jobs in state %d has %zu, and says %zu", (int)state, count,
                   list->count);
    return NULL;
}

// How many of the manager's jobs hold the deployment, in that state or in any (-1).
static size_t holding(const mm_deployment *deployment, int state) {
    size_t count = 0;
    for (const mm_job *job = deployment->manager->jobs; job; job = job->following)
        count += job->deployment == deployment && (state < 0 || (int)job->state == state);
    return count;
}

static const char *broken_jobs(const mm_manager *manager) {
    const mm_job *before = NULL;
    for (const mm_job *job = manager->jobs; job; before = job, job = job->following) {
        if (job->previous != before)
            return SAY("the list of all jobs is not linked back");
        if (job->state == MM_JOB_DONE || atomic_load(&job->done))
            return SAY("a job that is answered is still listed");
        if (job->state == MM_JOB_AWAITING && job->awaited <= 0)
            return SAY("a job rests that awaits %ld texts", job->awaited);
        bool holds = job->state == MM_JOB_WAITING || job->state == MM_JOB_QUEUED ||
                     job->state == MM_JOB_RUNNING;
        if (holds && !job->deployment)
            return SAY("a job in state %d has no deployment", (int)job->state);
        if (job->state == MM_JOB_QUEUED && job->owned)
            return SAY("a queued job is in somebody's hands");
    }
    return NULL;
}

// ---- Deployments -------------------------------------------------------------------------------

static const char *broken_workers(const mm_deployment *deployment) {
    size_t called = 0, running = 0;
    for (int i = 0; i < deployment->worker_slots; i++) {
        const mm_worker *worker = deployment->workers[i];
        called += worker->is_called;
        running += worker->running;
        if (worker->state == MM_WORKER_GONE && worker->running > 0)
            return SAY("a worker that is gone runs %zu jobs", worker->running);
    }
    if (called != deployment->called)
        return SAY("%zu workers are called, and %zu are counted", called, deployment->called);
    if (running > deployment->users)
        return SAY("%zu jobs run, and %zu hold the deployment", running, deployment->users);
    return NULL;
}

static const char *broken_deployment(const mm_deployment *deployment) {
    const size_t waiting = holding(deployment, MM_JOB_WAITING);
    const size_t queued = holding(deployment, MM_JOB_QUEUED);
    const size_t all = holding(deployment, -1);
    if (waiting != deployment->waiting.count)
        return SAY("%zu jobs wait, %zu are listed", waiting, deployment->waiting.count);
    if (queued != mm_queue_count(&deployment->queue))
        return SAY("%zu jobs are queued, %zu are listed", queued,
                   mm_queue_count(&deployment->queue));
    if (all > deployment->users) // more users: answered, but still in a thread's hands
        return SAY("%zu jobs hold a deployment that counts %zu", all, deployment->users);
    if ((deployment->state == MM_DEPLOYMENT_READY) > (deployment->loaded != NULL))
        return SAY("a deployment is ready without a model");
    if (deployment->loaded && mm_replicas_bytes_locked(deployment) == 0)
        return SAY("a model is loaded that was promised no memory");
    const char *broken = broken_list(&deployment->waiting, deployment, MM_JOB_WAITING);
    if (!broken)
        broken = broken_list(&deployment->queue.interactive, deployment, MM_JOB_QUEUED);
    if (!broken)
        broken = broken_list(&deployment->queue.bulk, deployment, MM_JOB_QUEUED);
    return broken ? broken : broken_workers(deployment);
}

// ---- Devices -----------------------------------------------------------------------------------

static const char *broken_device(const mm_manager *manager, const mm_device *device) {
    size_t promised = 0; // to those that are listed; a release may still hold more
    for (const mm_deployment *at = manager->deployments; at; at = at->next) {
        for (int i = 0; i < at->replica_count; i++)
            promised += at->replicas[i].device == device ? at->replicas[i].planned_bytes : 0;
    }
    if (promised > device->planned_bytes)
        return SAY("%s: %zu bytes are promised, %zu are counted", device->name, promised,
                   device->planned_bytes);
    if (device->planned_bytes > device->budget)
        return SAY("%s: %zu bytes are promised of a budget of %zu", device->name,
                   device->planned_bytes, device->budget);
    return NULL;
}

// ---- All ---------------------------------------------------------------------------------------

static const char *broken_locked(const mm_manager *manager) {
    const char *broken = broken_jobs(manager);
    for (const mm_deployment *at = manager->deployments; at && !broken; at = at->next)
        broken = broken_deployment(at);
    for (int i = 0; i < manager->devices.count && !broken; i++)
        broken = broken_device(manager, &manager->devices.list[i]);
    return broken;
}

static const char *unrest_locked(const mm_manager *manager) {
    if (manager->jobs)
        return SAY("jobs are left");
    if (manager->service.count > 0)
        return SAY("%zu jobs wait for a service thread", manager->service.count);
    for (const mm_deployment *at = manager->deployments; at; at = at->next) {
        if (at->users > 0)
            return SAY("%s: %zu users are left", at->asked, at->users);
        if (at->state != MM_DEPLOYMENT_READY && mm_replicas_bytes_locked(at) > 0)
            return SAY("%s: not loaded, and promised memory", at->asked);
    }
    return NULL;
}

const char *invariants_broken(mm_manager *manager) {
    mm_mutex_lock(&manager->lock);
    const char *broken = broken_locked(manager);
    mm_mutex_unlock(&manager->lock);
    return broken;
}

const char *invariants_unrest(mm_manager *manager) {
    mm_mutex_lock(&manager->lock);
    const char *broken = broken_locked(manager);
    if (!broken)
        broken = unrest_locked(manager);
    mm_mutex_unlock(&manager->lock);
    return broken;
}
