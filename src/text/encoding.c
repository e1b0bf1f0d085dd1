// SPDX-License-Identifier: Apache-2.0
#include "text/encoding.h"

#include "base/memory.h"
#include "text/encode_work.h"

void mm_encoding_reset(mm_encoding *encoding) {
    encoding->count = encoding->full_count = 0;
    encoding->truncated = encoding->has_offsets = false;
    encoding->padded = 0;
    encoding->overflow_count = 0;
}

static bool grow(int32_t **array, size_t capacity) {
    int32_t *bigger = mm_array_realloc(*array, capacity, sizeof(*bigger));
    if (bigger)
        *array = bigger;
    return bigger;
}

mm_status mm_encoding_reserve(mm_encoding *encoding, size_t count, bool want_offsets,
                              mm_error *error) {
    if (count > encoding->capacity) {
        size_t capacity = count + count / 4 + 32;
        if (!grow(&encoding->ids, capacity) || !grow(&encoding->type_ids, capacity))
            return mm_fail_memory(error, "token ids");
        encoding->capacity = capacity;
    }
    if (want_offsets && encoding->offsets_capacity < encoding->capacity) {
        size_t *offsets =
            mm_array_realloc(encoding->offsets, encoding->capacity, 2 * sizeof(*offsets));
        if (!offsets)
            return mm_fail_memory(error, "token offsets");
        encoding->offsets = offsets;
        encoding->offsets_capacity = encoding->capacity;
    }
    encoding->has_offsets = want_offsets;
    return MM_STATUS_OK;
}

mm_status mm_encoding_reserve_windows(mm_encoding *encoding, size_t count, mm_error *error) {
    if (count <= encoding->overflow_capacity)
        return MM_STATUS_OK;
    if (!grow(&encoding->overflow, count * 2 + 32))
        return mm_fail_memory(error, "windows of tokens");
    encoding->overflow_capacity = count * 2 + 32;
    return MM_STATUS_OK;
}

mm_status mm_encoding_add_window(mm_encoding *encoding, size_t count, mm_error *error) {
    size_t windows = encoding->overflow_count;
    size_t used = windows ? encoding->overflow_ends[windows - 1] : 0;
    mm_status status = mm_encoding_reserve_windows(encoding, used + count, error);
    if (status)
        return status;
    if (windows == encoding->overflow_ends_capacity) {
        size_t capacity = windows * 2 + 8;
        size_t *ends = mm_array_realloc(encoding->overflow_ends, capacity, sizeof(*ends));
        if (!ends)
            return mm_fail_memory(error, "windows of tokens");
        encoding->overflow_ends = ends;
        encoding->overflow_ends_capacity = capacity;
    }
    encoding->overflow_ends[encoding->overflow_count++] = used + count;
    return MM_STATUS_OK;
}

void mm_encoding_free(mm_encoding *encoding) {
    if (encoding->scratch)
        mm_encode_work_free(encoding->scratch);
    mm_free(encoding->scratch);
    mm_free(encoding->ids);
    mm_free(encoding->type_ids);
    mm_free(encoding->offsets);
    mm_free(encoding->overflow);
    mm_free(encoding->overflow_ends);
    *encoding = (mm_encoding){0};
}
