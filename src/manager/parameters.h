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
    MM_PARAM_TASK,
    // From here on arguments of transformers' generate(), which tasks/generation_settings.h reads;
    // max_length above is one too.
    MM_PARAM_FIRST_OF_GENERATE,
    MM_PARAM_MAX_NEW_TOKENS = MM_PARAM_FIRST_OF_GENERATE,
    MM_PARAM_MIN_LENGTH,
    MM_PARAM_MIN_NEW_TOKENS,
    MM_PARAM_NUM_BEAMS,
    MM_PARAM_NUM_RETURN_SEQUENCES,
    MM_PARAM_EARLY_STOPPING,
    MM_PARAM_LENGTH_PENALTY,
    MM_PARAM_DO_SAMPLE,
    MM_PARAM_TEMPERATURE,
    MM_PARAM_TOP_K,
    MM_PARAM_TOP_P,
    MM_PARAM_MIN_P,
    MM_PARAM_TYPICAL_P,
    MM_PARAM_EPSILON_CUTOFF,
    MM_PARAM_ETA_CUTOFF,
    MM_PARAM_TOP_H,
    MM_PARAM_SEED,
    MM_PARAM_REPETITION_PENALTY,
    MM_PARAM_ENCODER_REPETITION_PENALTY,
    MM_PARAM_NO_REPEAT_NGRAM_SIZE,
    MM_PARAM_ENCODER_NO_REPEAT_NGRAM_SIZE,
    MM_PARAM_BAD_WORDS_IDS,
    MM_PARAM_SEQUENCE_BIAS,
    MM_PARAM_SUPPRESS_TOKENS,
    MM_PARAM_BEGIN_SUPPRESS_TOKENS,
    MM_PARAM_FORCED_BOS_TOKEN_ID,
    MM_PARAM_FORCED_EOS_TOKEN_ID,
    MM_PARAM_EXPONENTIAL_DECAY_LENGTH_PENALTY,
    MM_PARAM_STOP,
    MM_PARAM_COUNT,
} mm_parameter_index;

// Whether it is passed on to generate().
bool mm_parameter_is_of_generate(mm_parameter_index index);
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
