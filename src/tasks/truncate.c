// SPDX-License-Identifier: Apache-2.0
#include "tasks/truncate.h"

mm_status mm_input_too_long(size_t index, size_t length, size_t limit, mm_error *error) {
    mm_status status = mm_fail(error, MM_STATUS_INPUT_TOO_LONG,
                               "text %zu has %zu tokens, the limit is %zu; shorten it or let "
                               "\"truncate\" cut it",
                               index, length, limit);
    mm_error_details(error, "{\"index\": %zu, \"tokens\": %zu, \"limit\": %zu}", index, length,
                     limit);
    return status;
}

mm_status mm_truncate_ids(const int32_t **ids, size_t *count, size_t index, size_t limit,
                          mm_truncate truncate, mm_error *error) {
    if (*count <= limit)
        return MM_STATUS_OK;
    if (truncate == MM_TRUNCATE_ERROR)
        return mm_input_too_long(index, *count, limit, error);
    if (truncate == MM_TRUNCATE_ON_LEFT)
        *ids += *count - limit;
    *count = limit;
    return MM_STATUS_OK;
}
