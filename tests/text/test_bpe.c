// SPDX-License-Identifier: Apache-2.0
// BPE and ByteLevel where recorded results do not reach: malformed merges, the cuts of GPT-2's
// pattern, the word cache, very long words.
#include "text/byte_level.h"
#include "text/tokenizer.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

#include "check.h"

#define VOCAB                                                                                      \
    "\"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2, \"##b\": 3, \"aa\": 4, \"aaaa\": 5, \"c\": 6, "    \
    "\"<unk>\": 7}"

static mm_status parse(mm_tokenizer **tokenizer, const char *rest, mm_error *error) {
    char json[1024];
    snprintf(json, sizeof(json), "{\"model\": {\"type\": \"BPE\", " VOCAB "%s}}", rest);
    return mm_tokenizer_parse(tokenizer, json, strlen(json), "t.json", error);
}

static void test_malformed_models(void **state) {
    (void)state;
    static const struct {
        const char *rest;
        mm_status status;
        const char *part;
    } rows[] = {
        {", \"merges\": [\"a b\"]", MM_STATUS_OK, ""},
        {", \"merges\": [[\"a\", \"b\"] , [ \"a\",\"a\" ]]", MM_STATUS_OK, ""},
        {", \"merges\": [\"#version: 0.2\", \"a b\"]", MM_STATUS_OK, ""},
        {", \"merges\": [], \"dropout\": 0.0", MM_STATUS_OK, ""},
        {"", MM_STATUS_MODEL_CORRUPT, "\"merges\" must be an array"},
        {", \"merges\": null", MM_STATUS_MODEL_CORRUPT, "\"merges\" must be an array"},
        {", \"merges\": {}", MM_STATUS_MODEL_CORRUPT, "\"merges\" must be an array"},
        {", \"merges\": [\"a b\", [\"a\", \"b\"]]", MM_STATUS_MODEL_CORRUPT, "merge 1"},
        {", \"merges\": [[\"a\", \"b\"], \"a b\"]", MM_STATUS_MODEL_CORRUPT, "merge 2"},
        {", \"merges\": [\"ab\"]", MM_STATUS_MODEL_CORRUPT, "merge 1 is not two"},
        {", \"merges\": [\"a  b\"]", MM_STATUS_MODEL_CORRUPT, "merge 1 is not two"},
        {", \"merges\": [[\"a\"]]", MM_STATUS_MODEL_CORRUPT, "merge 1 is neither"},
        {", \"merges\": [[\"a\", \"b\", \"c\"]]", MM_STATUS_MODEL_CORRUPT, "merge 1 is neither"},
        {", \"merges\": [[\"a\", 1]]", MM_STATUS_MODEL_CORRUPT, "merge 1 is neither"},
        {", \"merges\": [\"a b\",]", MM_STATUS_MODEL_CORRUPT, "merge 1"},
        {", \"merges\": [\"a b\" \"a a\"]", MM_STATUS_MODEL_CORRUPT, "comma"},
        {", \"merges\": [\"a b\", \"a x\"]", MM_STATUS_MODEL_CORRUPT, "lacks \"x\""},
        {", \"merges\": [\"x a\"]", MM_STATUS_MODEL_CORRUPT, "lacks \"x\""},
        {", \"merges\": [\"b a\"]", MM_STATUS_MODEL_CORRUPT, "lacks \"ba\""},
        {", \"merges\": [\"a b\"], \"continuing_subword_prefix\": \"##\"", MM_STATUS_MODEL_CORRUPT,
         "continuing_subword_prefix"},
        {", \"merges\": [], \"dropout\": 0.5", MM_STATUS_MODEL_UNSUPPORTED, "dropout"},
        {", \"merges\": [], \"dropout\": 1.5", MM_STATUS_MODEL_CORRUPT, "dropout"},
        {", \"merges\": [], \"dropout\": \"x\"", MM_STATUS_MODEL_CORRUPT, "dropout"},
        {", \"merges\": [], \"unk_token\": 1", MM_STATUS_MODEL_CORRUPT, "unk_token"},
        {", \"merges\": [], \"fuse_unk\": 1", MM_STATUS_MODEL_CORRUPT, "fuse_unk"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mm_tokenizer *tokenizer;
        mm_error error = {0};
        assert_status(parse(&tokenizer, rows[i].rest, &error), rows[i].status, error);
        if (rows[i].status)
            assert_contains(error.message, rows[i].part);
        mm_tokenizer_free(tokenizer);
    }
}

static void check_ids(const mm_tokenizer *tokenizer, mm_encoding *encoding, const char *text,
                      const char *expected) {
    mm_encode_options options = {0};
    mm_error error = {0};
    assert_ok(
        mm_tokenizer_encode(tokenizer, encoding, text, strlen(text), NULL, 0, &options, &error),
        error);
    char got[256] = "";
    for (size_t i = 0; i < encoding->count; i++)
        snprintf(got + strlen(got), sizeof(got) - strlen(got), " %d", (int)encoding->ids[i]);
    assert_string_equal(got, expected);
}

// One encoding serves tokenizers of other merges: the words of one are not the other's.
static void test_words_belong_to_a_model(void **state) {
    (void)state;
    mm_tokenizer *first, *second;
    mm_error error = {0};
    assert_ok(parse(&first, ", \"merges\": [\"a b\"]", &error), error);
    assert_ok(parse(&second, ", \"merges\": [\"a a\"]", &error), error);
    mm_encoding encoding = {0};
    for (int i = 0; i < 3; i++) {
        check_ids(first, &encoding, "aab", " 0 2");
        check_ids(second, &encoding, "aab", " 4 1");
    }
    mm_tokenizer_free(first);
    mm_tokenizer_free(second);
    mm_encoding_free(&encoding);
}

static void test_unknown_token_is_missing(void **state) {
    (void)state;
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    assert_ok(parse(&tokenizer, ", \"merges\": [], \"unk_token\": \"zz\"", &error), error);
    mm_encoding encoding = {0};
    mm_encode_options options = {0};
    check_ids(tokenizer, &encoding, "abc", " 0 1 6");
    assert_status(mm_tokenizer_encode(tokenizer, &encoding, "axb", 3, NULL, 0, &options, &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    assert_contains(error.message, "zz");
    mm_encoding_free(&encoding);
    mm_tokenizer_free(tokenizer);
}

// A word of a million characters: every merge of the queue, and more than fits any cache.
static void test_long_word(void **state) {
    (void)state;
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    assert_ok(parse(&tokenizer, ", \"merges\": [\"a a\", \"aa aa\", \"a b\"]", &error), error);
    size_t length = 1000003;
    char *text = mm_malloc(length);
    assert_non_null(text);
    memset(text, 'a', length);
    text[length - 1] = 'b';
    mm_encoding encoding = {0};
    mm_encode_options options = {.want_offsets = true};
    assert_ok(mm_tokenizer_encode(tokenizer, &encoding, text, length, NULL, 0, &options, &error),
              error);
    assert_int_equal(encoding.count, 250002);
    for (size_t i = 0; i < 250000; i++)
        assert_int_equal(encoding.ids[i], 5);
    assert_int_equal(encoding.ids[250000], 4);
    assert_int_equal(encoding.ids[250001], 1);
    assert_int_equal(encoding.offsets[500001], 1000002);
    mm_encoding_free(&encoding);
    mm_tokenizer_free(tokenizer);
    mm_free(text);
}

static void test_cuts(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        // text, the same with a bar at each cut
        {"Hello world", "Hello| world"},
        {"I'll don't we've o's 'S it'", "I|'ll| don|'t| we|'ve| o|'s| '|S| it|'"},
        {"'re're''re", "'re|'re|''|re"},
        {"a'm'd'x 'd", "a|'m|'d|'|x| '|d"},
        {"   a", "  | a"},
        {" \n\n a", " \n\n| a"},
        {"a \nb", "a| |\n|b"},
        {"a  ", "a|  "},
        {"\ta", "\t|a"},
        {"a\xC2\xA0\xC2\xA0z", "a|\xC2\xA0|\xC2\xA0|z"},
        {" \xC2\xA0z", " |\xC2\xA0|z"},
        {"x1y22 333", "x|1|y|22| 333"},
        {"\xC3\xA9t\xC3\xA9 \xD0\xBC\xC2\xBD", "\xC3\xA9t\xC3\xA9| \xD0\xBC|\xC2\xBD"},
        {"a!?b ...", "a|!?|b| ..."},
        {"e\xCC\x81", "e|\xCC\x81"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *text = rows[i][0];
        mm_piece_list pieces = {0};
        assert_true(mm_byte_level_split(text, (mm_span){0, (uint32_t)strlen(text)}, &pieces));
        char got[128] = "";
        for (size_t j = 0; j < pieces.count; j++)
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%.*s", j ? "|" : "",
                     (int)(pieces.items[j].end - pieces.items[j].start),
                     text + pieces.items[j].start);
        assert_string_equal(got, rows[i][1]);
        mm_free(pieces.items);
    }
}

static void test_letters(void **state) {
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++)
        assert_int_equal(mm_byte_level_byte(mm_byte_level_letter((unsigned char)byte)), byte);
    size_t letters = 0;
    for (uint32_t code = 0; code < 0x400; code++)
        letters += mm_byte_level_byte(code) >= 0;
    assert_int_equal(letters, 256);
    assert_int_equal(mm_byte_level_letter(' '), MM_BYTE_LEVEL_SPACE);
    assert_int_equal(mm_byte_level_letter('\n'), 0x10A);
    mm_buffer bytes;
    mm_buffer_init(&bytes, 100);
    assert_true(mm_byte_level_append_bytes(&bytes,
                                           "\xC4\xA0"
                                           "a\xC3\xA9",
                                           5));                // Ġaé
    assert_true(mm_byte_level_append_bytes(&bytes, "a b", 3)); // a blank is no letter
    assert_memory_equal(bytes.data,
                        " a\xE9"
                        "a b",
                        6);
    mm_buffer_free(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_models),
        cmocka_unit_test(test_words_belong_to_a_model),
        cmocka_unit_test(test_unknown_token_is_missing),
        cmocka_unit_test(test_long_word),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
