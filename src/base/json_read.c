// SPDX-License-Identifier: Apache-2.0
// Reads JSON text into jansson's values.
//
// jansson's own reader is not used: when an allocation fails its lexer drops characters or runs
// into an assertion, and it refuses integers beyond int64, which the Python libraries write
// ("model_max_length": 1000000000000000019884624838656). Building values with its functions is
// safe. The grammar is RFC 8259's, strict; a fuzzer compares with jansson.
#include "base/json.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 1000 }; // recursion; the deepest file we know has 12

struct reader {
    const char *text;
    size_t length;
    size_t at;           // the next byte
    mm_buffer scratch;   // a string with escapes, or the digits of a number
    const char *problem; // NULL while all is well, and when memory ran out
    locale_t locale;     // "C": numbers have a point whatever the host speaks
};

static json_t *read_value(struct reader *reader, int depth);

static bool mistake(struct reader *reader, const char *problem) {
    reader->problem = problem;
    return false;
}

static json_t *no_value(struct reader *reader, const char *problem) {
    reader->problem = problem;
    return NULL;
}

// The next byte, or 0 at the end; a real NUL byte is no part of JSON either.
static char peek(const struct reader *reader) {
    return reader->at < reader->length ? reader->text[reader->at] : '\0';
}

static char skip_space(struct reader *reader) {
    char byte;
    while ((byte = peek(reader)) == ' ' || byte == '\n' || byte == '\r' || byte == '\t')
        reader->at++;
    return byte;
}

static bool take(struct reader *reader, char byte) {
    if (peek(reader) != byte)
        return false;
    reader->at++;
    return true;
}

static bool read_hex(struct reader *reader, uint32_t *out) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char byte = peek(reader);
        uint32_t digit;
        if (byte >= '0' && byte <= '9')
            digit = (uint32_t)(byte - '0');
        else if (byte >= 'a' && byte <= 'f')
            digit = (uint32_t)(byte - 'a' + 10);
        else if (byte >= 'A' && byte <= 'F')
            digit = (uint32_t)(byte - 'A' + 10);
        else
            return false;
        value = value << 4 | digit;
        reader->at++;
    }
    *out = value;
    return true;
}

// Behind "\u": one UTF-16 unit, or two that form a pair.
static bool read_unicode(struct reader *reader) {
    uint32_t character, low;
    if (!read_hex(reader, &character))
        return mistake(reader, "four hexadecimal digits expected");
    if (character >= 0xD800 && character <= 0xDFFF) {
        if (character > 0xDBFF || !take(reader, '\\') || !take(reader, 'u') ||
            !read_hex(reader, &low) || low < 0xDC00 || low > 0xDFFF)
            return mistake(reader, "half a surrogate pair");
        character = 0x10000 + ((character - 0xD800) << 10) + (low - 0xDC00);
    }
    char bytes[4];
    return mm_buffer_append(&reader->scratch, bytes, mm_utf8_encode(bytes, character));
}

static bool read_escape(struct reader *reader) {
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char byte = peek(reader);
    reader->at += byte != '\0';
    if (byte == 'u')
        return read_unicode(reader);
    const char *found = byte ? strchr(names, byte) : NULL;
    if (!found)
        return mistake(reader, "unknown escape");
    return mm_buffer_putc(&reader->scratch, meanings[found - names]);
}

// Passes the bytes up to the next quote, backslash or mistake.
static size_t plain_length(const struct reader *reader) {
    size_t end = reader->at;
    while (end < reader->length && reader->text[end] != '"' && reader->text[end] != '\\' &&
           (unsigned char)reader->text[end] >= 0x20)
        end++;
    return end - reader->at;
}

// Behind the opening quote. *out points into the text, or into the scratch buffer, which the next
// string overwrites.
static bool read_string(struct reader *reader, const char **out, size_t *length) {
    mm_buffer_clear(&reader->scratch);
    for (bool escaped = false;;) {
        const char *plain = reader->text + reader->at;
        size_t count = plain_length(reader);
        size_t bad = 0;
        if (!mm_utf8_valid(plain, count, &bad)) {
            reader->at += bad;
            return mistake(reader, "not UTF-8");
        }
        reader->at += count;
        bool last = take(reader, '"');
        if (last && !escaped) {
            *out = plain;
            *length = count;
            return true;
        }
        escaped = true;
        if (!mm_buffer_append(&reader->scratch, plain, count))
            return false;
        if (last) {
            *out = reader->scratch.data;
            *length = reader->scratch.length;
            return true;
        }
        if (!take(reader, '\\'))
            return mistake(reader, reader->at < reader->length ? "control character in a string"
                                                               : "string without an end");
        if (!read_escape(reader))
            return false;
    }
}

static size_t skip_digits(struct reader *reader) {
    size_t start = reader->at;
    while (peek(reader) >= '0' && peek(reader) <= '9')
        reader->at++;
    return reader->at - start;
}

static json_t *make_real(struct reader *reader, size_t start) {
    mm_buffer_clear(&reader->scratch);
    if (!mm_buffer_append(&reader->scratch, reader->text + start, reader->at - start))
        return NULL;
    double value = strtod_l(reader->scratch.data, NULL, reader->locale);
    if (!isfinite(value)) {
        reader->at = start;
        return no_value(reader, "number too large");
    }
    return json_real(value);
}

static json_t *read_number(struct reader *reader) {
    size_t start = reader->at;
    bool negative = take(reader, '-');
    size_t first = reader->at;
    size_t digits = skip_digits(reader);
    if (digits == 0 || (digits > 1 && reader->text[first] == '0'))
        return no_value(reader, "not a number");
    bool whole = true;
    if (take(reader, '.')) {
        whole = false;
        if (skip_digits(reader) == 0)
            return no_value(reader, "digits expected behind the point");
    }
    if (peek(reader) == 'e' || peek(reader) == 'E') {
        whole = false;
        reader->at++;
        (void)(take(reader, '+') || take(reader, '-'));
        if (skip_digits(reader) == 0)
            return no_value(reader, "digits expected in the exponent");
    }
    json_int_t value = 0;
    for (size_t i = first; i < reader->at && whole; i++) {
        int digit = reader->text[i] - '0';
        whole = !__builtin_mul_overflow(value, 10, &value) &&
                !(negative ? __builtin_sub_overflow(value, digit, &value)
                           : __builtin_add_overflow(value, digit, &value));
    }
    return whole ? json_integer(value) : make_real(reader, start);
}

static json_t *read_word(struct reader *reader) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(words[i]);
        if (reader->length - reader->at >= length &&
            memcmp(reader->text + reader->at, words[i], length) == 0) {
            reader->at += length;
            return i == 0 ? json_true() : i == 1 ? json_false() : json_null();
        }
    }
    return no_value(reader, reader->at < reader->length ? "value expected" : "text ends too early");
}

static bool read_member(struct reader *reader, json_t *object, int depth) {
    const char *text;
    size_t length;
    if (skip_space(reader) != '"')
        return mistake(reader, "key in quotes expected");
    reader->at++;
    size_t start = reader->at;
    if (!read_string(reader, &text, &length))
        return false;
    if (memchr(text, '\0', length))
        return mistake(reader, "U+0000 in a key");
    char *key = mm_strndup(text, length);
    if (!key)
        return false;
    bool ok = false;
    skip_space(reader);
    if (!take(reader, ':')) {
        (void)mistake(reader, "':' expected");
        goto done;
    }
    json_t *value = read_value(reader, depth);
    size_t before = json_object_size(object);
    ok = value && json_object_set_new_nocheck(object, key, value) == 0;
    if (ok && json_object_size(object) == before) {
        reader->at = start;
        ok = mistake(reader, "duplicate key");
    }
done:
    mm_free(key);
    return ok;
}

static json_t *read_object(struct reader *reader, int depth) {
    json_t *object = json_object();
    bool ok = object != NULL;
    if (ok && skip_space(reader) == '}') {
        reader->at++;
        return object;
    }
    while (ok && (ok = read_member(reader, object, depth))) {
        skip_space(reader);
        if (take(reader, '}'))
            return object;
        ok = take(reader, ',') || mistake(reader, "',' or '}' expected");
    }
    json_decref(object);
    return NULL;
}

static json_t *read_array(struct reader *reader, int depth) {
    json_t *array = json_array();
    bool ok = array != NULL;
    if (ok && skip_space(reader) == ']') {
        reader->at++;
        return array;
    }
    while (ok) {
        json_t *value = read_value(reader, depth);
        ok = value && json_array_append_new(array, value) == 0;
        if (!ok)
            break;
        skip_space(reader);
        if (take(reader, ']'))
            return array;
        ok = take(reader, ',') || mistake(reader, "',' or ']' expected");
    }
    json_decref(array);
    return NULL;
}

static json_t *read_value(struct reader *reader, int depth) {
    const char *text;
    size_t length;
    char byte = skip_space(reader);
    switch (byte) {
    case '{':
    case '[':
        if (depth == DEPTH_MAX)
            return no_value(reader, "nested too deeply");
        reader->at++;
        return byte == '{' ? read_object(reader, depth + 1) : read_array(reader, depth + 1);
    case '"':
        reader->at++;
        return read_string(reader, &text, &length) ? json_stringn_nocheck(text, length) : NULL;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return read_number(reader);
    default:
        return read_word(reader);
    }
}

mm_status mm_json_parse(json_t **out, const char *text, size_t length, const char *where,
                        mm_status failure, mm_error *error) {
    struct reader reader = {.text = length ? text : "", .length = length};
    mm_buffer_init(&reader.scratch, SIZE_MAX);
    *out = NULL;
    json_t *value = NULL;
    reader.locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (reader.locale) {
        value = read_value(&reader, 0);
        freelocale(reader.locale);
    }
    if (value) {
        skip_space(&reader);
        if (reader.at < length) {
            (void)mistake(&reader, "something behind the value");
            json_decref(value);
            value = NULL;
        }
    }
    mm_buffer_free(&reader.scratch);
    if (value) {
        *out = value;
        return MM_STATUS_OK;
    }
    if (!reader.problem)
        return mm_fail_memory(error, where);
    size_t line = 1;
    for (size_t i = 0; i < reader.at; i++)
        line += text[i] == '\n';
    mm_status status = mm_fail(error, failure, "%s: not valid JSON: %s (line %zu, byte %zu)", where,
                               reader.problem, line, reader.at);
    mm_error_details(error, "{\"line\": %zu, \"byte\": %zu}", line, reader.at);
    return status;
}
