// SPDX-License-Identifier: Apache-2.0
// Row kernels for AVX2 and FMA: one vector holds 8 floats; what is left over goes through a copy
// of 8.
#include "compute/cpu/attention_queries.h"
#include "compute/cpu/phi_table.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

// ---- Loads and stores of the last, partial vector
// ---------------------------------------------------

static inline __m256i tail_mask(size_t left) {
    static const int32_t lanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    size_t count = left < 8 ? left : 8;
    return _mm256_loadu_si256((const __m256i *)(const void *)(lanes + 8 - count));
}

// Masked accesses are slow on some processors, so only the last vector of a row takes them.
static inline __m256 load(const float *x, size_t left) {
    return left >= 8 ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, tail_mask(left));
}

static inline void store(float *out, size_t left, __m256 x) {
    if (left >= 8)
        _mm256_storeu_ps(out, x);
    else
        _mm256_maskstore_ps(out, tail_mask(left), x);
}

static inline float sum_lanes(__m256 x) {
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

static inline float largest_lane(__m256 x) {
    __m128 most = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    most = _mm_max_ps(most, _mm_movehl_ps(most, most));
    return _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
}

static inline void transpose(__m256 row[8]) {
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
        a[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
        b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xEE);
        b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
        b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        row[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
        row[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
    }
}

// ---- Functions
// --------------------------------------------------------------------------------------

// e^(x - n ln 2). The polynomial has the least largest relative error over the half of ln 2 to both
// sides that begins with 1 + r: two units in the last place.
static inline __m256 exponential_rest(__m256 x, __m256 n) {
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
    __m256 sum = _mm256_set1_ps(0.008312501f);
    sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(0.04189033f));
    sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(0.16667116f));
    sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(0.4999923f));
    sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f));
    return _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f));
}

// As mm_exp_avx512; the scaling by 2^n goes in two steps, so that it reaches subnormal results.
static inline __m256 exponential(__m256 x) {
    x = _mm256_min_ps(_mm256_set1_ps(89), _mm256_max_ps(_mm256_set1_ps(-104), x));
    __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)),
                               _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 sum = exponential_rest(x, n);
    __m256i whole = _mm256_cvtps_epi32(n), first = _mm256_srai_epi32(whole, 1);
    __m256i second = _mm256_sub_epi32(whole, first), one = _mm256_set1_epi32(127);
    __m256 scale = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(first, one), 23));
    __m256 rest = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(second, one), 23));
    return _mm256_mul_ps(_mm256_mul_ps(sum, scale), rest);
}

static inline __m256 gelu(__m256 x) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 at = _mm256_mul_ps(_mm256_andnot_ps(sign, x), _mm256_set1_ps(PHI8_SCALE));
    at = _mm256_min_ps(at, _mm256_set1_ps(8.0f - 1.0f / 1024));
    __m256i piece = _mm256_cvttps_epi32(at);
    __m256 r = _mm256_sub_ps(_mm256_sub_ps(at, _mm256_cvtepi32_ps(piece)), _mm256_set1_ps(0.5f));
    __m256 sum = _mm256_permutevar8x32_ps(_mm256_load_ps(phi8[PHI8_DEGREE]), piece);
    for (int power = PHI8_DEGREE - 1; power >= 0; power--)
        sum = _mm256_fmadd_ps(sum, r, _mm256_permutevar8x32_ps(_mm256_load_ps(phi8[power]), piece));
    sum = _mm256_or_ps(sum, _mm256_and_ps(x, sign));
    return _mm256_fmadd_ps(x, sum, _mm256_mul_ps(x, _mm256_set1_ps(0.5f)));
}

static inline __m256 sigmoid(__m256 x) {
    __m256 e = exponential(_mm256_sub_ps(_mm256_setzero_ps(), x));
    return _mm256_div_ps(_mm256_set1_ps(1), _mm256_add_ps(_mm256_set1_ps(1), e));
}

static inline __m256 gelu_tanh(__m256 x) {
    __m256 cubic =
        _mm256_fmadd_ps(_mm256_mul_ps(x, x), _mm256_set1_ps(0.044715f), _mm256_set1_ps(1));
    __m256 u2 = _mm256_mul_ps(_mm256_mul_ps(x, cubic), _mm256_set1_ps(1.5957691216f));
    return _mm256_mul_ps(x, sigmoid(u2));
}

static inline __m256 hyperbolic_tangent(__m256 x) {
    __m256 s = sigmoid(_mm256_add_ps(x, x));
    return _mm256_fmsub_ps(s, _mm256_set1_ps(2), _mm256_set1_ps(1));
}

static inline __m256 relu(__m256 x) {
    return _mm256_max_ps(_mm256_setzero_ps(), x);
}

static inline __m256 silu(__m256 x) {
    return _mm256_mul_ps(x, sigmoid(x));
}

static inline __m256 identity(__m256 x) {
    return x;
}

typedef __m256 (*vector_function)(__m256 x);

__attribute__((always_inline)) static inline void
finish_with(float *out, const float *x, const float *bias, size_t columns, vector_function f) {
    for (size_t i = 0; i < columns; i += 8) {
        size_t left = columns - i;
        store(out + i, left, f(_mm256_add_ps(load(x + i, left), load(bias + i, left))));
    }
}

static void finish(float *out, const float *x, const float *bias, size_t columns,
                   mm_function function) {
#define FINISH(f) finish_with(out, x, bias, columns, f)
    switch (function) { MM_FUNCTION_CASES(FINISH) }
#undef FINISH
}

// ---- Rows
// -------------------------------------------------------------------------------------------

static void layer_norm(float *out, const float *x, const float *residual, const mm_layer_norm *norm,
                       size_t columns) {
    __m256 sum = _mm256_setzero_ps(), squares = _mm256_setzero_ps();
    for (size_t i = 0; i < columns; i += 8) {
        size_t left = columns - i;
        __m256 value = load(x + i, left);
        if (residual)
            value = _mm256_add_ps(value, load(residual + i, left));
        store(out + i, left, value);
        sum = _mm256_add_ps(sum, value);
    }
    __m256 mean = _mm256_set1_ps(sum_lanes(sum) / (float)columns);
    for (size_t i = 0; i < columns; i += 8) {
        size_t left = columns - i;
        __m256 difference = _mm256_and_ps(_mm256_sub_ps(load(out + i, left), mean),
                                          _mm256_castsi256_ps(tail_mask(left)));
        squares = _mm256_fmadd_ps(difference, difference, squares);
    }
    float variance = sum_lanes(squares) / (float)columns;
    __m256 scale = _mm256_set1_ps(1.0f / sqrtf(variance + norm->epsilon));
    for (size_t i = 0; i < columns; i += 8) {
        size_t left = columns - i;
        __m256 value = _mm256_mul_ps(_mm256_sub_ps(load(out + i, left), mean), scale);
        value = _mm256_mul_ps(value, load(norm->weight + i, left));
        if (norm->bias)
            value = _mm256_add_ps(value, load(norm->bias + i, left));
        store(out + i, left, value);
    }
}

static void rms_norm(float *out, const float *x, const float *residual, const mm_layer_norm *norm,
                     size_t columns) {
    __m256 squares = _mm256_setzero_ps();
    for (size_t i = 0; i < columns; i += 8) {
        size_t left = columns - i;
        __m256 value = load(x + i, left);
        if (residual)
            value = _mm256_add_ps(value, load(residual + i, left));
        store(out + i, left, value);
        squares = _mm256_fmadd_ps(value, value, squares);
    }
    float mean = sum_lanes(squares) / (float)columns;
    __m256 scale = _mm256_set1_ps(1.0f / sqrtf(mean + norm->epsilon));
    for (size_t i = 0; i < columns; i += 8) {
        size_t left = columns - i;
        __m256 value = _mm256_mul_ps(load(out + i, left), scale);
        store(out + i, left, _mm256_mul_ps(value, load(norm->weight + i, left)));
    }
}

static void add(float *out, const float *x, const float *residual, size_t columns) {
    for (size_t i = 0; i < columns; i += 8) {
        size_t left = columns - i;
        store(out + i, left, _mm256_add_ps(load(x + i, left), load(residual + i, left)));
    }
}

static void multiply(float *out, const float *x, size_t columns) {
    for (size_t i = 0; i < columns; i += 8) {
        size_t left = columns - i;
        store(out + i, left, _mm256_mul_ps(load(out + i, left), load(x + i, left)));
    }
}

static inline __m256 load_element(const void *row, mm_dtype dtype, size_t i, size_t left) {
    if (dtype == MM_DTYPE_F32)
        return load((const float *)row + i, left);
    uint16_t lanes[8] = {0};
    memcpy(lanes, (const uint16_t *)row + i, (left < 8 ? left : 8) * sizeof(lanes[0]));
    __m128i half = _mm_loadu_si128((const __m128i *)(const void *)lanes);
    if (dtype == MM_DTYPE_F16)
        return _mm256_cvtph_ps(half);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

static void look_up(float *out, const void *row, mm_dtype dtype, size_t columns, bool first) {
    for (size_t i = 0; i < columns; i += 8) {
        size_t left = columns - i;
        __m256 value = load_element(row, dtype, i, columns - i);
        if (!first)
            value = _mm256_add_ps(load(out + i, left), value);
        store(out + i, left, value);
    }
}

// ---- Attention
// --------------------------------------------------------------------------------------
// Keys and values are laid out once a head as panels, 16 of a row's numbers wide (the last may be
// 8), so that a product reads a panel from end to end. Queries come in groups: a panel is fetched
// into the first cache once for all of them.

enum { BLOCK = 6, PANEL = 16 }; // 6 x 2 sums, 2 vectors of the panel and a number: 15 registers

// out[r] = factor[r] times the sum over n of x[r][n] panel[n], for R rows and a panel of C vectors.
__attribute__((always_inline)) static inline void
multiply_block(float *out, size_t out_stride, const float *x, size_t x_stride, const float *panel,
               size_t depth, const float *factor, const int R, const int C) {
    __m256 sum[BLOCK][2];
    for (int r = 0; r < R; r++)
        for (int c = 0; c < C; c++)
            sum[r][c] = _mm256_setzero_ps();
    for (size_t n = 0; n < depth; n++) {
        __m256 vector[2];
        for (int c = 0; c < C; c++)
            vector[c] = _mm256_loadu_ps(panel + (n * (size_t)C + (size_t)c) * 8);
        for (int r = 0; r < R; r++) {
            __m256 value = _mm256_broadcast_ss(x + (size_t)r * x_stride + n);
            for (int c = 0; c < C; c++)
                sum[r][c] = _mm256_fmadd_ps(value, vector[c], sum[r][c]);
        }
    }
    for (int r = 0; r < R; r++)
        for (int c = 0; c < C; c++)
            _mm256_storeu_ps(out + (size_t)r * out_stride + 8 * (size_t)c,
                             factor ? _mm256_mul_ps(sum[r][c], _mm256_set1_ps(factor[r]))
                                    : sum[r][c]);
}

// The same for any number of rows, `factor` NULL being 1; the panel is 8 or 16 wide.
__attribute__((always_inline)) static inline void
multiply_panel(float *out, size_t out_stride, const float *x, size_t x_stride, size_t rows,
               const float *panel, size_t width, size_t depth, const float *factor) {
#define ROWS(R, C)                                                                                 \
    case R:                                                                                        \
        multiply_block(out + r * out_stride, out_stride, x + r * x_stride, x_stride, panel, depth, \
                       factor ? factor + r : NULL, R, C);                                          \
        break;
#define BLOCKS(C)                                                                                  \
    for (size_t r = 0; r < rows; r += BLOCK) {                                                     \
        switch (rows - r < BLOCK ? rows - r : BLOCK) {                                             \
            ROWS(1, C) ROWS(2, C) ROWS(3, C) ROWS(4, C) ROWS(5, C) ROWS(6, C)                      \
        }                                                                                          \
    }
    if (width == PANEL) {
        BLOCKS(2)
    } else {
        BLOCKS(1)
    }
#undef BLOCKS
#undef ROWS
}

// e^x for x of at most 0, where the result needs no second factor; 0 below -88, NaN stays.
static inline __m256 exponential_of_negative(__m256 x) {
    const __m256 shift = _mm256_set1_ps(12582912.0f + 127); // puts n + 127 in the lowest bits
    x = _mm256_max_ps(_mm256_set1_ps(-88), x);
    __m256 shifted = _mm256_fmadd_ps(x, _mm256_set1_ps(1.44269504f), shift);
    __m256 n = _mm256_sub_ps(shifted, shift);
    __m256 scale = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23));
    return _mm256_mul_ps(exponential_rest(x, n), scale);
}

// scores = e^(scores + bias - largest), in place; returns 1 / their sum. `bias` may be NULL.
static float softmax(float *scores, size_t count, const float *bias) {
    const __m256 lowest = _mm256_set1_ps(-INFINITY);
    __m256 largest = lowest;
    for (size_t j = 0; j < count; j += 8) {
        size_t left = count - j;
        __m256 value = load(scores + j, left);
        if (bias) {
            value = _mm256_add_ps(value, load(bias + j, left));
            store(scores + j, left, value);
        }
        if (left < 8)
            value = _mm256_blendv_ps(lowest, value, _mm256_castsi256_ps(tail_mask(left)));
        largest = _mm256_max_ps(value, largest);
    }
    __m256 sum = _mm256_setzero_ps(), offset = _mm256_set1_ps(largest_lane(largest));
    for (size_t j = 0; j < count; j += 8) {
        size_t left = count - j;
        __m256 value = exponential_of_negative(_mm256_sub_ps(load(scores + j, left), offset));
        if (left < 8)
            value = _mm256_and_ps(value, _mm256_castsi256_ps(tail_mask(left)));
        store(scores + j, left, value);
        sum = _mm256_add_ps(sum, value);
    }
    return 1.0f / sum_lanes(sum);
}

// x *= scale; returns the largest. What is behind the end counts as minus infinity.
static float scale_row(float *x, float scale, size_t columns) {
    const __m256 lowest = _mm256_set1_ps(-INFINITY), factor = _mm256_set1_ps(scale);
    __m256 largest = lowest;
    for (size_t i = 0; i < columns; i += 8) {
        const size_t left = columns - i;
        __m256 value = _mm256_mul_ps(load(x + i, left), factor);
        store(x + i, left, value);
        if (left < 8)
            value = _mm256_blendv_ps(lowest, value, _mm256_castsi256_ps(tail_mask(left)));
        largest = _mm256_max_ps(value, largest);
    }
    return largest_lane(largest);
}

static void log_softmax(float *x, float scale, size_t columns) {
    const __m256 largest = _mm256_set1_ps(scale_row(x, scale, columns));
    __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    size_t i = 0;
    for (; i + 16 <= columns; i += 16)
        for (size_t k = 0; k < 2; k++)
            sum[k] = _mm256_add_ps(sum[k], exponential_of_negative(_mm256_sub_ps(
                                               _mm256_loadu_ps(x + i + 8 * k), largest)));
    for (; i < columns; i += 8) {
        const size_t left = columns - i;
        const __m256 value = exponential_of_negative(_mm256_sub_ps(load(x + i, left), largest));
        sum[0] = _mm256_add_ps(sum[0], _mm256_and_ps(value, _mm256_castsi256_ps(tail_mask(left))));
    }
    const __m256 total = _mm256_set1_ps(logf(sum_lanes(_mm256_add_ps(sum[0], sum[1]))));
    for (i = 0; i < columns; i += 8) {
        const size_t left = columns - i;
        store(x + i, left, _mm256_sub_ps(_mm256_sub_ps(load(x + i, left), largest), total));
    }
}

// panel[d][i] = factor * x[i][d] for 8 rows, of which `count` exist; the others are zero.
static inline void pack_keys(float *panel, size_t width, const float *x, size_t stride,
                             size_t count, size_t head_dim, float factor) {
    for (size_t d = 0; d < head_dim; d += 8) {
        __m256 row[8];
        for (size_t i = 0; i < 8; i++)
            row[i] = i < count ? _mm256_mul_ps(_mm256_loadu_ps(x + i * stride + d),
                                               _mm256_set1_ps(factor))
                               : _mm256_setzero_ps();
        transpose(row);
        for (size_t i = 0; i < 8; i++)
            _mm256_storeu_ps(panel + (d + i) * width, row[i]);
    }
}

static inline size_t panel_width(size_t left) {
    return left < PANEL ? 8 : PANEL; // `left` is a multiple of 8
}

static void pack_head(float *keys, float *values, const mm_attention_head *head, size_t padded) {
    const size_t rows = head->rows, head_dim = head->head_dim;
    for (size_t j = 0; j < rows; j += 8) {
        size_t first = j / PANEL * PANEL, width = panel_width(padded - first);
        pack_keys(keys + first * head_dim + (j - first), width, head->k + j * head->stride,
                  head->stride, rows - j < 8 ? rows - j : 8, head_dim, head->scale);
    }
    for (size_t d = 0; d < head_dim; d += 8) {
        size_t first = d / PANEL * PANEL, width = panel_width(head_dim - first);
        float *panel = values + first * rows + (d - first);
        for (size_t j = 0; j < rows; j++)
            _mm256_storeu_ps(panel + j * width, _mm256_loadu_ps(head->v + j * head->stride + d));
    }
}

static void attention(const mm_attention_head *head) {
    const size_t rows = head->rows, head_dim = head->head_dim, padded = (rows + 7) / 8 * 8;
    if (head_dim % 8 != 0 || head_dim > MM_WIDEST_HEAD) {
        mm_attention_c(head);
        return;
    }
    float *keys = head->scratch, *values = keys + padded * head_dim;
    float *scores = values + padded * head_dim;
    pack_head(keys, values, head, padded);
    for (size_t i = 0; i < rows; i += MM_ATTENTION_GROUP) {
        const size_t count = rows - i < MM_ATTENTION_GROUP ? rows - i : MM_ATTENTION_GROUP;
        float factor[MM_ATTENTION_GROUP];
        for (size_t j = 0; j < padded; j += PANEL)
            multiply_panel(scores + j, padded, head->q + i * head->stride, head->stride, count,
                           keys + j * head_dim, panel_width(padded - j), head_dim, NULL);
        for (size_t r = 0; r < count; r++)
            factor[r] =
                softmax(scores + r * padded, rows, head->bias ? head->bias - (i + r) : NULL);
        for (size_t d = 0; d < head_dim; d += PANEL)
            multiply_panel(head->out + i * head->out_stride + d, head->out_stride, scores, padded,
                           count, values + d * rows, panel_width(head_dim - d), rows, factor);
    }
}

// The sums of 8 vectors' lanes.
static inline __m256 sum_each(const __m256 x[8]) {
    __m256 a = _mm256_hadd_ps(_mm256_hadd_ps(x[0], x[1]), _mm256_hadd_ps(x[2], x[3]));
    __m256 b = _mm256_hadd_ps(_mm256_hadd_ps(x[4], x[5]), _mm256_hadd_ps(x[6], x[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

static inline void score_rows(float *scores, const float *q, const float *const row[MM_QUERY_ROWS],
                              size_t first, size_t head_dim, float scale) {
    __m256 sum[MM_QUERY_ROWS];
    for (size_t i = 0; i < MM_QUERY_ROWS; i++)
        sum[i] = _mm256_setzero_ps();
    for (size_t d = 0; d < head_dim; d += 8) {
        const size_t left = head_dim - d;
        const __m256 value = load(q + first + d, left);
        for (size_t i = 0; i < MM_QUERY_ROWS; i++)
            sum[i] = _mm256_fmadd_ps(value, load(row[i] + first + d, left), sum[i]);
    }
    _mm256_store_ps(scores, _mm256_mul_ps(sum_each(sum), _mm256_set1_ps(scale)));
}

// out [8 * C] += the rows times their weights; `left` numbers of them exist.
__attribute__((always_inline)) static inline void add_columns(float *out, const float *weights,
                                                              const float *const row[MM_QUERY_ROWS],
                                                              size_t first, size_t left,
                                                              const int C) {
    __m256 sum[4];
    for (int c = 0; c < C; c++)
        sum[c] = load(out + first + 8 * c, left - 8 * (size_t)c);
    for (size_t i = 0; i < MM_QUERY_ROWS; i++) {
        const __m256 weight = _mm256_broadcast_ss(weights + i);
        for (int c = 0; c < C; c++)
            sum[c] =
                _mm256_fmadd_ps(weight, load(row[i] + first + 8 * c, left - 8 * (size_t)c), sum[c]);
    }
    for (int c = 0; c < C; c++)
        store(out + first + 8 * c, left - 8 * (size_t)c, sum[c]);
}

static inline void add_rows(float *out, const float *weights, const float *const row[MM_QUERY_ROWS],
                            size_t first, size_t head_dim) {
    size_t d = 0;
    for (; d + 32 <= head_dim; d += 32)
        add_columns(out, weights, row, first + d, 32, 4);
    for (; d < head_dim; d += 8)
        add_columns(out, weights, row, first + d, head_dim - d, 1);
}

static inline void weigh_rows(float *scores, size_t count, const float *bias) {
    const __m256 factor = _mm256_set1_ps(softmax(scores, count, bias));
    for (size_t j = 0; j < count; j += 8)
        _mm256_store_ps(scores + j, _mm256_mul_ps(load(scores + j, count - j), factor));
}

static void attention_queries(const mm_attention_queries *queries) {
    mm_attend_queries(queries, score_rows, weigh_rows, add_rows);
}

void mm_kernels_init_avx2(mm_kernels *kernels) {
    kernels->layer_norm = layer_norm;
    kernels->rms_norm = rms_norm;
    kernels->add = add;
    kernels->look_up = look_up;
    kernels->finish = finish;
    kernels->multiply = multiply;
    kernels->log_softmax = log_softmax;
    kernels->attention = attention;
    kernels->attention_queries = attention_queries;
    kernels->block_product = mm_block_product_avx2;
}
