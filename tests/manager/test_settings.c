// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/memory.h"
#include "manager/settings.h"
#include "scratch.h"

#include <stdlib.h>
#include <string.h>

static mm_settings *new_settings(void) {
    mm_settings *settings;
    mm_error error = {0};
    assert_ok(mm_settings_create(&settings, &error), error);
    return settings;
}

static void test_defaults(void **state) {
    (void)state;
    mm_settings *settings = new_settings();
    mm_error error = {0};
    // Every default passes its own check, and is reachable by its variable.
    for (size_t i = 0; i < MM_SETTING_COUNT; i++) {
        const mm_setting *row = mm_setting_at((mm_setting_index)i);
        assert_ok(mm_settings_set(settings, row->name, row->fallback, &error), error);
    }
    assert_int_equal(mm_setting_of_variable("MM_WORKER_POOL__NUM_WORKERS"),
                     MM_SETTING_NUM_WORKERS_INDEX);
    assert_int_equal(mm_setting_of_variable("MM_ENABLED"), MM_SETTING_ENABLED_INDEX);
    assert_int_equal(mm_setting_of_variable("MM_WORKER_POOL_NUM_WORKERS"), MM_SETTING_COUNT);
    assert_int_equal(mm_setting_of_variable("ENABLED"), MM_SETTING_COUNT);
    char *text;
    assert_ok(mm_settings_json(&text, settings, &error), error);
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    const json_t *pool = json_object_get(object, "worker_pool");
    assert_int_equal(json_integer_value(json_object_get(pool, "queue_limit")), 512);
    assert_true(json_is_null(json_object_get(pool, "keep_alive_min")));
    assert_string_equal(json_string_value(json_object_get(object, "models_dir")), "data/models");
    json_decref(object);
    mm_text_free(text);
    mm_settings_free(settings);
}

static void test_set(void **state) {
    (void)state;
    mm_settings *settings = new_settings();
    mm_error error = {0};
    assert_ok(mm_settings_set(settings, "cpu_threads", "3", &error), error);
    assert_int_equal(mm_settings_integer(settings, MM_SETTING_CPU_THREADS_INDEX), 3);
    assert_ok(mm_settings_set(settings, "models_dir", "/some where", &error), error);
    assert_string_equal(mm_settings_text(settings, MM_SETTING_MODELS_DIR_INDEX), "/some where");
    assert_ok(mm_settings_set(settings, "worker_pool.queue_timeout", "0.5", &error), error);
    assert_true(mm_settings_number(settings, MM_SETTING_QUEUE_TIMEOUT_INDEX, 9) == 0.5);
    assert_ok(mm_settings_set(settings, "worker_pool.queue_timeout", "null", &error), error);
    assert_true(mm_settings_number(settings, MM_SETTING_QUEUE_TIMEOUT_INDEX, 9) == 9);
    assert_ok(mm_settings_set(settings, "worker_pool.pinned", "[\"a\", \"b\"]", &error), error);
    static const char *const bad[][2] = {
        {"cpu_thread", "3"},    {"worker_pool", "{}"},         {"cpu_threads", "two"},
        {"cpu_threads", "-1"},  {"cpu_threads", "1.5"},        {"cpu_threads", "null"},
        {"enabled", "yes"},     {"gpu_fallback", "tpu"},       {"server.port", "70000"},
        {"models_dir", "5"},    {"worker_pool.pinned", "[1]"}, {"worker_pool.pinned", "a"},
        {"preload", "[\"x\"]"}, {"models_dir", "\xFF"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_status(mm_settings_set(settings, bad[i][0], bad[i][1], &error),
                      MM_STATUS_INVALID_PARAMETER, error);
        assert_contains(error.message, bad[i][0]);
    }
    assert_int_equal(mm_settings_integer(settings, MM_SETTING_CPU_THREADS_INDEX), 3);
    mm_settings_free(settings);
}

static mm_status load_text(mm_settings *settings, const char *text, mm_error *error) {
    return mm_settings_load_file(settings, scratch_write("settings.json", text, strlen(text)),
                                 error);
}

static void test_file(void **state) {
    (void)state;
    mm_settings *settings = new_settings();
    mm_error error = {0};
    assert_ok(load_text(settings,
                        "{\"cpu_threads\": 2, \"worker_pool\": {\"queue_limit\": 7},"
                        " \"preload\": [{\"model_name\": \"m\"}]}",
                        &error),
              error);
    assert_int_equal(mm_settings_integer(settings, MM_SETTING_QUEUE_LIMIT_INDEX), 7);
    assert_int_equal(json_array_size(mm_settings_list(settings, MM_SETTING_PRELOAD_INDEX)), 1);
    static const char *const bad[] = {
        "{\"cpu_threads\": 4, \"threads\": 2}",
        "{\"cpu_threads\": 4, \"worker_pool\": {\"queues\": 1}}",
        "{\"cpu_threads\": 4, \"worker_pool\": 3}",
        "{\"cpu_threads\": 4, \"worker_pool\": {\"pinned\": {}}}",
        "{\"cpu_threads\": 4, \"a\": {\"b\": {\"c\": 1}}}",
        "{\"cpu_threads\": 4, \"worker_pool.queue_limit\": 0}",
        "[1]",
        "{",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_status(load_text(settings, bad[i], &error), MM_STATUS_INVALID_PARAMETER, error);
        assert_contains(error.message, "settings.json");
        assert_int_equal(error.status, MM_STATUS_INVALID_PARAMETER);
    }
    assert_status(mm_settings_load_file(settings, scratch_path("none.json"), &error),
                  MM_STATUS_INVALID_PARAMETER, error);
    // What fails changes nothing.
    assert_int_equal(mm_settings_integer(settings, MM_SETTING_CPU_THREADS_INDEX), 2);
    mm_settings_free(settings);
}

static void test_dotenv_syntax(void **state) {
    (void)state;
    static const char text[] = "# comment\r\n"
                               "\n"
                               "A=1\r\n"
                               " export  B = two words # comment\n"
                               "C='single $x \\n'\n"
                               "D=\"line\\n \\\"quoted\\\" # kept\" # comment\n"
                               "E=\n"
                               "F=a#b\n"
                               "G=\"over\ntwo lines\"\n"
                               "LAST=x";
    json_t *object;
    mm_error error = {0};
    assert_ok(mm_dotenv_parse(&object, text, strlen(text), ".env", &error), error);
    static const char *const expected[][2] = {
        {"A", "1"}, {"B", "two words"}, {"C", "single $x \\n"},   {"D", "line\n \"quoted\" # kept"},
        {"E", ""},  {"F", "a#b"},       {"G", "over\ntwo lines"}, {"LAST", "x"},
    };
    assert_int_equal(json_object_size(object), 8);
    for (size_t i = 0; i < 8; i++)
        assert_string_equal(json_string_value(json_object_get(object, expected[i][0])),
                            expected[i][1]);
    json_decref(object);
    static const char *const bad[] = {"A=1\nB\n",     "A=1\n=2",     "A=1\nB=\"x",
                                      "A=1\nB='x' y", "A=1\nB=\xFF", "A=1\nif true; then"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_status(mm_dotenv_parse(&object, bad[i], strlen(bad[i]), ".env", &error),
                      MM_STATUS_INVALID_PARAMETER, error);
        assert_contains(error.message, ".env, line 2");
    }
}

static void test_environment(void **state) {
    (void)state;
    mm_settings *settings = new_settings();
    mm_error error = {0};
    static const char text[] = "MM_CPU_THREADS=5\nMM_WORKER_POOL__QUEUE_LIMIT=9\nHF_TOKEN=secret\n"
                               "MM_TEST_SET=from file\n";
    const char *dotenv = scratch_write(".env", text, strlen(text));
    setenv("MM_CPU_THREADS", "6", 1);
    setenv("MM_MODELS_DIR", "/from environment", 1);
    setenv("MM_SERVER", "http://127.0.0.1:1", 1); // the command line's own
    assert_status(mm_settings_load_environment(settings, dotenv, &error),
                  MM_STATUS_INVALID_PARAMETER, error);
    assert_contains(error.message, "MM_TEST_SET");
    static const char good[] = "MM_CPU_THREADS=5\nMM_WORKER_POOL__QUEUE_LIMIT=9\nHF_TOKEN=secret\n";
    dotenv = scratch_write(".env", good, strlen(good));
    assert_ok(mm_settings_load_environment(settings, dotenv, &error), error);
    assert_int_equal(mm_settings_integer(settings, MM_SETTING_CPU_THREADS_INDEX), 6);
    assert_int_equal(mm_settings_integer(settings, MM_SETTING_QUEUE_LIMIT_INDEX), 9);
    assert_string_equal(mm_settings_text(settings, MM_SETTING_MODELS_DIR_INDEX),
                        "/from environment");
    assert_string_equal(mm_settings_variable(settings, "HF_TOKEN"), "secret");
    assert_null(getenv("HF_TOKEN")); // the process environment is not changed
    setenv("HF_TOKEN", "own", 1);
    assert_string_equal(mm_settings_variable(settings, "HF_TOKEN"), "own");
    unsetenv("HF_TOKEN");
    setenv("MM_CPU_THREADS", "many", 1);
    assert_status(mm_settings_load_environment(settings, NULL, &error), MM_STATUS_INVALID_PARAMETER,
                  error);
    assert_contains(error.message, "MM_CPU_THREADS");
    unsetenv("MM_CPU_THREADS");
    setenv("MM_NONSENSE", "1", 1);
    assert_status(mm_settings_load_environment(settings, scratch_path("missing"), &error),
                  MM_STATUS_INVALID_PARAMETER, error);
    assert_contains(error.details, "MM_NONSENSE");
    unsetenv("MM_NONSENSE");
    assert_ok(mm_settings_load_environment(settings, scratch_path("missing"), &error), error);
    unsetenv("MM_MODELS_DIR");
    unsetenv("MM_SERVER");
    mm_settings_free(settings);
}

static int remove_scratch(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

static int make_scratch(void **state) {
    (void)state;
    unsetenv("HF_TOKEN");
    return scratch_create() ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_set),
        cmocka_unit_test(test_file),        cmocka_unit_test(test_dotenv_syntax),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
