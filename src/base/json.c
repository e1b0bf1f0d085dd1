// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

mm_status mm_json_read_object(json_t **out, const char *path, size_t maximum, mm_error *error) {
    *out = NULL;
    char *text;
    size_t length;
    mm_status status = mm_file_read(&text, &length, path, maximum, error);
    if (status)
        return status;
    status = mm_json_parse(out, text, length, path, MM_STATUS_MODEL_CORRUPT, error);
    mm_free(text);
    if (!status && !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        status = mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: must hold a JSON object", path);
    }
    return status;
}

// The value of the key, or NULL when it is absent or null.
static const json_t *get(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static mm_status wrong_type(mm_error *error, const char *where, const char *key,
                            const char *expected) {
    return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"%s\" must be %s", where, key, expected);
}

mm_status mm_json_get_string(const char **out, const json_t *object, const char *key,
                             const char *fallback, const char *where, mm_error *error) {
    const json_t *value = get(object, key);
    if (value && !json_is_string(value))
        return wrong_type(error, where, key, "a string");
    if (value && strlen(json_string_value(value)) != json_string_length(value))
        return wrong_type(error, where, key, "a string without U+0000");
    *out = value ? json_string_value(value) : fallback;
    return MM_STATUS_OK;
}

mm_status mm_json_get_bool(bool *out, const json_t *object, const char *key, bool fallback,
                           const char *where, mm_error *error) {
    const json_t *value = get(object, key);
    if (value && !json_is_boolean(value))
        return wrong_type(error, where, key, "true or false");
    *out = value ? json_is_true(value) : fallback;
    return MM_STATUS_OK;
}

mm_status mm_json_get_integer(int64_t *out, const json_t *object, const char *key, int64_t fallback,
                              int64_t minimum, int64_t maximum, const char *where,
                              mm_error *error) {
    const json_t *value = get(object, key);
    if (value && !json_is_integer(value))
        return wrong_type(error, where, key, "an integer");
    int64_t number = value ? (int64_t)json_integer_value(value) : fallback;
    if (value && (number < minimum || number > maximum))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: \"%s\" is %lld, must be from %lld to %lld", where, key,
                       (long long)number, (long long)minimum, (long long)maximum);
    *out = number;
    return MM_STATUS_OK;
}

mm_status mm_json_get_number(double *out, const json_t *object, const char *key, double fallback,
                             double minimum, double maximum, const char *where, mm_error *error) {
    const json_t *value = get(object, key);
    if (value && !json_is_number(value))
        return wrong_type(error, where, key, "a number");
    double number = value ? json_number_value(value) : fallback;
    if (value && !(isfinite(number) && number >= minimum && number <= maximum))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"%s\" is %g, must be from %g to %g",
                       where, key, number, minimum, maximum);
    *out = number;
    return MM_STATUS_OK;
}
