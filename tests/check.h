// SPDX-License-Identifier: Apache-2.0
// What every cmocka program includes, and asserting a status with its message.
#ifndef MM_TESTS_CHECK_H
#define MM_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

// The call must give `expected`; on a difference the message says what it gave. `error` is the
// mm_error that the call was handed.
#define assert_status(call, expected, error)                                                       \
    do {                                                                                           \
        mm_status got_status = (call);                                                             \
        if (got_status != (expected))                                                              \
            fail_msg("%s: got %s, expected %s: %s", #call, mm_status_name(got_status),             \
                     mm_status_name(expected), (error).message);                                   \
    } while (0)

#define assert_ok(call, error) assert_status(call, MM_STATUS_OK, error)
#define assert_contains(text, part)                                                                \
    do {                                                                                           \
        if (!strstr(text, part))                                                                   \
            fail_msg("\"%s\" does not contain \"%s\"", text, part);                                \
    } while (0)

#endif
