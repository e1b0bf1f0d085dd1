// SPDX-License-Identifier: Apache-2.0
// mm_manager_shutdown: no new work, time for what has begun, then an end to it. The timer's thread
// sees when the time is over.
#include "manager/state.h"

// Answers all that is left. What a worker has in its hands it goes on with, or leaves at its next
// step; mm_manager_free waits for that.
static void end_locked(mm_manager *manager) {
    manager->ending = true;
    manager->shutdown_ns = INT64_MAX;
    for (mm_job *job = manager->jobs, *following; job; job = following) {
        following = job->following;
        mm_job_fail_locked(job, MM_STATUS_CANCELLED, "the manager is shutting down");
        manager->cut_off++;
    }
}

int64_t mm_shutdown_due_locked(mm_manager *manager, int64_t now) {
    if (manager->shutdown_ns <= now)
        end_locked(manager);
    return manager->shutdown_ns;
}

// Every job is answered, every callback has returned, nobody is in a call.
static bool is_quiet_locked(const mm_manager *manager) {
    return !manager->jobs && manager->calls == 0 && manager->service.count == 0 &&
           manager->service_idle == manager->service_count;
}

mm_status mm_manager_shutdown(mm_manager *manager, int64_t deadline_ms, mm_error *error) {
    mm_mutex_lock(&manager->lock);
    const int64_t now = mm_manager_now(manager);
    const bool has_end = deadline_ms >= 0 && deadline_ms < (INT64_MAX - now) / 1000000;
    manager->closing = true;
    if (has_end && now + deadline_ms * 1000000 < manager->shutdown_ns && !manager->ending)
        manager->shutdown_ns = now + deadline_ms * 1000000;
    mm_timer_schedule_locked(manager, mm_shutdown_due_locked(manager, now));
    while (!is_quiet_locked(manager))
        mm_condition_wait(&manager->calls_done, &manager->lock);
    size_t cut_off = manager->cut_off;
    mm_mutex_unlock(&manager->lock);
    if (cut_off == 0)
        return MM_STATUS_OK;
    mm_status status = mm_fail(error, MM_STATUS_TIMEOUT,
                               "%zu requests had not ended when the time to shut down was over; "
                               "they have been cancelled",
                               cut_off);
    mm_error_details(error, "{\"cancelled\": %zu}", cut_off);
    return status;
}
