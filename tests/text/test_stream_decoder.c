// SPDX-License-Identifier: Apache-2.0
// What comes out of a stream decoder id by id: all that is final, and no more. (That the whole is
// what decoding at once gives, the recorded results check: golden.c.)
#include "text/stream_decoder.h"

#include "base/memory.h"
#include "text/clean_up.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { MOST = 12 };

#define BYTE_LEVEL "{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true}"
#define REPLACE "{\"type\": \"Replace\", \"pattern\": {\"String\": \"_\"}, \"content\": \" \"}"
#define LLAMA                                                                                      \
    "{\"type\": \"Sequence\", \"decoders\": [" REPLACE ", {\"type\": \"ByteFallback\"}, "          \
    "{\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]}"

// Each token, and the text expected when it is pushed; the last text is what finish gives.
static const struct row {
    const char *decoder;
    const char *tokens[MOST];
    const char *texts[MOST + 1];
} rows[] = {
    {"null", {"a", "b", "", "c"}, {"a", " b", " ", " c", ""}},
    {"{\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": true}",
     {"un", "##do", "it", ".", "##"},
     {"un", "do", " it", ".", "", ""}},
    {"{\"type\": \"Metaspace\", \"replacement\": \"_\", \"prepend_scheme\": \"always\"}",
     {"_Hi", "_x", "_", "y_z"},
     {"Hi", " x", " ", "y z", ""}},
    {"{\"type\": \"BPEDecoder\", \"suffix\": \"</w>\"}",
     {"hel", "lo</w>", "you</w>"},
     {"", "hel", "lo ", "you"}},
    // U+00E9 in two, a lone first byte before a letter, U+1F600 in four, and one that stays open.
    {BYTE_LEVEL,
     {"\u00C3", "\u00A9", "\u00C3", "a", "\u0120b", "\u00F0", "\u0141", "\u013A", "\u0122",
      "\u00E6"},
     {"", "\u00E9", "", "\uFFFDa", " b", "", "", "", "\U0001F600", "", "\uFFFD"}},
    {LLAMA,
     {"_Hi", "_x", "<0xC3>", "<0xA9>", "!", "<0xFF>", "<0x41>", "y", "<0x41>"},
     {"Hi", " x", "", "", "\u00E9!", "", "", "\uFFFD\uFFFDy", "", "A"}},
    {LLAMA, {"", "_", "_", "a"}, {"", "", " ", "a", ""}},
    {LLAMA, {""}, {"", ""}},
    {"{\"type\": \"CTC\", \"pad_token\": \"<p>\", \"word_delimiter_token\": \"|\", \"cleanup\": "
     "true}",
     {"a", "a", "<p>", "a", "|", "b"},
     {"", "", "", "", "", "", "aa b"}},
    {"{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Fuse\"}, {\"type\": \"Strip\", "
     "\"content\": \" \", \"start\": 2, \"stop\": 1}]}",
     {" ", "  a", " ", " "},
     {"", "", "", "", " a "}},
    {"{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Fuse\"}, " REPLACE "]}",
     {"a_", "_b"},
     {"", "", "a  b"}},
    {"{\"type\": \"Sequence\", \"decoders\": [" BYTE_LEVEL ", {\"type\": \"Fuse\"}]}",
     {"\u0120a", "\u00C3", "\u00A9"},
     {" a", "", "\u00E9", ""}},
    {"{\"type\": \"Sequence\", \"decoders\": []}", {"a", "b"}, {"a", "b", ""}},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static size_t count_tokens(const struct row *row) {
    size_t count = 0;
    while (count < MOST && row->tokens[count])
        count++;
    return count;
}

// A vocabulary of the row's tokens, and the special token <s>.
static char *write_tokenizer(const struct row *row) {
    json_t *vocabulary = json_pack("{s:i, s:i}", "<unk>", MOST, "<s>", MOST + 1);
    for (size_t i = 0; i < count_tokens(row); i++)
        if (!json_object_get(vocabulary, row->tokens[i]))
            json_object_set_new(vocabulary, row->tokens[i], json_integer((json_int_t)i));
    json_t *root = json_pack("{s:{s:s, s:s, s:o}, s:[{s:i, s:s, s:b}]}", "model", "type",
                             "WordLevel", "unk_token", "<unk>", "vocab", vocabulary, "added_tokens",
                             "id", MOST + 1, "content", "<s>", "special", 1);
    json_object_set_new(root, "decoder", json_loads(row->decoder, JSON_DECODE_ANY, NULL));
    char *json = json_dumps(root, 0);
    json_decref(root);
    return json;
}

static mm_tokenizer *open_row(const struct row *row) {
    char *json = write_tokenizer(row);
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    assert_ok(mm_tokenizer_parse(&tokenizer, json, strlen(json), "row", &error), error);
    free(json);
    return tokenizer;
}

static mm_stream_decoder *new_decoder(const mm_tokenizer *tokenizer, bool skip) {
    mm_stream_decoder *decoder;
    mm_error error = {0};
    assert_ok(mm_stream_decoder_create(&decoder, tokenizer, skip, &error), error);
    return decoder;
}

static void check_text(const char *expected, const char *text, size_t length) {
    if (length != strlen(expected) || memcmp(text, expected, length) != 0)
        fail_msg("got \"%.*s\", expected \"%s\"", (int)length, text, expected);
}

static void test_what_is_final(void **state) {
    (void)state;
    for (size_t r = 0; r < ROWS; r++) {
        const struct row *row = &rows[r];
        mm_tokenizer *tokenizer = open_row(row);
        mm_stream_decoder *decoder = new_decoder(tokenizer, true);
        size_t count = count_tokens(row), length;
        const char *text;
        for (int round = 0; round < 2; round++) {
            for (size_t i = 0; i < count; i++) {
                int32_t id = mm_tokenizer_token_id(tokenizer, row->tokens[i]);
                assert_int_equal(mm_stream_decoder_push(decoder, id, &text, &length, NULL), 0);
                check_text(row->texts[i], text, length);
                // Special tokens and ids beyond the vocabulary change nothing.
                int32_t none = i % 2 ? 9999 : mm_tokenizer_token_id(tokenizer, "<s>");
                assert_int_equal(mm_stream_decoder_push(decoder, none, &text, &length, NULL), 0);
                check_text("", text, length);
            }
            assert_int_equal(mm_stream_decoder_finish(decoder, &text, &length, NULL), 0);
            check_text(row->texts[count], text, length);
        }
        mm_stream_decoder_free(decoder);
        mm_tokenizer_free(tokenizer);
    }
}

static void test_special_tokens_kept(void **state) {
    (void)state;
    mm_tokenizer *tokenizer = open_row(&rows[0]);
    mm_stream_decoder *decoder = new_decoder(tokenizer, false);
    const char *text;
    size_t length;
    int32_t special = mm_tokenizer_token_id(tokenizer, "<s>");
    assert_int_equal(mm_stream_decoder_push(decoder, special, &text, &length, NULL), 0);
    check_text("<s>", text, length);
    mm_stream_decoder_free(decoder);
    mm_stream_decoder_free(NULL);
    mm_tokenizer_free(tokenizer);
}

static void check_cleaned(const mm_tokenizer *tokenizer, const char *const *tokens, size_t count,
                          const char *expected, size_t expected_length) {
    mm_stream_decoder *decoder = new_decoder(tokenizer, true);
    mm_stream_decoder_clean_up(decoder);
    size_t at = 0, length;
    const char *text;
    for (size_t i = 0; i <= count; i++) {
        mm_status status =
            i < count ? mm_stream_decoder_push(decoder, mm_tokenizer_token_id(tokenizer, tokens[i]),
                                               &text, &length, NULL)
                      : mm_stream_decoder_finish(decoder, &text, &length, NULL);
        assert_int_equal(status, 0);
        assert_true(length <= expected_length - at);
        assert_memory_equal(text, expected + at, length);
        at += length;
    }
    assert_int_equal(at, expected_length);
    mm_stream_decoder_free(decoder);
}

static void test_cleaning_up(void **state) {
    (void)state;
    char known[] = "Hello , world ! don ' t do n't I 'm it 's we 've they 're a b ? c .";
    size_t length = strlen(known);
    mm_clean_up_text(known, &length);
    check_text("Hello, world! don't don't I'm it's we've they're a b? c.", known, length);
    // Random texts of what the rules are made of.
    const struct row row = {"{\"type\": \"Fuse\"}",
                            {" ", "'", " n", " '", "t", " v", "e", "r", "s ", ".", "m", ", "},
                            {NULL}};
    mm_tokenizer *tokenizer = open_row(&row);
    uint32_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        const char *tokens[40];
        char text[200] = "";
        for (size_t i = 0; i < 40; i++) {
            seed = seed * 1664525 + 1013904223;
            tokens[i] = row.tokens[(seed >> 16) % MOST];
            strcat(text, tokens[i]);
        }
        length = strlen(text);
        mm_clean_up_text(text, &length);
        check_cleaned(tokenizer, tokens, 40, text, length);
    }
    mm_tokenizer_free(tokenizer);
}

static bool holds_all(const struct row *row) {
    for (size_t i = 0; i < count_tokens(row); i++)
        if (row->texts[i][0])
            return false;
    return true;
}

// Nothing grows with the number of ids: after the first ones no memory is asked for.
static void test_long_sequences(void **state) {
    (void)state;
    for (size_t r = 0; r < ROWS; r++) {
        const struct row *row = &rows[r];
        if (holds_all(row))
            continue;
        mm_tokenizer *tokenizer = open_row(row);
        mm_stream_decoder *decoder = new_decoder(tokenizer, true);
        size_t count = count_tokens(row), length;
        const char *text;
        for (size_t i = 0; i < 20000; i++) {
            if (i == 1000)
                mm_memory_fail_after(0, false);
            int32_t id = mm_tokenizer_token_id(tokenizer, row->tokens[i % count]);
            assert_int_equal(mm_stream_decoder_push(decoder, id, &text, &length, NULL), 0);
        }
        assert_true(mm_memory_allocations() == 0);
        mm_stream_decoder_free(decoder);
        mm_tokenizer_free(tokenizer);
    }
}

static mm_status run_row(const mm_tokenizer *tokenizer, const struct row *row) {
    mm_stream_decoder *decoder;
    mm_error error = {0};
    const char *text;
    size_t length, count = count_tokens(row);
    mm_status status = mm_stream_decoder_create(&decoder, tokenizer, true, &error);
    if (!status)
        mm_stream_decoder_clean_up(decoder);
    for (size_t i = 0; i < count && !status; i++)
        status = mm_stream_decoder_push(decoder, mm_tokenizer_token_id(tokenizer, row->tokens[i]),
                                        &text, &length, &error);
    if (!status)
        status = mm_stream_decoder_finish(decoder, &text, &length, &error);
    assert_int_equal(status, error.status);
    mm_stream_decoder_free(decoder);
    return status;
}

static void test_every_allocation_fails(void **state) {
    (void)state;
    for (size_t r = 0; r < ROWS; r++) {
        mm_tokenizer *tokenizer = open_row(&rows[r]);
        mm_memory_fail_after(0, false);
        assert_int_equal(run_row(tokenizer, &rows[r]), MM_STATUS_OK);
        size_t allocations = mm_memory_allocations();
        assert_true(allocations > 2);
        for (size_t n = 1; n <= allocations; n++) {
            mm_memory_fail_after(n, false);
            mm_status status = run_row(tokenizer, &rows[r]);
            mm_memory_fail_after(0, false);
            assert_int_equal(status, MM_STATUS_OUT_OF_MEMORY);
        }
        mm_tokenizer_free(tokenizer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_final),
        cmocka_unit_test(test_special_tokens_kept),
        cmocka_unit_test(test_cleaning_up),
        cmocka_unit_test(test_long_sequences),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
