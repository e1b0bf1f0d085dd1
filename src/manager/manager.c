// SPDX-License-Identifier: Apache-2.0
// The manager as a whole: created, entered, left, freed.
#include "base/memory.h"
#include "manager/disk_cache.h"
#include "manager/fetch.h"
#include "manager/machine.h"
#include "manager/state.h"

#include <math.h>
#include <string.h>

#ifndef MM_VERSION_TEXT
#define MM_VERSION_TEXT "unknown"
#endif

const char *mm_version(void) {
    return MM_VERSION_TEXT;
}

int64_t mm_manager_now(const mm_manager *manager) {
    return manager->clock->now_ns(manager->clock);
}

mm_status mm_manager_enter(mm_manager *manager, mm_error *error) {
    if (!mm_settings_boolean(manager->settings, MM_SETTING_ENABLED_INDEX))
        return mm_fail(error, MM_STATUS_DISABLED,
                       "model-manager is switched off (setting enabled: false)");
    mm_mutex_lock(&manager->lock);
    bool closing = manager->closing;
    if (!closing)
        manager->calls++;
    mm_mutex_unlock(&manager->lock);
    return closing ? mm_fail(error, MM_STATUS_SHUTTING_DOWN, "the manager is shutting down")
                   : MM_STATUS_OK;
}

void mm_manager_leave(mm_manager *manager) {
    mm_mutex_lock(&manager->lock);
    if (--manager->calls == 0)
        pthread_cond_broadcast(&manager->calls_done);
    mm_mutex_unlock(&manager->lock);
}

// ---- Creation ----------------------------------------------------------------------------------

void mm_manager_options_init(mm_manager_options *options) {
    *options = (mm_manager_options){.struct_size = sizeof(*options)};
}

static mm_status take_settings(mm_manager *manager, const mm_settings *given, mm_error *error) {
    if (given)
        return mm_settings_copy(&manager->settings, given, error);
    mm_status status = mm_settings_create(&manager->settings, error);
    return status ? status : mm_settings_load_environment(manager->settings, ".env", error);
}

static const char *variable(const void *payload, const char *name) {
    return mm_settings_variable(payload, name);
}

// Without its disk tier, where that cannot be had.
static mm_status make_cache(mm_manager *manager, mm_error *error) {
    const mm_settings *settings = manager->settings;
    const char *path = mm_settings_text(settings, MM_SETTING_CACHE_DISK_PATH_INDEX);
    int64_t bytes = mm_settings_integer(settings, MM_SETTING_CACHE_DISK_BYTES_INDEX);
    mm_status status = mm_embedding_cache_create(
        &manager->cache, (size_t)mm_settings_integer(settings, MM_SETTING_CACHE_SIZE_INDEX),
        mm_settings_number(settings, MM_SETTING_CACHE_TTL_INDEX, INFINITY), error);
    if (status || !path || !mm_settings_boolean(settings, MM_SETTING_ENABLED_INDEX))
        return status;
    mm_disk_cache *disk;
    mm_error reason = {0};
    if (mm_disk_cache_open(&disk, path, (uint64_t)bytes, manager->clock, &manager->log, &reason))
        mm_log_write(&manager->log, MM_LOG_WARNING,
                     "embedding_cache.disk_path: %s; vectors are kept in memory only",
                     reason.message);
    else
        mm_embedding_cache_set_disk(manager->cache, disk);
    return MM_STATUS_OK;
}

static mm_status derive(mm_manager *manager, const mm_gpu_source *gpus, mm_error *error) {
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    const mm_settings *settings = manager->settings;
    const char *level = mm_settings_text(settings, MM_SETTING_LOG_LEVEL_INDEX);
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(levels[i], level) == 0)
            manager->log.level = (mm_log_level)i;
    }
    int64_t threads = mm_settings_integer(settings, MM_SETTING_CPU_THREADS_INDEX);
    manager->cpu_threads = threads > 0 ? (int)threads : mm_machine_cpus();
    mm_status status = mm_devices_create(&manager->devices, settings, gpus, &manager->log, error);
    if (!status)
        status = mm_hub_cache_path(&manager->hub_cache, variable, settings, error);
    if (!status)
        status = mm_hub_access_read(&manager->access, variable, settings, error);
    manager->access.offline |= mm_settings_boolean(settings, MM_SETTING_OFFLINE_INDEX);
    if (!status && mm_settings_boolean(settings, MM_SETTING_CACHE_ENABLED_INDEX))
        status = make_cache(manager, error);
    manager->places = (mm_hub_places){
        .models_dir = mm_settings_text(settings, MM_SETTING_MODELS_DIR_INDEX),
        .hub_cache = manager->hub_cache,
        .offline = manager->access.offline,
    };
    return status;
}

// The logged outcome is all that comes of a pre-load from the settings.
static void preload_done(mm_job *job, mm_status status, mm_result *result, const mm_error *error,
                         void *payload) {
    const mm_manager *manager = payload;
    if (status)
        mm_log_write(&manager->log, MM_LOG_ERROR, "preload: %s: %s", mm_status_name(status),
                     error->message);
    mm_result_free(result);
    mm_job_free(job);
}

static mm_status start_preloads(mm_manager *manager, mm_error *error) {
    const json_t *list = mm_settings_list(manager->settings, MM_SETTING_PRELOAD_INDEX);
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < json_array_size(list) && !status; i++) {
        mm_request *request;
        mm_job *job;
        status = mm_request_from_json(&request, json_array_get(list, i), true, error);
        if (!status)
            status = mm_task_submit(&job, manager, request, preload_done, manager, error);
        if (status)
            mm_error_prefix(error, "setting preload[%zu]", i);
        mm_request_free(request);
    }
    return status;
}

mm_status mm_manager_create(mm_manager **out, const mm_manager_options *options, mm_error *error) {
    return mm_manager_create_in(out, options, &(mm_surroundings){&mm_clock_monotonic, NULL}, error);
}

mm_status mm_manager_create_in(mm_manager **out, const mm_manager_options *options,
                               const mm_surroundings *surroundings, mm_error *error) {
    mm_manager_options chosen;
    mm_manager_options_init(&chosen);
    if (options)
        memcpy(&chosen, options,
               options->struct_size < sizeof(chosen) ? options->struct_size : sizeof(chosen));
    *out = NULL;
    mm_manager *manager = mm_calloc(1, sizeof(*manager));
    if (!manager)
        return mm_fail_memory(error, "a manager");
    mm_mutex_init(&manager->lock, MM_RANK_MANAGER);
    mm_condition_init(&manager->calls_done);
    mm_condition_init(&manager->service_wake);
    mm_condition_init(&manager->timer_wake);
    mm_condition_init(&manager->memory_wake);
    manager->shutdown_ns = INT64_MAX;
    manager->clock = surroundings->clock;
    manager->log = (mm_log){.callback = chosen.log, .payload = chosen.log_payload};
    manager->progress = chosen.progress;
    manager->progress_payload = chosen.progress_payload;
    mm_status status = take_settings(manager, chosen.settings, error);
    if (!status)
        status = derive(manager, surroundings->gpus, error);
    if (!status && chosen.hub_token) {
        mm_free(manager->access.token);
        manager->access.token = mm_strdup(chosen.hub_token);
        if (!manager->access.token)
            status = mm_fail_memory(error, "the Hub's token");
    }
    bool enabled = !status && mm_settings_boolean(manager->settings, MM_SETTING_ENABLED_INDEX);
    if (!status)
        status = mm_events_start(manager, chosen.events, chosen.events_payload, error);
    if (enabled && !status && !mm_timer_start(manager))
        status = mm_fail(error, MM_STATUS_OUT_OF_MEMORY, "cannot start a thread");
    if (enabled && !status)
        status = start_preloads(manager, error);
    if (status) {
        mm_manager_free(manager);
        return status;
    }
    *out = manager;
    return MM_STATUS_OK;
}

// ---- The end -----------------------------------------------------------------------------------

static void cancel_waiting_locked(mm_manager *manager) {
    for (mm_job *job = manager->jobs, *following; job; job = following) {
        following = job->following;
        if (!job->owned)
            mm_job_fail_locked(job, MM_STATUS_CANCELLED, "the manager is shutting down");
    }
}

void mm_manager_free(mm_manager *manager) {
    if (!manager)
        return;
    mm_mutex_lock(&manager->lock);
    manager->closing = manager->ending = true;
    manager->shutdown_ns = INT64_MAX;
    cancel_waiting_locked(manager);
    mm_deployment *deployment;
    while ((deployment = manager->deployments) != NULL) {
        int stopped;
        manager->deployments = deployment->next;
        (void)mm_deployment_close_locked(deployment, MM_STATUS_CANCELLED,
                                         "the manager is shutting down", &stopped);
        mm_mutex_unlock(&manager->lock);
        mm_deployment_free(deployment);
        mm_mutex_lock(&manager->lock);
    }
    while (manager->calls > 0)
        mm_condition_wait(&manager->calls_done, &manager->lock);
    mm_mutex_unlock(&manager->lock);
    mm_timer_join(manager);
    mm_service_join(manager);
    mm_fetches_free(manager);
    mm_events_join(manager);
    mm_fingerprints_free(manager);
    mm_embedding_cache_free(manager->cache);
    mm_devices_free(&manager->devices);
    mm_settings_free(manager->settings);
    mm_free(manager->hub_cache);
    mm_hub_access_free(&manager->access);
    pthread_cond_destroy(&manager->calls_done);
    pthread_cond_destroy(&manager->service_wake);
    pthread_cond_destroy(&manager->timer_wake);
    pthread_cond_destroy(&manager->memory_wake);
    mm_mutex_destroy(&manager->lock);
    mm_free(manager);
}
