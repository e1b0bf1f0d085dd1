// SPDX-License-Identifier: Apache-2.0
// bf16 kernels for processors with AVX512_BF16: two bf16 values are one 32-bit lane, and a lane of
// the dot-product instruction adds both products to a float32 sum.
#include "compute/cpu/kernels_avx512.h"

#include "compute/cpu/phi_table.h"

#include <string.h>

static inline __m256i round_bf16(__m512 x) {
    return (__m256i)_mm512_cvtneps_pbh(x);
}

static void to_bf16(uint16_t *out, const float *x, size_t columns) {
    for (size_t i = 0; i < columns; i += 16) {
        __mmask16 mask = mm_tail_avx512(columns - i);
        _mm256_mask_storeu_epi16(out + i, mask, round_bf16(_mm512_maskz_loadu_ps(mask, x + i)));
    }
}

// As in kernels_avx512.c but of the third degree: 1e-5 off, a hundredth of a bf16 step.
static inline __m512 gelu(__m512 x) {
    const __m512 sign = _mm512_set1_ps(-0.0f);
    __m512 at = _mm512_mul_ps(_mm512_andnot_ps(sign, x), _mm512_set1_ps(PHI16_SCALE));
    at = _mm512_min_ps(at, _mm512_set1_ps(16.0f - 1.0f / 1024));
    __m512i piece = _mm512_cvttps_epi32(at);
    __m512 r = _mm512_sub_ps(_mm512_sub_ps(at, _mm512_cvtepi32_ps(piece)), _mm512_set1_ps(0.5f));
    __m512 sum = _mm512_permutexvar_ps(piece, _mm512_load_ps(phi16[3]));
    for (int power = 2; power >= 0; power--)
        sum = _mm512_fmadd_ps(sum, r, _mm512_permutexvar_ps(piece, _mm512_load_ps(phi16[power])));
    sum = _mm512_or_ps(sum, _mm512_and_ps(x, sign));
    return _mm512_fmadd_ps(x, sum, _mm512_mul_ps(x, _mm512_set1_ps(0.5f)));
}

static void finish_bf16(uint16_t *out, const float *x, const float *bias, size_t columns,
                        mm_function function) {
    if (function == MM_FUNCTION_GELU) {
        for (size_t i = 0; i < columns; i += 16) {
            __mmask16 mask = mm_tail_avx512(columns - i);
            __m512 value = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, x + i),
                                         _mm512_maskz_loadu_ps(mask, bias + i));
            _mm256_mask_storeu_epi16(out + i, mask, round_bf16(gelu(value)));
        }
        return;
    }
    float wide[256];
    mm_kernels plain;
    mm_kernels_init_avx512(&plain);
    for (size_t i = 0; i < columns; i += 256) {
        size_t count = columns - i < 256 ? columns - i : 256;
        plain.finish(wide, x + i, bias + i, count, function);
        to_bf16(out + i, wide, count);
    }
}

// ---- Attention
// ------------------------------------------------------------------------------------ The scheme
// of kernels_avx512.c with pairs: keys as [head_dim / 2][rows] pairs of neighbouring dimensions,
// values as [rows / 2][head_dim] pairs of neighbouring rows.

static inline __m512 multiply_add(__m512 sum, __m512i x, __m512i table) {
    return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)table);
}

static void multiply_rows(float *out, size_t out_stride, const uint16_t *x, size_t x_stride,
                          const uint32_t *table, size_t columns, size_t depth, const float *factor,
                          int count) {
    mm_multiply_rows_avx512(out, out_stride, (const uint32_t *)(const void *)x, x_stride / 2, table,
                            columns, depth, factor, count, multiply_add);
}

// Keys: 16 rows of 32 values become 16 pairs each, transposed.
static void pack_keys(uint32_t *keys, size_t padded, const mm_attention_head *head) {
    for (size_t j = 0; j < padded; j += 16) {
        size_t count = head->rows - j < 16 ? head->rows - j : 16;
        for (size_t d = 0; d < head->head_dim; d += 32) {
            __m512 row[16];
            for (size_t i = 0; i < 16; i++) {
                const float *from = head->k + (j + i) * head->stride + d;
                row[i] = i < count ? (__m512)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + 16),
                                                                 _mm512_loadu_ps(from))
                                   : _mm512_setzero_ps();
            }
            mm_transpose_registers_avx512(row);
            for (size_t i = 0; i < 16; i++)
                _mm512_store_ps((float *)(void *)keys + (d / 2 + i) * padded + j, row[i]);
        }
    }
}

// Values: two rows interleaved, the earlier one in the low half of each lane.
static void pack_values(uint32_t *values, const mm_attention_head *head) {
    for (size_t j = 0; j < head->rows; j += 2) {
        for (size_t d = 0; d < head->head_dim; d += 16) {
            const float *from = head->v + j * head->stride + d;
            __m256i odd = _mm256_setzero_si256();
            if (j + 1 < head->rows)
                odd = round_bf16(_mm512_loadu_ps(from + head->stride));
            __m512i low = _mm512_cvtepu16_epi32(round_bf16(_mm512_loadu_ps(from)));
            __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16);
            _mm512_store_si512(values + j / 2 * head->head_dim + d, _mm512_or_si512(low, high));
        }
    }
}

static void attention_bf16(const mm_attention_head *head) {
    size_t rows = head->rows, head_dim = head->head_dim, padded = (rows + 15) / 16 * 16;
    if (head_dim % 32 != 0 || head_dim > MM_WIDEST_HEAD) {
        mm_attention_c(head);
        return;
    }
    uint32_t *keys = head->scratch, *values = keys + padded * head_dim / 2;
    float *scores = (float *)(void *)(values + padded * head_dim / 2);
    uint16_t *weights = (uint16_t *)(void *)(scores + MM_BLOCK_AVX512 * padded);
    _Alignas(4) uint16_t queries[MM_BLOCK_AVX512 * MM_WIDEST_HEAD];
    pack_keys(keys, padded, head);
    pack_values(values, head);
    for (size_t i = 0; i < rows; i += MM_BLOCK_AVX512) {
        int count = rows - i < MM_BLOCK_AVX512 ? (int)(rows - i) : MM_BLOCK_AVX512;
        float factor[MM_BLOCK_AVX512];
        for (int r = 0; r < count; r++) {
            factor[r] = head->scale;
            to_bf16(queries + (size_t)r * head_dim, head->q + (i + (size_t)r) * head->stride,
                    head_dim);
        }
        multiply_rows(scores, padded, queries, head_dim, keys, padded, head_dim / 2, factor, count);
        for (int r = 0; r < count; r++) {
            float *row = scores + (size_t)r * padded;
            factor[r] =
                mm_softmax_avx512(row, rows, head->bias ? head->bias - (i + (size_t)r) : NULL);
            if (rows % 2)
                row[rows] = 0; // the partner of the last value
            to_bf16(weights + (size_t)r * padded, row, rows + rows % 2);
        }
        multiply_rows(head->out + i * head->out_stride, head->out_stride, weights, padded, values,
                      head_dim, (rows + 1) / 2, factor, count);
    }
}

void mm_kernels_init_avx512_bf16(mm_kernels *kernels) {
    kernels->to_bf16 = to_bf16;
    kernels->finish_bf16 = finish_bf16;
    kernels->attention_bf16 = attention_bf16;
}
