// SPDX-License-Identifier: Apache-2.0
// Every single code point against what the reference tokenizer library does with it.
#include "text/graphemes.h"
#include "text/normalizer.h"
#include "text/unicode_text.h"

#include "base/file.h"
#include "base/utf8.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "check.h"
#include "text/code_point_sums.h"

// tokenizers 0.23.3: scripts/make_grapheme_tables.py --sum
#define SUM_GRAPHEMES UINT64_C(0xD05B4029808BA6DE)

#define DATA MM_SHARED_DIR "/tokenizers/codepoints"

static json_t *load(const char *name) {
    char path[1024];
    snprintf(path, sizeof(path), DATA "/%s", name);
    if (!mm_file_exists(path)) {
        printf("skipped: %s is not there\n", path);
        return NULL;
    }
    return json_load_file(path, 0, NULL);
}

// Whether the code point is in "0-8 B C-1F"; `from` remembers the place, for ascending questions.
static bool listed(const char **from, uint32_t code) {
    while (**from) {
        char *end;
        unsigned long first = strtoul(*from, &end, 16), last = first;
        if (*end == '-')
            last = strtoul(end + 1, &end, 16);
        if (code <= last)
            return code >= first;
        *from = *end ? end + 1 : end;
    }
    return false;
}

static bool is_cleaned(uint32_t code) {
    return code == 0 || code == 0xFFFD || mm_unicode_is_control(code);
}

// BertNormalizer sees separators as control characters first, so these come to the same.
static bool becomes_space(uint32_t code) {
    return mm_unicode_is_space(code) && !is_cleaned(code) && code != ' ';
}

static void test_properties(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool (*has)(uint32_t code);
    } rows[] = {
        {"BertNormalizer clean_text: removed", is_cleaned},
        {"BertNormalizer clean_text: becomes U+0020", becomes_space},
        {"BertNormalizer strip_accents: removed (after NFD)", mm_unicode_is_nonspacing},
        {"BertNormalizer handle_chinese_chars: spaces put around", mm_unicode_is_chinese},
        {"StripAccents: removed", mm_unicode_is_mark},
        {"Strip: stripped", mm_unicode_is_space},
        {"BertPreTokenizer: white space (removed)", mm_unicode_is_space},
        {"BertPreTokenizer: punctuation (isolated)", mm_unicode_is_punctuation},
        {"Punctuation: isolated", mm_unicode_is_punctuation},
        {"Digits: isolated", mm_unicode_is_numeric},
        {"regex \\p{L}", mm_unicode_is_letter},
        {"regex \\p{N}", mm_unicode_is_number},
        {"added token single_word: blocks a match when adjoining (left side)", mm_unicode_is_word},
        {"added token single_word: blocks a match when adjoining (right side)", mm_unicode_is_word},
        {"added token lstrip/rstrip: swallowed", mm_unicode_is_space},
    };
    json_t *ranges = load("ranges.json");
    if (!ranges)
        return;
    size_t differences = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *from = json_string_value(json_object_get(ranges, rows[i].name));
        assert_non_null(from);
        for (uint32_t code = 0; code <= 0x10FFFF; code++) {
            if (code == 0xD800)
                code = 0xE000;
            if (rows[i].has(code) != listed(&from, code) && differences++ < 20)
                printf("%s: U+%04X\n", rows[i].name, (unsigned)code);
        }
    }
    json_decref(ranges);
    assert_int_equal(differences, 0);
}

static void append(char *text, size_t size, uint32_t code) {
    size_t length = strlen(text);
    snprintf(text + length, size - length, "%s%X", length ? "+" : "", (unsigned)code);
}

// Runs one normalizer over every code point; the mappings list those that change.
static size_t check_mapping(const char *name, const char *mappings) {
    mm_stage_list list = {0};
    mm_error error = {0};
    json_t *config = json_pack("{s:s}", "type", name);
    assert_ok(mm_normalizer_read(&list, config, name, &error), error);
    json_decref(config);
    mm_rewrite rewrite = {0};
    size_t differences = 0;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        if (code == 0xD800)
            code = 0xE000;
        if (code == 0xAC00) // the syllables are not listed
            code = 0xD7A4;
        char text[4], got[256] = "", expected[256] = "", prefix[16];
        mm_rewrite_begin(&rewrite, text, mm_utf8_encode(text, code), 0, code % 2 == 0);
        mm_normalizer_run(&list, &rewrite);
        for (size_t at = 0; at < rewrite.length;)
            append(got, sizeof(got), mm_unicode_next(rewrite.text, &at));
        int length = snprintf(prefix, sizeof(prefix), "%X=", (unsigned)code);
        append(expected, sizeof(expected), code);
        if (strncmp(mappings, prefix, (size_t)length) == 0) {
            size_t end = strcspn(mappings, " ");
            snprintf(expected, sizeof(expected), "%.*s", (int)end - length, mappings + length);
            mappings += end + (mappings[end] == ' ');
        }
        if (strcmp(got, expected) != 0 && differences++ < 20)
            printf("%s: U+%04X gives %s, expected %s\n", name, (unsigned)code, got, expected);
    }
    assert_int_equal(*mappings, 0); // all were met, in order
    mm_rewrite_free(&rewrite);
    mm_stages_free(&list);
    return differences;
}

static void test_mappings(void **state) {
    (void)state;
    static const char *const names[] = {"Lowercase", "NFC", "NFD", "NFKC", "NFKD"};
    json_t *mappings = load("mappings.json");
    if (!mappings)
        return;
    size_t differences = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        differences +=
            check_mapping(names[i], json_string_value(json_object_get(mappings, names[i])));
    json_decref(mappings);
    assert_int_equal(differences, 0);
}

// The same without the data beside the checkout: only whether all agree, not which do not.
static uint64_t add_bytes(uint64_t hash, const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t sum_property(bool (*has)(uint32_t code)) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        char text[4];
        if (code == 0xD800)
            code = 0xE000;
        if (has(code))
            hash = add_bytes(hash, text, mm_utf8_encode(text, code));
    }
    return hash;
}

static uint64_t sum_mapping(const char *name) {
    mm_stage_list list = {0};
    mm_error error = {0};
    json_t *config = json_pack("{s:s}", "type", name);
    assert_ok(mm_normalizer_read(&list, config, name, &error), error);
    json_decref(config);
    mm_rewrite rewrite = {0};
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        char text[4];
        if (code == 0xD800)
            code = 0xE000;
        mm_rewrite_begin(&rewrite, text, mm_utf8_encode(text, code), 0, false);
        mm_normalizer_run(&list, &rewrite);
        hash = add_bytes(hash, rewrite.text, rewrite.length);
        hash = add_bytes(hash, "\n", 1);
    }
    mm_rewrite_free(&rewrite);
    mm_stages_free(&list);
    return hash;
}

static void test_sums(void **state) {
    (void)state;
    assert_true(sum_property(mm_unicode_is_control) == SUM_CONTROL);
    assert_true(sum_property(mm_unicode_is_nonspacing) == SUM_NONSPACING);
    assert_true(sum_property(mm_unicode_is_mark) == SUM_MARK);
    assert_true(sum_property(mm_unicode_is_punctuation) == SUM_PUNCTUATION);
    assert_true(sum_property(mm_unicode_is_numeric) == SUM_NUMERIC);
    assert_true(sum_property(mm_unicode_is_word) == SUM_WORD);
    assert_true(sum_property(mm_unicode_is_letter) == SUM_LETTER);
    assert_true(sum_property(mm_unicode_is_number) == SUM_NUMBER);
    assert_true(sum_mapping("Lowercase") == SUM_LOWERCASE);
    assert_true(sum_mapping("NFC") == SUM_NFC);
    assert_true(sum_mapping("NFD") == SUM_NFD);
    assert_true(sum_mapping("NFKC") == SUM_NFKC);
    assert_true(sum_mapping("NFKD") == SUM_NFKD);
}

// What scripts/make_grapheme_tables.py asks the reference library: `c` between neighbours, for
// which
// "?" stands.
static const char *const probes[] = {"a?",
                                     "?a",
                                     "?\u0301",
                                     "?\u0301\u0301",
                                     "a?\u0301\u0301",
                                     "\u0301?\u0301",
                                     "\u00A9\u200D?\u0301",
                                     "?\u200D\u00A9\u0301",
                                     "\u00A9?\u200D\u00A9\u0301",
                                     "\u1100?\u0301",
                                     "?\u1161\u0301",
                                     "\u1161?\u0301",
                                     "?\u11A8\u0301",
                                     "\uAC00?\u0301",
                                     "\u0915\u094D?\u0301",
                                     "?\u094D\u0915\u0301",
                                     "\u0915?\u0915\u0301",
                                     "\u0915\u094D?\u0915\u0301",
                                     "\u0600?\u0301",
                                     "\u0600?",
                                     "\r?",
                                     "?\n",
                                     "\n?\u0301"};

// Clusters of less than six bytes count once, others by character.
static unsigned count_clusters(const char *text, size_t length) {
    unsigned count = 0;
    for (size_t at = 0; at < length;) {
        size_t end = mm_grapheme_end(text, length, at);
        if (end - at < 6)
            count++;
        for (size_t i = at; i < end && end - at >= 6; i++)
            count += ((unsigned char)text[i] & 0xC0) != 0x80;
        at = end;
    }
    return count;
}

static void test_graphemes(void **state) {
    (void)state;
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint32_t code = 1; code <= 0x10FFFF; code++) {
        if (code == 0xD800)
            code = 0xE000;
        for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
            char text[32];
            size_t before = strcspn(probes[i], "?"), length = before;
            memcpy(text, probes[i], before);
            length += mm_utf8_encode(text + length, code);
            size_t after = strlen(probes[i] + before + 1);
            memcpy(text + length, probes[i] + before + 1, after);
            char count = (char)count_clusters(text, length + after);
            hash = add_bytes(hash, &count, 1);
        }
    }
    assert_true(hash == SUM_GRAPHEMES);
}

// The tables correct one version of utf8proc; with another they must be made anew.
static void test_tables_fit_utf8proc(void **state) {
    (void)state;
    assert_string_equal(utf8proc_version(), mm_unicode_tables_utf8proc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_fit_utf8proc),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_graphemes),
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_mappings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
