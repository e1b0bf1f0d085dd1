// SPDX-License-Identifier: Apache-2.0
// Metaspace as a decoder: the characters that stand for blanks become blanks, those of the first
// token nothing.
#include "text/decoder_kinds.h"

#include "text/metaspace.h"

#include <string.h>

mm_status mm_metaspace_decoder_read(void **settings, const json_t *config, const char *where,
                                    mm_error *error) {
    return mm_metaspace_read(settings, config, where, error);
}

bool mm_metaspace_decode(const void *settings, const mm_decode_texts *in, mm_decode_texts *out) {
    const mm_metaspace *self = settings;
    for (size_t i = 0; i < in->count; i++) {
        bool drop = i == 0 && self->scheme != MM_PREPEND_NEVER;
        size_t at = mm_decode_texts_start(in, i), end = in->ends[i];
        while (at < end) {
            const char *from = mm_decode_texts_at(in, at);
            const char *found = memmem(from, end - at, self->replacement, self->length);
            size_t plain = found ? (size_t)(found - from) : end - at;
            if (!mm_buffer_append(&out->bytes, from, plain) ||
                (found && !drop && !mm_buffer_putc(&out->bytes, ' ')))
                return false;
            at += plain + (found ? self->length : 0);
        }
        if (!mm_decode_texts_end(out))
            return false;
    }
    return true;
}
