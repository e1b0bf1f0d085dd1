// SPDX-License-Identifier: Apache-2.0
#include "text/decoder.h"

#include "base/memory.h"
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

// Replaces within the last text of `texts`, which begins at `start`; never makes it longer.
static void shorten(mm_buffer *bytes, size_t start, const char *from, const char *to) {
    size_t from_length = strlen(from), to_length = strlen(to);
    char *text = bytes->data + start;
    size_t length = bytes->length - start, at = 0, kept = 0;
    while (at < length) {
        const char *found = memmem(text + at, length - at, from, from_length);
        size_t plain = found ? (size_t)(found - (text + at)) : length - at;
        memmove(text + kept, text + at, plain);
        kept += plain;
        at += plain;
        if (found) {
            memcpy(text + kept, to, to_length);
            kept += to_length;
            at += from_length;
        }
    }
    bytes->length = start + kept;
    bytes->data[bytes->length] = '\0';
}

// Takes out the blanks that tokenizing put into English text.
static void clean_up(mm_buffer *bytes, size_t start) {
    static const char *const rules[][2] = {{" .", "."},     {" ?", "?"},           {" !", "!"},
                                           {" ,", ","},     {" ' ", "'"},          {" n't", "n't"},
                                           {" 'm", "'m"},   {" do not", " don't"}, {" 's", "'s"},
                                           {" 've", "'ve"}, {" 're", "'re"}};
    if (bytes->length == start)
        return;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        shorten(bytes, start, rules[i][0], rules[i][1]);
}

static bool apply_wordpiece(const void *settings, const mm_decode_texts *in, mm_decode_texts *out) {
    const settings_pair *own = settings;
    for (size_t i = 0; i < in->count; i++) {
        size_t from = mm_decode_texts_start(in, i), start = out->bytes.length;
        const char *text = in->bytes.data + from;
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

static mm_status read_replace(void **out, const json_t *config, const char *where,
                              mm_error *error) {
    const json_t *pattern = json_object_get(config, "pattern");
    const json_t *content = json_object_get(config, "content");
    if (json_is_string(json_object_get(pattern, "Regex")))
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: the decoder \"Replace\" with a Regex pattern is not supported", where);
    pattern = json_object_get(pattern, "String");
    if (!json_is_string(pattern) || !json_is_string(content))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: Replace needs \"pattern\" {\"String\"} and \"content\"", where);
    return make_settings(out, json_string_value(pattern), json_string_length(pattern),
                         json_string_value(content), json_string_length(content), false, error);
}

static bool apply_replace(const void *settings, const mm_decode_texts *in, mm_decode_texts *out) {
    const settings_pair *own = settings;
    for (size_t i = 0; i < in->count; i++) {
        size_t at = mm_decode_texts_start(in, i), end = in->ends[i];
        while (at < end) {
            const char *found = own->first_length ? memmem(in->bytes.data + at, end - at,
                                                           own->bytes, own->first_length)
                                                  : NULL;
            size_t stop = found ? (size_t)(found - in->bytes.data) : end;
            if (!mm_buffer_append(&out->bytes, in->bytes.data + at, stop - at) ||
                (found && !mm_buffer_append(&out->bytes, own->bytes + own->first_length,
                                            own->second_length)))
                return false;
            at = found ? stop + own->first_length : end;
        }
        if (!mm_decode_texts_end(out))
            return false;
    }
    return true;
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
        const char *bytes = in->bytes.data;
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

static const mm_decoder_kind kinds[] = {
    {{"WordPiece", read_wordpiece, NULL}, apply_wordpiece},
    {{"Fuse", NULL, NULL}, apply_fuse},
    {{"Replace", read_replace, NULL}, apply_replace},
    {{"Strip", read_strip, NULL}, apply_strip},
};

const mm_stage_kind *mm_decoder_find_kind(const char *type) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].stage.type, type) == 0)
            return &kinds[i].stage;
    return NULL;
}
