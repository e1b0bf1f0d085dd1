// SPDX-License-Identifier: Apache-2.0
// Texts as `mm embed` and `mm generate` take them: MODEL TEXT..., or lines of a file or of stdin.
#ifndef MM_CLI_TEXTS_H
#define MM_CLI_TEXTS_H

#include "cli/options.h"

#include <stdbool.h>

// Whether the command line says where texts come from; else reports and returns MM_EXIT_USAGE.
int mm_cli_texts_check(const mm_invocation *line, const char *file);
// Adds them; `file` is the option --file or NULL.
bool mm_cli_texts_add(mm_request *request, const mm_invocation *line, const char *file,
                      mm_error *error);

#endif
