// SPDX-License-Identifier: Apache-2.0
// Workers: each has a thread and a session of its own and takes queued jobs, several small ones at
// once. A worker whose share of the processor's threads changed makes itself a new session.
#include "base/memory.h"
#include "manager/memory_claims.h"

#include <stdio.h>

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

// Threads of this processor that a worker computes with.
static int share_locked(const mm_worker *worker) {
    const mm_deployment *deployment = worker->deployment;
    return worker->replica->device->is_gpu ? 1
                                           : mm_threads_of_worker(deployment->manager->cpu_threads,
                                                                  mm_workers_on_locked(deployment));
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

// Once more with all that is idle there gone, when the device refuses memory. Only with a job in
// hand, lest the worker's own model goes.
static mm_status make_session_with_room(mm_workplace *own, int threads, mm_error *error) {
    mm_status status = make_session(own, threads, error);
    if (status == MM_STATUS_OUT_OF_MEMORY && mm_memory_relieve(own->worker))
        status = make_session(own, threads, error);
    return status;
}

// ---- Runs --------------------------------------------------------------------------------------

static void begin_locked(mm_worker *worker, mm_job *job) {
    job->running_ns = mm_manager_now(job->manager);
    worker->running++;
    mm_service_rate_begin(&worker->deployment->rate, job->running_ns);
    worker->rows_taken += job->kind->rows(job);
    job->state = MM_JOB_RUNNING;
    job->owned = true;
    mm_job_retain(job);
}

static size_t room_of(const mm_workplace *own) {
    const mm_device *device = own->worker->replica->device;
    return (size_t)mm_backend_batch_rows(device->backend) * (size_t)own->threads;
}

// Takes the next job and, while the device has room for more rows, those behind it that fit in.
static void take_locked(mm_workplace *own) {
    mm_deployment *deployment = own->deployment;
    size_t most = mm_turn_jobs_locked(own->worker);
    mm_turn_give_up_locked(own->worker);
    own->job_count = mm_queue_take(&deployment->queue, own->jobs, most < MAX_JOBS ? most : MAX_JOBS,
                                   room_of(own));
    for (size_t i = 0; i < own->job_count; i++)
        begin_locked(own->worker, own->jobs[i]);
}

mm_job *mm_task_run_more(const mm_task_run *run) {
    mm_worker *worker = run->worker;
    mm_deployment *deployment = worker->deployment;
    mm_manager *manager = deployment->manager;
    mm_job *taken = NULL;
    mm_mutex_lock(&manager->lock);
    const mm_job *first = mm_queue_first(&deployment->queue);
    if (worker->state == MM_WORKER_ON && first && first->kind == run->kind &&
        mm_turn_jobs_locked(worker) > 0 && mm_queue_take(&deployment->queue, &taken, 1, 0) > 0)
        begin_locked(worker, taken);
    mm_mutex_unlock(&manager->lock);
    return taken;
}

// The worker is through with a job, or with a part of it.
static void end_locked(mm_worker *worker, mm_job *job, bool is_through) {
    int64_t now = mm_manager_now(job->manager);
    mm_timing *timing = &job->result->timing;
    timing->queue_ms += (double)(job->running_ns - job->queued_ns) * 1e-6;
    timing->compute_ms += (double)(now - job->running_ns) * 1e-6;
    timing->total_ms = (double)(now - job->started_ns) * 1e-6;
    job->result->worker_id = worker->index;
    (void)snprintf(job->result->device, sizeof(job->result->device), "%s",
                   worker->replica->device->name);
    worker->running--;
    mm_service_rate_end(&worker->deployment->rate, now, is_through);
}

bool mm_task_run_pause(const mm_task_run *run, mm_job *job) {
    mm_worker *worker = run->worker;
    mm_deployment *deployment = worker->deployment;
    mm_mutex_lock(&job->manager->lock);
    bool pauses = job->is_bulk && job->state == MM_JOB_RUNNING &&
                  deployment->queue.interactive.count > 0 && mm_turn_jobs_locked(worker) > 0;
    if (pauses) {
        end_locked(worker, job, false);
        worker->rows_taken -= job->kind->rows(job);
        job->state = MM_JOB_QUEUED;
        job->owned = false;
        job->queued_ns = mm_manager_now(job->manager);
        job->queue_deadline_ns = INT64_MAX; // it has had its worker in time
        mm_queue_put_back(&deployment->queue, job);
    }
    mm_mutex_unlock(&job->manager->lock);
    if (pauses)
        mm_job_release(job);
    return pauses;
}

void mm_task_run_done(const mm_task_run *run, mm_job *job, mm_status status,
                      const mm_error *error) {
    mm_worker *worker = run->worker;
    mm_manager *manager = worker->deployment->manager;
    mm_error lost = {0};
    mm_device *device = worker->replica->device;
    mm_mutex_lock(&manager->lock);
    end_locked(worker, job, true);
    if (status && mm_placement_check_locked(manager, device)) {
        status = mm_placement_lost_error(&lost, device, error ? error->message : "");
        error = &lost;
    }
    if (!status && job->needs_more && job->state != MM_JOB_DONE) {
        mm_job_rest_locked(job);
    } else {
        mm_job_detach_locked(job);
        if (job->state != MM_JOB_DONE)
            mm_job_finish_locked(job, status, status ? error : NULL);
        else if (job->on_token) // it timed out or was cancelled, and nobody has been told
            mm_service_push_locked(job);
    }
    mm_mutex_unlock(&manager->lock);
    mm_job_wake(job);
    mm_job_release(job);
}

static void run(mm_workplace *own) {
    mm_status status = MM_STATUS_OK;
    mm_error error = {0};
    if (!own->session)
        status = make_session_with_room(own, own->threads, &error);
    const mm_task_run all = {.kind = own->jobs[0]->kind,
                             .model = own->worker->replica->model,
                             .session = own->session,
                             .jobs = own->jobs,
                             .count = own->job_count,
                             .room = room_of(own),
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
    mm_mutex_unlock(&manager->lock);
    run(own);
    mm_mutex_lock(&manager->lock);
}

// The worker's share of the threads has changed: whoever is idle does its work meanwhile.
static void renew_locked(mm_workplace *own) {
    mm_worker *worker = own->worker;
    mm_manager *manager = own->deployment->manager;
    int threads = share_locked(worker);
    worker->is_fit = false;
    mm_turn_give_up_locked(worker);
    mm_turn_give_locked(own->deployment);
    mm_mutex_unlock(&manager->lock);
    // Nobody is sent away for it, which might be this model: it is as idle as others. With the next
    // job it is tried again.
    (void)make_session(own, threads, NULL);
    mm_mutex_lock(&manager->lock);
    worker->is_fit = true;
}

static void *worker_main(void *argument) {
    mm_worker *worker = argument;
    mm_deployment *deployment = worker->deployment;
    mm_manager *manager = deployment->manager;
    mm_workplace *own = worker->own;
    mm_mutex_lock(&manager->lock);
    while (worker->state == MM_WORKER_ON) {
        bool ready = mm_deployment_works_locked(deployment);
        if (ready && own->threads != share_locked(worker)) {
            renew_locked(own);
        } else if (ready && mm_turn_jobs_locked(worker) > 0) {
            work_locked(own);
        } else {
            mm_turn_give_up_locked(worker);
            mm_condition_wait(&worker->wake, &manager->lock);
        }
    }
    worker->is_fit = false;
    worker->state = MM_WORKER_GONE;
    mm_turn_give_up_locked(worker);
    mm_turn_give_locked(deployment);
    mm_mutex_unlock(&manager->lock);
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

int mm_workers_of_locked(const mm_replica *replica) {
    const mm_deployment *deployment = replica->deployment;
    int count = 0;
    for (int i = 0; i < deployment->worker_slots; i++) {
        const mm_worker *worker = deployment->workers[i];
        count += worker->replica == replica && worker->state == MM_WORKER_ON;
    }
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
    worker->index = deployment->worker_slots;
    worker->state = MM_WORKER_GONE;
    mm_condition_init(&worker->wake);
    bigger[deployment->worker_slots++] = worker;
    return true;
}

static void join(mm_worker *worker) {
    if (worker->to_join)
        pthread_join(worker->thread, NULL);
    worker->to_join = false;
}

// What a worker that comes later counts as its work so far, lest all goes to it for a long while.
static uint64_t least_taken_locked(const mm_deployment *deployment) {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < deployment->worker_slots; i++) {
        const mm_worker *worker = deployment->workers[i];
        if (worker->state == MM_WORKER_ON && worker->rows_taken < least)
            least = worker->rows_taken;
    }
    return least < UINT64_MAX ? least : 0;
}

static bool turn_on(mm_worker *worker) {
    if (worker->state == MM_WORKER_GONE) {
        join(worker); // it only had to let go of the lock
        worker->replica = mm_placement_of_worker_locked(worker->deployment);
        worker->to_join = mm_thread_start(&worker->thread, worker_main, worker);
        if (!worker->to_join)
            return false;
        worker->rows_taken = least_taken_locked(worker->deployment);
    }
    worker->state = MM_WORKER_ON;
    return true;
}

// A slot whose thread may be started or, where the next worker belongs, told to stay.
static mm_worker *free_slot_locked(const mm_deployment *deployment) {
    const mm_replica *next = mm_placement_of_worker_locked(deployment);
    for (int i = 0; i < deployment->worker_slots; i++) {
        mm_worker *worker = deployment->workers[i];
        if (worker->state == MM_WORKER_GONE ||
            (worker->state == MM_WORKER_LEAVING && worker->replica == next))
            return worker;
    }
    return NULL;
}

static bool add_worker_locked(mm_deployment *deployment) {
    mm_worker *worker = free_slot_locked(deployment);
    if (!worker && add_slot(deployment))
        worker = deployment->workers[deployment->worker_slots - 1];
    return worker && turn_on(worker);
}

bool mm_workers_set_locked(mm_deployment *deployment, int count) {
    int room = mm_placement_room_locked(deployment);
    int most = mm_memory_workers_locked(deployment, count < room ? count : room);
    bool ok = true;
    while (ok && mm_workers_on_locked(deployment) < most)
        ok = add_worker_locked(deployment);
    for (int i = deployment->worker_slots - 1; i >= 0; i--) {
        if (mm_workers_on_locked(deployment) > most &&
            deployment->workers[i]->state == MM_WORKER_ON)
            deployment->workers[i]->state = MM_WORKER_LEAVING;
    }
    mm_workers_wake_locked(deployment);
    if (!ok)
        mm_log_write(&deployment->manager->log, MM_LOG_WARNING,
                     "%s: only %d of %d workers could be started", deployment->asked,
                     mm_workers_on_locked(deployment), count);
    mm_loader_grow_locked(deployment);
    return mm_workers_on_locked(deployment) > 0;
}

void mm_workers_leave_locked(const mm_replica *replica) {
    const mm_deployment *deployment = replica->deployment;
    for (int i = 0; i < deployment->worker_slots; i++) {
        mm_worker *worker = deployment->workers[i];
        if (worker->replica == replica && worker->state == MM_WORKER_ON)
            worker->state = MM_WORKER_LEAVING;
        pthread_cond_signal(&worker->wake);
    }
}

void mm_workers_wake_locked(mm_deployment *deployment) {
    for (int i = 0; i < deployment->worker_slots; i++)
        pthread_cond_signal(&deployment->workers[i]->wake);
}

void mm_workers_stop_locked(mm_deployment *deployment) {
    for (int i = 0; i < deployment->worker_slots; i++) {
        if (deployment->workers[i]->state == MM_WORKER_ON)
            deployment->workers[i]->state = MM_WORKER_LEAVING;
    }
    mm_workers_wake_locked(deployment);
}

void mm_workers_join(mm_deployment *deployment) {
    for (int i = 0; i < deployment->worker_slots; i++)
        join(deployment->workers[i]);
}

void mm_workers_free(mm_deployment *deployment) {
    for (int i = 0; i < deployment->worker_slots; i++) {
        pthread_cond_destroy(&deployment->workers[i]->wake);
        mm_free(deployment->workers[i]->own);
        mm_free(deployment->workers[i]);
    }
    mm_free(deployment->workers);
}
