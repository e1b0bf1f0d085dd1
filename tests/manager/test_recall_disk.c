// SPDX-License-Identifier: Apache-2.0
// The embedding cache's disk tier at work in a manager: it answers after a restart, and whatever is
// wrong with its file, requests are answered.
#include "fixture.h"
#include "scratch.h"
#include "toy.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void open_with(fixture *own, const char *path, const char *name, const char *value) {
    const char *settings[] = {
        "embedding_cache.enabled", "true", "embedding_cache.disk_path", path, name, value, NULL};
    fixture_open(own, settings);
}

static json_t *ask(fixture *own, const char *model, const char *data, const char *more) {
    return fixture_json(own,
                        "{\"task_type\": \"embedding\", \"model_name\": \"%s\", "
                        "\"device\": \"cpu\", \"task_data\": %s%s}",
                        model, data, more);
}

// "tf": which texts were cached.
static void assert_cached(const json_t *answer, const char *expected) {
    const json_t *flags = json_object_get(fixture_data(answer), "cached");
    assert_int_equal(json_array_size(flags), strlen(expected));
    for (size_t i = 0; expected[i]; i++)
        assert_true(json_is_true(json_array_get(flags, i)) == (expected[i] == 't'));
}

static void assert_asked(fixture *own, const char *data, const char *expected) {
    json_t *answer = ask(own, MODEL, data, "");
    assert_cached(answer, expected);
    json_decref(answer);
}

static json_int_t disk_count(fixture *own, const char *name) {
    json_t *status = fixture_status(own);
    const json_t *disk = json_object_get(json_object_get(status, "cache"), "disk");
    json_int_t value = json_is_null(disk) ? -1 : json_integer_value(json_object_get(disk, name));
    json_decref(status);
    return value;
}

static json_int_t count(fixture *own, const char *name) {
    json_t *status = fixture_status(own);
    json_int_t value = json_integer_value(json_object_get(json_object_get(status, "cache"), name));
    json_decref(status);
    return value;
}

static const char *cache_path(void) {
    return scratch_path("vectors.mdb");
}

static void test_vectors_come_back_after_a_restart(void **state) {
    (void)state;
    fixture own;
    open_with(&own, cache_path(), NULL, NULL);
    json_t *first = ask(&own, MODEL, "[\"one\", \"two three\"]", ", \"prompt\": \"p: \"");
    assert_cached(first, "ff");
    fixture_close(&own);
    open_with(&own, cache_path(), NULL, NULL);
    assert_int_equal(disk_count(&own, "entries"), 2);
    assert_true(disk_count(&own, "bytes") > 0);
    json_t *second =
        ask(&own, MODEL, "[\"one\", \"four\", \"two three\"]", ", \"prompt\": \"p: \"");
    assert_cached(second, "tft");
    json_t *third = ask(&own, MODEL, "[\"one\", \"two three\"]", ", \"prompt\": \"p: \"");
    assert_cached(third, "tt"); // from memory by now
    static const char *const same[] = {"embeddings", "dimension", "tokens",     "truncated",
                                       "model_name", "prompt",    "fingerprint"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        assert_true(json_equal(json_object_get(fixture_data(first), same[i]),
                               json_object_get(fixture_data(third), same[i])));
    assert_true(json_is_null(json_object_get(fixture_data(third), "worker_id")));
    assert_int_equal(disk_count(&own, "hits"), 2);
    assert_int_equal(count(&own, "hits"), 4);
    assert_int_equal(count(&own, "misses"), 1);
    json_decref(first);
    json_decref(second);
    json_decref(third);
    fixture_close(&own);
}

static void test_what_memory_let_go_comes_from_the_disk_without_the_model(void **state) {
    (void)state;
    char folder[512];
    (void)snprintf(folder, sizeof(folder), "%s", toy_write("kept", NULL));
    static const char *const sizes[] = {"0", "1"};
    for (size_t i = 0; i < 2; i++) {
        fixture own;
        open_with(&own, cache_path(), "embedding_cache.max_cache_size", sizes[i]);
        json_decref(ask(&own, folder, "[\"a\", \"b\", \"c\"]", ""));
        fixture_close(&own); // has all of them written
        open_with(&own, cache_path(), "embedding_cache.max_cache_size", sizes[i]);
        json_decref(ask(&own, folder, "\"d\"", "")); // so that it is known what the model is
        mm_error error = {0};
        assert_ok(mm_model_release(own.manager, folder, NULL, &error), error);
        json_t *answer = ask(&own, folder, "[\"a\", \"b\", \"c\"]", "");
        assert_cached(answer, "ttt");
        json_decref(answer);
        assert_int_equal(own.loads, 1);
        assert_true(count(&own, "entries") <= (json_int_t)i);
        fixture_close(&own);
    }
}

static void test_a_vector_is_too_old_on_the_disk_as_well(void **state) {
    (void)state;
    fixture own;
    const char *settings[] = {"embedding_cache.enabled",
                              "true",
                              "embedding_cache.disk_path",
                              cache_path(),
                              "embedding_cache.max_cache_size",
                              "1",
                              "embedding_cache.ttl_seconds",
                              "100",
                              NULL};
    fixture_open_by_hand(&own, settings);
    assert_asked(&own, "[\"a\", \"b\"]", "ff");
    fixture_close(&own);
    fixture_open_by_hand(&own, settings);
    hand_clock_advance(&own.clock, 60);
    assert_asked(&own, "[\"a\", \"b\"]", "tt"); // from the disk to memory, 40 seconds left
    hand_clock_advance(&own.clock, 60);
    assert_asked(&own, "[\"a\", \"b\"]", "ff");
    assert_int_equal(own.warnings, 0);
    fixture_close(&own);
}

// Requests are answered as if there were no disk tier, and the log says so once.
static void test_a_file_of_no_use_is_a_warning_and_no_error(void **state) {
    (void)state;
    static const char text[] = "not a database";
    const char *paths[] = {scratch_write("text", text, sizeof(text)), scratch_path("."),
                           "/proc/self/cache.mdb", "/nothing/here/cache.mdb"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        fixture own;
        open_with(&own, paths[i], NULL, NULL);
        assert_int_equal(own.warnings, 1);
        assert_asked(&own, "\"a\"", "f");
        assert_asked(&own, "\"a\"", "t");
        assert_int_equal(disk_count(&own, "entries"), -1);
        assert_int_equal(own.warnings, 1);
        fixture_close(&own);
    }
    fixture own;
    open_with(&own, cache_path(), "embedding_cache.disk_max_bytes", "0");
    assert_int_equal(own.warnings, 1);
    assert_asked(&own, "\"a\"", "f");
    fixture_close(&own);
}

static void test_two_managers_of_a_process_do_not_share_a_file(void **state) {
    (void)state;
    fixture first, second;
    open_with(&first, cache_path(), NULL, NULL);
    open_with(&second, cache_path(), NULL, NULL);
    assert_int_equal(first.warnings, 0);
    assert_int_equal(second.warnings, 1);
    assert_asked(&first, "\"a\"", "f");
    assert_asked(&second, "\"a\"", "f");
    fixture_close(&second);
    fixture_close(&first);
    open_with(&first, cache_path(), NULL, NULL);
    assert_asked(&first, "\"a\"", "t");
    fixture_close(&first);
}

static void test_without_a_path_there_is_no_file(void **state) {
    (void)state;
    fixture own;
    open_with(&own, "null", NULL, NULL);
    assert_asked(&own, "\"a\"", "f");
    assert_int_equal(disk_count(&own, "entries"), -1);
    fixture_close(&own);
    open_with(&own, cache_path(), "enabled", "false"); // nor where nothing is served
    fixture_close(&own);
    assert_int_equal(access(cache_path(), F_OK), -1);
}

static int setup(void **state) {
    (void)state;
    return scratch_create() ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_vectors_come_back_after_a_restart),
        TEST(test_what_memory_let_go_comes_from_the_disk_without_the_model),
        TEST(test_a_vector_is_too_old_on_the_disk_as_well),
        TEST(test_a_file_of_no_use_is_a_warning_and_no_error),
        TEST(test_two_managers_of_a_process_do_not_share_a_file),
        TEST(test_without_a_path_there_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
