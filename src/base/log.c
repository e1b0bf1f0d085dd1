// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void mm_log_write(const mm_log *log, mm_log_level level, const char *format, ...) {
    if (!log || !log->callback || level > log->level)
        return;
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (length >= 0)
        log->callback(level, line, log->payload);
}
