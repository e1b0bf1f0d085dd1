// SPDX-License-Identifier: Apache-2.0
// JSON to requests, driven by the parameter table.
#include "base/memory.h"
#include "manager/json_text.h"
#include "manager/request.h"

#include <stdlib.h>
#include <string.h>

// ---- Parsing, and finding the text that is to blame --------------------------------------------

typedef struct scan {
    int depth;
    bool in_string;
    bool expects_key;   // at depth 1, before the colon
    bool key_matches;   // the last key at depth 1 was task_data
    bool inside;        // in the array of task_data
    size_t index;       // element of it
    size_t string_from; // where the current string began
} scan;

static void scan_structure(scan *state, char byte) {
    switch (byte) {
    case '{':
    case '[':
        state->depth++;
        if (state->depth == 1)
            state->expects_key = true;
        if (state->depth == 2)
            state->inside = byte == '[' && state->key_matches;
        break;
    case '}':
    case ']':
        state->depth--;
        if (state->depth == 1)
            state->inside = false;
        break;
    case ':':
        if (state->depth == 1)
            state->expects_key = false;
        break;
    case ',':
        if (state->depth == 1)
            state->expects_key = true;
        else if (state->depth == 2 && state->inside)
            state->index++;
        break;
    default:
        break;
    }
}

// The element of task_data in which byte `position` of a JSON object lies; false when it is
// elsewhere.
static bool find_index(size_t *out, const char *text, size_t position) {
    static const char key[] = "task_data";
    scan state = {0};
    for (size_t i = 0; i < position; i++) {
        if (!state.in_string) {
            if (text[i] == '"') {
                state.in_string = true;
                state.string_from = i + 1;
            } else {
                scan_structure(&state, text[i]);
            }
        } else if (text[i] == '\\') {
            i++;
        } else if (text[i] == '"') {
            state.in_string = false;
            if (state.depth == 1 && state.expects_key)
                state.key_matches = i - state.string_from == sizeof(key) - 1 &&
                                    memcmp(text + state.string_from, key, sizeof(key) - 1) == 0;
        }
    }
    *out = state.inside ? state.index : 0;
    return state.inside || (state.depth == 1 && state.key_matches && !state.expects_key);
}

// Names the text that made the parser fail, if it was one: the parser only says at which byte.
static void blame_text(const char *text, size_t length, mm_error *error) {
    const char *byte = strstr(error->details, "\"byte\": ");
    bool is_text = strstr(error->message, "not UTF-8") || strstr(error->message, "surrogate");
    size_t position = byte ? strtoull(byte + strlen("\"byte\": "), NULL, 10) : 0;
    size_t index;
    if (!is_text || !find_index(&index, text, position < length ? position : length))
        return;
    mm_error_prefix(error, "text %zu of task_data is not valid UTF-8", index);
    mm_error_details(error, "{\"index\": %zu}", index);
}

mm_status mm_request_json_parse(json_t **out, const char *text, size_t length, mm_error *error) {
    mm_status status =
        mm_json_parse(out, text, length, "request", MM_STATUS_INVALID_REQUEST, error);
    if (status == MM_STATUS_INVALID_REQUEST && error)
        blame_text(text, length, error);
    if (status || json_is_object(*out))
        return status;
    json_decref(*out);
    *out = NULL;
    return mm_fail(error, MM_STATUS_INVALID_REQUEST, "a request must be a JSON object");
}

// ---- Values ------------------------------------------------------------------------------------

static mm_status wrong_type(const mm_parameter *parameter, mm_error *error) {
    mm_status status = mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s must be %s", parameter->name,
                               mm_parameter_type_name(parameter->type));
    mm_parameter_details(error, parameter->name);
    return status;
}

static mm_status set_text(mm_request *request, const mm_parameter *parameter, const json_t *value,
                          mm_error *error) {
    if (mm_parameter_index_of(parameter) == MM_PARAM_ID && json_is_integer(value)) {
        mm_buffer digits;
        mm_buffer_init(&digits, 32);
        mm_status status = mm_json_put_integer(&digits, json_integer_value(value))
                               ? mm_request_set_text(request, parameter->name, digits.data, error)
                               : mm_fail_memory(error, "a request");
        request->id_is_number = true;
        mm_buffer_free(&digits);
        return status;
    }
    if (!json_is_string(value))
        return wrong_type(parameter, error);
    if (strlen(json_string_value(value)) != json_string_length(value))
        return mm_parameter_check_text(parameter, json_string_value(value),
                                       json_string_length(value), error);
    return mm_request_set_text(request, parameter->name, json_string_value(value), error);
}

static mm_status set_value(mm_request *request, const char *name, const json_t *value,
                           mm_error *error) {
    const mm_parameter *parameter = mm_parameter_find(name);
    if (!parameter)
        return mm_parameter_unknown(error, name);
    if (json_is_null(value))
        return mm_request_set_null(request, name, error);
    switch (parameter->type) {
    case MM_PARAMETER_TEXT:
        return set_text(request, parameter, value, error);
    case MM_PARAMETER_INTEGER:
        if (json_is_integer(value))
            return mm_request_set_integer(request, name, json_integer_value(value), error);
        break;
    case MM_PARAMETER_NUMBER:
        if (json_is_number(value))
            return mm_request_set_number(request, name, json_number_value(value), error);
        break;
    case MM_PARAMETER_BOOLEAN:
        if (json_is_boolean(value))
            return mm_request_set_boolean(request, name, json_is_true(value), error);
        break;
    case MM_PARAMETER_JSON:
        return mm_request_set_json_value(request, parameter, value, error);
    }
    return wrong_type(parameter, error);
}

// ---- Data --------------------------------------------------------------------------------------

static mm_status bad_element(mm_error *error, const char *field, size_t index, const char *what) {
    mm_status status =
        mm_fail(error, MM_STATUS_INVALID_REQUEST, "%s[%zu] must be %s", field, index, what);
    mm_error_details(error, "{\"index\": %zu}", index);
    return status;
}

static mm_status set_texts(mm_request *request, const json_t *data, mm_error *error) {
    if (json_is_null(data)) {
        mm_request_set_preload(request, true);
        return MM_STATUS_OK;
    }
    mm_request_set_single(request, json_is_string(data));
    if (json_is_string(data))
        return mm_request_add_text(request, json_string_value(data), json_string_length(data),
                                   error);
    if (!json_is_array(data))
        return mm_fail(error, MM_STATUS_INVALID_REQUEST,
                       "task_data must be a string, a list of strings, or null for a pre-load");
    mm_status status = MM_STATUS_OK;
    size_t count = json_array_size(data);
    for (size_t i = 0; i < count && !status; i++) {
        const json_t *text = json_array_get(data, i);
        status = json_is_string(text) ? mm_request_add_text(request, json_string_value(text),
                                                            json_string_length(text), error)
                                      : bad_element(error, "task_data", i, "a string");
    }
    return status;
}

static mm_status set_ids(mm_request *request, const json_t *lists, mm_error *error) {
    if (!json_is_array(lists))
        return mm_fail(error, MM_STATUS_INVALID_REQUEST,
                       "input_ids must be a list of lists of token ids");
    mm_status status = MM_STATUS_OK;
    int32_t *ids = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < json_array_size(lists) && !status; i++) {
        const json_t *list = json_array_get(lists, i);
        size_t count = json_array_size(list); // 0 for what is no array
        if (count > capacity) {
            int32_t *bigger = mm_array_realloc(ids, count, sizeof(*ids));
            if (!bigger) {
                status = mm_fail_memory(error, "the ids of a request");
                break;
            }
            ids = bigger;
            capacity = count;
        }
        bool good = json_is_array(list);
        for (size_t k = 0; k < count && good; k++) {
            const json_t *id = json_array_get(list, k);
            json_int_t value = json_integer_value(id);
            good = json_is_integer(id) && value >= 0 && value <= INT32_MAX;
            ids[k] = good ? (int32_t)value : 0;
        }
        status = good ? mm_request_add_ids(request, ids, count, error)
                      : bad_element(error, "input_ids", i, "a list of token ids");
    }
    mm_free(ids);
    return status;
}

static mm_status set_data(mm_request *request, const json_t *object, bool data_optional,
                          mm_error *error) {
    const json_t *texts = json_object_get(object, "task_data");
    const json_t *lists = json_object_get(object, "input_ids");
    if (lists && texts)
        return mm_fail(error, MM_STATUS_INVALID_REQUEST,
                       "a request has either task_data or input_ids, not both");
    if (lists)
        return set_ids(request, lists, error);
    if (texts)
        return set_texts(request, texts, error);
    if (data_optional) {
        mm_request_set_preload(request, true);
        return MM_STATUS_OK;
    }
    mm_status status =
        mm_fail(error, MM_STATUS_INVALID_REQUEST,
                "task_data is missing; give a string, a list of strings, or null for a pre-load");
    mm_error_details(error, "{\"field\": \"task_data\"}");
    return status;
}

mm_status mm_request_from_json(mm_request **out, const json_t *object, bool data_optional,
                               mm_error *error) {
    mm_status status = mm_request_create(out, error);
    if (status)
        return status;
    // The task type first: it decides which of the other names are known.
    const json_t *task = json_object_get(object, "task_type");
    if (task)
        status = set_value(*out, "task_type", task, error);
    if (!status)
        status = mm_request_check_task(*out, error);
    json_t *members = (json_t *)(uintptr_t)object; // jansson's iterator wants it not const
    void *at = json_object_iter(members);
    for (; at && !status; at = json_object_iter_next(members, at)) {
        const char *name = json_object_iter_key(at);
        const json_t *value = json_object_iter_value(at);
        if (strcmp(name, "task_data") != 0 && strcmp(name, "input_ids") != 0 &&
            strcmp(name, "op") != 0)
            status = set_value(*out, name, value, error);
    }
    if (!status)
        status = set_data(*out, object, data_optional, error);
    if (!status)
        status = mm_request_check(*out, error);
    if (status) {
        mm_request_free(*out);
        *out = NULL;
    }
    return status;
}
