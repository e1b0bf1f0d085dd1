// SPDX-License-Identifier: Apache-2.0
// Unigram and what goes with it (Precompiled, Metaspace): broken files, numbers, long texts. What
// comes out of good files is compared with recorded results in test_tokenizer.c.
#include "text/json_scan.h"
#include "text/tokenizer.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

#define MODEL                                                                                      \
    "\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"u\", 0], [\"ab\", -1.5]]}"

static mm_tokenizer *parse(const char *json) {
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    assert_ok(mm_tokenizer_parse(&tokenizer, json, strlen(json), "t.json", &error), error);
    return tokenizer;
}

static void test_bad_files(void **state) {
    (void)state;
    static const struct {
        const char *json, *part;
    } rows[] = {
        {"\"model\": {\"type\": \"Unigram\"}", "must be a list"},
        {"\"model\": {\"type\": \"Unigram\", \"vocab\": {}}", "must be a list"},
        {"\"model\": {\"type\": \"Unigram\", \"vocab\": 5}", "must be a list"},
        {"\"model\": {\"vocab\": [[\"a\", 0], [\"b\"]]}", "entry 1"},
        {"\"model\": {\"vocab\": [[\"a\", 0, 1]]}", "entry 0"},
        {"\"model\": {\"vocab\": [[\"a\", \"0\"]]}", "entry 0"},
        {"\"model\": {\"vocab\": [[\"a\", NaN]]}", "entry 0"},
        {"\"model\": {\"vocab\": [[\"a\", 1e309]]}", "entry 0"},
        {"\"model\": {\"vocab\": [[\"a\", 01]]}", "entry 0"},
        {"\"model\": {\"vocab\": [[\"a\", 0],]}", "entry 1"},
        {"\"model\": {\"vocab\": [\"a\", 0]}", "entry 0"},
        {"\"model\": {\"vocab\": [], \"unk_id\": 0}", "unk_id"},
        {"\"model\": {\"vocab\": [[\"a\", 0]], \"unk_id\": 1}", "unk_id"},
        {"\"model\": {\"vocab\": [[\"a\", 0]], \"unk_id\": -1}", "unk_id"},
        {"\"model\": {\"vocab\": [[\"a\", 0]], \"byte_fallback\": 1}", "byte_fallback"},
        {MODEL ", \"pre_tokenizer\": {\"type\": \"Metaspace\"}", "replacement"},
        {MODEL ", \"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"ab\"}",
         "replacement"},
        {MODEL ", \"decoder\": {\"type\": \"Metaspace\", \"replacement\": \"\"}", "replacement"},
        {MODEL ", \"decoder\": {\"type\": \"Metaspace\", \"replacement\": \"_\", "
               "\"prepend_scheme\": \"last\"}",
         "prepend_scheme"},
        {MODEL ", \"decoder\": {\"type\": \"Metaspace\", \"replacement\": \"_\", "
               "\"add_prefix_space\": false}",
         "add_prefix_space"},
        {MODEL ", \"normalizer\": {\"type\": \"Precompiled\"}", "precompiled_charsmap"},
        {MODEL ", \"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"a\"}",
         "base64"},
        {MODEL ", \"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAA=\"}",
         "shorter"},
        {MODEL
         ", \"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"/////w==\"}",
         "shorter"},
        {MODEL
         ", \"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAAAB==\"}",
         "base64"}, // bits left over
        {MODEL
         ", \"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAAAP8=\"}",
         "UTF-8"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char json[1024];
        snprintf(json, sizeof(json), "{%s}", rows[i].json);
        mm_tokenizer *tokenizer;
        mm_error error = {0};
        mm_status status = mm_tokenizer_parse(&tokenizer, json, strlen(json), "t.json", &error);
        if (status != MM_STATUS_MODEL_CORRUPT || !strstr(error.message, rows[i].part))
            fail_msg("row %zu: %s: %s", i, mm_status_name(status), error.message);
    }
}

static void test_no_unknown_token(void **state) {
    (void)state;
    mm_tokenizer *tokenizer = parse("{\"model\": {\"vocab\": [[\"a\", -1], [\"ab\", -9]]}}");
    mm_encoding encoding = {0};
    mm_encode_options options = {0};
    mm_error error = {0};
    assert_ok(mm_tokenizer_encode(tokenizer, &encoding, "aab", 3, NULL, 0, &options, &error),
              error);
    assert_int_equal(encoding.count, 2);
    assert_status(mm_tokenizer_encode(tokenizer, &encoding, "ba", 2, NULL, 0, &options, &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    assert_contains(error.message, "unk_id");
    mm_encoding_free(&encoding);
    mm_tokenizer_free(tokenizer);
}

// Tokens that come twice: the last id is found, both are known.
static void test_repeated_tokens(void **state) {
    (void)state;
    mm_tokenizer *tokenizer =
        parse("{\"model\": {\"unk_id\": 0, \"vocab\": [[\"u\", 0], [\"a\", -1], [\"a\", -2]]}, "
              "\"added_tokens\": [{\"id\": 9, \"content\": \"new\"}]}");
    size_t length;
    assert_int_equal(mm_tokenizer_token_id(tokenizer, "a"), 2);
    assert_string_equal(mm_tokenizer_token(tokenizer, 1, &length), "a");
    assert_string_equal(mm_tokenizer_token(tokenizer, 2, &length), "a");
    assert_int_equal(mm_tokenizer_token_id(tokenizer, "new"), 3);
    assert_int_equal(mm_tokenizer_vocab_size(tokenizer), 4);
    mm_tokenizer_free(tokenizer);
}

// The values that the reference library reads, which are not all the nearest ones.
static void test_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
        bool ok;
    } rows[] = {
        {"0", 0, true},
        {" -0.5 ", -0.5, true},
        {"-2.0122928619384766", -2.012292861938477, true},
        {"-2.01229286193847661234", -2.0122928619384766, true},
        {"-3.9598512649536133", -3.9598512649536137, true},
        {"12e-1", 1.2, true},
        {"1.5E+2", 150, true},
        {"18446744073709551616", 18446744073709551616.0, true},
        {"1e308", 1e308, true},
        {"1e-400", 0, true},
        {"0e999", 0, true},
        {"1e309", 0, false},
        {"1.", 0, false},
        {".5", 0, false},
        {"1e", 0, false},
        {"00", 0, false},
        {"+1", 0, false},
        {"- 1", 0, false},
        {"", 0, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mm_json_cursor in = {rows[i].text, rows[i].text + strlen(rows[i].text)};
        double value = 0;
        bool ok = mm_json_take_number(&in, &value);
        if (ok != rows[i].ok || value < rows[i].value || value > rows[i].value)
            fail_msg("\"%s\" gave %d, %.17g", rows[i].text, ok, value);
    }
}

static double seconds_of(const mm_tokenizer *tokenizer, mm_encoding *encoding, const char *text,
                         size_t length) {
    mm_encode_options options = {0};
    struct timespec start, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    mm_status status =
        mm_tokenizer_encode(tokenizer, encoding, text, length, NULL, 0, &options, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    assert_int_equal(status, MM_STATUS_OK);
    return (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
}

// Ten times the text without a blank takes about ten times as long.
static void test_long_text(void **state) {
    (void)state;
    enum { SMALL = 200000, LARGE = 10 * SMALL };
    mm_tokenizer *tokenizer = parse("{" MODEL ", \"pre_tokenizer\": {\"type\": \"Metaspace\", "
                                    "\"replacement\": \"_\"}}");
    char *text = malloc(LARGE);
    assert_non_null(text);
    for (size_t i = 0; i < LARGE; i++)
        text[i] = "abxabab"[i % 7];
    mm_encoding encoding = {0};
    double small = 1e9, large = 1e9;
    for (int i = 0; i < 3; i++) {
        double seconds = seconds_of(tokenizer, &encoding, text, SMALL);
        small = seconds < small ? seconds : small;
        seconds = seconds_of(tokenizer, &encoding, text, LARGE);
        large = seconds < large ? seconds : large;
    }
    printf("%.1f ms, ten times the text %.1f ms\n", small * 1e3, large * 1e3);
    assert_true(large < small * 40); // 100 were it quadratic
    assert_true(encoding.count > LARGE / 2);
    mm_encoding_free(&encoding);
    mm_tokenizer_free(tokenizer);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_files),       cmocka_unit_test(test_no_unknown_token),
        cmocka_unit_test(test_repeated_tokens), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_long_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
