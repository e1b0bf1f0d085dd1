// SPDX-License-Identifier: Apache-2.0
// mm inspect: what a model is and will cost, for people or as JSON.
#include "base/json.h"
#include "cli/one_model.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>

typedef struct inspect_arguments {
    bool json;
} inspect_arguments;

static const mm_option options[] = {
    {.name = "json",
     .kind = MM_OPTION_SWITCH,
     .offset = offsetof(inspect_arguments, json),
     .help = "Print one JSON object."},
};

enum { KEY_SIZE = 128, INDENT = 22 };

static void print_label(const char *key) {
    char label[KEY_SIZE];
    (void)snprintf(label, sizeof(label), "%s", key);
    for (char *at = label; *at; at++) {
        if (*at == '_' || *at == '.')
            *at = ' ';
    }
    mm_output_printf("%-*s", INDENT, label);
}

static bool counts_bytes(const char *key) {
    return strstr(key, "bytes") != NULL;
}

static void print_integer(const char *key, json_int_t value) {
    if (counts_bytes(key) && value >= 1 << 20)
        mm_output_printf("%.1f MiB", (double)value / (1 << 20));
    else if (counts_bytes(key) && value >= 1 << 10)
        mm_output_printf("%.1f KiB", (double)value / (1 << 10));
    else if (counts_bytes(key))
        mm_output_printf("%lld B", (long long)value);
    else if (strstr(key, "parameters") && value >= 1000000)
        mm_output_printf("%.1f million", (double)value / 1e6);
    else
        mm_output_printf("%lld", (long long)value);
}

static void print_scalar(const char *key, const json_t *value) {
    if (json_is_string(value))
        mm_output_printf("%s", json_string_value(value));
    else if (json_is_integer(value))
        print_integer(key, json_integer_value(value));
    else if (json_is_real(value))
        mm_output_printf("%g", json_real_value(value));
    else if (json_is_boolean(value))
        mm_output_printf("%s", json_is_true(value) ? "yes" : "no");
    else
        mm_output_printf("-");
}

// Knows nothing of the fields, so that the library may add some: an object's fields become lines
// of their own, "memory_bytes f32".
static void print_value(const char *key, json_t *value, int depth) {
    if (json_is_object(value) && depth < 4) {
        const char *name;
        json_t *member;
        json_object_foreach(value, name, member) {
            char path[KEY_SIZE];
            (void)snprintf(path, sizeof(path), "%s%s%s", key, *key ? "." : "", name);
            print_value(path, member, depth + 1);
        }
        return;
    }
    print_label(key);
    if (json_is_array(value)) {
        size_t index;
        json_t *member;
        if (json_array_size(value) == 0)
            mm_output_printf("-");
        json_array_foreach(value, index, member) {
            if (index)
                mm_output_printf(", ");
            print_scalar(key, member);
        }
    } else {
        print_scalar(key, value);
    }
    mm_output_printf("\n");
}

static mm_status inspect(char **out, mm_manager *manager, const char *model, const void *arguments,
                         mm_error *error) {
    (void)arguments;
    return mm_model_inspect(out, manager, model, error);
}

static int print(const char *json, const void *arguments) {
    const inspect_arguments *given = arguments;
    if (given->json) {
        mm_output_line(json);
        return MM_EXIT_OK;
    }
    json_t *object = json_loads(json, 0, NULL);
    print_value("", object, 0);
    int status = object ? MM_EXIT_OK : MM_EXIT_FAILED;
    json_decref(object);
    return status;
}

static int run(const mm_command *command, int argc, char **argv) {
    inspect_arguments arguments = {0};
    return mm_one_model(command, &arguments, &arguments.json, argc, argv, inspect, print);
}

const mm_command mm_command_inspect = {
    .name = "inspect",
    .summary = "Show what a model is and what it needs, without loading it",
    .synopsis = "MODEL [--json]",
    .description =
        "Reads the configuration and the headers of MODEL's files, not its weights: the\n"
        "family, what tasks it does, parameters, and the memory it will need per dtype.",
    .examples = "  mm inspect ./all-MiniLM-L6-v2\n"
                "  mm inspect ./all-MiniLM-L6-v2 --json\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .run = run,
};
