// SPDX-License-Identifier: Apache-2.0
// Setting errors. The lowest layer that knows what is wrong writes the error; callers forward it.
#ifndef MM_BASE_ERROR_H
#define MM_BASE_ERROR_H

#include "modelmanager/status.h"

#define MM_PRINTF(string, first) __attribute__((format(printf, string, first)))

// Fills *error (when not NULL), clears its details and returns `status`, so that a failing
// function can say `return mm_fail(error, ...)`. Too long a message is cut at a character boundary;
// a byte that is not UTF-8 becomes '?', here and in the details.
mm_status mm_fail(mm_error *error, mm_status status, const char *format, ...) MM_PRINTF(3, 4);
// OUT_OF_MEMORY, naming what was being allocated.
mm_status mm_fail_memory(mm_error *error, const char *what);
// Sets error->details to a formatted JSON object such as {"index": 3}; kept only when it fits
// whole.
void mm_error_details(mm_error *error, const char *format, ...) MM_PRINTF(2, 3);
// Puts "context: " in front of the message, e.g. the file that a parser was reading.
void mm_error_prefix(mm_error *error, const char *format, ...) MM_PRINTF(2, 3);

#endif
