// SPDX-License-Identifier: Apache-2.0
// From the tensors of a checkpoint to panels in the form of the products, whoever needs one: all
// threads while packing, a thread of the weights while they settle, a forward pass before that.
#include "base/memory.h"
#include "compute/cpu/cpu.h"

mm_status mm_cpu_packer_create(mm_cpu_packer *out, mm_backend *backend, int64_t floats,
                               mm_error *error) {
    *out = (mm_cpu_packer){.staging_bytes = (size_t)floats * sizeof(float)};
    mm_status status = mm_product_caller_create(&out->caller, backend->products, error);
    if (status)
        return status;
    out->staging = mm_pages_alloc(out->staging_bytes);
    return out->staging ? MM_STATUS_OK : mm_fail_memory(error, "staging for weights");
}

void mm_cpu_packer_free(mm_cpu_packer *packer) {
    mm_product_caller_free(packer->caller);
    mm_pages_free(packer->staging, packer->staging_bytes);
    *packer = (mm_cpu_packer){0};
}

static mm_status refuse(const mm_tensor *tensor, mm_error *error) {
    return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                   "tensor \"%s\" holds NaN or infinite values; download the model again, or take "
                   "a version of it that was trained to the end",
                   tensor->name);
}

mm_status mm_cpu_load_values(float *out, const mm_tensor *tensor, int64_t start, int64_t count,
                             mm_error *error) {
    enum { BLOCK = 4096 }; // is checked while it is near the core
    for (int64_t done = 0; done < count; done += BLOCK) {
        const int64_t length = count - done < BLOCK ? count - done : BLOCK;
        mm_tensor_to_f32(out + done, tensor, start + done, length);
        if (!mm_values_finite(out + done, MM_DTYPE_F32, (size_t)length))
            return refuse(tensor, error);
    }
    return MM_STATUS_OK;
}

mm_status mm_cpu_check_values(const mm_tensor *tensor, int64_t start, int64_t count,
                              mm_error *error) {
    const size_t width = mm_dtype_bits(tensor->dtype) / 8;
    const char *values = (const char *)tensor->data + (size_t)start * width;
    return mm_values_finite(values, tensor->dtype, (size_t)count) ? MM_STATUS_OK
                                                                  : refuse(tensor, error);
}

// Rows of a matrix that one tensor holds.
typedef struct piece {
    const mm_tensor *tensor;
    int64_t start, count; // its elements
    int64_t rows;
} piece;

// The rows from `first` on, `most` of them or as many as there are in the tensor of the first.
static piece piece_at(const mm_matrix *matrix, int64_t first, int64_t most) {
    int part = 0;
    while (first >= matrix->weight[part]->shape[0])
        first -= matrix->weight[part++]->shape[0];
    const mm_tensor *tensor = matrix->weight[part];
    const int64_t left = tensor->shape[0] - first, rows = left < most ? left : most;
    return (piece){tensor, first * matrix->in_features, rows * matrix->in_features, rows};
}

// The rows as they lie in the file, when they need neither converting nor stacking.
static const float *in_place(const piece *rows, int64_t columns) {
    const mm_tensor *tensor = rows->tensor;
    const bool fits = rows->rows == columns && tensor->dtype == MM_DTYPE_F32 &&
                      (uintptr_t)tensor->data % sizeof(float) == 0;
    return fits ? (const float *)tensor->data + rows->start : NULL;
}

// The rows [first, first + count) of a matrix as float32, in the file or in `staging`.
static mm_status rows_of(const float **out, const mm_matrix *matrix, int64_t first, int64_t count,
                         float *staging, mm_error *error) {
    piece part = piece_at(matrix, first, count);
    *out = in_place(&part, count);
    if (*out)
        return mm_cpu_check_values(part.tensor, part.start, part.count, error);
    *out = staging;
    mm_status status = MM_STATUS_OK;
    for (int64_t filled = 0; filled < count && !status; filled += part.rows) {
        part = piece_at(matrix, first + filled, count - filled);
        status = mm_cpu_load_values(staging + filled * matrix->in_features, part.tensor, part.start,
                                    part.count, error);
    }
    return status;
}

mm_status mm_cpu_pack_panel(const mm_matrix *matrix, int panel, void *packed,
                            mm_product_caller *caller, float *staging, mm_error *error) {
    const mm_product_shape *shape = mm_matrix_shape(matrix, panel);
    const int64_t columns = mm_matrix_columns(matrix, panel);
    const int64_t step = mm_product_pack_columns(shape);
    mm_status status = MM_STATUS_OK;
    for (int64_t done = 0; done < columns && !status; done += step) {
        const float *rows;
        status = rows_of(&rows, matrix, panel * matrix->panel_columns + done, step, staging, error);
        if (!status)
            status = mm_product_pack(caller, shape, packed, done, rows, error);
    }
    return status;
}

mm_status mm_cpu_place_panel(mm_matrix *matrix, int panel, mm_product_caller *caller,
                             float *staging, mm_error *error) {
    mm_status status =
        mm_cpu_pack_panel(matrix, panel, mm_cpu_place_of(matrix, panel), caller, staging, error);
    atomic_store_explicit(&matrix->states[panel], status ? MM_PANEL_IN_FILE : MM_PANEL_IN_PLACE,
                          memory_order_release);
    return status;
}

mm_status mm_cpu_check_panel(const mm_matrix *matrix, int panel, mm_error *error) {
    const int64_t first = panel * matrix->panel_columns;
    const int64_t columns = mm_matrix_columns(matrix, panel);
    mm_status status = MM_STATUS_OK;
    for (int64_t done = 0, rows; done < columns && !status; done += rows) {
        const piece part = piece_at(matrix, first + done, columns - done);
        rows = part.rows;
        status = mm_cpu_check_values(part.tensor, part.start, part.count, error);
    }
    return status;
}
