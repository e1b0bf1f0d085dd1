// SPDX-License-Identifier: Apache-2.0
#ifndef MM_CLI_HELP_H
#define MM_CLI_HELP_H

#include "cli/command.h"
#include "modelmanager/modelmanager.h"

#include <stdbool.h>

// The help of a command, made from its table and the library's parameter table; to stdout.
void mm_help_command(const mm_command *command);
// Whether a parameter is a flag of the command, that is, not given in another way.
bool mm_help_is_flag(const mm_command *command, const mm_parameter *parameter);
// "max_length" as "max-length". Cut when it does not fit.
void mm_help_flag_name(char *out, size_t size, const char *parameter);

#endif
