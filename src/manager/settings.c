// SPDX-License-Identifier: Apache-2.0
#include "manager/settings.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "manager/parameters.h"

#include <math.h>
#include <string.h>

static const size_t max_settings_bytes = 1 << 20;

static const mm_setting table[MM_SETTING_COUNT] = {
#define SETTING_ROW(index, name, type, minimum, maximum, choices, fallback)                        \
    [MM_SETTING_##index##_INDEX] = {name, MM_SETTING_##type, minimum, maximum, choices, fallback},
    MM_SETTING_LIST(SETTING_ROW)
#undef SETTING_ROW
};

const mm_setting *mm_setting_at(mm_setting_index index) {
    return &table[index];
}

static mm_setting_index find(const char *name) {
    for (size_t i = 0; i < MM_SETTING_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0)
            return (mm_setting_index)i;
    }
    return MM_SETTING_COUNT;
}

mm_status mm_settings_create(mm_settings **out, mm_error *error) {
    *out = mm_calloc(1, sizeof(**out));
    bool ok = *out != NULL;
    for (size_t i = 0; i < MM_SETTING_COUNT && ok; i++)
        ok = mm_json_parse(&(*out)->values[i], table[i].fallback, strlen(table[i].fallback),
                           "defaults", MM_STATUS_INTERNAL, NULL) == MM_STATUS_OK;
    if (ok)
        ok = ((*out)->dotenv = json_object()) != NULL;
    if (ok)
        return MM_STATUS_OK;
    mm_settings_free(*out);
    *out = NULL;
    return mm_fail_memory(error, "the settings");
}

void mm_settings_free(mm_settings *settings) {
    if (!settings)
        return;
    for (size_t i = 0; i < MM_SETTING_COUNT; i++)
        json_decref(settings->values[i]);
    json_decref(settings->dotenv);
    mm_free(settings);
}

mm_status mm_settings_copy(mm_settings **out, const mm_settings *settings, mm_error *error) {
    *out = mm_calloc(1, sizeof(**out));
    bool ok = *out != NULL;
    for (size_t i = 0; i < MM_SETTING_COUNT && ok; i++)
        ok = ((*out)->values[i] = json_deep_copy(settings->values[i])) != NULL;
    if (ok)
        ok = ((*out)->dotenv = json_deep_copy(settings->dotenv)) != NULL;
    if (ok)
        return MM_STATUS_OK;
    mm_settings_free(*out);
    *out = NULL;
    return mm_fail_memory(error, "the settings");
}

// ---- Checking ----------------------------------------------------------------------------------

static const char *type_name(mm_setting_type type) {
    static const char *const names[] = {
        [MM_SETTING_BOOLEAN] = "true or false",           [MM_SETTING_INTEGER] = "an integer",
        [MM_SETTING_NUMBER_OR_NULL] = "a number or null", [MM_SETTING_TEXT] = "a string",
        [MM_SETTING_TEXT_OR_NULL] = "a string or null",   [MM_SETTING_TEXTS] = "a list of strings",
        [MM_SETTING_REQUESTS] = "a list of requests",
    };
    return names[type];
}

static bool all_of(const json_t *list, json_type type) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_typeof(json_array_get(list, i)) != type)
            return false;
    }
    return json_is_array(list);
}

static bool type_fits(mm_setting_type type, const json_t *value) {
    switch (type) {
    case MM_SETTING_BOOLEAN:
        return json_is_boolean(value);
    case MM_SETTING_INTEGER:
        return json_is_integer(value);
    case MM_SETTING_NUMBER_OR_NULL:
        return json_is_number(value) || json_is_null(value);
    case MM_SETTING_TEXT:
        return json_is_string(value);
    case MM_SETTING_TEXT_OR_NULL:
        return json_is_string(value) || json_is_null(value);
    case MM_SETTING_TEXTS:
        return all_of(value, JSON_STRING);
    case MM_SETTING_REQUESTS:
        return all_of(value, JSON_OBJECT);
    }
    return false;
}

static mm_status check(const mm_setting *setting, const json_t *value, const char *where,
                       mm_error *error) {
    mm_status status = MM_STATUS_OK;
    double number = json_number_value(value);
    const char *text = json_string_value(value);
    if (!type_fits(setting->type, value))
        status = mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s: setting %s must be %s", where,
                         setting->name, type_name(setting->type));
    else if (json_is_number(value) &&
             !(isfinite(number) && number >= setting->minimum && number <= setting->maximum))
        status = mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                         "%s: setting %s is %.15g, must be from %.15g to %.15g", where,
                         setting->name, number, setting->minimum, setting->maximum);
    else if (text && setting->choices && !mm_choice_known(setting->choices, text))
        status = mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                         "%s: setting %s is \"%.64s\", must be one of: %s", where, setting->name,
                         text, setting->choices);
    if (status)
        mm_parameter_details(error, setting->name);
    return status;
}

static mm_status unknown(const char *name, const char *where, mm_error *error) {
    mm_status status =
        mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s: there is no setting %.100s", where, name);
    mm_parameter_details(error, name);
    return status;
}

mm_status mm_settings_set_value(mm_settings *settings, mm_setting_index index, json_t *value,
                                const char *where, mm_error *error) {
    mm_status status = check(&table[index], value, where, error);
    if (status)
        return status;
    json_decref(settings->values[index]);
    settings->values[index] = json_incref(value);
    return MM_STATUS_OK;
}

mm_status mm_settings_set(mm_settings *settings, const char *name, const char *value,
                          mm_error *error) {
    mm_setting_index index = find(name);
    if (index == MM_SETTING_COUNT)
        return unknown(name, "settings", error);
    json_t *parsed;
    mm_status status =
        mm_json_parse(&parsed, value, strlen(value), name, MM_STATUS_INVALID_PARAMETER, error);
    if (status == MM_STATUS_OUT_OF_MEMORY)
        return status;
    if (status && !mm_utf8_valid(value, strlen(value), NULL))
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "settings: the value of %s is not valid UTF-8", name);
    if (status && !(parsed = json_string(value)))
        return mm_fail_memory(error, "a setting");
    status = mm_settings_set_value(settings, index, parsed, "settings", error);
    json_decref(parsed);
    return status;
}

// ---- Files -------------------------------------------------------------------------------------

// Applies an object whose member names follow `prefix`.
static mm_status apply_object(mm_settings *settings, json_t *object, const char *prefix,
                              const char *where, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    mm_buffer name;
    mm_buffer_init(&name, 4096);
    for (void *at = json_object_iter(object); at && !status;
         at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);
        json_t *value = json_object_iter_value(at);
        mm_buffer_clear(&name);
        if (!mm_buffer_puts(&name, prefix) || !mm_buffer_puts(&name, key)) {
            status = mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s: a name is too long", where);
            break;
        }
        mm_setting_index index = find(name.data);
        if (index != MM_SETTING_COUNT)
            status = mm_settings_set_value(settings, index, value, where, error);
        else if (*prefix == '\0' && json_is_object(value) && mm_buffer_putc(&name, '.'))
            status = apply_object(settings, value, name.data, where, error);
        else
            status = unknown(name.data, where, error);
    }
    mm_buffer_free(&name);
    return status;
}

mm_status mm_settings_load_file(mm_settings *settings, const char *path, mm_error *error) {
    json_t *object;
    mm_status status = mm_json_read_object(&object, path, max_settings_bytes, error);
    if (status && status != MM_STATUS_OUT_OF_MEMORY) {
        if (error)
            error->status = MM_STATUS_INVALID_PARAMETER; // no model file is at fault here
        return MM_STATUS_INVALID_PARAMETER;
    }
    if (status)
        return status;
    mm_settings *changed; // all or nothing
    status = mm_settings_copy(&changed, settings, error);
    if (!status)
        status = apply_object(changed, object, "", path, error);
    if (!status) {
        mm_settings old = *settings;
        *settings = *changed;
        *changed = old;
    }
    mm_settings_free(changed);
    json_decref(object);
    return status;
}

mm_status mm_settings_json(char **out, const mm_settings *settings, mm_error *error) {
    *out = NULL;
    json_t *object = json_object();
    bool ok = object != NULL;
    for (size_t i = 0; i < MM_SETTING_COUNT && ok; i++) {
        const char *dot = strchr(table[i].name, '.');
        json_t *target = object;
        if (dot) {
            char *section = mm_strndup(table[i].name, (size_t)(dot - table[i].name));
            target = section ? json_object_get(object, section) : NULL;
            if (section && !target && json_object_set_new(object, section, json_object()) == 0)
                target = json_object_get(object, section);
            mm_free(section);
        }
        ok = target &&
             json_object_set(target, dot ? dot + 1 : table[i].name, settings->values[i]) == 0;
    }
    size_t length = ok ? json_dumpb(object, NULL, 0, 0) : 0;
    *out = length > 0 ? mm_malloc(length + 1) : NULL;
    if (*out)
        (*out)[json_dumpb(object, *out, length, 0)] = '\0';
    json_decref(object);
    return *out ? MM_STATUS_OK : mm_fail_memory(error, "the settings");
}

// ---- Typed access ------------------------------------------------------------------------------

bool mm_settings_boolean(const mm_settings *settings, mm_setting_index index) {
    return json_is_true(settings->values[index]);
}

int64_t mm_settings_integer(const mm_settings *settings, mm_setting_index index) {
    return json_integer_value(settings->values[index]);
}

double mm_settings_number(const mm_settings *settings, mm_setting_index index, double fallback) {
    const json_t *value = settings->values[index];
    return json_is_null(value) ? fallback : json_number_value(value);
}

const char *mm_settings_text(const mm_settings *settings, mm_setting_index index) {
    return json_string_value(settings->values[index]);
}

const json_t *mm_settings_list(const mm_settings *settings, mm_setting_index index) {
    return settings->values[index];
}
