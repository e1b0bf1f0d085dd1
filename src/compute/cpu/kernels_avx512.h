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

// scores = e^(scores + bias - largest), in place; returns 1 / their sum. `bias` may be NULL.
static inline float mm_softmax_avx512(float *scores, size_t count, const float *bias) {
    __m512 largest = _mm512_set1_ps(-__builtin_inff());
    for (size_t j = 0; j < count; j += 16) {
        __mmask16 mask = mm_tail_avx512(count - j);
        __m512 value = _mm512_maskz_loadu_ps(mask, scores + j);
        if (bias)
            value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, bias + j));
        if (bias)
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

// One step of a product: 16 lanes of sums, a lane of x spread over all, 16 lanes of the table. A
// lane is a float or a pair of bf16.
typedef __m512 (*mm_multiply_add_avx512)(__m512 sum, __m512i x, __m512i table);

enum {
    MM_BLOCK_AVX512 = 6
}; // rows of x at a time; 6 x 4 sums and 4 table vectors fit the registers

// R rows and C vectors of mm_multiply_rows_avx512, both known when compiling.
__attribute__((always_inline)) static inline void
mm_multiply_block_avx512(float *out, size_t out_stride, const uint32_t *x, size_t x_stride,
                         const uint32_t *table, size_t table_stride, size_t depth,
                         const float *factor, mm_multiply_add_avx512 multiply_add, const int R,
                         const int C) {
    __m512 sum[MM_BLOCK_AVX512][4];
    for (int r = 0; r < R; r++)
        for (int c = 0; c < C; c++)
            sum[r][c] = _mm512_setzero_ps();
    for (size_t n = 0; n < depth; n++) {
        __m512i vector[4];
        for (int c = 0; c < C; c++)
            vector[c] = _mm512_load_si512(table + n * table_stride + 16 * (size_t)c);
        for (int r = 0; r < R; r++) {
            __m512i value = _mm512_set1_epi32((int)x[(size_t)r * x_stride + n]);
            for (int c = 0; c < C; c++)
                sum[r][c] = multiply_add(sum[r][c], value, vector[c]);
        }
    }
    for (int r = 0; r < R; r++)
        for (int c = 0; c < C; c++)
            _mm512_storeu_ps(out + (size_t)r * out_stride + 16 * (size_t)c,
                             _mm512_mul_ps(sum[r][c], _mm512_set1_ps(factor[r])));
}

// out [count, columns] = x [count, depth] table [depth, columns], each row times its factor.
// `count` is at most MM_BLOCK_AVX512, columns a multiple of 16; the table is aligned.
__attribute__((always_inline)) static inline void
mm_multiply_rows_avx512(float *out, size_t out_stride, const uint32_t *x, size_t x_stride,
                        const uint32_t *table, size_t columns, size_t depth, const float *factor,
                        int count, mm_multiply_add_avx512 multiply_add) {
#define BLOCK(R, C)                                                                                \
    case R:                                                                                        \
        mm_multiply_block_avx512(out + i, out_stride, x, x_stride, table + i, columns, depth,      \
                                 factor, multiply_add, R, C);                                      \
        break;
#define BLOCKS(C)                                                                                  \
    switch (count) { BLOCK(1, C) BLOCK(2, C) BLOCK(3, C) BLOCK(4, C) BLOCK(5, C) BLOCK(6, C) }
    size_t i = 0;
    for (; i + 64 <= columns; i += 64)
        BLOCKS(4)
    for (; i + 32 <= columns; i += 32)
        BLOCKS(2)
    for (; i < columns; i += 16)
        BLOCKS(1)
#undef BLOCKS
#undef BLOCK
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
