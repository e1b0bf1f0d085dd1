// SPDX-License-Identifier: Apache-2.0
// The JSON form of everything a manager does: one request in, one Result out.
#include "base/memory.h"
#include "manager/json_text.h"
#include "manager/request.h"
#include "manager/result.h"

#include <string.h>

void mm_text_free(char *text) {
    mm_free(text);
}

// ---- Operations --------------------------------------------------------------------------------

// Members that an operation other than `task` may have: `op`, `id` and those of the list.
static mm_status check_members(const json_t *object, const char *const *allowed, mm_error *error) {
    json_t *members = (json_t *)(uintptr_t)object; // jansson's iterator wants it not const
    for (void *at = json_object_iter(members); at; at = json_object_iter_next(members, at)) {
        const char *name = json_object_iter_key(at);
        bool known = strcmp(name, "op") == 0 || strcmp(name, "id") == 0;
        for (size_t i = 0; allowed[i] && !known; i++)
            known = strcmp(name, allowed[i]) == 0;
        if (known)
            continue;
        mm_status status =
            mm_fail(error, MM_STATUS_INVALID_PARAMETER, "this op has no parameter \"%.64s\"", name);
        mm_parameter_details(error, name);
        return status;
    }
    return MM_STATUS_OK;
}

// A member that is a string without U+0000; NULL when it is not there.
static mm_status read_text(const char **out, const json_t *object, const char *name,
                           mm_error *error) {
    const json_t *value = json_object_get(object, name);
    *out = json_string_value(value);
    if (!value || (*out && strlen(*out) == json_string_length(value)))
        return MM_STATUS_OK;
    mm_status status = mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s must be a string", name);
    mm_parameter_details(error, name);
    return status;
}

static mm_status read_model_name(const char **out, const json_t *object, mm_error *error) {
    mm_status status = read_text(out, object, "model_name", error);
    if (!status && !*out) {
        status = mm_fail(error, MM_STATUS_INVALID_REQUEST, "model_name is missing");
        mm_error_details(error, "{\"field\": \"model_name\"}");
    }
    return status;
}

// Opens {"id": ..., "success": true, "data": .
static bool put_head(mm_buffer *out, const json_t *id) {
    bool ok = mm_buffer_putc(out, '{');
    if (json_is_string(id))
        ok = ok && mm_buffer_puts(out, "\"id\": ") &&
             mm_json_put_string(out, json_string_value(id), json_string_length(id)) &&
             mm_buffer_puts(out, ", ");
    if (json_is_integer(id))
        ok = ok && mm_buffer_puts(out, "\"id\": ") &&
             mm_json_put_integer(out, json_integer_value(id)) && mm_buffer_puts(out, ", ");
    return ok;
}

static mm_status run_task(mm_buffer *out, mm_manager *manager, const json_t *object,
                          mm_error *error) {
    mm_request *request;
    mm_result *result = NULL;
    mm_status status = mm_request_from_json(&request, object, false, error);
    if (!status)
        status = mm_task(&result, manager, request, error);
    if (!status && !mm_result_write(out, result))
        status = mm_fail_memory(error, "the text of a Result");
    mm_result_free(result);
    mm_request_free(request);
    return status;
}

static mm_status run_release(mm_buffer *out, mm_manager *manager, const json_t *object,
                             mm_error *error) {
    static const char *const allowed[] = {"model_name", NULL};
    const char *name;
    mm_status status = check_members(object, allowed, error);
    if (!status)
        status = read_model_name(&name, object, error);
    mm_release_info info = {.struct_size = sizeof(info)};
    if (!status)
        status = mm_model_release(manager, name, &info, error);
    if (status)
        return status;
    bool ok = put_head(out, json_object_get(object, "id")) &&
              mm_buffer_printf(out, "\"success\": true, \"data\": {\"released\": %s, ",
                               info.released ? "true" : "false") &&
              mm_buffer_puts(out, "\"model_name\": ") && mm_json_put_string_or_null(out, name) &&
              mm_buffer_printf(out, ", \"workers_stopped\": %d, \"freed_bytes\": %llu}}",
                               info.workers_stopped, (unsigned long long)info.freed_bytes);
    return ok ? MM_STATUS_OK : mm_fail_memory(error, "the text of a Result");
}

static mm_status run_drop_queue(mm_buffer *out, mm_manager *manager, const json_t *object,
                                mm_error *error) {
    static const char *const allowed[] = {"model_name", "reason", NULL};
    const char *name, *reason;
    size_t dropped;
    mm_status status = check_members(object, allowed, error);
    if (!status)
        status = read_model_name(&name, object, error);
    if (!status)
        status = read_text(&reason, object, "reason", error);
    if (!status)
        status = mm_queue_drop(manager, name, reason, &dropped, error);
    if (status)
        return status;
    bool ok = put_head(out, json_object_get(object, "id")) &&
              mm_buffer_printf(out, "\"success\": true, \"data\": {\"dropped\": %zu}}", dropped);
    return ok ? MM_STATUS_OK : mm_fail_memory(error, "the text of a Result");
}

static mm_status run_status(mm_buffer *out, mm_manager *manager, const json_t *object,
                            mm_error *error) {
    static const char *const allowed[] = {NULL};
    char *text = NULL;
    mm_status status = check_members(object, allowed, error);
    if (!status)
        status = mm_manager_status(&text, manager, error);
    if (!status && !(put_head(out, json_object_get(object, "id")) &&
                     mm_buffer_puts(out, "\"success\": true, \"data\": ") &&
                     mm_buffer_puts(out, text) && mm_buffer_putc(out, '}')))
        status = mm_fail_memory(error, "the text of a Result");
    mm_text_free(text);
    return status;
}

// A request as for `task`, of which task_data may be left out.
static mm_status run_plan(mm_buffer *out, mm_manager *manager, const json_t *object,
                          mm_error *error) {
    mm_request *request;
    char *text = NULL;
    mm_status status = mm_request_from_json(&request, object, true, error);
    if (!status)
        status = mm_manager_plan(&text, manager, request, error);
    if (!status && !(put_head(out, json_object_get(object, "id")) &&
                     mm_buffer_puts(out, "\"success\": true, \"data\": ") &&
                     mm_buffer_puts(out, text) && mm_buffer_putc(out, '}')))
        status = mm_fail_memory(error, "the text of a Result");
    mm_text_free(text);
    mm_request_free(request);
    return status;
}

static mm_status dispatch(mm_buffer *out, mm_manager *manager, const json_t *object,
                          mm_error *error) {
    const json_t *op = json_object_get(object, "op");
    const char *name = op ? json_string_value(op) : "task";
    if (name && strcmp(name, "task") == 0)
        return run_task(out, manager, object, error);
    if (name && strcmp(name, "release") == 0)
        return run_release(out, manager, object, error);
    if (name && strcmp(name, "drop_queue") == 0)
        return run_drop_queue(out, manager, object, error);
    if (name && strcmp(name, "status") == 0)
        return run_status(out, manager, object, error);
    if (name && strcmp(name, "plan") == 0)
        return run_plan(out, manager, object, error);
    mm_status status =
        mm_fail(error, MM_STATUS_INVALID_REQUEST,
                "op must be \"task\", \"plan\", \"release\", \"drop_queue\" or \"status\"");
    mm_error_details(error, "{\"field\": \"op\"}");
    return status;
}

// ---- mm_task_json ------------------------------------------------------------------------------

// The failure as a Result; the request's id is echoed when it could be read.
static bool put_failure(mm_buffer *out, const json_t *object, const mm_error *error) {
    const json_t *id = json_object_get(object, "id");
    mm_buffer_clear(out);
    if (json_is_string(id) && strlen(json_string_value(id)) == json_string_length(id))
        return mm_failure_write(out, error, json_string_value(id), false);
    if (!json_is_integer(id))
        return mm_failure_write(out, error, NULL, false);
    mm_buffer digits;
    mm_buffer_init(&digits, 32);
    bool ok = mm_json_put_integer(&digits, json_integer_value(id)) &&
              mm_failure_write(out, error, digits.data, true);
    mm_buffer_free(&digits);
    return ok;
}

mm_status mm_task_json(char **out, mm_manager *manager, const char *json, size_t length) {
    mm_buffer text;
    mm_error error = {0};
    json_t *object;
    mm_buffer_init(&text, PTRDIFF_MAX);
    mm_status status = mm_request_json_parse(&object, json, length, &error);
    if (!status)
        status = dispatch(&text, manager, object, &error);
    error.status = status;
    bool ok = !status || put_failure(&text, object, &error);
    *out = ok ? mm_buffer_detach(&text) : NULL;
    mm_buffer_free(&text);
    json_decref(object);
    return *out ? status : MM_STATUS_OUT_OF_MEMORY;
}
