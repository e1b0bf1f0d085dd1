// SPDX-License-Identifier: Apache-2.0
// Matrix products by oneDNN: y [rows, columns] = x [rows, depth] W^T for a packed panel W
// [columns, depth]. All that is particular to oneDNN's C interface stands in product.c.
//
// Panels of one shape share a packed form, whatever the number of rows, and a row's result has the
// same bits whatever the number of rows. bf16 panels take bf16 rows; results are always float32.
#ifndef MM_COMPUTE_CPU_PRODUCT_H
#define MM_COMPUTE_CPU_PRODUCT_H

#include "compute/backend.h"

enum {
    MM_PRODUCT_MAX_ROWS = 64, // rows a call takes at most
    MM_PRODUCT_ROW_STEP = 4,  // calls compute rows rounded up to a multiple of this
};

typedef struct mm_products mm_products;             // the engine and all shapes; any thread
typedef struct mm_product_shape mm_product_shape;   // borrowed from its mm_products
typedef struct mm_product_caller mm_product_caller; // one thread's handles into it

mm_status mm_products_create(mm_products **out, mm_error *error);
void mm_products_free(mm_products *products); // accepts NULL; after all callers
// Finds or makes the shape.
mm_status mm_products_shape(const mm_product_shape **out, mm_products *products, int64_t columns,
                            int64_t depth, mm_compute_dtype dtype, mm_error *error);
size_t mm_product_packed_bytes(const mm_product_shape *shape);
size_t mm_product_scratchpad_bytes(const mm_product_shape *shape); // of a caller, at most
// Whether packed panels lie as mm_block_product has them.
bool mm_product_is_in_blocks(const mm_product_shape *shape);

mm_status mm_product_caller_create(mm_product_caller **out, mm_products *products, mm_error *error);
void mm_product_caller_free(mm_product_caller *caller); // accepts NULL
// How many columns are packed at a time; a divisor of the shape's.
int64_t mm_product_pack_columns(const mm_product_shape *shape);
// Columns from `first`, a multiple of that, as rows [pack columns, depth] float32 into the packed
// form, 64-byte aligned.
mm_status mm_product_pack(mm_product_caller *caller, const mm_product_shape *shape, void *packed,
                          int64_t first, const float *rows, mm_error *error);
// out [rows, columns] dense; x [rows, depth] dense, of the shape's dtype. Both hold `rows` rounded
// up to MM_PRODUCT_ROW_STEP; what is in the extra rows does not matter. 64-byte aligned.
mm_status mm_product_run(mm_product_caller *caller, const mm_product_shape *shape, int rows,
                         float *out, const void *x, const void *packed, mm_error *error);

// oneDNN runs on the calling thread alone; returns what to hand to mm_product_thread_leave.
int mm_product_thread_enter(void);
void mm_product_thread_leave(int before);

#endif
