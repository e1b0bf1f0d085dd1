// SPDX-License-Identifier: Apache-2.0
// Conversions to float32 against slow references: all 65536 halves, and every other type.
#include "check.h"

#include "checkpoint/convert.h"
#include "checkpoint/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HALVES = 65536 };

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

// By the definition of binary16, in double.
static double slow_f16(unsigned half) {
    int exponent = (int)(half >> 10 & 0x1F);
    double mantissa = half & 0x3FF;
    double value = exponent == 0x1F ? (mantissa != 0 ? NAN : INFINITY)
                   : exponent == 0  ? ldexp(mantissa, -24)
                                    : ldexp(mantissa + 1024, exponent - 25);
    return half & 0x8000 ? -value : value;
}

static double slow_bf16(unsigned half) {
    int exponent = (int)(half >> 7 & 0xFF);
    double mantissa = half & 0x7F;
    double value = exponent == 0xFF ? (mantissa != 0 ? NAN : INFINITY)
                   : exponent == 0  ? ldexp(mantissa, -133)
                                    : ldexp(mantissa + 128, exponent - 134);
    return half & 0x8000 ? -value : value;
}

static void check_all(const float *got, double (*slow)(unsigned)) {
    for (unsigned half = 0; half < HALVES; half++) {
        double expected = slow(half);
        bool equal = isnan(expected) ? isnan(got[half]) != 0
                                     : bits_of(got[half]) == bits_of((float)expected);
        if (!equal)
            fail_msg("%04x: %a, expected %a", half, (double)got[half], expected);
    }
}

static void test_every_half(void **state) {
    (void)state;
    static char source[2 * HALVES + 1];
    static float fast[HALVES], portable[HALVES];
    char *unaligned = source + 1;
    for (unsigned half = 0; half < HALVES; half++) {
        uint16_t value = (uint16_t)half;
        memcpy(unaligned + 2 * half, &value, 2);
    }
    mm_convert_f16(fast, unaligned, HALVES);
    mm_convert_f16_portable(portable, unaligned, HALVES);
    check_all(fast, slow_f16);
    assert_memory_equal(fast, portable, sizeof(fast)); // NaN bits too
    mm_convert_bf16(fast, unaligned, HALVES);
    mm_convert_bf16_portable(portable, unaligned, HALVES);
    check_all(fast, slow_bf16);
    assert_memory_equal(fast, portable, sizeof(fast));
}

// Every short length and start: heads, tails, and nothing written beyond the end.
static void test_lengths(void **state) {
    (void)state;
    char source[2 * 64 + 1];
    for (size_t i = 0; i < sizeof(source); i++)
        source[i] = (char)(i * 37 + 11);
    for (mm_dtype dtype = MM_DTYPE_F16; dtype <= MM_DTYPE_BF16; dtype++) {
        mm_tensor tensor = {.data = source + 1, .dtype = dtype, .elements = 64};
        for (int64_t start = 0; start < 20; start++) {
            for (int64_t count = 0; count < 40; count++) {
                float got[42], expected[42] = {0};
                memset(got, 0xAB, sizeof(got));
                mm_tensor_to_f32(got, &tensor, start, count);
                const char *from = source + 1 + 2 * start;
                if (dtype == MM_DTYPE_F16)
                    mm_convert_f16_portable(expected, from, (size_t)count);
                else
                    mm_convert_bf16_portable(expected, from, (size_t)count);
                assert_memory_equal(got, expected, (size_t)count * sizeof(float));
                assert_int_equal(bits_of(got[count]), 0xABABABAB);
            }
        }
    }
}

// Three values of a type at an odd address, the last two read from element 1.
#define CHECK_TYPE(type, kind, a, b, c)                                                            \
    do {                                                                                           \
        type values[3] = {a, b, c};                                                                \
        char bytes[sizeof(values) + 1];                                                            \
        memcpy(bytes + 1, values, sizeof(values));                                                 \
        mm_tensor tensor = {.data = bytes + 1, .dtype = kind, .elements = 3};                      \
        assert_int_equal(mm_dtype_bits(kind), 8 * sizeof(type));                                   \
        float got[3];                                                                              \
        mm_tensor_to_f32(got, &tensor, 0, 3);                                                      \
        for (int i = 0; i < 3; i++)                                                                \
            assert_int_equal(bits_of(got[i]), bits_of((float)values[i]));                          \
        mm_tensor_to_f32(got, &tensor, 1, 2);                                                      \
        assert_int_equal(bits_of(got[0]), bits_of((float)values[1]));                              \
        assert_int_equal(bits_of(got[1]), bits_of((float)values[2]));                              \
    } while (0)

static void test_other_types(void **state) {
    (void)state;
    CHECK_TYPE(float, MM_DTYPE_F32, 1.5f, -0.0f, 1e-45f);
    CHECK_TYPE(double, MM_DTYPE_F64, 1.0 / 3.0, -1e-320, 3.4028235677973366e38);
    CHECK_TYPE(double, MM_DTYPE_F64, 1e300, -INFINITY, 0x1.000001p0);
    CHECK_TYPE(int8_t, MM_DTYPE_I8, -128, 127, -1);
    CHECK_TYPE(uint8_t, MM_DTYPE_U8, 0, 255, 128);
    CHECK_TYPE(int16_t, MM_DTYPE_I16, INT16_MIN, INT16_MAX, -2);
    CHECK_TYPE(uint16_t, MM_DTYPE_U16, 0, UINT16_MAX, 300);
    CHECK_TYPE(int32_t, MM_DTYPE_I32, INT32_MIN, INT32_MAX, 16777217);
    CHECK_TYPE(uint32_t, MM_DTYPE_U32, 0, UINT32_MAX, 16777219);
    CHECK_TYPE(int64_t, MM_DTYPE_I64, INT64_MIN, INT64_MAX, -9007199254740993);
    CHECK_TYPE(uint64_t, MM_DTYPE_U64, 0, UINT64_MAX, 9007199791611905u);
    // Rounding to nearest, not cutting.
    double third = 0x1.0000018p0;
    mm_tensor tensor = {.data = &third, .dtype = MM_DTYPE_F64, .elements = 1};
    float got;
    mm_tensor_to_f32(&got, &tensor, 0, 1);
    assert_true(got == 0x1.000002p0f);
    double nan = NAN;
    tensor.data = &nan;
    mm_tensor_to_f32(&got, &tensor, 0, 1);
    assert_true(isnan(got));
}

static void test_bool_and_nothing(void **state) {
    (void)state;
    unsigned char values[4] = {0, 1, 2, 255};
    mm_tensor tensor = {.data = values, .dtype = MM_DTYPE_BOOL, .elements = 4};
    float got[4];
    mm_tensor_to_f32(got, &tensor, 0, 4);
    assert_true(got[0] == 0.0f && got[1] == 1.0f && got[2] == 1.0f && got[3] == 1.0f);
    tensor.dtype = MM_DTYPE_OTHER; // must not be read; gives zeros
    mm_tensor_to_f32(got, &tensor, 0, 4);
    for (int i = 0; i < 4; i++)
        assert_true(got[i] == 0.0f);
    mm_tensor empty = {.dtype = MM_DTYPE_F32};
    mm_tensor_to_f32(NULL, &empty, 0, 0);
}

// A value that is not finite at any place of any length, at an odd address.
#define CHECK_FINITE(type, kind, fine, ...)                                                        \
    do {                                                                                           \
        const type bad[] = {__VA_ARGS__};                                                          \
        unsigned char bytes[1 + 150 * sizeof(type)] = {0};                                         \
        unsigned char *at = bytes + 1;                                                             \
        for (size_t count = 0; count <= 150; count += count < 3 ? 1 : 21) {                        \
            for (size_t i = 0; i < count; i++)                                                     \
                memcpy(at + i * sizeof(type), &(type){fine}, sizeof(type));                        \
            assert_true(mm_values_finite(at, kind, count));                                        \
            for (size_t i = 0; i < count; i++) {                                                   \
                memcpy(at + i * sizeof(type), &bad[i % 4], sizeof(type));                          \
                assert_false(mm_values_finite(at, kind, count));                                   \
                memcpy(at + i * sizeof(type), &(type){fine}, sizeof(type));                        \
            }                                                                                      \
        }                                                                                          \
    } while (0)

static void test_finite(void **state) {
    (void)state;
    // The largest finite value beside both infinities and two NaNs.
    CHECK_FINITE(uint32_t, MM_DTYPE_F32, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7F800001,
                 0xFFC00000);
    CHECK_FINITE(uint32_t, MM_DTYPE_F32, 0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7FFFFFFF,
                 0xFFFFFFFF);
    CHECK_FINITE(uint16_t, MM_DTYPE_F16, 0x7BFF, 0x7C00, 0xFC00, 0x7C01, 0xFE00);
    CHECK_FINITE(uint16_t, MM_DTYPE_BF16, 0xFF7F, 0x7F80, 0xFF80, 0x7F81, 0xFFC0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_half),  cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_other_types), cmocka_unit_test(test_bool_and_nothing),
        cmocka_unit_test(test_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
