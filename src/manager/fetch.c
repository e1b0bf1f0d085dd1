// SPDX-License-Identifier: Apache-2.0
// Downloads that requests wait for: one for each name and revision, on a thread of its own. When it
// is over, its jobs start again and find the model on this machine; when nobody waits any more, it
// stops, and what has arrived is where the next one goes on.
#include "manager/fetch.h"

#include "base/memory.h"
#include "manager/pull.h"

#include <string.h>

static void free_fetch(mm_fetch *fetch) {
    if (!fetch)
        return;
    mm_free(fetch->name);
    mm_free(fetch->revision);
    mm_free(fetch);
}

// What resolves is a name: one download serves all devices.
static void become_locked(mm_fetch *fetch, mm_deployment_state state, const mm_error *error) {
    const mm_stateful subject = {
        .state = &fetch->state, .model_name = fetch->name, .revision = fetch->revision};
    mm_state_change_locked(fetch->manager, &subject, state, error);
}

// ---- The thread --------------------------------------------------------------------------------

static bool is_cancelled(void *payload) {
    mm_fetch *fetch = payload;
    return atomic_load(&fetch->cancelled);
}

static void on_progress(const mm_hub_progress *progress, void *payload) {
    mm_fetch *fetch = payload;
    mm_manager *manager = fetch->manager;
    if (!mm_pull_show(progress, fetch->name, manager->progress, manager->progress_payload))
        atomic_store(&fetch->cancelled, true);
}

static mm_status download(mm_fetch *fetch, mm_error *error) {
    mm_manager *manager = fetch->manager;
    const mm_hub_watch watch = {
        .cancelled = is_cancelled, .progress = on_progress, .payload = fetch, .log = &manager->log};
    mm_hub_model model;
    mm_hub_pulled pulled;
    mm_log_write(&manager->log, MM_LOG_INFO, "downloading %s", fetch->name);
    mm_status status = mm_hub_pull(&model, &pulled, &manager->access, manager->places.models_dir,
                                   fetch->name, fetch->revision, MM_HUB_NEED_ALL, &watch, error);
    mm_hub_model_free(&model);
    if (status)
        mm_log_write(&manager->log, status == MM_STATUS_CANCELLED ? MM_LOG_INFO : MM_LOG_ERROR,
                     "downloading %s failed: %s", fetch->name, error->message);
    else
        mm_log_write(&manager->log, MM_LOG_INFO, "downloaded %s: %llu bytes in %d ms", fetch->name,
                     (unsigned long long)pulled.downloaded,
                     (int)((mm_manager_now(manager) - fetch->begun_ns) / 1000000));
    return status;
}

static void end_locked(mm_fetch *fetch, mm_status status, const mm_error *error) {
    if (!status)
        mm_cool_down_reset(&fetch->cool_down);
    if (!status || status == MM_STATUS_CANCELLED) {
        become_locked(fetch, MM_DEPLOYMENT_ABSENT, NULL);
        return;
    }
    mm_cool_down_begin(&fetch->cool_down, error, mm_manager_now(fetch->manager));
    become_locked(fetch, MM_DEPLOYMENT_FAILED, error);
}

static void *fetch_main(void *argument) {
    mm_fetch *fetch = argument;
    mm_manager *manager = fetch->manager;
    mm_error error = {0};
    mm_status status = download(fetch, &error);
    mm_mutex_lock(&manager->lock);
    if (fetch->state == MM_DEPLOYMENT_RESOLVING) // nobody has given up on it
        end_locked(fetch, status, &error);
    fetch->ended = true;
    mm_job *job;
    while ((job = fetch->waiting.first) != NULL) {
        if (status)
            mm_job_finish_locked(job, status, &error);
        else
            mm_job_restart_locked(mm_job_list_pop(&fetch->waiting));
    }
    mm_mutex_unlock(&manager->lock);
    return NULL;
}

// ---- Waiting for one ---------------------------------------------------------------------------

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool mm_fetch_is_news_locked(const mm_fetch *fetch) {
    return fetch->state == MM_DEPLOYMENT_RESOLVING ||
           (fetch->state == MM_DEPLOYMENT_FAILED &&
            mm_manager_now(fetch->manager) < mm_cool_down_forgotten_ns(&fetch->cool_down));
}

// Forgets those that have ended and are no news any more.
static void prune_locked(mm_manager *manager) {
    for (mm_fetch **at = &manager->fetches; *at;) {
        mm_fetch *fetch = *at;
        if (!fetch->ended || mm_fetch_is_news_locked(fetch)) {
            at = &fetch->next;
            continue;
        }
        *at = fetch->next;
        if (fetch->state == MM_DEPLOYMENT_FAILED)
            become_locked(fetch, MM_DEPLOYMENT_ABSENT, NULL);
        if (fetch->has_thread)
            pthread_join(fetch->thread, NULL);
        free_fetch(fetch);
    }
}

static mm_fetch *find_locked(const mm_manager *manager, const char *name, const char *revision) {
    mm_fetch *at = manager->fetches;
    while (at && !(strcmp(at->name, name) == 0 && same_text(at->revision, revision) &&
                   !atomic_load(&at->cancelled)))
        at = at->next;
    return at;
}

static mm_status add_locked(mm_fetch **out, mm_manager *manager, const char *name,
                            const char *revision, mm_error *error) {
    mm_fetch *fetch = *out = mm_calloc(1, sizeof(*fetch));
    if (!fetch)
        return mm_fail_memory(error, "a download");
    atomic_init(&fetch->cancelled, false);
    fetch->manager = manager;
    fetch->state = MM_DEPLOYMENT_ABSENT;
    fetch->ended = true;
    fetch->name = mm_strdup(name);
    fetch->revision = revision ? mm_strdup(revision) : NULL;
    if (!fetch->name || (revision && !fetch->revision)) {
        free_fetch(fetch);
        *out = NULL;
        return mm_fail_memory(error, "a download");
    }
    fetch->next = manager->fetches;
    manager->fetches = fetch;
    return MM_STATUS_OK;
}

static mm_status start_locked(mm_fetch *fetch, mm_error *error) {
    if (fetch->has_thread) // an earlier one, at its end: it only had to let go of the lock
        pthread_join(fetch->thread, NULL);
    fetch->begun_ns = mm_manager_now(fetch->manager);
    fetch->has_thread = mm_thread_start(&fetch->thread, fetch_main, fetch);
    if (!fetch->has_thread)
        return mm_fail(error, MM_STATUS_OUT_OF_MEMORY,
                       "cannot start a thread to download the model; raise the limit on "
                       "processes");
    fetch->ended = false;
    become_locked(fetch, MM_DEPLOYMENT_RESOLVING, NULL);
    return MM_STATUS_OK;
}

// The download that a request has to wait for, under way.
static mm_status get_locked(mm_fetch **out, mm_manager *manager, const char *name,
                            const char *revision, mm_error *error) {
    prune_locked(manager);
    mm_fetch *fetch = find_locked(manager, name, revision);
    mm_status status = MM_STATUS_OK;
    if (fetch)
        status =
            mm_cool_down_check(&fetch->cool_down, "downloading", mm_manager_now(manager), error);
    else
        status = add_locked(&fetch, manager, name, revision, error);
    if (!status && fetch->state != MM_DEPLOYMENT_RESOLVING)
        status = start_locked(fetch, error);
    *out = fetch;
    return status;
}

static mm_status wait_locked(mm_job *job, const char *name, const char *revision, mm_error *error) {
    mm_manager *manager = job->manager;
    job->owned = false;
    if (job->state == MM_JOB_DONE)
        return MM_STATUS_OK; // timed out, cancelled
    if (manager->ending)
        return mm_fail(error, MM_STATUS_CANCELLED, "the manager is shutting down");
    mm_fetch *fetch;
    mm_status status = get_locked(&fetch, manager, name, revision, error);
    if (!status)
        status = mm_download_room_locked(manager, name, fetch->waiting.count, error);
    if (status)
        return status;
    job->fetch = fetch;
    job->fetching_ns = mm_manager_now(manager);
    job->state = MM_JOB_FETCHING;
    mm_job_list_push(&fetch->waiting, job);
    return MM_STATUS_OK;
}

mm_status mm_fetch_attach(mm_job *job, const char *name, const char *revision, mm_error *error) {
    mm_mutex_lock(&job->manager->lock);
    mm_status status = wait_locked(job, name, revision, error);
    mm_mutex_unlock(&job->manager->lock);
    return status;
}

void mm_fetch_leave_locked(mm_job *job) {
    mm_fetch *fetch = job->fetch;
    mm_job_list_remove(&fetch->waiting, job);
    job->fetch = NULL;
    if (fetch->waiting.first || fetch->state != MM_DEPLOYMENT_RESOLVING)
        return;
    atomic_store(&fetch->cancelled, true);
    become_locked(fetch, MM_DEPLOYMENT_ABSENT, NULL);
}

// ---- The end -----------------------------------------------------------------------------------

bool mm_fetch_release_locked(mm_manager *manager, const char *name) {
    const char *bare = mm_hub_name_bare(name);
    bool found = false;
    for (mm_fetch *fetch = manager->fetches; fetch; fetch = fetch->next) {
        if (strcmp(fetch->name, name) != 0 && !(bare && strcmp(fetch->name, bare) == 0))
            continue;
        mm_cool_down_reset(&fetch->cool_down);
        if (fetch->state == MM_DEPLOYMENT_FAILED)
            become_locked(fetch, MM_DEPLOYMENT_ABSENT, NULL);
        found |= fetch->waiting.first != NULL;
        while (fetch->waiting.first)
            mm_job_fail_locked(fetch->waiting.first, MM_STATUS_RELEASED,
                               "the model was released while the request waited");
    }
    return found;
}

void mm_fetches_free(mm_manager *manager) {
    while (manager->fetches) {
        mm_fetch *fetch = manager->fetches;
        manager->fetches = fetch->next;
        atomic_store(&fetch->cancelled, true);
        if (fetch->has_thread)
            pthread_join(fetch->thread, NULL);
        free_fetch(fetch);
    }
}
