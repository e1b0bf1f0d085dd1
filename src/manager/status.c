// SPDX-License-Identifier: Apache-2.0
// mm_manager_status: what is loaded and what it takes.
#include "base/memory.h"
#include "manager/fetch.h"
#include "manager/json_text.h"
#include "manager/state.h"

#include <string.h>

static bool put_seconds(mm_buffer *out, int64_t nanoseconds) {
    return mm_json_put_milliseconds(out, (double)nanoseconds * 1e-9);
}

static bool put_workers_locked(mm_buffer *out, const mm_deployment *deployment) {
    int busy = 0;
    for (int i = 0; i < deployment->worker_slots; i++)
        busy += deployment->workers[i]->running > 0;
    size_t queued = mm_deployment_queued_locked(deployment);
    return mm_buffer_printf(out, ", \"workers\": %d, \"busy\": %d, \"queued\": %zu, \"bytes\": %zu",
                            mm_workers_on_locked(deployment), busy, queued,
                            mm_replicas_bytes_locked(deployment));
}

static bool put_times_locked(mm_buffer *out, const mm_deployment *deployment) {
    int64_t now = mm_manager_now(deployment->manager);
    int64_t expiry = mm_deployment_expiry_locked(deployment);
    bool used = deployment->last_used_ns > 0;
    bool ok = mm_buffer_puts(out, ", \"last_used_s\": ");
    ok = ok &&
         (used ? put_seconds(out, now - deployment->last_used_ns) : mm_buffer_puts(out, "null"));
    ok = ok && mm_buffer_puts(out, ", \"expires_in_s\": ");
    ok = ok && (expiry == INT64_MAX ? mm_buffer_puts(out, "null") : put_seconds(out, expiry - now));
    ok = ok && mm_buffer_puts(out, ", \"keep_alive_minutes\": ");
    ok = ok && (deployment->keep_alive < 0 ? mm_buffer_puts(out, "-1")
                                           : mm_json_put_float(out, (float)deployment->keep_alive));
    return ok && mm_buffer_printf(out, ", \"loads\": %llu, \"hits\": %llu}",
                                  (unsigned long long)deployment->loads,
                                  (unsigned long long)deployment->hits);
}

static bool put_name(mm_buffer *out, const char *name, const char *revision) {
    return mm_buffer_puts(out, "{\"model_name\": ") && mm_json_put_string_or_null(out, name) &&
           mm_buffer_puts(out, ", \"revision\": ") && mm_json_put_string_or_null(out, revision);
}

static bool put_model_locked(mm_buffer *out, const mm_deployment *deployment) {
    return put_name(out, mm_deployment_name(deployment), deployment->model.commit) &&
           mm_buffer_printf(out, ", \"device\": \"%s\", \"dtype\": \"%s\", \"state\": \"%s\"",
                            deployment->target.device->name,
                            mm_compute_dtype_name(deployment->target.dtype),
                            mm_deployment_state_name(deployment->state)) &&
           put_workers_locked(out, deployment) && put_times_locked(out, deployment);
}

// A name that becomes a model when its download is over.
static bool put_fetch_locked(mm_buffer *out, const mm_fetch *fetch) {
    return put_name(out, fetch->name, fetch->revision) &&
           mm_buffer_printf(out,
                            ", \"device\": null, \"dtype\": null, \"state\": \"%s\", "
                            "\"workers\": 0, \"busy\": 0, \"queued\": %zu, \"bytes\": 0, "
                            "\"last_used_s\": null, \"expires_in_s\": null, "
                            "\"keep_alive_minutes\": null, \"loads\": 0, \"hits\": 0}",
                            mm_deployment_state_name(fetch->state), fetch->waiting.count);
}

// All but those that are absent, and downloads for those to come.
static bool put_models_locked(mm_buffer *out, const mm_manager *manager) {
    bool ok = mm_buffer_puts(out, "\"models\": [");
    const char *comma = "";
    for (const mm_deployment *at = manager->deployments; at && ok; at = at->next) {
        if (at->state == MM_DEPLOYMENT_ABSENT)
            continue;
        ok = mm_buffer_puts(out, comma) && put_model_locked(out, at);
        comma = ", ";
    }
    for (const mm_fetch *at = manager->fetches; at && ok; at = at->next) {
        if (!mm_fetch_is_news_locked(at))
            continue;
        ok = mm_buffer_puts(out, comma) && put_fetch_locked(out, at);
        comma = ", ";
    }
    return ok && mm_buffer_putc(out, ']');
}

// A device, and what it has by its driver or the system: asked for without the lock.
typedef struct device_view {
    const mm_device *device;
    uint64_t total, available;
} device_view;

static bool put_devices_locked(mm_buffer *out, const device_view *views, int count) {
    bool ok = mm_buffer_puts(out, ", \"devices\": [");
    const char *comma = "";
    for (int i = 0; i < count && ok; i++) {
        if (!mm_device_is_usable_locked(views[i].device))
            continue;
        ok = mm_buffer_printf(out,
                              "%s{\"device\": \"%s\", \"bytes_total\": %llu, \"bytes_free\": %llu, "
                              "\"bytes_used\": %zu}",
                              comma, views[i].device->name, (unsigned long long)views[i].total,
                              (unsigned long long)views[i].available,
                              views[i].device->planned_bytes);
        comma = ", ";
    }
    return ok && mm_buffer_putc(out, ']');
}

static bool put_cache_counts(mm_buffer *out, uint64_t entries, uint64_t hits, uint64_t misses,
                             uint64_t bytes) {
    return mm_buffer_printf(out,
                            "{\"entries\": %llu, \"hits\": %llu, \"misses\": %llu, \"bytes\": %llu",
                            (unsigned long long)entries, (unsigned long long)hits,
                            (unsigned long long)misses, (unsigned long long)bytes);
}

static bool put_cache(mm_buffer *out, const mm_manager *manager) {
    mm_cache_statistics cache = {0};
    if (manager->cache)
        mm_embedding_cache_statistics(&cache, manager->cache);
    bool ok = mm_buffer_puts(out, ", \"cache\": ") &&
              put_cache_counts(out, cache.entries, cache.hits, cache.misses, cache.bytes) &&
              mm_buffer_puts(out, ", \"disk\": ");
    if (ok && cache.has_disk)
        ok = put_cache_counts(out, cache.disk_entries, cache.disk_hits, cache.disk_misses,
                              cache.disk_bytes);
    return ok && mm_buffer_puts(out, cache.has_disk ? "}}}" : "null}}");
}

mm_status mm_manager_status(char **out, mm_manager *manager, mm_error *error) {
    *out = NULL;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    mm_buffer text;
    mm_buffer_init(&text, PTRDIFF_MAX);
    const int count = manager->devices.count;
    device_view *views = mm_calloc((size_t)count, sizeof(*views));
    for (int i = 0; i < count && views; i++) {
        views[i].device = &manager->devices.list[i];
        mm_device_memory(views[i].device, &views[i].total, &views[i].available);
    }
    mm_mutex_lock(&manager->lock);
    bool ok = views && mm_buffer_putc(&text, '{') && put_models_locked(&text, manager) &&
              put_devices_locked(&text, views, count);
    mm_mutex_unlock(&manager->lock);
    ok = ok && put_cache(&text, manager);
    *out = ok ? mm_buffer_detach(&text) : NULL;
    mm_buffer_free(&text);
    mm_free(views);
    mm_manager_leave(manager);
    return *out ? MM_STATUS_OK : mm_fail_memory(error, "the status");
}
