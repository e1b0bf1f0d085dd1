// SPDX-License-Identifier: Apache-2.0
// ByteLevel as a pre-tokenizer and as a normalizer; decoder_byte_level.c is the way back.
#include "text/byte_level.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/normalizer_kinds.h"
#include "text/pretokenizer_kinds.h"

typedef struct byte_level {
    bool add_prefix_space;
    bool use_regex;
    bool leaves_bytes; // the model takes bytes, so the letters need not be written
} byte_level;

mm_status mm_byte_level_read_flag(bool *out, const json_t *config, const char *key,
                                  const char *where, mm_error *error) {
    if (!json_object_get(config, key))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: ByteLevel lacks \"%s\"", where, key);
    return mm_json_get_bool(out, config, key, true, where, error);
}

mm_status mm_byte_level_read(void **settings, const json_t *config, const char *where,
                             mm_error *error) {
    byte_level read = {0};
    bool trim;
    mm_status status =
        mm_byte_level_read_flag(&read.add_prefix_space, config, "add_prefix_space", where, error);
    if (!status)
        status = mm_byte_level_read_flag(&trim, config, "trim_offsets", where, error);
    if (!status)
        status = mm_json_get_bool(&read.use_regex, config, "use_regex", true, where, error);
    if (status)
        return status;
    byte_level *made = mm_malloc(sizeof(*made));
    if (!made)
        return mm_fail_memory(error, "ByteLevel");
    *made = read;
    *settings = made;
    return MM_STATUS_OK;
}

void mm_byte_level_leave_bytes(void *settings) {
    ((byte_level *)settings)->leaves_bytes = true;
}

bool mm_byte_level_append(mm_buffer *out, unsigned char byte) {
    char letter[4];
    return mm_buffer_append(out, letter, mm_utf8_encode(letter, mm_byte_level_letter(byte)));
}

// Writes the letters of the input up to `end`. All have the origin of their character.
static void write_letters(mm_rewrite *rewrite, size_t end) {
    while (rewrite->read < end && !rewrite->failed) {
        const char *text = rewrite->text + rewrite->read;
        size_t width = mm_unicode_width(text[0]);
        mm_rewrite_replace(rewrite, mm_byte_level_letter((unsigned char)text[0]));
        for (size_t i = 1; i < width; i++)
            mm_rewrite_insert(rewrite, mm_byte_level_letter((unsigned char)text[i]));
    }
}

void mm_byte_level_normalize(const void *settings, mm_rewrite *rewrite) {
    (void)settings;
    mm_rewrite_start(rewrite);
    write_letters(rewrite, rewrite->length);
    mm_rewrite_finish(rewrite);
}

static bool lacks_blank(const mm_encode_work *work, size_t index) {
    return work->text.text[work->pieces.items[index].start] != ' ';
}

// Puts a blank, with the origin of the first character, before each piece that has none.
static bool add_blanks(mm_encode_work *work) {
    mm_rewrite *rewrite = &work->text;
    size_t first = 0;
    while (first < work->pieces.count && !lacks_blank(work, first))
        first++;
    if (first == work->pieces.count)
        return true;
    mm_rewrite_start(rewrite);
    for (size_t i = 0; i < work->pieces.count && !rewrite->failed; i++) {
        mm_span *piece = &work->pieces.items[i];
        uint32_t start = (uint32_t)rewrite->written;
        rewrite->read = piece->start;
        if (lacks_blank(work, i)) {
            mm_rewrite_drop(rewrite, mm_unicode_width(rewrite->text[piece->start]));
            mm_rewrite_insert(rewrite, ' ');
            rewrite->read = piece->start;
        }
        mm_rewrite_copy(rewrite, piece->end - piece->start);
        *piece = (mm_span){start, (uint32_t)rewrite->written};
    }
    mm_rewrite_finish(rewrite);
    return !rewrite->failed && rewrite->length <= UINT32_MAX;
}

static bool write_pieces(mm_encode_work *work) {
    mm_rewrite *rewrite = &work->text;
    mm_rewrite_start(rewrite);
    for (size_t i = 0; i < work->next_pieces.count && !rewrite->failed; i++) {
        mm_span *piece = &work->next_pieces.items[i];
        uint32_t start = (uint32_t)rewrite->written;
        rewrite->read = piece->start;
        write_letters(rewrite, piece->end);
        *piece = (mm_span){start, (uint32_t)rewrite->written};
    }
    mm_rewrite_finish(rewrite);
    return !rewrite->failed && rewrite->length <= UINT32_MAX;
}

bool mm_byte_level_rewrite(const void *settings, mm_encode_work *work) {
    const byte_level *own = settings;
    if (own->add_prefix_space && !add_blanks(work))
        return false;
    for (size_t i = 0; i < work->pieces.count; i++) {
        mm_span piece = work->pieces.items[i];
        bool ok = own->use_regex ? mm_byte_level_split(work->text.text, piece, &work->next_pieces)
                                 : mm_piece_add(&work->next_pieces, piece.start, piece.end);
        if (!ok)
            return false;
    }
    return own->leaves_bytes || write_pieces(work);
}
