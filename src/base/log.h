// SPDX-License-Identifier: Apache-2.0
// Log lines go to the callback the caller of the library gave; without one they go nowhere.
#ifndef MM_BASE_LOG_H
#define MM_BASE_LOG_H

#include "base/error.h"
#include "modelmanager/log.h"

typedef struct mm_log {
    mm_log_callback callback; // may be NULL
    void *payload;
    mm_log_level level; // lines above it are dropped
} mm_log;

// `log` may be NULL. Any thread.
void mm_log_write(const mm_log *log, mm_log_level level, const char *format, ...) MM_PRINTF(3, 4);

#endif
