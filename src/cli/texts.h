// SPDX-License-Identifier: Apache-2.0
// Texts as `mm embed` and `mm generate` take them: MODEL TEXT..., or lines of a file or of stdin.
#ifndef MM_CLI_TEXTS_H
#define MM_CLI_TEXTS_H

#include "cli/options.h"

#include <stdbool.h>

// What both are told: a member `texts` of the command's struct of arguments.
typedef struct mm_cli_texts {
    const char *file;   // --file, or NULL
    const char *format; // --format, or NULL
} mm_cli_texts;

// Their two rows in the command's table of options. `arguments` is the command's struct, `other`
// the format that there is beside json, `help_of_other` what that gives.
#define MM_CLI_TEXTS_OPTIONS(arguments, other, help_of_other)                                      \
    {.name = "file",                                                                               \
     .kind = MM_OPTION_TEXT,                                                                       \
     .offset = offsetof(arguments, texts.file),                                                    \
     .argument = "FILE",                                                                           \
     .help = "Read the texts from this file, one a line; - is standard input."},                   \
    {                                                                                              \
        .name = "format", .kind = MM_OPTION_TEXT, .offset = offsetof(arguments, texts.format),     \
        .argument = "FORMAT", .choices = "json " other,                                            \
        .help = "json: one Result line (default). " other ": " help_of_other                       \
    }

// Whether that other format is asked for.
bool mm_cli_texts_in_other(const mm_cli_texts *texts);
// Whether the command line says where texts come from; else reports and returns MM_EXIT_USAGE.
int mm_cli_texts_check(const mm_invocation *line, const mm_cli_texts *texts);
// Adds them; *count is how many there are.
bool mm_cli_texts_add(mm_request *request, size_t *count, const mm_invocation *line,
                      const mm_cli_texts *texts, mm_error *error);

#endif
