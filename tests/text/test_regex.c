// SPDX-License-Identifier: Apache-2.0
// Regular expressions: characters, limits, failing allocations, threads. What they match is
// compared with the reference library by test_regex_differential.py.
#include "text/code_set.h"
#include "text/regex.h"
#include "text/regex_tables.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define DATA MM_SHARED_DIR "/tokenizers/codepoints/ranges.json"

static mm_regex *compile(const char *pattern) {
    mm_regex *regex;
    mm_error error = {0};
    assert_ok(mm_regex_compile(&regex, pattern, strlen(pattern), "t.json", &error), error);
    return regex;
}

// All matches as "start-end start-end", or what the search ended with.
static char *matches(const char *pattern, const char *text, size_t length) {
    static char line[4096];
    mm_regex *regex = compile(pattern);
    mm_regex_scratch *scratch = NULL;
    mm_regex_search search;
    assert_true(mm_regex_begin(&search, regex, &scratch, text, length));
    size_t at = 0;
    line[0] = '\0';
    mm_regex_result result;
    while ((result = mm_regex_next(&search)) == MM_REGEX_FOUND)
        at += (size_t)snprintf(line + at, sizeof(line) - at, "%s%zu-%zu", at ? " " : "",
                               search.start, search.end);
    if (result == MM_REGEX_TOO_LONG)
        snprintf(line, sizeof(line), "too long");
    mm_regex_scratch_free(scratch);
    mm_regex_free(regex);
    return line;
}

static void test_matches(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text, *expected;
    } rows[] = {
        {"a+|b", "caab", "1-3 3-4"},
        {"", "\xC3\xA9x", "0-0 2-2 3-3"},
        {"x*", "axb", "0-0 1-2 3-3"},
        {"^.", "a\nb\n", "0-1 2-3"},
        {".$", "a\nb\n", "0-1 2-3"},
        {"\\h+", "xffz", "1-3"},
        {"[a-z&&[^aeiou]]+", "hello", "0-1 2-4"},
        {"(?i:k)", "k\xE2\x84\xAA", "0-1 1-4"},
        {"\\X", "e\xCC\x81x", "0-3 3-4"},
        {"a{2}?", "aaaa", "0-2 2-4"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(matches(rows[i].pattern, rows[i].text, strlen(rows[i].text)),
                            rows[i].expected);
    assert_string_equal(matches("\\x00.", "a\0b\0", 4), "1-3");
}

// A text with every code point once, and where it begins.
static char *every_code(size_t *length) {
    char *text = malloc(4 * 0x110000);
    *length = 0;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        if (code == 0xD800)
            code = 0xE000;
        *length += mm_utf8_encode(text + *length, code);
    }
    return text;
}

// Marks the code points that a pattern for one character matches.
static void mark(bool *has, const char *pattern, const char *text, size_t length) {
    mm_regex *regex = compile(pattern);
    mm_regex_scratch *scratch = NULL;
    mm_regex_search search;
    memset(has, 0, 0x110000);
    assert_true(mm_regex_begin(&search, regex, &scratch, text, length));
    while (mm_regex_next(&search) == MM_REGEX_FOUND) {
        size_t at = search.start;
        has[mm_unicode_next(text, &at)] = true;
    }
    mm_regex_scratch_free(scratch);
    mm_regex_free(regex);
}

static size_t count_differences(const bool *has, const char *ranges, const char *name) {
    size_t differences = 0;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        char *end = NULL;
        unsigned long first = strtoul(ranges, &end, 16), last = first;
        if (end != ranges && *end == '-')
            last = strtoul(end + 1, &end, 16);
        bool listed = end != ranges && code >= first && code <= last;
        if (code >= 0xD800 && code <= 0xDFFF)
            continue;
        if (listed != has[code] && differences++ < 5)
            printf("%s: U+%04X\n", name, (unsigned)code);
        if (code >= last && end != ranges)
            ranges = *end ? end + 1 : end;
    }
    return differences;
}

// What the reference library's regexes say of every code point.
static void test_code_points(void **state) {
    (void)state;
    if (!mm_file_exists(DATA)) {
        printf("skipped: %s is not there\n", DATA);
        return;
    }
    json_t *ranges = json_load_file(DATA, 0, NULL);
    const char *name;
    json_t *value;
    bool *has = malloc(0x110000);
    size_t length, count = 0, differences = 0;
    char *text = every_code(&length);
    json_object_foreach(ranges, name, value) {
        if (strncmp(name, "regex ", 6) != 0)
            continue;
        mark(has, name + 6, text, length);
        differences += count_differences(has, json_string_value(value), name);
        count++;
    }
    free(text);
    free(has);
    json_decref(ranges);
    assert_true(count > 30);
    assert_int_equal(differences, 0);
}

// PCRE2 finds just what is in the sets, however they are written.
static void test_sets_as_written(void **state) {
    (void)state;
    static const char *const patterns[] = {
        "\\p{L}",   "[^\\p{L}\\p{N}\\s]", "[\\p{Lu}\\p{Cn}]",   "[\\P{M}&&\\P{S}]",
        "\\p{Han}", "[^\\p{Mc}]",         "[\\p{Any}&&\\p{Mc}]"};
    static const uint32_t firsts[] = {'A', 0, 'A', 0, 0x2E80, 0, 0x903};
    size_t length;
    char *text = every_code(&length);
    bool *has = malloc(0x110000), *inverted = malloc(0x110000);
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        char other[64];
        snprintf(other, sizeof(other), "[^%s]", patterns[i]);
        mark(has, patterns[i], text, length);
        mark(inverted, other, text, length);
        uint32_t first = 0;
        while (!has[first])
            first++;
        assert_int_equal(first, firsts[i]);
        for (uint32_t code = 0; code <= 0x10FFFF; code++)
            assert_true((code >= 0xD800 && code <= 0xDFFF) || has[code] != inverted[code]);
    }
    free(has);
    free(inverted);
    free(text);
}

// The tables know one version of PCRE2; with another, classes are written as plain ranges.
static void test_tables_fit_pcre2(void **state) {
    (void)state;
    if (!mm_regex_knows_unicode())
        printf(
            "PCRE2 has another Unicode than %s: classes are written as ranges, which is slower\n",
            mm_pcre2_unicode);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *pattern;
        mm_status status;
        const char *message;
    } rows[] = {
        {"(a", MM_STATUS_MODEL_CORRUPT, "not closed"},
        {"a)", MM_STATUS_MODEL_CORRUPT, "not opened"},
        {"*a", MM_STATUS_MODEL_CORRUPT, "repetition of nothing"},
        {"(?:^|a)*", MM_STATUS_MODEL_CORRUPT, "takes no room"},
        {"[b-a]", MM_STATUS_MODEL_CORRUPT, "empty"},
        {"[a", MM_STATUS_MODEL_CORRUPT, "without ]"},
        {"[[:no:]]", MM_STATUS_MODEL_CORRUPT, "[:class:]"},
        {"\\3", MM_STATUS_MODEL_CORRUPT, "not there"},
        {"\\k<x>", MM_STATUS_MODEL_UNSUPPORTED, "not there"},
        {"\\", MM_STATUS_MODEL_CORRUPT, "backslash"},
        {"\\x{D800}", MM_STATUS_MODEL_CORRUPT, "code point"},
        {"\\p{Nonsense}", MM_STATUS_MODEL_UNSUPPORTED, "property"},
        {"\\p{L", MM_STATUS_MODEL_CORRUPT, "without }"},
        {"\\g<1>(a)", MM_STATUS_MODEL_UNSUPPORTED, "\\g"},
        {"(?(1)a)", MM_STATUS_MODEL_UNSUPPORTED, "group"},
        {"(?<=a+)b", MM_STATUS_MODEL_UNSUPPORTED, "lookbehind"},
        {"a{65536}", MM_STATUS_MODEL_UNSUPPORTED, "65535"},
        {"(?:a{60000}){60000}", MM_STATUS_MODEL_UNSUPPORTED, "too large"},
        {"(*FAIL)", MM_STATUS_MODEL_UNSUPPORTED, "callouts"},
        {"(?i)ass", MM_STATUS_MODEL_UNSUPPORTED, "single one"},
        {"(?i:F\\x69)", MM_STATUS_MODEL_UNSUPPORTED, "single one"},
        {"(?i)\xC3\x9F", MM_STATUS_MODEL_UNSUPPORTED, "single one"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mm_regex *regex;
        mm_error error = {0};
        mm_status status =
            mm_regex_compile(&regex, rows[i].pattern, strlen(rows[i].pattern), "t.json", &error);
        if (status != rows[i].status || !strstr(error.message, rows[i].message) ||
            !strstr(error.message, "t.json: the pattern \""))
            fail_msg("%s: %s", rows[i].pattern, error.message);
        assert_null(regex);
    }
    char nested[3000];
    memset(nested, '(', 1000);
    memset(nested + 1000, ')', 1000);
    mm_regex *regex;
    assert_int_equal(mm_regex_compile(&regex, nested, 2000, "t", NULL),
                     MM_STATUS_MODEL_UNSUPPORTED);
    memset(nested, '[', 1000);
    assert_int_equal(mm_regex_compile(&regex, nested, 2000, "t", NULL),
                     MM_STATUS_MODEL_UNSUPPORTED);
}

// Patterns that backtrack without end, or as the square of the text, end with an error.
static void test_limits(void **state) {
    (void)state;
    size_t length = 300000;
    char *text = malloc(length);
    memset(text, 'a', length);
    text[length - 1] = '!';
    assert_string_equal(matches("(a+)+$", text + length - 50, 50), "too long");
    assert_string_equal(matches("(a|a)*[bc]", text + length - 50, 50), "too long");
    assert_string_equal(matches("(?:a?){40}a{40}[bc]", text + length - 41, 41), "too long");
    assert_string_equal(matches("a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?"
                                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa[bc]",
                                text + length - 31, 31),
                        "too long");
    assert_string_equal(matches("(?=a)a*[bc]", text, length), "too long");
    assert_string_equal(matches("(?:aa|a)+[bc]", text, length), "too long");
    assert_string_equal(matches("(a+)\\1[bc]", text, length), "too long");
    free(text);
}

static void test_large_texts(void **state) {
    (void)state;
    size_t length = 10000000;
    char *text = malloc(length), expected[64];
    memset(text, 'a', length);
    assert_string_equal(matches("b|\\p{Lu}+|\\s+(?!\\S)|[^a]", text, length), "");
    snprintf(expected, sizeof(expected), "0-%zu", length);
    assert_string_equal(matches(" ?\\p{L}+|\\s+", text, length), expected);
    // More than the stack of the compiled code holds: the interpreter takes over.
    snprintf(expected, sizeof(expected), "0-%zu", (size_t)500000);
    assert_string_equal(matches("(?:a|b)+c?", text, 500000), expected);
    free(text);
}

static void test_failing_allocations(void **state) {
    (void)state;
    const char pattern[] = "(?i:'s|[^\\p{L}&&\\p{N}])|\\b(?<x>\\X)\\k<x>+";
    for (size_t countdown = 1;; countdown++) {
        mm_regex *regex = NULL;
        mm_regex_scratch *scratch = NULL;
        mm_regex_search search = {0};
        mm_error error = {0};
        mm_memory_fail_after(countdown, false);
        mm_status status = mm_regex_compile(&regex, pattern, strlen(pattern), "t", &error);
        bool begun = !status && mm_regex_begin(&search, regex, &scratch, "aa's", 4);
        mm_regex_result result = begun ? mm_regex_next(&search) : MM_REGEX_NO_MEMORY;
        bool spared = mm_memory_allocations() < countdown;
        mm_memory_fail_after(0, false);
        assert_true(!status || status == MM_STATUS_OUT_OF_MEMORY);
        assert_true(result == MM_REGEX_FOUND || result == MM_REGEX_NO_MEMORY);
        mm_regex_scratch_free(scratch);
        mm_regex_free(regex);
        if (spared) {
            assert_true(result == MM_REGEX_FOUND && countdown > 20);
            break;
        }
    }
}

static void test_no_allocation_in_a_search(void **state) {
    (void)state;
    mm_regex *regex = compile("\\w+|\\s+(?!\\S)|.");
    mm_regex_scratch *scratch = NULL;
    mm_regex_search search;
    assert_true(mm_regex_begin(&search, regex, &scratch, "a b", 3));
    mm_memory_fail_after(1, true);
    size_t count = 0;
    for (int i = 0; i < 100; i++) {
        assert_true(mm_regex_begin(&search, regex, &scratch, "a b c.", 6));
        while (mm_regex_next(&search) == MM_REGEX_FOUND)
            count++;
    }
    size_t allocations = mm_memory_allocations();
    mm_memory_fail_after(0, false);
    assert_int_equal(count, 600);
    assert_int_equal(allocations, 0);
    mm_regex_scratch_free(scratch);
    mm_regex_free(regex);
}

static void *count_words(void *context) {
    mm_regex_scratch *scratch = NULL;
    mm_regex_search search;
    size_t count = 0;
    for (int i = 0; i < 200 && mm_regex_begin(&search, context, &scratch, "one two (three)", 15);
         i++)
        while (mm_regex_next(&search) == MM_REGEX_FOUND)
            count++;
    mm_regex_scratch_free(scratch);
    return (void *)(uintptr_t)count;
}

static void test_threads(void **state) {
    (void)state;
    mm_regex *regex = compile("(?i:\\w+(?!x)|\\s+)");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_words, regex), 0);
    for (int i = 0; i < 4; i++) {
        void *count;
        pthread_join(threads[i], &count);
        assert_int_equal((uintptr_t)count, 1000);
    }
    mm_regex_free(regex);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_code_points),
        cmocka_unit_test(test_sets_as_written),
        cmocka_unit_test(test_tables_fit_pcre2),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_large_texts),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_no_allocation_in_a_search),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
