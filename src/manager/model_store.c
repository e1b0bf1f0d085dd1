// SPDX-License-Identifier: Apache-2.0
// The models of the Hub that lie on this machine: listing, removing, verifying.
#include "base/clock.h"
#include "base/memory.h"
#include "hub/hub_store.h"
#include "manager/json_text.h"
#include "manager/state.h"

#include <string.h>

static bool put_entry(const mm_hub_entry *entry, void *payload) {
    mm_buffer *out = payload;
    bool first = out->data[out->length - 1] == '[';
    return mm_buffer_puts(out, first ? "{\"model_name\": " : ", {\"model_name\": ") &&
           mm_json_put_string_or_null(out, entry->name) &&
           mm_buffer_puts(out, ", \"revision\": ") &&
           mm_json_put_string_or_null(out, entry->commit) && mm_buffer_puts(out, ", \"refs\": ") &&
           mm_json_put_string_or_null(out, entry->refs) &&
           mm_buffer_printf(out,
                            ", \"complete\": %s, \"bytes\": %llu, \"last_used\": %lld, "
                            "\"directory\": ",
                            entry->complete ? "true" : "false", (unsigned long long)entry->bytes,
                            (long long)entry->last_used_s) &&
           mm_json_put_string_or_null(out, entry->directory) && mm_buffer_putc(out, '}');
}

// Both caches, unless they are one.
static bool list_places(const mm_hub_places *places, mm_hub_entry_function function,
                        void *payload) {
    bool same = places->hub_cache && strcmp(places->hub_cache, places->models_dir) == 0;
    return mm_hub_list(places->models_dir, function, payload) &&
           (!places->hub_cache || same || mm_hub_list(places->hub_cache, function, payload));
}

mm_status mm_model_list(char **out, mm_manager *manager, mm_error *error) {
    *out = NULL;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    const mm_hub_places *places = &manager->places;
    mm_buffer text;
    mm_buffer_init(&text, PTRDIFF_MAX);
    bool ok = mm_buffer_puts(&text, "{\"models\": [") && list_places(places, put_entry, &text) &&
              mm_buffer_puts(&text, "]}");
    *out = ok ? mm_buffer_detach(&text) : NULL;
    mm_buffer_free(&text);
    mm_manager_leave(manager);
    return *out ? MM_STATUS_OK : mm_fail_memory(error, "the list of models");
}

// ---- Removing ----------------------------------------------------------------------------------

static mm_status check_name(mm_name_kind *kind, const char *name, const char *revision,
                            mm_error *error) {
    mm_status status = mm_hub_name_kind(kind, name, error);
    if (!status && *kind == MM_NAME_DIRECTORY)
        status = mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                         "%.200s is a directory; this is for models of the Hub", name);
    if (!status && revision)
        status = mm_hub_revision_check(revision, error);
    return status;
}

// "sentence-transformers/NAME"; NULL when memory is out. The caller frees.
static char *long_name(const char *name) {
    mm_buffer text;
    mm_buffer_init(&text, 1024);
    char *out =
        mm_buffer_printf(&text, "sentence-transformers/%s", name) ? mm_buffer_detach(&text) : NULL;
    mm_buffer_free(&text);
    return out;
}

// A bare name is removed as what it would be found as. *out says as what; the caller frees.
static mm_status remove_model(char **out, mm_hub_removed *removed, const mm_hub_places *places,
                              const char *name, const char *revision, mm_error *error) {
    mm_name_kind kind;
    *out = NULL;
    mm_status status = check_name(&kind, name, revision, error);
    if (status)
        return status;
    *out = kind == MM_NAME_BARE ? long_name(name) : mm_strdup(name);
    if (!*out)
        return mm_fail_memory(error, "a model's name");
    status = mm_hub_remove(removed, places->models_dir, *out, revision, error);
    if (status != MM_STATUS_MODEL_NOT_FOUND || kind != MM_NAME_BARE)
        return status;
    mm_free(*out);
    *out = mm_strdup(name);
    return *out ? mm_hub_remove(removed, places->models_dir, *out, revision, error)
                : mm_fail_memory(error, "a model's name");
}

static bool put_removed(mm_buffer *out, const char *name, const char *revision,
                        const mm_hub_removed *removed) {
    return mm_buffer_puts(out, "{\"model_name\": ") && mm_json_put_string_or_null(out, name) &&
           mm_buffer_puts(out, ", \"revision\": ") && mm_json_put_string_or_null(out, revision) &&
           mm_buffer_printf(out, ", \"snapshots\": %zu, \"freed_bytes\": %llu}", removed->snapshots,
                            (unsigned long long)removed->freed_bytes);
}

mm_status mm_model_remove(char **out, mm_manager *manager, const char *model_name,
                          const char *revision, mm_error *error) {
    *out = NULL;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    char *name;
    mm_hub_removed removed = {0};
    mm_buffer text;
    mm_buffer_init(&text, PTRDIFF_MAX);
    status = remove_model(&name, &removed, &manager->places, model_name, revision, error);
    if (!status && put_removed(&text, name, revision, &removed))
        *out = mm_buffer_detach(&text);
    if (!status && !*out)
        status = mm_fail_memory(error, "the answer of a removal");
    mm_buffer_free(&text);
    mm_free(name);
    mm_manager_leave(manager);
    return status;
}

// ---- Verifying ---------------------------------------------------------------------------------

static const int64_t show_every_ns = 100000000;

typedef struct verifier {
    const char *name, *bare; // only this one; NULL = all. As given, and as it may be called
    const char *revision;
    mm_pull_callback callback;
    void *payload;
    mm_buffer *out;
    mm_buffer problems;
    const mm_hub_entry *entry;
    int64_t shown_ns;
    size_t models;
    bool all_good;
    mm_status status;
    mm_error *error;
} verifier;

static bool put_fault(const char *path, const char *problem, void *payload) {
    verifier *self = payload;
    self->all_good = false;
    return mm_buffer_puts(&self->problems,
                          self->problems.length ? ", {\"file\": " : "{\"file\": ") &&
           mm_json_put_string_or_null(&self->problems, path) &&
           mm_buffer_puts(&self->problems, ", \"problem\": ") &&
           mm_json_put_string_or_null(&self->problems, problem) &&
           mm_buffer_putc(&self->problems, '}');
}

static bool show_read(const char *path, uint64_t bytes, void *payload) {
    verifier *self = payload;
    int64_t now = mm_clock_now_ns();
    bool last = bytes == self->entry->bytes;
    if (!self->callback || (!last && now - self->shown_ns < show_every_ns))
        return true;
    self->shown_ns = now;
    const mm_pull_progress shown = {.struct_size = sizeof(shown),
                                    .file = path,
                                    .bytes = bytes,
                                    .size = self->entry->bytes,
                                    .files_done = last,
                                    .files = 1,
                                    .model_name = self->entry->name};
    return self->callback(&shown, self->payload);
}

static bool is_named(const char *refs, const char *revision) {
    size_t length = strlen(revision);
    for (const char *at = refs; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        if (strncmp(at, revision, length) == 0 && (at[length] == ' ' || !at[length]))
            return true;
    }
    return false;
}

static bool is_asked(const verifier *self, const mm_hub_entry *entry) {
    bool named = !self->name || strcmp(self->name, entry->name) == 0 ||
                 (self->bare && strcmp(self->bare, entry->name) == 0);
    return named && (!self->revision || strcmp(self->revision, entry->commit) == 0 ||
                     is_named(entry->refs, self->revision));
}

static bool verify_entry(const mm_hub_entry *entry, void *payload) {
    verifier *self = payload;
    mm_hub_checked checked;
    if (!is_asked(self, entry))
        return true;
    self->entry = entry;
    mm_buffer_clear(&self->problems);
    self->status =
        mm_hub_verify(&checked, entry->directory, put_fault, show_read, self, self->error);
    if (self->status)
        return false;
    mm_buffer *out = self->out;
    return mm_buffer_puts(out, self->models++ ? ", {\"model_name\": " : "{\"model_name\": ") &&
           mm_json_put_string_or_null(out, entry->name) &&
           mm_buffer_puts(out, ", \"revision\": ") &&
           mm_json_put_string_or_null(out, entry->commit) &&
           mm_buffer_puts(out, ", \"directory\": ") &&
           mm_json_put_string_or_null(out, entry->directory) &&
           mm_buffer_printf(out,
                            ", \"files\": %zu, \"unchecked\": %zu, \"bytes\": %llu, "
                            "\"problems\": [",
                            checked.files, checked.unchecked, (unsigned long long)checked.bytes) &&
           mm_buffer_puts(out, self->problems.length ? self->problems.data : "") &&
           mm_buffer_puts(out, "]}");
}

static mm_status verify(verifier *self, const mm_hub_places *places) {
    mm_buffer models;
    mm_buffer_init(&models, PTRDIFF_MAX);
    mm_buffer_init(&self->problems, PTRDIFF_MAX);
    mm_buffer *out = self->out;
    self->out = &models;
    self->all_good = true;
    bool ok = list_places(places, verify_entry, self);
    if (!self->status && ok && self->name && self->models == 0)
        self->status =
            mm_fail(self->error, MM_STATUS_MODEL_NOT_FOUND, "%.100s%s%.64s is not on this machine",
                    self->name, self->revision ? " of revision " : "",
                    self->revision ? self->revision : "");
    ok = ok &&
         mm_buffer_printf(out, "{\"good\": %s, \"models\": [", self->all_good ? "true" : "false") &&
         mm_buffer_puts(out, models.length ? models.data : "") && mm_buffer_puts(out, "]}");
    if (!self->status && !ok)
        self->status = mm_fail_memory(self->error, "the answer of a check");
    mm_buffer_free(&self->problems);
    mm_buffer_free(&models);
    return self->status;
}

mm_status mm_model_verify(char **out, mm_manager *manager, const char *model_name,
                          const char *revision, mm_pull_callback callback, void *payload,
                          mm_error *error) {
    *out = NULL;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    mm_name_kind kind = MM_NAME_REPOSITORY;
    char *bare = NULL;
    mm_buffer text;
    mm_buffer_init(&text, PTRDIFF_MAX);
    if (model_name)
        status = check_name(&kind, model_name, revision, error);
    if (!status && kind == MM_NAME_BARE && !(bare = long_name(model_name)))
        status = mm_fail_memory(error, "a model's name");
    verifier self = {.name = model_name,
                     .bare = bare,
                     .revision = revision,
                     .callback = callback,
                     .payload = payload,
                     .out = &text,
                     .error = error};
    if (!status)
        status = verify(&self, &manager->places);
    if (!status && !(*out = mm_buffer_detach(&text)))
        status = mm_fail_memory(error, "the answer of a check");
    mm_buffer_free(&text);
    mm_free(bare);
    mm_manager_leave(manager);
    return status;
}
