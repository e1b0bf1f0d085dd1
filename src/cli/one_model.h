// SPDX-License-Identifier: Apache-2.0
// What commands about one model have in common: `mm NAME MODEL [options]`, a manager, an answer.
#ifndef MM_CLI_ONE_MODEL_H
#define MM_CLI_ONE_MODEL_H

#include "cli/options.h"

// What such a command does. *out is its answer, a JSON object to be freed with mm_text_free.
typedef mm_status (*mm_model_function)(char **out, mm_manager *manager, const char *model,
                                       const void *arguments, mm_error *error);
// Prints an answer; returns the exit status.
typedef int (*mm_answer_function)(const char *json, const void *arguments);

// Reads the command line, does it, and prints the answer, or the failure: as JSON when `as_json`
// points to true by then. Returns the exit status.
int mm_one_model(const mm_command *command, void *arguments, const bool *as_json, int argc,
                 char **argv, mm_model_function function, mm_answer_function print);
// The same for models of the Hub, once the command line has been read. `model` NULL: none, or all.
int mm_one_model_do(const mm_invocation *line, const char *model, const void *arguments,
                    bool as_json, mm_model_function function, mm_answer_function print);

enum { MM_MODEL_WORD = 512 };
// MODEL[@REVISION], *revision NULL when there is none. INVALID_PARAMETER when it is too long.
mm_status mm_model_split(char name[MM_MODEL_WORD], const char **revision, const char *word,
                         mm_error *error);

#endif
