// SPDX-License-Identifier: Apache-2.0
#include "cli/one_model.h"

#include "cli/output.h"

#include <string.h>

// With `hints`, whoever meant a directory is helped.
static int act(const mm_invocation *line, const char *model, const void *arguments, bool as_json,
               bool hints, mm_model_function function, mm_answer_function print) {
    mm_manager *manager = NULL;
    mm_error error = {0};
    char *json = NULL;
    int status;
    if (!mm_invocation_manager(&manager, &status, line))
        return status;
    if (function(&json, manager, model, arguments, &error)) {
        status = mm_output_failure(&error, as_json);
        if (hints)
            mm_output_hint(&error, model);
    } else {
        status = print(json, arguments);
    }
    mm_text_free(json);
    mm_manager_free(manager);
    return status;
}

int mm_one_model_do(const mm_invocation *line, const char *model, const void *arguments,
                    bool as_json, mm_model_function function, mm_answer_function print) {
    return act(line, model, arguments, as_json, false, function, print);
}

int mm_one_model(const mm_command *command, void *arguments, const bool *as_json, int argc,
                 char **argv, mm_model_function function, mm_answer_function print) {
    mm_invocation line;
    int status;
    if (!mm_invocation_read(&line, &status, command, arguments, argc, argv))
        return status;
    if (line.word_count != 1)
        status = mm_usage_error(command, line.word_count ? "one model at a time" : "no model");
    else
        status = act(&line, line.words[0], arguments, *as_json, true, function, print);
    mm_invocation_free(&line);
    return status;
}

mm_status mm_model_split(char name[MM_MODEL_WORD], const char **revision, const char *word,
                         mm_error *error) {
    if (strlen(word) >= MM_MODEL_WORD) {
        error->status = MM_STATUS_INVALID_PARAMETER;
        (void)snprintf(error->message, sizeof(error->message), "the model's name is too long");
        return error->status;
    }
    memcpy(name, word, strlen(word) + 1);
    char *at = strchr(name, '@');
    if (at)
        *at = '\0';
    *revision = at ? at + 1 : NULL;
    return MM_STATUS_OK;
}
