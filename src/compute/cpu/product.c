// SPDX-License-Identifier: Apache-2.0
#include "compute/cpu/product.h"

#include "base/memory.h"

#include <dnnl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

// oneDNN's threading runtime; its header comes with the compiler, not with the library.
void omp_set_num_threads(int threads);
int omp_get_max_threads(void);

enum { ROW_VARIANTS = MM_PRODUCT_MAX_ROWS / MM_PRODUCT_ROW_STEP };

// Columns are packed so many at a time, where the form allows it: their rows stay near the core,
// and whoever packs needs less memory.
enum { PACK_COLUMNS = 32 };

struct mm_product_shape {
    mm_products *products;
    mm_product_shape *next;
    int index; // position among the shapes, for the callers' tables
    int64_t columns, depth;
    mm_compute_dtype dtype;
    bool is_convolution; // see choose_form
    bool is_in_blocks;
    int fixed_rows; // 0, or the only number of rows that is used
    dnnl_memory_desc_t packed;
    size_t packed_bytes, scratchpad_bytes;
    int64_t pack_columns;                               // PACK_COLUMNS, or all
    _Atomic(dnnl_primitive_t) primitives[ROW_VARIANTS]; // made on first use, under the mutex
};

struct mm_products {
    dnnl_engine_t engine;
    pthread_mutex_t mutex; // guards the list and the making of primitives
    mm_product_shape *shapes;
    int shape_count;
};

// A primitive with the memory objects its arguments need, so that a call only sets pointers.
typedef struct product_call {
    dnnl_primitive_t primitive; // borrowed from the shape
    dnnl_memory_t x, weights, out, scratchpad;
} product_call;

// The same for packing; the primitive is the caller's own.
typedef struct pack_call {
    dnnl_primitive_t primitive;
    dnnl_memory_t rows, packed;
} pack_call;

struct mm_product_caller {
    mm_products *products;
    dnnl_stream_t stream;
    product_call *calls; // [shape index][row variant]
    pack_call *packs;    // [shape index]
    int shape_capacity;
    void *scratchpad;
    size_t scratchpad_bytes;
};

static mm_status fail(mm_error *error, const char *what, dnnl_status_t status) {
    if (status == dnnl_out_of_memory)
        return mm_fail_memory(error, what);
    return mm_fail(error, MM_STATUS_INTERNAL, "oneDNN: %s failed with status %d", what,
                   (int)status);
}

int mm_product_thread_enter(void) {
    int before = omp_get_max_threads();
    if (before != 1)
        omp_set_num_threads(1);
    return before;
}

void mm_product_thread_leave(int before) {
    if (before != 1)
        omp_set_num_threads(before);
}

mm_status mm_products_create(mm_products **out, mm_error *error) {
    *out = NULL;
    mm_products *products = mm_calloc(1, sizeof(*products));
    if (!products)
        return mm_fail_memory(error, "the product engine");
    dnnl_status_t status = dnnl_engine_create(&products->engine, dnnl_cpu, 0);
    if (status != dnnl_success) {
        mm_free(products);
        return fail(error, "making the engine", status);
    }
    pthread_mutex_init(&products->mutex, NULL);
    *out = products;
    return MM_STATUS_OK;
}

void mm_products_free(mm_products *products) {
    if (!products)
        return;
    for (mm_product_shape *shape = products->shapes, *next; shape; shape = next) {
        next = shape->next;
        for (int i = 0; i < ROW_VARIANTS; i++) {
            if (shape->primitives[i])
                dnnl_primitive_destroy(shape->primitives[i]);
        }
        mm_free(shape);
    }
    dnnl_engine_destroy(products->engine);
    pthread_mutex_destroy(&products->mutex);
    mm_free(products);
}

static dnnl_data_type_t data_type(mm_compute_dtype dtype) {
    return dtype == MM_COMPUTE_BF16 ? dnnl_bf16 : dnnl_f32;
}

static dnnl_status_t matrix_desc(dnnl_memory_desc_t *out, int64_t rows, int64_t columns,
                                 dnnl_data_type_t type, dnnl_format_tag_t tag) {
    dnnl_dims_t dims = {rows, columns};
    return dnnl_memory_desc_init_by_tag(out, 2, dims, type, tag);
}

// The product's operation over memory in the forms that the attributes of `shape` ask for; `packed`
// NULL lets oneDNN choose the packed form.
static dnnl_status_t describe_matmul(dnnl_primitive_desc_t *out, const mm_product_shape *shape,
                                     int rows, const dnnl_memory_desc_t *packed,
                                     dnnl_primitive_attr_t attributes) {
    dnnl_memory_desc_t x, weights, result;
    dnnl_data_type_t type = data_type(shape->dtype);
    dnnl_status_t status = matrix_desc(&x, rows, shape->depth, type, dnnl_ab);
    if (!status)
        status = matrix_desc(&weights, shape->depth, shape->columns, type, dnnl_format_tag_any);
    if (!status)
        status = matrix_desc(&result, rows, shape->columns, dnnl_f32, dnnl_ab);
    dnnl_matmul_desc_t product;
    if (!status)
        status = dnnl_matmul_desc_init(&product, &x, packed ? packed : &weights, NULL, &result);
    return status ? status
                  : dnnl_primitive_desc_create(out, &product, attributes, shape->products->engine,
                                               NULL);
}

// The same as a 1 x 1 convolution over an image one pixel high: a pixel is a row, channels last.
static dnnl_status_t describe_convolution(dnnl_primitive_desc_t *out, const mm_product_shape *shape,
                                          int rows, const dnnl_memory_desc_t *packed,
                                          dnnl_primitive_attr_t attributes) {
    const dnnl_dims_t x_dims = {1, shape->depth, 1, rows},
                      result_dims = {1, shape->columns, 1, rows};
    const dnnl_dims_t weight_dims = {shape->columns, shape->depth, 1, 1};
    const dnnl_dims_t strides = {1, 1}, padding = {0, 0};
    dnnl_memory_desc_t x, weights, result;
    dnnl_data_type_t type = data_type(shape->dtype);
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(&x, 4, x_dims, type, dnnl_nhwc);
    if (!status)
        status = dnnl_memory_desc_init_by_tag(&weights, 4, weight_dims, type, dnnl_format_tag_any);
    if (!status)
        status = dnnl_memory_desc_init_by_tag(&result, 4, result_dims, dnnl_f32, dnnl_nhwc);
    dnnl_convolution_desc_t product;
    if (!status)
        status = dnnl_convolution_forward_desc_init(
            &product, dnnl_forward_inference, dnnl_convolution_direct, &x,
            packed ? packed : &weights, NULL, &result, strides, padding, padding);
    return status ? status
                  : dnnl_primitive_desc_create(out, &product, attributes, shape->products->engine,
                                               NULL);
}

static dnnl_status_t describe(dnnl_primitive_desc_t *out, const mm_product_shape *shape, int rows,
                              const dnnl_memory_desc_t *packed) {
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(&attributes);
    if (!status)
        status = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (!status)
        status = shape->is_convolution ? describe_convolution(out, shape, rows, packed, attributes)
                                       : describe_matmul(out, shape, rows, packed, attributes);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

static bool has_kernel(const_dnnl_primitive_desc_t description, const char *prefix) {
    const char *name = NULL;
    dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &name);
    return name && strncmp(name, prefix, strlen(prefix)) == 0;
}

// Vectors must not depend on what else is in a batch, so a row has to get the same bits for any
// number of rows. The kernels that AVX-512 has for products do that. With AVX2 those of products do
// not, but those of 1 x 1 convolutions do, and are faster. Elsewhere every call computes the same
// number of rows.
static dnnl_status_t choose_form(dnnl_primitive_desc_t *out, mm_product_shape *shape) {
    dnnl_status_t status = describe(out, shape, MM_PRODUCT_MAX_ROWS, NULL);
    if (status || has_kernel(*out, "brg"))
        return status;
    dnnl_primitive_desc_t convolution;
    shape->is_convolution = true;
    if (!describe(&convolution, shape, MM_PRODUCT_MAX_ROWS, NULL)) {
        if (has_kernel(convolution, "jit_1x1")) {
            dnnl_primitive_desc_destroy(*out);
            *out = convolution;
            return dnnl_success;
        }
        dnnl_primitive_desc_destroy(convolution);
    }
    shape->is_convolution = false;
    shape->fixed_rows = MM_PRODUCT_MAX_ROWS;
    return dnnl_success;
}

// The columns [first, first + count) of the packed form, as memory of their own.
static dnnl_status_t piece_of(dnnl_memory_desc_t *out, const mm_product_shape *shape, int64_t first,
                              int64_t count) {
    const dnnl_dims_t dims = {shape->depth, count}, offsets = {0, first};
    const dnnl_dims_t convolution_dims = {count, shape->depth, 1, 1},
                      convolution_offsets = {first, 0, 0, 0};
    return dnnl_memory_desc_init_submemory(out, &shape->packed,
                                           shape->is_convolution ? convolution_dims : dims,
                                           shape->is_convolution ? convolution_offsets : offsets);
}

static int64_t choose_pack_columns(const mm_product_shape *shape) {
    dnnl_memory_desc_t piece;
    const bool divides = shape->columns % PACK_COLUMNS == 0;
    return divides && !piece_of(&piece, shape, shape->columns - PACK_COLUMNS, PACK_COLUMNS)
               ? PACK_COLUMNS
               : shape->columns;
}

// Whether the form is [columns / 8][depth][8], all the same whether the depth is in blocks too.
static bool lies_in_blocks(const mm_product_shape *shape) {
    enum { BLOCK = 8 };
    const dnnl_blocking_desc_t *form = &shape->packed.format_desc.blocking;
    if (!shape->is_convolution || shape->dtype != MM_COMPUTE_F32 ||
        shape->packed.format_kind != dnnl_blocked || shape->packed.offset0 != 0 ||
        shape->columns % BLOCK != 0)
        return false;
    const bool whole = form->inner_nblks == 1 && form->inner_idxs[0] == 0;
    const bool both = form->inner_nblks == 2 && form->inner_idxs[0] == 1 &&
                      form->inner_idxs[1] == 0 && form->inner_blks[0] == BLOCK &&
                      shape->depth % BLOCK == 0;
    return (whole || both) && form->inner_blks[form->inner_nblks - 1] == BLOCK &&
           form->strides[0] == shape->depth * BLOCK &&
           form->strides[1] == (both ? BLOCK * BLOCK : BLOCK);
}

static mm_status shape_create(mm_product_shape **out, mm_products *products, int64_t columns,
                              int64_t depth, mm_compute_dtype dtype, mm_error *error) {
    mm_product_shape *shape = mm_calloc(1, sizeof(*shape));
    if (!shape)
        return mm_fail_memory(error, "a product shape");
    *shape = (mm_product_shape){
        .products = products, .columns = columns, .depth = depth, .dtype = dtype};
    dnnl_primitive_desc_t description;
    dnnl_status_t status = choose_form(&description, shape);
    if (status) {
        mm_free(shape);
        return fail(error, "describing a product", status);
    }
    shape->packed = *dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
    shape->packed_bytes = dnnl_memory_desc_get_size(&shape->packed);
    shape->scratchpad_bytes = dnnl_memory_desc_get_size(
        dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0));
    shape->pack_columns = choose_pack_columns(shape);
    shape->is_in_blocks = lies_in_blocks(shape);
    dnnl_primitive_desc_destroy(description);
    *out = shape;
    return MM_STATUS_OK;
}

mm_status mm_products_shape(const mm_product_shape **out, mm_products *products, int64_t columns,
                            int64_t depth, mm_compute_dtype dtype, mm_error *error) {
    pthread_mutex_lock(&products->mutex);
    mm_product_shape *shape = products->shapes;
    while (shape && (shape->columns != columns || shape->depth != depth || shape->dtype != dtype))
        shape = shape->next;
    mm_status status = MM_STATUS_OK;
    if (!shape) {
        status = shape_create(&shape, products, columns, depth, dtype, error);
        if (!status) {
            shape->index = products->shape_count++;
            shape->next = products->shapes;
            products->shapes = shape;
        }
    }
    pthread_mutex_unlock(&products->mutex);
    *out = status ? NULL : shape;
    return status;
}

size_t mm_product_packed_bytes(const mm_product_shape *shape) {
    return shape->packed_bytes;
}

size_t mm_product_scratchpad_bytes(const mm_product_shape *shape) {
    return shape->scratchpad_bytes;
}

bool mm_product_is_in_blocks(const mm_product_shape *shape) {
    return shape->is_in_blocks;
}

int64_t mm_product_pack_columns(const mm_product_shape *shape) {
    return shape->pack_columns;
}

// ---- Callers -----------------------------------------------------------------------------------

mm_status mm_product_caller_create(mm_product_caller **out, mm_products *products,
                                   mm_error *error) {
    *out = NULL;
    mm_product_caller *caller = mm_calloc(1, sizeof(*caller));
    if (!caller)
        return mm_fail_memory(error, "a product caller");
    caller->products = products;
    dnnl_status_t status =
        dnnl_stream_create(&caller->stream, products->engine, dnnl_stream_default_flags);
    if (status) {
        mm_free(caller);
        return fail(error, "making a stream", status);
    }
    *out = caller;
    return MM_STATUS_OK;
}

static void call_destroy(product_call *call) {
    dnnl_memory_t memories[] = {call->x, call->weights, call->out, call->scratchpad};
    for (size_t i = 0; i < sizeof(memories) / sizeof(memories[0]); i++) {
        if (memories[i])
            dnnl_memory_destroy(memories[i]);
    }
    *call = (product_call){0};
}

static void pack_destroy(pack_call *call) {
    if (call->rows)
        dnnl_memory_destroy(call->rows);
    if (call->packed)
        dnnl_memory_destroy(call->packed);
    if (call->primitive)
        dnnl_primitive_destroy(call->primitive);
    *call = (pack_call){0};
}

void mm_product_caller_free(mm_product_caller *caller) {
    if (!caller)
        return;
    for (int i = 0; i < caller->shape_capacity * ROW_VARIANTS; i++)
        call_destroy(&caller->calls[i]);
    for (int i = 0; i < caller->shape_capacity; i++)
        pack_destroy(&caller->packs[i]);
    mm_free(caller->calls);
    mm_free(caller->packs);
    mm_pages_free(caller->scratchpad, caller->scratchpad_bytes);
    dnnl_stream_destroy(caller->stream);
    mm_free(caller);
}

static mm_status find_primitive(dnnl_primitive_t *out, const mm_product_shape *shape, int variant,
                                mm_error *error) {
    _Atomic(dnnl_primitive_t) *slot = &((mm_product_shape *)(uintptr_t)shape)->primitives[variant];
    *out = atomic_load_explicit(slot, memory_order_acquire);
    if (*out)
        return MM_STATUS_OK;
    pthread_mutex_lock(&shape->products->mutex);
    dnnl_status_t status = dnnl_success;
    *out = atomic_load_explicit(slot, memory_order_relaxed);
    if (!*out) {
        dnnl_primitive_desc_t description;
        status = describe(&description, shape, (variant + 1) * MM_PRODUCT_ROW_STEP, &shape->packed);
        if (!status) {
            status = dnnl_primitive_create(out, description);
            dnnl_primitive_desc_destroy(description);
        }
        if (!status)
            atomic_store_explicit(slot, *out, memory_order_release);
    }
    pthread_mutex_unlock(&shape->products->mutex);
    return status ? fail(error, "making a product", status) : MM_STATUS_OK;
}

static mm_status grow_scratchpad(mm_product_caller *caller, size_t bytes, mm_error *error) {
    if (bytes <= caller->scratchpad_bytes)
        return MM_STATUS_OK;
    mm_pages_free(caller->scratchpad, caller->scratchpad_bytes);
    caller->scratchpad_bytes = 0;
    caller->scratchpad = mm_pages_alloc(bytes);
    if (!caller->scratchpad)
        return mm_fail_memory(error, "a product's scratchpad");
    caller->scratchpad_bytes = bytes;
    return MM_STATUS_OK;
}

static mm_status call_create(product_call *call, mm_product_caller *caller,
                             const mm_product_shape *shape, int variant, mm_error *error) {
    mm_status failure = find_primitive(&call->primitive, shape, variant, error);
    if (failure)
        return failure;
    const_dnnl_primitive_desc_t description;
    dnnl_status_t status = dnnl_primitive_get_primitive_desc(call->primitive, &description);
    const struct {
        dnnl_memory_t *memory;
        dnnl_query_t query;
    } arguments[] = {
        {&call->x, dnnl_query_src_md},
        {&call->weights, dnnl_query_weights_md},
        {&call->out, dnnl_query_dst_md},
        {&call->scratchpad, dnnl_query_scratchpad_md},
    };
    for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]) && !status; i++) {
        const dnnl_memory_desc_t *memory =
            dnnl_primitive_desc_query_md(description, arguments[i].query, 0);
        if (arguments[i].query == dnnl_query_scratchpad_md)
            failure = grow_scratchpad(caller, dnnl_memory_desc_get_size(memory), error);
        if (failure)
            break;
        status = dnnl_memory_create(arguments[i].memory, memory, caller->products->engine,
                                    DNNL_MEMORY_NONE);
    }
    if (status)
        failure = fail(error, "making a product's arguments", status);
    if (failure)
        call_destroy(call);
    return failure;
}

// Room for calls of the shape.
static mm_status make_room(mm_product_caller *caller, const mm_product_shape *shape,
                           mm_error *error) {
    if (shape->index < caller->shape_capacity)
        return MM_STATUS_OK;
    const int capacity = shape->index + 8, known = caller->shape_capacity;
    product_call *calls =
        mm_array_realloc(caller->calls, (size_t)capacity * ROW_VARIANTS, sizeof(*calls));
    if (calls)
        caller->calls = calls;
    pack_call *packs =
        calls ? mm_array_realloc(caller->packs, (size_t)capacity, sizeof(*packs)) : NULL;
    if (!packs)
        return mm_fail_memory(error, "product arguments");
    memset(calls + known * ROW_VARIANTS, 0,
           sizeof(*calls) * (size_t)(capacity - known) * ROW_VARIANTS);
    memset(packs + known, 0, sizeof(*packs) * (size_t)(capacity - known));
    caller->packs = packs;
    caller->shape_capacity = capacity;
    return MM_STATUS_OK;
}

static mm_status find_call(product_call **out, mm_product_caller *caller,
                           const mm_product_shape *shape, int variant, mm_error *error) {
    mm_status status = make_room(caller, shape, error);
    if (status)
        return status;
    *out = &caller->calls[shape->index * ROW_VARIANTS + variant];
    return (*out)->primitive ? MM_STATUS_OK : call_create(*out, caller, shape, variant, error);
}

mm_status mm_product_run(mm_product_caller *caller, const mm_product_shape *shape, int rows,
                         float *out, const void *x, const void *packed, mm_error *error) {
    int computed = shape->fixed_rows ? shape->fixed_rows : rows;
    product_call *call = NULL;
    mm_status failure =
        find_call(&call, caller, shape, (computed - 1) / MM_PRODUCT_ROW_STEP, error);
    if (failure)
        return failure;
    // oneDNN's C interface has no const; it does not write to x and weights.
    dnnl_memory_set_data_handle(call->x, (void *)(uintptr_t)x);
    dnnl_memory_set_data_handle(call->weights, (void *)(uintptr_t)packed);
    dnnl_memory_set_data_handle(call->out, out);
    dnnl_memory_set_data_handle(call->scratchpad, caller->scratchpad);
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, call->x},
                                         {DNNL_ARG_WEIGHTS, call->weights},
                                         {DNNL_ARG_DST, call->out},
                                         {DNNL_ARG_SCRATCHPAD, call->scratchpad}};
    dnnl_status_t status = dnnl_primitive_execute(call->primitive, caller->stream, 4, arguments);
    return status ? fail(error, "a product", status) : MM_STATUS_OK;
}

static dnnl_status_t pack_create(pack_call *call, const mm_product_caller *caller,
                                 const mm_product_shape *shape) {
    const int64_t columns = shape->pack_columns;
    const dnnl_dims_t dims = {shape->depth, columns}, strides = {1, shape->depth};
    const dnnl_dims_t convolution_dims = {columns, shape->depth, 1, 1};
    const dnnl_engine_t engine = caller->products->engine;
    dnnl_memory_desc_t rows, packed;
    dnnl_primitive_desc_t description = NULL;
    dnnl_status_t status =
        shape->is_convolution
            ? dnnl_memory_desc_init_by_tag(&rows, 4, convolution_dims, dnnl_f32, dnnl_abcd)
            : dnnl_memory_desc_init_by_strides(&rows, 2, dims, dnnl_f32, strides);
    if (!status)
        status = piece_of(&packed, shape, 0, columns);
    if (!status)
        status =
            dnnl_reorder_primitive_desc_create(&description, &rows, engine, &packed, engine, NULL);
    if (!status)
        status = dnnl_primitive_create(&call->primitive, description);
    if (!status)
        status = dnnl_memory_create(&call->rows, &rows, engine, DNNL_MEMORY_NONE);
    if (!status)
        status = dnnl_memory_create(&call->packed, &packed, engine, DNNL_MEMORY_NONE);
    if (description)
        dnnl_primitive_desc_destroy(description);
    return status;
}

mm_status mm_product_pack(mm_product_caller *caller, const mm_product_shape *shape, void *packed,
                          int64_t first, const float *rows, mm_error *error) {
    mm_status failure = make_room(caller, shape, error);
    if (failure)
        return failure;
    pack_call *call = &caller->packs[shape->index];
    dnnl_memory_desc_t piece;
    dnnl_status_t status = call->packed ? dnnl_success : pack_create(call, caller, shape);
    if (status)
        pack_destroy(call);
    else // one primitive does all pieces: they differ in where they begin
        status = piece_of(&piece, shape, first, shape->pack_columns);
    if (!status) {
        const size_t begin = (size_t)(piece.offset0 - shape->packed.offset0) *
                             (shape->dtype == MM_COMPUTE_BF16 ? 2 : 4);
        dnnl_memory_set_data_handle(call->rows, (void *)(uintptr_t)rows);
        dnnl_memory_set_data_handle(call->packed, (char *)packed + begin);
        const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, call->rows},
                                             {DNNL_ARG_TO, call->packed}};
        status = dnnl_primitive_execute(call->primitive, caller->stream, 2, arguments);
    }
    return status ? fail(error, "packing weights", status) : MM_STATUS_OK;
}
