// SPDX-License-Identifier: Apache-2.0
// Unicode normal forms, lower case and accents, character by character with origins.
#include "text/normalizer_kinds.h"

#include "base/memory.h"

#include <string.h>

void mm_mark_emit(mm_rewrite *rewrite, mm_mark mark) {
    if (mark.change > 0) {
        mm_rewrite_insert(rewrite, mark.code);
        return;
    }
    mm_rewrite_replace(rewrite, mark.code);
    for (int i = mark.change; i < 0 && rewrite->read < rewrite->length; i++)
        mm_rewrite_drop(rewrite, mm_unicode_width(rewrite->text[rewrite->read]));
}

static void sort_few(mm_mark *items, size_t count) {
    for (size_t i = 1; i < count; i++) {
        mm_mark mark = items[i];
        size_t at = i;
        for (; at > 0 && items[at - 1].combining_class > mark.combining_class; at--)
            items[at] = items[at - 1];
        items[at] = mark;
    }
}

// A text may be one run of millions of marks, so long runs are sorted by counting.
void mm_marks_order(mm_rewrite *rewrite) {
    mm_mark_list *marks = &rewrite->marks, *sorted = &rewrite->sorted;
    if (marks->count <= 32) {
        sort_few(marks->items, marks->count);
        return;
    }
    size_t starts[257] = {0};
    for (size_t i = 0; i < marks->count; i++)
        starts[(marks->items[i].combining_class & 255) + 1]++;
    for (size_t i = 0; i < 256; i++)
        starts[i + 1] += starts[i];
    sorted->count = 0;
    while (sorted->count < marks->count && !rewrite->failed)
        mm_rewrite_add_mark(rewrite, sorted, (mm_mark){0});
    if (rewrite->failed)
        return;
    for (size_t i = 0; i < marks->count; i++)
        sorted->items[starts[marks->items[i].combining_class & 255]++] = marks->items[i];
    memcpy(marks->items, sorted->items, marks->count * sizeof(*marks->items));
}

typedef struct composer {
    mm_mark base; // what later marks may combine with
    bool has_base;
    int last_class; // of the last one that did not; -1 = none yet
} composer;

static void flush_composer(mm_rewrite *rewrite, composer *state) {
    if (state->has_base)
        mm_mark_emit(rewrite, state->base);
    for (size_t i = 0; i < rewrite->waiting.count; i++)
        mm_mark_emit(rewrite, rewrite->waiting.items[i]);
    rewrite->waiting.count = 0;
    state->has_base = false;
    state->last_class = -1;
}

static void compose(mm_rewrite *rewrite, composer *state, mm_mark mark) {
    int class = (int)mark.combining_class;
    if (state->has_base && (state->last_class < 0 || state->last_class < class)) {
        uint32_t composite = mm_unicode_compose(state->base.code, mark.code);
        if (composite) {
            state->base.code = composite;
            state->base.change += mark.change - 1;
            return;
        }
    }
    if (class == 0) {
        flush_composer(rewrite, state);
        state->base = mark;
        state->has_base = true;
    } else if (state->has_base) {
        mm_rewrite_add_mark(rewrite, &rewrite->waiting, mark);
        state->last_class = class;
    } else {
        mm_mark_emit(rewrite, mark);
    }
}

static void flush_marks(mm_rewrite *rewrite, composer *state) {
    if (rewrite->marks.count > 1)
        mm_marks_order(rewrite);
    for (size_t i = 0; i < rewrite->marks.count; i++) {
        if (state)
            compose(rewrite, state, rewrite->marks.items[i]);
        else
            mm_mark_emit(rewrite, rewrite->marks.items[i]);
    }
    rewrite->marks.count = 0;
}

// ASCII followed by ASCII is the same in every form.
static size_t ascii_run(const mm_rewrite *rewrite, size_t at) {
    size_t end = at;
    while (end < rewrite->length && (unsigned char)rewrite->text[end] < 0x80)
        end++;
    if (end == rewrite->length)
        return end - at;
    return end - at > 1 ? end - at - 1 : 0;
}

// `state` NULL: decompose only. Emitting follows the reading at a distance, so `at` runs ahead of
// rewrite->read.
static void normal_form(mm_rewrite *rewrite, bool compat, composer *state) {
    mm_rewrite_start(rewrite);
    rewrite->marks.count = rewrite->waiting.count = 0;
    size_t at = 0;
    while (at < rewrite->length && !rewrite->failed) {
        size_t run = ascii_run(rewrite, at);
        if (run) {
            flush_marks(rewrite, state);
            if (state)
                flush_composer(rewrite, state);
            mm_rewrite_copy(rewrite, run);
            at += run;
            continue;
        }
        uint32_t parts[MM_DECOMPOSITION_MAX];
        size_t count = mm_unicode_decompose(parts, mm_unicode_next(rewrite->text, &at), compat);
        for (size_t i = 0; i < count; i++) {
            mm_mark mark = {parts[i], i > 0, mm_unicode_combining_class(parts[i])};
            if (mark.combining_class == 0)
                flush_marks(rewrite, state);
            mm_rewrite_add_mark(rewrite, &rewrite->marks, mark);
            if (mark.combining_class == 0)
                flush_marks(rewrite, state);
        }
    }
    flush_marks(rewrite, state);
    if (state)
        flush_composer(rewrite, state);
    mm_rewrite_finish(rewrite);
}

void mm_nfd_apply(const void *settings, mm_rewrite *rewrite) {
    (void)settings;
    normal_form(rewrite, false, NULL);
}

void mm_nfkd_apply(const void *settings, mm_rewrite *rewrite) {
    (void)settings;
    normal_form(rewrite, true, NULL);
}

void mm_nfc_apply(const void *settings, mm_rewrite *rewrite) {
    (void)settings;
    normal_form(rewrite, false, &(composer){.last_class = -1});
}

void mm_nfkc_apply(const void *settings, mm_rewrite *rewrite) {
    (void)settings;
    normal_form(rewrite, true, &(composer){.last_class = -1});
}

void mm_lowercase_apply(const void *settings, mm_rewrite *rewrite) {
    (void)settings;
    mm_rewrite_start(rewrite);
    for (size_t at = 0; at < rewrite->length && !rewrite->failed;) {
        uint32_t lower[2], code = mm_unicode_next(rewrite->text, &at);
        size_t count = mm_unicode_lower(lower, code);
        mm_rewrite_replace(rewrite, lower[0]);
        if (count > 1)
            mm_rewrite_insert(rewrite, lower[1]);
    }
    mm_rewrite_finish(rewrite);
}

static void drop_characters(mm_rewrite *rewrite, bool (*drops)(uint32_t code)) {
    mm_rewrite_start(rewrite);
    for (size_t at = 0; at < rewrite->length && !rewrite->failed;) {
        size_t start = at;
        if (drops(mm_unicode_next(rewrite->text, &at)))
            mm_rewrite_drop(rewrite, at - start);
        else
            mm_rewrite_copy(rewrite, at - start);
    }
    mm_rewrite_finish(rewrite);
}

void mm_nonspacing_drop(mm_rewrite *rewrite) {
    drop_characters(rewrite, mm_unicode_is_nonspacing);
}

void mm_strip_accents_apply(const void *settings, mm_rewrite *rewrite) {
    (void)settings;
    drop_characters(rewrite, mm_unicode_is_mark);
}
