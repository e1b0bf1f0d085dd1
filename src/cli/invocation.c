// SPDX-License-Identifier: Apache-2.0
// From a command line that has been read to the library's objects: settings, manager, request.
#include "cli/options.h"

#include "base/json.h"
#include "cli/meter.h"
#include "cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Of what a request waits for; outlives every manager.
static mm_meter downloads;

static bool collect(mm_settings **out, int *exit_status, const mm_invocation *invocation) {
    mm_error error = {0};
    mm_settings *settings = NULL;
    // One command, one answer: what went as expected is no news here.
    mm_status status = mm_settings_create(&settings, &error);
    if (!status)
        status = mm_settings_set(settings, "log_level", "warning", &error);
    if (!status && invocation->settings_file)
        status = mm_settings_load_file(settings, invocation->settings_file, &error);
    if (!status)
        status = mm_settings_load_environment(settings, ".env", &error);
    for (size_t i = 0; !status && i < invocation->setting_count; i++)
        status = mm_settings_set(settings, invocation->settings[i].name,
                                 invocation->settings[i].value, &error);
    if (status) {
        *exit_status = mm_usage_error(invocation->command, "%s", error.message);
        mm_settings_free(settings);
        settings = NULL;
    }
    *out = settings;
    return settings != NULL;
}

bool mm_invocation_manager(mm_manager **out, int *exit_status, const mm_invocation *invocation) {
    mm_error error = {0};
    mm_settings *settings;
    *out = NULL;
    if (!collect(&settings, exit_status, invocation))
        return false;
    mm_manager_options options;
    mm_manager_options_init(&options);
    options.settings = settings;
    options.log = mm_output_log;
    if (isatty(2)) {
        mm_meter_init(&downloads, false);
        options.progress = mm_meter_show;
        options.progress_payload = &downloads;
    }
    if (mm_manager_create(out, &options, &error))
        *exit_status = mm_output_failure(&error, false);
    mm_settings_free(settings);
    return *out != NULL;
}

bool mm_invocation_threads(int64_t *out, int *exit_status, const mm_invocation *invocation) {
    mm_error error = {0};
    mm_settings *settings;
    char *json = NULL;
    json_t *object = NULL;
    if (!collect(&settings, exit_status, invocation))
        return false;
    mm_status status = mm_settings_json(&json, settings, &error);
    if (!status)
        status =
            mm_json_parse(&object, json, strlen(json), "the settings", MM_STATUS_INTERNAL, &error);
    if (!status)
        status = mm_json_get_integer(out, object, "cpu_threads", 0, 0, INT32_MAX, "the settings",
                                     &error);
    if (status)
        *exit_status = mm_output_failure(&error, false);
    json_decref(object);
    mm_text_free(json);
    mm_settings_free(settings);
    return status == MM_STATUS_OK;
}

static mm_status wrong_kind(mm_error *error, const mm_cli_pair *pair, const char *kind) {
    error->status = MM_STATUS_INVALID_PARAMETER;
    (void)snprintf(error->message, sizeof(error->message), "%s is \"%.200s\", must be %s",
                   pair->name, pair->value, kind);
    return error->status;
}

static mm_status apply(mm_request *request, const mm_cli_pair *pair, mm_error *error) {
    const mm_parameter *parameter = mm_parameter_find(pair->name);
    char *end = NULL;
    errno = 0;
    switch (parameter->type) {
    case MM_PARAMETER_INTEGER: {
        long long value = strtoll(pair->value, &end, 10);
        if (errno || end == pair->value || *end)
            return wrong_kind(error, pair, "a whole number");
        return mm_request_set_integer(request, pair->name, value, error);
    }
    case MM_PARAMETER_NUMBER: {
        double value = strtod(pair->value, &end);
        if (end == pair->value || *end)
            return wrong_kind(error, pair, "a number");
        return mm_request_set_number(request, pair->name, value, error);
    }
    case MM_PARAMETER_BOOLEAN: {
        bool yes = strcmp(pair->value, "true") == 0;
        if (!yes && strcmp(pair->value, "false") != 0)
            return wrong_kind(error, pair, "true or false");
        return mm_request_set_boolean(request, pair->name, yes, error);
    }
    case MM_PARAMETER_JSON:
        return mm_request_set_json(request, pair->name, pair->value, error);
    case MM_PARAMETER_TEXT:
        break;
    }
    return mm_request_set_text(request, pair->name, pair->value, error);
}

bool mm_invocation_request(mm_request **out, const mm_invocation *invocation, const char *task_type,
                           const char *model) {
    mm_error error = {0};
    mm_status status = mm_request_create(out, &error);
    if (!status)
        status = mm_request_set_text(*out, "task_type", task_type, &error);
    if (!status)
        status = mm_request_set_text(*out, "model_name", model, &error);
    for (size_t i = 0; !status && i < invocation->parameter_count; i++)
        status = apply(*out, &invocation->parameters[i], &error);
    if (status) {
        mm_usage_error(invocation->command, "%s", error.message);
        mm_request_free(*out);
        *out = NULL;
    }
    return status == MM_STATUS_OK;
}
