// SPDX-License-Identifier: Apache-2.0
// Vector pieces that the AVX-512 kernel files share. Included by those files only.
#ifndef MM_COMPUTE_CPU_KERNELS_AVX512_H
#define MM_COMPUTE_CPU_KERNELS_AVX512_H

#include "compute/cpu/kernels.h"

#include <immintrin.h>

// The lanes that `left` remaining values fill.
static inline __mmask16 mm_tail_avx512(size_t left) {
    return (__mmask16)(left >= 16 ? 0xFFFFu : (1u << left) - 1);
}

// e^x: 2^n * 2^f with |f| <= 1/2, the second by the series of e^(f ln 2) to the 6th power. About
// one unit in the last place; 0 below -104, infinity above 89, NaN stays.
static inline __m512 mm_exp_avx512(__m512 x) {
    const __m512 low = _mm512_set1_ps(-104.0f), high = _mm512_set1_ps(89.0f);
    x = _mm512_min_ps(high, _mm512_max_ps(low, x)); // operand order keeps NaN
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)),
                                    _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x); // ln 2 in two parts
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 sum = _mm512_set1_ps(1.0f / 720);
    sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f / 120));
    sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f / 24));
    sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f / 6));
    sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(0.5f));
    sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f));
    sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(sum, n);
}

// scores = e^(scale * scores + bias - largest), in place; returns 1 / their sum.
static inline float mm_softmax_avx512(float *scores, size_t count, float scale, const float *bias) {
    const __m512 scales = _mm512_set1_ps(scale);
    __m512 largest = _mm512_set1_ps(-__builtin_inff());
    for (size_t j = 0; j < count; j += 16) {
        __mmask16 mask = mm_tail_avx512(count - j);
        __m512 value = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, scores + j), scales);
        if (bias)
            value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, bias + j));
        _mm512_mask_storeu_ps(scores + j, mask, value);
        largest = _mm512_mask_max_ps(largest, mask, largest, value);
    }
    const __m512 offset = _mm512_set1_ps(_mm512_reduce_max_ps(largest));
    __m512 sum = _mm512_setzero_ps();
    for (size_t j = 0; j < count; j += 16) {
        __mmask16 mask = mm_tail_avx512(count - j);
        __m512 value =
            mm_exp_avx512(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, scores + j), offset));
        _mm512_mask_storeu_ps(scores + j, mask, value);
        sum = _mm512_mask_add_ps(sum, mask, sum, value);
    }
    return 1.0f / _mm512_reduce_add_ps(sum);
}

// Calls `macro(R, C)` with the block's number of queries as a constant.
#define MM_FOR_ROWS(macro, count, C)                                                               \
    switch (count) {                                                                               \
    case 6:                                                                                        \
        macro(6, C);                                                                               \
        break;                                                                                     \
    case 5:                                                                                        \
        macro(5, C);                                                                               \
        break;                                                                                     \
    case 4:                                                                                        \
        macro(4, C);                                                                               \
        break;                                                                                     \
    case 3:                                                                                        \
        macro(3, C);                                                                               \
        break;                                                                                     \
    case 2:                                                                                        \
        macro(2, C);                                                                               \
        break;                                                                                     \
    default:                                                                                       \
        macro(1, C);                                                                               \
        break;                                                                                     \
    }

// 16 vectors of 32-bit values, transposed in registers.
static inline void mm_transpose_registers_avx512(__m512 row[16]) {
    __m512 a[16], b[16];
    for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_ps(row[i], row[i + 1]);
        a[i + 1] = _mm512_unpackhi_ps(row[i], row[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
        b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xEE);
        b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
        b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xEE);
    }
    for (int i = 0; i < 4; i++) { // b[i + 4 * g] holds columns i, i+4, i+8, i+12 of row group g
        __m512 low = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88);
        __m512 high = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xDD);
        __m512 low2 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0x88);
        __m512 high2 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0xDD);
        row[i] = _mm512_shuffle_f32x4(low, low2, 0x88);
        row[i + 4] = _mm512_shuffle_f32x4(high, high2, 0x88);
        row[i + 8] = _mm512_shuffle_f32x4(low, low2, 0xDD);
        row[i + 12] = _mm512_shuffle_f32x4(high, high2, 0xDD);
    }
}

// out[d][j] = in[j][d] for 16 d and `count` <= 16 rows j; missing rows are zero. `out` is aligned.
static inline void mm_transpose_avx512(float *out, size_t out_stride, const float *in,
                                       size_t in_stride, size_t count) {
    __m512 row[16];
    for (size_t j = 0; j < 16; j++)
        row[j] = j < count ? _mm512_loadu_ps(in + j * in_stride) : _mm512_setzero_ps();
    mm_transpose_registers_avx512(row);
    for (size_t d = 0; d < 16; d++)
        _mm512_store_ps(out + d * out_stride, row[d]);
}

#endif
