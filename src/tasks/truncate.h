// SPDX-License-Identifier: Apache-2.0
// What happens to a text that is longer than a model takes.
#ifndef MM_TASKS_TRUNCATE_H
#define MM_TASKS_TRUNCATE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef enum mm_truncate {
    MM_TRUNCATE_ON_RIGHT,
    MM_TRUNCATE_ON_LEFT,
    MM_TRUNCATE_ERROR
} mm_truncate;

// INPUT_TOO_LONG, with index, tokens and limit in the details.
mm_status mm_input_too_long(size_t index, size_t length, size_t limit, mm_error *error);
// Ids that are taken as they are: moves *ids and *count to what is kept of them. INPUT_TOO_LONG
// with MM_TRUNCATE_ERROR.
mm_status mm_truncate_ids(const int32_t **ids, size_t *count, size_t index, size_t limit,
                          mm_truncate truncate, mm_error *error);

#endif
