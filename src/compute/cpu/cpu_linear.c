// SPDX-License-Identifier: Apache-2.0
// Products and what follows them, tile by tile: a tile of rows passes all panels of a matrix before
// the next tile begins, so that its intermediate values stay in the core's cache. The members of a
// lane take panels in turn; between the phases of a tile they wait for each other.
#include "compute/cpu/cpu.h"

#include <string.h>

// Rows cut into tiles of nearly equal size, each a multiple of the row step but the last.
typedef struct tiling {
    int64_t rows, tile_rows;
} tiling;

static tiling tiles_of(int64_t rows) {
    int64_t tiles = (rows + MM_CPU_TILE - 1) / MM_CPU_TILE;
    int64_t each = tiles ? (rows + tiles - 1) / tiles : MM_CPU_TILE;
    return (tiling){rows,
                    (each + MM_PRODUCT_ROW_STEP - 1) / MM_PRODUCT_ROW_STEP * MM_PRODUCT_ROW_STEP};
}

static int tile_height(const tiling *tiles, int64_t first) {
    int64_t left = tiles->rows - first;
    return (int)(left < tiles->tile_rows ? left : tiles->tile_rows);
}

// Between tiles the members wait for each other; the end of the step does it for the last.
static void end_tile(mm_lane *lane, const tiling *tiles, int64_t first) {
    if (first + tiles->tile_rows < tiles->rows)
        mm_cpu_lane_barrier(lane);
}

static float *row_of(const mm_activation *x, int64_t row) {
    return (float *)x->data + row * x->columns;
}

// A member's share [*from, *to) of `count` rows.
static void share(const mm_lane *lane, int member, int count, int *from, int *to) {
    *from = count * member / lane->members;
    *to = count * (member + 1) / lane->members;
}

// The tile's input in the type the products take; bf16 is converted by all members together.
static const void *tile_input(mm_lane *lane, int member, const mm_activation *in, int64_t first,
                              int height) {
    if (lane->session->dtype == MM_COMPUTE_F32)
        return row_of(in, first);
    uint16_t *cast = lane->cast;
    size_t columns = (size_t)in->columns;
    int from, to;
    share(lane, member, height, &from, &to);
    lane->session->backend->kernels->to_bf16(
        cast + (size_t)from * columns, row_of(in, first + from), (size_t)(to - from) * columns);
    mm_cpu_lane_barrier(lane);
    return cast;
}

// A tile on its way through panels.
typedef struct tile {
    const void *x;
    int height;
    bool more; // tiles of the same operation
} tile;

static tile tile_at(mm_lane *lane, int member, const mm_activation *in, const tiling *tiles,
                    int64_t first) {
    const int height = tile_height(tiles, first);
    return (tile){tile_input(lane, member, in, first, height), height,
                  tiles->rows > tiles->tile_rows};
}

// From so many rows on. A few wait for memory in any case; many find a panel in the cache, and
// theirs would not stay there beside it.
enum { BLOCK_PRODUCT_LEAST = MM_PRODUCT_ROW_STEP + 1, BLOCK_PRODUCT_MOST = 32 };

static bool is_for_blocks(const mm_lane *lane, const mm_product_shape *shape, int rows) {
    return lane->session->backend->kernels->block_product && rows >= BLOCK_PRODUCT_LEAST &&
           rows <= BLOCK_PRODUCT_MOST && mm_product_is_in_blocks(shape);
}

static void block_product(const mm_lane *lane, const mm_matrix *matrix, int panel, float *result,
                          const tile *x, const void *packed) {
    const int after = panel + lane->members;
    const mm_block_product work = {
        .out = result,
        .x = x->x,
        .packed = packed,
        .rows = (size_t)x->height,
        .columns = (size_t)mm_matrix_columns(matrix, panel),
        .depth = (size_t)matrix->in_features,
        .next = after < matrix->panels ? (const float *)(const void *)mm_cpu_place_of(matrix, after)
                                       : NULL,
    };
    lane->session->backend->kernels->block_product(&work);
}

// result [height, panel columns], dense
static void product(mm_lane *lane, int member, const mm_matrix *matrix, int panel, float *result,
                    const tile *x) {
    const void *packed = mm_cpu_panel(lane, member, matrix, panel, x->more);
    const mm_product_shape *shape = mm_matrix_shape(matrix, panel);
    mm_error error = {0};
    if (packed && is_for_blocks(lane, shape, x->height))
        block_product(lane, matrix, panel, result, x, packed);
    else if (packed && mm_product_run(mm_cpu_member_of(lane, member)->caller, shape, x->height,
                                      result, x->x, packed, &error))
        mm_cpu_lane_fail(lane, error.status, error.message);
}

// All panels of `matrix` for one tile: out[row][column] = function(x W^T + b).
static void tile_product(mm_lane *lane, int member, const mm_matrix *matrix, const tile *x,
                         float *out, int64_t out_stride, mm_function function) {
    const mm_kernels *kernels = lane->session->backend->kernels;
    float *result = mm_cpu_member_of(lane, member)->panel;
    for (int panel = member; panel < matrix->panels; panel += lane->members) {
        int64_t first = panel * matrix->panel_columns, columns = mm_matrix_columns(matrix, panel);
        product(lane, member, matrix, panel, result, x);
        for (int row = 0; row < x->height; row++)
            kernels->finish(out + row * out_stride + first, result + row * columns,
                            matrix->bias_values + first, (size_t)columns, function);
    }
}

// Residual and norm for a member's share of a tile's rows.
static void finish_tile(mm_lane *lane, int member, const mm_activation *out, int64_t first,
                        int height, const mm_epilogue *epilogue) {
    const mm_kernels *kernels = lane->session->backend->kernels;
    size_t columns = (size_t)out->columns;
    int from, to;
    share(lane, member, height, &from, &to);
    for (int row = from; row < to; row++) {
        const float *x = lane->tile + (size_t)row * columns;
        const float *residual = epilogue->residual ? row_of(epilogue->residual, first + row) : NULL;
        if (epilogue->norm)
            mm_cpu_norm_row(lane, row_of(out, first + row), x, residual, epilogue->norm);
        else
            kernels->add(row_of(out, first + row), x, residual, columns);
    }
}

// Runs a step on panels of the matrix's weights, which may lie in files yet.
static void run_step(mm_lane *lane, mm_cpu_step step, const void *arguments,
                     const mm_matrix *matrix) {
    const bool entered = mm_cpu_settling_enter(matrix->settling);
    mm_cpu_lane_run(lane, step, arguments);
    if (entered)
        mm_cpu_settling_leave(matrix->settling);
}

// ---- Linear
// ---------------------------------------------------------------------------------------

typedef struct linear_arguments {
    mm_activation out, in;
    const mm_matrix *matrix;
    mm_epilogue epilogue;
} linear_arguments;

static void linear_step(mm_lane *lane, int member, const void *arguments) {
    const linear_arguments *a = arguments;
    bool waits = a->epilogue.residual || a->epilogue.norm; // for complete rows
    tiling tiles = tiles_of(a->in.rows);
    for (int64_t first = 0; first < tiles.rows; first += tiles.tile_rows) {
        const tile x = tile_at(lane, member, &a->in, &tiles, first);
        tile_product(lane, member, a->matrix, &x, waits ? lane->tile : row_of(&a->out, first),
                     a->out.columns, a->epilogue.function);
        if (waits) {
            mm_cpu_lane_barrier(lane);
            finish_tile(lane, member, &a->out, first, x.height, &a->epilogue);
        }
        end_tile(lane, &tiles, first);
    }
}

void mm_cpu_linear(mm_lane *lane, mm_activation *out, const mm_activation *in,
                   const mm_matrix *matrix, const mm_epilogue *epilogue) {
    linear_arguments arguments = {*out, *in, matrix, epilogue ? *epilogue : (mm_epilogue){0}};
    run_step(lane, linear_step, &arguments, matrix);
}

// ---- Logits
// ---------------------------------------------------------------------------------------

typedef struct logits_arguments {
    float *out;
    mm_activation x;
    const mm_matrix *matrix;
    float scale;
    const bool *log_softmax;
} logits_arguments;

static void finish_logits(const mm_lane *lane, const logits_arguments *a, int64_t row) {
    const int64_t columns = a->matrix->out_features;
    float *out = a->out + row * columns;
    if (a->log_softmax && a->log_softmax[row]) {
        lane->session->backend->kernels->log_softmax(out, a->scale, (size_t)columns);
        return;
    }
    for (int64_t i = 0; i < columns && a->scale != 1; i++)
        out[i] *= a->scale;
}

static void logits_step(mm_lane *lane, int member, const void *arguments) {
    const logits_arguments *a = arguments;
    const int64_t stride = a->matrix->out_features;
    tiling tiles = tiles_of(a->x.rows);
    for (int64_t first = 0; first < tiles.rows; first += tiles.tile_rows) {
        const tile x = tile_at(lane, member, &a->x, &tiles, first);
        tile_product(lane, member, a->matrix, &x, a->out + first * stride, stride,
                     MM_FUNCTION_NONE);
        mm_cpu_lane_barrier(lane);
        int from, to;
        share(lane, member, x.height, &from, &to);
        for (int row = from; row < to; row++)
            finish_logits(lane, a, first + row);
    }
}

void mm_cpu_logits(mm_lane *lane, float *out, const mm_activation *x, const mm_matrix *matrix,
                   float scale, const bool *log_softmax) {
    logits_arguments arguments = {out, *x, matrix, scale, log_softmax};
    run_step(lane, logits_step, &arguments, matrix);
}

// ---- Feed-forward
// ---------------------------------------------------------------------------------

typedef struct feed_forward_arguments {
    mm_activation out, in;
    const mm_matrix *up, *gate, *down;
    mm_function function;
    mm_epilogue epilogue;
} feed_forward_arguments;

// The half before `down` for one panel of a tile, into lane->inner in the products' type.
static void inner_panel(mm_lane *lane, int member, const feed_forward_arguments *a, int panel,
                        const tile *x) {
    const mm_kernels *kernels = lane->session->backend->kernels;
    mm_cpu_member *own = mm_cpu_member_of(lane, member);
    int64_t first = panel * a->up->panel_columns, columns = mm_matrix_columns(a->up, panel);
    int64_t stride = a->up->out_features;
    bool wide = lane->session->dtype == MM_COMPUTE_F32;
    product(lane, member, a->up, panel, own->panel, x);
    if (a->gate)
        product(lane, member, a->gate, panel, own->gate_panel, x);
    for (int row = 0; row < x->height; row++) {
        float *up = own->panel + row * columns;
        float *gate = own->gate_panel + row * columns;
        float *inner = lane->inner + row * stride + first;
        uint16_t *inner_bf16 = (uint16_t *)(void *)lane->inner + row * stride + first;
        const float *bias = a->up->bias_values + first;
        if (a->gate) {
            kernels->finish(up, up, bias, (size_t)columns, MM_FUNCTION_NONE);
            kernels->finish(gate, gate, a->gate->bias_values + first, (size_t)columns, a->function);
            kernels->multiply(up, gate, (size_t)columns);
            if (wide)
                memcpy(inner, up, (size_t)columns * sizeof(float));
            else
                kernels->to_bf16(inner_bf16, up, (size_t)columns);
        } else if (wide) {
            kernels->finish(inner, up, bias, (size_t)columns, a->function);
        } else {
            kernels->finish_bf16(inner_bf16, up, bias, (size_t)columns, a->function);
        }
    }
}

static void feed_forward_step(mm_lane *lane, int member, const void *arguments) {
    const feed_forward_arguments *a = arguments;
    bool waits = a->epilogue.residual || a->epilogue.norm;
    tiling tiles = tiles_of(a->in.rows);
    for (int64_t first = 0; first < tiles.rows; first += tiles.tile_rows) {
        const tile x = tile_at(lane, member, &a->in, &tiles, first);
        const tile inner = {lane->inner, x.height, x.more};
        for (int panel = member; panel < a->up->panels; panel += lane->members)
            inner_panel(lane, member, a, panel, &x);
        mm_cpu_lane_barrier(lane);
        tile_product(lane, member, a->down, &inner, waits ? lane->tile : row_of(&a->out, first),
                     a->out.columns, MM_FUNCTION_NONE);
        if (waits) {
            mm_cpu_lane_barrier(lane);
            finish_tile(lane, member, &a->out, first, x.height, &a->epilogue);
        }
        end_tile(lane, &tiles, first);
    }
}

void mm_cpu_feed_forward(mm_lane *lane, mm_activation *out, const mm_activation *in,
                         const mm_matrix *up, const mm_matrix *gate, const mm_matrix *down,
                         mm_function function, const mm_epilogue *epilogue) {
    feed_forward_arguments arguments = {
        *out, *in, up, gate, down, function, epilogue ? *epilogue : (mm_epilogue){0}};
    run_step(lane, feed_forward_step, &arguments, up);
}
