// SPDX-License-Identifier: Apache-2.0
// Products of a few rows with a panel that lies in memory, for AVX2 and FMA. A block of columns is
// read once from memory and then, for the further rows, from the second cache; while it is
// multiplied the next one is fetched, a line now and then, so that nobody waits for it. Each sum
// runs over the depth in its order, one fused multiply-add after the other, as in oneDNN's kernels
// for the same form: a row has the same bits by either.
#include "compute/cpu/kernels.h"

#include <immintrin.h>

enum {
    WIDTH = 8,           // numbers of a vector, columns of a block
    BLOCKS = 3,          // together, of
    ROWS = 4,            // rows at a time: 12 sums, 3 vectors of the panel and a number
    DEPTH_AT_ONCE = 768, // of 3 blocks 72 KB
    STRIDE = 8,          // of depth, between fetches
};

// Where a pass stands: rows from `x` on, a part of the depth of some blocks.
typedef struct pass {
    const mm_block_product *p;
    const float *x, *packed;
    float *out;
    size_t depth;
    bool goes_on;     // adds to what is there
    const char *next; // lines to fetch, of each block to come
    size_t lines;     // every STRIDE of depth; 0: none
} pass;

__attribute__((always_inline)) static inline void multiply(const pass *a, const int C) {
    const size_t x_stride = a->p->depth, block = a->p->depth * WIDTH, out_stride = a->p->columns;
    const char *next = a->next;
    __m256 sum[ROWS][BLOCKS];
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 4
        for (int c = 0; c < C; c++)
            sum[r][c] = a->goes_on
                            ? _mm256_loadu_ps(a->out + (size_t)r * out_stride + WIDTH * (size_t)c)
                            : _mm256_setzero_ps();
    for (size_t n = 0; n < a->depth;) {
        for (size_t line = 0; line < a->lines; line++, next += 64)
#pragma GCC unroll 4
            for (int c = 0; c < C; c++)
                _mm_prefetch(next + (size_t)c * block * sizeof(float), _MM_HINT_T1);
        const size_t end = n + STRIDE < a->depth ? n + STRIDE : a->depth;
#pragma GCC unroll 1
        for (; n < end; n++) {
            __m256 vector[BLOCKS];
#pragma GCC unroll 4
            for (int c = 0; c < C; c++)
                vector[c] = _mm256_loadu_ps(a->packed + (size_t)c * block + n * WIDTH);
#pragma GCC unroll 4
            for (int r = 0; r < ROWS; r++) {
                const __m256 value = _mm256_broadcast_ss(a->x + (size_t)r * x_stride + n);
#pragma GCC unroll 4
                for (int c = 0; c < C; c++)
                    sum[r][c] = _mm256_fmadd_ps(value, vector[c], sum[r][c]);
            }
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 4
        for (int c = 0; c < C; c++)
            _mm256_storeu_ps(a->out + (size_t)r * out_stride + WIDTH * (size_t)c, sum[r][c]);
}

__attribute__((noinline)) static void multiply_3(const pass *a) {
    multiply(a, 3);
}

__attribute__((noinline)) static void multiply_2(const pass *a) {
    multiply(a, 2);
}

__attribute__((noinline)) static void multiply_1(const pass *a) {
    multiply(a, 1);
}

// One part of the depth of `count` blocks from `block` on, for all rows; meanwhile fetches `next`.
static void multiply_part(const mm_block_product *p, size_t block, size_t count, size_t first,
                          size_t depth, const float *next) {
    const size_t groups = (p->rows + ROWS - 1) / ROWS, steps = (depth + STRIDE - 1) / STRIDE;
    const size_t lines = depth * WIDTH * sizeof(float) / 64; // of each block
    pass a = {.p = p,
              .packed = p->packed + (block * p->depth + first) * WIDTH,
              .depth = depth,
              .goes_on = first > 0};
    size_t fetched = 0;
    for (size_t group = 0; group < groups; group++) {
        a.x = p->x + group * ROWS * p->depth + first;
        a.out = p->out + group * ROWS * p->columns + block * WIDTH;
        a.lines = next && fetched < lines ? (lines + groups * steps - 1) / (groups * steps) : 0;
        a.next = next ? (const char *)next + fetched * 64 : NULL;
        fetched += a.lines * steps;
        (count == 3 ? multiply_3 : count == 2 ? multiply_2 : multiply_1)(&a);
    }
}

// Threes, and pairs where one would be left over.
static size_t count_blocks(size_t left) {
    return left >= BLOCKS && left != BLOCKS + 1 ? BLOCKS : left >= 2 ? 2 : 1;
}

void mm_block_product_avx2(const mm_block_product *p) {
    const size_t blocks = p->columns / WIDTH;
    for (size_t block = 0, count; block < blocks; block += count) {
        count = count_blocks(blocks - block);
        for (size_t first = 0; first < p->depth; first += DEPTH_AT_ONCE) {
            const size_t left = p->depth - first;
            const size_t depth = left < DEPTH_AT_ONCE ? left : DEPTH_AT_ONCE;
            const float *next = p->next;
            if (depth < left)
                next = p->packed + (block * p->depth + first + depth) * WIDTH;
            else if (block + count < blocks)
                next = p->packed + (block + count) * p->depth * WIDTH;
            multiply_part(p, block, count, first, depth, next);
        }
    }
}
