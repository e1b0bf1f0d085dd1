// SPDX-License-Identifier: Apache-2.0
// THE table of what a request may say. Setters, JSON codec, command line, bindings and
// documentation all read it; a parameter is added here and nowhere else.
#include "manager/parameters.h"

#include "base/buffer.h"
#include "base/utf8.h"
#include "manager/json_text.h"

#include <math.h>
#include <string.h>

#define EMBED MM_TASK_EMBEDDING
#define ALL MM_TASK_ALL

static const mm_parameter table[MM_PARAM_COUNT] = {
    [MM_PARAM_TASK_TYPE] = {"task_type", MM_PARAMETER_TEXT, 0, 0, "embedding text_generation",
                            "required", ALL, "What to do with the data."},
    [MM_PARAM_MODEL_NAME] = {"model_name", MM_PARAMETER_TEXT, 0, 0, NULL, "required", ALL,
                             "Hub id org/name, a bare name, or a directory (/..., ./..., ../...)."},
    [MM_PARAM_NUM_WORKERS] = {"num_workers", MM_PARAMETER_INTEGER, 1, 4096, NULL, "1", ALL,
                              "Workers wanted; null: the number of the settings. Later calls only "
                              "add workers, a pre-load sets their number exactly."},
    [MM_PARAM_DEVICE] = {"device", MM_PARAMETER_TEXT, 0, 0, NULL, "gpu", ALL,
                         "gpu (the one with most free memory), cpu, or cuda:N."},
    [MM_PARAM_KEEP_ALIVE] = {"keep_alive", MM_PARAMETER_NUMBER, -HUGE_VAL, HUGE_VAL, NULL,
                             "unchanged", ALL,
                             "Minutes of inactivity before the model is released; 0: after this "
                             "call, negative: never."},
    [MM_PARAM_REVISION] = {"revision", MM_PARAMETER_TEXT, 0, 0, NULL, "main", ALL,
                           "Branch, tag or commit of a Hub repository."},
    [MM_PARAM_DTYPE] = {"dtype", MM_PARAMETER_TEXT, 0, 0, "auto f32 bf16 f16 int8", "auto", ALL,
                        "Type the weights are computed in; auto is f32 on the CPU."},
    [MM_PARAM_TIMEOUT_MS] = {"timeout_ms", MM_PARAMETER_NUMBER, 1, 1e12, NULL, "none", ALL,
                             "Longest time for the whole way: download, load, queue and run."},
    [MM_PARAM_PRIORITY] = {"priority", MM_PARAMETER_TEXT, 0, 0, "interactive bulk", "interactive",
                           ALL, "Bulk work waits behind interactive work of the same model."},
    [MM_PARAM_TRUNCATE] = {"truncate", MM_PARAMETER_TEXT, 0, 0, "right left error", "right", ALL,
                           "Side on which a text longer than the limit is cut; error refuses it."},
    [MM_PARAM_RETURN_IDS] = {"return_ids", MM_PARAMETER_BOOLEAN, 0, 0, NULL, "false", ALL,
                             "Adds the token ids that were used as input_ids."},
    [MM_PARAM_ID] = {"id", MM_PARAMETER_TEXT, 0, 0, NULL, "none", ALL,
                     "Echoed in the Result, so that answers can be told apart."},
    [MM_PARAM_PROMPT] = {"prompt", MM_PARAMETER_TEXT, 0, 0, NULL, "none", EMBED,
                         "Put in front of every text as it is."},
    [MM_PARAM_PROMPT_NAME] = {"prompt_name", MM_PARAMETER_TEXT, 0, 0, NULL, "none", EMBED,
                              "Name of a prompt that the model's repository defines."},
    [MM_PARAM_INPUT_ROLE] = {"input_role", MM_PARAMETER_TEXT, 0, 0, "query document", "none", EMBED,
                             "Picks the prompt for this role: the repository's own, else one known "
                             "for the model, else none."},
    [MM_PARAM_NORMALIZE] = {"normalize", MM_PARAMETER_BOOLEAN, 0, 0, NULL, "false", EMBED,
                            "Scales every vector to length 1 at the end."},
    [MM_PARAM_DIMENSIONS] = {"dimensions", MM_PARAMETER_INTEGER, 1, 1 << 24, NULL, "the model's",
                             EMBED, "Cuts vectors to this many values."},
    [MM_PARAM_MAX_LENGTH] = {"max_length", MM_PARAMETER_INTEGER, 1, 1 << 24, NULL, "the model's",
                             ALL, "Longest text in tokens, special tokens included."},
    [MM_PARAM_USE_CACHE] = {"use_cache", MM_PARAMETER_BOOLEAN, 0, 0, NULL, "true", EMBED,
                            "Whether vectors may come from, and go to, the embedding cache."},
};

size_t mm_parameter_count(void) {
    return MM_PARAM_COUNT;
}

const mm_parameter *mm_parameter_at(size_t index) {
    return index < MM_PARAM_COUNT ? &table[index] : NULL;
}

const mm_parameter *mm_parameter_find(const char *name) {
    for (size_t i = 0; i < MM_PARAM_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}

mm_parameter_index mm_parameter_index_of(const mm_parameter *parameter) {
    return (mm_parameter_index)(parameter - table);
}

const char *mm_parameter_type_name(mm_parameter_type type) {
    static const char *const names[] = {"a string", "an integer", "a number", "true or false"};
    return names[type];
}

void mm_parameter_details(mm_error *error, const char *name) {
    mm_buffer quoted;
    mm_buffer_init(&quoted, sizeof(error->details));
    if (mm_json_put_string(&quoted, name, strlen(name)))
        mm_error_details(error, "{\"parameter\": %s}", quoted.data);
    mm_buffer_free(&quoted);
}

mm_status mm_parameter_unknown(mm_error *error, const char *name) {
    mm_buffer known;
    mm_buffer_init(&known, sizeof(error->message));
    bool ok = true;
    for (size_t i = 0; i < MM_PARAM_COUNT && ok; i++)
        ok = mm_buffer_printf(&known, "%s%s", i ? ", " : "", table[i].name);
    mm_status status =
        mm_fail(error, MM_STATUS_INVALID_PARAMETER, "there is no parameter \"%.64s\"; there are %s",
                name, ok ? known.data : "those of the documentation");
    mm_parameter_details(error, name);
    mm_buffer_free(&known);
    return status;
}

bool mm_choice_known(const char *choices, const char *value) {
    size_t length = strlen(value);
    if (length == 0 || strchr(value, ' '))
        return false;
    for (const char *at = choices; (at = strstr(at, value)) != NULL; at += length) {
        bool starts = at == choices || at[-1] == ' ';
        if (starts && (at[length] == ' ' || at[length] == '\0'))
            return true;
    }
    return false;
}

static bool device_known(const char *value) {
    if (mm_choice_known("gpu cpu", value))
        return true;
    if (strncmp(value, "cuda:", 5) != 0)
        return false;
    size_t digits = strspn(value + 5, "0123456789");
    return digits >= 1 && digits <= 3 && value[5 + digits] == '\0';
}

mm_status mm_parameter_check_text(const mm_parameter *parameter, const char *value, size_t length,
                                  mm_error *error) {
    mm_status status = MM_STATUS_OK;
    mm_parameter_index index = mm_parameter_index_of(parameter);
    bool is_prompt = index == MM_PARAM_PROMPT || index == MM_PARAM_ID;
    if (!mm_utf8_valid(value, length, NULL))
        status =
            mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s is not valid UTF-8", parameter->name);
    else if (strlen(value) != length)
        status =
            mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s must not hold U+0000", parameter->name);
    else if (index == MM_PARAM_DEVICE && !device_known(value))
        status = mm_fail(error, MM_STATUS_INVALID_DEVICE,
                         "device is \"%.64s\", must be gpu, cpu or cuda:N", value);
    else if (parameter->choices && !mm_choice_known(parameter->choices, value))
        status = mm_fail(
            error,
            index == MM_PARAM_TASK_TYPE ? MM_STATUS_INVALID_TASK_TYPE : MM_STATUS_INVALID_PARAMETER,
            "%s is \"%.64s\", must be one of: %s", parameter->name, value, parameter->choices);
    else if (length == 0 && !is_prompt)
        status =
            mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s must not be empty", parameter->name);
    if (status)
        mm_parameter_details(error, parameter->name);
    return status;
}

mm_status mm_parameter_check_number(const mm_parameter *parameter, double value, mm_error *error) {
    bool bounded = isfinite(parameter->minimum) || isfinite(parameter->maximum);
    if (isfinite(value) && value >= parameter->minimum && value <= parameter->maximum)
        return MM_STATUS_OK;
    mm_status status =
        bounded ? mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s is %.15g, must be from %g to %g",
                          parameter->name, value, parameter->minimum, parameter->maximum)
                : mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s must be a finite number",
                          parameter->name);
    mm_parameter_details(error, parameter->name);
    return status;
}
