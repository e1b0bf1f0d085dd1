// SPDX-License-Identifier: Apache-2.0
// Reads what stands for one character: classes in brackets and escapes.
#include "text/regex_tree.h"

#include <string.h>
#include <strings.h>

enum { SHORTHAND = UINT32_MAX, MAX_DEPTH = 100 };

static bool out_of_memory(mm_regex_reader *reader) {
    return mm_regex_fail(reader, MM_STATUS_OUT_OF_MEMORY, "a regular expression");
}

static bool has(const mm_regex_reader *reader, char byte) {
    return reader->at < reader->length && reader->pattern[reader->at] == byte;
}

static bool take(mm_regex_reader *reader, char byte) {
    if (!has(reader, byte))
        return false;
    reader->at++;
    return true;
}

static int digit(char byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
        return (byte | 0x20) - 'a' + 10;
    return 16;
}

// Up to `most` digits of a base; how many there were.
static int read_number(mm_regex_reader *reader, int base, int most, uint32_t *value) {
    int count = 0;
    *value = 0;
    while (count < most && reader->at < reader->length &&
           digit(reader->pattern[reader->at]) < base) {
        *value = *value * (uint32_t)base + (uint32_t)digit(reader->pattern[reader->at++]);
        count++;
    }
    return count;
}

static bool check_code(mm_regex_reader *reader, uint32_t code) {
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return mm_regex_fail(reader, MM_STATUS_MODEL_CORRUPT, "no such code point");
    return true;
}

// \x{H..}, \xHH, \uHHHH, \o{..}, \nnn
static bool read_code(mm_regex_reader *reader, char kind, uint32_t *code) {
    bool braces = kind != 'u' && kind != '0' && take(reader, '{');
    int base = kind == 'o' || kind == '0' ? 8 : 16;
    int most = braces ? 8 : kind == 'u' ? 4 : kind == '0' ? 3 : 2;
    int count = read_number(reader, base, most, code);
    if (braces && !take(reader, '}'))
        return mm_regex_fail(reader, MM_STATUS_MODEL_UNSUPPORTED,
                             "several or no code points in braces are not supported");
    if ((kind == 'u' && count != 4) || count == 0)
        return mm_regex_fail(reader, MM_STATUS_MODEL_CORRUPT, "too few digits of a code point");
    if (!braces && kind != 'u' && *code > 0x7F)
        return mm_regex_fail(reader, MM_STATUS_MODEL_UNSUPPORTED,
                             "bytes above 7F are not supported, code points are: \\x{..}");
    return check_code(reader, *code);
}

// Adds a property, or what is without it.
static bool add_property(mm_regex_reader *reader, const char *name, size_t length, bool negated,
                         bool in_class, mm_code_set *set) {
    bool known;
    if (!mm_code_set_add_property(set, name, length, &known))
        return out_of_memory(reader);
    if (!known)
        return mm_regex_fail(reader, MM_STATUS_MODEL_UNSUPPORTED,
                             "a property in \\p{..} is not known");
    if (!in_class && length == 4 && strncasecmp(name, "word", 4) == 0 &&
        !mm_code_set_add_word_extras(set))
        return out_of_memory(reader);
    mm_code_set_tidy(set);
    return !negated || mm_code_set_invert(set) || out_of_memory(reader);
}

static bool read_property(mm_regex_reader *reader, bool negated, bool in_class, mm_code_set *set) {
    const char *start = reader->pattern + reader->at;
    const char *end = memchr(start, '}', reader->length - reader->at);
    if (!end)
        return mm_regex_fail(reader, MM_STATUS_MODEL_CORRUPT, "\\p{ without }");
    reader->at += (size_t)(end - start) + 1;
    if (start < end && *start == '^') {
        negated = !negated;
        start++;
    }
    return add_property(reader, start, (size_t)(end - start), negated, in_class, set);
}

// The letters of shorthands and the properties behind them.
static const char *shorthand(char letter) {
    switch (letter | 0x20) {
    case 'w':
        return "word";
    case 's':
        return "space";
    case 'd':
        return "digit";
    case 'h':
        return "xdigit";
    default:
        return NULL;
    }
}

static bool read_character(mm_regex_reader *reader, uint32_t *code) {
    *code = mm_unicode_next(reader->pattern, &reader->at);
    return true;
}

bool mm_regex_read_escape(mm_regex_reader *reader, bool in_class, mm_code_set *set,
                          uint32_t *code) {
    static const char letters[] = "tnrfvae", values[] = "\t\n\r\f\v\a\033";
    if (reader->at == reader->length)
        return mm_regex_fail(reader, MM_STATUS_MODEL_CORRUPT, "a backslash at the end");
    char letter = reader->pattern[reader->at];
    *code = SHORTHAND;
    if (letter & 0x80)
        return read_character(reader, code);
    reader->at++;
    const char *control = letter ? strchr(letters, letter) : NULL;
    if (control)
        *code = (unsigned char)values[control - letters];
    else if (in_class && letter == 'b')
        *code = '\b';
    else if (shorthand(letter) && letter >= 'A')
        return add_property(reader, shorthand(letter), strlen(shorthand(letter)), letter < 'a',
                            in_class, set);
    else if ((letter == 'p' || letter == 'P') && take(reader, '{'))
        return read_property(reader, letter == 'P', in_class, set);
    else if (letter == 'x' || letter == 'u' || (letter == 'o' && has(reader, '{')))
        return read_code(reader, letter, code);
    else if (letter >= '0' && letter <= '7') {
        reader->at--;
        return read_code(reader, '0', code);
    } else if (letter == 'c' || letter == 'C' || letter == 'M')
        return mm_regex_fail(reader, MM_STATUS_MODEL_UNSUPPORTED,
                             "\\c, \\C- and \\M- are not supported");
    else
        *code = (unsigned char)letter;
    return true;
}

// Which of the properties may be in [: :].
static bool is_posix_name(const char *name, size_t length) {
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl",
                                        "digit", "graph", "lower", "print", "punct",
                                        "space", "upper", "word",  "xdigit"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == length && memcmp(name, names[i], length) == 0)
            return true;
    return false;
}

// [:alpha:] and [:^alpha:]; *found false when it is no such thing, but a class in a class.
static bool read_posix(mm_regex_reader *reader, mm_code_set *set, bool *found) {
    const char *start = reader->pattern + reader->at + 1, *end = reader->pattern + reader->length;
    const char *name = start < end && *start == '^' ? start + 1 : start, *stop = name;
    while (stop < end && ((*stop | 0x20) >= 'a' && (*stop | 0x20) <= 'z'))
        stop++;
    *found = end - stop >= 2 && stop[0] == ':' && stop[1] == ']';
    if (!*found)
        return true;
    size_t length = (size_t)(stop - name);
    if (!is_posix_name(name, length))
        return mm_regex_fail(reader, MM_STATUS_MODEL_CORRUPT, "no such [:class:]");
    mm_code_set part = {0};
    bool punct = length == 5 && memcmp(name, "punct", 5) == 0; // \\p{Punct} has less
    bool known;
    bool ok = punct ? mm_code_set_add_property(&part, "posixpunct", 10, &known)
                    : mm_code_set_add_property(&part, name, length, &known);
    mm_code_set_tidy(&part);
    ok = ok && (name == start || mm_code_set_invert(&part)) && mm_code_set_add_set(set, &part);
    mm_code_set_free(&part);
    reader->at += (size_t)(stop + 2 - (start - 1));
    return ok || out_of_memory(reader);
}

// A character or a range, or a shorthand.
static bool read_range(mm_regex_reader *reader, mm_code_set *set) {
    mm_code_set part = {0};
    uint32_t first, last;
    bool ok = take(reader, '\\') ? mm_regex_read_escape(reader, true, &part, &first)
                                 : read_character(reader, &first);
    if (ok && first == SHORTHAND)
        ok = mm_code_set_add_set(set, &part) || out_of_memory(reader);
    mm_code_set_free(&part);
    if (!ok)
        return false;
    if (first == SHORTHAND) {
        if (ok && has(reader, '-') && reader->at + 1 < reader->length &&
            reader->pattern[reader->at + 1] != ']')
            ok = mm_regex_fail(reader, MM_STATUS_MODEL_CORRUPT,
                               "a range from more than a character");
        return ok;
    }
    last = first;
    bool range = has(reader, '-') && reader->at + 1 < reader->length &&
                 reader->pattern[reader->at + 1] != ']';
    if (range) {
        reader->at++;
        if (has(reader, '['))
            ok = mm_regex_fail(reader, MM_STATUS_MODEL_CORRUPT, "a range to more than a character");
        else
            ok = take(reader, '\\') ? mm_regex_read_escape(reader, true, &part, &last)
                                    : read_character(reader, &last);
        if (ok && (last == SHORTHAND || last < first))
            ok = mm_regex_fail(reader, MM_STATUS_MODEL_CORRUPT, "a range that is empty");
        mm_code_set_free(&part);
    }
    if (ok && !mm_code_set_add(set, first, last))
        ok = out_of_memory(reader);
    // Behind a range '-' is a character.
    if (ok && range && has(reader, '-'))
        ok = mm_code_set_add(set, '-', '-') ? take(reader, '-') : out_of_memory(reader);
    return ok;
}

static bool read_members(mm_regex_reader *reader, mm_code_set *set);

static bool read_nested(mm_regex_reader *reader, mm_code_set *set) {
    bool found = false;
    if (has(reader, ':') && (!read_posix(reader, set, &found) || found))
        return found && !reader->status;
    mm_code_set inner = {0};
    bool ok = read_members(reader, &inner);
    if (ok && !mm_code_set_add_set(set, &inner))
        ok = out_of_memory(reader);
    mm_code_set_free(&inner);
    return ok;
}

// Whether a ']' at the beginning is a character: when another one follows.
static bool closes_later(const mm_regex_reader *reader) {
    for (size_t i = reader->at + 1; i < reader->length; i++) {
        if (reader->pattern[i] == '\\')
            i++;
        else if (reader->pattern[i] == ']')
            return true;
    }
    return false;
}

// Ends a part of an intersection: `whole` becomes what it has in common with `set`, which is used
// up.
static bool intersect(mm_regex_reader *reader, mm_code_set *whole, mm_code_set *set, bool first) {
    bool ok = true;
    mm_code_set_tidy(set);
    if (first) {
        *whole = *set;
        *set = (mm_code_set){0};
    } else {
        ok = mm_code_set_intersect(whole, set);
        mm_code_set_free(set);
    }
    return ok || out_of_memory(reader);
}

static bool read_parts(mm_regex_reader *reader, mm_code_set *whole, mm_code_set *set) {
    bool first = true;
    for (bool begins = true;; begins = false) {
        if (reader->at == reader->length)
            return mm_regex_fail(reader, MM_STATUS_MODEL_CORRUPT, "a class without ]");
        bool literal = begins && has(reader, ']');
        if (literal && !closes_later(reader))
            return mm_regex_fail(reader, MM_STATUS_MODEL_CORRUPT, "an empty class");
        if (!literal && take(reader, ']'))
            return intersect(reader, whole, set, first);
        bool both = has(reader, '&') && reader->at + 1 < reader->length &&
                    reader->pattern[reader->at + 1] == '&';
        bool ok;
        if (both) {
            reader->at += 2;
            ok = intersect(reader, whole, set, first);
            first = false;
        } else {
            ok = take(reader, '[') ? read_nested(reader, set) : read_range(reader, set);
        }
        if (!ok)
            return false;
    }
}

// The members up to the ']', negation not yet applied to *negated sets.
static bool read_unfolded(mm_regex_reader *reader, mm_code_set *set, bool *negated) {
    mm_code_set part = {0};
    *negated = take(reader, '^');
    bool ok = ++reader->depth <= MAX_DEPTH
                  ? read_parts(reader, set, &part)
                  : mm_regex_fail(reader, MM_STATUS_MODEL_UNSUPPORTED, "nested too deeply");
    reader->depth--;
    mm_code_set_free(&part);
    return ok;
}

static bool read_members(mm_regex_reader *reader, mm_code_set *set) {
    bool negated;
    return read_unfolded(reader, set, &negated) &&
           (!negated || mm_code_set_invert(set) || out_of_memory(reader));
}

bool mm_regex_read_class(mm_regex_reader *reader, mm_code_set *set) {
    bool negated;
    if (!read_unfolded(reader, set, &negated))
        return false;
    // What is equal without case is added before the class is turned round.
    if (reader->ignore_case && !mm_code_set_fold(set))
        return out_of_memory(reader);
    return !negated || mm_code_set_invert(set) || out_of_memory(reader);
}
