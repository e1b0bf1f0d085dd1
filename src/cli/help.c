// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include "cli/options.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 96, COLUMN = 30 };

void mm_help_flag_name(char *out, size_t size, const char *parameter) {
    (void)snprintf(out, size, "%s", parameter);
    for (char *at = out; *at; at++) {
        if (*at == '_')
            *at = '-';
    }
}

bool mm_help_is_flag(const mm_command *command, const mm_parameter *parameter) {
    if (!(parameter->tasks & command->tasks) || strcmp(parameter->name, "model_name") == 0 ||
        strcmp(parameter->name, "task_type") == 0 ||
        (command->without && mm_option_choice(command->without, parameter->name)))
        return false;
    for (size_t i = 0; i < command->option_count; i++) {
        if (strcmp(command->options[i].name, parameter->name) == 0)
            return false;
    }
    return true;
}

// Words of `text` from the given column on, wrapped; ends the line.
static void print_wrapped(const char *text, size_t indent, size_t column) {
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column > indent && column + 1 + word > WIDTH) {
            mm_output_printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            mm_output_write(" ", 1);
            column++;
        }
        mm_output_write(text, word);
        column += word;
        text += word + strspn(text + word, " ");
    }
    mm_output_write("\n", 1);
}

static void print_entry(const char *left, const char *help) {
    mm_output_printf("  %s", left);
    size_t used = 2 + strlen(left);
    if (used + 2 > COLUMN)
        mm_output_printf("\n%*s", COLUMN, "");
    else
        mm_output_printf("%*s", (int)(COLUMN - used), "");
    print_wrapped(help, COLUMN, COLUMN);
}

static void print_option(const mm_option *option) {
    char left[128];
    (void)snprintf(left, sizeof(left), "--%s%s%s", option->name, option->argument ? " " : "",
                   option->argument ? option->argument : "");
    print_entry(left, option->help);
}

static void print_parameter(const mm_parameter *parameter) {
    static const char *const arguments[] = {" TEXT", " N", " NUMBER", "", " JSON"};
    char name[64], left[160], help[512];
    mm_help_flag_name(name, sizeof(name), parameter->name);
    if (parameter->type == MM_PARAMETER_BOOLEAN)
        (void)snprintf(left, sizeof(left), "--%s, --no-%s", name, name);
    else
        (void)snprintf(left, sizeof(left), "--%s%s", name, arguments[parameter->type]);
    int used = snprintf(help, sizeof(help), "%s", parameter->help);
    if (parameter->choices && used > 0 && (size_t)used < sizeof(help))
        used +=
            snprintf(help + used, sizeof(help) - (size_t)used, " One of: %s.", parameter->choices);
    bool has_default = parameter->default_text && strcmp(parameter->default_text, "none") != 0;
    if (has_default && used > 0 && (size_t)used < sizeof(help))
        (void)snprintf(help + used, sizeof(help) - (size_t)used, " Default: %s.",
                       parameter->default_text);
    print_entry(left, help);
}

static void print_synopsis(const mm_command *command) {
    const char *label = "Usage:";
    for (const char *line = command->synopsis; *line;) {
        size_t length = strcspn(line, "\n");
        mm_output_printf("%-6s mm %s %.*s\n", label, command->name, (int)length, line);
        line += length + (line[length] == '\n');
        label = "";
    }
}

void mm_help_command(const mm_command *command) {
    print_synopsis(command);
    mm_output_printf("\n%s\n\nOptions:\n", command->description);
    for (size_t i = 0; i < command->option_count; i++)
        print_option(&command->options[i]);
    print_entry("--settings FILE", "Apply the settings in this JSON file.");
    print_entry("--set NAME=VALUE", "Apply one setting, for example --set cpu_threads=2. Wins over "
                                    "the file and over MM_... variables. May be repeated.");
    print_entry("-h, --help", "Print this help.");
    bool first = true;
    for (size_t i = 0; i < mm_parameter_count(); i++) {
        if (!mm_help_is_flag(command, mm_parameter_at(i)))
            continue;
        if (first)
            mm_output_printf("\nParameters (in JSON the same names, with _ in place of -):\n");
        first = false;
        print_parameter(mm_parameter_at(i));
    }
    mm_output_printf("\nExamples:\n%s", command->examples);
}
