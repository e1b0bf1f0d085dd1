// SPDX-License-Identifier: Apache-2.0
// Operations on rows and sequences one at a time: look-up, normalisation, pooling.
#include "compute/cpu/cpu.h"

#include <math.h>
#include <string.h>

static float *row_of(const mm_activation *x, int64_t row) {
    return (float *)x->data + row * x->columns;
}

// ---- Embedding
// ------------------------------------------------------------------------------------

typedef struct embed_arguments {
    mm_activation out;
    const mm_batch *batch;
    const mm_embed_tables *tables;
} embed_arguments;

static const char *table_row(const mm_table *table, int64_t row) {
    const char *data = atomic_load_explicit(&table->data, memory_order_acquire);
    return data + (size_t)row * table->row_bytes;
}

static void embed_row(const mm_lane *lane, const embed_arguments *a, int64_t row,
                      int64_t position) {
    const mm_kernels *kernels = lane->session->backend->kernels;
    const mm_embed_tables *tables = a->tables;
    const mm_table *words = tables->words, *positions = tables->positions, *types = tables->types;
    size_t columns = (size_t)a->out.columns;
    float *out = row_of(&a->out, row);
    int64_t id = a->batch->ids[row], type = a->batch->type_ids ? a->batch->type_ids[row] : 0;
    kernels->look_up(out, table_row(words, id), words->dtype, columns, true);
    if (tables->scale != 0) {
        for (size_t i = 0; i < columns; i++)
            out[i] *= tables->scale;
    }
    if (types)
        kernels->look_up(out, table_row(types, type), types->dtype, columns, false);
    if (positions)
        kernels->look_up(out, table_row(positions, position), positions->dtype, columns, false);
    if (tables->norm)
        mm_cpu_norm_row(lane, out, out, NULL, tables->norm);
}

static void embed_step(mm_lane *lane, int member, const void *arguments) {
    const embed_arguments *a = arguments;
    const mm_batch *batch = a->batch;
    int32_t offset = a->tables->position_offset;
    for (int32_t sequence = 0; sequence < batch->sequences; sequence++) {
        int64_t position = offset;
        for (int64_t row = batch->starts[sequence]; row < batch->starts[sequence + 1]; row++) {
            bool padding = a->tables->skip_padding && batch->ids[row] == offset - 1;
            if (batch->positions)
                position = offset + batch->positions[row];
            if (row % lane->members == member)
                embed_row(lane, a, row, padding ? offset - 1 : position);
            position += !padding;
        }
    }
}

void mm_cpu_embed(mm_lane *lane, mm_activation *out, const mm_batch *batch,
                  const mm_embed_tables *tables) {
    embed_arguments arguments = {*out, batch, tables};
    bool entered = mm_cpu_settling_enter(tables->words->settling);
    mm_cpu_lane_run(lane, embed_step, &arguments);
    if (entered)
        mm_cpu_settling_leave(tables->words->settling);
}

// ---- Normalisation
// --------------------------------------------------------------------------------

typedef struct normalize_arguments {
    mm_activation out, in;
    const mm_norm *norm; // NULL = L2
} normalize_arguments;

// torch.nn.functional.normalize
static void normalize_l2_row(float *row, int64_t columns) {
    double squares = 0;
    for (int64_t i = 0; i < columns; i++)
        squares += (double)row[i] * (double)row[i];
    float length = fmaxf((float)sqrt(squares), 1e-12f);
    for (int64_t i = 0; i < columns; i++)
        row[i] /= length;
}

static void normalize_step(mm_lane *lane, int member, const void *arguments) {
    const normalize_arguments *a = arguments;
    for (int64_t row = member; row < a->in.rows; row += lane->members) {
        if (a->norm)
            mm_cpu_norm_row(lane, row_of(&a->out, row), row_of(&a->in, row), NULL, a->norm);
        else
            normalize_l2_row(row_of(&a->out, row), a->out.columns);
    }
}

void mm_cpu_normalize_layer(mm_lane *lane, mm_activation *out, const mm_activation *in,
                            const mm_norm *norm) {
    normalize_arguments arguments = {*out, *in, norm};
    mm_cpu_lane_run(lane, normalize_step, &arguments);
}

void mm_cpu_normalize_l2(mm_lane *lane, mm_activation *x) {
    normalize_arguments arguments = {*x, *x, NULL};
    mm_cpu_lane_run(lane, normalize_step, &arguments);
}

// ---- Pooling
// --------------------------------------------------------------------------------------

typedef struct pool_arguments {
    mm_activation out, x;
    int64_t column;
    const mm_batch *batch;
    mm_pooling pooling;
} pool_arguments;

// out = sum over rows of weight * x, then times `factor`; weight 1, or the row's number.
static void pool_sum(float *out, const mm_activation *x, int64_t first, int64_t last,
                     int64_t weight, int64_t weight_step, float factor) {
    memset(out, 0, (size_t)x->columns * sizeof(float));
    for (int64_t row = first; row < last; row++, weight += weight_step) {
        const float *in = row_of(x, row);
        float w = (float)weight;
        for (int64_t i = 0; i < x->columns; i++)
            out[i] += w * in[i];
    }
    for (int64_t i = 0; i < x->columns; i++)
        out[i] *= factor;
}

static void pool_max(float *out, const mm_activation *x, int64_t first, int64_t last) {
    memcpy(out, row_of(x, first), (size_t)x->columns * sizeof(float));
    for (int64_t row = first + 1; row < last; row++) {
        const float *in = row_of(x, row);
        for (int64_t i = 0; i < x->columns; i++)
            out[i] = in[i] > out[i] || isnan(in[i]) ? in[i] : out[i];
    }
}

// A sequence whose rows are all left out: zeros, but for the modes that the library lets take what
// stands there.
static void pool_sequence(float *out, const pool_arguments *a, int64_t sequence) {
    int64_t start = a->batch->starts[sequence], end = a->batch->starts[sequence + 1];
    int64_t skip = a->batch->skip ? a->batch->skip[sequence] : 0;
    int64_t first = start + skip, count = end - first;
    if (count <= 0) {
        memset(out, 0, (size_t)a->x.columns * sizeof(float));
        return;
    }
    switch (a->pooling) {
    case MM_POOLING_CLS:
        memcpy(out, row_of(&a->x, first), (size_t)a->x.columns * sizeof(float));
        break;
    case MM_POOLING_LAST:
        memcpy(out, row_of(&a->x, end - 1), (size_t)a->x.columns * sizeof(float));
        break;
    case MM_POOLING_MAX:
        pool_max(out, &a->x, first, end);
        break;
    case MM_POOLING_MEAN:
        pool_sum(out, &a->x, first, end, 1, 0, 1.0f / (float)count);
        break;
    case MM_POOLING_MEAN_SQRT:
        pool_sum(out, &a->x, first, end, 1, 0, 1.0f / sqrtf((float)count));
        break;
    case MM_POOLING_WEIGHTED_MEAN: {
        // Weights count from the first token of the text, prompt included.
        float total = (float)(count * (2 * skip + count + 1)) / 2;
        pool_sum(out, &a->x, first, end, skip + 1, 1, 1.0f / total);
        break;
    }
    }
}

static void pool_step(mm_lane *lane, int member, const void *arguments) {
    const pool_arguments *a = arguments;
    for (int64_t sequence = member; sequence < a->batch->sequences; sequence += lane->members)
        pool_sequence(row_of(&a->out, sequence) + a->column, a, sequence);
}

void mm_cpu_pool(mm_lane *lane, mm_activation *out, int64_t column, const mm_activation *x,
                 const mm_batch *batch, mm_pooling pooling) {
    pool_arguments arguments = {*out, *x, column, batch, pooling};
    mm_cpu_lane_run(lane, pool_step, &arguments);
}

void mm_cpu_download(mm_lane *lane, float *out, const mm_activation *x) {
    if (!lane->error.status)
        memcpy(out, x->data, (size_t)(x->rows * x->columns) * sizeof(float));
}
