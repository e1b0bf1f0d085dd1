// SPDX-License-Identifier: Apache-2.0
// Service threads take submitted jobs through their steps and call back. None of the steps waits
// for a model or a worker, so a few threads do; they start when there is more to do than threads.
#include "manager/state.h"

static void serve_locked(mm_manager *manager, mm_job *job) {
    job->in_service = false;
    if (job->state == MM_JOB_DONE) {
        mm_mutex_unlock(&manager->lock);
        mm_job_deliver(job);
        mm_mutex_lock(&manager->lock);
        return;
    }
    mm_job_retain(job);
    job->owned = true;
    if (job->state == MM_JOB_STARTING) {
        mm_mutex_unlock(&manager->lock);
        mm_job_start(job);
        mm_mutex_lock(&manager->lock);
    }
    // Not when it waited and was resumed in between: then it is in the list again.
    if (job->state == MM_JOB_PREPARING && !job->in_service) {
        job->owned = true;
        mm_mutex_unlock(&manager->lock);
        mm_job_prepare(job);
        mm_mutex_lock(&manager->lock);
    }
    mm_mutex_unlock(&manager->lock);
    mm_job_release(job);
    mm_mutex_lock(&manager->lock);
}

static void *service_main(void *argument) {
    mm_manager *manager = argument;
    mm_mutex_lock(&manager->lock);
    for (;;) {
        mm_job *job = mm_job_list_pop(&manager->service);
        if (job) {
            serve_locked(manager, job);
        } else if (manager->service_stop) {
            break;
        } else {
            manager->service_idle++;
            if (manager->closing)
                pthread_cond_broadcast(&manager->calls_done);
            mm_condition_wait(&manager->service_wake, &manager->lock);
            manager->service_idle--;
        }
    }
    mm_mutex_unlock(&manager->lock);
    return NULL;
}

void mm_service_push_locked(mm_job *job) {
    mm_manager *manager = job->manager;
    int limit = manager->cpu_threads < MM_SERVICE_MAX ? manager->cpu_threads : MM_SERVICE_MAX;
    job->in_service = true;
    mm_job_list_push(&manager->service, job);
    bool crowded = manager->service.count > (size_t)manager->service_idle;
    if (crowded && manager->service_count < limit &&
        mm_thread_start(&manager->service_threads[manager->service_count], service_main, manager))
        manager->service_count++;
    pthread_cond_signal(&manager->service_wake);
}

void mm_service_join(mm_manager *manager) {
    mm_mutex_lock(&manager->lock);
    manager->service_stop = true;
    pthread_cond_broadcast(&manager->service_wake);
    mm_mutex_unlock(&manager->lock);
    for (int i = 0; i < manager->service_count; i++)
        pthread_join(manager->service_threads[i], NULL);
}
