// SPDX-License-Identifier: Apache-2.0
// Status codes and errors of every call. The names are stable and are what JSON Results carry.
#ifndef MODELMANAGER_STATUS_H
#define MODELMANAGER_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(MM_BUILDING) || defined(__GNUC__)
#define MM_API __attribute__((visibility("default")))
#else
#define MM_API
#endif

// X(name, HTTP status). MM_STATUS_OK is 0 and is not in the list.
#define MM_STATUS_LIST(X)                                                                          \
    X(INVALID_REQUEST, 400)                                                                        \
    X(INVALID_TASK_TYPE, 400)                                                                      \
    X(INVALID_PARAMETER, 400)                                                                      \
    X(INVALID_DEVICE, 400)                                                                         \
    X(INPUT_TOO_LONG, 413)                                                                         \
    X(MODEL_NOT_FOUND, 404)                                                                        \
    X(MODEL_ACCESS_DENIED, 403)                                                                    \
    X(MODEL_UNSUPPORTED, 422)                                                                      \
    X(MODEL_CORRUPT, 422)                                                                          \
    X(DOWNLOAD_FAILED, 502)                                                                        \
    X(OFFLINE, 503)                                                                                \
    X(DISK_FULL, 507)                                                                              \
    X(NO_GPU_AVAILABLE, 503)                                                                       \
    X(OUT_OF_MEMORY, 507)                                                                          \
    X(QUEUE_FULL, 429)                                                                             \
    X(QUEUE_TIMEOUT, 503)                                                                          \
    X(TIMEOUT, 504)                                                                                \
    X(CANCELLED, 499)                                                                              \
    X(RELEASED, 503)                                                                               \
    X(SHUTTING_DOWN, 503)                                                                          \
    X(DISABLED, 503)                                                                               \
    X(INTERNAL, 500)

typedef enum mm_status {
    MM_STATUS_OK = 0,
#define MM_STATUS_ENUM(name, http) MM_STATUS_##name,
    MM_STATUS_LIST(MM_STATUS_ENUM)
#undef MM_STATUS_ENUM
} mm_status;

// What went wrong. The caller owns it (usually on the stack, zeroed); a call that fails fills it,
// a call that succeeds leaves it alone. Every `mm_error *` argument may be NULL.
typedef struct mm_error {
    mm_status status;
    char message[512]; // for people: what was wrong, with which value, and what to do
    char details[256]; // for programs: a JSON object, or empty
} mm_error;

// "INVALID_REQUEST" and so on; "OK" for MM_STATUS_OK; never NULL.
MM_API const char *mm_status_name(mm_status status);
// The HTTP status a server answers with; 200 for MM_STATUS_OK.
MM_API int mm_status_http(mm_status status);

#ifdef __cplusplus
}
#endif
#endif
