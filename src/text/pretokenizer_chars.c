// SPDX-License-Identifier: Apache-2.0
// Pre-tokenizers that look at one character at a time.
#include "text/pretokenizer_kinds.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <string.h>

enum { OTHER, SPACE, PUNCTUATION };

// ASCII by table: this is the inner loop of every BERT-like model.
static const unsigned char ascii_class[128] = {
    ['\t'] = SPACE,       ['\n'] = SPACE,       ['\v'] = SPACE,      ['\f'] = SPACE,
    ['\r'] = SPACE,       [' '] = SPACE,        ['!'] = PUNCTUATION, ['"'] = PUNCTUATION,
    ['#'] = PUNCTUATION,  ['$'] = PUNCTUATION,  ['%'] = PUNCTUATION, ['&'] = PUNCTUATION,
    ['\''] = PUNCTUATION, ['('] = PUNCTUATION,  [')'] = PUNCTUATION, ['*'] = PUNCTUATION,
    ['+'] = PUNCTUATION,  [','] = PUNCTUATION,  ['-'] = PUNCTUATION, ['.'] = PUNCTUATION,
    ['/'] = PUNCTUATION,  [':'] = PUNCTUATION,  [';'] = PUNCTUATION, ['<'] = PUNCTUATION,
    ['='] = PUNCTUATION,  ['>'] = PUNCTUATION,  ['?'] = PUNCTUATION, ['@'] = PUNCTUATION,
    ['['] = PUNCTUATION,  ['\\'] = PUNCTUATION, [']'] = PUNCTUATION, ['^'] = PUNCTUATION,
    ['_'] = PUNCTUATION,  ['`'] = PUNCTUATION,  ['{'] = PUNCTUATION, ['|'] = PUNCTUATION,
    ['}'] = PUNCTUATION,  ['~'] = PUNCTUATION,
};

static unsigned wide_class(uint32_t code) {
    if (mm_unicode_is_space(code))
        return SPACE;
    return mm_unicode_is_punctuation(code) ? PUNCTUATION : OTHER;
}

bool mm_bert_pretokenizer_split(const void *settings, const char *text, mm_span piece,
                                mm_piece_list *out) {
    (void)settings;
    size_t word = piece.start, at = piece.start;
    while (at < piece.end) {
        size_t start = at;
        unsigned char byte = (unsigned char)text[at];
        unsigned class = OTHER;
        if (byte < 0x80) {
            class = ascii_class[byte];
            at++;
        } else {
            class = wide_class(mm_unicode_next(text, &at));
        }
        if (class == OTHER)
            continue;
        if (word < start && !mm_piece_add(out, word, start))
            return false;
        if (class == PUNCTUATION && !mm_piece_add(out, start, at))
            return false;
        word = at;
    }
    return word == piece.end || mm_piece_add(out, word, piece.end);
}

// Cuts at the characters that `matches` likes.
static bool split_at(const char *text, mm_span piece, mm_split_behavior behavior,
                     bool (*matches)(uint32_t code, uint32_t with), uint32_t with,
                     mm_piece_list *out) {
    size_t start = piece.start; // of the piece being gathered
    bool previous = false;      // whether the last character matched
    for (size_t at = piece.start; at < piece.end;) {
        size_t here = at;
        bool match = matches(mm_unicode_next(text, &at), with);
        bool cut = false; // between the last character and this one
        switch (behavior) {
        case MM_SPLIT_REMOVED:
        case MM_SPLIT_ISOLATED:
            cut = match || previous;
            break;
        case MM_SPLIT_MERGED_WITH_PREVIOUS:
            cut = previous;
            break;
        case MM_SPLIT_MERGED_WITH_NEXT:
            cut = match;
            break;
        case MM_SPLIT_CONTIGUOUS:
            cut = match != previous;
            break;
        }
        if (cut && here > start) {
            bool keep = behavior != MM_SPLIT_REMOVED || !previous;
            if (keep && !mm_piece_add(out, start, here))
                return false;
            start = here;
        }
        previous = match;
    }
    if (start == piece.end || (behavior == MM_SPLIT_REMOVED && previous))
        return true;
    return mm_piece_add(out, start, piece.end);
}

static bool is_space(uint32_t code, uint32_t with) {
    (void)with;
    return mm_unicode_is_space(code);
}

static bool is_punctuation(uint32_t code, uint32_t with) {
    (void)with;
    return mm_unicode_is_punctuation(code);
}

static bool is_numeric(uint32_t code, uint32_t with) {
    (void)with;
    return mm_unicode_is_numeric(code);
}

static bool is_same(uint32_t code, uint32_t with) {
    return code == with;
}

bool mm_whitespace_split(const void *settings, const char *text, mm_span piece,
                         mm_piece_list *out) {
    (void)settings;
    return split_at(text, piece, MM_SPLIT_REMOVED, is_space, 0, out);
}

static mm_status keep_number(void **settings, uint32_t number, mm_error *error) {
    uint32_t *made = mm_malloc(sizeof(*made));
    if (!made)
        return mm_fail_memory(error, "a pre-tokenizer");
    *made = number;
    *settings = made;
    return MM_STATUS_OK;
}

mm_status mm_split_behavior_read(mm_split_behavior *behavior, const json_t *config,
                                 const char *fallback, const char *where, mm_error *error) {
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    const char *name;
    mm_status status = mm_json_get_string(&name, config, "behavior", fallback, where, error);
    if (status)
        return status;
    for (unsigned i = 0; name && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            *behavior = (mm_split_behavior)i;
            return MM_STATUS_OK;
        }
    }
    return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: unknown behavior \"%s\"", where,
                   name ? name : "");
}

mm_status mm_punctuation_read(void **settings, const json_t *config, const char *where,
                              mm_error *error) {
    mm_split_behavior behavior;
    mm_status status = mm_split_behavior_read(&behavior, config, "Isolated", where, error);
    return status ? status : keep_number(settings, behavior, error);
}

bool mm_punctuation_split(const void *settings, const char *text, mm_span piece,
                          mm_piece_list *out) {
    mm_split_behavior behavior = (mm_split_behavior) * (const uint32_t *)settings;
    return split_at(text, piece, behavior, is_punctuation, 0, out);
}

mm_status mm_digits_read(void **settings, const json_t *config, const char *where,
                         mm_error *error) {
    bool individual;
    mm_status status =
        mm_json_get_bool(&individual, config, "individual_digits", false, where, error);
    if (status)
        return status;
    return keep_number(settings, individual ? MM_SPLIT_ISOLATED : MM_SPLIT_CONTIGUOUS, error);
}

bool mm_digits_split(const void *settings, const char *text, mm_span piece, mm_piece_list *out) {
    mm_split_behavior behavior = (mm_split_behavior) * (const uint32_t *)settings;
    return split_at(text, piece, behavior, is_numeric, 0, out);
}

mm_status mm_delimiter_read(void **settings, const json_t *config, const char *where,
                            mm_error *error) {
    const json_t *value = json_object_get(config, "delimiter");
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    uint32_t code = 0;
    if (!text || length == 0 || mm_utf8_decode(&code, text, length) != length)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"delimiter\" must be one character",
                       where);
    return keep_number(settings, code, error);
}

bool mm_delimiter_split(const void *settings, const char *text, mm_span piece, mm_piece_list *out) {
    return split_at(text, piece, MM_SPLIT_REMOVED, is_same, *(const uint32_t *)settings, out);
}
