// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/memory.h"
#include "checkpoint/config.h"
#include "scratch.h"

#include <stdbool.h>
#include <string.h>

static mm_status open_text(mm_config **out, const char *text, mm_error *error) {
    scratch_write("model/config.json", text, strlen(text));
    return mm_config_open(out, scratch_path("model"), error);
}

static void test_getters(void **state) {
    (void)state;
    mm_config *config;
    mm_error error = {0};
    assert_ok(open_text(&config,
                        "{\"model_type\": \"bert\", \"dim\": 384, \"eps\": 1e-12, \"act\": "
                        "\"gelu\", \"flag\": true, \"old\": null, \"bad\": \"7\"}",
                        &error),
              error);
    assert_string_equal(mm_config_model_type(config), "bert");
    assert_contains(mm_config_path(config), "model/config.json");
    assert_int_equal(json_object_size(mm_config_json(config)), 7);
    int64_t size = 0;
    static const char *const names[] = {"hidden_size", "old", "dim", NULL};
    static const char *const missing[] = {"hidden_size", "old", NULL};
    static const char *const bad[] = {"old", "bad", "dim", NULL};
    assert_ok(mm_config_get_size(&size, config, names, true, 0, 1, 1000, &error), error);
    assert_int_equal(size, 384);
    assert_ok(mm_config_get_size(&size, config, missing, false, -3, 1, 1000, &error), error);
    assert_int_equal(size, -3);
    assert_status(mm_config_get_size(&size, config, missing, true, 5, 1, 1000, &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    assert_contains(error.message, "config.json: \"hidden_size\" is missing");
    // The first present one counts, also when it is wrong.
    assert_status(mm_config_get_size(&size, config, bad, true, 5, 1, 1000, &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    assert_contains(error.message, "\"bad\"");
    assert_status(mm_config_get_size(&size, config, names, true, 5, 1, 383, &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    assert_contains(error.message, "\"dim\" is 384");
    double number;
    assert_ok(mm_config_get_number(&number, config, "eps", 1, 0, 1, &error), error);
    assert_true(number == 1e-12);
    assert_status(mm_config_get_number(&number, config, "act", 1, 0, 1, &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    const char *text;
    assert_ok(mm_config_get_string(&text, config, "act", "relu", &error), error);
    assert_string_equal(text, "gelu");
    assert_status(mm_config_get_string(&text, config, "dim", "relu", &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    bool flag = false;
    assert_ok(mm_config_get_bool(&flag, config, "flag", false, &error), error);
    assert_true(flag);
    assert_status(mm_config_get_bool(&flag, config, "dim", false, &error), MM_STATUS_MODEL_CORRUPT,
                  error);
    mm_config_free(config);
    mm_config_free(NULL);
}

static void test_broken_files(void **state) {
    (void)state;
    mm_config *config;
    mm_error error = {0};
    static const char *const texts[] = {"",
                                        "[]",
                                        "{",
                                        "{\"a\":1,\"a\":1}",
                                        "{\"model_type\": 5}",
                                        "{\"model_type\": \"be\\u0000rt\"}",
                                        "{} trailing"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_status(open_text(&config, texts[i], &error), MM_STATUS_MODEL_CORRUPT, error);
        assert_null(config);
        assert_contains(error.message, "config.json");
    }
    assert_ok(open_text(&config, "{}", &error), error);
    assert_string_equal(mm_config_model_type(config), "");
    mm_config_free(config);
    assert_status(mm_config_open(&config, scratch_path("nowhere"), &error),
                  MM_STATUS_MODEL_NOT_FOUND, error);
    assert_contains(error.message, "no such directory");
    scratch_write("bare/other.json", "{}", 2);
    assert_status(mm_config_open(&config, scratch_path("bare"), &error), MM_STATUS_MODEL_NOT_FOUND,
                  error);
    assert_contains(error.message, "config.json");
}

static void test_without_memory(void **state) {
    (void)state;
    size_t n = 1;
    for (;; n++) {
        mm_config *config;
        mm_error error = {0};
        scratch_write("model/config.json", "{\"model_type\": \"bert\"}", 22);
        const char *directory = scratch_path("model");
        mm_memory_fail_after(n, false);
        mm_status status = mm_config_open(&config, directory, &error);
        bool failed = mm_memory_allocations() >= n;
        mm_memory_fail_after(0, false);
        if (!failed) {
            assert_ok(status, error);
            mm_config_free(config);
            break;
        }
        assert_status(status, MM_STATUS_OUT_OF_MEMORY, error);
        assert_null(config);
    }
    assert_true(n > 8);
}

static int setup(void **state) {
    (void)state;
    json_set_alloc_funcs(mm_malloc, mm_free);
    return scratch_create() ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_getters),
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
