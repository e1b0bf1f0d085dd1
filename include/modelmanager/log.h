// SPDX-License-Identifier: Apache-2.0
#ifndef MODELMANAGER_LOG_H
#define MODELMANAGER_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mm_log_level {
    MM_LOG_ERROR,
    MM_LOG_WARNING,
    MM_LOG_INFO,
    MM_LOG_DEBUG,
} mm_log_level;

// Receives one line without a newline, from any thread. Must not call back into the library.
typedef void (*mm_log_callback)(mm_log_level level, const char *message, void *payload);

#ifdef __cplusplus
}
#endif
#endif
