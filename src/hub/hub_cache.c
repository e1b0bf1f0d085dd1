// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_cache.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_PATH = 8192, MAX_REF_BYTES = 256, MAX_VARIABLE = 128, MAX_INDEX_BYTES = 64 << 20 };

void mm_hub_model_free(mm_hub_model *model) {
    mm_free(model->name);
    mm_free(model->directory);
    mm_free(model->commit);
    *model = (mm_hub_model){0};
}

// ---- Directories -------------------------------------------------------------------------------

static mm_status find_directory(mm_hub_model *out, const char *name, mm_error *error) {
    char real[PATH_MAX];
    if (!realpath(name, real) || !mm_directory_exists(real)) {
        bool file = mm_file_exists(name);
        return mm_fail(error, MM_STATUS_MODEL_NOT_FOUND, "%.300s: %s", name,
                       file ? "is a file; give the model's directory" : "no such directory");
    }
    out->kind = MM_NAME_DIRECTORY;
    out->name = mm_strdup(real);
    out->directory = mm_strdup(real);
    return out->name && out->directory ? MM_STATUS_OK : mm_fail_memory(error, "a model's name");
}

// ---- Snapshots ---------------------------------------------------------------------------------

static bool has_file(const char *directory, const char *name) {
    char *path = mm_path_join(directory, name);
    bool found = path && mm_file_exists(path); // false for a link whose blob is missing
    mm_free(path);
    return found;
}

// The same of a file that has to be there: notes the first that is not.
static bool wants_file(const char *directory, const char *name, char missing[MM_HUB_FILE_NAME]) {
    bool found = has_file(directory, name);
    if (!found && !missing[0])
        (void)snprintf(missing, MM_HUB_FILE_NAME, "%s", name);
    return found;
}

// All shards that the index names; what cannot be read is left for the loader to explain.
static bool shards_there(const char *directory, const char *index, char missing[MM_HUB_FILE_NAME]) {
    char *path = mm_path_join(directory, index);
    json_t *object = NULL;
    bool there = true;
    if (path && mm_json_read_object(&object, path, MAX_INDEX_BYTES, NULL) == MM_STATUS_OK) {
        const char *tensor;
        json_t *shard;
        json_object_foreach(json_object_get(object, "weight_map"), tensor, shard) {
            const char *name = json_string_value(shard);
            there = there && (!name || wants_file(directory, name, missing));
        }
    }
    json_decref(object);
    mm_free(path);
    return there;
}

// The configuration of each module that has a folder and cannot do without.
static bool modules_there(const char *directory, char missing[MM_HUB_FILE_NAME]) {
    char *path = mm_path_join(directory, "modules.json");
    char *text = NULL;
    size_t length;
    json_t *list = NULL;
    bool there = true;
    if (path && mm_file_exists(path) &&
        mm_file_read(&text, &length, path, MAX_INDEX_BYTES, NULL) == MM_STATUS_OK)
        (void)mm_json_parse(&list, text, length, path, MM_STATUS_MODEL_CORRUPT, NULL);
    for (size_t i = 0; i < json_array_size(list) && there; i++) {
        const json_t *module = json_array_get(list, i);
        const char *folder = json_string_value(json_object_get(module, "path"));
        const char *type = json_string_value(json_object_get(module, "type"));
        if (!folder || !*folder || !type ||
            !(strstr(type, "Pooling") || strstr(type, "Dense") || strstr(type, "LayerNorm")))
            continue;
        char *inside = mm_path_join(folder, "config.json");
        there = !inside || wants_file(directory, inside, missing);
        mm_free(inside);
    }
    json_decref(list);
    mm_free(text);
    mm_free(path);
    return there;
}

static bool has_any(const char *directory, const char *const *names, size_t count) {
    bool found = false;
    for (size_t i = 0; i < count && !found; i++)
        found = has_file(directory, names[i]);
    return found;
}

static bool weights_there(const char *directory, char missing[MM_HUB_FILE_NAME]) {
    static const char *const names[] = {"pytorch_model.bin", "pytorch_model.bin.index.json",
                                        "0_StaticEmbedding/model.safetensors",
                                        "0_Transformer/model.safetensors"};
    static const char index[] = "model.safetensors.index.json";
    if (has_any(directory, names, sizeof(names) / sizeof(names[0])))
        return true;
    return has_file(directory, index) ? shards_there(directory, index, missing)
                                      : wants_file(directory, "model.safetensors", missing);
}

// A snapshot that a download has not finished lacks files or has links that lead nowhere.
bool mm_hub_snapshot_complete(const char *directory, bool need_weights,
                              char missing[MM_HUB_FILE_NAME]) {
    static const char *const starts[] = {"modules.json", "tokenizer.json"};
    char unasked[MM_HUB_FILE_NAME] = "";
    char *first = missing ? missing : unasked;
    first[0] = '\0';
    bool started = has_any(directory, starts, sizeof(starts) / sizeof(starts[0])) ||
                   wants_file(directory, "config.json", first);
    return started &&
           (!need_weights || (weights_there(directory, first) && modules_there(directory, first)));
}

// refs/REVISION holds the commit.
mm_status mm_hub_read_ref(char **out, const char *repository, const char *revision,
                          mm_error *error) {
    *out = NULL;
    if (mm_hub_is_commit(revision)) {
        *out = mm_strdup(revision);
        return *out ? MM_STATUS_OK : mm_fail_memory(error, "a revision");
    }
    mm_buffer path;
    mm_buffer_init(&path, MAX_PATH);
    char *text = NULL;
    size_t length;
    mm_status status = MM_STATUS_OK;
    if (!mm_buffer_printf(&path, "%s/refs/%s", repository, revision))
        status = mm_fail_memory(error, "a path");
    else if (mm_file_exists(path.data) &&
             mm_file_read(&text, &length, path.data, MAX_REF_BYTES, NULL) == MM_STATUS_OK)
        text[strcspn(text, " \r\n")] = '\0';
    mm_buffer_free(&path);
    if (text && mm_hub_is_commit(text))
        *out = text;
    else
        mm_free(text);
    return status;
}

// Looks in one cache for one repository; out->directory stays NULL when it is not there, and where
// it is only begun `missing` is told.
static mm_status find_snapshot(mm_hub_model *out, char missing[MM_HUB_FILE_NAME], const char *cache,
                               const char *name, const char *revision, bool need_weights,
                               mm_error *error) {
    mm_buffer path;
    mm_buffer_init(&path, MAX_PATH);
    char *commit = NULL;
    char lacks[MM_HUB_FILE_NAME] = "";
    bool ok = mm_buffer_puts(&path, cache) && mm_buffer_puts(&path, "/models--");
    for (const char *at = name; *at && ok; at++)
        ok = *at == '/' ? mm_buffer_puts(&path, "--") : mm_buffer_putc(&path, *at);
    mm_status status =
        ok ? mm_hub_read_ref(&commit, path.data, revision, error) : mm_fail_memory(error, "a path");
    if (!status && commit) {
        if (!mm_buffer_printf(&path, "/snapshots/%s", commit)) {
            status = mm_fail_memory(error, "a path");
        } else if (mm_directory_exists(path.data) &&
                   mm_hub_snapshot_complete(path.data, need_weights, lacks)) {
            out->kind = MM_NAME_REPOSITORY;
            out->name = mm_strdup(name);
            out->directory = mm_buffer_detach(&path);
            out->commit = commit;
            commit = NULL;
            if (!out->name || !out->directory)
                status = mm_fail_memory(error, "a model's name");
        } else if (!missing[0]) {
            memcpy(missing, lacks, sizeof(lacks));
        }
    }
    mm_free(commit);
    mm_buffer_free(&path);
    return status;
}

static mm_status not_found(const mm_hub_places *places, const char *name, const char *revision,
                           const char *missing, mm_error *error) {
    return mm_fail(error, places->offline ? MM_STATUS_OFFLINE : MM_STATUS_MODEL_NOT_FOUND,
                   "model %.100s (revision %.64s) %s%.120s on this machine (%.120s%s%.120s)%s",
                   name, revision, missing[0] ? "lacks its " : "is not", missing,
                   places->models_dir ? places->models_dir : "",
                   places->models_dir && places->hub_cache ? ", " : "",
                   places->hub_cache ? places->hub_cache : "",
                   places->offline ? ", and the setting offline, or HF_HUB_OFFLINE, is on"
                                   : ": get it with `mm pull`, or give a directory (./...)");
}

mm_status mm_hub_find(mm_hub_model *out, const mm_hub_places *places, const char *name,
                      const char *revision, bool need_weights, mm_error *error) {
    *out = (mm_hub_model){0};
    mm_name_kind kind;
    mm_status status = mm_hub_name_kind(&kind, name, error);
    if (!status && revision)
        status = mm_hub_revision_check(revision, error);
    if (!status && revision && kind == MM_NAME_DIRECTORY) {
        status = mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                         "revision is for Hub repositories; %.200s is a directory", name);
        mm_error_details(error, "{\"parameter\": \"revision\"}");
    }
    if (status)
        return status;
    if (kind == MM_NAME_DIRECTORY) {
        status = find_directory(out, name, error);
    } else {
        char missing[MM_HUB_FILE_NAME] = "";
        mm_buffer preferred;
        mm_buffer_init(&preferred, MAX_PATH);
        if (kind == MM_NAME_BARE && !mm_buffer_printf(&preferred, "sentence-transformers/%s", name))
            status = mm_fail_memory(error, "a model's name");
        const char *names[] = {preferred.data, name};
        const char *caches[] = {places->models_dir, places->hub_cache};
        for (size_t i = 0; i < 4 && !status && !out->directory; i++) {
            if (names[i / 2] && caches[i % 2])
                status = find_snapshot(out, missing, caches[i % 2], names[i / 2],
                                       revision ? revision : "main", need_weights, error);
        }
        mm_buffer_free(&preferred);
        if (!status && !out->directory)
            status = not_found(places, name, revision ? revision : "main", missing, error);
    }
    if (status)
        mm_hub_model_free(out);
    return status;
}

// ---- Environment -------------------------------------------------------------------------------

static const char variable_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                          "0123456789_";

// Appends `value` with $NAME and ${NAME} replaced; what is not set stays as it stands.
static bool put_expanded(mm_buffer *out, const char *value, mm_variable_function variable,
                         const void *payload) {
    bool ok = true;
    for (const char *at = value; *at && ok;) {
        bool braced = at[0] == '$' && at[1] == '{';
        const char *name = at + 1 + braced;
        size_t length = at[0] == '$' ? strspn(name, variable_characters) : 0;
        char text[MAX_VARIABLE];
        const char *found = NULL;
        if (length > 0 && length < sizeof(text) && (!braced || name[length] == '}')) {
            memcpy(text, name, length);
            text[length] = '\0';
            found = variable(payload, text);
        }
        ok = found ? mm_buffer_puts(out, found) : mm_buffer_putc(out, *at);
        at = found ? name + length + braced : at + 1;
    }
    return ok;
}

mm_status mm_hub_first_path(char **out, const mm_hub_way *ways, size_t count,
                            mm_variable_function variable, const void *payload, mm_error *error) {
    *out = NULL;
    const char *home = variable(payload, "HOME");
    for (size_t i = 0; i < count; i++) {
        const char *value = variable(payload, ways[i].name);
        if (!value || !*value)
            continue;
        bool tilde = value[0] == '~' && (value[1] == '/' || value[1] == '\0') && home;
        mm_buffer path;
        mm_buffer_init(&path, MAX_PATH);
        if (mm_buffer_puts(&path, tilde ? home : "") &&
            put_expanded(&path, value + tilde, variable, payload) &&
            mm_buffer_puts(&path, ways[i].below))
            *out = mm_buffer_detach(&path);
        mm_buffer_free(&path);
        return *out ? MM_STATUS_OK : mm_fail_memory(error, "a path");
    }
    return MM_STATUS_OK;
}

mm_status mm_hub_cache_path(char **out, mm_variable_function variable, const void *payload,
                            mm_error *error) {
    static const mm_hub_way ways[] = {{"HF_HUB_CACHE", ""},
                                      {"HUGGINGFACE_HUB_CACHE", ""},
                                      {"HF_HOME", "/hub"},
                                      {"XDG_CACHE_HOME", "/huggingface/hub"},
                                      {"HOME", "/.cache/huggingface/hub"}};
    return mm_hub_first_path(out, ways, sizeof(ways) / sizeof(ways[0]), variable, payload, error);
}

bool mm_hub_variable_true(const char *value) {
    static const char *const words[] = {"1", "ON", "YES", "TRUE"};
    for (size_t i = 0; value && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(value, words[i]) == 0)
            return true;
    }
    return false;
}
