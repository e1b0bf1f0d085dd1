// SPDX-License-Identifier: Apache-2.0
// The pre-tokenizer Split: cuts at the matches of a pattern.
#include "text/pretokenizer_kinds.h"

#include "base/memory.h"
#include "text/text_pattern.h"

#include <string.h>

typedef struct split {
    mm_text_pattern pattern;
    mm_split_behavior behavior;
    bool invert; // what is between the matches counts as matches
} split;

void mm_split_release(void *settings) {
    split *own = settings;
    mm_text_pattern_free(&own->pattern);
    mm_free(own);
}

mm_status mm_split_read(void **settings, const json_t *config, const char *where, mm_error *error) {
    split *made = mm_calloc(1, sizeof(*made));
    if (!made)
        return mm_fail_memory(error, "Split");
    const json_t *invert = json_object_get(config, "invert");
    mm_status status = mm_split_behavior_read(&made->behavior, config, NULL, where, error);
    if (!status && !json_is_boolean(invert))
        status = mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                         "%s: Split needs \"invert\", true or false", where);
    if (!status)
        status =
            mm_text_pattern_read(&made->pattern, json_object_get(config, "pattern"), where, error);
    made->invert = json_is_true(invert);
    if (status)
        mm_split_release(made);
    else
        *settings = made;
    return status;
}

typedef struct cutter {
    mm_split_behavior behavior;
    mm_piece_list *out;
    mm_span held; // not handed out yet
    bool holds;
    bool previous; // whether what came last is a match
} cutter;

static bool hand_out(cutter *self) {
    bool some = self->holds && self->held.start < self->held.end;
    self->holds = false;
    return !some || mm_piece_add(self->out, self->held.start, self->held.end);
}

// Takes the next part of the text, a match or what is between two; empty ones count, but make no
// pieces.
static bool cut(cutter *self, size_t start, size_t end, bool match) {
    bool joins = false;
    switch (self->behavior) {
    case MM_SPLIT_REMOVED:
    case MM_SPLIT_ISOLATED:
        break;
    case MM_SPLIT_MERGED_WITH_PREVIOUS:
        joins = match && !self->previous;
        break;
    case MM_SPLIT_MERGED_WITH_NEXT:
        joins = !match && self->previous;
        break;
    case MM_SPLIT_CONTIGUOUS:
        joins = match == self->previous;
        break;
    }
    self->previous = match;
    if (self->holds && joins) {
        self->held.end = (uint32_t)end;
        return true;
    }
    if (!hand_out(self))
        return false;
    self->held = (mm_span){(uint32_t)start, (uint32_t)end};
    self->holds = self->behavior != MM_SPLIT_REMOVED || !match;
    return true;
}

static bool split_piece(const split *own, mm_encode_work *work, mm_span piece) {
    mm_rewrite *text = &work->text;
    size_t base = piece.start, length = piece.end - piece.start, done = 0;
    cutter self = {.behavior = own->behavior, .out = &work->next_pieces};
    mm_text_finder finder;
    if (!mm_text_find_begin(&finder, &own->pattern, &text->regex_scratch, text->text + base,
                            length))
        return false;
    mm_regex_result result;
    while ((result = mm_text_find_next(&finder)) == MM_REGEX_FOUND) {
        size_t start = finder.search.start, end = finder.search.end;
        if ((done < start && !cut(&self, base + done, base + start, own->invert)) ||
            !cut(&self, base + start, base + end, !own->invert))
            return false;
        done = end;
    }
    text->failure = mm_text_find_failure(&finder, result);
    return result == MM_REGEX_END &&
           (done == length || cut(&self, base + done, base + length, own->invert)) &&
           hand_out(&self);
}

bool mm_split_rewrite(const void *settings, mm_encode_work *work) {
    for (size_t i = 0; i < work->pieces.count; i++)
        if (!split_piece(settings, work, work->pieces.items[i]))
            return false;
    return true;
}
