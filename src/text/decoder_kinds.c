// SPDX-License-Identifier: Apache-2.0
#include "text/decoder_kinds.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/clean_up.h"
#include "text/text_pattern.h"
#include "text/unicode_text.h"

#include <string.h>

// Two texts of any bytes and a flag in one block.
typedef struct settings_pair {
    size_t first_length, second_length;
    size_t number, number2;
    bool flag;
    char bytes[];
} settings_pair;

static mm_status make_settings(void **out, const char *first, size_t first_length,
                               const char *second, size_t second_length, bool flag,
                               mm_error *error) {
    settings_pair *made = mm_malloc(sizeof(*made) + first_length + second_length);
    if (!made)
        return mm_fail_memory(error, "a decoder");
    *made =
        (settings_pair){.first_length = first_length, .second_length = second_length, .flag = flag};
    if (first_length)
        memcpy(made->bytes, first, first_length);
    if (second_length)
        memcpy(made->bytes + first_length, second, second_length);
    *out = made;
    return MM_STATUS_OK;
}

static mm_status read_wordpiece(void **out, const json_t *config, const char *where,
                                mm_error *error) {
    const char *prefix;
    bool cleanup;
    mm_status status = mm_json_get_string(&prefix, config, "prefix", "##", where, error);
    if (!status)
        status = mm_json_get_bool(&cleanup, config, "cleanup", true, where, error);
    if (status)
        return status;
    return make_settings(out, prefix, strlen(prefix), NULL, 0, cleanup, error);
}

static void clean_up(mm_buffer *bytes, size_t start) {
    size_t length = bytes->length - start;
    if (length == 0)
        return;
    mm_clean_up_token(bytes->data + start, &length);
    bytes->length = start + length;
    bytes->data[bytes->length] = '\0';
}

static bool apply_wordpiece(const void *settings, const mm_decode_texts *in, mm_decode_texts *out) {
    const settings_pair *own = settings;
    for (size_t i = 0; i < in->count; i++) {
        size_t from = mm_decode_texts_start(in, i), start = out->bytes.length;
        const char *text = mm_decode_texts_at(in, from);
        size_t length = in->ends[i] - from;
        if (i > 0 && length >= own->first_length &&
            memcmp(text, own->bytes, own->first_length) == 0) {
            text += own->first_length;
            length -= own->first_length;
        } else if (i > 0 && !mm_buffer_putc(&out->bytes, ' ')) {
            return false;
        }
        if (!mm_buffer_append(&out->bytes, text, length))
            return false;
        if (own->flag)
            clean_up(&out->bytes, start);
        if (!mm_decode_texts_end(out))
            return false;
    }
    return true;
}

static bool apply_fuse(const void *settings, const mm_decode_texts *in, mm_decode_texts *out) {
    (void)settings;
    return mm_decode_texts_add(out, in->bytes.length ? in->bytes.data : "", in->bytes.length);
}

// A text with `to` in the place of every `from`; an empty `from` is found around every character.
static bool append_replaced(mm_buffer *out, const char *text, size_t length, const char *from,
                            size_t from_length, const char *to, size_t to_length) {
    const char *end = text + length;
    while (text < end) {
        size_t width = mm_unicode_width(*text);
        const char *found =
            from_length ? memmem(text, (size_t)(end - text), from, from_length) : text + width;
        if (from_length == 0 && !mm_buffer_append(out, to, to_length))
            return false;
        const char *stop = found ? found : end;
        if (!mm_buffer_append(out, text, (size_t)(stop - text)))
            return false;
        if (found && from_length && !mm_buffer_append(out, to, to_length))
            return false;
        text = stop + from_length;
        if (!found)
            break;
    }
    return from_length || mm_buffer_append(out, to, to_length);
}

// Appends one text to out->bytes.
static bool replace_text(const mm_text_replacement *own, mm_regex_scratch **scratch,
                         const char *text, size_t length, mm_decode_texts *out) {
    mm_text_finder finder;
    size_t done = 0;
    if (!mm_text_find_begin(&finder, &own->pattern, scratch, text, length))
        return false;
    mm_regex_result result;
    while ((result = mm_text_find_next(&finder)) == MM_REGEX_FOUND) {
        if (!mm_buffer_append(&out->bytes, text + done, finder.search.start - done) ||
            !mm_buffer_append(&out->bytes, own->content, own->length))
            return false;
        done = finder.search.end;
    }
    out->failure = mm_text_find_failure(&finder, result);
    return result == MM_REGEX_END && mm_buffer_append(&out->bytes, text + done, length - done);
}

static bool apply_replace(const void *settings, const mm_decode_texts *in, mm_decode_texts *out) {
    mm_regex_scratch *scratch = NULL;
    bool ok = true;
    for (size_t i = 0; i < in->count && ok; i++) {
        size_t start = mm_decode_texts_start(in, i), length = in->ends[i] - start;
        ok = (length == 0 ||
              replace_text(settings, &scratch, mm_decode_texts_at(in, start), length, out)) &&
             mm_decode_texts_end(out);
    }
    mm_regex_scratch_free(scratch);
    return ok;
}

static mm_status read_strip(void **out, const json_t *config, const char *where, mm_error *error) {
    const json_t *content = json_object_get(config, "content");
    int64_t start, stop;
    mm_status status = mm_json_get_integer(&start, config, "start", 0, 0, INT64_MAX, where, error);
    if (!status)
        status = mm_json_get_integer(&stop, config, "stop", 0, 0, INT64_MAX, where, error);
    if (status)
        return status;
    const char *text = json_string_value(content);
    if (!text || json_string_length(content) == 0 ||
        json_string_length(content) != mm_unicode_width(text[0]))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"content\" must be one character",
                       where);
    status = make_settings(out, text, json_string_length(content), NULL, 0, false, error);
    if (!status) {
        settings_pair *made = *out;
        made->number = (size_t)start;
        made->number2 = (size_t)stop;
    }
    return status;
}

static bool apply_strip(const void *settings, const mm_decode_texts *in, mm_decode_texts *out) {
    const settings_pair *own = settings;
    size_t width = own->first_length;
    for (size_t i = 0; i < in->count; i++) {
        size_t start = mm_decode_texts_start(in, i), end = in->ends[i];
        const char *bytes = mm_decode_texts_at(in, 0);
        for (size_t n = 0; n < own->number && end - start >= width &&
                           memcmp(bytes + start, own->bytes, width) == 0;
             n++)
            start += width;
        for (size_t n = 0; n < own->number2 && end - start >= width &&
                           memcmp(bytes + end - width, own->bytes, width) == 0;
             n++)
            end -= width;
        if (!mm_decode_texts_add(out, bytes + start, end - start))
            return false;
    }
    return true;
}

static mm_status read_bpe(void **out, const json_t *config, const char *where, mm_error *error) {
    const json_t *suffix = json_object_get(config, "suffix");
    if (!json_is_string(suffix))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: BPEDecoder needs \"suffix\"", where);
    return make_settings(out, json_string_value(suffix), json_string_length(suffix), NULL, 0, false,
                         error);
}

static bool apply_bpe(const void *settings, const mm_decode_texts *in, mm_decode_texts *out) {
    const settings_pair *own = settings;
    for (size_t i = 0; i < in->count; i++) {
        size_t start = mm_decode_texts_start(in, i);
        const char *text = mm_decode_texts_at(in, start);
        if (!append_replaced(&out->bytes, text, in->ends[i] - start, own->bytes, own->first_length,
                             " ", i + 1 < in->count) ||
            !mm_decode_texts_end(out))
            return false;
    }
    return true;
}

// The byte that a token such as "<0xE2>" stands for, or -1. As the reference library reads
// numbers, "+5" is one.
static int byte_of(const char *token, size_t length) {
    if (length != 6 || memcmp(token, "<0x", 3) != 0 || token[5] != '>')
        return -1;
    int value = 0;
    for (size_t i = token[3] == '+' ? 4 : 3; i < 5; i++) {
        char digit = token[i];
        if (digit >= '0' && digit <= '9')
            value = value * 16 + (digit - '0');
        else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
            value = value * 16 + ((digit | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return value;
}

// Ends a run of bytes that begins at `start` of out->bytes: one text, or one U+FFFD for each byte
// when they are not UTF-8.
static bool end_bytes(mm_decode_texts *out, size_t start) {
    size_t count = out->bytes.length - start;
    if (count == 0)
        return true;
    if (mm_utf8_valid(mm_decode_texts_at(out, start), count, NULL))
        return mm_decode_texts_end(out);
    out->bytes.length = start;
    for (size_t i = 0; i < count; i++)
        if (!mm_decode_texts_add(out, "\xEF\xBF\xBD", 3))
            return false;
    return true;
}

static bool apply_byte_fallback(const void *settings, const mm_decode_texts *in,
                                mm_decode_texts *out) {
    (void)settings;
    size_t run = 0; // where the run of bytes begins in out->bytes
    for (size_t i = 0; i < in->count; i++) {
        size_t start = mm_decode_texts_start(in, i), length = in->ends[i] - start;
        int byte = length ? byte_of(mm_decode_texts_at(in, start), length) : -1;
        bool ok = byte >= 0 ? mm_buffer_putc(&out->bytes, (char)byte)
                            : end_bytes(out, run) &&
                                  mm_decode_texts_add(out, mm_decode_texts_at(in, start), length);
        if (!ok)
            return false;
        if (byte < 0)
            run = out->bytes.length;
    }
    return end_bytes(out, run);
}

static mm_status read_ctc(void **out, const json_t *config, const char *where, mm_error *error) {
    const json_t *pad = json_object_get(config, "pad_token");
    const json_t *delimiter = json_object_get(config, "word_delimiter_token");
    const json_t *cleanup = json_object_get(config, "cleanup");
    if (!json_is_string(pad) || !json_is_string(delimiter) || !json_is_boolean(cleanup))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: CTC needs \"pad_token\", \"word_delimiter_token\" and \"cleanup\"",
                       where);
    return make_settings(out, json_string_value(pad), json_string_length(pad),
                         json_string_value(delimiter), json_string_length(delimiter),
                         json_is_true(cleanup), error);
}

// Appends one token to out->bytes; `scratch` is only for the call.
static bool append_ctc(const settings_pair *own, const char *token, size_t length, mm_buffer *out,
                       mm_buffer *scratch) {
    size_t start = out->length;
    if (!append_replaced(out, token, length, own->bytes, own->first_length, "", 0))
        return false;
    if (!own->flag)
        return true;
    clean_up(out, start);
    mm_buffer_clear(scratch);
    size_t kept = out->length - start;
    if (kept && !mm_buffer_append(scratch, out->data + start, kept))
        return false;
    out->length = start;
    return append_replaced(out, kept ? scratch->data : "", kept, own->bytes + own->first_length,
                           own->second_length, " ", 1);
}

static bool apply_ctc(const void *settings, const mm_decode_texts *in, mm_decode_texts *out) {
    mm_buffer scratch;
    mm_buffer_init(&scratch, SIZE_MAX / 2);
    const char *last = NULL; // the token before; repeated ones count once
    size_t last_length = 0;
    bool ok = true;
    for (size_t i = 0; i < in->count && ok; i++) {
        size_t start = mm_decode_texts_start(in, i), length = in->ends[i] - start;
        const char *token = mm_decode_texts_at(in, start);
        if (last && length == last_length && memcmp(token, last, length) == 0)
            continue;
        last = token;
        last_length = length;
        size_t from = out->bytes.length;
        ok = append_ctc(settings, token, length, &out->bytes, &scratch) &&
             (out->bytes.length == from || mm_decode_texts_end(out));
    }
    mm_buffer_free(&scratch);
    return ok;
}

static size_t head_of_strip(const void *settings) {
    const settings_pair *own = settings;
    bool only_start = own->number2 == 0 && own->number <= SIZE_MAX / own->first_length - 1;
    return only_start ? own->number * own->first_length : SIZE_MAX;
}

static const mm_decoder_kind kinds[] = {
    {{"WordPiece", read_wordpiece, NULL}, apply_wordpiece, MM_REACH_TEXT, NULL},
    {{"Fuse", NULL, NULL}, apply_fuse, MM_REACH_JOIN, NULL},
    {{"Replace", mm_text_replacement_read, mm_text_replacement_free},
     apply_replace,
     MM_REACH_TEXT,
     NULL},
    {{"Strip", read_strip, NULL}, apply_strip, MM_REACH_TEXT, head_of_strip},
    {{"BPEDecoder", read_bpe, NULL}, apply_bpe, MM_REACH_NEXT, NULL},
    {{"ByteFallback", NULL, NULL}, apply_byte_fallback, MM_REACH_BYTES, NULL},
    {{"CTC", read_ctc, NULL}, apply_ctc, MM_REACH_ALL, NULL},
    {{"ByteLevel", mm_byte_level_decoder_read, NULL}, mm_byte_level_decode, MM_REACH_LETTERS, NULL},
    {{"Metaspace", mm_metaspace_decoder_read, NULL}, mm_metaspace_decode, MM_REACH_TEXT, NULL},
};

const mm_stage_kind *mm_decoder_find_kind(const char *type) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].stage.type, type) == 0)
            return &kinds[i].stage;
    return NULL;
}
