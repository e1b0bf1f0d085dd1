// SPDX-License-Identifier: Apache-2.0
#include "text/vocabulary_json.h"

#include "base/buffer.h"
#include "base/utf8.h"

#include <string.h>

enum { MAX_GUESS = 8 << 20 };

typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_space(cursor *in) {
    while (in->at < in->end &&
           (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t'))
        in->at++;
}

static bool take(cursor *in, char byte) {
    skip_space(in);
    if (in->at >= in->end || *in->at != byte)
        return false;
    in->at++;
    return true;
}

// Steps over a string; *body is what stands between the quotes.
static bool skip_string(cursor *in, mm_json_part *body) {
    if (!take(in, '"'))
        return false;
    body->start = in->at;
    for (; in->at < in->end; in->at++) {
        if (*in->at == '"') {
            body->length = (size_t)(in->at - body->start);
            in->at++;
            return true;
        }
        if (*in->at == '\\')
            in->at++;
    }
    return false;
}

// Steps over any value by counting brackets outside of strings.
static bool skip_value(cursor *in) {
    size_t depth = 0;
    mm_json_part body;
    skip_space(in);
    const char *start = in->at;
    while (in->at < in->end) {
        char byte = *in->at;
        if (byte == '"') {
            if (!skip_string(in, &body))
                return false;
            if (depth == 0)
                return true;
            continue;
        }
        if (depth == 0 && (byte == ',' || byte == '}' || byte == ']'))
            return in->at > start;
        in->at++;
        if (byte == '{' || byte == '[')
            depth++;
        else if ((byte == '}' || byte == ']') && --depth == 0)
            return true;
    }
    return false;
}

static mm_json_part member(mm_json_part object, const char *key) {
    cursor in = {object.start, object.start + object.length};
    mm_json_part name, none = {0};
    if (!take(&in, '{'))
        return none;
    while (skip_string(&in, &name) && take(&in, ':')) {
        skip_space(&in);
        if (name.length == strlen(key) && memcmp(name.start, key, name.length) == 0)
            return (mm_json_part){in.at, (size_t)(in.end - in.at)};
        if (!skip_value(&in) || !take(&in, ','))
            return none;
    }
    return none;
}

mm_json_part mm_json_locate(const char *text, size_t length, const char *key1, const char *key2) {
    mm_json_part part = member((mm_json_part){text, length}, key1);
    return part.start ? member(part, key2) : part;
}

static bool read_hex(cursor *in, uint32_t *out) {
    if (in->end - in->at < 4)
        return false;
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char byte = *in->at++;
        if (byte >= '0' && byte <= '9')
            value = value * 16 + (uint32_t)(byte - '0');
        else if (byte >= 'a' && byte <= 'f')
            value = value * 16 + (uint32_t)(byte - 'a' + 10);
        else if (byte >= 'A' && byte <= 'F')
            value = value * 16 + (uint32_t)(byte - 'A' + 10);
        else
            return false;
    }
    *out = value;
    return true;
}

// The character behind \u; a pair of surrogates is one character, a lone one is an error.
static bool read_unicode_escape(cursor *in, uint32_t *code) {
    if (!read_hex(in, code))
        return false;
    if (*code < 0xD800 || *code > 0xDFFF)
        return true;
    uint32_t low;
    if (*code > 0xDBFF || in->end - in->at < 2 || in->at[0] != '\\' || in->at[1] != 'u')
        return false;
    in->at += 2;
    if (!read_hex(in, &low) || low < 0xDC00 || low > 0xDFFF)
        return false;
    *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

// Writes the text of a string to `out`, which has room for as many bytes as the string has.
static bool unescape(mm_json_part body, char *out, size_t *out_length) {
    cursor in = {body.start, body.start + body.length};
    size_t length = 0;
    while (in.at < in.end) {
        char byte = *in.at++;
        if (byte != '\\') {
            out[length++] = byte;
            continue;
        }
        if (in.at == in.end)
            return false;
        static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
        char name = *in.at++;
        uint32_t code;
        if (name == 'u') {
            if (!read_unicode_escape(&in, &code))
                return false;
            length += mm_utf8_encode(out + length, code);
            continue;
        }
        const char *found = name ? strchr(names, name) : NULL;
        if (!found)
            return false;
        out[length++] = values[found - names];
    }
    *out_length = length;
    return true;
}

static bool read_id(cursor *in, uint32_t *id) {
    skip_space(in);
    const char *start = in->at;
    uint64_t value = 0;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9' && value <= UINT32_MAX)
        value = value * 10 + (uint64_t)(*in->at++ - '0');
    if (in->at == start || value > UINT32_MAX || (*start == '0' && in->at - start > 1))
        return false;
    *id = (uint32_t)value;
    return true;
}

static bool has_control(mm_json_part body) {
    for (size_t i = 0; i < body.length; i++)
        if ((unsigned char)body.start[i] < 0x20)
            return true;
    return false;
}

typedef enum member_result { MEMBER_OK, MEMBER_BAD, MEMBER_NO_MEMORY } member_result;

static member_result read_member(mm_vocabulary *vocabulary, cursor *in, mm_buffer *text) {
    mm_json_part body;
    uint32_t id;
    if (!skip_string(in, &body) || !take(in, ':') || !read_id(in, &id) || has_control(body))
        return MEMBER_BAD;
    if (!memchr(body.start, '\\', body.length))
        return mm_vocabulary_add(vocabulary, body.start, body.length, id) ? MEMBER_OK
                                                                          : MEMBER_NO_MEMORY;
    mm_buffer_clear(text);
    if (!mm_buffer_reserve(text, body.length))
        return MEMBER_NO_MEMORY;
    size_t length;
    if (!unescape(body, text->data, &length))
        return MEMBER_BAD;
    return mm_vocabulary_add(vocabulary, text->data, length, id) ? MEMBER_OK : MEMBER_NO_MEMORY;
}

mm_status mm_vocabulary_read_object(mm_vocabulary *vocabulary, mm_json_part part, size_t *used,
                                    const char *where, mm_error *error) {
    cursor in = {part.start, part.start + part.length};
    mm_buffer text;
    mm_buffer_init(&text, part.length + 1);
    // An entry takes some 20 bytes as files are written today, 13 without line breaks. What follows
    // the vocabulary is counted too, so the guess has a limit.
    size_t estimate = part.length < MAX_GUESS ? part.length / 16 : MAX_GUESS / 16;
    if (estimate > 1000 && !mm_vocabulary_reserve(vocabulary, estimate, estimate * 8))
        return mm_fail_memory(error, "the vocabulary");
    member_result result = take(&in, '{') ? MEMBER_OK : MEMBER_BAD;
    if (!result && !take(&in, '}')) {
        do {
            result = read_member(vocabulary, &in, &text);
        } while (!result && take(&in, ','));
        if (!result && !take(&in, '}'))
            result = MEMBER_BAD;
    }
    mm_buffer_free(&text);
    *used = (size_t)(in.at - part.start);
    if (result == MEMBER_BAD)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: \"vocab\" must map tokens to ids from 0 to 4294967295; it does not at "
                       "entry %zu",
                       where, vocabulary->count + 1);
    if (result == MEMBER_NO_MEMORY || !mm_vocabulary_finish(vocabulary))
        return mm_fail_memory(error, "the vocabulary");
    return MM_STATUS_OK;
}
