// SPDX-License-Identifier: Apache-2.0
#include "manager/request.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "manager/task_kind.h"
#include "tasks/generation_settings.h"

#include <math.h>
#include <string.h>

enum { FIRST_CAPACITY = 8 };
static const size_t max_request_bytes = (size_t)1 << 34;

mm_status mm_request_create(mm_request **out, mm_error *error) {
    *out = mm_calloc(1, sizeof(**out));
    if (!*out)
        return mm_fail_memory(error, "a request");
    mm_buffer_init(&(*out)->text, max_request_bytes);
    return MM_STATUS_OK;
}

static void clear(mm_value *value) {
    mm_free(value->text);
    json_decref(value->json);
    *value = (mm_value){0};
}

void mm_request_free(mm_request *request) {
    if (!request)
        return;
    for (size_t i = 0; i < MM_PARAM_COUNT; i++)
        clear(&request->values[i]);
    mm_buffer_free(&request->text);
    mm_free(request->text_ends);
    mm_free(request->ids);
    mm_free(request->id_ends);
    mm_free(request);
}

// ---- Parameters --------------------------------------------------------------------------------

static mm_status find(const mm_parameter **out, const char *name, mm_error *error) {
    *out = mm_parameter_find(name);
    return *out ? MM_STATUS_OK : mm_parameter_unknown(error, name);
}

static mm_status wrong_type(const mm_parameter *parameter, mm_error *error) {
    mm_status status = mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s must be %s", parameter->name,
                               mm_parameter_type_name(parameter->type));
    mm_parameter_details(error, parameter->name);
    return status;
}

static mm_value *slot(mm_request *request, const mm_parameter *parameter) {
    return &request->values[mm_parameter_index_of(parameter)];
}

mm_status mm_request_set_text(mm_request *request, const char *name, const char *value,
                              mm_error *error) {
    const mm_parameter *parameter;
    mm_status status = find(&parameter, name, error);
    if (!status && parameter->type != MM_PARAMETER_TEXT)
        status = wrong_type(parameter, error);
    if (!status)
        status = mm_parameter_check_text(parameter, value, strlen(value), error);
    if (status)
        return status;
    char *copy = mm_strdup(value);
    if (!copy)
        return mm_fail_memory(error, "a request");
    mm_value *target = slot(request, parameter);
    clear(target);
    *target = (mm_value){.set = true, .text = copy};
    return MM_STATUS_OK;
}

// What such a value may be is known where it is used: it is read there, for a trial.
static mm_status check_json(const mm_parameter *parameter, const json_t *value, mm_error *error) {
    mm_generation_settings trial;
    mm_generation_settings_init(&trial);
    json_t *object = json_object();
    mm_status status = MM_STATUS_OK;
    if (!object || json_object_set(object, parameter->name, (json_t *)(uintptr_t)value) != 0)
        status = mm_fail_memory(error, "a request");
    if (!status)
        status = mm_generation_settings_read(&trial, object, MM_FROM_CALL, "the call", error);
    json_decref(object);
    mm_generation_settings_free(&trial);
    return status;
}

mm_status mm_request_set_json_value(mm_request *request, const mm_parameter *parameter,
                                    const json_t *value, mm_error *error) {
    mm_status status = check_json(parameter, value, error);
    if (status)
        return status;
    json_t *copy = json_deep_copy(value);
    if (!copy)
        return mm_fail_memory(error, "a request");
    mm_value *target = slot(request, parameter);
    clear(target);
    *target = (mm_value){.set = true, .json = copy};
    return MM_STATUS_OK;
}

mm_status mm_request_set_json(mm_request *request, const char *name, const char *value,
                              mm_error *error) {
    const mm_parameter *parameter;
    mm_status status = find(&parameter, name, error);
    if (status)
        return status;
    if (parameter->type != MM_PARAMETER_JSON)
        return wrong_type(parameter, error);
    json_t *json;
    if (mm_json_parse(&json, value, strlen(value), name, MM_STATUS_INVALID_PARAMETER, NULL))
        json = json_string(value);
    if (!json && !mm_utf8_valid(value, strlen(value), NULL))
        status = mm_parameter_check_text(parameter, value, strlen(value), error);
    else if (!json)
        status = mm_fail_memory(error, "a request");
    else
        status = mm_request_set_json_value(request, parameter, json, error);
    json_decref(json);
    return status;
}

mm_status mm_request_set_integer(mm_request *request, const char *name, int64_t value,
                                 mm_error *error) {
    const mm_parameter *parameter;
    mm_status status = find(&parameter, name, error);
    if (status)
        return status;
    if (parameter->type == MM_PARAMETER_NUMBER)
        return mm_request_set_number(request, name, (double)value, error);
    if (parameter->type != MM_PARAMETER_INTEGER)
        return wrong_type(parameter, error);
    status = mm_parameter_check_number(parameter, (double)value, error);
    if (!status)
        *slot(request, parameter) = (mm_value){.set = true, .integer = value};
    return status;
}

mm_status mm_request_set_number(mm_request *request, const char *name, double value,
                                mm_error *error) {
    const mm_parameter *parameter;
    mm_status status = find(&parameter, name, error);
    if (!status && parameter->type != MM_PARAMETER_NUMBER)
        status = wrong_type(parameter, error);
    if (!status)
        status = mm_parameter_check_number(parameter, value, error);
    if (!status)
        *slot(request, parameter) = (mm_value){.set = true, .number = value};
    return status;
}

mm_status mm_request_set_boolean(mm_request *request, const char *name, bool value,
                                 mm_error *error) {
    const mm_parameter *parameter;
    mm_status status = find(&parameter, name, error);
    if (!status && parameter->type != MM_PARAMETER_BOOLEAN)
        status = wrong_type(parameter, error);
    if (!status)
        *slot(request, parameter) = (mm_value){.set = true, .boolean = value};
    return status;
}

mm_status mm_request_set_null(mm_request *request, const char *name, mm_error *error) {
    const mm_parameter *parameter;
    mm_status status = find(&parameter, name, error);
    if (status)
        return status;
    mm_value *target = slot(request, parameter);
    clear(target);
    bool keeps = mm_parameter_index_of(parameter) == MM_PARAM_NUM_WORKERS;
    *target = (mm_value){.set = keeps, .null = keeps};
    return MM_STATUS_OK;
}

const char *mm_request_text(const mm_request *request, mm_parameter_index index,
                            const char *fallback) {
    return request->values[index].set ? request->values[index].text : fallback;
}

int64_t mm_request_integer(const mm_request *request, mm_parameter_index index, int64_t fallback) {
    return request->values[index].set ? request->values[index].integer : fallback;
}

double mm_request_number(const mm_request *request, mm_parameter_index index, double fallback) {
    return request->values[index].set ? request->values[index].number : fallback;
}

bool mm_request_boolean(const mm_request *request, mm_parameter_index index, bool fallback) {
    return request->values[index].set ? request->values[index].boolean : fallback;
}

// ---- Data --------------------------------------------------------------------------------------

// Makes room for one more size_t in a growing array.
static bool grow_ends(size_t **ends, size_t count, size_t *capacity) {
    if (count < *capacity)
        return true;
    size_t more = *capacity ? *capacity * 2 : FIRST_CAPACITY;
    size_t *bigger = mm_array_realloc(*ends, more, sizeof(**ends));
    if (!bigger)
        return false;
    *ends = bigger;
    *capacity = more;
    return true;
}

static mm_status mixed_data(mm_error *error) {
    return mm_fail(error, MM_STATUS_INVALID_REQUEST,
                   "a request has either task_data or input_ids, not both");
}

mm_status mm_request_add_text(mm_request *request, const char *text, size_t length,
                              mm_error *error) {
    if (request->list_count > 0)
        return mixed_data(error);
    if (length == SIZE_MAX)
        length = strlen(text);
    if (!grow_ends(&request->text_ends, request->text_count, &request->text_capacity) ||
        !mm_buffer_append(&request->text, text, length))
        return mm_fail_memory(error, "the texts of a request");
    request->text_ends[request->text_count++] = request->text.length;
    return MM_STATUS_OK;
}

mm_status mm_request_add_ids(mm_request *request, const int32_t *ids, size_t count,
                             mm_error *error) {
    if (request->text_count > 0)
        return mixed_data(error);
    size_t used = request->list_count ? request->id_ends[request->list_count - 1] : 0;
    size_t need;
    if (!mm_size_add(&need, used, count))
        return mm_fail_memory(error, "the ids of a request");
    if (need > request->ids_capacity || !request->ids) { // never NULL behind the first list
        size_t capacity = need + need / 2 + 1;
        int32_t *bigger = mm_array_realloc(request->ids, capacity, sizeof(*bigger));
        if (!bigger)
            return mm_fail_memory(error, "the ids of a request");
        request->ids = bigger;
        request->ids_capacity = capacity;
    }
    if (!grow_ends(&request->id_ends, request->list_count, &request->list_capacity))
        return mm_fail_memory(error, "the ids of a request");
    if (count > 0)
        memcpy(request->ids + used, ids, count * sizeof(*ids));
    request->id_ends[request->list_count++] = need;
    return MM_STATUS_OK;
}

void mm_request_set_single(mm_request *request, bool single) {
    request->is_single = single;
}

void mm_request_set_preload(mm_request *request, bool preload) {
    request->preload = preload;
}

mm_status mm_request_copy(mm_request **out, const mm_request *request, mm_error *error) {
    mm_status status = mm_request_create(out, error);
    for (size_t i = 0; i < MM_PARAM_COUNT && !status; i++) {
        mm_value *value = &(*out)->values[i];
        const mm_value *from = &request->values[i];
        *value = *from;
        value->text = from->text ? mm_strdup(from->text) : NULL;
        value->json = from->json ? json_deep_copy(from->json) : NULL;
        if ((from->text && !value->text) || (from->json && !value->json))
            status = mm_fail_memory(error, "a request");
    }
    for (size_t i = 0, start = 0; i < request->text_count && !status; i++) {
        size_t end = request->text_ends[i];
        status = mm_request_add_text(*out, request->text.data + start, end - start, error);
        start = end;
    }
    for (size_t i = 0, start = 0; i < request->list_count && !status; i++) {
        size_t end = request->id_ends[i];
        status = mm_request_add_ids(*out, request->ids + start, end - start, error);
        start = end;
    }
    if (status) {
        mm_request_free(*out);
        *out = NULL;
        return status;
    }
    (*out)->preload = request->preload;
    (*out)->id_is_number = request->id_is_number;
    (*out)->is_single = request->is_single;
    return MM_STATUS_OK;
}

// ---- The whole ---------------------------------------------------------------------------------

static mm_status check_required(const mm_request *request, mm_parameter_index index,
                                mm_error *error) {
    if (request->values[index].set)
        return MM_STATUS_OK;
    const char *name = mm_parameter_at(index)->name;
    mm_status status =
        mm_fail(error, MM_STATUS_INVALID_REQUEST, "%s is missing; every request needs it", name);
    mm_error_details(error, "{\"field\": \"%s\"}", name);
    return status;
}

mm_status mm_request_check_task(const mm_request *request, mm_error *error) {
    return check_required(request, MM_PARAM_TASK_TYPE, error);
}

mm_status mm_request_check(const mm_request *request, mm_error *error) {
    mm_status status = mm_request_check_task(request, error);
    if (!status)
        status = check_required(request, MM_PARAM_MODEL_NAME, error);
    if (status)
        return status;
    const mm_task_kind *kind = mm_task_kind_find(mm_request_text(request, MM_PARAM_TASK_TYPE, ""));
    for (size_t i = 0; i < MM_PARAM_COUNT; i++) {
        const mm_parameter *parameter = mm_parameter_at(i);
        if (!request->values[i].set || (parameter->tasks & kind->bit))
            continue;
        status = mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s is no parameter of %s",
                         parameter->name, kind->name);
        mm_parameter_details(error, parameter->name);
        return status;
    }
    if (request->preload && (request->text_count > 0 || request->list_count > 0))
        return mm_fail(error, MM_STATUS_INVALID_REQUEST,
                       "a pre-load request (task_data null) carries no data");
    return MM_STATUS_OK;
}

// ---- Arguments of generate() -------------------------------------------------------------------

static json_t *json_of(const mm_parameter *parameter, const mm_value *value) {
    switch (parameter->type) {
    case MM_PARAMETER_TEXT:
        return json_string(value->text);
    case MM_PARAMETER_INTEGER:
        return json_integer(value->integer);
    case MM_PARAMETER_NUMBER:
        return json_real(value->number);
    case MM_PARAMETER_BOOLEAN:
        return json_boolean(value->boolean);
    case MM_PARAMETER_JSON:
        break;
    }
    return json_deep_copy(value->json);
}

mm_status mm_request_generate_arguments(json_t **out, const mm_request *request, mm_error *error) {
    *out = json_object();
    bool ok = *out != NULL;
    for (size_t i = 0; i < MM_PARAM_COUNT && ok; i++) {
        const mm_value *value = &request->values[i];
        const mm_parameter *parameter = mm_parameter_at(i);
        if (value->set && mm_parameter_is_of_generate((mm_parameter_index)i))
            ok = json_object_set_new(*out, parameter->name, json_of(parameter, value)) == 0;
    }
    if (ok)
        return MM_STATUS_OK;
    json_decref(*out);
    *out = NULL;
    return mm_fail_memory(error, "the parameters of a request");
}
