// SPDX-License-Identifier: Apache-2.0
// Reading the command line: a command's own options, the library's parameters, and the settings.
#ifndef MM_CLI_OPTIONS_H
#define MM_CLI_OPTIONS_H

#include "cli/command.h"
#include "modelmanager/modelmanager.h"

#include <stdbool.h>

typedef struct mm_cli_pair {
    const char *name;
    const char *value;
} mm_cli_pair;

// What a command line said. All strings are borrowed from argv and the library's tables.
typedef struct mm_invocation {
    const mm_command *command;
    int word_count; // what is no flag: model and texts
    char **words;
    const char *settings_file; // or NULL
    mm_cli_pair *settings;     // in the order given; room for some more (mm_invocation_set)
    size_t setting_count;
    mm_cli_pair *parameters; // name in the library's spelling; booleans as "true" and "false"
    size_t parameter_count;
} mm_invocation;

// Returns true to go on. On false *exit_status says how to end: help was printed, or the line was
// wrong and stderr says why. `arguments` is the struct the options' offsets refer to.
bool mm_invocation_read(mm_invocation *out, int *exit_status, const mm_command *command,
                        void *arguments, int argc, char **argv);
void mm_invocation_free(mm_invocation *invocation);
// Adds a setting in front of those given, so that the user's --set wins. At most four.
void mm_invocation_set(mm_invocation *invocation, const char *name, const char *value);

// Defaults, then the settings file, MM_... variables (and .env), then --set; logs to stderr.
// On failure the reason is on stderr and *exit_status is set.
bool mm_invocation_manager(mm_manager **out, int *exit_status, const mm_invocation *invocation);
// The setting cpu_threads as it comes out of all that; 0 = all.
bool mm_invocation_threads(int64_t *out, int *exit_status, const mm_invocation *invocation);
// A request for `model` with the flags applied. Failing is a fault of the command line and has been
// reported.
bool mm_invocation_request(mm_request **out, const mm_invocation *invocation, const char *task_type,
                           const char *model);

// "mm NAME: message" and a pointer to the help, on stderr. Returns MM_EXIT_USAGE.
int mm_usage_error(const mm_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Whether `value` is a word of `choices`, "a b c".
bool mm_option_choice(const char *choices, const char *value);
// Finds what a mistyped word may have meant.
typedef struct mm_guess {
    const char *word;
    const char *best; // NULL when nothing is near
    size_t distance;
} mm_guess;
void mm_guess_offer(mm_guess *guess, const char *candidate);

#endif
