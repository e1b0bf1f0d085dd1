// SPDX-License-Identifier: Apache-2.0
// mm models: the models of the Hub that lie on this machine.
#include "base/json.h"
#include "cli/meter.h"
#include "cli/one_model.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct models_arguments {
    bool json;
} models_arguments;

static const mm_option options[] = {
    {.name = "json",
     .kind = MM_OPTION_SWITCH,
     .offset = offsetof(models_arguments, json),
     .help = "Print one JSON object."},
};

enum { COMMIT_SHOWN = 12, DATE_SIZE = 16 };

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static double megabytes(const json_t *object, const char *name) {
    return (double)json_integer_value(json_object_get(object, name)) * 1e-6;
}

static json_t *parse(const char *json) {
    mm_error error = {0};
    json_t *object = NULL;
    if (mm_json_parse(&object, json, strlen(json), "the answer", MM_STATUS_INTERNAL, &error))
        (void)mm_output_failure(&error, false);
    return object;
}

// Prints an answer as it is when JSON was asked for; else *object is to be shown and released.
static bool take_answer(json_t **object, int *status, const char *json, const void *arguments) {
    const models_arguments *given = arguments;
    *object = NULL;
    if (given->json)
        mm_output_line(json);
    else
        *object = parse(json);
    *status = given->json || *object ? MM_EXIT_OK : MM_EXIT_FAILED;
    return *object != NULL;
}

// ---- list --------------------------------------------------------------------------------------

static void put_date(char out[DATE_SIZE], json_int_t seconds) {
    time_t time = (time_t)seconds;
    struct tm day;
    if (!seconds || !localtime_r(&time, &day) || !strftime(out, DATE_SIZE, "%Y-%m-%d", &day))
        (void)snprintf(out, DATE_SIZE, "-");
}

static void print_table(const json_t *models) {
    size_t width = strlen("MODEL");
    for (size_t i = 0; i < json_array_size(models); i++) {
        size_t length = strlen(text_of(json_array_get(models, i), "model_name"));
        width = length > width ? length : width;
    }
    mm_output_printf("%-*s  %-12s  %10s  %-10s  %-10s  %s\n", (int)width, "MODEL", "COMMIT", "MB",
                     "STATE", "LAST USED", "REVISIONS");
    for (size_t i = 0; i < json_array_size(models); i++) {
        const json_t *model = json_array_get(models, i);
        char date[DATE_SIZE];
        put_date(date, json_integer_value(json_object_get(model, "last_used")));
        mm_output_printf(
            "%-*s  %.*s  %10.1f  %-10s  %-10s  %s\n", (int)width, text_of(model, "model_name"),
            COMMIT_SHOWN, text_of(model, "revision"), megabytes(model, "bytes"),
            json_is_true(json_object_get(model, "complete")) ? "complete" : "incomplete", date,
            text_of(model, "refs"));
    }
}

static mm_status list(char **out, mm_manager *manager, const char *model, const void *arguments,
                      mm_error *error) {
    (void)model;
    (void)arguments;
    return mm_model_list(out, manager, error);
}

static int print_list(const char *json, const void *arguments) {
    json_t *object;
    int status;
    if (take_answer(&object, &status, json, arguments))
        print_table(json_object_get(object, "models"));
    json_decref(object);
    return status;
}

// ---- rm ----------------------------------------------------------------------------------------

static mm_status remove_model(char **out, mm_manager *manager, const char *model,
                              const void *arguments, mm_error *error) {
    char name[MM_MODEL_WORD];
    const char *revision;
    (void)arguments;
    mm_status status = mm_model_split(name, &revision, model, error);
    return status ? status : mm_model_remove(out, manager, name, revision, error);
}

static int print_removed(const char *json, const void *arguments) {
    json_t *object;
    int status;
    if (take_answer(&object, &status, json, arguments))
        mm_output_printf("removed %s: %.1f MB freed\n", text_of(object, "model_name"),
                         megabytes(object, "freed_bytes"));
    json_decref(object);
    return status;
}

// ---- verify ------------------------------------------------------------------------------------

static mm_status verify(char **out, mm_manager *manager, const char *model, const void *arguments,
                        mm_error *error) {
    const models_arguments *given = arguments;
    char name[MM_MODEL_WORD];
    const char *revision = NULL;
    mm_meter meter;
    mm_status status = model ? mm_model_split(name, &revision, model, error) : MM_STATUS_OK;
    if (status)
        return status;
    mm_meter_init(&meter, given->json);
    status = mm_model_verify(out, manager, model ? name : NULL, revision,
                             meter.terminal ? mm_meter_show : NULL, &meter, error);
    mm_meter_end(&meter);
    return status;
}

static void print_checked(const json_t *model) {
    const json_t *problems = json_object_get(model, "problems");
    size_t bad = json_array_size(problems);
    json_int_t unchecked = json_integer_value(json_object_get(model, "unchecked"));
    mm_output_printf("%-4s  %s  %.*s  %lld files  %.1f MB\n", bad ? "bad" : "good",
                     text_of(model, "model_name"), COMMIT_SHOWN, text_of(model, "revision"),
                     (long long)json_integer_value(json_object_get(model, "files")),
                     megabytes(model, "bytes"));
    for (size_t i = 0; i < bad; i++)
        mm_output_printf("      %s: %s\n", text_of(json_array_get(problems, i), "file"),
                         text_of(json_array_get(problems, i), "problem"));
    if (unchecked)
        mm_output_printf("      %lld files lie here without links: their hashes are not known\n",
                         (long long)unchecked);
    if (bad)
        mm_complain("get it anew: mm models rm %s@%s, then mm pull", text_of(model, "model_name"),
                    text_of(model, "revision"));
}

static int print_verified(const char *json, const void *arguments) {
    const models_arguments *given = arguments;
    json_t *object = parse(json);
    const json_t *models = json_object_get(object, "models");
    bool good = json_is_true(json_object_get(object, "good"));
    if (given->json)
        mm_output_line(json);
    for (size_t i = 0; !given->json && i < json_array_size(models); i++)
        print_checked(json_array_get(models, i));
    json_decref(object);
    return good ? MM_EXIT_OK : MM_EXIT_FAILED;
}

// ---- The command -------------------------------------------------------------------------------

typedef struct action {
    const char *name;
    int minimum, maximum; // models that it takes
    mm_model_function function;
    mm_answer_function print;
} action;

static const action actions[] = {
    {"list", 0, 0, list, print_list},
    {"rm", 1, 1, remove_model, print_removed},
    {"verify", 0, 1, verify, print_verified},
};
enum { ACTION_COUNT = sizeof(actions) / sizeof(actions[0]) };

static int act(const mm_invocation *line, const models_arguments *arguments) {
    const char *name = line->word_count ? line->words[0] : actions[0].name;
    int models = line->word_count ? line->word_count - 1 : 0;
    for (size_t i = 0; i < ACTION_COUNT; i++) {
        const action *at = &actions[i];
        if (strcmp(at->name, name) != 0)
            continue;
        if (models < at->minimum || models > at->maximum)
            return mm_usage_error(line->command, "%s takes %s", name,
                                  at->minimum   ? "one model"
                                  : at->maximum ? "one model or none"
                                                : "no model");
        return mm_one_model_do(line, models ? line->words[1] : NULL, arguments, arguments->json,
                               at->function, at->print);
    }
    return mm_usage_error(line->command, "unknown action \"%s\"; there are list, rm and verify",
                          name);
}

static int run(const mm_command *command, int argc, char **argv) {
    models_arguments arguments = {0};
    mm_invocation line;
    int status;
    if (!mm_invocation_read(&line, &status, command, &arguments, argc, argv))
        return status;
    status = act(&line, &arguments);
    mm_invocation_free(&line);
    return status;
}

const mm_command mm_command_models = {
    .name = "models",
    .summary = "List, remove or verify the models of the Hub that are on this machine",
    .synopsis = "[list] [--json]\nrm MODEL[@REVISION] [--json]\nverify [MODEL[@REVISION]] [--json]",
    .description =
        "list shows what lies in the folder of the setting models_dir and in the user's own Hub "
        "cache.\n"
        "rm removes a model, or one revision of it, from the folder of models_dir; the user's own "
        "cache\n"
        "is only read. verify reads the files of a model, or of all, and compares their hashes "
        "with\n"
        "what the Hub said; the exit status is 1 when one is not what it was.",
    .examples = "  mm models\n"
                "  mm models rm all-MiniLM-L6-v2\n"
                "  mm models verify\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .run = run,
};
