// SPDX-License-Identifier: Apache-2.0
// Decoders: from token texts back to one text.
//
// To add a kind: write its functions in decoder_kinds.c and add a row to the table there.
#ifndef MM_TEXT_DECODER_H
#define MM_TEXT_DECODER_H

#include "text/stages.h"

#include "base/buffer.h"

// The texts between two steps: one buffer, and where each text ends in it.
typedef struct mm_decode_texts {
    mm_buffer bytes;
    size_t *ends;
    size_t count, capacity;
    const char *failure; // why a step failed, when it is not for want of memory; borrowed
} mm_decode_texts;

// What a kind looks at, for decoding id by id (text/stream_decoder.c).
typedef enum mm_decoder_reach {
    MM_REACH_ALL,     // all texts
    MM_REACH_TEXT,    // each text for itself, and whether it is the first; makes one of each
    MM_REACH_NEXT,    // the same, and whether it is the last
    MM_REACH_BYTES,   // runs of texts such as "<0x20>"
    MM_REACH_JOIN,    // puts all texts together
    MM_REACH_LETTERS, // the same, after taking ByteLevel's letters for bytes
} mm_decoder_reach;

typedef struct mm_decoder_kind {
    mm_stage_kind stage;
    // Appends to `out` what becomes of the texts of `in`; false when out of memory, or as
    // out->failure says.
    bool (*apply)(const void *settings, const mm_decode_texts *in, mm_decode_texts *out);
    mm_decoder_reach reach;
    // How many bytes of a text decide what becomes of it, the rest staying as it is; SIZE_MAX when
    // all do, as when this is NULL.
    size_t (*head)(const void *settings);
} mm_decoder_kind;

typedef struct mm_decoder_list {
    mm_stage_list stages;
    bool present; // without a decoder texts are joined by blanks
} mm_decoder_list;

mm_status mm_decoder_read(mm_decoder_list *list, const json_t *config, const char *where,
                          mm_error *error);
mm_status mm_decoder_make_wordpiece(mm_decoder_list *list, const char *prefix, mm_error *error);
void mm_decoder_list_free(mm_decoder_list *list);

void mm_decode_texts_init(mm_decode_texts *texts);
void mm_decode_texts_free(mm_decode_texts *texts);
bool mm_decode_texts_add(mm_decode_texts *texts, const char *text, size_t length);
// Ends the text that was appended to texts->bytes piece by piece.
bool mm_decode_texts_end(mm_decode_texts *texts);
static inline size_t mm_decode_texts_start(const mm_decode_texts *texts, size_t index) {
    return index ? texts->ends[index - 1] : 0;
}
// The bytes from an offset on; never NULL, also when all texts are empty.
static inline const char *mm_decode_texts_at(const mm_decode_texts *texts, size_t offset) {
    return texts->bytes.data ? texts->bytes.data + offset : "";
}
// *out is NUL-terminated and the caller's to mm_free. Uses up `texts`.
mm_status mm_decoder_run(const mm_decoder_list *list, mm_decode_texts *texts, char **out,
                         size_t *out_length, mm_error *error);
const mm_stage_kind *mm_decoder_find_kind(const char *type); // or NULL
mm_status mm_byte_level_decoder_read(void **settings, const json_t *config, const char *where,
                                     mm_error *error);
bool mm_byte_level_decode(const void *settings, const mm_decode_texts *in, mm_decode_texts *out);

#endif
