// SPDX-License-Identifier: Apache-2.0
// Padding: the encodings of a batch brought to one length.
#include "text/encoding.h"

#include <string.h>

enum { LENGTH_MAX = 1 << 26 }; // of a padded encoding

static mm_status find_length(size_t *out, const mm_encoding *encodings, size_t count,
                             const mm_padding *padding, mm_error *error) {
    size_t length = padding->length, multiple = padding->multiple_of;
    for (size_t i = 0; i < count && !padding->fixed; i++)
        length = encodings[i].count > length ? encodings[i].count : length;
    size_t surplus = multiple ? length % multiple : 0;
    if (length > LENGTH_MAX || (surplus && multiple > LENGTH_MAX))
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "padding to %zu tokens, or a multiple of %zu, is more than %d", length,
                       multiple, LENGTH_MAX);
    *out = surplus ? length + multiple - surplus : length;
    return MM_STATUS_OK;
}

// Puts `extra` times `value` at one end of `count` values.
static void fill_ids(int32_t *values, size_t count, size_t extra, mm_pad_side side, int32_t value) {
    size_t at = side == MM_PAD_LEFT ? 0 : count;
    memmove(values + (side == MM_PAD_LEFT ? extra : 0), values, count * sizeof(*values));
    for (size_t i = at; i < at + extra; i++)
        values[i] = value;
}

static mm_status pad_itself(mm_encoding *encoding, size_t length, const mm_padding *padding,
                            mm_error *error) {
    if (encoding->count >= length)
        return MM_STATUS_OK;
    size_t count = encoding->count, extra = length - count;
    mm_status status = mm_encoding_reserve(encoding, length, encoding->has_offsets, error);
    if (status)
        return status;
    fill_ids(encoding->ids, count, extra, padding->side, padding->id);
    fill_ids(encoding->type_ids, count, extra, padding->side, padding->type_id);
    if (encoding->has_offsets) {
        bool left = padding->side == MM_PAD_LEFT;
        size_t *offsets = encoding->offsets;
        memmove(offsets + (left ? 2 * extra : 0), offsets, 2 * count * sizeof(*offsets));
        memset(offsets + (left ? 0 : 2 * count), 0, 2 * extra * sizeof(*offsets));
    }
    encoding->count = length;
    encoding->padded = extra;
    encoding->pad_side = padding->side;
    return MM_STATUS_OK;
}

// The windows move apart, the last one first.
static mm_status pad_windows(mm_encoding *encoding, size_t length, const mm_padding *padding,
                             mm_error *error) {
    enum { TOTAL_MAX = 1 << 27 };
    size_t windows = encoding->overflow_count, total = 0, start = 0;
    for (size_t i = 0; i < windows; i++) {
        size_t count = encoding->overflow_ends[i] - start;
        total += count > length ? count : length;
        start = encoding->overflow_ends[i];
    }
    if (total == start)
        return MM_STATUS_OK;
    if (total > TOTAL_MAX)
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "the further windows would be padded to %zu tokens together", total);
    mm_status status = mm_encoding_reserve_windows(encoding, total, error);
    if (status)
        return status;
    for (size_t i = windows; i-- > 0;) {
        size_t from = i ? encoding->overflow_ends[i - 1] : 0;
        size_t count = encoding->overflow_ends[i] - from;
        size_t padded = count > length ? count : length;
        encoding->overflow_ends[i] = total;
        total -= padded;
        int32_t *window = encoding->overflow + total;
        memmove(window, encoding->overflow + from, count * sizeof(*window));
        fill_ids(window, count, padded - count, padding->side, padding->id);
    }
    return MM_STATUS_OK;
}

mm_status mm_encodings_pad(mm_encoding *encodings, size_t count, const mm_padding *padding,
                           mm_error *error) {
    size_t length = 0;
    mm_status status = find_length(&length, encodings, count, padding, error);
    for (size_t i = 0; i < count && !status; i++) {
        status = pad_windows(&encodings[i], length, padding, error);
        if (!status)
            status = pad_itself(&encodings[i], length, padding, error);
    }
    return status;
}
