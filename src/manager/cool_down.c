// SPDX-License-Identifier: Apache-2.0
#include "manager/cool_down.h"

#include <stdio.h>
#include <string.h>

static const int64_t second_ns = 1000000000;
static const int64_t longest_s = 60;

void mm_cool_down_begin(mm_cool_down *own, const mm_error *error, int64_t now_ns) {
    int64_t seconds = longest_s;
    if (own->failures < 6)
        seconds = INT64_C(1) << own->failures;
    own->failures++;
    own->until_ns = now_ns + seconds * second_ns;
    own->error = *error;
}

void mm_cool_down_reset(mm_cool_down *own) {
    *own = (mm_cool_down){0};
}

// Adds a member to details that may have some already.
static void add_seconds(mm_error *error, double seconds) {
    char rest[sizeof(error->details)];
    size_t length = strlen(error->details);
    bool has_members = length > 2 && error->details[0] == '{';
    memcpy(rest, has_members ? error->details + 1 : "}", has_members ? length : 2);
    mm_error_details(error, "{\"retry_after_s\": %.3f%s%s", seconds, has_members ? ", " : "", rest);
}

mm_status mm_cool_down_check(const mm_cool_down *own, const char *what, int64_t now_ns,
                             mm_error *error) {
    int64_t left_ns = own->until_ns - now_ns;
    if (own->failures == 0 || left_ns <= 0)
        return MM_STATUS_OK;
    if (error) {
        *error = own->error;
        mm_error_prefix(error, "%s failed a moment ago and is tried again in %lld ms", what,
                        (long long)(left_ns / 1000000 + 1));
        // Rounded up: after that time it is really tried.
        add_seconds(error, (double)(left_ns / 1000000 + 1) * 1e-3);
    }
    return own->error.status;
}

int64_t mm_cool_down_forgotten_ns(const mm_cool_down *own) {
    return own->until_ns + longest_s * second_ns;
}
