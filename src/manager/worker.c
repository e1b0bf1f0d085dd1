// SPDX-License-Identifier: Apache-2.0
// Workers: each has a thread and a session of its own and takes queued jobs, several small ones at
// once. A worker whose share of the processor's threads changed makes itself a new session.
#include "base/clock.h"
#include "base/memory.h"
#include "manager/state.h"

#include <string.h>

enum { MAX_JOBS = 32 }; // in one batch

// What a worker's thread holds; nobody else sees it.
struct mm_workplace {
    mm_worker *worker;
    mm_deployment *deployment;
    mm_session *session;
    int threads; // the session's; 0 = not made yet
    mm_job *jobs[MAX_JOBS];
    size_t job_count;
    mm_status status[MAX_JOBS];
    mm_error errors[MAX_JOBS];
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
    mm_backend *backend;
    mm_status status = mm_manager_cpu(&backend, own->deployment->manager, error);
    if (!status)
        status = mm_session_create(&own->session, backend, threads, error);
    if (!status)
        status = mm_embedder_prepare_session(own->deployment->embedder, own->session, error);
    if (status) {
        mm_session_free(own->session);
        own->session = NULL;
    }
    return status;
}

// ---- Batches -----------------------------------------------------------------------------------

static bool goes_with(const mm_job *a, const mm_job *b) {
    return a->work.dimension == b->work.dimension && a->work.skip == b->work.skip &&
           a->work.options.normalize == b->work.options.normalize;
}

static size_t rows_of(const mm_job *job) {
    return job->work.starts[job->work.count];
}

// Takes the next job and, while the device has room for more rows, those behind it that fit in.
static void take_locked(mm_workplace *own) {
    mm_deployment *deployment = own->deployment;
    mm_job_list *queue = &deployment->queues[deployment->queues[0].count == 0];
    size_t room = (size_t)mm_backend_batch_rows(deployment->manager->cpu) * (size_t)own->threads;
    size_t rows = 0;
    own->job_count = 0;
    while (queue->first && own->job_count < MAX_JOBS) {
        mm_job *job = queue->first;
        if (own->job_count > 0 && (rows + rows_of(job) > room || !goes_with(own->jobs[0], job)))
            break;
        (void)mm_job_list_pop(queue);
        job->state = MM_JOB_RUNNING;
        job->owned = true;
        mm_job_retain(job);
        rows += rows_of(job);
        own->jobs[own->job_count++] = job;
    }
}

// All sequences of the jobs as one; the arrays are the caller's to free.
static mm_status merge(mm_embedding_job *out, float **vectors, const mm_workplace *own,
                       mm_error *error) {
    size_t count = 0, rows = 0;
    for (size_t i = 0; i < own->job_count; i++) {
        count += own->jobs[i]->work.count;
        rows += rows_of(own->jobs[i]);
    }
    *out = own->jobs[0]->work;
    out->count = count;
    out->prompt = NULL;
    out->owned_prompt = NULL;
    out->truncated = NULL; // of no interest here
    out->ids = mm_array_realloc(NULL, rows, sizeof(*out->ids));
    out->starts = mm_array_realloc(NULL, count + 1, sizeof(*out->starts));
    out->tokens = mm_array_realloc(NULL, count, sizeof(*out->tokens));
    *vectors = mm_array_realloc(NULL, count * (size_t)out->dimension, sizeof(**vectors));
    if (!out->ids || !out->starts || !out->tokens || !*vectors)
        return mm_fail_memory(error, "a batch of requests");
    size_t at = 0;
    out->starts[0] = 0;
    for (size_t i = 0; i < own->job_count; i++) {
        const mm_embedding_job *work = &own->jobs[i]->work;
        memcpy(out->tokens + at, work->tokens, work->count * sizeof(*work->tokens));
        memcpy(out->ids + out->starts[at], work->ids, rows_of(own->jobs[i]) * sizeof(*work->ids));
        for (size_t k = 1; k <= work->count; k++)
            out->starts[at + k] = out->starts[at] + work->starts[k];
        at += work->count;
    }
    return MM_STATUS_OK;
}

static bool run_merged(mm_workplace *own) {
    mm_embedding_job all;
    float *vectors = NULL;
    const mm_embedder *embedder = own->deployment->embedder;
    mm_status status = merge(&all, &vectors, own, NULL);
    if (!status)
        status = mm_embedder_run(embedder, own->session, &all, vectors, NULL);
    const float *from = vectors;
    for (size_t i = 0; i < own->job_count && !status; i++) {
        mm_result *result = own->jobs[i]->result;
        size_t values = result->count * result->dimension;
        memcpy(result->vectors, from, values * sizeof(*from));
        from += values;
        own->status[i] = MM_STATUS_OK;
    }
    mm_free(all.ids);
    mm_free(all.starts);
    mm_free(all.tokens);
    mm_free(vectors);
    return status == MM_STATUS_OK;
}

static void run(mm_workplace *own) {
    mm_status status = MM_STATUS_OK;
    mm_error error = {0};
    int64_t begun = mm_clock_now_ns();
    if (!own->session)
        status = make_session(own, own->threads, &error);
    // What fails together is run one by one, so that each gets its own answer.
    bool merged = !status && own->job_count > 1 && run_merged(own);
    for (size_t i = 0; i < own->job_count && !merged; i++) {
        mm_job *job = own->jobs[i];
        own->errors[i] = error;
        own->status[i] = status
                             ? status
                             : mm_embedder_run(own->deployment->embedder, own->session, &job->work,
                                               job->result->vectors, &own->errors[i]);
    }
    int64_t ended = mm_clock_now_ns();
    for (size_t i = 0; i < own->job_count; i++) {
        mm_job *job = own->jobs[i];
        mm_result *result = job->result;
        result->worker_id = own->worker->index;
        result->tokens = job->work.tokens;
        result->truncated = job->work.truncated;
        job->work.tokens = NULL;
        job->work.truncated = NULL;
        if (job->returns_ids) {
            result->ids = job->work.ids;
            result->starts = job->work.starts;
            job->work.ids = NULL;
            job->work.starts = NULL;
        }
        result->timing.queue_ms = (double)(begun - job->queued_ns) * 1e-6;
        result->timing.compute_ms = (double)(ended - begun) * 1e-6;
        result->timing.total_ms = (double)(ended - job->started_ns) * 1e-6;
    }
}

static void complete_locked(mm_workplace *own) {
    for (size_t i = 0; i < own->job_count; i++) {
        mm_job *job = own->jobs[i];
        mm_job_detach_locked(job);
        if (job->state != MM_JOB_DONE) // else it timed out meanwhile
            mm_job_finish_locked(job, own->status[i], own->status[i] ? &own->errors[i] : NULL);
    }
}

// ---- The thread --------------------------------------------------------------------------------

static void work_locked(mm_workplace *own) {
    mm_manager *manager = own->deployment->manager;
    own->worker->busy = true;
    take_locked(own);
    pthread_mutex_unlock(&manager->lock);
    run(own);
    pthread_mutex_lock(&manager->lock);
    own->worker->busy = false;
    complete_locked(own);
    pthread_mutex_unlock(&manager->lock);
    for (size_t i = 0; i < own->job_count; i++)
        mm_job_release(own->jobs[i]);
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
