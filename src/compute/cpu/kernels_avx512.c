// SPDX-License-Identifier: Apache-2.0
// Row kernels for AVX-512: one vector holds 16 floats; tails use masks, so any size is taken.
#include "compute/cpu/kernels_avx512.h"

#include "compute/cpu/attention_queries.h"
#include "compute/cpu/phi_table.h"

#include <float.h>
#include <math.h>

// ---- Functions
// ------------------------------------------------------------------------------------

// 0.5 * x * (1 + erf(x / sqrt 2)): the piece of |x| selects each coefficient by a permutation.
static inline __m512 gelu(__m512 x) {
    const __m512 sign = _mm512_set1_ps(-0.0f);
    __m512 at = _mm512_mul_ps(_mm512_andnot_ps(sign, x), _mm512_set1_ps(PHI16_SCALE));
    at = _mm512_min_ps(at, _mm512_set1_ps(16.0f - 1.0f / 1024));
    __m512i piece = _mm512_cvttps_epi32(at);
    __m512 r = _mm512_sub_ps(_mm512_sub_ps(at, _mm512_cvtepi32_ps(piece)), _mm512_set1_ps(0.5f));
    __m512 sum = _mm512_permutexvar_ps(piece, _mm512_load_ps(phi16[PHI16_DEGREE]));
    for (int power = PHI16_DEGREE - 1; power >= 0; power--)
        sum = _mm512_fmadd_ps(sum, r, _mm512_permutexvar_ps(piece, _mm512_load_ps(phi16[power])));
    sum = _mm512_or_ps(sum, _mm512_and_ps(x, sign));
    return _mm512_fmadd_ps(x, sum, _mm512_mul_ps(x, _mm512_set1_ps(0.5f)));
}

static inline __m512 sigmoid(__m512 x) {
    __m512 e = mm_exp_avx512(_mm512_sub_ps(_mm512_setzero_ps(), x));
    return _mm512_div_ps(_mm512_set1_ps(1), _mm512_add_ps(_mm512_set1_ps(1), e));
}

static inline __m512 gelu_tanh(__m512 x) { // x * sigmoid(2 u)
    __m512 cubic =
        _mm512_fmadd_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(0.044715f), _mm512_set1_ps(1));
    __m512 u2 = _mm512_mul_ps(_mm512_mul_ps(x, cubic), _mm512_set1_ps(1.5957691216f));
    return _mm512_mul_ps(x, sigmoid(u2));
}

static inline __m512 hyperbolic_tangent(__m512 x) { // 2 * sigmoid(2 x) - 1
    __m512 s = sigmoid(_mm512_add_ps(x, x));
    return _mm512_fmsub_ps(s, _mm512_set1_ps(2), _mm512_set1_ps(1));
}

static inline __m512 relu(__m512 x) { // NaN stays NaN: max returns its second operand then
    return _mm512_max_ps(_mm512_setzero_ps(), x);
}

static inline __m512 silu(__m512 x) {
    return _mm512_mul_ps(x, sigmoid(x));
}

static inline __m512 identity(__m512 x) {
    return x;
}

typedef __m512 (*vector_function)(__m512 x);

__attribute__((always_inline)) static inline void
finish_with(float *out, const float *x, const float *bias, size_t columns, vector_function f) {
    for (size_t i = 0; i < columns; i += 16) {
        __mmask16 mask = mm_tail_avx512(columns - i);
        __m512 value = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, x + i),
                                     _mm512_maskz_loadu_ps(mask, bias + i));
        _mm512_mask_storeu_ps(out + i, mask, f(value));
    }
}

static void finish(float *out, const float *x, const float *bias, size_t columns,
                   mm_function function) {
#define FINISH(f) finish_with(out, x, bias, columns, f)
    switch (function) { MM_FUNCTION_CASES(FINISH) }
#undef FINISH
}

// ---- Rows
// -----------------------------------------------------------------------------------------

static void layer_norm(float *out, const float *x, const float *residual, const mm_layer_norm *norm,
                       size_t columns) {
    __m512 sum = _mm512_setzero_ps();
    for (size_t i = 0; i < columns; i += 16) {
        __mmask16 mask = mm_tail_avx512(columns - i);
        __m512 value = _mm512_maskz_loadu_ps(mask, x + i);
        if (residual)
            value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, residual + i));
        _mm512_mask_storeu_ps(out + i, mask, value);
        sum = _mm512_add_ps(sum, value);
    }
    float mean = _mm512_reduce_add_ps(sum) / (float)columns;
    __m512 squares = _mm512_setzero_ps(), means = _mm512_set1_ps(mean);
    for (size_t i = 0; i < columns; i += 16) {
        __mmask16 mask = mm_tail_avx512(columns - i);
        __m512 difference = _mm512_maskz_sub_ps(mask, _mm512_maskz_loadu_ps(mask, out + i), means);
        squares = _mm512_fmadd_ps(difference, difference, squares);
    }
    float variance = _mm512_reduce_add_ps(squares) / (float)columns;
    __m512 scale = _mm512_set1_ps(1.0f / sqrtf(variance + norm->epsilon));
    for (size_t i = 0; i < columns; i += 16) {
        __mmask16 mask = mm_tail_avx512(columns - i);
        __m512 value = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, out + i), means);
        value = _mm512_mul_ps(_mm512_mul_ps(value, scale),
                              _mm512_maskz_loadu_ps(mask, norm->weight + i));
        if (norm->bias)
            value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, norm->bias + i));
        _mm512_mask_storeu_ps(out + i, mask, value);
    }
}

static void rms_norm(float *out, const float *x, const float *residual, const mm_layer_norm *norm,
                     size_t columns) {
    __m512 squares = _mm512_setzero_ps();
    for (size_t i = 0; i < columns; i += 16) {
        __mmask16 mask = mm_tail_avx512(columns - i);
        __m512 value = _mm512_maskz_loadu_ps(mask, x + i);
        if (residual)
            value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, residual + i));
        _mm512_mask_storeu_ps(out + i, mask, value);
        squares = _mm512_fmadd_ps(value, value, squares);
    }
    float mean = _mm512_reduce_add_ps(squares) / (float)columns;
    __m512 scale = _mm512_set1_ps(1.0f / sqrtf(mean + norm->epsilon));
    for (size_t i = 0; i < columns; i += 16) {
        __mmask16 mask = mm_tail_avx512(columns - i);
        __m512 value = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, out + i), scale);
        _mm512_mask_storeu_ps(out + i, mask,
                              _mm512_mul_ps(value, _mm512_maskz_loadu_ps(mask, norm->weight + i)));
    }
}

static void add(float *out, const float *x, const float *residual, size_t columns) {
    for (size_t i = 0; i < columns; i += 16) {
        __mmask16 mask = mm_tail_avx512(columns - i);
        _mm512_mask_storeu_ps(out + i, mask,
                              _mm512_add_ps(_mm512_maskz_loadu_ps(mask, x + i),
                                            _mm512_maskz_loadu_ps(mask, residual + i)));
    }
}

static void multiply(float *out, const float *x, size_t columns) {
    for (size_t i = 0; i < columns; i += 16) {
        __mmask16 mask = mm_tail_avx512(columns - i);
        _mm512_mask_storeu_ps(out + i, mask,
                              _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, out + i),
                                            _mm512_maskz_loadu_ps(mask, x + i)));
    }
}

static void log_softmax(float *x, float scale, size_t columns) {
    __m512 largest = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (size_t i = 0; i < columns; i += 16) {
        __mmask16 mask = mm_tail_avx512(columns - i);
        __m512 value = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_set1_ps(scale));
        _mm512_mask_storeu_ps(x + i, mask, value);
        largest = _mm512_mask_max_ps(largest, mask, value, largest); // NaN shows in the sum
    }
    largest = _mm512_set1_ps(_mm512_reduce_max_ps(largest));
    for (size_t i = 0; i < columns; i += 16) {
        __mmask16 mask = mm_tail_avx512(columns - i);
        __m512 value = mm_exp_avx512(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), largest));
        sum = _mm512_mask_add_ps(sum, mask, sum, value);
    }
    const __m512 total = _mm512_set1_ps(logf(_mm512_reduce_add_ps(sum)));
    for (size_t i = 0; i < columns; i += 16) {
        __mmask16 mask = mm_tail_avx512(columns - i);
        __m512 value = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), largest);
        _mm512_mask_storeu_ps(x + i, mask, _mm512_sub_ps(value, total));
    }
}

static inline __m512 load_element(const void *row, mm_dtype dtype, size_t i, __mmask16 mask) {
    if (dtype == MM_DTYPE_F32)
        return _mm512_maskz_loadu_ps(mask, (const float *)row + i);
    __m256i half = _mm256_maskz_loadu_epi16(mask, (const uint16_t *)row + i);
    if (dtype == MM_DTYPE_F16)
        return _mm512_cvtph_ps(half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

static void look_up(float *out, const void *row, mm_dtype dtype, size_t columns, bool first) {
    for (size_t i = 0; i < columns; i += 16) {
        __mmask16 mask = mm_tail_avx512(columns - i);
        __m512 value = load_element(row, dtype, i, mask);
        if (!first)
            value = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, out + i), value);
        _mm512_mask_storeu_ps(out + i, mask, value);
    }
}

// ---- Attention
// ------------------------------------------------------------------------------------ Scores of a
// block of queries against all keys stay in the level 1 cache. Keys are transposed once a head, so
// that both products run over contiguous vectors with a broadcast on the other side.

static inline __m512 multiply_add(__m512 sum, __m512i x, __m512i table) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(table), sum);
}

static void multiply_rows(float *out, size_t out_stride, const float *x, size_t x_stride,
                          const float *table, size_t columns, size_t depth, const float *factor,
                          int count) {
    mm_multiply_rows_avx512(out, out_stride, (const uint32_t *)(const void *)x, x_stride,
                            (const uint32_t *)(const void *)table, columns, depth, factor, count,
                            multiply_add);
}

static void attention(const mm_attention_head *head) {
    size_t rows = head->rows, head_dim = head->head_dim, padded = (rows + 15) / 16 * 16;
    if (head_dim % 16 != 0 || head_dim > MM_WIDEST_HEAD) {
        mm_attention_c(head);
        return;
    }
    float *keys = head->scratch, *values = keys + padded * head_dim;
    float *scores = values + padded * head_dim;
    for (size_t j = 0; j < padded; j += 16) {
        size_t count = rows - j < 16 ? rows - j : 16;
        for (size_t d = 0; d < head_dim; d += 16)
            mm_transpose_avx512(keys + d * padded + j, padded, head->k + j * head->stride + d,
                                head->stride, count);
    }
    for (size_t j = 0; j < rows; j++)
        for (size_t d = 0; d < head_dim; d += 16)
            _mm512_store_ps(values + j * head_dim + d,
                            _mm512_loadu_ps(head->v + j * head->stride + d));
    for (size_t i = 0; i < rows; i += MM_BLOCK_AVX512) {
        int count = rows - i < MM_BLOCK_AVX512 ? (int)(rows - i) : MM_BLOCK_AVX512;
        float factor[MM_BLOCK_AVX512];
        for (int r = 0; r < count; r++)
            factor[r] = head->scale;
        multiply_rows(scores, padded, head->q + i * head->stride, head->stride, keys, padded,
                      head_dim, factor, count);
        for (int r = 0; r < count; r++)
            factor[r] = mm_softmax_avx512(scores + (size_t)r * padded, rows,
                                          head->bias ? head->bias - (i + (size_t)r) : NULL);
        multiply_rows(head->out + i * head->out_stride, head->out_stride, scores, padded, values,
                      head_dim, rows, factor, count);
    }
}

// The sums of 8 vectors' lanes.
static inline __m256 sum_each(const __m512 x[8]) {
    __m256 half[8];
    for (size_t i = 0; i < 8; i++)
        half[i] = _mm256_add_ps(_mm512_castps512_ps256(x[i]), _mm512_extractf32x8_ps(x[i], 1));
    __m256 a = _mm256_hadd_ps(_mm256_hadd_ps(half[0], half[1]), _mm256_hadd_ps(half[2], half[3]));
    __m256 b = _mm256_hadd_ps(_mm256_hadd_ps(half[4], half[5]), _mm256_hadd_ps(half[6], half[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

static inline void score_rows(float *scores, const float *q, const float *const row[MM_QUERY_ROWS],
                              size_t first, size_t head_dim, float scale) {
    __m512 sum[MM_QUERY_ROWS];
    for (size_t i = 0; i < MM_QUERY_ROWS; i++)
        sum[i] = _mm512_setzero_ps();
    for (size_t d = 0; d < head_dim; d += 16) {
        const __mmask16 mask = mm_tail_avx512(head_dim - d);
        const __m512 value = _mm512_maskz_loadu_ps(mask, q + first + d);
        for (size_t i = 0; i < MM_QUERY_ROWS; i++)
            sum[i] =
                _mm512_fmadd_ps(value, _mm512_maskz_loadu_ps(mask, row[i] + first + d), sum[i]);
    }
    _mm256_store_ps(scores, _mm256_mul_ps(sum_each(sum), _mm256_set1_ps(scale)));
}

static inline void add_rows(float *out, const float *weights, const float *const row[MM_QUERY_ROWS],
                            size_t first, size_t head_dim) {
    for (size_t d = 0; d < head_dim; d += 16) {
        const __mmask16 mask = mm_tail_avx512(head_dim - d);
        __m512 sum = _mm512_maskz_loadu_ps(mask, out + first + d);
        for (size_t i = 0; i < MM_QUERY_ROWS; i++)
            sum = _mm512_fmadd_ps(_mm512_set1_ps(weights[i]),
                                  _mm512_maskz_loadu_ps(mask, row[i] + first + d), sum);
        _mm512_mask_storeu_ps(out + first + d, mask, sum);
    }
}

static inline void weigh_rows(float *scores, size_t count, const float *bias) {
    const __m512 factor = _mm512_set1_ps(mm_softmax_avx512(scores, count, bias));
    for (size_t j = 0; j < count; j += 16) {
        const __mmask16 mask = mm_tail_avx512(count - j);
        _mm512_store_ps(scores + j, _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, scores + j), factor));
    }
}

static void attention_queries(const mm_attention_queries *queries) {
    mm_attend_queries(queries, score_rows, weigh_rows, add_rows);
}

void mm_kernels_init_avx512(mm_kernels *kernels) {
    kernels->layer_norm = layer_norm;
    kernels->rms_norm = rms_norm;
    kernels->add = add;
    kernels->look_up = look_up;
    kernels->finish = finish;
    kernels->multiply = multiply;
    kernels->log_softmax = log_softmax;
    kernels->attention = attention;
    kernels->attention_queries = attention_queries;
}
