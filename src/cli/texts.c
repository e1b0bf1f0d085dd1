// SPDX-License-Identifier: Apache-2.0
#include "cli/texts.h"

#include "cli/input.h"

#include <string.h>
#include <unistd.h>

static bool add_lines(mm_request *request, size_t *count, const char *path, mm_error *error) {
    mm_input input;
    if (!mm_input_open(&input, path, error))
        return false;
    char *line;
    size_t length;
    int got;
    while ((got = mm_input_line(&input, &line, &length, error)) > 0) {
        if (length && line[length - 1] == '\r')
            length--;
        if (mm_request_add_text(request, line, length, error)) {
            got = -1;
            break;
        }
        ++*count;
    }
    mm_input_close(&input);
    return got == 0;
}

bool mm_cli_texts_in_other(const mm_cli_texts *texts) {
    return texts->format && strcmp(texts->format, "json") != 0;
}

int mm_cli_texts_check(const mm_invocation *line, const mm_cli_texts *texts) {
    const char *file = texts->file;
    const mm_command *command = line->command;
    if (line->word_count < 1)
        return mm_usage_error(command, "no model; it comes first: mm %s MODEL TEXT", command->name);
    if (line->word_count > 1 && file)
        return mm_usage_error(command, "texts come from the command line or from --file, not both");
    if (line->word_count == 1 && !file && isatty(STDIN_FILENO))
        return mm_usage_error(command, "no text; give texts, --file FILE, or pipe lines in");
    return MM_EXIT_OK;
}

bool mm_cli_texts_add(mm_request *request, size_t *count, const mm_invocation *line,
                      const mm_cli_texts *texts, mm_error *error) {
    *count = 0;
    if (line->word_count == 1)
        return add_lines(request, count, texts->file ? texts->file : "-", error);
    for (int i = 1; i < line->word_count; i++, ++*count) {
        if (mm_request_add_text(request, line->words[i], SIZE_MAX, error))
            return false;
    }
    return true;
}
