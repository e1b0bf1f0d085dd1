// SPDX-License-Identifier: Apache-2.0
// A request's values, checked one by one as they are set, and its data.
#ifndef MM_MANAGER_REQUEST_H
#define MM_MANAGER_REQUEST_H

#include "base/buffer.h"
#include "base/json.h"
#include "manager/parameters.h"

typedef struct mm_value {
    bool set;
    bool null; // num_workers only: the settings' number
    char *text;
    int64_t integer;
    double number;
    bool boolean;
    json_t *json; // of the type MM_PARAMETER_JSON; nobody else's
} mm_value;

// Belongs to one thread at a time; read-only while a task runs with it.
struct mm_request {
    mm_value values[MM_PARAM_COUNT];
    bool preload;
    bool id_is_number; // `id` came as a JSON number: echoed without quotes
    bool is_single;    // a string rather than a list of them: so is the Result
    mm_buffer text;    // all texts one behind the other
    size_t *text_ends; // [text_count]
    size_t text_count;
    size_t text_capacity;
    int32_t *ids; // all id lists one behind the other
    size_t ids_capacity;
    size_t *id_ends; // [list_count]
    size_t list_count;
    size_t list_capacity;
};

const char *mm_request_text(const mm_request *request, mm_parameter_index index,
                            const char *fallback);
int64_t mm_request_integer(const mm_request *request, mm_parameter_index index, int64_t fallback);
double mm_request_number(const mm_request *request, mm_parameter_index index, double fallback);
bool mm_request_boolean(const mm_request *request, mm_parameter_index index, bool fallback);

// Takes a value of the type MM_PARAMETER_JSON, of which it keeps a copy.
mm_status mm_request_set_json_value(mm_request *request, const mm_parameter *parameter,
                                    const json_t *value, mm_error *error);
// The arguments of generate() as a JSON object, for the caller to json_decref.
mm_status mm_request_generate_arguments(json_t **out, const mm_request *request, mm_error *error);
// A deep copy for the caller to free.
mm_status mm_request_copy(mm_request **out, const mm_request *request, mm_error *error);
// INVALID_REQUEST without a task_type.
mm_status mm_request_check_task(const mm_request *request, mm_error *error);
// What can only be said of the whole: required fields are there, the task is one this version does,
// each parameter applies to it, data is of one kind.
mm_status mm_request_check(const mm_request *request, mm_error *error);
// From a parsed JSON object; unknown members are errors. With `data_optional` an absent task_data
// counts as null (the `preload` list of the settings). A member "op" is skipped.
mm_status mm_request_from_json(mm_request **out, const json_t *object, bool data_optional,
                               mm_error *error);
// Parses request text; what is broken in an element of task_data gets details.index.
mm_status mm_request_json_parse(json_t **out, const char *text, size_t length, mm_error *error);

#endif
