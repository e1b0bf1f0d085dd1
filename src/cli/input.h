// SPDX-License-Identifier: Apache-2.0
// Lines of any length and any bytes from a file descriptor. One thread at a time.
#ifndef MM_CLI_INPUT_H
#define MM_CLI_INPUT_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct mm_input {
    int file;
    int stop; // when this descriptor gets readable, reading ends as at the end of input; or -1
    bool owned;
    bool ended;
    mm_buffer buffer;
    size_t start;   // of the next line in the buffer
    size_t scanned; // how far behind `start` there is no newline
} mm_input;

void mm_input_init(mm_input *input, int file);
bool mm_input_open(mm_input *input, const char *path, mm_error *error); // "-" is stdin
void mm_input_close(mm_input *input);

// 1 and the line without its newline, borrowed until the next call; 0 at the end; -1 with `error`
// set. The last line may lack its newline.
int mm_input_line(mm_input *input, char **line, size_t *length, mm_error *error);
// Whether a whole line is there already, so that the next call will not wait.
bool mm_input_pending(mm_input *input);

#endif
