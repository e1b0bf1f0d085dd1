// SPDX-License-Identifier: Apache-2.0
// Deployments: found, created, attached to, released.
#include "base/memory.h"
#include "manager/fetch.h"
#include "manager/state.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int64_t zero_grace_ns = 100000000; // the finishing thread releases first
static const double for_ever_minutes = 1e8;

// ---- Life --------------------------------------------------------------------------------------

void mm_deployment_free(mm_deployment *deployment) {
    if (!deployment)
        return;
    if (deployment->has_loader)
        pthread_join(deployment->loader, NULL);
    mm_hub_model_free(&deployment->model);
    mm_free(deployment->asked);
    mm_free(deployment->asked_revision);
    mm_workers_free(deployment);
    mm_replicas_free(deployment);
    pthread_cond_destroy(&deployment->changed);
    mm_free(deployment);
}

static bool is_pinned(const mm_manager *manager, const char *name, const char *asked) {
    const json_t *list = mm_settings_list(manager->settings, MM_SETTING_PINNED_INDEX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *pinned = json_string_value(json_array_get(list, i));
        if (strcmp(pinned, name) == 0 || strcmp(pinned, asked) == 0)
            return true;
    }
    return false;
}

static mm_status create(mm_deployment **out, const mm_job *job, mm_hub_model *model,
                        const mm_target *target, mm_error *error) {
    const char *asked = mm_request_text(job->request, MM_PARAM_MODEL_NAME, "");
    const char *revision = mm_request_text(job->request, MM_PARAM_REVISION, NULL);
    mm_deployment *deployment = *out = mm_calloc(1, sizeof(*deployment));
    if (!deployment)
        return mm_fail_memory(error, "a deployment");
    mm_condition_init(&deployment->changed);
    deployment->manager = job->manager;
    deployment->target = *target;
    deployment->wanted_workers = 1;
    double seconds = mm_settings_number(job->manager->settings, MM_SETTING_IDLE_TIMEOUT_INDEX, -1);
    deployment->keep_alive = seconds < 0 ? -1 : seconds / 60;
    deployment->asked = mm_strdup(asked);
    deployment->asked_revision = revision ? mm_strdup(revision) : NULL;
    mm_status status = mm_replicas_create(deployment, error);
    if (!status && (!deployment->asked || (revision && !deployment->asked_revision)))
        status = mm_fail_memory(error, "a deployment");
    if (status) {
        mm_deployment_free(deployment);
        *out = NULL;
        return status;
    }
    deployment->model = *model;
    *model = (mm_hub_model){0};
    deployment->is_pinned = is_pinned(job->manager, deployment->model.name, asked);
    return MM_STATUS_OK;
}

// ---- Attaching ---------------------------------------------------------------------------------

// What the request says about the deployment as such.
static mm_status apply_locked(mm_deployment *deployment, const mm_request *request,
                              mm_error *error) {
    const mm_settings *settings = deployment->manager->settings;
    const mm_value *workers = &request->values[MM_PARAM_NUM_WORKERS];
    const mm_value *keep_alive = &request->values[MM_PARAM_KEEP_ALIVE];
    int64_t most = mm_settings_integer(settings, MM_SETTING_MAX_WORKERS_INDEX);
    bool pool = mm_settings_boolean(settings, MM_SETTING_POOL_ENABLED_INDEX);
    int64_t wanted = workers->null ? mm_settings_integer(settings, MM_SETTING_NUM_WORKERS_INDEX)
                                   : workers->integer;
    if (workers->set && pool) {
        if (wanted > most) {
            mm_status status = mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                                       "num_workers is %lld, more than worker_pool.max_workers "
                                       "(%lld)",
                                       (long long)wanted, (long long)most);
            mm_parameter_details(error, "num_workers");
            return status;
        }
        if (request->preload || wanted > deployment->wanted_workers) {
            deployment->wanted_workers = (int)wanted;
            mm_placement_retry_locked(deployment);
        }
    }
    if (keep_alive->set) {
        double minutes = keep_alive->number;
        double lowest = mm_settings_number(settings, MM_SETTING_KEEP_ALIVE_MIN_INDEX, 0);
        double highest = mm_settings_number(settings, MM_SETTING_KEEP_ALIVE_MAX_INDEX, INFINITY);
        if (minutes < 0 && isfinite(highest))
            minutes = highest;
        if (minutes >= 0)
            minutes = fmin(fmax(minutes, lowest), highest);
        deployment->keep_alive = minutes < 0 || minutes > for_ever_minutes ? -1 : minutes;
    }
    return MM_STATUS_OK;
}

static mm_status attach_locked(mm_job *job, mm_deployment *deployment, mm_error *error) {
    mm_manager *manager = job->manager;
    job->owned = false;
    if (job->state == MM_JOB_DONE)
        return MM_STATUS_OK; // timed out, cancelled
    if (manager->ending)
        return mm_fail(error, MM_STATUS_CANCELLED, "the manager is shutting down");
    int64_t now = mm_manager_now(manager);
    mm_status status = mm_cool_down_check(&deployment->cool_down, "loading", now, error);
    if (!status && deployment->waiting.count > 0)
        status = mm_deployment_room_locked(deployment, error);
    if (!status)
        status = apply_locked(deployment, job->request, error);
    if (status)
        return status;
    job->deployment = deployment;
    job->expires = deployment->keep_alive == 0;
    deployment->users++;
    if (deployment->state == MM_DEPLOYMENT_READY) {
        deployment->hits++;
        if (deployment->wanted_workers != mm_workers_on_locked(deployment))
            (void)mm_workers_set_locked(deployment, deployment->wanted_workers);
        job->state = MM_JOB_PREPARING;
        job->waiting_ns = 0;
        return MM_STATUS_OK;
    }
    job->state = MM_JOB_WAITING;
    mm_job_list_push(&deployment->waiting, job);
    if (deployment->state == MM_DEPLOYMENT_ABSENT || deployment->state == MM_DEPLOYMENT_FAILED)
        mm_loader_start_locked(deployment);
    return MM_STATUS_OK; // DRAINING: loaded again at the end of that
}

static bool same_target(const mm_target *a, const mm_target *b) {
    return a->device == b->device && a->dtype == b->dtype;
}

// `asked` may not know its dtype yet.
static bool answers_locked(const mm_deployment *deployment, const mm_target *asked) {
    if (!asked->is_auto)
        return same_target(&deployment->target, asked);
    return deployment->target.device == asked->device && deployment->target.is_auto;
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_of(const mm_deployment *deployment, const mm_hub_model *model) {
    return strcmp(deployment->model.name, model->name) == 0 &&
           same_text(deployment->model.commit, model->commit);
}

static mm_deployment *find_locked(const mm_manager *manager, const mm_hub_model *model,
                                  const mm_target *target) {
    mm_deployment *at = manager->deployments;
    while (at && !(same_target(&at->target, target) && is_of(at, model)))
        at = at->next;
    return at;
}

bool mm_deployment_dtype(mm_manager *manager, const mm_hub_model *model, mm_target *target) {
    mm_mutex_lock(&manager->lock);
    const mm_deployment *at = manager->deployments;
    while (at && !(answers_locked(at, target) && is_of(at, model) &&
                   at->state != MM_DEPLOYMENT_ABSENT && at->state != MM_DEPLOYMENT_FAILED))
        at = at->next; // the files of those two may have changed
    if (at)
        target->dtype = at->target.dtype;
    mm_mutex_unlock(&manager->lock);
    return at != NULL;
}

mm_deployment *mm_deployment_ready_locked(const mm_manager *manager, const char *name,
                                          const char *revision, const mm_target *target) {
    mm_deployment *at = manager->deployments;
    while (at && !(answers_locked(at, target) && at->state == MM_DEPLOYMENT_READY &&
                   strcmp(at->asked, name) == 0 && same_text(at->asked_revision, revision)))
        at = at->next;
    return at;
}

bool mm_deployment_attach_known(mm_job *job, const char *name, const char *revision,
                                const mm_target *target, mm_status *status, mm_error *error) {
    mm_manager *manager = job->manager;
    mm_mutex_lock(&manager->lock);
    mm_deployment *known = mm_deployment_ready_locked(manager, name, revision, target);
    if (known)
        *status = attach_locked(job, known, error);
    mm_mutex_unlock(&manager->lock);
    return known != NULL;
}

mm_status mm_deployment_apply_locked(mm_manager *manager, const mm_hub_model *model,
                                     const mm_target *target, const mm_request *request,
                                     mm_error *error) {
    mm_deployment *at = find_locked(manager, model, target);
    if (!at || at->state != MM_DEPLOYMENT_READY)
        return MM_STATUS_OK;
    mm_status status = apply_locked(at, request, error);
    if (status)
        return status;
    at->hits++;
    if (at->wanted_workers != mm_workers_on_locked(at))
        (void)mm_workers_set_locked(at, at->wanted_workers);
    mm_timer_schedule_locked(manager, mm_deployment_expiry_locked(at));
    return MM_STATUS_OK;
}

mm_status mm_deployment_attach(mm_job *job, mm_hub_model *model, const mm_target *target,
                               mm_error *error) {
    mm_manager *manager = job->manager;
    mm_status status = MM_STATUS_OK;
    mm_mutex_lock(&manager->lock);
    if (manager->ending)
        status = mm_fail(error, MM_STATUS_CANCELLED, "the manager is shutting down");
    mm_deployment *at = find_locked(manager, model, target);
    if (!at && !status) {
        status = create(&at, job, model, target, error);
        if (!status) {
            at->next = manager->deployments;
            manager->deployments = at;
        }
    }
    if (!status && target->is_auto)
        at->target.is_auto = true; // found again without a look at the files
    if (!status)
        status = attach_locked(job, at, error);
    mm_mutex_unlock(&manager->lock);
    return status;
}

// ---- Closing -----------------------------------------------------------------------------------

void mm_deployment_fail_jobs_locked(mm_deployment *deployment, const mm_error *error) {
    mm_job *job;
    while ((job = deployment->waiting.first) || (job = mm_queue_first(&deployment->queue)))
        mm_job_finish_locked(job, error->status, error);
}

static void fail_waiting_locked(mm_deployment *deployment, mm_status status, const char *message) {
    mm_error error = {0};
    (void)mm_fail(&error, status, "%s", message);
    mm_deployment_fail_jobs_locked(deployment, &error);
}

size_t mm_deployment_unload_locked(mm_deployment *deployment, int *workers_stopped) {
    mm_manager *manager = deployment->manager;
    deployment->drained_for = NULL; // nobody changes its mind any more
    if (deployment->state == MM_DEPLOYMENT_READY)
        mm_deployment_become_locked(deployment, MM_DEPLOYMENT_DRAINING, NULL);
    pthread_cond_broadcast(&manager->memory_wake); // its loader may wait there, for a replica more
    while (deployment->growing || deployment->users > deployment->waiting.count) // or preparing
        mm_condition_wait(&deployment->changed, &manager->lock);
    *workers_stopped = mm_workers_on_locked(deployment);
    mm_workers_stop_locked(deployment);
    mm_mutex_unlock(&manager->lock);
    mm_workers_join(deployment);
    size_t freed = mm_replicas_unload(deployment);
    mm_log_write(&manager->log, MM_LOG_INFO, "released %s: %zu bytes", deployment->asked, freed);
    mm_mutex_lock(&manager->lock);
    mm_replicas_forget_locked(deployment);
    mm_deployment_become_locked(deployment, MM_DEPLOYMENT_ABSENT, NULL);
    if (deployment->waiting.count > 0) // came meanwhile
        mm_loader_start_locked(deployment);
    return freed;
}

void mm_deployment_resume_locked(mm_deployment *deployment) {
    mm_job *job;
    while ((job = mm_job_list_pop(&deployment->waiting)) != NULL)
        mm_job_resume_locked(job);
}

size_t mm_deployment_close_locked(mm_deployment *deployment, mm_status status, const char *message,
                                  int *workers_stopped) {
    mm_manager *manager = deployment->manager;
    *workers_stopped = 0;
    fail_waiting_locked(deployment, status, message);
    while (deployment->state == MM_DEPLOYMENT_LOADING ||
           (deployment->state == MM_DEPLOYMENT_DRAINING && !deployment->drained_for)) {
        deployment->abandoned = true;
        pthread_cond_broadcast(&manager->memory_wake);
        mm_condition_wait(&deployment->changed, &manager->lock);
    }
    deployment->abandoned = false;
    if (mm_deployment_works_locked(deployment))
        return mm_deployment_unload_locked(deployment, workers_stopped);
    mm_cool_down_reset(&deployment->cool_down);
    if (deployment->state == MM_DEPLOYMENT_FAILED)
        mm_deployment_become_locked(deployment, MM_DEPLOYMENT_ABSENT, NULL);
    if (deployment->waiting.count > 0) // came meanwhile
        mm_loader_start_locked(deployment);
    return 0;
}

int64_t mm_deployment_expiry_locked(const mm_deployment *deployment) {
    if (deployment->state == MM_DEPLOYMENT_FAILED && deployment->users == 0)
        return mm_cool_down_forgotten_ns(&deployment->cool_down);
    if (deployment->state != MM_DEPLOYMENT_READY || deployment->users > 0 || deployment->growing)
        return INT64_MAX;
    if (mm_replicas_live_locked(deployment) == 0)
        return deployment->last_used_ns; // of no use
    if (deployment->keep_alive < 0 || deployment->is_pinned)
        return INT64_MAX;
    int64_t after = (int64_t)(deployment->keep_alive * 60e9);
    return deployment->last_used_ns + (after > 0 ? after : zero_grace_ns);
}

static mm_deployment *expired_locked(const mm_manager *manager, bool zero_only) {
    int64_t now = mm_manager_now(manager);
    for (mm_deployment *at = manager->deployments; at; at = at->next) {
        int64_t expiry = mm_deployment_expiry_locked(at);
        if (expiry == INT64_MAX)
            continue;
        bool is_zero = at->state == MM_DEPLOYMENT_READY && at->keep_alive == 0;
        if (zero_only ? is_zero : expiry <= now)
            return at;
    }
    return NULL;
}

// What failed to load is of no use any more; wrong names do not pile up.
static void forget_locked(mm_deployment *deployment) {
    mm_deployment **at = &deployment->manager->deployments;
    while (*at != deployment)
        at = &(*at)->next;
    *at = deployment->next;
    mm_deployment_become_locked(deployment, MM_DEPLOYMENT_ABSENT, NULL);
    mm_deployment_free(deployment);
}

void mm_manager_expire(mm_manager *manager, bool zero_only) {
    mm_deployment *deployment;
    int stopped;
    mm_mutex_lock(&manager->lock);
    while ((deployment = expired_locked(manager, zero_only)) != NULL) {
        if (deployment->state == MM_DEPLOYMENT_FAILED)
            forget_locked(deployment);
        else
            (void)mm_deployment_close_locked(deployment, MM_STATUS_RELEASED,
                                             "the model was released", &stopped);
    }
    mm_mutex_unlock(&manager->lock);
}

// ---- Release by name ---------------------------------------------------------------------------

bool mm_deployment_goes_by(const mm_deployment *deployment, mm_name_kind kind, const char *name,
                           const char *real) {
    if (strcmp(deployment->asked, name) == 0)
        return true;
    const char *own = deployment->model.name;
    if (kind == MM_NAME_DIRECTORY)
        return deployment->model.kind == MM_NAME_DIRECTORY && real && strcmp(own, real) == 0;
    const char *bare = mm_hub_name_bare(own);
    return strcmp(own, name) == 0 || (kind == MM_NAME_BARE && bare && strcmp(bare, name) == 0);
}

// All that go by the name, linked to each other: nobody else finds them any more, and what is asked
// for from now on is a new deployment that this release does not concern.
static mm_deployment *unlink_locked(mm_manager *manager, mm_name_kind kind, const char *name,
                                    const char *real) {
    mm_deployment *found = NULL;
    for (mm_deployment **at = &manager->deployments; *at;) {
        mm_deployment *deployment = *at;
        if (mm_deployment_goes_by(deployment, kind, name, real)) {
            *at = deployment->next;
            deployment->next = found;
            found = deployment;
        } else {
            at = &deployment->next;
        }
    }
    return found;
}

mm_status mm_model_release(mm_manager *manager, const char *model_name, mm_release_info *info,
                           mm_error *error) {
    mm_name_kind kind;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    status = mm_hub_name_kind(&kind, model_name, error);
    if (!status) {
        char real[PATH_MAX];
        bool exists = kind == MM_NAME_DIRECTORY && realpath(model_name, real);
        mm_release_info sum = {0};
        mm_mutex_lock(&manager->lock);
        sum.released = mm_fetch_release_locked(manager, model_name);
        mm_deployment *found = unlink_locked(manager, kind, model_name, exists ? real : NULL);
        for (mm_deployment *at = found; at; at = at->next) {
            int stopped;
            sum.released |= at->state != MM_DEPLOYMENT_ABSENT && at->state != MM_DEPLOYMENT_FAILED;
            sum.freed_bytes += mm_deployment_close_locked(
                at, MM_STATUS_RELEASED, "the model was released while the request waited",
                &stopped);
            sum.workers_stopped += stopped;
        }
        mm_mutex_unlock(&manager->lock);
        while (found) {
            mm_deployment *next = found->next;
            mm_deployment_free(found);
            found = next;
        }
        if (info) {
            size_t size = info->struct_size < sizeof(sum) ? info->struct_size : sizeof(sum);
            sum.struct_size = info->struct_size;
            memcpy(info, &sum, size);
        }
    }
    mm_manager_leave(manager);
    return status;
}
