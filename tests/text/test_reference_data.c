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
    golden_run(&counts, tokenizer, golden, NULL);
    mm_tokenizer_free(tokenizer);
    printf("%s: %zu passed, %zu failed, %zu use options not offered\n", tokenizer_path,
           counts.passed, counts.failed, counts.not_covered);
    assert_int_equal(counts.failed, 0);
    assert_true(counts.passed > 500);
}

static void test_bert_tokenizer_json(void **state) {
    (void)state;
    if (have_data())
        check_golden(DATA "/bert-uncased/tokenizer.json", DATA "/golden/bert-uncased.jsonl");
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
    json_t *stored = json_load_file(path, JSON_ALLOW_NUL, NULL);
    golden_counts counts = {0};
    golden_run(&counts, tokenizer, golden, stored);
    json_decref(stored);
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
    assert_true(run >= 19);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bert_tokenizer_json),
        cmocka_unit_test(test_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
