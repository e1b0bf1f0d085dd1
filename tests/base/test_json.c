// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/json.h"
#include "base/memory.h"
#include "scratch.h"

#include <locale.h>
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

// What each mistake is called, and where.
static void test_mistakes_are_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *problem;
        int line, byte;
    } rows[] = {
        {"", "text ends too early", 1, 0},
        {"{\n \"a\": tru }", "value expected", 2, 8},
        {"[1 2]", "',' or ']' expected", 1, 3},
        {"{\"a\" 1}", "':' expected", 1, 5},
        {"{\"a\": 1 \"b\"}", "',' or '}' expected", 1, 8},
        {"{a: 1}", "key in quotes expected", 1, 1},
        {"{\"a\": 1,}", "key in quotes expected", 1, 8},
        {"{\"a\": 1, \"a\": 2}", "duplicate key", 1, 10},
        {"{\"a\\u0000\": 1}", "U+0000 in a key", 1, 10},
        {"\"abc", "string without an end", 1, 4},
        {"\"a\tb\"", "control character", 1, 2},
        {"\"a\\x\"", "unknown escape", 1, 4},
        {"\"\\", "unknown escape", 1, 2},
        {"\"\\u12g4\"", "hexadecimal", 1, 5},
        {"\"\\ud83dx\"", "surrogate", 1, 7},
        {"\"\\ude00\"", "surrogate", 1, 7},
        {"\"ab\xC3\"", "not UTF-8", 1, 3},
        {"-", "not a number", 1, 1},
        {"007", "not a number", 1, 3},
        {"1.", "behind the point", 1, 2},
        {"1e+", "exponent", 1, 3},
        {"[1e999]", "number too large", 1, 1},
        {"{} \n x", "something behind", 2, 5},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *value;
        mm_error error = {0};
        assert_status(mm_json_parse(&value, rows[i].text, strlen(rows[i].text), "t",
                                    MM_STATUS_MODEL_CORRUPT, &error),
                      MM_STATUS_MODEL_CORRUPT, error);
        assert_contains(error.message, rows[i].problem);
        json_t *details = parse(error.details);
        assert_int_equal(json_integer_value(json_object_get(details, "line")), rows[i].line);
        if (json_integer_value(json_object_get(details, "byte")) != rows[i].byte)
            fail_msg("%s: %s", rows[i].text, error.message);
        json_decref(details);
    }
}

static void test_values(void **state) {
    (void)state;
    json_t *value = parse("[\"\\ud83d\\ude00\\u20AC\\n\\/x\", -0, -0.0, 5e-324, 0.1,"
                          "-9223372036854775808, {\"\": []}, \"a\\u0000b\"]");
    assert_string_equal(json_string_value(json_array_get(value, 0)),
                        "\xF0\x9F\x98\x80\xE2\x82\xAC\n/x");
    assert_true(json_is_integer(json_array_get(value, 1)));
    assert_true(json_is_real(json_array_get(value, 2)));
    assert_true(json_real_value(json_array_get(value, 3)) == 5e-324);
    assert_true(json_real_value(json_array_get(value, 4)) == 0.1);
    assert_true(json_integer_value(json_array_get(value, 5)) == INT64_MIN);
    assert_true(json_is_array(json_object_get(json_array_get(value, 6), "")));
    assert_int_equal(json_string_length(json_array_get(value, 7)), 3);
    json_decref(value);
    // A host that writes a comma into its numbers changes nothing, where such a locale exists.
    if (setlocale(LC_ALL, "de_DE.UTF-8") || setlocale(LC_ALL, "fr_FR.UTF-8")) {
        value = parse("0.5");
        assert_true(json_real_value(value) == 0.5);
        json_decref(value);
        setlocale(LC_ALL, "C");
    } else {
        print_message("no locale with a decimal comma here: not tried\n");
    }
    // As deep as allowed, and one deeper.
    char deep[2003];
    for (size_t depth = 1000; depth <= 1001; depth++) {
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        mm_status status =
            mm_json_parse(&value, deep, 2 * depth, "deep", MM_STATUS_MODEL_CORRUPT, NULL);
        assert_int_equal(status, depth == 1000 ? MM_STATUS_OK : MM_STATUS_MODEL_CORRUPT);
        json_decref(value);
    }
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
    static const char text[] = "{\"a\": [1, 2.5, \"long enough to \\n need a block of its own\"], "
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
        assert_status(status, MM_STATUS_OUT_OF_MEMORY, error);
        assert_null(value);
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
        cmocka_unit_test(test_parse),       cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_values),      cmocka_unit_test(test_wide_integers),
        cmocka_unit_test(test_read_object), cmocka_unit_test(test_strings_and_bools),
        cmocka_unit_test(test_numbers),     cmocka_unit_test(test_parse_without_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
