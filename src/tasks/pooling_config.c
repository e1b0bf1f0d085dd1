// SPDX-License-Identifier: Apache-2.0
// How token vectors become one vector. Two forms of the file are in use: one flag for each mode, or
// the modes by name; the names win where a file has both.
#include "tasks/embedder.h"

#include "base/file.h"
#include "base/memory.h"

#include <string.h>

// In the order in which the older form concatenates them (sentence-transformers
// sentence_transformer/modules/pooling.py).
static const struct {
    const char *name; // newer form: a string or a list of strings
    const char *flag; // older form: one flag each
    mm_pooling pooling;
} modes[] = {
    {"cls", "pooling_mode_cls_token", MM_POOLING_CLS},
    {"max", "pooling_mode_max_tokens", MM_POOLING_MAX},
    {"mean", "pooling_mode_mean_tokens", MM_POOLING_MEAN},
    {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", MM_POOLING_MEAN_SQRT},
    {"weightedmean", "pooling_mode_weightedmean_tokens", MM_POOLING_WEIGHTED_MEAN},
    {"lasttoken", "pooling_mode_lasttoken", MM_POOLING_LAST},
};
enum { MODE_COUNT = sizeof modes / sizeof modes[0] };

static mm_status add_named(mm_modules *modules, const json_t *value, const char *path,
                           mm_error *error) {
    const char *name = json_string_value(value);
    if (!name)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: \"pooling_mode\" must be a string or a list of strings", path);
    if (modules->pooling_count == MM_POOLINGS_MAX)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: \"pooling_mode\" lists more than %d modes", path, MM_POOLINGS_MAX);
    for (int i = 0; i < MODE_COUNT; i++) {
        if (strcmp(modes[i].name, name) == 0) {
            modules->poolings[modules->pooling_count++] = modes[i].pooling;
            return MM_STATUS_OK;
        }
    }
    return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                   "%s: the pooling mode \"%.64s\" is not supported", path, name);
}

// The order of the list is the order of the concatenation.
static mm_status read_named(mm_modules *modules, const json_t *value, const char *path,
                            mm_error *error) {
    if (!json_is_array(value))
        return add_named(modules, value, path, error);
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < json_array_size(value) && !status; i++)
        status = add_named(modules, json_array_get(value, i), path, error);
    if (!status && modules->pooling_count == 0)
        status = mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"pooling_mode\" is empty", path);
    return status;
}

// No flag at all, or none that is true, means the mean: the reference library does not insist.
static mm_status read_flags(mm_modules *modules, const json_t *object, const char *path,
                            mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (int i = 0; i < MODE_COUNT && !status; i++) {
        bool on;
        status = mm_json_get_bool(&on, object, modes[i].flag, false, path, error);
        if (!status && on)
            modules->poolings[modules->pooling_count++] = modes[i].pooling;
    }
    if (!status && modules->pooling_count == 0)
        modules->poolings[modules->pooling_count++] = MM_POOLING_MEAN;
    return status;
}

mm_status mm_pooling_read(mm_modules *modules, const char *directory, mm_error *error) {
    json_t *object = NULL;
    char *path = mm_path_join(directory, "config.json");
    if (!path)
        return mm_fail_memory(error, "a path");
    mm_status status;
    if (!mm_file_exists(path))
        status = mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                         "%s: missing, although modules.json lists a Pooling module there", path);
    else
        status = mm_json_read_object(&object, path, MM_JSON_MAX, error);
    if (status)
        goto done;
    status =
        mm_json_get_bool(&modules->include_prompt, object, "include_prompt", true, path, error);
    if (status)
        goto done;
    const json_t *named = json_object_get(object, "pooling_mode");
    status =
        named ? read_named(modules, named, path, error) : read_flags(modules, object, path, error);
done:
    json_decref(object);
    mm_free(path);
    return status;
}
