// SPDX-License-Identifier: Apache-2.0
// Workers: each has a thread and a session of its own and takes queued jobs, several small ones at
// once. A worker whose share of the processor's threads changed makes itself a new session.
#include "base/memory.h"
#include "manager/state.h"

enum { MAX_JOBS = 32 }; // taken at once

// What a worker's thread holds; nobody else sees it.
struct mm_workplace {
    mm_worker *worker;
    mm_deployment *deployment;
    mm_session *session;
    int threads; // the session's; 0 = not made yet
    mm_job *jobs[MAX_JOBS];
    size_t job_count;
};

// ---- Sessions ----------------------------------------------------------------------------------

static int share_locked(const mm_deployment *deployment) {
    int workers = mm_workers_on_locked(deployment);
    int share = deployment->manager->cpu_threads / (workers > 0 ? workers : 1);
    return share > 0 ? share : 1;
}

static mm_status make_session(mm_workplace *own, int threads, mm_error *error) {
    mm_session_free(own->session);
    own->session = NULL;
    own->threads = threads;
    const mm_replica *replica = own->worker->replica;
    mm_status status = mm_session_create(&own->session, replica->device->backend, threads, error);
    if (!status)
        status = mm_task_model_prepare_session(replica->model, own->session, error);
    if (status) {
        mm_session_free(own->session);
        own->session = NULL;
    }
    return status;
}

// ---- Runs --------------------------------------------------------------------------------------

static mm_job_list *next_queue_locked(mm_deployment *deployment) {
    return &deployment->queues[deployment->queues[0].count == 0];
}

static mm_job *take_one_locked(mm_worker *worker, mm_job_list *queue) {
    mm_job *job = mm_job_list_pop(queue);
    worker->running++;
    job->state = MM_JOB_RUNNING;
    job->owned = true;
    job->running_ns = mm_manager_now(job->manager);
    mm_job_retain(job);
    return job;
}

// Takes the next job and, while the device has room for more rows, those behind it that fit in.
static void take_locked(mm_workplace *own) {
    mm_deployment *deployment = own->deployment;
    mm_job_list *queue = next_queue_locked(deployment);
    size_t room =
        (size_t)mm_backend_batch_rows(own->worker->replica->device->backend) * (size_t)own->threads;
    size_t rows = 0;
    own->job_count = 0;
    while (queue->first && own->job_count < MAX_JOBS) {
        const mm_job *job = queue->first;
        const mm_task_kind *kind = job->kind;
        if (own->job_count > 0 && (kind != own->jobs[0]->kind || rows + kind->rows(job) > room ||
                                   !kind->goes_with(own->jobs[0], job)))
            break;
        rows += kind->rows(job);
        own->jobs[own->job_count++] = take_one_locked(own->worker, queue);
    }
}

mm_job *mm_task_run_more(const mm_task_run *run) {
    mm_worker *worker = run->worker;
    mm_deployment *deployment = worker->deployment;
    mm_manager *manager = deployment->manager;
    mm_job *taken = NULL;
    pthread_mutex_lock(&manager->lock);
    mm_job_list *queue = next_queue_locked(deployment);
    const mm_job *job = queue->first;
    if (worker->state == MM_WORKER_ON && job && job->kind == run->kind)
        taken = take_one_locked(worker, queue);
    pthread_mutex_unlock(&manager->lock);
    return taken;
}

void mm_task_run_done(const mm_task_run *run, mm_job *job, mm_status status,
                      const mm_error *error) {
    mm_worker *worker = run->worker;
    mm_manager *manager = worker->deployment->manager;
    mm_result *result = job->result;
    int64_t ended = mm_manager_now(manager);
    result->worker_id = worker->index;
    result->timing.queue_ms = (double)(job->running_ns - job->queued_ns) * 1e-6;
    result->timing.compute_ms = (double)(ended - job->running_ns) * 1e-6;
    result->timing.total_ms = (double)(ended - job->started_ns) * 1e-6;
    pthread_mutex_lock(&manager->lock);
    worker->running--;
    if (!status && job->needs_more && job->state != MM_JOB_DONE) {
        mm_job_rest_locked(job);
    } else {
        mm_job_detach_locked(job);
        if (job->state != MM_JOB_DONE)
            mm_job_finish_locked(job, status, status ? error : NULL);
        else if (job->on_token) // it timed out or was cancelled, and nobody has been told
            mm_service_push_locked(job);
    }
    pthread_mutex_unlock(&manager->lock);
    mm_job_wake(job);
    mm_job_release(job);
}

static void run(mm_workplace *own) {
    mm_status status = MM_STATUS_OK;
    mm_error error = {0};
    if (!own->session)
        status = make_session(own, own->threads, &error);
    const mm_task_run all = {.kind = own->jobs[0]->kind,
                             .model = own->worker->replica->model,
                             .session = own->session,
                             .jobs = own->jobs,
                             .count = own->job_count,
                             .worker = own->worker};
    if (!status)
        all.kind->run(&all);
    for (size_t i = 0; i < own->job_count && status; i++)
        mm_task_run_done(&all, own->jobs[i], status, &error);
}

// ---- The thread --------------------------------------------------------------------------------

static void work_locked(mm_workplace *own) {
    mm_manager *manager = own->deployment->manager;
    take_locked(own);
    pthread_mutex_unlock(&manager->lock);
    run(own);
    pthread_mutex_lock(&manager->lock);
}

static void *worker_main(void *argument) {
    mm_worker *worker = argument;
    mm_deployment *deployment = worker->deployment;
    mm_manager *manager = deployment->manager;
    mm_workplace *own = worker->own;
    pthread_mutex_lock(&manager->lock);
    while (worker->state == MM_WORKER_ON) {
        bool ready = deployment->state == MM_DEPLOYMENT_READY;
        if (ready && own->threads != share_locked(deployment)) {
            int threads = share_locked(deployment);
            pthread_mutex_unlock(&manager->lock);
            (void)make_session(own, threads, NULL); // tried again with the next job
            pthread_mutex_lock(&manager->lock);
        } else if (ready && deployment->queues[0].count + deployment->queues[1].count > 0) {
            work_locked(own);
        } else {
            pthread_cond_wait(&deployment->work, &manager->lock);
        }
    }
    worker->state = MM_WORKER_GONE;
    pthread_mutex_unlock(&manager->lock);
    mm_session_free(own->session);
    own->session = NULL;
    own->threads = 0;
    return NULL;
}

// ---- Their number ------------------------------------------------------------------------------

int mm_workers_on_locked(const mm_deployment *deployment) {
    int count = 0;
    for (int i = 0; i < deployment->worker_slots; i++)
        count += deployment->workers[i]->state == MM_WORKER_ON;
    return count;
}

static bool add_slot(mm_deployment *deployment) {
    size_t slots = (size_t)deployment->worker_slots;
    mm_worker **bigger = mm_array_realloc(deployment->workers, slots + 1, sizeof(*bigger));
    mm_worker *worker = bigger ? mm_calloc(1, sizeof(*worker)) : NULL;
    if (bigger)
        deployment->workers = bigger;
    if (worker)
        worker->own = mm_calloc(1, sizeof(*worker->own));
    if (!worker || !worker->own) {
        mm_free(worker);
        return false;
    }
    worker->own->worker = worker;
    worker->own->deployment = worker->deployment = deployment;
    worker->replica = &deployment->replicas[0];
    worker->index = deployment->worker_slots;
    worker->state = MM_WORKER_GONE;
    bigger[deployment->worker_slots++] = worker;
    return true;
}

static void join(mm_worker *worker) {
    if (worker->to_join)
        pthread_join(worker->thread, NULL);
    worker->to_join = false;
}

static bool turn_on(mm_worker *worker) {
    if (worker->state == MM_WORKER_GONE) {
        join(worker); // it only had to let go of the lock
        worker->to_join = mm_thread_start(&worker->thread, worker_main, worker);
        if (!worker->to_join)
            return false;
    }
    worker->state = MM_WORKER_ON;
    return true;
}

bool mm_workers_set_locked(mm_deployment *deployment, int count) {
    bool ok = true;
    for (int i = 0; i < count && ok; i++)
        ok = (i < deployment->worker_slots || add_slot(deployment)) &&
             (deployment->workers[i]->state == MM_WORKER_ON || turn_on(deployment->workers[i]));
    for (int i = count; i < deployment->worker_slots; i++) {
        if (deployment->workers[i]->state == MM_WORKER_ON)
            deployment->workers[i]->state = MM_WORKER_LEAVING;
    }
    pthread_cond_broadcast(&deployment->work);
    if (!ok)
        mm_log_write(&deployment->manager->log, MM_LOG_WARNING,
                     "%s: only %d of %d workers could be started", deployment->asked,
                     mm_workers_on_locked(deployment), count);
    return mm_workers_on_locked(deployment) > 0;
}

void mm_workers_stop_locked(mm_deployment *deployment) {
    for (int i = 0; i < deployment->worker_slots; i++) {
        if (deployment->workers[i]->state == MM_WORKER_ON)
            deployment->workers[i]->state = MM_WORKER_LEAVING;
    }
    pthread_cond_broadcast(&deployment->work);
}

void mm_workers_join(mm_deployment *deployment) {
    for (int i = 0; i < deployment->worker_slots; i++)
        join(deployment->workers[i]);
}

void mm_workers_free(mm_deployment *deployment) {
    for (int i = 0; i < deployment->worker_slots; i++) {
        mm_free(deployment->workers[i]->own);
        mm_free(deployment->workers[i]);
    }
    mm_free(deployment->workers);
}
