// SPDX-License-Identifier: Apache-2.0
// Attention of a decoding step: queries against the rows of a cache.
//
// A cache is one region, [layer][row][keys | values]; pages that no sequence reaches are never
// touched. It is float32 for every type of product.
#include "base/memory.h"
#include "compute/cpu/cpu.h"

#include <string.h>

struct mm_cache {
    const mm_backend_ops *ops;
    int64_t layers, rows, columns;
    float *values;
    size_t bytes;
};

size_t mm_cpu_cache_bytes(int64_t layers, int64_t rows, int64_t columns) {
    size_t bytes;
    return mm_size_mul(&bytes, (size_t)layers * 2 * sizeof(float), (size_t)columns) &&
                   mm_size_mul(&bytes, bytes, (size_t)rows)
               ? bytes
               : SIZE_MAX;
}

mm_status mm_cpu_cache_create(mm_cache **out, mm_backend *backend, int64_t layers, int64_t rows,
                              int64_t columns, mm_error *error) {
    *out = NULL;
    const size_t bytes = mm_cpu_cache_bytes(layers, rows, columns);
    mm_cache *cache = mm_calloc(1, sizeof(*cache));
    if (!cache)
        return mm_fail_memory(error, "a cache of keys and values");
    *cache = (mm_cache){backend->ops, layers, rows, columns, mm_pages_alloc(bytes), bytes};
    if (!cache->values) {
        mm_free(cache);
        return mm_fail(error, MM_STATUS_OUT_OF_MEMORY,
                       "no memory for %zu bytes of cached keys and values", bytes);
    }
    *out = cache;
    return MM_STATUS_OK;
}

void mm_cpu_cache_free(mm_cache *cache) {
    mm_pages_free(cache->values, cache->bytes);
    mm_free(cache);
}

// The keys of row 0 of a layer; its values are `columns` further.
static float *layer_of(const mm_cache *cache, int64_t layer) {
    return cache->values + layer * cache->rows * 2 * cache->columns;
}

typedef struct write_arguments {
    const mm_cache *cache;
    int64_t layer, column;
    mm_activation x;
    const int32_t *rows;
} write_arguments;

static void write_step(mm_lane *lane, int member, const void *arguments) {
    const write_arguments *a = arguments;
    const int64_t stride = 2 * a->cache->columns;
    for (int64_t row = member; row < a->x.rows; row += lane->members) {
        const int64_t to = a->rows ? a->rows[row] : row;
        memcpy(layer_of(a->cache, a->layer) + to * stride,
               (const float *)a->x.data + row * a->x.columns + a->column,
               (size_t)stride * sizeof(float));
    }
}

void mm_cpu_cache_write(mm_lane *lane, mm_cache *cache, int64_t layer, const mm_activation *x,
                        int64_t column, const int32_t *rows) {
    write_arguments arguments = {cache, layer, column, *x, rows};
    mm_cpu_lane_run(lane, write_step, &arguments);
}

typedef struct attention_arguments {
    mm_activation out, q;
    const mm_cache *cache;
    int64_t layer;
    const mm_reach *reach;
    const mm_attention_options *options;
} attention_arguments;

// Queries that go through the rows together: their results wait in the first cache.
enum { QUERIES_MOST = 8 };

// The queries from `row` on that attend to the same rows.
static int64_t count_company(const attention_arguments *a, int64_t row) {
    const mm_reach *reach = a->reach;
    int64_t end = row + 1;
    while (end < a->q.rows && end - row < QUERIES_MOST && reach->first[end] == reach->first[row] &&
           reach->count[end] == reach->count[row])
        end++;
    return end - row;
}

static void attend(mm_lane *lane, int member, const attention_arguments *a, int64_t row,
                   int64_t queries, int64_t head, int64_t heads) {
    const mm_relative *relative = a->options->bias;
    const int64_t columns = a->cache->columns, first_column = head * a->options->head_dim;
    const int32_t first = a->reach->first[row], count = a->reach->count[row];
    const int32_t *list = a->reach->list;
    const float *keys =
        layer_of(a->cache, a->layer) + (list ? 0 : first * 2 * columns) + first_column;
    mm_attention_queries work = {
        .q = (const float *)a->q.data + row * a->q.columns + first_column,
        .q_stride = (size_t)a->q.columns,
        .k = keys,
        .v = keys + columns,
        .stride = (size_t)(2 * columns),
        .rows = list ? list + first : NULL,
        .out = (float *)a->out.data + row * a->out.columns + first_column,
        .out_stride = (size_t)a->out.columns,
        .queries = (size_t)queries,
        .heads = (size_t)heads,
        .head_dim = (size_t)a->options->head_dim,
        .count = (size_t)count,
        .scale = a->options->scale,
        .scratch = mm_cpu_member_of(lane, member)->attention,
    };
    if (relative) { // the last of `count` keys is at distance 0
        work.bias_stride = (size_t)(2 * relative->max_length - 1);
        work.bias = relative->values + head * (2 * relative->max_length - 1) +
                    (relative->max_length - count);
    }
    lane->session->backend->kernels->attention_queries(&work);
}

// The unit of work is a part of the heads, for queries that go together: as many heads as leave a
// part for each member, since what lies side by side is read fastest.
static void attention_step(mm_lane *lane, int member, const void *arguments) {
    const attention_arguments *a = arguments;
    const int64_t heads = a->options->heads, members = lane->members;
    int64_t part = (heads + members - 1) / members, queries, unit = 0;
    part = part < MM_SCORE_LISTS / QUERIES_MOST ? part : MM_SCORE_LISTS / QUERIES_MOST;
    for (int64_t row = 0; row < a->q.rows; row += queries) {
        queries = count_company(a, row);
        for (int64_t head = 0; head < heads; head += part, unit++) {
            if (unit % members == member)
                attend(lane, member, a, row, queries, head,
                       heads - head < part ? heads - head : part);
        }
    }
}

void mm_cpu_attention_cached(mm_lane *lane, mm_activation *out, const mm_activation *q,
                             const mm_cache *cache, int64_t layer, const mm_reach *reach,
                             const mm_attention_options *options) {
    const size_t room = mm_attention_scratch_bytes((size_t)lane->session->rows) / sizeof(float);
    for (int64_t row = 0; row < q->rows; row++) {
        if ((size_t)reach->count[row] > room) {
            mm_cpu_lane_fail(lane, MM_STATUS_INTERNAL,
                             "a sequence is longer than the session has room for");
            return;
        }
    }
    attention_arguments arguments = {*out, *q, cache, layer, reach, options};
    mm_cpu_lane_run(lane, attention_step, &arguments);
}
