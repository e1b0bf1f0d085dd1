// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/utf8.h"

#include <string.h>

static void test_every_scalar_value(void **state) {
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        char bytes[4];
        size_t length = mm_utf8_encode(bytes, c);
        size_t expected = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        uint32_t back = 0xFFFFFFFF;
        if (length != expected || mm_utf8_decode(&back, bytes, length) != length || back != c ||
            !mm_utf8_valid(bytes, length, NULL))
            fail_msg("U+%04X: %zu bytes, decoded as U+%04X", c, length, back);
        for (size_t cut = 1; cut < length; cut++) { // cut short it is nothing
            if (mm_utf8_decode(&back, bytes, cut) != 0 || mm_utf8_valid(bytes, cut, NULL))
                fail_msg("U+%04X cut to %zu bytes is accepted", c, cut);
        }
    }
}

// Table 3-7 of the Unicode standard, written as ranges: the independent reference.
static size_t reference(const unsigned char *b) {
    static const struct {
        unsigned char low[4], high[4];
        size_t length;
    } rows[] = {
        {{0x00}, {0x7F}, 1},
        {{0xC2, 0x80}, {0xDF, 0xBF}, 2},
        {{0xE0, 0xA0, 0x80}, {0xE0, 0xBF, 0xBF}, 3},
        {{0xE1, 0x80, 0x80}, {0xEC, 0xBF, 0xBF}, 3},
        {{0xED, 0x80, 0x80}, {0xED, 0x9F, 0xBF}, 3},
        {{0xEE, 0x80, 0x80}, {0xEF, 0xBF, 0xBF}, 3},
        {{0xF0, 0x90, 0x80, 0x80}, {0xF0, 0xBF, 0xBF, 0xBF}, 4},
        {{0xF1, 0x80, 0x80, 0x80}, {0xF3, 0xBF, 0xBF, 0xBF}, 4},
        {{0xF4, 0x80, 0x80, 0x80}, {0xF4, 0x8F, 0xBF, 0xBF}, 4},
    };
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        size_t i = 0;
        while (i < rows[r].length && b[i] >= rows[r].low[i] && b[i] <= rows[r].high[i])
            i++;
        if (i == rows[r].length)
            return i;
    }
    return 0;
}

// All leads with all second bytes, and the edges of the third and fourth.
static void test_every_pair_of_bytes(void **state) {
    (void)state;
    static const unsigned char edges[] = {0x00, 0x7F, 0x80, 0x8F, 0xBF, 0xC0, 0xFF};
    for (unsigned lead = 0; lead < 256; lead++) {
        for (unsigned second = 0; second < 256; second++) {
            for (size_t t = 0; t < sizeof(edges) * sizeof(edges); t++) {
                unsigned char b[4] = {(unsigned char)lead, (unsigned char)second,
                                      edges[t / sizeof(edges)], edges[t % sizeof(edges)]};
                uint32_t c;
                size_t got = mm_utf8_decode(&c, (const char *)b, 4);
                if (got != reference(b))
                    fail_msg("%02X %02X %02X %02X: %zu", b[0], b[1], b[2], b[3], got);
            }
        }
    }
}

static void test_invalid_sequences(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t offset;
    } rows[] = {
        {"\x80", 0},                     // a continuation alone
        {"abc\xFFz", 3},                 // never a byte of UTF-8
        {"\xC0\x80", 0},                 // overlong NUL
        {"\xC1\xBF", 0},                 // overlong
        {"x\xE0\x9F\xBF", 1},            // overlong
        {"\xF0\x8F\xBF\xBF", 0},         // overlong
        {"12345678\xED\xA0\x80", 8},     // a surrogate
        {"\xED\xBF\xBF", 0},             // a surrogate
        {"\xF4\x90\x80\x80", 0},         // above U+10FFFF
        {"\xF8\x88\x80\x80\x80", 0},     // five bytes
        {"1234567\xE2\x82", 7},          // cut
        {"\xC3\xA9\xC3", 2},             // cut
        {"0123456789abcdef\xC3(", 16},   // not a continuation
        {"\xE2\x82\xACxxxxxxxx\xBF", 11} // after a character and a word of ASCII
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t offset = 999;
        assert_false(mm_utf8_valid(rows[i].text, strlen(rows[i].text), &offset));
        assert_int_equal(offset, rows[i].offset);
        assert_false(mm_utf8_valid(rows[i].text, strlen(rows[i].text), NULL));
    }
    size_t untouched = 999;
    assert_true(mm_utf8_valid("", 0, &untouched));
    assert_true(mm_utf8_valid("a\0b", 3, &untouched));
    assert_int_equal(untouched, 999);
}

static void test_maximal_subparts(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t length;
    } rows[] = {{"\x80", 1},         {"\xFFz", 1},     {"\xC0\x80", 1},     {"\xC3(", 1},
                {"\xE2\x82", 2},     {"\xE2\x82(", 2}, {"\xE0\x9F\xBF", 1}, {"\xE0\xA0", 2},
                {"\xED\xA0\x80", 1}, {"\xED\x9F", 2},  {"\xF0\x8F", 1},     {"\xF0\x90\x80\xC0", 3},
                {"\xF4\x90\x80", 1}, {"\xF4\x8F", 2},  {"\xF5\x80", 1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(mm_utf8_bad_length(rows[i].text, strlen(rows[i].text)), rows[i].length);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_scalar_value),
        cmocka_unit_test(test_every_pair_of_bytes),
        cmocka_unit_test(test_invalid_sequences),
        cmocka_unit_test(test_maximal_subparts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
