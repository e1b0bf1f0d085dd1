// SPDX-License-Identifier: Apache-2.0
// As the reference library cuts, also in its odder corners.
#include "text/truncation.h"

static size_t limit_of(const mm_truncation *truncation) {
    return truncation->max_length == MM_TRUNCATE_TO_NOTHING ? 0 : truncation->max_length;
}

// "Longest first": the shorter sequence stays whole when it fits into half of the room.
static void share_room(size_t room, size_t *first, size_t *second) {
    bool swap = *first > *second;
    size_t shorter = swap ? *second : *first, longer = shorter;
    if (shorter <= room && room - shorter > shorter)
        longer = room - shorter;
    if (shorter + longer > room) {
        shorter = room / 2;
        longer = shorter + room % 2;
    }
    size_t new_first = swap ? longer : shorter, new_second = swap ? shorter : longer;
    if (new_first < *first)
        *first = new_first;
    if (new_second < *second)
        *second = new_second;
}

static mm_status cut_one(mm_cut *cut, bool exists, size_t surplus, mm_error *error) {
    if (!exists)
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "truncation \"only_second\" needs a pair");
    if (cut->length <= surplus)
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "the sequence to truncate has %zu tokens, too few to take %zu away",
                       cut->length, surplus);
    cut->keep = cut->length - surplus;
    return MM_STATUS_OK;
}

static mm_status set_step(mm_cut *cut, const mm_truncation *truncation, mm_error *error) {
    cut->from_left = truncation->side == MM_TRUNCATE_LEFT;
    cut->step = cut->length ? cut->length : 1;
    if (cut->keep == cut->length || cut->keep == 0)
        return MM_STATUS_OK;
    if (truncation->stride >= cut->keep)
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "the stride is %zu, must be below the %zu tokens of a window",
                       truncation->stride, cut->keep);
    cut->step = cut->keep - truncation->stride;
    return MM_STATUS_OK;
}

mm_status mm_truncate(mm_cut cuts[2], bool has_pair, size_t specials,
                      const mm_truncation *truncation, mm_error *error) {
    for (int i = 0; i < 2; i++)
        cuts[i].keep = cuts[i].length;
    size_t total = cuts[0].length + cuts[1].length;
    const size_t limit = limit_of(truncation);
    // A limit below the special tokens cuts nothing.
    if (truncation->max_length == 0 || limit < specials || total <= limit - specials)
        return MM_STATUS_OK;
    size_t room = limit - specials;
    mm_status status = MM_STATUS_OK;
    if (room == 0)
        cuts[0].keep = cuts[1].keep = 0;
    else if (truncation->strategy == MM_TRUNCATE_ONLY_FIRST)
        status = cut_one(&cuts[0], true, total - room, error);
    else if (truncation->strategy == MM_TRUNCATE_ONLY_SECOND)
        status = cut_one(&cuts[1], has_pair, total - room, error);
    else if (has_pair)
        share_room(room, &cuts[0].keep, &cuts[1].keep);
    else
        cuts[0].keep = room;
    for (int i = 0; i < 2 && !status; i++)
        status = set_step(&cuts[i], truncation, error);
    return status;
}

size_t mm_cut_windows(const mm_cut *cut) {
    if (cut->keep == cut->length)
        return 1;
    if (cut->keep == 0) // nothing, then all of it
        return 2;
    return 1 + (cut->length - cut->keep + cut->step - 1) / cut->step;
}

mm_range mm_cut_window(const mm_cut *cut, size_t index) {
    if (cut->keep == 0)
        return (mm_range){0, index ? cut->length : 0};
    size_t passed = index * cut->step, left = cut->length - passed;
    size_t count = left < cut->keep ? left : cut->keep;
    return (mm_range){cut->from_left ? left - count : passed, count};
}

mm_status mm_tokenizer_check_truncation(const mm_tokenizer *tokenizer,
                                        const mm_truncation *truncation, mm_error *error) {
    const size_t specials = mm_tokenizer_special_count(tokenizer, false);
    const size_t limit = limit_of(truncation);
    if (limit < specials || limit - specials >= truncation->stride)
        return MM_STATUS_OK;
    return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                   "the stride is %zu, must be below the %zu tokens that max_length %zu leaves "
                   "beside the special ones",
                   truncation->stride, limit - specials, limit);
}
