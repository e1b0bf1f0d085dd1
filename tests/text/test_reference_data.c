// SPDX-License-Identifier: Apache-2.0
// Recorded results of the reference tokenizer library that lie beside the checkout (../shared).
#include "text/golden.h"

#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scratch.h"

#define DATA MM_SHARED_DIR "/tokenizers"

static bool have_data(void) {
    if (mm_file_exists(DATA "/codepoints/ranges.json"))
        return true;
    printf("skipped: %s is not there\n", DATA);
    return false;
}

static void check_golden(const char *tokenizer_path, const char *golden) {
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    if (mm_tokenizer_open(&tokenizer, tokenizer_path, &error))
        fail_msg("%s", error.message);
    golden_counts counts = {0};
    golden_run(&counts, tokenizer, golden, false);
    mm_tokenizer_free(tokenizer);
    printf("%s: %zu passed, %zu failed\n", tokenizer_path, counts.passed, counts.failed);
    assert_int_equal(counts.failed, 0);
    assert_true(counts.passed >= 637);
}

static void test_bert_tokenizer_json(void **state) {
    (void)state;
    if (have_data())
        check_golden(DATA "/bert-uncased/tokenizer.json", DATA "/golden/bert-uncased.jsonl");
}

static void test_bert_vocab_txt(void **state) {
    (void)state;
    if (have_data())
        check_golden(DATA "/bert-uncased/vocab.txt", DATA "/golden/bert-uncased.jsonl");
}

static void test_roberta_tokenizer_json(void **state) {
    (void)state;
    if (have_data())
        check_golden(DATA "/roberta/tokenizer.json", DATA "/golden/roberta.jsonl");
}

static void test_t5_tokenizer_json(void **state) {
    (void)state;
    if (have_data())
        check_golden(DATA "/t5/tokenizer.json", DATA "/golden/t5.jsonl");
}

static void test_gpt2_merges(void **state) {
    (void)state;
    if (have_data())
        check_golden(DATA "/gpt2", DATA "/golden/gpt2.jsonl");
}

// The items of a recording that do not speak of <mask>.
static void copy_items(FILE *out, const char *path) {
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, in) > 0)
        if (!strstr(line, "<mask>"))
            fputs(line, out);
    free(line);
    fclose(in);
}

// The ids of a file of differences, which leaves out what follows from them.
static void copy_ids(FILE *out, const char *path) {
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, in) > 0) {
        json_t *item = json_loads(line, JSON_ALLOW_NUL, NULL);
        json_t *plain = json_deep_copy(json_object_get(item, "ids"));
        assert_true(json_array_size(plain) >= 2);
        json_array_remove(plain, 0); // <s> and </s>
        json_array_remove(plain, json_array_size(plain) - 1);
        json_object_set_new(item, "ids_plain", plain);
        json_object_del(item, "decoded");
        assert_int_equal(json_dumpf(item, out, JSON_COMPACT | JSON_ENSURE_ASCII), 0);
        fputc('\n', out);
        json_decref(item);
    }
    free(line);
    fclose(in);
}

// As tokenizer.json of the same folder, but for blanks before <mask>.
static void test_roberta_merges(void **state) {
    (void)state;
    if (!have_data())
        return;
    assert_non_null(scratch_create());
    const char *path = scratch_write("golden.jsonl", "", 0);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    copy_items(out, DATA "/golden/roberta.jsonl");
    copy_ids(out, DATA "/golden/roberta.differs.vocab-merges.jsonl");
    assert_int_equal(fclose(out), 0);
    check_golden(DATA "/roberta/vocab.json", path);
    scratch_remove();
}

static void test_t5_spiece_model(void **state) {
    (void)state;
    if (have_data())
        check_golden(DATA "/t5/spiece.model", DATA "/golden/t5.jsonl");
}

static int compare_names(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

// Runs one feature folder; false when its kind is not built.
static bool run_feature(golden_counts *total, const char *name) {
    char path[1024], golden[1024];
    snprintf(path, sizeof(path), DATA "/features/%s/tokenizer.json", name);
    snprintf(golden, sizeof(golden), DATA "/features/%s/golden.jsonl", name);
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    if (mm_tokenizer_open(&tokenizer, path, &error)) {
        const char *colon = strstr(error.message, "json: ");
        printf("%s: %s\n", name, colon ? colon + 6 : error.message);
        if (error.status == MM_STATUS_MODEL_UNSUPPORTED)
            return false;
        total->failed++;
        return true;
    }
    golden_counts counts = {0};
    golden_run(&counts, tokenizer, golden, true);
    mm_tokenizer_free(tokenizer);
    if (counts.failed)
        printf("%s: %zu of %zu failed\n", name, counts.failed, counts.failed + counts.passed);
    total->passed += counts.passed;
    total->failed += counts.failed;
    return true;
}

static void test_features(void **state) {
    (void)state;
    if (!have_data())
        return;
    DIR *directory = opendir(DATA "/features");
    assert_non_null(directory);
    char *names[1024];
    size_t count = 0, run = 0;
    for (struct dirent *entry; (entry = readdir(directory)) && count < 1024;)
        if (entry->d_name[0] != '.' && !strchr(entry->d_name, '.'))
            names[count++] = strdup(entry->d_name);
    closedir(directory);
    qsort(names, count, sizeof(names[0]), compare_names);
    golden_counts total = {0};
    for (size_t i = 0; i < count; i++) {
        run += run_feature(&total, names[i]);
        free(names[i]);
    }
    printf("features: %zu of %zu folders run, %zu cases passed, %zu failed\n", run, count,
           total.passed, total.failed);
    assert_int_equal(total.failed, 0);
    assert_true(run >= 222);
}

// What an embedding folder says of lengths and case.
static void read_folder(mm_tokenizer *tokenizer, const char *folder, size_t *max_length) {
    char path[1024];
    snprintf(path, sizeof(path), "%s/sentence_bert_config.json", folder);
    json_t *config = json_load_file(path, 0, NULL);
    *max_length = (size_t)json_integer_value(json_object_get(config, "max_seq_length"));
    if (json_is_true(json_object_get(config, "do_lower_case")))
        assert_int_equal(mm_tokenizer_prepend_lowercase(tokenizer, NULL), MM_STATUS_OK);
    json_decref(config);
    if (*max_length)
        return;
    snprintf(path, sizeof(path), "%s/config.json", folder);
    config = json_load_file(path, 0, NULL);
    size_t positions =
        (size_t)json_integer_value(json_object_get(config, "max_position_embeddings"));
    *max_length = mm_tokenizer_model_max_length(tokenizer);
    if (*max_length == 0 || (positions && positions < *max_length))
        *max_length = positions;
    json_decref(config);
}

static bool same_ids(const json_t *expected, const mm_encoding *encoding) {
    if (json_array_size(expected) != encoding->count)
        return false;
    for (size_t i = 0; i < encoding->count; i++)
        if ((uint32_t)json_integer_value(json_array_get(expected, i)) != (uint32_t)encoding->ids[i])
            return false;
    return true;
}

static size_t check_run(const mm_tokenizer *tokenizer, const json_t *texts, const json_t *run,
                        size_t max_length, const char *folder) {
    const char *prompt = json_string_value(json_object_get(run, "prompt_used"));
    mm_encoding encoding = {0};
    mm_encode_options options = {.add_special_tokens = true, .truncation.max_length = max_length};
    size_t failed = 0;
    for (size_t i = 0; i < json_array_size(texts); i++) {
        char *text = NULL;
        int length = asprintf(&text, "%s%s", prompt ? prompt : "",
                              json_string_value(json_array_get(texts, i)));
        assert_true(length >= 0);
        mm_status status = mm_tokenizer_encode(tokenizer, &encoding, text, (size_t)length, NULL, 0,
                                               &options, NULL);
        free(text);
        if (status || !same_ids(json_array_get(json_object_get(run, "token_ids"), i), &encoding)) {
            printf("%s: text %zu differs\n", folder, i);
            failed++;
        }
    }
    mm_encoding_free(&encoding);
    return failed;
}

// The token ids of the embedding models: from tokenizer.json, or from vocab.txt and its neighbours.
static void test_model_folders(void **state) {
    (void)state;
    static const char *const names[] = {
        "bert-bf16",       "bert-cls-f16",    "bert-mean-normalize", "bert-oldnames",
        "bert-sharded",    "distilbert-emb",  "electra-emb",         "mpnet-emb",
        "nomic-emb",       "no-modules-json", "prompts-default",     "prompts-excluded",
        "st-lower-case",   "albert-emb",      "roberta-emb",         "camembert-emb",
        "xlm-roberta-emb", "t5-emb",          "modernbert-emb",      "gte-emb",
        "qwen3-emb",       "gemma3-emb"};
    if (!have_data())
        return;
    size_t failed = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char folder[512], path[1024];
        snprintf(folder, sizeof(folder), MM_SHARED_DIR "/golden/%s", names[i]);
        snprintf(path, sizeof(path), "%s/golden.json", folder);
        mm_tokenizer *tokenizer;
        mm_error error = {0};
        if (mm_tokenizer_open(&tokenizer, folder, &error))
            fail_msg("%s", error.message);
        size_t max_length;
        read_folder(tokenizer, folder, &max_length);
        json_t *golden = json_load_file(path, 0, NULL), *run;
        assert_non_null(golden);
        size_t index;
        json_array_foreach(json_object_get(golden, "runs"), index, run) {
            failed +=
                check_run(tokenizer, json_object_get(golden, "texts"), run, max_length, names[i]);
        }
        assert_true(index > 0);
        json_decref(golden);
        mm_tokenizer_free(tokenizer);
    }
    assert_int_equal(failed, 0);
}

static size_t check_decoded(const mm_tokenizer *tokenizer, const json_t *run) {
    size_t index, failed = 0;
    json_t *ids;
    json_array_foreach(json_object_get(run, "sequences"), index, ids) {
        int32_t sequence[512];
        size_t count = json_array_size(ids), length;
        assert_true(count <= 512);
        for (size_t i = 0; i < count; i++)
            sequence[i] = (int32_t)json_integer_value(json_array_get(ids, i));
        char *text;
        assert_int_equal(
            mm_tokenizer_decode(tokenizer, &text, &length, sequence, count, true, NULL),
            MM_STATUS_OK);
        const json_t *expected = json_array_get(json_object_get(run, "text"), index);
        failed += length != json_string_length(expected) ||
                  memcmp(text, json_string_value(expected), length) != 0;
        mm_free(text);
    }
    return failed;
}

// Translation models without tokenizer.json: what goes in, and the texts of what came out.
static void test_translation_folders(void **state) {
    (void)state;
    static const char *const names[] = {"marian", "m2m100"};
    for (size_t i = 0; i < 2 && have_data(); i++) {
        char folder[512], path[1024];
        snprintf(folder, sizeof(folder), MM_SHARED_DIR "/golden/%s", names[i]);
        snprintf(path, sizeof(path), "%s/golden.json", folder);
        mm_tokenizer *tokenizer;
        mm_error error = {0};
        if (mm_tokenizer_open(&tokenizer, folder, &error))
            fail_msg("%s", error.message);
        json_t *golden = json_load_file(path, JSON_ALLOW_NUL, NULL), *item;
        size_t index, failed = 0;
        mm_encoding encoding = {0};
        mm_encode_options options = {.add_special_tokens = true};
        json_array_foreach(json_object_get(golden, "inputs"), index, item) {
            const json_t *text = json_object_get(item, "text");
            assert_int_equal(mm_tokenizer_encode(tokenizer, &encoding, json_string_value(text),
                                                 json_string_length(text), NULL, 0, &options, NULL),
                             MM_STATUS_OK);
            failed += !same_ids(json_object_get(item, "input_ids"), &encoding);
        }
        assert_true(index > 0);
        json_array_foreach(json_object_get(golden, "runs"), index, item) failed +=
            check_decoded(tokenizer, item);
        assert_true(index > 0);
        assert_int_equal(failed, 0);
        mm_encoding_free(&encoding);
        json_decref(golden);
        mm_tokenizer_free(tokenizer);
    }
}

// One malformed file: whether it ends as the reference says.
static bool check_bad(const json_t *item) {
    const char *file = json_string_value(json_object_get(item, "file"));
    const char *expected = json_string_value(json_object_get(item, "expected"));
    const json_t *text = json_object_get(item, "text"), *ids = json_object_get(item, "ids");
    char path[1024];
    snprintf(path, sizeof(path), DATA "/bad/%s", file);
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    mm_status status = mm_tokenizer_open(&tokenizer, path, &error);
    if (status) {
        if (error.message[0] == '\0' || strcmp(mm_status_name(status), "INTERNAL") == 0)
            return false;
        return strcmp(expected, "error") == 0 || json_is_false(json_object_get(item, "binding"));
    }
    mm_encoding encoding = {0};
    mm_encode_options options = {.add_special_tokens = true};
    status = mm_tokenizer_encode(tokenizer, &encoding, json_string_value(text),
                                 json_string_length(text), NULL, 0, &options, &error);
    bool ok = strcmp(expected, "accept") == 0 && (!ids || (!status && same_ids(ids, &encoding)));
    mm_encoding_free(&encoding);
    mm_tokenizer_free(tokenizer);
    return ok;
}

static void test_bad_files(void **state) {
    (void)state;
    if (!have_data())
        return;
    json_t *items = json_load_file(DATA "/bad/expected.json", 0, NULL), *item;
    size_t index, failed = 0;
    json_array_foreach(items, index, item) {
        if (check_bad(item))
            continue;
        printf("%s: other than expected\n", json_string_value(json_object_get(item, "file")));
        failed++;
    }
    json_decref(items);
    assert_true(index > 30);
    assert_int_equal(failed, 0);
}

// A merges.txt with vocab.json beside it.
static bool check_bad_merges(const json_t *item) {
    const char *file = json_string_value(json_object_get(item, "file"));
    const char *names[] = {file, json_string_value(json_object_get(item, "with"))};
    for (int i = 0; i < 2; i++) {
        char path[1024];
        snprintf(path, sizeof(path), DATA "/bad-fallback/%s", names[i]);
        char *text;
        size_t length;
        assert_int_equal(mm_file_read(&text, &length, path, 1 << 20, NULL), MM_STATUS_OK);
        assert_non_null(scratch_write(i ? names[i] : "merges.txt", text, length));
        mm_free(text);
    }
    const json_t *text = json_object_get(item, "text");
    bool accept = strcmp(json_string_value(json_object_get(item, "expected")), "accept") == 0;
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    mm_status status = mm_tokenizer_open(&tokenizer, scratch_path("."), &error);
    if (status)
        return !accept && status == MM_STATUS_MODEL_CORRUPT && strstr(error.message, "merges.txt");
    mm_encoding encoding = {0};
    mm_encode_options options = {.add_special_tokens = true};
    status = mm_tokenizer_encode(tokenizer, &encoding, json_string_value(text),
                                 json_string_length(text), NULL, 0, &options, &error);
    bool ok = accept && !status && same_ids(json_object_get(item, "ids"), &encoding);
    mm_encoding_free(&encoding);
    mm_tokenizer_free(tokenizer);
    return ok;
}

static void test_bad_merges(void **state) {
    (void)state;
    if (!have_data())
        return;
    assert_non_null(scratch_create());
    json_t *items = json_load_file(DATA "/bad-fallback/expected.json", 0, NULL), *item;
    size_t index, run = 0, failed = 0;
    json_array_foreach(items, index, item) {
        if (!json_object_get(item, "with"))
            continue;
        run++;
        if (check_bad_merges(item))
            continue;
        printf("%s: other than expected\n", json_string_value(json_object_get(item, "file")));
        failed++;
    }
    json_decref(items);
    scratch_remove();
    assert_true(run >= 4);
    assert_int_equal(failed, 0);
}

static void test_bad_sentencepiece_files(void **state) {
    (void)state;
    if (!have_data())
        return;
    json_t *items = json_load_file(DATA "/bad-fallback/expected.json", 0, NULL), *item;
    size_t index, run = 0;
    json_array_foreach(items, index, item) {
        const char *file = json_string_value(json_object_get(item, "file"));
        const char *expected = json_string_value(json_object_get(item, "expected"));
        if (!strstr(file, ".model"))
            continue;
        char path[1024];
        snprintf(path, sizeof(path), DATA "/bad-fallback/%s", file);
        mm_tokenizer *tokenizer;
        mm_error error = {0};
        mm_status status = mm_tokenizer_open(&tokenizer, path, &error);
        mm_tokenizer_free(tokenizer);
        if ((strcmp(expected, "accept") == 0) != (status == MM_STATUS_OK))
            fail_msg("%s: %s, expected %s: %s", file, mm_status_name(status), expected,
                     error.message);
        run++;
    }
    json_decref(items);
    assert_true(run >= 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bert_tokenizer_json),
        cmocka_unit_test(test_bert_vocab_txt),
        cmocka_unit_test(test_roberta_tokenizer_json),
        cmocka_unit_test(test_t5_tokenizer_json),
        cmocka_unit_test(test_t5_spiece_model),
        cmocka_unit_test(test_translation_folders),
        cmocka_unit_test(test_gpt2_merges),
        cmocka_unit_test(test_roberta_merges),
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_model_folders),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_bad_sentencepiece_files),
        cmocka_unit_test(test_bad_merges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
