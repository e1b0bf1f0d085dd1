// SPDX-License-Identifier: Apache-2.0
#include "text/assemble.h"

#include "base/memory.h"
#include "text/encoding.h"
#include "text/offsets.h"
#include "text/truncation.h"

// All further windows together; a stride close to the window's length multiplies the text.
enum { OVERFLOW_MAX = 1 << 26 };

typedef struct assembly {
    const mm_tokenizer *tokenizer;
    const mm_template *template;
    const mm_encode_work *work;
    mm_encoding *out;
    mm_cut cuts[2];
} assembly;

static int sequence_of(const mm_template_part *part) {
    return part->kind == MM_PART_PAIR;
}

// ---- The encoding itself -----------------------------------------------------------------------

static void put_special(mm_encoding *out, const mm_template_part *part, bool want_offsets) {
    out->ids[out->count] = (int32_t)part->id;
    out->type_ids[out->count] = part->type_id;
    if (want_offsets)
        out->offsets[out->count * 2] = out->offsets[out->count * 2 + 1] = 0;
    out->count++;
}

static void put_sequence(const assembly *self, const mm_template_part *part) {
    mm_encoding *out = self->out;
    const mm_token_list *tokens = &self->work->sequences[sequence_of(part)];
    mm_range range = mm_cut_window(&self->cuts[sequence_of(part)], 0);
    for (size_t i = 0; i < range.count; i++) {
        out->ids[out->count + i] = (int32_t)tokens->ids[range.start + i];
        out->type_ids[out->count + i] = part->type_id;
    }
    if (self->work->want_offsets && range.count > 0) {
        size_t *offsets = out->offsets + out->count * 2;
        for (size_t i = 0; i < range.count; i++) {
            offsets[i * 2] = tokens->spans[range.start + i].start;
            offsets[i * 2 + 1] = tokens->spans[range.start + i].end;
        }
        if (self->tokenizer->postprocessor.trims_count)
            mm_offsets_trim(self->tokenizer, tokens, range.start, range.count, part->behind,
                            offsets);
    }
    out->count += range.count;
}

static mm_status put_encoding(const assembly *self, mm_error *error) {
    const mm_template *template = self->template;
    mm_encoding *out = self->out;
    bool want_offsets = self->work->want_offsets;
    size_t count = template->special_count, full_count = count;
    for (size_t i = 0; i < template->count; i++) {
        const mm_template_part *part = &template->parts[i];
        if (part->kind == MM_PART_SPECIAL)
            continue;
        count += self->cuts[sequence_of(part)].keep;
        full_count += self->cuts[sequence_of(part)].length;
    }
    mm_status status = mm_encoding_reserve(out, count, want_offsets, error);
    if (status)
        return status;
    for (size_t i = 0; i < template->count; i++) {
        if (template->parts[i].kind == MM_PART_SPECIAL)
            put_special(out, &template->parts[i], want_offsets);
        else
            put_sequence(self, &template->parts[i]);
    }
    out->full_count = full_count;
    out->truncated = full_count > count;
    return MM_STATUS_OK;
}

// ---- The further windows -----------------------------------------------------------------------

// One window for each part of the template, in the order of the reference library: it joins the
// parts one after the other, each time first the further windows so far with all of the next part,
// then the first window so far with the further ones of the next part. So, as long as the parts in
// front are at their first window, that window (0) comes last.
static size_t first_choice(bool only_zeros, size_t windows) {
    return only_zeros && windows > 1 ? 1 : 0;
}

static bool next_choice(size_t *choice, bool only_zeros, size_t windows) {
    if (only_zeros && *choice == 0)
        return false;
    if (*choice + 1 < windows) {
        ++*choice;
        return true;
    }
    *choice = 0;
    return only_zeros;
}

static bool only_zeros(const size_t *choices, size_t end) {
    for (size_t i = 0; i < end; i++)
        if (choices[i])
            return false;
    return true;
}

static size_t windows_of(const assembly *self, size_t index) {
    const mm_template_part *part = &self->template->parts[index];
    return part->kind == MM_PART_SPECIAL ? 1 : mm_cut_windows(&self->cuts[sequence_of(part)]);
}

static void begin_choices(const assembly *self, size_t *choices, size_t from) {
    for (size_t i = from; i < self->template->count; i++)
        choices[i] = first_choice(only_zeros(choices, i), windows_of(self, i));
}

// False after the last one; all zero is the encoding itself.
static bool next_choices(const assembly *self, size_t *choices) {
    for (size_t i = self->template->count; i-- > 0;) {
        if (!next_choice(&choices[i], only_zeros(choices, i), windows_of(self, i)))
            continue;
        begin_choices(self, choices, i + 1);
        return !only_zeros(choices, self->template->count);
    }
    return false;
}

static mm_status put_window(const assembly *self, const size_t *choices, mm_error *error) {
    mm_encoding *out = self->out;
    const mm_template *template = self->template;
    size_t at = out->overflow_count ? out->overflow_ends[out->overflow_count - 1] : 0;
    size_t count = template->special_count;
    for (size_t i = 0; i < template->count; i++) {
        const mm_template_part *part = &template->parts[i];
        if (part->kind != MM_PART_SPECIAL)
            count += mm_cut_window(&self->cuts[sequence_of(part)], choices[i]).count;
    }
    if (count > OVERFLOW_MAX - at)
        return mm_fail(error, MM_STATUS_INPUT_TOO_LONG,
                       "the further windows have more than %d tokens together", OVERFLOW_MAX);
    mm_status status = mm_encoding_add_window(out, count, error);
    if (status)
        return status;
    for (size_t i = 0; i < template->count; i++) {
        const mm_template_part *part = &template->parts[i];
        if (part->kind == MM_PART_SPECIAL) {
            out->overflow[at++] = (int32_t)part->id;
            continue;
        }
        mm_range range = mm_cut_window(&self->cuts[sequence_of(part)], choices[i]);
        const uint32_t *ids = self->work->sequences[sequence_of(part)].ids + range.start;
        for (size_t j = 0; j < range.count; j++)
            out->overflow[at++] = (int32_t)ids[j];
    }
    return MM_STATUS_OK;
}

static mm_status put_overflow(const assembly *self, mm_error *error) {
    if (mm_cut_windows(&self->cuts[0]) + mm_cut_windows(&self->cuts[1]) == 2)
        return MM_STATUS_OK;
    size_t *choices = mm_calloc(self->template->count + 1, sizeof(*choices));
    if (!choices)
        return mm_fail_memory(error, "windows of tokens");
    begin_choices(self, choices, 0);
    mm_status status = MM_STATUS_OK;
    bool more = !only_zeros(choices, self->template->count);
    while (more && !status) {
        status = put_window(self, choices, error);
        more = next_choices(self, choices);
    }
    mm_free(choices);
    return status;
}

mm_status mm_assemble(const mm_tokenizer *tokenizer, const mm_encode_work *work, mm_encoding *out,
                      bool has_pair, const mm_encode_options *options, mm_error *error) {
    const mm_postprocessor *postprocessor = &tokenizer->postprocessor;
    assembly self = {
        .tokenizer = tokenizer,
        .template = &postprocessor->templates[has_pair][options->add_special_tokens],
        .work = work,
        .out = out,
        .cuts = {{.length = work->sequences[0].count}, {.length = work->sequences[1].count}}};
    if (self.template->refused)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "the post-processors of this tokenizer do not fit together for %s",
                       has_pair ? "pairs" : "single texts");
    size_t specials = options->add_special_tokens ? postprocessor->added[has_pair] : 0;
    mm_status status = mm_truncate(self.cuts, has_pair, specials, &options->truncation, error);
    if (!status)
        status = put_encoding(&self, error);
    if (!status && options->want_overflow)
        status = put_overflow(&self, error);
    return status;
}
