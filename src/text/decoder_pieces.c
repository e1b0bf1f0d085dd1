// SPDX-License-Identifier: Apache-2.0
// Decoding as SentencePiece does it, between special tokens that it does not know: blanks at the
// beginning of each part are dropped, and those around the whole text.
#include "text/decoder_kinds.h"

#include "base/memory.h"
#include "text/unicode_text.h"

#include <string.h>

#define SPACE "\xE2\x96\x81" // U+2581, which stands for a blank
enum { SPACE_LENGTH = 3 };

static bool is_special(const mm_pieces_decoder *self, const char *text, size_t length) {
    uint32_t id;
    if (!mm_added_tokens_find(self->added, text, length, &id))
        return false;
    const mm_added_token *token = mm_added_tokens_by_id(self->added, id);
    return token && token->is_special;
}

static bool begins_with_space(const char *text, size_t length) {
    return length >= SPACE_LENGTH && memcmp(text, SPACE, SPACE_LENGTH) == 0;
}

static bool append_blanks(mm_buffer *out, const char *text, size_t length) {
    bool ok = true;
    for (size_t at = 0; at < length && ok;) {
        bool space = begins_with_space(text + at, length - at);
        ok = mm_buffer_putc(out, space ? ' ' : text[at]);
        at += space ? SPACE_LENGTH : 1;
    }
    return ok;
}

// A token that no piece is stays as it is, but where all blanks are shown in the end.
static bool append_piece(const mm_pieces_decoder *self, mm_buffer *out, size_t part,
                         const char *text, size_t length) {
    uint32_t id;
    if (!mm_vocabulary_find(self->pieces, text, length, &id))
        return self->spaced ? append_blanks(out, text, length)
                            : mm_buffer_append(out, text, length);
    if (out->length == part && begins_with_space(text, length)) {
        text += SPACE_LENGTH;
        length -= SPACE_LENGTH;
    }
    return append_blanks(out, text, length);
}

// As Python's strip: more control characters are white space than in Unicode.
static bool is_blank(uint32_t code) {
    return mm_unicode_is_space(code) || (code >= 0x1C && code <= 0x1F);
}

static bool add_stripped(mm_decode_texts *out, const mm_buffer *text) {
    size_t start = 0, end = text->length;
    while (start < end) {
        size_t next = start;
        if (!is_blank(mm_unicode_next(text->data, &next)))
            break;
        start = next;
    }
    while (end > start) {
        size_t before = end;
        if (!is_blank(mm_unicode_previous(text->data, &before)))
            break;
        end = before;
    }
    return mm_decode_texts_add(out, end > start ? text->data + start : "", end - start);
}

static bool apply(const void *settings, const mm_decode_texts *in, mm_decode_texts *out) {
    const mm_pieces_decoder *self = settings;
    mm_buffer text;
    mm_buffer_init(&text, SIZE_MAX / 2);
    size_t part = 0; // where it begins in the text
    bool ok = true;
    for (size_t i = 0; i < in->count && ok; i++) {
        size_t start = mm_decode_texts_start(in, i), length = in->ends[i] - start;
        const char *token = mm_decode_texts_at(in, start);
        if (is_special(self, token, length)) {
            ok = mm_buffer_append(&text, token, length) &&
                 (!self->spaced || mm_buffer_putc(&text, ' '));
            part = text.length;
        } else {
            ok = append_piece(self, &text, part, token, length);
        }
    }
    ok = ok && add_stripped(out, &text);
    mm_buffer_free(&text);
    return ok;
}

static const mm_decoder_kind kind = {{"SentencePiece", NULL, NULL}, apply, MM_REACH_ALL, NULL};

mm_status mm_decoder_add_pieces(mm_decoder_list *list, const mm_pieces_decoder *settings,
                                mm_error *error) {
    mm_pieces_decoder *made = mm_malloc(sizeof(*made));
    if (!made)
        return mm_fail_memory(error, "a decoder");
    *made = *settings;
    list->present = true;
    return mm_stages_append(&list->stages, (mm_stage){&kind.stage, made}, error);
}
