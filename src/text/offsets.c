// SPDX-License-Identifier: Apache-2.0
#include "text/offsets.h"

#include "base/memory.h"
#include "text/byte_level.h"

mm_status mm_offsets_count_points(mm_encode_work *work, mm_token_list *tokens, const char *text,
                                  size_t length, mm_error *error) {
    if (length + 1 > work->points_capacity) {
        uint32_t *points = mm_array_realloc(work->points, length + 1, sizeof(*points));
        if (!points)
            return mm_fail_memory(error, "offsets");
        work->points = points;
        work->points_capacity = length + 1;
    }
    uint32_t point = 0;
    for (size_t at = 0; at < length; at++) {
        point += at > 0 && ((unsigned char)text[at] & 0xC0) != 0x80;
        work->points[at] = point;
    }
    work->points[length] = length ? point + 1 : 0;
    for (size_t i = 0; i < tokens->count; i++) {
        tokens->spans[i].start = work->points[tokens->spans[i].start];
        tokens->spans[i].end = work->points[tokens->spans[i].end];
    }
    return MM_STATUS_OK;
}

static bool is_blank(uint32_t code) {
    return code == MM_BYTE_LEVEL_SPACE || mm_unicode_is_space(code);
}

void mm_blanks(const char *text, size_t length, size_t *leading, size_t *trailing) {
    *leading = *trailing = 0;
    for (size_t at = 0; at < length && is_blank(mm_unicode_next(text, &at));)
        ++*leading;
    for (size_t at = length; at > 0 && is_blank(mm_unicode_previous(text, &at));)
        ++*trailing;
}

static void trim(size_t span[2], size_t leading, size_t trailing) {
    size_t start = span[0] + leading;
    span[0] = start < span[1] ? start : span[1];
    if (trailing <= span[1]) {
        size_t end = span[1] - trailing;
        span[1] = end > span[0] ? end : span[0];
    }
}

static void trim_all(const mm_postprocessor *postprocessor, uint32_t behind, bool opens,
                     size_t leading, size_t trailing, size_t span[2]) {
    for (size_t t = 0; t < postprocessor->trims_count; t++) {
        // One blank in front may have been put there; it is not in the text to be taken away.
        bool first = (opens && !(behind >> t & 1)) || span[0] == 0;
        bool put_there = first && leading == 1 && postprocessor->trims[t];
        trim(span, put_there ? 0 : leading, trailing);
    }
}

void mm_offsets_trim(const mm_tokenizer *tokenizer, const mm_token_list *tokens, size_t start,
                     size_t count, uint32_t behind, size_t *offsets) {
    size_t noted = 0;
    for (size_t i = start; i < start + count; i++) {
        while (noted < tokens->trims_count && tokens->trims[noted].token < i)
            noted++;
        size_t leading = 0, trailing = 0, length = 0;
        if (noted < tokens->trims_count && tokens->trims[noted].token == i) {
            leading = tokens->trims[noted].leading;
            trailing = tokens->trims[noted].trailing;
        } else {
            const char *text =
                mm_vocabulary_token(&tokenizer->model.vocabulary, tokens->ids[i], &length);
            if (text)
                mm_blanks(text, length, &leading, &trailing);
        }
        if (leading || trailing)
            trim_all(&tokenizer->postprocessor, behind, i == start, leading, trailing,
                     offsets + (i - start) * 2);
    }
}
