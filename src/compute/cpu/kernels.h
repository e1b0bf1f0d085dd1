// SPDX-License-Identifier: Apache-2.0
// Row kernels: what happens between products. A C reference (kernels_c.c) and faster versions that
// replace entries of the table, chosen once by the processor; MM_CPU_KERNELS=c, avx2, avx512 or
// avx512_bf16 forces a lower tier. Every entry of every tier is checked against the reference by
// tests/compute/test_kernels.c, which also times them.
#ifndef MM_COMPUTE_CPU_KERNELS_H
#define MM_COMPUTE_CPU_KERNELS_H

#include "compute/backend.h"

typedef struct mm_layer_norm {
    const float *weight;
    const float *bias; // or NULL
    float epsilon;
} mm_layer_norm;

// One head of one sequence. Strides count floats from row to row.
typedef struct mm_attention_head {
    const float *q, *k, *v; // [rows, head_dim]
    size_t stride;
    float *out; // [rows, head_dim]
    size_t out_stride;
    size_t rows, head_dim;
    float scale;
    const float *bias; // bias[j - i] is added to the score of query i and key j; or NULL
    void *scratch;     // mm_attention_scratch_bytes, 64-byte aligned
} mm_attention_head;

// Queries of a decoding step that attend to the same rows of a cache, in some heads that lie side
// by side. A query's result has the same bits in any company.
typedef struct mm_attention_queries {
    const float *q; // [queries, heads * head_dim]
    size_t q_stride;
    const float *k, *v;  // [rows, heads * head_dim]
    size_t stride;       // floats from row to row
    const int32_t *rows; // [count] the rows to attend to, or NULL = 0 .. count - 1
    float *out;          // [queries, heads * head_dim]
    size_t out_stride;
    size_t queries, heads, head_dim, count;
    float scale;
    const float *bias; // [heads][count] added to the scores, or NULL
    size_t bias_stride;
    float *scratch; // [heads * queries][mm_scores_stride(count)], 64-byte aligned
} mm_attention_queries;

// A product of rows with a float32 panel in blocks of 8 columns, [columns / 8][depth][8].
typedef struct mm_block_product {
    float *out;          // [rows, columns], as x up to the next multiple of 4 rows
    const float *x;      // [rows, depth]
    const float *packed; // columns is a multiple of 8
    size_t rows, columns, depth;
    const float *next; // the panel that comes next, for fetching; or NULL
} mm_block_product;

typedef struct mm_kernels {
    const char *name;
    // out = norm(x + residual); residual may be NULL, out may be x or residual.
    void (*layer_norm)(float *out, const float *x, const float *residual, const mm_layer_norm *norm,
                       size_t columns);
    // The same by the root mean square: no mean is taken off. norm->bias is not used.
    void (*rms_norm)(float *out, const float *x, const float *residual, const mm_layer_norm *norm,
                     size_t columns);
    // out = x + residual
    void (*add)(float *out, const float *x, const float *residual, size_t columns);
    // out [columns] += or = (when first) one row of a table stored as `dtype` (F32, F16 or BF16).
    void (*look_up)(float *out, const void *row, mm_dtype dtype, size_t columns, bool first);
    // out = function(x + bias) for one row of a panel; in place when out == x.
    void (*finish)(float *out, const float *x, const float *bias, size_t columns,
                   mm_function function);
    // The same, rounded to bf16 (to nearest even).
    void (*finish_bf16)(uint16_t *out, const float *x, const float *bias, size_t columns,
                        mm_function function);
    void (*multiply)(float *out, const float *x, size_t columns); // out *= x
    void (*to_bf16)(uint16_t *out, const float *x, size_t columns);
    // x = log(softmax(scale * x)), for a row without infinities; NaN anywhere makes all of it NaN.
    void (*log_softmax)(float *x, float scale, size_t columns);
    void (*attention)(const mm_attention_head *head);
    void (*attention_bf16)(const mm_attention_head *head); // NULL where bf16 is not supported
    void (*attention_queries)(const mm_attention_queries *queries);
    void (*block_product)(const mm_block_product *product); // NULL: oneDNN's is as good
} mm_kernels;

// The best table for this processor and MM_CPU_KERNELS. Immutable.
const mm_kernels *mm_kernels_select(void);
// Each tier this processor can run, reference first; for tests. NULL past the end.
const mm_kernels *mm_kernels_tier(size_t index);
// Heads wider than this are left to the reference.
enum { MM_WIDEST_HEAD = 256 };
// Queries whose scores a head's scratch holds.
enum { MM_ATTENTION_GROUP = 18 };
size_t mm_attention_scratch_bytes(size_t rows);
// Lists of scores that the same scratch holds: heads * queries at most.
enum { MM_SCORE_LISTS = 2 * MM_WIDEST_HEAD + MM_ATTENTION_GROUP };
static inline size_t mm_scores_stride(size_t count) {
    return (count + 15) / 16 * 16;
}

// Tiers overwrite what they have in a copy of the tier below.
void mm_kernels_init_c(mm_kernels *kernels);
void mm_kernels_init_avx2(mm_kernels *kernels);
void mm_block_product_avx2(const mm_block_product *product); // block_product_avx2.c
void mm_kernels_init_avx512(mm_kernels *kernels);
void mm_kernels_init_avx512_bf16(mm_kernels *kernels);

// The cases of a switch over mm_function, for tiers whose vector functions have these names.
#define MM_FUNCTION_CASES(call)                                                                    \
    case MM_FUNCTION_NONE:                                                                         \
        call(identity);                                                                            \
        break;                                                                                     \
    case MM_FUNCTION_GELU:                                                                         \
        call(gelu);                                                                                \
        break;                                                                                     \
    case MM_FUNCTION_GELU_TANH:                                                                    \
        call(gelu_tanh);                                                                           \
        break;                                                                                     \
    case MM_FUNCTION_RELU:                                                                         \
        call(relu);                                                                                \
        break;                                                                                     \
    case MM_FUNCTION_SILU:                                                                         \
        call(silu);                                                                                \
        break;                                                                                     \
    case MM_FUNCTION_TANH:                                                                         \
        call(hyperbolic_tangent);                                                                  \
        break;                                                                                     \
    case MM_FUNCTION_SIGMOID:                                                                      \
        call(sigmoid);                                                                             \
        break;

// The reference functions, for the shapes a fast version does not take.
void mm_attention_c(const mm_attention_head *head);
void mm_finish_c(float *out, const float *x, const float *bias, size_t columns,
                 mm_function function);

#endif
