// SPDX-License-Identifier: Apache-2.0
// mm_manager_status: what is loaded and what it takes.
#include "base/clock.h"
#include "base/memory.h"
#include "manager/json_text.h"
#include "manager/machine.h"
#include "manager/state.h"

#include <string.h>

static bool put_seconds(mm_buffer *out, int64_t nanoseconds) {
    return mm_json_put_milliseconds(out, (double)nanoseconds * 1e-9);
}

static bool put_workers_locked(mm_buffer *out, const mm_deployment *deployment) {
    int busy = 0;
    for (int i = 0; i < deployment->worker_slots; i++)
        busy += deployment->workers[i]->running > 0;
    size_t queued =
        deployment->waiting.count + deployment->queues[0].count + deployment->queues[1].count;
    return mm_buffer_printf(out, ", \"workers\": %d, \"busy\": %d, \"queued\": %zu, \"bytes\": %zu",
                            mm_workers_on_locked(deployment), busy, queued,
                            deployment->planned_bytes);
}

static bool put_times_locked(mm_buffer *out, const mm_deployment *deployment) {
    int64_t now = mm_clock_now_ns();
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

static bool put_model_locked(mm_buffer *out, const mm_deployment *deployment) {
    bool is_directory = deployment->model.kind == MM_NAME_DIRECTORY;
    return mm_buffer_puts(out, "{\"model_name\": ") &&
           mm_json_put_string_or_null(out,
                                      is_directory ? deployment->asked : deployment->model.name) &&
           mm_buffer_puts(out, ", \"revision\": ") &&
           mm_json_put_string_or_null(out, deployment->model.commit) &&
           mm_buffer_printf(out, ", \"device\": \"%s\", \"dtype\": \"%s\", \"state\": \"%s\"",
                            deployment->device,
                            deployment->dtype == MM_COMPUTE_BF16 ? "bf16" : "f32",
                            deployment->state == MM_DEPLOYMENT_LOADING ? "loading" : "ready") &&
           put_workers_locked(out, deployment) && put_times_locked(out, deployment);
}

// Only what holds memory, or is about to.
static bool put_models_locked(mm_buffer *out, const mm_manager *manager, uint64_t *used) {
    bool ok = mm_buffer_puts(out, "\"models\": [");
    bool first = true;
    for (const mm_deployment *at = manager->deployments; at && ok; at = at->next) {
        if (at->state != MM_DEPLOYMENT_READY && at->state != MM_DEPLOYMENT_LOADING)
            continue;
        ok = mm_buffer_puts(out, first ? "" : ", ") && put_model_locked(out, at);
        first = false;
        *used += at->planned_bytes;
    }
    return ok && mm_buffer_putc(out, ']');
}

mm_status mm_manager_status(char **out, mm_manager *manager, mm_error *error) {
    *out = NULL;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    mm_buffer text;
    mm_buffer_init(&text, PTRDIFF_MAX);
    uint64_t total, available, used = 0;
    mm_machine_memory(&total, &available);
    mm_cache_statistics cache = {0};
    if (manager->cache)
        mm_embedding_cache_statistics(&cache, manager->cache);
    pthread_mutex_lock(&manager->lock);
    bool ok = mm_buffer_putc(&text, '{') && put_models_locked(&text, manager, &used);
    pthread_mutex_unlock(&manager->lock);
    ok = ok && mm_buffer_printf(&text,
                                ", \"devices\": [{\"device\": \"cpu\", \"bytes_total\": %llu, "
                                "\"bytes_free\": %llu, \"bytes_used\": %llu}], \"cache\": "
                                "{\"entries\": %llu, \"hits\": %llu, \"misses\": %llu, "
                                "\"bytes\": %llu}}",
                                (unsigned long long)total, (unsigned long long)available,
                                (unsigned long long)used, (unsigned long long)cache.entries,
                                (unsigned long long)cache.hits, (unsigned long long)cache.misses,
                                (unsigned long long)cache.bytes);
    *out = ok ? mm_buffer_detach(&text) : NULL;
    mm_buffer_free(&text);
    mm_manager_leave(manager);
    return *out ? MM_STATUS_OK : mm_fail_memory(error, "the status");
}
