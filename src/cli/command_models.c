// SPDX-License-Identifier: Apache-2.0
// mm models: which models of the Hub lie on this machine.
#include "base/json.h"
#include "cli/options.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>

typedef struct models_arguments {
    bool json;
} models_arguments;

static const mm_option options[] = {
    {.name = "json",
     .kind = MM_OPTION_SWITCH,
     .offset = offsetof(models_arguments, json),
     .help = "Print one JSON object."},
};

enum { COMMIT_SHOWN = 12 };

static void print_table(const json_t *models) {
    size_t width = strlen("MODEL");
    for (size_t i = 0; i < json_array_size(models); i++) {
        size_t length =
            json_string_length(json_object_get(json_array_get(models, i), "model_name"));
        width = length > width ? length : width;
    }
    mm_output_printf("%-*s  %-12s  %10s  %-10s  %s\n", (int)width, "MODEL", "COMMIT", "MB", "STATE",
                     "REVISIONS");
    for (size_t i = 0; i < json_array_size(models); i++) {
        const json_t *model = json_array_get(models, i);
        mm_output_printf("%-*s  %.*s  %10.1f  %-10s  %s\n", (int)width,
                         json_string_value(json_object_get(model, "model_name")), COMMIT_SHOWN,
                         json_string_value(json_object_get(model, "revision")),
                         (double)json_integer_value(json_object_get(model, "bytes")) * 1e-6,
                         json_is_true(json_object_get(model, "complete")) ? "complete"
                                                                          : "incomplete",
                         json_string_value(json_object_get(model, "refs")));
    }
}

static int list(const mm_invocation *line, bool as_json) {
    mm_manager *manager = NULL;
    mm_error error = {0};
    char *json = NULL;
    json_t *object = NULL;
    int status;
    if (!mm_invocation_manager(&manager, &status, line))
        return status;
    status = MM_EXIT_OK;
    mm_status result = mm_model_list(&json, manager, &error);
    if (!result && !as_json)
        result = mm_json_parse(&object, json, strlen(json), "the list", MM_STATUS_INTERNAL, &error);
    if (result)
        status = mm_output_failure(&error, as_json);
    else if (as_json)
        mm_output_line(json);
    else
        print_table(json_object_get(object, "models"));
    json_decref(object);
    mm_text_free(json);
    mm_manager_free(manager);
    return status;
}

static int run(const mm_command *command, int argc, char **argv) {
    models_arguments arguments = {0};
    mm_invocation line;
    int status;
    if (!mm_invocation_read(&line, &status, command, &arguments, argc, argv))
        return status;
    if (line.word_count > 1 || (line.word_count == 1 && strcmp(line.words[0], "list") != 0))
        status = mm_usage_error(command, "unknown action \"%s\"; there is list", line.words[0]);
    else
        status = list(&line, arguments.json);
    mm_invocation_free(&line);
    return status;
}

const mm_command mm_command_models = {
    .name = "models",
    .summary = "List the models of the Hub that are on this machine",
    .synopsis = "[list] [--json]",
    .description = "Shows what lies in the folder of the setting models_dir and in the user's own "
                   "Hub cache.",
    .examples = "  mm models\n"
                "  mm models list --json\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .run = run,
};
