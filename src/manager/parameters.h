// SPDX-License-Identifier: Apache-2.0
// The rows of the parameter table (parameters.c) by index, and the checks every way in shares.
#ifndef MM_MANAGER_PARAMETERS_H
#define MM_MANAGER_PARAMETERS_H

#include "base/error.h"
#include "modelmanager/modelmanager.h"

enum { MM_TASK_ALL = MM_TASK_EMBEDDING | MM_TASK_TEXT_GENERATION };

// Order of the table.
typedef enum mm_parameter_index {
    MM_PARAM_TASK_TYPE,
    MM_PARAM_MODEL_NAME,
    MM_PARAM_NUM_WORKERS,
    MM_PARAM_DEVICE,
    MM_PARAM_KEEP_ALIVE,
    MM_PARAM_REVISION,
    MM_PARAM_DTYPE,
    MM_PARAM_TIMEOUT_MS,
    MM_PARAM_PRIORITY,
    MM_PARAM_TRUNCATE,
    MM_PARAM_RETURN_IDS,
    MM_PARAM_ID,
    MM_PARAM_PROMPT,
    MM_PARAM_PROMPT_NAME,
    MM_PARAM_INPUT_ROLE,
    MM_PARAM_NORMALIZE,
    MM_PARAM_DIMENSIONS,
    MM_PARAM_MAX_LENGTH,
    MM_PARAM_USE_CACHE,
    MM_PARAM_COUNT,
} mm_parameter_index;

mm_parameter_index mm_parameter_index_of(const mm_parameter *parameter);
const char *mm_parameter_type_name(mm_parameter_type type); // "a string", "an integer" ...
// INVALID_PARAMETER for a name that is not in the table.
mm_status mm_parameter_unknown(mm_error *error, const char *name);
// INVALID_PARAMETER (INVALID_DEVICE, INVALID_TASK_TYPE for those two) unless the value is allowed.
mm_status mm_parameter_check_text(const mm_parameter *parameter, const char *value, size_t length,
                                  mm_error *error);
mm_status mm_parameter_check_number(const mm_parameter *parameter, double value, mm_error *error);
// True when `choices` ("a b c") holds `value` as a whole word.
bool mm_choice_known(const char *choices, const char *value);
// Sets error->details to {"parameter": name}.
void mm_parameter_details(mm_error *error, const char *name);

#endif
