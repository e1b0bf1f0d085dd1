// SPDX-License-Identifier: Apache-2.0
// The float writer against the definition: of all decimals that read back, none is shorter, and of
// the shortest none is nearer. A stride of 1 (the first argument) covers every float32.
#include "check.h"

#include "base/json.h"
#include "manager/json_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

// Digits up to the last one that is not zero.
static size_t length_of_digits(const char *text) {
    size_t length = 0, kept = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (*text == '0' && length == 0))
            continue;
        length++;
        if (*text != '0')
            kept = length;
    }
    return kept;
}

static void check_float(uint32_t bits, bool thorough) {
    float value = from_bits(bits);
    char text[MM_FLOAT_TEXT_MAX + 1];
    size_t length = mm_float_text(text, value);
    assert_true(length > 0 && length < MM_FLOAT_TEXT_MAX);
    text[length] = '\0';
    float back = strtof(text, NULL);
    if (memcmp(&back, &value, sizeof(value)) != 0)
        fail_msg("%08x: \"%s\" reads back as %.9g", bits, text, (double)back);
    if (!thorough)
        return;
    char other[32];
    int digits = (int)length_of_digits(text);
    // The correctly rounded decimal of as many digits must not be nearer, of one fewer not read
    // back.
    if (digits > 1) {
        assert_true(snprintf(other, sizeof(other), "%.*e", digits - 2, (double)value) > 0);
        if (strtof(other, NULL) == value)
            fail_msg("%08x: \"%s\" could be \"%s\"", bits, text, other);
    }
    assert_true(snprintf(other, sizeof(other), "%.*e", digits > 0 ? digits - 1 : 0, (double)value) >
                0);
    double ours = fabs(strtod(text, NULL) - (double)value);
    double theirs = fabs(strtod(other, NULL) - (double)value);
    if (strtof(other, NULL) == value && ours > theirs)
        fail_msg("%08x: \"%s\" is farther than \"%s\"", bits, text, other);
}

static uint32_t stride = 40009;

static void test_floats(void **state) {
    (void)state;
    for (uint64_t bits = 0; bits < 0x7F800000; bits += stride)
        check_float((uint32_t)bits, true);
    for (uint32_t exponent = 0; exponent < 255; exponent++) { // where the interval is uneven
        for (uint32_t near = 0; near < 4; near++) {
            check_float(exponent << 23 | near, true);
            check_float((exponent << 23 | near) | 0x80000000, true);
            check_float(exponent << 23 | (0x7FFFFF - near), true);
        }
    }
}

static void test_forms(void **state) {
    (void)state;
    static const struct {
        float value;
        const char *text;
    } cases[] = {
        {0.0F, "0.0"},
        {-0.0F, "-0.0"},
        {1.0F, "1.0"},
        {-1.5F, "-1.5"},
        {0.1F, "0.1"},
        {0.0001F, "0.0001"},
        {0.00001F, "1e-05"},
        {100.0F, "100.0"},
        {123456.789F, "123456.79"},
        {16777216.0F, "16777216.0"},
        {1e9F, "1e+09"},
        {3.4028235e38F, "3.4028235e+38"},
        {1e-45F, "1e-45"},
        {1.17549435e-38F, "1.1754944e-38"},
        {0.3F, "0.3"},
        {-0.0778514F, "-0.0778514"},
        {9.5367431640625e-07F, "9.536743e-07"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[MM_FLOAT_TEXT_MAX + 1];
        text[mm_float_text(text, cases[i].value)] = '\0';
        assert_string_equal(text, cases[i].text);
    }
}

// floor(numerator / 5^n) or its counterpart, digit by digit, against the table.
static void test_powers(void **state) {
    (void)state;
    for (int k = -31; k <= 45; k++) {
        int binary = (k * 1741647) >> 19;
        unsigned __int128 power = 1;
        for (int i = 0; i < (k < 0 ? -k : k); i++)
            power *= 5; // 5^45 < 2^105
        uint64_t expected;
        if (k >= 0) { // ceil(5^k * 2^(63 - binary + k))
            int shift = 63 - binary + k;
            unsigned __int128 wide = power;
            if (shift >= 0)
                wide <<= shift;
            else
                wide = (wide >> -shift) + ((wide & (((unsigned __int128)1 << -shift) - 1)) != 0);
            expected = (uint64_t)wide;
        } else { // ceil(2^(63 - binary + k) / 5^-k), by long division
            unsigned __int128 rest = 0;
            uint64_t quotient = 0;
            for (int bit = 63 - binary + k; bit >= 0; bit--) {
                rest = rest << 1 | (bit == 63 - binary + k);
                quotient <<= 1;
                if (rest >= power) {
                    rest -= power;
                    quotient |= 1;
                }
            }
            expected = quotient + (rest != 0);
        }
        assert_int_equal(mm_float_powers[k + 31], expected);
    }
}

static void test_strings(void **state) {
    (void)state;
    mm_buffer out;
    mm_buffer_init(&out, 4096);
    static const char text[] = "a\"b\\c\n\r\t\x01\x7F\xC3\xA9\xF0\x9F\x98\x80 \xFF\xC3(\0z";
    assert_true(mm_json_put_string(&out, text, sizeof(text) - 1));
    assert_string_equal(out.data, "\"a\\\"b\\\\c\\n\\r\\t\\u0001\x7F\xC3\xA9\xF0\x9F\x98\x80 "
                                  "\xEF\xBF\xBD\xEF\xBF\xBD(\\u0000z\"");
    json_t *value = json_loads(out.data, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(value);
    json_decref(value);
    mm_buffer_clear(&out);
    assert_true(mm_json_put_string_or_null(&out, NULL) && mm_json_put_integer(&out, INT64_MIN) &&
                mm_json_put_milliseconds(&out, 12.3456) && mm_json_put_milliseconds(&out, -1));
    assert_string_equal(out.data, "null-922337203685477580812.3450.000");
    mm_buffer_clear(&out);
    const float floats[] = {1, -0.25F};
    const int32_t integers[] = {INT32_MIN, 0, 7};
    assert_true(mm_json_put_floats(&out, floats, 2) && mm_json_put_integers(&out, integers, 3) &&
                mm_json_put_floats(&out, NULL, 0) && mm_json_put_float(&out, NAN));
    assert_string_equal(out.data, "[1.0,-0.25][-2147483648,0,7][]null");
    mm_buffer_free(&out);
    mm_buffer_init(&out, 10); // a full buffer is reported
    assert_false(mm_json_put_string(&out, "0123456789", 10));
    mm_buffer_free(&out);
}

int main(int argc, char **argv) {
    if (argc > 1)
        stride = (uint32_t)strtoul(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_powers),
        cmocka_unit_test(test_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
