// SPDX-License-Identifier: Apache-2.0
// mm_model_pull: a model of the Hub into models_dir, on the caller's thread.
#include "manager/pull.h"
#include "base/memory.h"
#include "manager/json_text.h"
#include "manager/state.h"

#include <string.h>

typedef struct puller {
    mm_manager *manager;
    const char *name;
    mm_pull_callback callback; // may be NULL
    void *payload;
    bool stopped;
} puller;

bool mm_pull_show(const mm_hub_progress *progress, const char *name, mm_pull_callback callback,
                  void *payload) {
    const mm_pull_progress shown = {.struct_size = sizeof(shown),
                                    .file = progress->file,
                                    .file_bytes = progress->file_bytes,
                                    .file_size = progress->file_size,
                                    .bytes = progress->bytes,
                                    .size = progress->size,
                                    .files_done = progress->files_done,
                                    .files = progress->files,
                                    .model_name = name};
    return !callback || callback(&shown, payload);
}

static bool is_cancelled(void *payload) {
    puller *self = payload;
    mm_mutex_lock(&self->manager->lock);
    bool ending = self->manager->ending;
    mm_mutex_unlock(&self->manager->lock);
    return ending || self->stopped;
}

static void on_progress(const mm_hub_progress *progress, void *payload) {
    puller *self = payload;
    if (!mm_pull_show(progress, self->name, self->callback, self->payload))
        self->stopped = true;
}

mm_status mm_pull_missing(mm_hub_model *out, mm_manager *manager, const char *name,
                          const char *revision, const char *cache, mm_hub_need need,
                          mm_error *error) {
    mm_name_kind kind;
    mm_status status = mm_hub_name_kind(&kind, name, error);
    if (status)
        return status;
    status = mm_hub_find(out, &manager->places, name, revision, need != MM_HUB_NEED_TEXT, error);
    if (status != MM_STATUS_MODEL_NOT_FOUND || kind == MM_NAME_DIRECTORY)
        return status;
    puller self = {.manager = manager,
                   .name = name,
                   .callback = manager->progress,
                   .payload = manager->progress_payload};
    const mm_hub_watch watch = {
        .cancelled = is_cancelled, .progress = on_progress, .payload = &self, .log = &manager->log};
    mm_hub_pulled pulled;
    return mm_hub_pull(out, &pulled, &manager->access, cache ? cache : manager->places.models_dir,
                       name, revision, need, &watch, error);
}

static bool put(mm_buffer *out, const mm_hub_model *model, const mm_hub_pulled *pulled,
                bool from_cache) {
    return mm_buffer_puts(out, "{\"model_name\": ") &&
           mm_json_put_string_or_null(out, model->name) &&
           mm_buffer_puts(out, ", \"revision\": ") &&
           mm_json_put_string_or_null(out, model->commit) &&
           mm_buffer_puts(out, ", \"directory\": ") &&
           mm_json_put_string_or_null(out, model->directory) &&
           mm_buffer_printf(out,
                            ", \"files\": %zu, \"bytes\": %llu, \"downloaded_bytes\": %llu, "
                            "\"from_cache\": %s}",
                            pulled->files, (unsigned long long)pulled->bytes,
                            (unsigned long long)pulled->downloaded, from_cache ? "true" : "false");
}

// Without a Hub, a model that is here already is as good as pulled.
static bool take_from_cache(mm_hub_model *out, const mm_manager *manager, const char *name,
                            const char *revision, const mm_error *why) {
    if (why->status != MM_STATUS_OFFLINE && why->status != MM_STATUS_DOWNLOAD_FAILED)
        return false;
    if (mm_hub_find(out, &manager->places, name, revision, true, NULL))
        return false;
    mm_log_write(&manager->log, MM_LOG_WARNING, "using %s as it is on this machine: %s", name,
                 why->message);
    return true;
}

mm_status mm_model_pull(char **out, mm_manager *manager, const char *model_name,
                        const char *revision, mm_pull_callback callback, void *payload,
                        mm_error *error) {
    *out = NULL;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    puller self = {
        .manager = manager, .name = model_name, .callback = callback, .payload = payload};
    const mm_hub_watch watch = {
        .cancelled = is_cancelled, .progress = on_progress, .payload = &self, .log = &manager->log};
    mm_hub_model model = {0};
    mm_hub_pulled pulled;
    mm_error why = {0};
    bool from_cache = false;
    status = mm_hub_pull(&model, &pulled, &manager->access, manager->places.models_dir, model_name,
                         revision, MM_HUB_NEED_ALL, &watch, &why);
    if (status) {
        from_cache = take_from_cache(&model, manager, model_name, revision, &why);
        if (from_cache)
            status = MM_STATUS_OK;
        else if (error)
            *error = why;
    }
    mm_buffer text;
    mm_buffer_init(&text, PTRDIFF_MAX);
    if (!status) {
        *out = put(&text, &model, &pulled, from_cache) ? mm_buffer_detach(&text) : NULL;
        if (!*out)
            status = mm_fail_memory(error, "the answer of a download");
    }
    mm_buffer_free(&text);
    mm_hub_model_free(&model);
    mm_manager_leave(manager);
    return status;
}
