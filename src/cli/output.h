// SPDX-License-Identifier: Apache-2.0
// Results go to stdout through here, everything else to stderr. One thread at a time may print.
#ifndef MM_CLI_OUTPUT_H
#define MM_CLI_OUTPUT_H

#include "base/buffer.h"
#include "base/json.h"
#include "modelmanager/modelmanager.h"

#include <stdbool.h>
#include <stdio.h>

// Before anything is opened: makes sure that descriptors 0 to 2 exist, so that no other file can
// take the place of stdout, and turns a closed pipe into a write error.
void mm_output_init(void);
// The exit status, given that of the command: flushes, and reports what could not be written. A
// reader that went away is no news: quiet, with the status a shell gives for SIGPIPE.
int mm_output_finish(int status);

// False once stdout cannot be written; a command should then stop.
bool mm_output_write(const void *bytes, size_t length);
bool mm_output_line(const char *text); // adds the newline
bool mm_output_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool mm_output_flush(void);

// The JSON text of `value` behind what `text` holds; false when memory is out or value is NULL.
bool mm_output_json(mm_buffer *text, const json_t *value, size_t flags);

// float32 [rows][columns] as NumPy's .npy format 1.0. Returns false with errno set.
bool mm_output_npy(FILE *file, const float *values, size_t rows, size_t columns);

// "mm: error: message" and so on, on stderr. Any thread. The second is the library's log callback.
void mm_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
void mm_output_log(mm_log_level level, const char *message, void *payload);
// The failure of a command: as a Result on stdout when `json`, else as a message on stderr.
// Returns MM_EXIT_FAILED.
int mm_output_failure(const mm_error *error, bool json);
// Helps whoever meant a directory but named it like a model of the Hub.
void mm_output_hint(const mm_error *error, const char *model);

#endif
