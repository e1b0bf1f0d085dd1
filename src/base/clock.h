// SPDX-License-Identifier: Apache-2.0
#ifndef MM_BASE_CLOCK_H
#define MM_BASE_CLOCK_H

#include <stdint.h>

// Nanoseconds of the monotonic clock. Never goes back; counts from an arbitrary point.
int64_t mm_clock_now_ns(void);

#endif
