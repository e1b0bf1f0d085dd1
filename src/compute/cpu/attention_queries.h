// SPDX-License-Identifier: Apache-2.0
// How a tier attends to the rows of a cache, whatever its vectors are: a block of rows at a time,
// of that all heads, and each head for all queries. So keys and values come from memory once, in
// the order in which they lie there, and the number of queries decides about nothing but whose turn
// it is. Included by kernel files only.
#ifndef MM_COMPUTE_CPU_ATTENTION_QUERIES_H
#define MM_COMPUTE_CPU_ATTENTION_QUERIES_H

#include "compute/cpu/kernels.h"

#include <string.h>

enum { MM_QUERY_ROWS = 8 }; // of a block

// scores [MM_QUERY_ROWS] = scale * (q k^T), of the columns from `first` on.
typedef void (*mm_score_rows)(float *scores, const float *q, const float *const row[MM_QUERY_ROWS],
                              size_t first, size_t head_dim, float scale);
// scores [count] to weights that sum up to 1; zeros behind them in the last block.
typedef void (*mm_weigh_rows)(float *scores, size_t count, const float *bias);
// out += weights v, in the columns from `first` on.
typedef void (*mm_add_rows)(float *out, const float *weights, const float *const row[MM_QUERY_ROWS],
                            size_t first, size_t head_dim);

// Rows j, j + 1, ... of those to attend to; behind the last one it again, which has no weight
// there.
static inline void mm_find_rows(const float *row[MM_QUERY_ROWS], const mm_attention_queries *a,
                                const float *first, size_t j) {
    for (size_t i = 0; i < MM_QUERY_ROWS; i++) {
        const size_t at = j + i < a->count ? j + i : a->count - 1;
        row[i] = first + (a->rows ? (size_t)a->rows[at] : at) * a->stride;
    }
}

__attribute__((always_inline)) static inline void mm_attend_queries(const mm_attention_queries *a,
                                                                    mm_score_rows score,
                                                                    mm_weigh_rows weigh,
                                                                    mm_add_rows add) {
    const float *row[MM_QUERY_ROWS];
    const size_t stride = mm_scores_stride(a->count);
    for (size_t j = 0; j < a->count; j += MM_QUERY_ROWS) {
        mm_find_rows(row, a, a->k, j);
        for (size_t head = 0; head < a->heads; head++)
            for (size_t i = 0; i < a->queries; i++)
                score(a->scratch + (head * a->queries + i) * stride + j, a->q + i * a->q_stride,
                      row, head * a->head_dim, a->head_dim, a->scale);
    }
    for (size_t head = 0; head < a->heads; head++)
        for (size_t i = 0; i < a->queries; i++)
            weigh(a->scratch + (head * a->queries + i) * stride, a->count,
                  a->bias ? a->bias + head * a->bias_stride : NULL);
    for (size_t i = 0; i < a->queries; i++)
        memset(a->out + i * a->out_stride, 0, a->heads * a->head_dim * sizeof(float));
    for (size_t j = 0; j < a->count; j += MM_QUERY_ROWS) {
        mm_find_rows(row, a, a->v, j);
        for (size_t head = 0; head < a->heads; head++)
            for (size_t i = 0; i < a->queries; i++)
                add(a->out + i * a->out_stride, a->scratch + (head * a->queries + i) * stride + j,
                    row, head * a->head_dim, a->head_dim);
    }
}

#endif
