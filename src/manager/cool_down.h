// SPDX-License-Identifier: Apache-2.0
// After a failure (a load, a download) the next try has to wait: a second, twice as long after each
// further failure, a minute at most. Meanwhile the failure is the answer, with the time that is
// left.
#ifndef MM_MANAGER_COOL_DOWN_H
#define MM_MANAGER_COOL_DOWN_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct mm_cool_down {
    int failures; // in a row
    int64_t until_ns;
    mm_error error; // the last one
} mm_cool_down;

void mm_cool_down_begin(mm_cool_down *own, const mm_error *error, int64_t now_ns);
void mm_cool_down_reset(mm_cool_down *own); // after a success
// OK when one may try. `what` as in "loading".
mm_status mm_cool_down_check(const mm_cool_down *own, const char *what, int64_t now_ns,
                             mm_error *error);
// From then on nobody needs to know how often it failed.
int64_t mm_cool_down_forgotten_ns(const mm_cool_down *own);

#endif
