// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

static size_t span(const char *text, size_t length, const char *accepted) {
    size_t at = 0;
    while (at < length && text[at] != '\0' && strchr(accepted, text[at]))
        at++;
    return at;
}

// Copies `text`, giving integers of more than 18 digits an exponent. The Python libraries write
// "model_max_length": 1000000000000000019884624838656, and jansson refuses what is no int64.
static bool widen_integers(mm_buffer *out, const char *text, size_t length) {
    static const char digits[] = "0123456789";
    bool in_string = false, ok = true;
    for (size_t at = 0, used; at < length && ok; at += used) {
        bool wide = false;
        used = 1;
        if (text[at] == '"') {
            in_string = !in_string;
        } else if (in_string) {
            if (text[at] == '\\' && at + 1 < length)
                used = 2;
        } else if (strchr("-0123456789", text[at]) && text[at] != '\0') {
            size_t whole = 1 + span(text + at + 1, length - at - 1, digits);
            used = 1 + span(text + at + 1, length - at - 1, "0123456789.eE+-");
            wide = used == whole && whole > 18;
        }
        ok = mm_buffer_append(out, text + at, used) && (!wide || mm_buffer_puts(out, "e0"));
    }
    return ok;
}

static json_t *load(const char *text, size_t length, json_error_t *problem) {
    *problem = (json_error_t){0}; // jansson leaves it half unset when memory runs out
    return json_loadb(text, length, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
                      problem);
}

mm_status mm_json_parse(json_t **out, const char *text, size_t length, const char *where,
                        mm_status failure, mm_error *error) {
    json_error_t problem;
    *out = load(text, length, &problem);
    if (!*out && json_error_code(&problem) == json_error_numeric_overflow) {
        mm_buffer wide;
        mm_buffer_init(&wide, SIZE_MAX);
        bool copied = widen_integers(&wide, text, length);
        if (copied)
            *out = load(wide.data, wide.length, &problem);
        mm_buffer_free(&wide);
        if (!copied)
            return mm_fail_memory(error, where);
    }
    if (*out)
        return MM_STATUS_OK;
    if (problem.text[0] == '\0' || json_error_code(&problem) == json_error_out_of_memory)
        return mm_fail_memory(error, where);
    mm_status status = mm_fail(error, failure, "%s: not valid JSON: %s (line %d, byte %d)", where,
                               problem.text, problem.line, problem.position);
    mm_error_details(error, "{\"line\": %d, \"byte\": %d}", problem.line, problem.position);
    return status;
}

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
