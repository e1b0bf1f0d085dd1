// SPDX-License-Identifier: Apache-2.0
// Weights on the CPU: noted while a model binds, then converted and packed into one region, by all
// threads at once, straight from the mapped files. (What is large may wait: cpu_settling.c.)
#include "base/memory.h"
#include "base/team.h"
#include "compute/cpu/cpu.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { ALIGNMENT = 64, TABLE_CHUNK = 512 };

static size_t align(size_t bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

mm_status mm_cpu_weights_create(mm_weights **out, mm_backend *backend, mm_compute_dtype dtype,
                                mm_error *error) {
    *out = mm_calloc(1, sizeof(**out));
    if (!*out)
        return mm_fail_memory(error, "a model's weights");
    (*out)->ops = backend->ops;
    (*out)->backend = backend;
    (*out)->dtype = dtype;
    mm_cpu_settling_init(&(*out)->settling);
    return MM_STATUS_OK;
}

#define FREE_LIST(list)                                                                            \
    for (void *item = list, *next; item; item = next) {                                            \
        next = *(void **)item;                                                                     \
        mm_free(item);                                                                             \
    }

void mm_cpu_weights_free(mm_weights *weights) {
    if (!weights)
        return;
    mm_cpu_settling_end(&weights->settling);
    FREE_LIST(weights->matrices)
    FREE_LIST(weights->tables)
    FREE_LIST(weights->norms)
    FREE_LIST(weights->relatives)
    mm_pages_free(weights->memory, weights->memory ? weights->bytes : 0);
    mm_free(weights);
}

// ---- Noting
// ---------------------------------------------------------------------------------------

static void add_bytes(mm_weights *weights, size_t bytes) {
    weights->bytes += align(bytes);
}

// Wide enough to run at full speed, and an even number of panels where possible, so that two
// threads share them evenly.
static int64_t choose_panel_columns(int64_t out_features) {
    static const int64_t widths[] = {256, 192, 128};
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        if (out_features % widths[i] == 0 && out_features / widths[i] % 2 == 0)
            return widths[i];
    }
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        if (out_features % widths[i] == 0)
            return widths[i];
    }
    return out_features < 256 ? out_features : 256;
}

// What a thread needs for products of the shape, and for packing its panels.
static void note_shape(mm_weights *weights, const mm_matrix *matrix,
                       const mm_product_shape *shape) {
    const size_t floats = (size_t)(mm_product_pack_columns(shape) * matrix->in_features);
    if (floats > weights->panel_floats)
        weights->panel_floats = floats;
    if (mm_product_scratchpad_bytes(shape) > weights->scratchpad_bytes)
        weights->scratchpad_bytes = mm_product_scratchpad_bytes(shape);
}

mm_status mm_cpu_add_matrix(const mm_matrix **out, mm_weights *weights, int parts,
                            const mm_tensor *const *weight, const mm_tensor *const *bias,
                            mm_error *error) {
    *out = NULL;
    int64_t out_features = 0;
    for (int i = 0; i < parts; i++)
        out_features += weight[i]->shape[0];
    const int64_t panel_columns = choose_panel_columns(out_features);
    const int panels = (int)((out_features + panel_columns - 1) / panel_columns);
    mm_matrix *matrix = mm_calloc(1, sizeof(*matrix) + (size_t)panels * sizeof(matrix->states[0]));
    if (!matrix)
        return mm_fail_memory(error, "a weight matrix");
    matrix->next = weights->matrices;
    weights->matrices = matrix;
    matrix->parts = parts;
    for (int i = 0; i < parts; i++) {
        matrix->weight[i] = weight[i];
        matrix->bias[i] = bias ? bias[i] : NULL;
    }
    matrix->out_features = out_features;
    matrix->in_features = weight[0]->shape[1];
    matrix->panel_columns = panel_columns;
    matrix->panels = panels;
    matrix->settling = &weights->settling;
    mm_products *products = weights->backend->products;
    mm_status status = mm_products_shape(&matrix->shape, products, matrix->panel_columns,
                                         matrix->in_features, weights->dtype, error);
    if (!status)
        status = mm_products_shape(&matrix->last_shape, products,
                                   mm_matrix_columns(matrix, matrix->panels - 1),
                                   matrix->in_features, weights->dtype, error);
    if (status)
        return status; // the list owns the matrix
    matrix->panel_bytes = align(mm_product_packed_bytes(matrix->shape));
    add_bytes(weights, (size_t)(matrix->panels - 1) * matrix->panel_bytes +
                           align(mm_product_packed_bytes(matrix->last_shape)));
    add_bytes(weights, (size_t)matrix->out_features * sizeof(float));
    if (matrix->in_features > weights->max_in)
        weights->max_in = matrix->in_features;
    if (matrix->out_features > weights->max_out)
        weights->max_out = matrix->out_features;
    note_shape(weights, matrix, matrix->shape);
    note_shape(weights, matrix, matrix->last_shape);
    if (matrix->panel_bytes > weights->panel_bytes)
        weights->panel_bytes = matrix->panel_bytes;
    *out = matrix;
    return MM_STATUS_OK;
}

static mm_table *add_table(mm_weights *weights, int64_t rows, int64_t columns, mm_dtype dtype) {
    mm_table *table = mm_calloc(1, sizeof(*table));
    if (!table)
        return NULL;
    *table = (mm_table){.next = weights->tables,
                        .rows = rows,
                        .columns = columns,
                        .dtype = dtype,
                        .row_bytes = (size_t)columns * (dtype == MM_DTYPE_F32 ? 4 : 2),
                        .settling = &weights->settling};
    weights->tables = table;
    add_bytes(weights, (size_t)rows * table->row_bytes);
    return table;
}

mm_status mm_cpu_add_table(const mm_table **out, mm_weights *weights, const mm_tensor *tensor,
                           mm_error *error) {
    // Rows are converted when they are looked up, so a table keeps the smaller of the two types.
    mm_dtype dtype = weights->dtype == MM_COMPUTE_BF16 ? MM_DTYPE_BF16 : MM_DTYPE_F32;
    if (tensor->dtype == MM_DTYPE_F16 || tensor->dtype == MM_DTYPE_BF16)
        dtype = tensor->dtype;
    mm_table *table = add_table(weights, tensor->shape[0], tensor->shape[1], dtype);
    *out = table;
    if (!table)
        return mm_fail_memory(error, "an embedding table");
    table->source = tensor;
    return MM_STATUS_OK;
}

mm_status mm_cpu_add_computed_table(const mm_table **out, mm_weights *weights, int64_t rows,
                                    int64_t columns, mm_table_fill fill, int64_t parameter,
                                    mm_error *error) {
    mm_table *table = add_table(weights, rows, columns, MM_DTYPE_F32);
    *out = table;
    if (!table)
        return mm_fail_memory(error, "a computed table");
    table->fill = fill;
    table->parameter = parameter;
    return MM_STATUS_OK;
}

static mm_norm *add_norm(mm_weights *weights, const mm_tensor *weight, const mm_tensor *bias,
                         double epsilon) {
    mm_norm *norm = mm_calloc(1, sizeof(*norm));
    if (!norm)
        return NULL;
    *norm = (mm_norm){.next = weights->norms,
                      .weight = weight,
                      .bias = bias,
                      .columns = weight->shape[0],
                      .values = {.epsilon = (float)epsilon}};
    weights->norms = norm;
    add_bytes(weights, (size_t)norm->columns * sizeof(float));
    add_bytes(weights, bias ? (size_t)norm->columns * sizeof(float) : 0);
    return norm;
}

mm_status mm_cpu_add_norm(const mm_norm **out, mm_weights *weights, const mm_tensor *weight,
                          const mm_tensor *bias, double epsilon, mm_error *error) {
    *out = add_norm(weights, weight, bias, epsilon);
    return *out ? MM_STATUS_OK : mm_fail_memory(error, "a normalisation");
}

mm_status mm_cpu_add_rms_norm(const mm_norm **out, mm_weights *weights, const mm_tensor *weight,
                              double epsilon, mm_error *error) {
    mm_norm *norm = add_norm(weights, weight, NULL, epsilon);
    *out = norm;
    if (!norm)
        return mm_fail_memory(error, "a normalisation");
    norm->is_rms = true;
    return MM_STATUS_OK;
}

mm_status mm_cpu_add_relative(const mm_relative **out, mm_weights *weights, const mm_tensor *tensor,
                              int64_t buckets, int64_t max_distance, int64_t max_length,
                              bool bidirectional, mm_error *error) {
    mm_relative *relative = mm_calloc(1, sizeof(*relative));
    *out = relative;
    if (!relative)
        return mm_fail_memory(error, "a relative position bias");
    *relative = (mm_relative){.next = weights->relatives,
                              .source = tensor,
                              .buckets = buckets,
                              .heads = tensor->shape[1],
                              .max_distance = max_distance,
                              .max_length = max_length,
                              .bidirectional = bidirectional};
    weights->relatives = relative;
    add_bytes(weights, (size_t)(relative->heads * (2 * max_length - 1)) * sizeof(float));
    return MM_STATUS_OK;
}

size_t mm_cpu_weights_bytes(const mm_weights *weights) {
    return weights->bytes;
}

// ---- Packing
// --------------------------------------------------------------------------------------

// One thread's share of packing; threads take the next panel or chunk until none is left.
typedef struct packing_member {
    mm_cpu_packer packer;
    mm_status status;
    mm_error error;
} packing_member;

typedef struct packing {
    mm_weights *weights;
    atomic_size_t next;
    packing_member *members;
    int threads;
} packing;

static mm_status pack_panel(packing_member *member, mm_matrix *matrix, int panel) {
    if (matrix->waits)
        return mm_cpu_check_panel(matrix, panel, &member->error);
    return mm_cpu_place_panel(matrix, panel, member->packer.caller, member->packer.staging,
                              &member->error);
}

static mm_status pack_table_chunk(const mm_kernels *kernels, packing_member *member,
                                  const mm_table *table, int64_t first) {
    int64_t rows = table->rows - first < TABLE_CHUNK ? table->rows - first : TABLE_CHUNK;
    const mm_tensor *source = table->source;
    char *out = table->values + (size_t)first * table->row_bytes;
    if (!source) {
        for (int64_t row = 0; row < rows; row++)
            table->fill((float *)(void *)(out + (size_t)row * table->row_bytes), first + row,
                        table->columns, table->parameter);
        return MM_STATUS_OK;
    }
    const int64_t start = first * table->columns, count = rows * table->columns;
    if (table->dtype == source->dtype) { // checked where it lies
        const char *in = (const char *)source->data + (size_t)first * table->row_bytes;
        mm_status status = mm_cpu_check_values(source, start, count, &member->error);
        if (!status && !table->waits)
            memcpy(out, in, (size_t)rows * table->row_bytes);
        return status;
    }
    float *staging = member->packer.staging;
    mm_status status = mm_cpu_load_values(staging, source, start, count, &member->error);
    if (status)
        return status;
    if (table->dtype == MM_DTYPE_F32)
        memcpy(out, staging, (size_t)count * sizeof(float));
    else
        kernels->to_bf16((uint16_t *)(void *)out, staging, (size_t)count);
    return MM_STATUS_OK;
}

// Work item number `index`: panels of all matrices first, then chunks of all tables.
static bool pack_item(packing *work, packing_member *member, size_t index) {
    for (mm_matrix *matrix = work->weights->matrices; matrix; matrix = matrix->next) {
        if (index < (size_t)matrix->panels) {
            member->status = pack_panel(member, matrix, (int)index);
            return true;
        }
        index -= (size_t)matrix->panels;
    }
    for (const mm_table *table = work->weights->tables; table; table = table->next) {
        size_t chunks = (size_t)((table->rows + TABLE_CHUNK - 1) / TABLE_CHUNK);
        if (index < chunks) {
            member->status = pack_table_chunk(work->weights->backend->kernels, member, table,
                                              (int64_t)index * TABLE_CHUNK);
            return true;
        }
        index -= chunks;
    }
    return false;
}

static void pack_step(void *payload, int index) {
    packing *work = payload;
    packing_member *member = &work->members[index];
    int threads = mm_product_thread_enter();
    while (!member->status && pack_item(work, member, atomic_fetch_add(&work->next, 1)))
        continue;
    mm_product_thread_leave(threads);
}

// transformers MPNetEncoder.relative_position_bucket and T5Attention._relative_position_bucket.
static int64_t bucket_of(const mm_relative *relative, int64_t distance) {
    int64_t buckets = relative->buckets, offset = 0, n = distance < 0 ? -distance : distance;
    if (relative->bidirectional) {
        buckets /= 2;
        offset = distance > 0 ? buckets : 0;
    } else {
        n = distance < 0 ? -distance : 0;
    }
    int64_t exact = buckets / 2;
    if (n < exact)
        return offset + n;
    float ratio = logf((float)n / (float)exact) /
                  logf((float)relative->max_distance / (float)exact) * (float)(buckets - exact);
    int64_t large = exact + (int64_t)ratio;
    return offset + (large < buckets - 1 ? large : buckets - 1);
}

static mm_status pack_small(mm_weights *weights, float *staging, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (mm_matrix *matrix = weights->matrices; matrix && !status; matrix = matrix->next) {
        float *bias = matrix->bias_values;
        for (int i = 0; i < matrix->parts && !status; i++) {
            int64_t count = matrix->weight[i]->shape[0];
            if (matrix->bias[i])
                status = mm_cpu_load_values(bias, matrix->bias[i], 0, count, error);
            bias += count;
        }
    }
    for (mm_norm *norm = weights->norms; norm && !status; norm = norm->next) {
        status = mm_cpu_load_values((float *)(uintptr_t)norm->values.weight, norm->weight, 0,
                                    norm->columns, error);
        if (!status && norm->bias)
            status = mm_cpu_load_values((float *)(uintptr_t)norm->values.bias, norm->bias, 0,
                                        norm->columns, error);
    }
    for (mm_relative *relative = weights->relatives; relative && !status;
         relative = relative->next) {
        int64_t span = 2 * relative->max_length - 1;
        status = mm_cpu_load_values(staging, relative->source, 0,
                                    relative->buckets * relative->heads, error);
        for (int64_t head = 0; head < relative->heads && !status; head++) {
            for (int64_t i = 0; i < span; i++) {
                int64_t bucket = bucket_of(relative, i - (relative->max_length - 1));
                relative->values[head * span + i] = staging[bucket * relative->heads + head];
            }
        }
    }
    return status;
}

static void *take(char **cursor, size_t bytes) {
    void *memory = *cursor;
    *cursor += align(bytes);
    return memory;
}

static void place_matrix(mm_matrix *matrix, char **cursor) {
    matrix->packed = take(cursor, (size_t)(matrix->panels - 1) * matrix->panel_bytes +
                                      align(mm_product_packed_bytes(matrix->last_shape)));
}

static void place_table(mm_table *table, char **cursor) {
    table->values = take(cursor, (size_t)table->rows * table->row_bytes);
    atomic_init(&table->data, table->waits ? (const char *)table->source->data : table->values);
}

// Gives every object its place in the region. What waits comes last, so that it shares no page with
// what is written now.
static void lay_out(mm_weights *weights) {
    char *cursor = weights->memory;
    for (mm_matrix *m = weights->matrices; m; m = m->next)
        m->bias_values = take(&cursor, (size_t)m->out_features * sizeof(float));
    for (mm_norm *n = weights->norms; n; n = n->next) {
        n->values.weight = take(&cursor, (size_t)n->columns * sizeof(float));
        if (n->bias)
            n->values.bias = take(&cursor, (size_t)n->columns * sizeof(float));
    }
    for (mm_relative *r = weights->relatives; r; r = r->next)
        r->values = take(&cursor, (size_t)(r->heads * (2 * r->max_length - 1)) * sizeof(float));
    for (int waits = 0; waits < 2; waits++) {
        for (mm_matrix *m = weights->matrices; m; m = m->next) {
            if (m->waits == waits)
                place_matrix(m, &cursor);
        }
        for (mm_table *t = weights->tables; t; t = t->next) {
            if (t->waits == waits)
                place_table(t, &cursor);
        }
    }
}

// The floats a thread needs to pack any of the weights.
static int64_t staging_floats(const mm_weights *weights) {
    int64_t most = (int64_t)weights->panel_floats;
    for (const mm_relative *r = weights->relatives; r; r = r->next)
        most = r->buckets * r->heads > most ? r->buckets * r->heads : most;
    for (const mm_table *t = weights->tables; t; t = t->next)
        most = TABLE_CHUNK * t->columns > most ? TABLE_CHUNK * t->columns : most;
    return most;
}

static mm_status packing_begin(packing *work, mm_error *error) {
    work->members = mm_calloc((size_t)work->threads, sizeof(*work->members));
    if (!work->members)
        return mm_fail_memory(error, "packing threads");
    const int64_t floats = staging_floats(work->weights);
    mm_status status = MM_STATUS_OK;
    for (int i = 0; i < work->threads && !status; i++)
        status =
            mm_cpu_packer_create(&work->members[i].packer, work->weights->backend, floats, error);
    return status;
}

static void packing_end(packing *work) {
    for (int i = 0; i < work->threads && work->members; i++)
        mm_cpu_packer_free(&work->members[i].packer);
    mm_free(work->members);
}

static mm_status pack_large(packing *work, mm_error *error) {
    mm_team *team;
    mm_status status = mm_team_create(&team, work->threads, error);
    if (status)
        return status;
    mm_team_run(team, pack_step, work);
    mm_team_free(team);
    for (int i = 0; i < work->threads && !status; i++) {
        status = work->members[i].status;
        if (status && error)
            *error = work->members[i].error;
    }
    return status;
}

mm_status mm_cpu_weights_pack(mm_weights *weights, mm_checkpoint *checkpoint, mm_packing how,
                              int threads, mm_error *error) {
    packing work = {.weights = weights, .threads = threads};
    weights->memory = mm_pages_alloc(weights->bytes);
    if (!weights->memory)
        return mm_fail(error, MM_STATUS_OUT_OF_MEMORY, "no memory for %zu bytes of weights",
                       weights->bytes);
    mm_cpu_choose_waiting(weights, checkpoint, how);
    lay_out(weights);
    mm_status status = packing_begin(&work, error);
    if (!status)
        status = pack_large(&work, error);
    if (!status)
        status = pack_small(weights, work.members[0].packer.staging, error);
    if (!status)
        mm_cpu_settling_start(weights, checkpoint, &work.members[0].packer);
    packing_end(&work);
    return status;
}
