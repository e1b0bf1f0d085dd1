// SPDX-License-Identifier: Apache-2.0
// What a command of the program is: a const table entry. Help, flags and suggestions come from it.
#ifndef MM_CLI_COMMAND_H
#define MM_CLI_COMMAND_H

#include <stddef.h>
#include <stdint.h>

enum { MM_EXIT_OK = 0, MM_EXIT_FAILED = 1, MM_EXIT_USAGE = 2 };

typedef enum mm_option_kind {
    MM_OPTION_SWITCH,  // bool, set true
    MM_OPTION_TEXT,    // const char *, borrowed from argv
    MM_OPTION_INTEGER, // int64_t between minimum and maximum
} mm_option_kind;

typedef struct mm_option {
    const char *name; // without dashes
    mm_option_kind kind;
    size_t offset;        // of the target in the command's struct of arguments
    const char *argument; // how help calls the value; NULL for a switch
    int64_t minimum, maximum;
    const char *choices; // texts only: "a b c", or NULL
    const char *help;
} mm_option;

typedef struct mm_command {
    const char *name;
    const char *summary;  // one line for `mm --help`
    const char *synopsis; // what follows `mm NAME` in the usage lines; several lines are allowed
    const char *description;
    const char *examples; // whole lines, as one would type them
    const mm_option *options;
    size_t option_count;
    unsigned tasks;      // the parameters of these tasks (MM_TASK_... bits) are flags as well
    const char *without; // parameters that make no sense here, "a b c"; or NULL
    // argv[0] is the command's name. Returns the exit status.
    int (*run)(const struct mm_command *command, int argc, char **argv);
} mm_command;

extern const mm_command mm_command_embed;
extern const mm_command mm_command_generate;
extern const mm_command mm_command_task;
extern const mm_command mm_command_tokenize;
extern const mm_command mm_command_inspect;
extern const mm_command mm_command_bench;
extern const mm_command mm_command_models;
extern const mm_command mm_command_pull;
extern const mm_command mm_command_login;

#endif
