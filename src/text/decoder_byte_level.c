// SPDX-License-Identifier: Apache-2.0
// The decoder ByteLevel: letters back to bytes, and those to text.
#include "text/byte_level.h"
#include "text/decoder.h"
#include "text/unicode_text.h"

#include "base/utf8.h"

mm_status mm_byte_level_decoder_read(void **settings, const json_t *config, const char *where,
                                     mm_error *error) {
    (void)settings;
    bool unused;
    mm_status status = mm_byte_level_read_flag(&unused, config, "add_prefix_space", where, error);
    if (!status)
        status = mm_byte_level_read_flag(&unused, config, "trim_offsets", where, error);
    if (!status)
        status = mm_json_get_bool(&unused, config, "use_regex", true, where, error);
    return status;
}

bool mm_byte_level_append_bytes(mm_buffer *out, const char *text, size_t length) {
    size_t before = out->length;
    if (!mm_buffer_reserve(out, length))
        return false;
    for (size_t at = 0; at < length;) {
        int byte = mm_byte_level_byte(mm_unicode_next(text, &at));
        if (byte < 0) { // not one of ByteLevel's texts
            out->length = before;
            return mm_buffer_append(out, text, length);
        }
        out->data[out->length++] = (char)byte;
    }
    return true;
}

bool mm_byte_level_append_text(mm_buffer *out, const char *bytes, size_t length) {
    size_t bad;
    while (!mm_utf8_valid(bytes, length, &bad)) {
        size_t skip = bad + mm_utf8_bad_length(bytes + bad, length - bad);
        if (!mm_buffer_append(out, bytes, bad) || !mm_buffer_append(out, "\xEF\xBF\xBD", 3))
            return false;
        bytes += skip;
        length -= skip;
    }
    return mm_buffer_append(out, bytes, length);
}

bool mm_byte_level_decode(const void *settings, const mm_decode_texts *in, mm_decode_texts *out) {
    (void)settings;
    mm_buffer bytes;
    mm_buffer_init(&bytes, SIZE_MAX / 2);
    bool ok = true;
    for (size_t i = 0; i < in->count && ok; i++) {
        size_t start = mm_decode_texts_start(in, i);
        if (in->ends[i] > start)
            ok = mm_byte_level_append_bytes(&bytes, mm_decode_texts_at(in, start),
                                            in->ends[i] - start);
    }
    ok = ok &&
         (bytes.length == 0 || mm_byte_level_append_text(&out->bytes, bytes.data, bytes.length)) &&
         mm_decode_texts_end(out);
    mm_buffer_free(&bytes);
    return ok;
}
