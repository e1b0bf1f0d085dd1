// SPDX-License-Identifier: Apache-2.0
#include "text/json_scan.h"

#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

void mm_json_skip_space(mm_json_cursor *in) {
    while (in->at < in->end &&
           (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t'))
        in->at++;
}

bool mm_json_take(mm_json_cursor *in, char byte) {
    mm_json_skip_space(in);
    if (in->at >= in->end || *in->at != byte)
        return false;
    in->at++;
    return true;
}

// Steps over a string; *body is what stands between the quotes.
static bool skip_string(mm_json_cursor *in, mm_json_part *body) {
    if (!mm_json_take(in, '"'))
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
bool mm_json_skip_value(mm_json_cursor *in) {
    size_t depth = 0;
    mm_json_part body;
    mm_json_skip_space(in);
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

// Steps to the next member of an object that has been entered; false at its end, or where it makes
// no sense.
static bool next_member(mm_json_cursor *in, mm_json_part *name) {
    return skip_string(in, name) && mm_json_take(in, ':');
}

static bool has_name(mm_json_part name, const char *key) {
    return name.length == strlen(key) && memcmp(name.start, key, name.length) == 0;
}

// Enters the object that is the member `key`, without looking for its end.
static bool enter_member(mm_json_cursor *in, const char *key) {
    mm_json_part name;
    if (!mm_json_take(in, '{'))
        return false;
    while (next_member(in, &name)) {
        if (has_name(name, key))
            return mm_json_take(in, '{');
        if (!mm_json_skip_value(in) || !mm_json_take(in, ','))
            return false;
    }
    return false;
}

void mm_json_locate(mm_json_part *parts, const char *text, size_t length, const char *outer,
                    const char *const *keys, size_t count) {
    mm_json_cursor in = {text, text + length};
    mm_json_part name;
    for (size_t i = 0; i < count; i++)
        parts[i] = (mm_json_part){0};
    if (!enter_member(&in, outer))
        return;
    while (next_member(&in, &name)) {
        mm_json_skip_space(&in);
        const char *start = in.at;
        if (!mm_json_skip_value(&in))
            return;
        for (size_t i = 0; i < count; i++) {
            if (!parts[i].start && has_name(name, keys[i]))
                parts[i] = (mm_json_part){start, (size_t)(in.at - start)};
        }
        if (!mm_json_take(&in, ','))
            return;
    }
}

static bool read_hex(mm_json_cursor *in, uint32_t *out) {
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
static bool read_unicode_escape(mm_json_cursor *in, uint32_t *code) {
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
    mm_json_cursor in = {body.start, body.start + body.length};
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

static bool has_control(mm_json_part body) {
    for (size_t i = 0; i < body.length; i++)
        if ((unsigned char)body.start[i] < 0x20)
            return true;
    return false;
}

mm_json_result mm_json_take_string(mm_json_cursor *in, mm_json_part *text, mm_buffer *scratch) {
    if (!skip_string(in, text) || has_control(*text))
        return MM_JSON_BAD;
    if (!memchr(text->start, '\\', text->length))
        return MM_JSON_OK;
    mm_buffer_clear(scratch);
    if (!mm_buffer_reserve(scratch, text->length))
        return MM_JSON_NO_MEMORY;
    size_t length;
    if (!unescape(*text, scratch->data, &length))
        return MM_JSON_BAD;
    *text = (mm_json_part){scratch->data, length};
    return MM_JSON_OK;
}
