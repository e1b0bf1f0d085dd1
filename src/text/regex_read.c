// SPDX-License-Identifier: Apache-2.0
// Reads the syntax of Oniguruma into a tree. What it has and this has not: calls of groups,
// conditions, absent expressions, callouts, text segment modes, ASCII modes, and, where case is
// ignored, characters that are equal to several others (regex_folds.h).
#include "text/regex_tree.h"

#include "base/memory.h"
#include "text/regex_folds.h"

#include <string.h>

enum { SHORTHAND = UINT32_MAX, MAX_DEPTH = 100, MAX_REPEAT = 65535 };
#define NO_LIMIT UINT32_MAX

bool mm_regex_fail(mm_regex_reader *reader, mm_status status, const char *what) {
    if (reader->status)
        return false;
    reader->status = status == MM_STATUS_OUT_OF_MEMORY
                         ? mm_fail_memory(reader->error, what)
                         : mm_fail(reader->error, status, "%s (at byte %zu)", what, reader->at);
    return false;
}

void mm_regex_tree_free(mm_regex_tree *tree) {
    for (mm_regex_node *node = tree->made, *before; node; node = before) {
        before = node->made_before;
        mm_code_set_free(&node->set);
        mm_free(node);
    }
    *tree = (mm_regex_tree){0};
}

static mm_regex_node *make(mm_regex_reader *reader, mm_regex_kind kind) {
    mm_regex_node *node = mm_calloc(1, sizeof(*node));
    if (!node) {
        mm_regex_fail(reader, MM_STATUS_OUT_OF_MEMORY, "a regular expression");
        return NULL;
    }
    node->kind = kind;
    node->made_before = reader->tree->made;
    reader->tree->made = node;
    return node;
}

static mm_regex_node *make_text(mm_regex_reader *reader, const char *text) {
    mm_regex_node *node = make(reader, MM_REGEX_TEXT);
    if (node)
        node->text = text;
    return node;
}

static void append(mm_regex_node *parent, mm_regex_node *child) {
    if (parent->last_child)
        parent->last_child->next = child;
    else
        parent->child = child;
    parent->last_child = child;
}

static bool at_end(const mm_regex_reader *reader) {
    return reader->at == reader->length;
}

static bool has(const mm_regex_reader *reader, const char *text) {
    size_t length = strlen(text);
    return reader->length - reader->at >= length &&
           memcmp(reader->pattern + reader->at, text, length) == 0;
}

static bool take(mm_regex_reader *reader, const char *text) {
    if (!has(reader, text))
        return false;
    reader->at += strlen(text);
    return true;
}

static mm_regex_node *fail(mm_regex_reader *reader, mm_status status, const char *what) {
    mm_regex_fail(reader, status, what);
    return NULL;
}

// A node for `first` to `last`; `folds`: or what equals it without case.
static mm_regex_node *make_range(mm_regex_reader *reader, uint32_t first, uint32_t last,
                                 bool folds) {
    mm_regex_node *node = make(reader, MM_REGEX_SET);
    if (node &&
        (!mm_code_set_add(&node->set, first, last) || (folds && !mm_code_set_fold(&node->set))))
        return fail(reader, MM_STATUS_OUT_OF_MEMORY, "a regular expression");
    if (node)
        mm_code_set_tidy(&node->set);
    return node;
}

static mm_regex_node *read_choice(mm_regex_reader *reader);

// A group that begins with `open` for PCRE2, up to the ')' or, for `rest`, up to the end of the
// group around it.
static mm_regex_node *read_group(mm_regex_reader *reader, const char *open, bool rest) {
    mm_regex_node *group = make(reader, MM_REGEX_GROUP);
    mm_regex_node *inner = group ? read_choice(reader) : NULL;
    if (!inner)
        return NULL;
    group->text = open;
    append(group, inner);
    if (!rest && !take(reader, ")"))
        return fail(reader, MM_STATUS_MODEL_CORRUPT, "a parenthesis that is not closed");
    return group;
}

static mm_regex_node *read_capture(mm_regex_reader *reader, size_t name, size_t length) {
    if (reader->named && length == 0)
        return read_group(reader, "(?:", false);
    if (length) {
        if (reader->groups == sizeof(reader->names) / sizeof(reader->names[0]))
            return fail(reader, MM_STATUS_MODEL_UNSUPPORTED, "too many named groups");
        for (unsigned i = 0; i < reader->groups; i++)
            if (reader->names[i].length == length &&
                memcmp(reader->pattern + reader->names[i].start, reader->pattern + name, length) ==
                    0)
                return fail(reader, MM_STATUS_MODEL_UNSUPPORTED, "two groups of one name");
        reader->names[reader->groups].start = name;
        reader->names[reader->groups].length = length;
    }
    reader->groups++;
    return read_group(reader, "(", false);
}

// Behind "(?<" or "\k<", or the same with an apostrophe: the name.
static bool read_name(mm_regex_reader *reader, char close, size_t *start, size_t *length) {
    const char *name = reader->pattern + reader->at;
    const char *end = memchr(name, close, reader->length - reader->at);
    if (!end || end == name)
        return mm_regex_fail(reader, MM_STATUS_MODEL_CORRUPT, "a name of a group is missing");
    *start = reader->at;
    *length = (size_t)(end - name);
    reader->at += *length + 1;
    return true;
}

// (?imx-imx) and (?imx-imx:...), behind "(?".
static mm_regex_node *read_options(mm_regex_reader *reader) {
    bool ignore_case = reader->ignore_case, dot_all = reader->dot_all;
    bool extended = reader->extended, on = true;
    while (!at_end(reader) && !has(reader, ")") && !has(reader, ":")) {
        switch (reader->pattern[reader->at]) {
        case '-':
            on = false;
            break;
        case 'i':
            reader->ignore_case = on;
            break;
        case 'm':
            reader->dot_all = on;
            break;
        case 'x':
            reader->extended = on;
            break;
        default:
            return fail(reader, MM_STATUS_MODEL_UNSUPPORTED,
                        "a group of this kind is not supported");
        }
        reader->at++;
    }
    bool rest = take(reader, ")");
    if (!rest && !take(reader, ":"))
        return fail(reader, MM_STATUS_MODEL_CORRUPT, "a parenthesis that is not closed");
    mm_regex_node *group = read_group(reader, "(?:", rest);
    if (group)
        group->has_options = true;
    reader->ignore_case = ignore_case;
    reader->dot_all = dot_all;
    reader->extended = extended;
    return group;
}

static mm_regex_node *read_kind_of_group(mm_regex_reader *reader) {
    static const char *const opens[] = {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"};
    size_t name, length;
    for (size_t i = 0; i < sizeof(opens) / sizeof(opens[0]); i++)
        if (take(reader, opens[i] + 1))
            return read_group(reader, opens[i], false);
    if (has(reader, "?<") || has(reader, "?'")) {
        char close = reader->pattern[reader->at + 1] == '<' ? '>' : '\'';
        reader->at += 2;
        return read_name(reader, close, &name, &length) ? read_capture(reader, name, length) : NULL;
    }
    if (take(reader, "?"))
        return read_options(reader);
    if (has(reader, "*"))
        return fail(reader, MM_STATUS_MODEL_UNSUPPORTED, "callouts are not supported");
    return read_capture(reader, 0, 0);
}

// Behind "(". Options that a group sets end with the group.
static mm_regex_node *read_parenthesis(mm_regex_reader *reader) {
    bool ignore_case = reader->ignore_case, dot_all = reader->dot_all;
    bool extended = reader->extended;
    if (++reader->depth > MAX_DEPTH)
        return fail(reader, MM_STATUS_MODEL_UNSUPPORTED, "nested too deeply");
    mm_regex_node *node = read_kind_of_group(reader);
    reader->depth--;
    reader->ignore_case = ignore_case;
    reader->dot_all = dot_all;
    reader->extended = extended;
    return node;
}

static mm_regex_node *make_backref(mm_regex_reader *reader, unsigned number) {
    mm_regex_node *node = make(reader, MM_REGEX_BACKREF);
    if (!node)
        return NULL;
    node->min = number;
    node->max = reader->ignore_case;
    if (number > reader->largest_backref)
        reader->largest_backref = number;
    return node;
}

static mm_regex_node *read_named_backref(mm_regex_reader *reader) {
    size_t start, length;
    char close = reader->pattern[reader->at++] == '<' ? '>' : '\'';
    if (!read_name(reader, close, &start, &length))
        return NULL;
    const char *name = reader->pattern + start;
    for (unsigned i = 0; i < reader->groups && reader->named; i++)
        if (reader->names[i].length == length &&
            memcmp(reader->pattern + reader->names[i].start, name, length) == 0)
            return make_backref(reader, i + 1);
    if (length == 1 && *name >= '1' && *name <= '9' && !reader->named)
        return make_backref(reader, (unsigned)(*name - '0'));
    return fail(reader, MM_STATUS_MODEL_UNSUPPORTED, "a reference to a group that is not there");
}

// \1 to \9, and longer numbers of groups that have begun; 0 when it is none.
static unsigned backref_number(const mm_regex_reader *reader, size_t *end) {
    unsigned number = 0;
    *end = reader->at;
    while (*end < reader->length && number < 1000 && reader->pattern[*end] >= '0' &&
           reader->pattern[*end] <= '9')
        number = number * 10 + (unsigned)(reader->pattern[(*end)++] - '0');
    bool is = reader->at < reader->length && reader->pattern[reader->at] != '0' &&
              (number <= 9 || number <= reader->groups);
    return is ? number : 0;
}

// One character, whose text in the pattern began at `start`.
static mm_regex_node *make_literal(mm_regex_reader *reader, uint32_t code, size_t start) {
    bool follows = reader->literal_end == start && start > 0;
    if (reader->ignore_case &&
        (mm_regex_folds_to_several(code) || (follows && mm_regex_is_fold(reader->literal, code))))
        return fail(reader, MM_STATUS_MODEL_UNSUPPORTED,
                    "characters such as \"ss\", which are equal to a single one when case is "
                    "ignored, are not supported");
    reader->literal = code;
    reader->literal_end = reader->at;
    return make_range(reader, code, code, reader->ignore_case);
}

static mm_regex_node *read_backslash(mm_regex_reader *reader) {
    const size_t start = reader->at - 1;
    static const struct {
        char letter;
        const char *text;
    } same[] = {{'A', "\\A"}, {'Z', "\\Z"}, {'z', "\\z"}, {'G', "\\G"}, {'K', "\\K"}, {'R', "\\R"}};
    char letter = at_end(reader) ? '\0' : reader->pattern[reader->at];
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        if (letter == same[i].letter) {
            reader->at++;
            return make_text(reader, same[i].text);
        }
    }
    if (letter == 'b' || letter == 'B') {
        reader->at++;
        mm_regex_node *node = make(reader, MM_REGEX_BOUNDARY);
        if (node)
            node->min = letter == 'b';
        return node;
    }
    if (letter == 'X') {
        reader->at++;
        return make(reader, MM_REGEX_CLUSTER);
    }
    if (letter == 'N' || letter == 'O') {
        reader->at++;
        return make_text(reader, letter == 'N' ? "\\N" : "\\p{Any}");
    }
    if (letter == 'y' || letter == 'Y' || letter == 'g')
        return fail(reader, MM_STATUS_MODEL_UNSUPPORTED, "\\y, \\Y and \\g are not supported");
    size_t end;
    unsigned number = backref_number(reader, &end);
    if (number && reader->named)
        return fail(reader, MM_STATUS_MODEL_CORRUPT, "a group's number where groups have names");
    if (number) {
        reader->at = end;
        return make_backref(reader, number);
    }
    if (letter == 'k' && reader->at + 1 < reader->length &&
        (reader->pattern[reader->at + 1] == '<' || reader->pattern[reader->at + 1] == '\'')) {
        reader->at++;
        return read_named_backref(reader);
    }
    mm_regex_node *node = make(reader, MM_REGEX_SET);
    uint32_t code;
    if (!node || !mm_regex_read_escape(reader, false, &node->set, &code))
        return NULL;
    return code == SHORTHAND ? node : make_literal(reader, code, start);
}

static mm_regex_node *read_atom(mm_regex_reader *reader) {
    if (take(reader, "("))
        return read_parenthesis(reader);
    if (take(reader, "\\"))
        return read_backslash(reader);
    if (take(reader, "."))
        return make_text(reader, reader->dot_all ? "\\p{Any}" : "\\N");
    if (has(reader, "^") || has(reader, "$"))
        return make_text(reader, reader->pattern[reader->at++] == '^' ? "^" : "$");
    if (has(reader, "*") || has(reader, "+") || has(reader, "?"))
        return fail(reader, MM_STATUS_MODEL_CORRUPT, "a repetition of nothing");
    if (take(reader, "[")) {
        mm_regex_node *node = make(reader, MM_REGEX_SET);
        return node && mm_regex_read_class(reader, &node->set) ? node : NULL;
    }
    const size_t start = reader->at;
    uint32_t code = mm_unicode_next(reader->pattern, &reader->at);
    return make_literal(reader, code, start);
}

static bool read_count(mm_regex_reader *reader, uint32_t *count) {
    size_t start = reader->at;
    *count = 0;
    for (; !at_end(reader); reader->at++) {
        char byte = reader->pattern[reader->at];
        if (byte < '0' || byte > '9')
            break;
        if (*count <= MAX_REPEAT)
            *count = *count * 10 + (uint32_t)(byte - '0');
    }
    return reader->at > start;
}

// {n}, {n,}, {n,m} or {,m}; false, and nothing is read, when it is no such thing. {m,n} with m > n
// is {n,m} possessive.
static bool read_interval(mm_regex_reader *reader, mm_regex_node *repeat, bool *fixed) {
    size_t start = reader->at;
    bool low = take(reader, "{") && read_count(reader, &repeat->min);
    *fixed = !has(reader, ",");
    repeat->max = repeat->min;
    bool high = !*fixed && take(reader, ",") && read_count(reader, &repeat->max);
    if (!*fixed && !high)
        repeat->max = NO_LIMIT;
    if (!low)
        repeat->min = 0;
    if ((!low && !high) || !take(reader, "}")) {
        reader->at = start;
        return false;
    }
    if (repeat->min > repeat->max) {
        uint32_t swap = repeat->min;
        repeat->min = repeat->max;
        repeat->max = swap;
        repeat->mode = '+';
    }
    return true;
}

// What follows an atom; false when that is no repetition.
static bool read_quantifier(mm_regex_reader *reader, mm_regex_node *repeat) {
    bool interval = false, fixed = false;
    if (take(reader, "*") || take(reader, "+")) {
        repeat->min = reader->pattern[reader->at - 1] == '+';
        repeat->max = NO_LIMIT;
    } else if (take(reader, "?")) {
        repeat->max = 1;
    } else if (has(reader, "{") && read_interval(reader, repeat, &fixed)) {
        interval = true;
    } else {
        return false;
    }
    if (repeat->mode == '\0' && !fixed && take(reader, "?"))
        repeat->mode = '?';
    else if (!interval && take(reader, "+"))
        repeat->mode = '+';
    return true;
}

static void skip_blanks(mm_regex_reader *reader) {
    while (!at_end(reader)) {
        if (take(reader, "(?#")) {
            while (!at_end(reader) && !take(reader, ")"))
                reader->at += has(reader, "\\") && reader->at + 1 < reader->length ? 2 : 1;
        } else if (reader->extended && has(reader, "#")) {
            while (!at_end(reader) && !take(reader, "\n"))
                reader->at++;
        } else if (reader->extended && strchr(" \t\n\r\f\v", reader->pattern[reader->at]) &&
                   reader->pattern[reader->at]) {
            reader->at++;
        } else {
            return;
        }
    }
}

// What Oniguruma does not repeat: an assertion, also when only (?:) is around it.
static bool is_assertion(const mm_regex_node *node) {
    switch (node->kind) {
    case MM_REGEX_BOUNDARY:
        return true;
    case MM_REGEX_TEXT:
        return strchr("^$", node->text[0]) ||
               (node->text[0] == '\\' && strchr("AZzGK", node->text[1]));
    case MM_REGEX_GROUP:
        if (node->text[1] == '?' && node->text[2] == ':')
            return !node->has_options && is_assertion(node->child);
        return node->text[1] == '?' && strchr("=!<", node->text[2]);
    case MM_REGEX_SEQUENCE:
        return node->child && !node->child->next && is_assertion(node->child);
    case MM_REGEX_CHOICE:
        for (const mm_regex_node *child = node->child; child; child = child->next)
            if (is_assertion(child))
                return true;
        return false;
    default:
        return false;
    }
}

static mm_regex_node *read_repeated(mm_regex_reader *reader) {
    mm_regex_node *node = read_atom(reader);
    while (node) {
        mm_regex_node found = {.kind = MM_REGEX_REPEAT};
        skip_blanks(reader);
        if (!read_quantifier(reader, &found))
            break;
        if (is_assertion(node))
            return fail(reader, MM_STATUS_MODEL_CORRUPT, "a repetition of what takes no room");
        if (found.min > MAX_REPEAT || (found.max > MAX_REPEAT && found.max != NO_LIMIT))
            return fail(reader, MM_STATUS_MODEL_UNSUPPORTED, "more than 65535 repetitions");
        mm_regex_node *repeat = make(reader, MM_REGEX_REPEAT);
        if (!repeat)
            return NULL;
        repeat->min = found.min;
        repeat->max = found.max;
        repeat->mode = found.mode;
        append(repeat, node);
        node = repeat;
    }
    return node;
}

static mm_regex_node *read_sequence(mm_regex_reader *reader) {
    mm_regex_node *sequence = make(reader, MM_REGEX_SEQUENCE);
    while (sequence) {
        skip_blanks(reader);
        if (at_end(reader) || has(reader, "|") || has(reader, ")"))
            break;
        mm_regex_node *node = read_repeated(reader);
        if (!node)
            return NULL;
        append(sequence, node);
    }
    return sequence;
}

static mm_regex_node *read_choice(mm_regex_reader *reader) {
    mm_regex_node *choice = make(reader, MM_REGEX_CHOICE);
    do {
        mm_regex_node *sequence = choice ? read_sequence(reader) : NULL;
        if (!sequence)
            return NULL;
        append(choice, sequence);
    } while (take(reader, "|"));
    return choice;
}

// Named groups keep others from capturing, wherever they are.
static bool has_named_groups(const char *pattern, size_t length) {
    for (size_t i = 0; i + 3 < length; i++) {
        if (pattern[i] == '\\')
            i++;
        else if (pattern[i] == '(' && pattern[i + 1] == '?' &&
                 (pattern[i + 2] == '\'' ||
                  (pattern[i + 2] == '<' && pattern[i + 3] != '=' && pattern[i + 3] != '!')))
            return true;
    }
    return false;
}

mm_status mm_regex_read(mm_regex_tree *tree, const char *pattern, size_t length, mm_error *error) {
    mm_regex_reader reader = {.pattern = pattern,
                              .length = length,
                              .tree = tree,
                              .named = has_named_groups(pattern, length),
                              .error = error};
    tree->root = read_choice(&reader);
    if (tree->root && !at_end(&reader))
        mm_regex_fail(&reader, MM_STATUS_MODEL_CORRUPT, "a parenthesis that was not opened");
    if (tree->root && reader.largest_backref > reader.groups)
        mm_regex_fail(&reader, MM_STATUS_MODEL_CORRUPT, "a reference to a group that is not there");
    return reader.status;
}
