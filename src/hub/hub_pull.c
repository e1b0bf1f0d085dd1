// SPDX-License-Identifier: Apache-2.0
// First all blobs, then the snapshot's links, those of the weights last, then the ref. Whoever
// finds weights in a snapshot of ours finds all else there too, whenever the process was killed.
#include "hub/hub_pull.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "hub/hub_crew.h"
#include "hub/hub_header.h"

#include <string.h>

// One pull of one repository.
typedef struct pull {
    mm_hub_client *client;
    mm_hub_layout layout;
    char commit[41];
    mm_hub_tree tree;
    mm_hub_progress progress;
    mm_hub_pulled *pulled;
    mm_hub_need need;
} pull;

// Adds up what is wanted; DISK_FULL when it cannot fit.
static mm_status measure(pull *self, mm_error *error) {
    uint64_t missing = 0;
    self->progress = (mm_hub_progress){0};
    for (size_t i = 0; i < self->tree.count; i++) {
        const mm_hub_file *file = &self->tree.files[i];
        if (!file->is_wanted)
            continue;
        self->progress.files++;
        self->progress.size += file->size;
        missing += mm_hub_blob_missing(&self->layout, self->commit, file);
    }
    return mm_hub_layout_check_space(&self->layout, missing, error);
}

// The content of a file that says which other files are needed; the caller frees *out.
static mm_status fetch_guide(char **out, pull *self, const mm_hub_file *file, mm_error *error) {
    mm_hub_flow flow = {0};
    *out = NULL;
    mm_status status =
        mm_hub_blob_fetch(self->client, &self->layout, self->commit, file, &flow, error);
    self->pulled->downloaded += atomic_load(&flow.downloaded);
    if (status)
        return status;
    *out = mm_hub_layout_content(&self->layout, self->commit, file->path, file->etag);
    return *out ? MM_STATUS_OK : mm_fail_memory(error, "a path");
}

static mm_status choose(pull *self, mm_error *error) {
    const char *name = self->client->name;
    char *path;
    mm_status status = mm_hub_choose_folder(&self->tree, "", name, error);
    const mm_hub_file *modules = mm_hub_tree_find(&self->tree, "modules.json");
    if (!status && modules) {
        status = fetch_guide(&path, self, modules, error);
        if (!status)
            status = mm_hub_choose_modules(&self->tree, path, name, error);
        mm_free(path);
    }
    for (size_t i = 0; i < self->tree.count && !status; i++) {
        const mm_hub_file *index = &self->tree.files[i];
        if (!index->is_wanted || !index->is_index)
            continue;
        status = fetch_guide(&path, self, index, error);
        if (!status)
            status = mm_hub_choose_shards(&self->tree, index, path, error);
        mm_free(path);
    }
    return status ? status : mm_hub_choose_check(&self->tree, name, error);
}

// What is weights, but not the index that names their files.
static bool has_header(const mm_hub_file *file) {
    return file->is_weights && !file->is_index;
}

static mm_status fetch_headers(pull *self, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < self->tree.count && !status; i++) {
        const mm_hub_file *file = &self->tree.files[i];
        if (has_header(file))
            status = mm_hub_header_fetch(self->client, &self->layout, self->commit, file,
                                         &self->pulled->downloaded, error);
    }
    return status;
}

static mm_status fetch_all(pull *self, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    if (self->need == MM_HUB_NEED_HEADERS) // they are there then, as far as the rest can see
        status = fetch_headers(self, error);
    if (!status)
        status = measure(self, error);
    return status ? status
                  : mm_hub_crew_fetch(self->client, &self->layout, self->commit, &self->tree,
                                      &self->progress, &self->pulled->downloaded, error);
}

// An index leads to shards, so it comes behind them.
static int link_round(const mm_hub_file *file) {
    return file->is_index ? 2 : file->is_weights;
}

static mm_status publish(pull *self, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < self->tree.count && !status; i++) {
            const mm_hub_file *file = &self->tree.files[i];
            if (file->is_wanted && link_round(file) == round)
                status =
                    mm_hub_layout_link(&self->layout, self->commit, file->path, file->etag, error);
        }
        for (size_t i = 0; round == 0 && mm_hub_root_file(i) && !status; i++) {
            if (!mm_hub_tree_find(&self->tree, mm_hub_root_file(i)))
                status = mm_hub_layout_note_missing(&self->layout, self->commit,
                                                    mm_hub_root_file(i), error);
        }
    }
    for (size_t i = 0; i < self->tree.count && !status; i++) {
        const mm_hub_file *file = &self->tree.files[i];
        if (file->is_wanted)
            mm_hub_layout_settle(&self->layout, self->commit, file->path, file->etag);
    }
    if (!status)
        status =
            mm_hub_layout_write_ref(&self->layout, self->client->revision, self->commit, error);
    return status;
}

static mm_status describe(mm_hub_model *out, const pull *self, mm_error *error) {
    out->kind = MM_NAME_REPOSITORY;
    out->name = mm_strdup(self->client->name);
    out->commit = mm_strdup(self->commit);
    out->directory = mm_hub_layout_pointer(&self->layout, self->commit, "");
    if (out->name && out->commit && out->directory)
        return MM_STATUS_OK;
    mm_hub_model_free(out);
    return mm_fail_memory(error, "a model's name");
}

static mm_status pull_repository(mm_hub_model *out, mm_hub_pulled *pulled, mm_hub_client *client,
                                 const char *cache, mm_hub_need need, mm_error *error) {
    pull self = {.client = client, .pulled = pulled, .need = need};
    mm_status status = MM_STATUS_OK;
    if (mm_hub_is_commit(client->revision))
        memcpy(self.commit, client->revision, sizeof(self.commit));
    else
        status = mm_hub_client_resolve(self.commit, client, error);
    if (!status)
        status = mm_hub_client_list(&self.tree, client, self.commit, error);
    if (!status)
        status =
            mm_hub_layout_open(&self.layout, cache, client->name, client->access->no_links, error);
    if (!status)
        status = mm_hub_layout_prepare(&self.layout, error);
    self.tree.without_weights = need == MM_HUB_NEED_TEXT;
    if (!status)
        status = choose(&self, error);
    if (!status)
        status = fetch_all(&self, error);
    if (!status)
        status = publish(&self, error);
    if (!status)
        status = describe(out, &self, error);
    pulled->files = self.progress.files;
    pulled->bytes = self.progress.size;
    mm_hub_layout_close(&self.layout);
    mm_hub_tree_free(&self.tree);
    return status;
}

mm_status mm_hub_pull(mm_hub_model *out, mm_hub_pulled *pulled, const mm_hub_access *access,
                      const char *cache, const char *name, const char *revision, mm_hub_need need,
                      const mm_hub_watch *watch, mm_error *error) {
    *out = (mm_hub_model){0};
    *pulled = (mm_hub_pulled){0};
    mm_name_kind kind;
    mm_status status = mm_hub_name_kind(&kind, name, error);
    if (!status && kind == MM_NAME_DIRECTORY)
        status = mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                         "%.200s is a directory; only models of the Hub can be downloaded", name);
    if (!status && revision)
        status = mm_hub_revision_check(revision, error);
    if (!status && access->offline)
        status = mm_fail(error, MM_STATUS_OFFLINE,
                         "%.100s is not downloaded: the setting offline, or HF_HUB_OFFLINE, is on",
                         name);
    mm_hub_client client = {0};
    if (!status)
        status = mm_hub_client_open(&client, access, NULL, watch, error);
    if (status)
        return status;
    mm_buffer preferred;
    mm_buffer_init(&preferred, 1024);
    client.revision = revision ? revision : "main";
    if (kind == MM_NAME_BARE) {
        status = MM_STATUS_MODEL_NOT_FOUND;
        if (!mm_buffer_printf(&preferred, "sentence-transformers/%s", name))
            status = mm_fail_memory(error, "a model's name");
        client.name = preferred.data;
        if (client.name)
            status = pull_repository(out, pulled, &client, cache, need, error);
    }
    client.name = name;
    if (kind == MM_NAME_REPOSITORY || status == MM_STATUS_MODEL_NOT_FOUND)
        status = pull_repository(out, pulled, &client, cache, need, error);
    mm_buffer_free(&preferred);
    mm_hub_client_close(&client);
    return status;
}
