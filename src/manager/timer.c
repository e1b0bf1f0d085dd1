// SPDX-License-Identifier: Apache-2.0
// One thread sleeps until the next deadline: of a job, or of an idle model. It looks at all of them
// when it wakes, which is seldom: only for deadlines that were set.
#include "manager/state.h"

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

// Ends the jobs whose time is over; returns the next deadline.
static int64_t end_jobs_locked(mm_manager *manager, int64_t now) {
    int64_t next = INT64_MAX;
    for (mm_job *job = manager->jobs, *following; job; job = following) {
        following = job->following;
        if (job->deadline_ns <= now) {
            mm_job_fail_locked(job, MM_STATUS_TIMEOUT,
                               "the request took longer than its timeout_ms");
        } else if (job->state == MM_JOB_QUEUED && job->queue_deadline_ns <= now) {
            mm_job_queue_timeout_locked(job);
        } else {
            next = earlier(next, job->deadline_ns);
            if (job->state == MM_JOB_QUEUED)
                next = earlier(next, job->queue_deadline_ns);
        }
    }
    return next;
}

static void *timer_main(void *argument) {
    mm_manager *manager = argument;
    mm_mutex_lock(&manager->lock);
    while (!manager->timer_stop) {
        int64_t now = mm_manager_now(manager);
        int64_t next = earlier(end_jobs_locked(manager, now), mm_shutdown_due_locked(manager, now));
        bool expired = false;
        for (mm_deployment *at = manager->deployments; at; at = at->next) {
            int64_t expiry = mm_deployment_expiry_locked(at);
            expired |= expiry <= now;
            next = earlier(next, expiry);
        }
        if (expired) {
            mm_mutex_unlock(&manager->lock);
            mm_manager_expire(manager, false);
            mm_mutex_lock(&manager->lock);
            continue;
        }
        manager->timer_next_ns = next;
        mm_clock *clock = manager->clock;
        clock->wait_until(clock, &manager->timer_wake, &manager->lock, next);
    }
    mm_mutex_unlock(&manager->lock);
    return NULL;
}

void mm_timer_schedule_locked(mm_manager *manager, int64_t when_ns) {
    if (when_ns >= manager->timer_next_ns)
        return;
    manager->timer_next_ns = when_ns;
    pthread_cond_signal(&manager->timer_wake);
}

bool mm_timer_start(mm_manager *manager) {
    manager->timer_next_ns = INT64_MAX;
    manager->timer_started = mm_thread_start(&manager->timer, timer_main, manager);
    return manager->timer_started;
}

void mm_timer_join(mm_manager *manager) {
    if (!manager->timer_started)
        return;
    mm_mutex_lock(&manager->lock);
    manager->timer_stop = true;
    pthread_cond_signal(&manager->timer_wake);
    mm_mutex_unlock(&manager->lock);
    pthread_join(manager->timer, NULL);
    manager->timer_started = false;
}
