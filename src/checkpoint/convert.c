// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/convert.h"

#include "checkpoint/safetensors.h"

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static float f16_to_f32(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = (half >> 10) & 0x1F;
    uint32_t mantissa = half & 0x3FF;
    if (exponent == 0x1F) {
        uint32_t quiet = mantissa ? 0x400000 : 0;
        return float_of_bits(sign | 0x7F800000 | quiet | mantissa << 13);
    }
    if (exponent > 0)
        return float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    // Zero or denormal: mantissa x 2^-24 is exact in float32.
    float value = (float)mantissa * 0x1p-24f;
    return sign ? -value : value;
}

void mm_convert_f16_portable(float *out, const void *source, size_t count) {
    const char *bytes = source;
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, bytes + i * sizeof(half), sizeof(half));
        out[i] = f16_to_f32(half);
    }
}

void mm_convert_bf16_portable(float *out, const void *source, size_t count) {
    const char *bytes = source;
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, bytes + i * sizeof(half), sizeof(half));
        out[i] = float_of_bits((uint32_t)half << 16);
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2,f16c"))) static void convert_f16_avx2(float *out, const void *source,
                                                                  size_t count) {
    const char *bytes = source;
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m128i half = _mm_loadu_si128((const void *)(bytes + 2 * i));
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(half));
    }
    mm_convert_f16_portable(out + i, bytes + 2 * i, count - i);
}

__attribute__((target("avx2"))) static void convert_bf16_avx2(float *out, const void *source,
                                                              size_t count) {
    const char *bytes = source;
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m128i half = _mm_loadu_si128((const void *)(bytes + 2 * i));
        __m256i word = _mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16);
        _mm256_storeu_ps(out + i, _mm256_castsi256_ps(word));
    }
    mm_convert_bf16_portable(out + i, bytes + 2 * i, count - i);
}

static bool has_avx2(void) {
    // Compilers disagree on the name "f16c" here; every processor with AVX2 has F16C.
    return __builtin_cpu_supports("avx2") != 0;
}
#endif

void mm_convert_f16(float *out, const void *source, size_t count) {
#if defined(__x86_64__)
    if (has_avx2()) {
        convert_f16_avx2(out, source, count);
        return;
    }
#endif
    mm_convert_f16_portable(out, source, count);
}

void mm_convert_bf16(float *out, const void *source, size_t count) {
#if defined(__x86_64__)
    if (has_avx2()) {
        convert_bf16_avx2(out, source, count);
        return;
    }
#endif
    mm_convert_bf16_portable(out, source, count);
}

#if defined(__x86_64__)
// How many bytes from the beginning, in whole blocks, hold only words with a bit of `exponent`
// that is not set.
__attribute__((target("avx2"))) static size_t finite_bytes_avx2(const char *bytes, size_t size,
                                                                bool wide, uint32_t exponent) {
    enum { STEP = 32, BLOCK = 8 * STEP };
    const __m256i ones =
        wide ? _mm256_set1_epi32((int)exponent) : _mm256_set1_epi16((short)exponent);
    size_t at = 0;
    for (; at + BLOCK <= size; at += BLOCK) {
        __m256i bad = _mm256_setzero_si256();
        for (size_t i = at; i < at + BLOCK; i += STEP) {
            __m256i bits = _mm256_and_si256(_mm256_loadu_si256((const void *)(bytes + i)), ones);
            bad = _mm256_or_si256(bad, wide ? _mm256_cmpeq_epi32(bits, ones)
                                            : _mm256_cmpeq_epi16(bits, ones));
        }
        if (!_mm256_testz_si256(bad, bad))
            break;
    }
    return at;
}
#define SKIP_FINITE(type, exponent)                                                                \
    if (has_avx2())                                                                                \
    i = finite_bytes_avx2(bytes, count * sizeof(type), sizeof(type) == 4, exponent) / sizeof(type)
#else
#define SKIP_FINITE(type, exponent)
#endif

// Words of `type` whose exponent is all ones are NaN or infinite. In blocks, since a compiler makes
// vectors of a loop of known length at any level; one bad block ends it.
#define FINITE_LOOP(type, exponent)                                                                \
    SKIP_FINITE(type, exponent);                                                                   \
    for (; i + BLOCK <= count; i += BLOCK) {                                                       \
        type block[BLOCK];                                                                         \
        type bad = 0;                                                                              \
        memcpy(block, bytes + i * sizeof(type), sizeof(block));                                    \
        for (size_t at = 0; at < BLOCK; at++)                                                      \
            bad |= (block[at] & (exponent)) == (exponent);                                         \
        if (bad)                                                                                   \
            return false;                                                                          \
    }                                                                                              \
    for (; i < count; i++) {                                                                       \
        type word;                                                                                 \
        memcpy(&word, bytes + i * sizeof(word), sizeof(word));                                     \
        if ((word & (exponent)) == (exponent))                                                     \
            return false;                                                                          \
    }                                                                                              \
    return true

bool mm_values_finite(const void *values, mm_dtype dtype, size_t count) {
    enum { BLOCK = 64 };
    const char *bytes = values;
    size_t i = 0;
    switch (dtype) {
    case MM_DTYPE_F32:
        FINITE_LOOP(uint32_t, 0x7F800000);
    case MM_DTYPE_F16:
        FINITE_LOOP(uint16_t, 0x7C00);
    case MM_DTYPE_BF16:
        FINITE_LOOP(uint16_t, 0x7F80);
    default:
        return false;
    }
}

// One loop per integer width and for F64; none of them is on a fast path.
#define CONVERT_LOOP(type)                                                                         \
    for (size_t i = 0; i < length; i++) {                                                          \
        type value;                                                                                \
        memcpy(&value, bytes + i * sizeof(value), sizeof(value));                                  \
        out[i] = (float)value;                                                                     \
    }                                                                                              \
    return

void mm_tensor_to_f32(float *out, const mm_tensor *tensor, int64_t start, int64_t count) {
    size_t length = (size_t)count;
    if (length == 0)
        return;
    const char *bytes =
        (const char *)tensor->data + (size_t)start * (mm_dtype_bits(tensor->dtype) / 8);
    switch (tensor->dtype) {
    case MM_DTYPE_F32:
        memcpy(out, bytes, length * sizeof(*out));
        return;
    case MM_DTYPE_F16:
        mm_convert_f16(out, bytes, length);
        return;
    case MM_DTYPE_BF16:
        mm_convert_bf16(out, bytes, length);
        return;
    case MM_DTYPE_BOOL:
        for (size_t i = 0; i < length; i++)
            out[i] = bytes[i] ? 1.0f : 0.0f;
        return;
    case MM_DTYPE_U8:
        CONVERT_LOOP(uint8_t);
    case MM_DTYPE_I8:
        CONVERT_LOOP(int8_t);
    case MM_DTYPE_I16:
        CONVERT_LOOP(int16_t);
    case MM_DTYPE_U16:
        CONVERT_LOOP(uint16_t);
    case MM_DTYPE_I32:
        CONVERT_LOOP(int32_t);
    case MM_DTYPE_U32:
        CONVERT_LOOP(uint32_t);
    case MM_DTYPE_F64:
        CONVERT_LOOP(double);
    case MM_DTYPE_I64:
        CONVERT_LOOP(int64_t);
    case MM_DTYPE_U64:
        CONVERT_LOOP(uint64_t);
    case MM_DTYPE_OTHER:
        break; // the caller's mistake; zeros rather than garbage
    }
    memset(out, 0, length * sizeof(*out));
}
