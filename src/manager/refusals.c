// SPDX-License-Identifier: Apache-2.0
// Requests that a queue does not take, gives up, or drops, and what they are told: how long to wait
// before trying again, from how fast the deployment has answered others.
#include "base/memory.h"
#include "base/utf8.h"
#include "manager/json_text.h"
#include "manager/state.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

// ---- Full, or too slow -------------------------------------------------------------------------

static size_t limit_of(const mm_manager *manager) {
    return (size_t)mm_settings_integer(manager->settings, MM_SETTING_QUEUE_LIMIT_INDEX);
}

// What waits now is served by then, a model that is not there yet being loaded first.
static int64_t retry_after_locked(const mm_deployment *deployment, size_t queued) {
    bool is_ready = deployment->state == MM_DEPLOYMENT_READY;
    int64_t load = is_ready ? 0 : (int64_t)deployment->load_seconds;
    return load +
           mm_service_rate_seconds(&deployment->rate, queued, mm_manager_now(deployment->manager));
}

static void put_details(mm_error *error, int64_t retry_after_s, size_t queued, size_t limit) {
    mm_error_details(error, "{\"retry_after_s\": %lld, \"queued\": %zu, \"limit\": %zu}",
                     (long long)retry_after_s, queued, limit);
}

static mm_status refuse(const mm_manager *manager, const char *name, size_t queued, int64_t seconds,
                        mm_error *error) {
    mm_status status =
        mm_fail(error, MM_STATUS_QUEUE_FULL,
                "%zu requests wait for %.100s already (worker_pool.queue_limit); try again in "
                "%lld s",
                queued, name, (long long)seconds);
    put_details(error, seconds, queued, limit_of(manager));
    return status;
}

size_t mm_deployment_queued_locked(const mm_deployment *deployment) {
    return deployment->waiting.count + mm_queue_count(&deployment->queue);
}

mm_status mm_deployment_room_locked(const mm_deployment *deployment, mm_error *error) {
    const mm_manager *manager = deployment->manager;
    size_t queued = mm_deployment_queued_locked(deployment);
    if (queued < limit_of(manager))
        return MM_STATUS_OK;
    return refuse(manager, deployment->asked, queued, retry_after_locked(deployment, queued),
                  error);
}

mm_status mm_download_room_locked(const mm_manager *manager, const char *name, size_t queued,
                                  mm_error *error) {
    static const int64_t soon_s = 10; // how long a download takes is not known
    if (queued < limit_of(manager))
        return MM_STATUS_OK;
    return refuse(manager, name, queued, soon_s, error);
}

void mm_job_queue_timeout_locked(mm_job *job) {
    const mm_deployment *deployment = job->deployment;
    size_t queued = mm_deployment_queued_locked(deployment);
    int64_t seconds = retry_after_locked(deployment, queued);
    mm_error error = {0};
    (void)mm_fail(&error, MM_STATUS_QUEUE_TIMEOUT,
                  "the request waited longer than worker_pool.queue_timeout for a worker; try "
                  "again in %lld s, or ask for more workers",
                  (long long)seconds);
    put_details(&error, seconds, queued, limit_of(job->manager));
    mm_job_finish_locked(job, MM_STATUS_QUEUE_TIMEOUT, &error);
}

// ---- Dropped -----------------------------------------------------------------------------------

// {"reason": ...}, the reason as far as it fits.
static void put_reason(mm_error *error, const char *reason) {
    mm_buffer text;
    mm_buffer_init(&text, sizeof(error->details) - 1);
    size_t length = strnlen(reason, sizeof(error->details));
    bool ok = false;
    for (; !ok && length > 0; length--) {
        mm_buffer_clear(&text);
        ok = mm_utf8_valid(reason, length, NULL) && mm_buffer_puts(&text, "{\"reason\": ") &&
             mm_json_put_string(&text, reason, length) && mm_buffer_putc(&text, '}');
    }
    mm_error_details(error, "%s", ok ? text.data : "{\"reason\": \"\"}");
    mm_buffer_free(&text);
}

typedef struct dropped_name {
    mm_name_kind kind;
    const char *name;
    const char *real; // of a directory that exists, else NULL
} dropped_name;

// By its deployment's names, or by its own where it has none yet.
static bool is_for_locked(const mm_job *job, const dropped_name *by) {
    if (job->deployment)
        return mm_deployment_goes_by(job->deployment, by->kind, by->name, by->real);
    const char *asked = mm_request_text(job->request, MM_PARAM_MODEL_NAME, "");
    const char *bare = mm_hub_name_bare(by->name);
    return strcmp(asked, by->name) == 0 || (bare && strcmp(asked, bare) == 0);
}

static size_t drop_locked(mm_manager *manager, const dropped_name *by, const mm_error *error) {
    size_t dropped = 0;
    for (mm_job *job = manager->jobs, *following; job; job = following) {
        following = job->following;
        if (job->state == MM_JOB_RUNNING || !is_for_locked(job, by))
            continue;
        mm_job_finish_locked(job, MM_STATUS_CANCELLED, error);
        dropped++;
    }
    return dropped;
}

mm_status mm_queue_drop(mm_manager *manager, const char *model_name, const char *reason,
                        size_t *dropped, mm_error *error) {
    dropped_name by = {.name = model_name};
    if (dropped)
        *dropped = 0;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    status = mm_hub_name_kind(&by.kind, model_name, error);
    if (!status) {
        char real[PATH_MAX];
        bool exists = by.kind == MM_NAME_DIRECTORY && realpath(model_name, real);
        by.real = exists ? real : NULL;
        mm_error answer = {0};
        (void)mm_fail(&answer, MM_STATUS_CANCELLED, "the queue of %.100s was dropped", model_name);
        put_reason(&answer, reason ? reason : "");
        mm_mutex_lock(&manager->lock);
        size_t count = drop_locked(manager, &by, &answer);
        mm_mutex_unlock(&manager->lock);
        if (dropped)
            *dropped = count;
    }
    mm_manager_leave(manager);
    return status;
}
