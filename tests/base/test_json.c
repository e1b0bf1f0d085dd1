// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/json.h"
#include "base/memory.h"
#include "scratch.h"

#include <string.h>

static json_t *parse(const char *text) {
    json_t *value;
    mm_error error = {0};
    assert_ok(mm_json_parse(&value, text, strlen(text), "test", MM_STATUS_MODEL_CORRUPT, &error),
              error);
    return value;
}

static void test_parse(void **state) {
    (void)state;
    static const char *const good[] = {"{}",
                                       "[]",
                                       "null",
                                       "\"x\"",
                                       "-1.5e3",
                                       " {\"a\": [1]}\n",
                                       "\"a\\u0000b\"",
                                       "9223372036854775807"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        json_decref(parse(good[i]));
    static const char *const bad[] = {"",
                                      "{",
                                      "{\"a\":1,\"a\":2}",
                                      "{} x",
                                      "[1,]",
                                      "\"\xFF\"",
                                      "nul",
                                      "\"\n\"",
                                      "01",
                                      "{\"a\\u0000\":1}",
                                      "1e999",
                                      "\"\\ud800\"",
                                      "{'a':1}",
                                      "[NaN]",
                                      "\xEF\xBB\xBF{}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *value = (json_t *)1;
        mm_error error = {0};
        assert_status(mm_json_parse(&value, bad[i], strlen(bad[i]), "somewhere",
                                    MM_STATUS_INVALID_REQUEST, &error),
                      MM_STATUS_INVALID_REQUEST, error);
        assert_null(value);
        assert_contains(error.message, "somewhere: not valid JSON: ");
        assert_contains(error.details, "\"line\"");
    }
    // Depth is limited by the parser, not by the stack.
    char deep[100000];
    memset(deep, '[', sizeof(deep));
    json_t *value;
    assert_int_equal(
        mm_json_parse(&value, deep, sizeof(deep), "deep", MM_STATUS_MODEL_CORRUPT, NULL),
        MM_STATUS_MODEL_CORRUPT);
}

// Integers beyond int64 become reals; everything else stays as written.
static void test_wide_integers(void **state) {
    (void)state;
    json_t *value = parse("{\"model_max_length\": 1000000000000000019884624838656, \"n\": "
                          "[-99999999999999999999, 12345678901234567890123, 7, 0.5, 1e3,"
                          "12345678901234567890123.25, 12345678901234567890123E-2],"
                          "\"s\": \"12345678901234567890123 \\\" 99999999999999999999 \\\\\"}");
    assert_float_equal(json_real_value(json_object_get(value, "model_max_length")), 1e30, 1e15);
    const json_t *list = json_object_get(value, "n");
    assert_int_equal(json_array_size(list), 7);
    assert_true(json_real_value(json_array_get(list, 0)) == -1e20);
    assert_true(json_real_value(json_array_get(list, 1)) == 12345678901234567890123.0);
    assert_true(json_integer_value(json_array_get(list, 2)) == 7);
    assert_true(json_real_value(json_array_get(list, 3)) == 0.5);
    assert_true(json_real_value(json_array_get(list, 4)) == 1000.0);
    assert_true(json_real_value(json_array_get(list, 6)) == 123456789012345678901.23);
    assert_string_equal(json_string_value(json_object_get(value, "s")),
                        "12345678901234567890123 \" 99999999999999999999 \\");
    json_decref(value);
    static const char *const bad[] = {"99999999999999999999 x", "\"9", "[99999999999999999999,\"\\",
                                      "99999999999999999999-", "-"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(
            mm_json_parse(&value, bad[i], strlen(bad[i]), "t", MM_STATUS_MODEL_CORRUPT, NULL),
            MM_STATUS_MODEL_CORRUPT);
    }
}

static void test_read_object(void **state) {
    (void)state;
    json_t *value;
    mm_error error = {0};
    const char *path = scratch_write("a.json", "{\"k\": 1}", 8);
    assert_ok(mm_json_read_object(&value, path, 8, &error), error);
    json_decref(value);
    assert_status(mm_json_read_object(&value, path, 7, &error), MM_STATUS_MODEL_CORRUPT, error);
    assert_status(mm_json_read_object(&value, scratch_path("none.json"), 99, &error),
                  MM_STATUS_MODEL_NOT_FOUND, error);
    path = scratch_write("b.json", "[]", 2);
    assert_status(mm_json_read_object(&value, path, 99, &error), MM_STATUS_MODEL_CORRUPT, error);
    assert_null(value);
    assert_contains(error.message, "b.json");
    path = scratch_write("c.json", "{\"k\"", 4);
    assert_status(mm_json_read_object(&value, path, 99, &error), MM_STATUS_MODEL_CORRUPT, error);
    assert_contains(error.message, "c.json");
}

static void test_strings_and_bools(void **state) {
    (void)state;
    json_t *object = parse("{\"s\": \"text\", \"nul\": \"a\\u0000b\", \"null\": null, \"t\": true,"
                           "\"f\": false, \"i\": 1}");
    mm_error error = {0};
    const char *text;
    assert_ok(mm_json_get_string(&text, object, "s", "x", "w", &error), error);
    assert_string_equal(text, "text");
    assert_ok(mm_json_get_string(&text, object, "none", "fallback", "w", &error), error);
    assert_string_equal(text, "fallback");
    assert_ok(mm_json_get_string(&text, object, "null", NULL, "w", &error), error);
    assert_null(text);
    static const char *const bad_strings[] = {"i", "t", "nul"};
    for (size_t i = 0; i < 3; i++) {
        assert_status(mm_json_get_string(&text, object, bad_strings[i], "x", "where", &error),
                      MM_STATUS_MODEL_CORRUPT, error);
        assert_contains(error.message, bad_strings[i]);
        assert_contains(error.message, "where");
    }
    bool flag = false;
    assert_ok(mm_json_get_bool(&flag, object, "t", false, "w", &error), error);
    assert_true(flag);
    assert_ok(mm_json_get_bool(&flag, object, "f", true, "w", &error), error);
    assert_false(flag);
    assert_ok(mm_json_get_bool(&flag, object, "null", true, "w", &error), error);
    assert_true(flag);
    assert_status(mm_json_get_bool(&flag, object, "i", true, "w", &error), MM_STATUS_MODEL_CORRUPT,
                  error);
    json_decref(object);
}

static void test_numbers(void **state) {
    (void)state;
    json_t *object = parse("{\"i\": 5, \"r\": 2.5, \"whole\": 3.0, \"null\": null, \"s\": \"5\","
                           "\"big\": 99999999999999999999}");
    mm_error error = {0};
    int64_t integer = -1;
    assert_ok(mm_json_get_integer(&integer, object, "i", 0, 5, 5, "w", &error), error);
    assert_int_equal(integer, 5);
    // The fallback needs no check: it is ours.
    assert_ok(mm_json_get_integer(&integer, object, "null", -7, 1, 5, "w", &error), error);
    assert_int_equal(integer, -7);
    static const char *const bad_integers[] = {"r", "whole", "s", "big"};
    for (size_t i = 0; i < 4; i++)
        assert_status(mm_json_get_integer(&integer, object, bad_integers[i], 0, 0, 9, "w", &error),
                      MM_STATUS_MODEL_CORRUPT, error);
    assert_status(mm_json_get_integer(&integer, object, "i", 0, 6, 9, "w", &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    assert_contains(error.message, "5");
    assert_contains(error.message, "from 6 to 9");
    assert_status(mm_json_get_integer(&integer, object, "i", 0, 0, 4, "w", &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    assert_int_equal(integer, -7); // failing leaves it alone
    double number = -1;
    assert_ok(mm_json_get_number(&number, object, "i", 0, 0, 9, "w", &error), error);
    assert_true(number == 5.0);
    assert_ok(mm_json_get_number(&number, object, "r", 0, 2.5, 2.5, "w", &error), error);
    assert_true(number == 2.5);
    assert_ok(mm_json_get_number(&number, object, "none", 0.25, 1, 2, "w", &error), error);
    assert_true(number == 0.25);
    assert_status(mm_json_get_number(&number, object, "s", 0, 0, 9, "w", &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    assert_status(mm_json_get_number(&number, object, "r", 0, 0, 2, "w", &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    assert_status(mm_json_get_number(&number, object, "r", 0, 3, 4, "w", &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    json_decref(object);
}

// Every allocation of a parse fails once, jansson's own included.
static void test_parse_without_memory(void **state) {
    (void)state;
    static const char text[] = "{\"a\": [1, 2.5, \"long enough to need a block of its own\"], "
                               "\"b\": {\"c\": 99999999999999999999}}";
    size_t n = 1;
    for (;; n++) {
        json_t *value;
        mm_error error = {0};
        mm_memory_fail_after(n, false);
        mm_status status =
            mm_json_parse(&value, text, sizeof(text) - 1, "test", MM_STATUS_MODEL_CORRUPT, &error);
        bool failed = mm_memory_allocations() >= n;
        mm_memory_fail_after(0, false);
        if (!failed) {
            assert_ok(status, error);
            json_decref(value);
            break;
        }
        // Known limits of jansson: where its lexer runs out of memory it may report a syntax error,
        // or even drop a character and go on. Whatever it says must hold together, and nothing
        // may leak.
        assert_int_equal(error.status, status);
        if (status) {
            assert_true(status == MM_STATUS_OUT_OF_MEMORY || status == MM_STATUS_MODEL_CORRUPT);
            assert_null(value);
        } else {
            assert_true(json_is_object(value));
            json_decref(value);
        }
    }
    assert_true(n > 10);
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
        cmocka_unit_test(test_parse),       cmocka_unit_test(test_wide_integers),
        cmocka_unit_test(test_read_object), cmocka_unit_test(test_strings_and_bools),
        cmocka_unit_test(test_numbers),     cmocka_unit_test(test_parse_without_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
