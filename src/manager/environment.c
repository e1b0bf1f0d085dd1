// SPDX-License-Identifier: Apache-2.0
// Settings from MM_... variables and from a .env file.
#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "manager/parameters.h"
#include "manager/settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const size_t max_dotenv_bytes = 1 << 20;

// Variables of that prefix that are no settings.
static const char reserved[] = "MM_SERVER MM_CPU_KERNELS MM_BINARY MM_BUILD_DIR MM_SHARED_DIR";

// "worker_pool.num_workers" against "WORKER_POOL__NUM_WORKERS".
static bool names_match(const char *name, const char *variable) {
    for (; *name; name++, variable++) {
        if (*name == '.') {
            if (variable[0] != '_' || variable[1] != '_')
                return false;
            variable++;
        } else if (toupper((unsigned char)*name) != *variable) {
            return false;
        }
    }
    return *variable == '\0';
}

mm_setting_index mm_setting_of_variable(const char *variable) {
    if (strncmp(variable, "MM_", 3) != 0)
        return MM_SETTING_COUNT;
    for (size_t i = 0; i < MM_SETTING_COUNT; i++) {
        if (names_match(mm_setting_at((mm_setting_index)i)->name, variable + 3))
            return (mm_setting_index)i;
    }
    return MM_SETTING_COUNT;
}

static mm_status apply_variable(mm_settings *settings, const char *variable, const char *value,
                                mm_error *error) {
    mm_setting_index index = mm_setting_of_variable(variable);
    if (index == MM_SETTING_COUNT) {
        if (mm_choice_known(reserved, variable))
            return MM_STATUS_OK;
        mm_status status = mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                                   "environment: %.100s names no setting", variable);
        mm_parameter_details(error, variable);
        return status;
    }
    mm_status status = mm_settings_set(settings, mm_setting_at(index)->name, value, error);
    if (status)
        mm_error_prefix(error, "%s", variable);
    return status;
}

// ---- .env --------------------------------------------------------------------------------------

typedef struct reader {
    const char *at;
    const char *end;
    int line;
    const char *where;
} reader;

static void skip_blanks(reader *in) {
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\r'))
        in->at++;
}

static void skip_line(reader *in) {
    while (in->at < in->end && *in->at != '\n')
        in->at++;
}

static mm_status malformed(const reader *in, const char *what, mm_error *error) {
    return mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s, line %d: %s", in->where, in->line,
                   what);
}

// 'as it is' or "with \n, \", \\", over several lines if need be.
static mm_status read_quoted(reader *in, mm_buffer *value, mm_error *error) {
    reader start = *in;
    char quote = *in->at++;
    while (in->at < in->end && *in->at != quote) {
        char byte = *in->at++;
        if (byte == '\n')
            in->line++;
        if (byte == '\\' && quote == '"' && in->at < in->end) {
            byte = *in->at++;
            byte = byte == 'n' ? '\n' : byte == 't' ? '\t' : byte == 'r' ? '\r' : byte;
        }
        if (!mm_buffer_putc(value, byte))
            return mm_fail_memory(error, in->where);
    }
    if (in->at == in->end)
        return malformed(&start, "a quote is not closed", error);
    in->at++;
    skip_blanks(in);
    if (in->at < in->end && *in->at != '\n' && *in->at != '#')
        return malformed(in, "something follows the closing quote", error);
    return MM_STATUS_OK;
}

static mm_status read_plain(reader *in, mm_buffer *value, mm_error *error) {
    const char *start = in->at;
    while (in->at < in->end && *in->at != '\n') {
        if (*in->at == '#' && (in->at == start || in->at[-1] == ' ' || in->at[-1] == '\t'))
            break;
        in->at++;
    }
    const char *end = in->at;
    while (end > start && isspace((unsigned char)end[-1]))
        end--;
    return mm_buffer_append(value, start, (size_t)(end - start)) ? MM_STATUS_OK
                                                                 : mm_fail_memory(error, in->where);
}

// NAME=value behind optional blanks and "export ".
static mm_status read_assignment(reader *in, json_t *object, mm_error *error) {
    if (in->end - in->at > 7 && strncmp(in->at, "export ", 7) == 0) {
        in->at += 7;
        skip_blanks(in);
    }
    mm_buffer name, value;
    mm_buffer_init(&name, max_dotenv_bytes);
    mm_buffer_init(&value, max_dotenv_bytes);
    mm_status status = MM_STATUS_OK;
    const char *start = in->at;
    while (in->at < in->end && (isalnum((unsigned char)*in->at) || *in->at == '_'))
        in->at++;
    if (!mm_buffer_append(&name, start, (size_t)(in->at - start)))
        status = mm_fail_memory(error, in->where);
    skip_blanks(in);
    if (!status && (name.length == 0 || in->at == in->end || *in->at != '='))
        status = malformed(in, "not of the form NAME=value", error);
    if (!status) {
        in->at++;
        skip_blanks(in);
        bool quoted = in->at < in->end && (*in->at == '"' || *in->at == '\'');
        status = mm_buffer_reserve(&value, 0) ? MM_STATUS_OK : mm_fail_memory(error, in->where);
        if (!status)
            status = quoted ? read_quoted(in, &value, error) : read_plain(in, &value, error);
    }
    if (!status) {
        json_t *text = value.length ? json_stringn(value.data, value.length) : json_string("");
        if (!text || strlen(json_string_value(text)) != value.length)
            status = malformed(in, "the value is not valid UTF-8", error);
        else if (json_object_set(object, name.data, text) != 0)
            status = mm_fail_memory(error, in->where);
        json_decref(text);
    }
    mm_buffer_free(&name);
    mm_buffer_free(&value);
    return status;
}

mm_status mm_dotenv_parse(json_t **out, const char *text, size_t length, const char *where,
                          mm_error *error) {
    *out = json_object();
    if (!*out)
        return mm_fail_memory(error, where);
    reader in = {.at = text, .end = text + length, .line = 1, .where = where};
    mm_status status = MM_STATUS_OK;
    while (in.at < in.end && !status) {
        skip_blanks(&in);
        if (in.at < in.end && *in.at != '\n' && *in.at != '#')
            status = read_assignment(&in, *out, error);
        if (status)
            break;
        skip_line(&in);
        if (in.at < in.end)
            in.at++;
        in.line++;
    }
    if (status) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

static mm_status load_dotenv(mm_settings *settings, const char *path, mm_error *error) {
    if (!path || !mm_file_exists(path))
        return MM_STATUS_OK;
    char *text;
    size_t length;
    mm_status status = mm_file_read(&text, &length, path, max_dotenv_bytes, error);
    if (status) {
        if (error && status != MM_STATUS_OUT_OF_MEMORY)
            error->status = MM_STATUS_INVALID_PARAMETER;
        return status == MM_STATUS_OUT_OF_MEMORY ? status : MM_STATUS_INVALID_PARAMETER;
    }
    json_t *object;
    status = mm_dotenv_parse(&object, text, length, path, error);
    mm_free(text);
    if (status)
        return status;
    json_decref(settings->dotenv);
    settings->dotenv = object;
    return MM_STATUS_OK;
}

const char *mm_settings_variable(const mm_settings *settings, const char *name) {
    const char *value = getenv(name);
    return value ? value : json_string_value(json_object_get(settings->dotenv, name));
}

mm_status mm_settings_load_environment(mm_settings *settings, const char *dotenv, mm_error *error) {
    mm_status status = load_dotenv(settings, dotenv, error);
    for (void *at = json_object_iter(settings->dotenv); at && !status;
         at = json_object_iter_next(settings->dotenv, at)) {
        const char *name = json_object_iter_key(at);
        if (strncmp(name, "MM_", 3) == 0 && !getenv(name))
            status = apply_variable(settings, name, json_string_value(json_object_iter_value(at)),
                                    error);
    }
    mm_buffer name;
    mm_buffer_init(&name, max_dotenv_bytes);
    for (char **variable = environ; variable && *variable && !status; variable++) {
        const char *equals = strchr(*variable, '=');
        if (!equals || strncmp(*variable, "MM_", 3) != 0)
            continue;
        mm_buffer_clear(&name);
        if (mm_buffer_append(&name, *variable, (size_t)(equals - *variable)))
            status = apply_variable(settings, name.data, equals + 1, error);
        else
            status = mm_fail_memory(error, "the settings");
    }
    mm_buffer_free(&name);
    return status;
}
