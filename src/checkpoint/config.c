// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/config.h"

#include "base/file.h"
#include "base/memory.h"

enum { CONFIG_MAX = 32 << 20 }; // id2label of a large classifier is about 1 MB

struct mm_config {
    json_t *json;
    char *path;
    const char *model_type; // inside json
};

mm_status mm_config_open(mm_config **out, const char *directory, mm_error *error) {
    *out = NULL;
    if (!mm_directory_exists(directory))
        return mm_fail(error, MM_STATUS_MODEL_NOT_FOUND, "%s: no such directory", directory);
    mm_config *config = mm_calloc(1, sizeof(*config));
    if (!config)
        return mm_fail_memory(error, "config.json");
    mm_status status = MM_STATUS_OK;
    config->path = mm_path_join(directory, "config.json");
    if (!config->path)
        status = mm_fail_memory(error, "config.json");
    if (!status)
        status = mm_json_read_object(&config->json, config->path, CONFIG_MAX, error);
    if (status == MM_STATUS_MODEL_NOT_FOUND)
        status = mm_fail(error, status,
                         "%s: no model: it has no config.json (a model's directory has that, "
                         "tokenizer files and *.safetensors)",
                         directory);
    if (!status)
        status = mm_config_get_string(&config->model_type, config, "model_type", "", error);
    if (!status) {
        *out = config;
        config = NULL;
    }
    mm_config_free(config);
    return status;
}

void mm_config_free(mm_config *config) {
    if (!config)
        return;
    json_decref(config->json);
    mm_free(config->path);
    mm_free(config);
}

const char *mm_config_model_type(const mm_config *config) {
    return config->model_type;
}

const json_t *mm_config_json(const mm_config *config) {
    return config->json;
}

const char *mm_config_path(const mm_config *config) {
    return config->path;
}

mm_status mm_config_get_size(int64_t *out, const mm_config *config, const char *const *keys,
                             bool required, int64_t fallback, int64_t minimum, int64_t maximum,
                             mm_error *error) {
    for (const char *const *key = keys; *key; key++) {
        const json_t *value = json_object_get(config->json, *key);
        if (value && !json_is_null(value))
            return mm_json_get_integer(out, config->json, *key, fallback, minimum, maximum,
                                       config->path, error);
    }
    if (required)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"%s\" is missing", config->path,
                       keys[0]);
    *out = fallback;
    return MM_STATUS_OK;
}

mm_status mm_config_get_number(double *out, const mm_config *config, const char *key,
                               double fallback, double minimum, double maximum, mm_error *error) {
    return mm_json_get_number(out, config->json, key, fallback, minimum, maximum, config->path,
                              error);
}

mm_status mm_config_get_string(const char **out, const mm_config *config, const char *key,
                               const char *fallback, mm_error *error) {
    return mm_json_get_string(out, config->json, key, fallback, config->path, error);
}

mm_status mm_config_get_bool(bool *out, const mm_config *config, const char *key, bool fallback,
                             mm_error *error) {
    return mm_json_get_bool(out, config->json, key, fallback, config->path, error);
}
