// SPDX-License-Identifier: Apache-2.0
// Metaspace as a pre-tokenizer: blanks become visible, and each begins a piece.
#include "text/metaspace.h"
#include "text/pretokenizer_kinds.h"

#include <string.h>

mm_status mm_metaspace_pretokenizer_read(void **settings, const json_t *config, const char *where,
                                         mm_error *error) {
    return mm_metaspace_read(settings, config, where, error);
}

bool mm_metaspace_wants_origins(const void *settings) {
    const mm_metaspace *self = settings;
    return self->scheme == MM_PREPEND_FIRST;
}

static bool has_replacement(const mm_metaspace *self, const char *text, size_t at, size_t end) {
    return text[at] == self->replacement[0] && end - at >= self->length &&
           memcmp(text + at, self->replacement, self->length) == 0;
}

static bool wants_prefix(const mm_metaspace *self, const mm_rewrite *rewrite, mm_span piece) {
    if (self->scheme == MM_PREPEND_NEVER || rewrite->text[piece.start] == ' ' ||
        has_replacement(self, rewrite->text, piece.start, piece.end))
        return false;
    if (self->scheme == MM_PREPEND_ALWAYS)
        return true;
    // Without origins the part does not begin the original.
    return rewrite->origins && rewrite->origins[piece.start].start == 0;
}

// What is put in front has the origin of the first character.
static void put_prefix(const mm_metaspace *self, mm_rewrite *rewrite) {
    size_t read = rewrite->read;
    mm_rewrite_drop(rewrite, mm_unicode_width(rewrite->text[read]));
    mm_rewrite_insert_text(rewrite, self->replacement, self->length);
    rewrite->read = read;
}

static bool add_piece(mm_encode_work *work, size_t *start, size_t end) {
    bool ok = *start == end || mm_piece_add(&work->next_pieces, *start, end);
    *start = end;
    return ok;
}

static bool rewrite_piece(const mm_metaspace *self, mm_encode_work *work, mm_span piece) {
    mm_rewrite *rewrite = &work->text;
    const char *text = rewrite->text;
    size_t start = rewrite->written;
    rewrite->read = piece.start; // what lies between pieces is dropped
    if (wants_prefix(self, rewrite, piece))
        put_prefix(self, rewrite);
    while (rewrite->read < piece.end && !rewrite->failed) {
        size_t end = rewrite->read;
        while (end < piece.end && text[end] != ' ' && !has_replacement(self, text, end, piece.end))
            end++;
        mm_rewrite_copy(rewrite, end - rewrite->read);
        if (end == piece.end)
            break;
        if (self->split && !add_piece(work, &start, rewrite->written))
            return false;
        if (text[end] == ' ') {
            mm_rewrite_drop(rewrite, 1);
            mm_rewrite_insert_text(rewrite, self->replacement, self->length);
        } else {
            mm_rewrite_copy(rewrite, self->length);
        }
    }
    return !rewrite->failed && add_piece(work, &start, rewrite->written);
}

bool mm_metaspace_rewrite(const void *settings, mm_encode_work *work) {
    const mm_metaspace *self = settings;
    mm_rewrite_start(&work->text);
    for (size_t i = 0; i < work->pieces.count; i++)
        if (!rewrite_piece(self, work, work->pieces.items[i]))
            return false;
    if (work->text.written > UINT32_MAX) // pieces are cut by 32 bits
        return false;
    mm_rewrite_finish(&work->text);
    return !work->text.failed;
}
