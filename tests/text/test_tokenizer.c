// SPDX-License-Identifier: Apache-2.0
// The tokenizers of tests/text/data against what the reference library made of them, and the
// interface: errors, lengths, limits.
#include "text/golden.h"
#include "text/tokenizer.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "scratch.h"

#define DATA MM_TESTS_DIR "/text/data"

static mm_tokenizer *open_data(const char *name) {
    char path[1024];
    snprintf(path, sizeof(path), DATA "/%s", name);
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    assert_ok(mm_tokenizer_open(&tokenizer, path, &error), error);
    return tokenizer;
}

static void test_recorded(void **state) {
    (void)state;
    static const char *const names[] = {"bert-uncased",
                                        "bert-cased",
                                        "bert-plain",
                                        "added",
                                        "forms",
                                        "accents",
                                        "words",
                                        "vocab-cased",
                                        "vocab-older",
                                        "chain-bert-template",
                                        "chain-templates",
                                        "chain-trims",
                                        "byte-bpe",
                                        "byte-bpe-prefix",
                                        "byte-bpe-partial",
                                        "suffix-bpe",
                                        "prefix-bpe",
                                        "fallback-bpe",
                                        "unigram-t5",
                                        "unigram-bytes",
                                        "unigram-bare",
                                        "spiece-t5",
                                        "spiece-xlmr",
                                        "spiece-camembert",
                                        "spiece-albert",
                                        "spiece-llama",
                                        "merges-roberta",
                                        "merges-gpt2",
                                        "spiece-mbart",
                                        "spiece-mbart50",
                                        "spiece-xlnet",
                                        "spiece-pegasus",
                                        "spiece-deberta",
                                        "spiece-rembert",
                                        "spiece-bigbird",
                                        "spiece-reformer",
                                        "spiece-nllb",
                                        "spiece-nllb-legacy",
                                        "merges-blenderbot",
                                        "merges-gpt1",
                                        "merges-neox",
                                        "merges-codegen",
                                        "merges-deberta",
                                        "merges-qwen2",
                                        "merges-clip",
                                        "numbered-marian",
                                        "numbered-m2m100",
                                        "numbered-m2m100-special"};
    golden_counts counts = {0};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[1024];
        snprintf(path, sizeof(path), DATA "/%s/golden.jsonl", names[i]);
        mm_tokenizer *tokenizer = open_data(names[i]);
        golden_run(&counts, tokenizer, path, false);
        mm_tokenizer_free(tokenizer);
    }
    assert_int_equal(counts.failed, 0);
    assert_true(counts.passed > 1500);
}

static void test_accessors(void **state) {
    (void)state;
    mm_tokenizer *tokenizer = open_data("bert-uncased");
    size_t length;
    assert_string_equal(mm_tokenizer_kind(tokenizer), "WordPiece");
    assert_int_equal(mm_tokenizer_token_id(tokenizer, "[SEP]"), 3);
    assert_int_equal(mm_tokenizer_token_id(tokenizer, "no such token"), -1);
    assert_string_equal(mm_tokenizer_token(tokenizer, 2, &length), "[CLS]");
    assert_int_equal(length, 5);
    int32_t size = (int32_t)mm_tokenizer_vocab_size(tokenizer);
    assert_non_null(mm_tokenizer_token(tokenizer, size - 1, &length));
    assert_null(mm_tokenizer_token(tokenizer, size, &length));
    assert_null(mm_tokenizer_token(tokenizer, -1, &length));
    assert_int_equal(mm_tokenizer_special_count(tokenizer, false), 2);
    assert_int_equal(mm_tokenizer_special_count(tokenizer, true), 3);
    assert_int_equal(mm_tokenizer_model_max_length(tokenizer), 0);
    mm_tokenizer_free(tokenizer);
    tokenizer = open_data("vocab-cased");
    assert_int_equal(mm_tokenizer_model_max_length(tokenizer), 64);
    mm_tokenizer_free(tokenizer);
    tokenizer = open_data("vocab-older"); // 1e30 stands for none
    assert_int_equal(mm_tokenizer_model_max_length(tokenizer), 0);
    mm_tokenizer_free(tokenizer);
    mm_tokenizer_free(NULL);
}

static void test_vocab_file_looks_beside_itself(void **state) {
    (void)state;
    mm_tokenizer *tokenizer = open_data("vocab-cased/vocab.txt");
    mm_encoding encoding = {0};
    mm_encode_options options = {0};
    assert_int_equal(mm_tokenizer_encode(tokenizer, &encoding, "The", 3, NULL, 0, &options, NULL),
                     MM_STATUS_OK);
    assert_int_equal(encoding.ids[0], mm_tokenizer_token_id(tokenizer, "[UNK]")); // stays cased
    mm_encoding_free(&encoding);
    mm_tokenizer_free(tokenizer);
}

static void test_lowercase_in_front(void **state) {
    (void)state;
    mm_tokenizer *tokenizer = open_data("bert-cased");
    mm_error error = {0};
    mm_encoding encoding = {0};
    mm_encode_options options = {0};
    assert_ok(mm_tokenizer_prepend_lowercase(tokenizer, &error), error);
    assert_ok(mm_tokenizer_encode(tokenizer, &encoding, "The", 3, NULL, 0, &options, &error),
              error);
    assert_int_equal(encoding.count, 1);
    assert_int_equal(encoding.ids[0], mm_tokenizer_token_id(tokenizer, "the"));
    mm_encoding_free(&encoding);
    mm_tokenizer_free(tokenizer);
}

static void test_text_that_is_not_utf8(void **state) {
    (void)state;
    mm_tokenizer *tokenizer = open_data("bert-uncased");
    mm_error error = {0};
    mm_encoding encoding = {0};
    mm_encode_options options = {0};
    assert_status(mm_tokenizer_encode(tokenizer, &encoding, "ab\xFF", 3, NULL, 0, &options, &error),
                  MM_STATUS_INVALID_REQUEST, error);
    assert_string_equal(error.details, "{\"byte\": 2}");
    assert_status(
        mm_tokenizer_encode(tokenizer, &encoding, "ab", 2, "\xED\xA0\x80", 3, &options, &error),
        MM_STATUS_INVALID_REQUEST, error);
    assert_ok(mm_tokenizer_encode(tokenizer, &encoding, "a\0b", 3, NULL, 0, &options, &error),
              error);
    assert_int_equal(encoding.count, 2); // clean_text drops U+0000
    mm_encoding_free(&encoding);
    mm_tokenizer_free(tokenizer);
}

// An empty pair is a pair: it has its separators.
static void check_cleans_up(const char *file, const char *text, const char *config, bool expected) {
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    char path[64];
    snprintf(path, sizeof(path), "c/%s", file);
    assert_non_null(scratch_create());
    scratch_write(path, text, strlen(text));
    scratch_write("c/tokenizer_config.json", config, strlen(config));
    assert_ok(mm_tokenizer_open(&tokenizer, scratch_path("c"), &error), error);
    assert_int_equal(mm_tokenizer_cleans_up(tokenizer), expected);
    mm_tokenizer_free(tokenizer);
    scratch_remove();
}

static void test_cleaning_up_as_configured(void **state) {
    (void)state;
    static const char words[] = "[UNK]\n[CLS]\n[SEP]\na\n";
    static const char bpe[] = "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, "
                              "\"merges\": []}}";
#define CLEAN_UP "\"clean_up_tokenization_spaces"
    check_cleans_up("vocab.txt", words, "{}", false);
    check_cleans_up("vocab.txt", words, "{" CLEAN_UP "\": false}", false);
    check_cleans_up("vocab.txt", words, "{" CLEAN_UP "\": true}", true);
    check_cleans_up("tokenizer.json", bpe, "{" CLEAN_UP "\": true}", false);
    check_cleans_up("tokenizer.json", bpe,
                    "{" CLEAN_UP "\": true, " CLEAN_UP
                    "_for_bpe_even_though_it_will_corrupt_output\": true}",
                    true);
}

static void test_options_that_cannot_be_met(void **state) {
    (void)state;
    mm_tokenizer *tokenizer = open_data("bert-uncased");
    static const struct {
        mm_truncation truncation;
        const char *part;
    } rows[] = {{{.max_length = 4, .strategy = MM_TRUNCATE_ONLY_SECOND}, "needs a pair"},
                {{.max_length = 4, .stride = 2}, "stride"},
                {{.max_length = 3, .stride = SIZE_MAX}, "stride"}};
    mm_encoding encoding = {0};
    mm_error error = {0};
    mm_encode_options options = {.add_special_tokens = true, .want_overflow = true};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        options.truncation = rows[i].truncation;
        assert_status(
            mm_tokenizer_encode(tokenizer, &encoding, "a b c d", 7, NULL, 0, &options, &error),
            MM_STATUS_INVALID_PARAMETER, error);
        assert_contains(error.message, rows[i].part);
    }
    // A stride so near to the window's length that the windows would fill the memory.
    enum { WORDS = 40000 };
    char *words = mm_malloc(2 * WORDS);
    for (size_t i = 0; i < 2 * WORDS; i++)
        words[i] = i % 2 ? ' ' : 'a';
    options.truncation = (mm_truncation){.max_length = 10002, .stride = 9999};
    assert_status(
        mm_tokenizer_encode(tokenizer, &encoding, words, 2 * WORDS, NULL, 0, &options, &error),
        MM_STATUS_INPUT_TOO_LONG, error);
    mm_free(words);
    const mm_padding endless[] = {{.fixed = true, .length = SIZE_MAX}, {.multiple_of = SIZE_MAX}};
    options = (mm_encode_options){.want_offsets = true};
    assert_ok(mm_tokenizer_encode(tokenizer, &encoding, "a b", 3, NULL, 0, &options, &error),
              error);
    for (size_t i = 0; i < 2; i++)
        assert_status(mm_encodings_pad(&encoding, 1, &endless[i], &error),
                      MM_STATUS_INVALID_PARAMETER, error);
    mm_encoding_free(&encoding);
    mm_tokenizer_free(tokenizer);
}

static void test_empty_pair(void **state) {
    (void)state;
    mm_tokenizer *tokenizer = open_data("bert-uncased");
    mm_encoding encoding = {0};
    mm_encode_options options = {.add_special_tokens = true};
    mm_error error = {0};
    assert_ok(mm_tokenizer_encode(tokenizer, &encoding, "fox", 3, "", 0, &options, &error), error);
    assert_int_equal(encoding.count, 4);
    assert_int_equal(encoding.type_ids[3], 1);
    assert_ok(mm_tokenizer_encode(tokenizer, &encoding, "fox", 3, NULL, 0, &options, &error),
              error);
    assert_int_equal(encoding.count, 3);
    mm_encoding_free(&encoding);
    mm_tokenizer_free(tokenizer);
}

static char *repeat(const char *unit, size_t total, size_t *length) {
    size_t size = strlen(unit);
    char *text = malloc(total + size);
    assert_non_null(text);
    for (*length = 0; *length < total; *length += size)
        memcpy(text + *length, unit, size);
    return text;
}

// What grew with the square of such a text would take hours and run into the runner's time limit.
static void test_large_texts(void **state) {
    (void)state;
    static const char *const units[] = {"x",
                                        " ",
                                        "[",
                                        "[MASK",
                                        "\xCC\x81",
                                        "a\xCC\x81",
                                        "\xE3\x80\xAE",
                                        "\xE4\xB8\xAD",
                                        "the fox ",
                                        "<new>  <"};
    static const char *const names[] = {"bert-uncased", "added", "forms", "accents"};
    mm_encoding encoding = {0};
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        mm_tokenizer *tokenizer = open_data(names[n]);
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
            size_t length, total = n == 0 && i % 8 == 0 ? 10u << 20 : 1u << 20;
            char *text = repeat(units[i], total, &length);
            mm_error error = {0};
            mm_encode_options options = {.add_special_tokens = true, .truncation.max_length = 16};
            assert_ok(
                mm_tokenizer_encode(tokenizer, &encoding, text, length, NULL, 0, &options, &error),
                error);
            size_t full = encoding.full_count;
            assert_true(encoding.count <= 16);
            options.truncation.max_length = 0;
            assert_ok(
                mm_tokenizer_encode(tokenizer, &encoding, text, length, NULL, 0, &options, &error),
                error);
            assert_int_equal(encoding.count, full);
            assert_false(encoding.truncated);
            free(text);
        }
        mm_tokenizer_free(tokenizer);
    }
    mm_encoding_free(&encoding);
}

typedef struct shared_run {
    const mm_tokenizer *tokenizer;
    size_t counts[4];
} shared_run;

static void encode_many(void *payload, int member) {
    shared_run *run = payload;
    mm_encoding encoding = {0};
    for (int i = 0; i < 200; i++) {
        static const char text[] = "Hello <l>  caf\xC3\xA9 unbelievable <w> \xE4\xB8\xAD";
        mm_encode_options options = {.add_special_tokens = true, .want_offsets = i % 2 == 0};
        if (mm_tokenizer_encode(run->tokenizer, &encoding, text, strlen(text), NULL, 0, &options,
                                NULL) == MM_STATUS_OK)
            run->counts[member] += encoding.count;
    }
    mm_encoding_free(&encoding);
}

// Any number of threads may encode with one tokenizer (the thread sanitizer looks).
static void test_threads(void **state) {
    (void)state;
    mm_tokenizer *tokenizer = open_data("added");
    mm_team *team;
    mm_error error = {0};
    assert_ok(mm_team_create(&team, 4, &error), error);
    shared_run run = {.tokenizer = tokenizer};
    mm_team_run(team, encode_many, &run);
    for (int i = 0; i < 4; i++) {
        assert_true(run.counts[i] > 0);
        assert_int_equal(run.counts[i], run.counts[0]);
    }
    mm_team_free(team);
    mm_tokenizer_free(tokenizer);
}

static void check_open(const char *path, mm_status expected, const char *part) {
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    assert_status(mm_tokenizer_open(&tokenizer, path, &error), expected, error);
    assert_null(tokenizer);
    assert_contains(error.message, part);
}

static void check_parse(const char *json, mm_status expected, const char *part) {
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    assert_status(mm_tokenizer_parse(&tokenizer, json, strlen(json), "t.json", &error), expected,
                  error);
    mm_tokenizer_free(tokenizer);
    if (expected)
        assert_contains(error.message, part);
}

static void test_open_fails(void **state) {
    (void)state;
    assert_non_null(scratch_create());
    check_open("/no/such/place", MM_STATUS_MODEL_NOT_FOUND, "/no/such/place");
    check_open("/no/such/tokenizer.json", MM_STATUS_MODEL_NOT_FOUND, "/no/such/tokenizer.json");
    char folder[4096];
    snprintf(folder, sizeof(folder), "%s", scratch_path("a"));
    scratch_write("a/config.json", "{}", 2);
    check_open(folder, MM_STATUS_MODEL_NOT_FOUND, "vocab.txt");
    scratch_write("a/spiece.model", "x", 1);
    check_open(folder, MM_STATUS_MODEL_CORRUPT, "spiece.model");
    check_open(scratch_path("a/spiece.model"), MM_STATUS_MODEL_CORRUPT, "spiece.model");
    scratch_write("a/vocab.txt", "", 0);
    check_open(folder, MM_STATUS_MODEL_CORRUPT, "empty");
    scratch_write("a/vocab.txt", "a\xFF\n", 3);
    check_open(folder, MM_STATUS_MODEL_CORRUPT, "UTF-8");
    scratch_write("a/vocab.txt", "a\nb\n", 4);
    scratch_write("a/tokenizer_config.json", "{\"do_lower_case\": 3}", 20);
    check_open(folder, MM_STATUS_MODEL_CORRUPT, "do_lower_case");
    scratch_write("a/tokenizer_config.json", "{\"model_max_length\": -1}", 24);
    check_open(folder, MM_STATUS_MODEL_CORRUPT, "model_max_length");
    scratch_write("a/tokenizer_config.json", "[]", 2);
    check_open(folder, MM_STATUS_MODEL_CORRUPT, "tokenizer_config.json");
    scratch_remove();
}

#define MODEL "\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"u\", \"vocab\": {\"u\": 0}}"

static void test_bad_json(void **state) {
    (void)state;
    check_parse("{" MODEL "}", MM_STATUS_OK, "");
    static const struct {
        const char *json;
        mm_status status;
        const char *part;
    } rows[] = {
        {"", MM_STATUS_MODEL_CORRUPT, "JSON"},
        {"[]", MM_STATUS_MODEL_CORRUPT, "object"},
        {"{}", MM_STATUS_MODEL_CORRUPT, "model"},
        {"{" MODEL, MM_STATUS_MODEL_CORRUPT, "JSON"},
        {"{" MODEL "} x", MM_STATUS_MODEL_CORRUPT, "JSON"},
        {"{" MODEL ", " MODEL "}", MM_STATUS_MODEL_CORRUPT, "JSON"},
        {"{\"version\": \"2.0\", " MODEL "}", MM_STATUS_MODEL_UNSUPPORTED, "2.0"},
        {"{\"model\": {\"type\": \"Other\", \"vocab\": {}, \"merges\": []}}",
         MM_STATUS_MODEL_UNSUPPORTED, "Other"},
        {"{\"model\": {\"type\": \"WordPiece\"}}", MM_STATUS_MODEL_CORRUPT, "vocab"},
        {"{\"model\": {\"type\": \"WordPiece\", \"vocab\": 3}}", MM_STATUS_MODEL_CORRUPT, "vocab"},
        {"{\"model\": {\"vocab\": {\"a\": -1}}}", MM_STATUS_MODEL_CORRUPT, "entry 1"},
        {"{\"model\": {\"vocab\": {\"a\": 1, \"b\": 4294967296}}}", MM_STATUS_MODEL_CORRUPT,
         "entry 2"},
        {"{\"model\": {\"vocab\": {\"a\": 1.5}}}", MM_STATUS_MODEL_CORRUPT, "entry"},
        {"{\"model\": {\"vocab\": {\"a\": 01}}}", MM_STATUS_MODEL_CORRUPT, "entry"},
        {"{\"model\": {\"vocab\": {\"a\": 1,}}}", MM_STATUS_MODEL_CORRUPT, "entry"},
        {"{\"model\": {\"vocab\": {\"\\ud800\": 1}}}", MM_STATUS_MODEL_CORRUPT, "entry"},
        {"{\"model\": {\"vocab\": {\"\\x\": 1}}}", MM_STATUS_MODEL_CORRUPT, "entry"},
        {"{\"model\": {\"vocab\": {\"a\nb\": 1}}}", MM_STATUS_MODEL_CORRUPT, "entry"},
        {"{\"normalizer\": {\"type\": \"None\"}, " MODEL "}", MM_STATUS_MODEL_UNSUPPORTED, "None"},
        {"{\"normalizer\": {}, " MODEL "}", MM_STATUS_MODEL_CORRUPT, "type"},
        {"{\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(\"}, \"content\": "
         "\"\"}, " MODEL "}",
         MM_STATUS_MODEL_CORRUPT, "the pattern \"(\""},
        {"{\"normalizer\": {\"type\": \"BertNormalizer\", \"lowercase\": 1}, " MODEL "}",
         MM_STATUS_MODEL_CORRUPT, "lowercase"},
        {"{\"pre_tokenizer\": {\"type\": \"ByteLevel\"}, " MODEL "}", MM_STATUS_MODEL_CORRUPT,
         "add_prefix_space"},
        {"{\"pre_tokenizer\": {\"type\": \"Punctuation\", \"behavior\": \"x\"}, " MODEL "}",
         MM_STATUS_MODEL_CORRUPT, "behavior"},
        {"{\"post_processor\": {\"type\": \"Other\"}, " MODEL "}", MM_STATUS_MODEL_UNSUPPORTED,
         "Other"},
        {"{\"post_processor\": {\"type\": \"ByteLevel\"}, " MODEL "}", MM_STATUS_MODEL_CORRUPT,
         "trim_offsets"},
        {"{\"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"a\"]}, " MODEL "}",
         MM_STATUS_MODEL_CORRUPT, "sep"},
        {"{\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": "
         "{\"id\": \"q\", \"type_id\": 0}}], \"pair\": [], \"special_tokens\": {}}, " MODEL "}",
         MM_STATUS_MODEL_CORRUPT, "q"},
        {"{\"decoder\": {\"type\": \"CTC\"}, " MODEL "}", MM_STATUS_MODEL_CORRUPT, "CTC"},
        {"{\"added_tokens\": [{\"content\": \"a\"}], " MODEL "}", MM_STATUS_MODEL_CORRUPT,
         "added token 0"},
        {"{\"added_tokens\": {}, " MODEL "}", MM_STATUS_MODEL_CORRUPT, "added_tokens"},
        {"{\"truncation\": 3, " MODEL "}", MM_STATUS_MODEL_CORRUPT, "truncation"},
        {"{\"truncation\": {\"stride\": 0}, " MODEL "}", MM_STATUS_MODEL_CORRUPT, "max_length"},
        {"{\"truncation\": {\"max_length\": 3, \"stride\": -1}, " MODEL "}",
         MM_STATUS_MODEL_CORRUPT, "stride"},
        {"{\"truncation\": {\"max_length\": 3, \"stride\": 0, \"strategy\": \"Other\"}, " MODEL "}",
         MM_STATUS_MODEL_CORRUPT, "strategy"},
        {"{\"padding\": [], " MODEL "}", MM_STATUS_MODEL_CORRUPT, "padding"},
        {"{\"padding\": {\"strategy\": \"Longest\"}, " MODEL "}", MM_STATUS_MODEL_CORRUPT,
         "BatchLongest"},
        {"{\"padding\": {\"strategy\": {\"Fixed\": -4}}, " MODEL "}", MM_STATUS_MODEL_CORRUPT,
         "Fixed"},
        {"{\"padding\": {\"strategy\": \"BatchLongest\", \"direction\": \"Left\", \"pad_id\": 0, "
         "\"pad_type_id\": 0}, " MODEL "}",
         MM_STATUS_MODEL_CORRUPT, "pad_token"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_parse(rows[i].json, rows[i].status, rows[i].part);
}

static void test_deep_nesting(void **state) {
    (void)state;
    for (size_t depth = 10; depth <= 1000; depth *= 100) {
        mm_buffer json;
        mm_buffer_init(&json, 1 << 20);
        mm_buffer_puts(&json, "{\"normalizer\": ");
        for (size_t i = 0; i < depth; i++)
            mm_buffer_puts(&json, "{\"type\": \"Sequence\", \"normalizers\": [");
        for (size_t i = 0; i < depth; i++)
            mm_buffer_puts(&json, "]}");
        mm_buffer_puts(&json, ", " MODEL "}");
        check_parse(json.data, depth == 10 ? MM_STATUS_OK : MM_STATUS_MODEL_CORRUPT, "deep");
        mm_buffer_free(&json);
    }
}

// The vocabulary's own reader takes what JSON allows.
static void test_vocabulary_json(void **state) {
    (void)state;
    static const char json[] =
        " { \"a\" : [ {\"model\":1} , \"}\\\"\" ] , \"model\" : { \"type\":\"WordLevel\","
        "\"vocab\"\n:\t{ \"\\u00e9\\n\\\"\" : 7 ,\"\\ud83d\\ude00\":4294967295,\"\":1,\"a\":0,"
        "\"a\":2,\"x\\u0000y\":3 } , \"unk_token\":\"a\" } } ";
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    assert_ok(mm_tokenizer_parse(&tokenizer, json, strlen(json), "t.json", &error), error);
    size_t length;
    assert_int_equal(mm_tokenizer_token_id(tokenizer, "\xC3\xA9\n\""), 7);
    assert_int_equal(mm_tokenizer_token_id(tokenizer, "a"), 2); // the last one counts
    assert_string_equal(mm_tokenizer_token(tokenizer, -1, &length), "\xF0\x9F\x98\x80");
    assert_non_null(mm_tokenizer_token(tokenizer, 3, &length));
    assert_int_equal(length, 3);
    assert_true(mm_tokenizer_vocab_size(tokenizer) == (size_t)1 << 32);
    mm_tokenizer_free(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_accessors),
        cmocka_unit_test(test_vocab_file_looks_beside_itself),
        cmocka_unit_test(test_lowercase_in_front),
        cmocka_unit_test(test_text_that_is_not_utf8),
        cmocka_unit_test(test_cleaning_up_as_configured),
        cmocka_unit_test(test_options_that_cannot_be_met),
        cmocka_unit_test(test_empty_pair),
        cmocka_unit_test(test_large_texts),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_open_fails),
        cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_vocabulary_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
