// SPDX-License-Identifier: Apache-2.0
// Jobs: their life, their end, mm_task and mm_task_submit.
#include "base/memory.h"
#include "manager/fetch.h"
#include "manager/state.h"

// ---- Life --------------------------------------------------------------------------------------

static mm_status create(mm_job **out, mm_manager *manager, const mm_request *request,
                        mm_error *error) {
    mm_job *job = *out = mm_calloc(1, sizeof(*job));
    if (!job)
        return mm_fail_memory(error, "a job");
    atomic_init(&job->references, 1);
    job->manager = manager;
    job->request = request;
    job->kind = mm_task_kind_find(mm_request_text(request, MM_PARAM_TASK_TYPE, ""));
    job->started_ns = mm_manager_now(manager);
    double timeout_ms = mm_request_number(request, MM_PARAM_TIMEOUT_MS, -1);
    job->deadline_ns = timeout_ms < 0 ? INT64_MAX : job->started_ns + (int64_t)(timeout_ms * 1e6);
    job->queue_deadline_ns = INT64_MAX;
    job->is_bulk = mm_request_text(request, MM_PARAM_PRIORITY, "interactive")[0] == 'b';
    (void)sem_init(&job->wake, 0, 0);
    return MM_STATUS_OK;
}

void mm_job_retain(mm_job *job) {
    atomic_fetch_add_explicit(&job->references, 1, memory_order_relaxed);
}

void mm_job_release(mm_job *job) {
    if (!job || atomic_fetch_sub_explicit(&job->references, 1, memory_order_acq_rel) > 1)
        return;
    job->kind->free_work(job->work);
    mm_result_free(job->result);
    mm_request_free(job->own_request);
    (void)sem_destroy(&job->wake);
    mm_free(job);
}

static void enlist_locked(mm_job *job) {
    mm_manager *manager = job->manager;
    job->following = manager->jobs;
    if (manager->jobs)
        manager->jobs->previous = job;
    manager->jobs = job;
    mm_timer_schedule_locked(manager, job->deadline_ns);
}

static void delist_locked(mm_job *job) {
    if (job->previous)
        job->previous->following = job->following;
    else
        job->manager->jobs = job->following;
    if (job->following)
        job->following->previous = job->previous;
    job->previous = job->following = NULL;
}

void mm_job_detach_locked(mm_job *job) {
    mm_deployment *deployment = job->deployment;
    job->owned = false;
    if (!deployment)
        return;
    if (job->kind->abandon_locked)
        job->kind->abandon_locked(job);
    job->deployment = NULL;
    deployment->users--;
    deployment->last_used_ns = mm_manager_now(job->manager);
    if (deployment->users == 0)
        mm_timer_schedule_locked(job->manager, mm_deployment_expiry_locked(deployment));
    if (deployment->users == deployment->waiting.count)
        pthread_cond_broadcast(&job->manager->memory_wake);
    pthread_cond_broadcast(&deployment->changed);
}

void mm_job_finish_locked(mm_job *job, mm_status status, const mm_error *error) {
    if (job->state == MM_JOB_FETCHING)
        mm_fetch_leave_locked(job);
    if (job->state == MM_JOB_WAITING)
        mm_job_list_remove(&job->deployment->waiting, job);
    if (job->state == MM_JOB_QUEUED)
        mm_queue_remove(&job->deployment->queue, job);
    // The worker may be in a call of on_token, behind which the last call has to come.
    bool is_heard = job->on_token && job->state == MM_JOB_RUNNING && job->owned;
    bool is_workers = job->state == MM_JOB_RUNNING && !job->owned; // which wakes the caller
    if (!job->owned)
        mm_job_detach_locked(job);
    delist_locked(job);
    job->state = MM_JOB_DONE;
    job->status = status;
    if (error)
        job->error = *error;
    job->error.status = status;
    atomic_store(&job->done, true);
    if (job->is_blocking && !is_workers)
        (void)sem_post(&job->wake);
    else if (!job->is_blocking && !job->in_service && !is_heard)
        mm_service_push_locked(job);
}

void mm_job_wake(mm_job *job) {
    if (job->is_blocking)
        (void)sem_post(&job->wake);
}

void mm_job_fail_locked(mm_job *job, mm_status status, const char *message) {
    mm_error error = {0};
    (void)mm_fail(&error, status, "%s", message);
    mm_job_finish_locked(job, status, &error);
}

void mm_job_resume_locked(mm_job *job) {
    job->state = MM_JOB_PREPARING;
    if (job->is_blocking)
        (void)sem_post(&job->wake);
    else
        mm_service_push_locked(job);
}

void mm_job_restart_locked(mm_job *job) {
    job->fetch = NULL;
    job->state = MM_JOB_STARTING;
    if (job->is_blocking)
        (void)sem_post(&job->wake);
    else
        mm_service_push_locked(job);
}

// ---- Texts of other jobs -----------------------------------------------------------------------

void mm_job_await(mm_job *job, long texts) {
    mm_mutex_lock(&job->manager->lock);
    job->awaited += texts; // which may have been counted down already
    mm_mutex_unlock(&job->manager->lock);
}

void mm_job_rest_locked(mm_job *job) {
    job->owned = false;
    if (job->awaited > 0)
        job->state = MM_JOB_AWAITING;
    else
        mm_job_resume_locked(job);
}

void mm_jobs_wake_locked(mm_cache_waiter *waiters) {
    for (mm_cache_waiter *next; waiters; waiters = next) {
        mm_job *job = waiters->payload;
        next = waiters->next; // the job's memory
        if (--job->awaited == 0 && job->state == MM_JOB_AWAITING)
            mm_job_resume_locked(job);
        mm_job_release(job);
    }
}

// ---- Blocking ----------------------------------------------------------------------------------

// The step that is due, without the lock.
static void step_locked(mm_job *job, void (*step)(mm_job *job)) {
    job->owned = true;
    mm_mutex_unlock(&job->manager->lock);
    step(job);
    mm_mutex_lock(&job->manager->lock);
}

// By a semaphore: it is waited for without the lock, so that the lock is not marked as wanted by
// others, which a condition variable does for each wait and pays a system call for.
static void rest_locked(mm_job *job) {
    mm_mutex_unlock(&job->manager->lock);
    (void)sem_wait(&job->wake); // a signal may end it early: the state says what is due
    mm_mutex_lock(&job->manager->lock);
}

// The steps a service thread would take, on the caller's thread.
static void walk(mm_job *job) {
    mm_manager *manager = job->manager;
    mm_mutex_lock(&manager->lock);
    enlist_locked(job);
    while (job->state != MM_JOB_DONE) {
        if (job->state == MM_JOB_STARTING)
            step_locked(job, mm_job_start);
        else if (job->state == MM_JOB_PREPARING)
            step_locked(job, mm_job_prepare);
        else
            rest_locked(job);
    }
    bool expires = job->expires;
    mm_mutex_unlock(&manager->lock);
    if (expires)
        mm_manager_expire(manager, true);
}

mm_status mm_task(mm_result **out, mm_manager *manager, const mm_request *request,
                  mm_error *error) {
    *out = NULL;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    mm_job *job = NULL;
    status = mm_request_check(request, error);
    if (!status)
        status = create(&job, manager, request, error);
    if (!status) {
        job->is_blocking = true;
        walk(job);
        status = job->status;
        if (status && error)
            *error = job->error;
        if (!status) {
            *out = job->result;
            job->result = NULL;
        }
        mm_job_release(job);
    }
    mm_manager_leave(manager);
    return status;
}

// ---- Submitted ---------------------------------------------------------------------------------

mm_status mm_task_submit(mm_job **out, mm_manager *manager, const mm_request *request,
                         mm_task_callback callback, void *payload, mm_error *error) {
    return mm_task_stream(out, manager, request, NULL, callback, payload, error);
}

mm_status mm_task_stream(mm_job **out, mm_manager *manager, const mm_request *request,
                         mm_token_callback on_token, mm_task_callback callback, void *payload,
                         mm_error *error) {
    *out = NULL;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    mm_job *job = NULL;
    mm_request *copy = NULL;
    status = mm_request_check(request, error);
    if (!status)
        status = mm_request_copy(&copy, request, error);
    if (!status)
        status = create(&job, manager, copy, error);
    if (!status) {
        job->own_request = copy;
        copy = NULL;
        job->on_token = on_token;
        job->callback = callback;
        job->payload = payload;
        mm_job_retain(job); // one for the handle, one for the way
        *out = job;         // the callback may come before this call returns
        mm_mutex_lock(&manager->lock);
        if (manager->closing) {
            status = mm_fail(error, MM_STATUS_SHUTTING_DOWN, "the manager is shutting down");
        } else {
            enlist_locked(job);
            mm_service_push_locked(job);
            if (manager->service_count == 0) { // no thread could be started
                mm_job_list_remove(&manager->service, job);
                delist_locked(job);
                status = mm_fail(error, MM_STATUS_OUT_OF_MEMORY, "cannot start a thread");
            }
        }
        mm_mutex_unlock(&manager->lock);
        if (status) {
            *out = NULL;
            mm_job_release(job);
            mm_job_release(job);
        }
    }
    mm_request_free(copy);
    mm_manager_leave(manager);
    return status;
}

void mm_job_deliver(mm_job *job) {
    // DONE: nobody else writes these any more.
    mm_result *result = job->status ? NULL : job->result;
    if (!job->status)
        job->result = NULL;
    if (job->expires)
        mm_manager_expire(job->manager, true);
    if (job->callback)
        job->callback(job, job->status, result, job->status ? &job->error : NULL, job->payload);
    else
        mm_result_free(result);
    mm_job_release(job);
}

void mm_job_cancel(mm_job *job) {
    if (atomic_load(&job->done))
        return; // also when the manager is gone
    mm_manager *manager = job->manager;
    mm_mutex_lock(&manager->lock);
    if (job->state != MM_JOB_DONE)
        mm_job_fail_locked(job, MM_STATUS_CANCELLED, "the job was cancelled by its owner");
    mm_mutex_unlock(&manager->lock);
}

void mm_job_free(mm_job *job) {
    mm_job_release(job);
}
