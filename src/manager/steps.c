// SPDX-License-Identifier: Apache-2.0
// What happens to a job before it is queued: the model's name is resolved and its deployment found,
// then, with the model loaded, the texts become token ids.
#include "base/memory.h"
#include "manager/fetch.h"
#include "manager/recall.h"
#include "manager/state.h"

#include <stdio.h>
#include <string.h>

static double milliseconds(int64_t from_ns, int64_t to_ns) {
    return (double)(to_ns - from_ns) * 1e-6;
}

// ---- Start -------------------------------------------------------------------------------------

// ---- Describing --------------------------------------------------------------------------------

// What a Result says of its model; borrowed.
typedef struct described_model {
    const mm_hub_model *model;
    const char *fingerprint;
    const mm_target *target;
} described_model;

static mm_status copy_text(char **out, const char *text, mm_error *error) {
    *out = text ? mm_strdup(text) : NULL;
    return text && !*out ? mm_fail_memory(error, "a result") : MM_STATUS_OK;
}

// Everything of the result that does not come from the task.
static mm_status describe(mm_job *job, const described_model *known, mm_error *error) {
    const mm_hub_model *model = known->model;
    mm_result *result = job->result = mm_calloc(1, sizeof(*result));
    if (!result)
        return mm_fail_memory(error, "a result");
    const char *asked = mm_request_text(job->request, MM_PARAM_MODEL_NAME, "");
    mm_status status = copy_text(&result->model_name,
                                 model->kind == MM_NAME_DIRECTORY ? asked : model->name, error);
    if (!status)
        status = copy_text(&result->revision, model->commit, error);
    if (!status)
        status = copy_text(&result->fingerprint, known->fingerprint, error);
    if (!status)
        status = copy_text(&result->id, mm_request_text(job->request, MM_PARAM_ID, NULL), error);
    result->id_is_number = job->request->id_is_number;
    result->returns_ids = mm_request_boolean(job->request, MM_PARAM_RETURN_IDS, false);
    result->kind = job->kind;
    (void)snprintf(result->device, sizeof(result->device), "%s", known->target->device->name);
    result->dtype = mm_compute_dtype_name(known->target->dtype);
    result->device_fallback = job->device_fallback;
    result->worker_id = -1;
    result->timing.download_ms = job->download_ms;
    return status;
}

static void finish_now_locked(mm_job *job) {
    mm_result *result = job->result;
    if (job->request->preload) {
        mm_deployment *deployment = job->deployment;
        result->preloaded = true;
        result->workers = mm_workers_on_locked(deployment);
        result->keep_alive_minutes = deployment->keep_alive < 0 ? -1 : deployment->keep_alive;
    }
    result->timing.total_ms = milliseconds(job->started_ns, mm_manager_now(job->manager));
    mm_job_detach_locked(job);
    mm_job_finish_locked(job, MM_STATUS_OK, NULL);
}

// Answers without the model what needs no model; false when it does.
static bool recall(mm_job *job, const described_model *known) {
    bool done = describe(job, known, NULL) == MM_STATUS_OK && job->kind->recall(job);
    if (!done) {
        mm_result_free(job->result);
        job->result = NULL;
        return false;
    }
    mm_error error = {0};
    mm_manager *manager = job->manager;
    mm_mutex_lock(&manager->lock);
    if (job->state != MM_JOB_DONE) {
        mm_status status =
            mm_deployment_apply_locked(manager, known->model, known->target, job->request, &error);
        if (status)
            mm_job_finish_locked(job, status, &error);
        else
            finish_now_locked(job);
    }
    job->owned = false;
    mm_mutex_unlock(&manager->lock);
    return true;
}

// By the name that a loaded model was asked for: of the Hub, or of a directory, if it still leads
// to the one that the model came from.
static bool recall_loaded(mm_job *job, mm_name_kind kind, const char *name, const char *revision,
                          const mm_target *target) {
    mm_hub_model model = {.kind = kind};
    char fingerprint[MM_FINGERPRINT_DIGITS + 1];
    mm_manager *manager = job->manager;
    struct stat place;
    if (kind == MM_NAME_DIRECTORY && stat(name, &place) != 0)
        return false;
    mm_mutex_lock(&manager->lock);
    const mm_deployment *loaded = mm_deployment_ready_locked(manager, name, revision, target);
    mm_target found = loaded ? loaded->target : *target;
    bool ok = loaded &&
              (kind != MM_NAME_DIRECTORY ||
               mm_fingerprint_is_from_locked(manager, &loaded->model, &found, &place)) &&
              copy_text(&model.name, loaded->model.name, NULL) == MM_STATUS_OK &&
              copy_text(&model.commit, loaded->model.commit, NULL) == MM_STATUS_OK;
    if (ok)
        memcpy(fingerprint, mm_task_model_fingerprint(loaded->loaded), sizeof(fingerprint));
    mm_mutex_unlock(&manager->lock);
    ok = ok && recall(job, &(described_model){&model, fingerprint, &found});
    mm_hub_model_free(&model);
    return ok;
}

// By a fingerprint from when the model was loaded the last time, if its files are still the same.
static bool recall_remembered(mm_job *job, const mm_hub_model *model, const mm_target *target) {
    char fingerprint[MM_FINGERPRINT_DIGITS + 1];
    return mm_fingerprint_recall(fingerprint, job->manager, model, target) &&
           recall(job, &(described_model){model, fingerprint, target});
}

// ---- Attaching ---------------------------------------------------------------------------------

static mm_status attach(mm_job *job, mm_error *error) {
    mm_manager *manager = job->manager;
    const char *name = mm_request_text(job->request, MM_PARAM_MODEL_NAME, "");
    const char *revision = mm_request_text(job->request, MM_PARAM_REVISION, NULL);
    mm_target target;
    mm_name_kind kind;
    mm_status status =
        mm_placement_class(&target.device, &job->device_fallback, manager,
                           mm_request_text(job->request, MM_PARAM_DEVICE, "gpu"), error);
    if (!status)
        status = mm_placement_dtype(&target, manager,
                                    mm_request_text(job->request, MM_PARAM_DTYPE, "auto"), error);
    if (!status)
        status = mm_hub_name_kind(&kind, name, error);
    if (status)
        return status;
    const bool may_recall = job->kind->recall && !job->request->preload && mm_recall_cache_for(job);
    if (may_recall && recall_loaded(job, kind, name, revision, &target))
        return MM_STATUS_OK;
    // A Hub name stays what it was while it is known: no look at the disk for each request.
    if (kind != MM_NAME_DIRECTORY &&
        mm_deployment_attach_known(job, name, revision, &target, &status, error))
        return status;
    mm_hub_model model;
    status = mm_hub_find(&model, &manager->places, name, revision, true, error);
    if (!status)
        status = mm_placement_resolve(&target, manager, &model, error);
    if (!status && !(may_recall && recall_remembered(job, &model, &target)))
        status = mm_deployment_attach(job, &model, &target, error);
    else if (status == MM_STATUS_MODEL_NOT_FOUND && kind != MM_NAME_DIRECTORY && !job->fetching_ns)
        status = mm_fetch_attach(job, name, revision, error);
    mm_hub_model_free(&model);
    return status;
}

void mm_job_start(mm_job *job) {
    mm_error error = {0};
    job->waiting_ns = mm_manager_now(job->manager);
    if (job->fetching_ns)
        job->download_ms = milliseconds(job->fetching_ns, job->waiting_ns);
    mm_status status = attach(job, &error);
    if (!status)
        return;
    mm_mutex_lock(&job->manager->lock);
    if (job->state != MM_JOB_DONE)
        mm_job_finish_locked(job, status, &error);
    mm_job_detach_locked(job);
    mm_mutex_unlock(&job->manager->lock);
}

// ---- Prepare -----------------------------------------------------------------------------------

static mm_status describe_loaded(mm_job *job, mm_error *error) {
    const mm_deployment *deployment = job->deployment;
    const described_model known = {
        .model = &deployment->model,
        .fingerprint = mm_task_model_fingerprint(deployment->loaded),
        .target = &deployment->target,
    };
    mm_status status = describe(job, &known, error);
    if (!status && job->waiting_ns > 0)
        job->result->timing.load_ms = milliseconds(job->waiting_ns, mm_manager_now(job->manager));
    return status;
}

static mm_status prepare(mm_job *job, mm_error *error) {
    mm_status status = job->result ? MM_STATUS_OK : describe_loaded(job, error);
    int64_t begun = mm_manager_now(job->manager);
    if (!status)
        status = job->request->preload ? job->kind->check(job->deployment->loaded, error)
                                       : job->kind->prepare(job, error);
    if (job->result)
        job->result->timing.tokenize_ms += milliseconds(begun, mm_manager_now(job->manager));
    return status;
}

// The answer to a pre-load counts the workers: it waits until there are as many as there will be.
static void wait_for_growth_locked(mm_job *job) {
    job->state = MM_JOB_WAITING;
    job->owned = false;
    mm_job_list_push(&job->deployment->waiting, job);
}

static void enqueue_locked(mm_job *job) {
    mm_manager *manager = job->manager;
    mm_deployment *deployment = job->deployment;
    bool was_let_in = job->waiting_ns > 0 || job->queued_ns > 0; // to wait for the load, or before
    mm_error error = {0};
    mm_status status = was_let_in ? MM_STATUS_OK : mm_deployment_room_locked(deployment, &error);
    if (!status && !mm_placement_ensure_locked(deployment))
        status =
            mm_fail(&error, MM_STATUS_NO_GPU_AVAILABLE,
                    "the GPU of %.100s failed, and there is no other for it", deployment->asked);
    if (status) {
        mm_job_finish_locked(job, status, &error);
        mm_job_detach_locked(job);
        return;
    }
    double seconds = mm_settings_number(manager->settings, MM_SETTING_QUEUE_TIMEOUT_INDEX, -1);
    job->queued_ns = mm_manager_now(manager);
    if (seconds >= 0)
        job->queue_deadline_ns = job->queued_ns + (int64_t)(seconds * 1e9);
    mm_timer_schedule_locked(manager, job->queue_deadline_ns);
    job->state = MM_JOB_QUEUED;
    job->owned = false;
    mm_queue_push(&deployment->queue, job);
    mm_turn_give_locked(deployment);
}

void mm_job_prepare(mm_job *job) {
    mm_error error = {0};
    mm_manager *manager = job->manager;
    mm_status status = prepare(job, &error);
    mm_mutex_lock(&manager->lock);
    if (job->state == MM_JOB_DONE) {
        mm_job_detach_locked(job); // timed out, cancelled or released meanwhile
    } else if (status) {
        mm_job_finish_locked(job, status, &error);
        mm_job_detach_locked(job);
    } else if (manager->ending || !mm_deployment_works_locked(job->deployment)) {
        mm_job_fail_locked(job, manager->ending ? MM_STATUS_CANCELLED : MM_STATUS_RELEASED,
                           manager->ending ? "the manager is shutting down"
                                           : "the model was released while the request waited");
        mm_job_detach_locked(job);
    } else if (job->request->preload && job->deployment->growing) {
        wait_for_growth_locked(job);
    } else if (job->needs_run) {
        enqueue_locked(job);
    } else if (job->needs_more) {
        mm_job_rest_locked(job);
    } else {
        finish_now_locked(job);
    }
    mm_mutex_unlock(&manager->lock);
}
