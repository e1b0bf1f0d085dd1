// SPDX-License-Identifier: Apache-2.0
// One safetensors file: mapped, its header checked by every rule of the reference reader
// (huggingface/safetensors, safetensors/src/tensor.rs), its tensors found by name.
#ifndef MM_CHECKPOINT_SAFETENSORS_H
#define MM_CHECKPOINT_SAFETENSORS_H

#include "base/error.h"
#include "base/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum mm_dtype {
    MM_DTYPE_BOOL,
    MM_DTYPE_U8,
    MM_DTYPE_I8,
    MM_DTYPE_I16,
    MM_DTYPE_U16,
    MM_DTYPE_F16,
    MM_DTYPE_BF16,
    MM_DTYPE_I32,
    MM_DTYPE_U32,
    MM_DTYPE_F32,
    MM_DTYPE_F64,
    MM_DTYPE_I64,
    MM_DTYPE_U64,
    MM_DTYPE_OTHER, // a legal type we have no use for (F8, F6, F4, C64); data must not be read
} mm_dtype;

enum { MM_TENSOR_MAX_RANK = 8 };

// A tensor as it lies in a mapped file: row-major, little endian, possibly unaligned.
// Borrowed from the checkpoint that found it.
typedef struct mm_tensor {
    const char *name;
    const void *data;
    mm_dtype dtype;
    int rank;
    int64_t shape[MM_TENSOR_MAX_RANK];
    int64_t elements;
    size_t bytes;
} mm_tensor;

typedef struct mm_safetensors mm_safetensors;

// MODEL_NOT_FOUND when the file is missing, MODEL_CORRUPT with the broken rule,
// MODEL_UNSUPPORTED for more dimensions than mm_tensor holds. A file that
// somebody cuts short while it is mapped raises SIGBUS on access: whoever keeps a model copies or
// packs the data while loading and frees the file.
mm_status mm_safetensors_open(mm_safetensors **out, const char *path, mm_error *error);
// The same on bytes the caller keeps alive (fuzzing, tests).
mm_status mm_safetensors_parse(mm_safetensors **out, const void *data, size_t size,
                               const char *where, mm_error *error);
void mm_safetensors_free(mm_safetensors *file);       // accepts NULL
void mm_safetensors_rest(const mm_safetensors *file); // see mm_file_map_rest
size_t mm_safetensors_count(const mm_safetensors *file);
const mm_tensor *mm_safetensors_at(const mm_safetensors *file, size_t index);       // in file order
const mm_tensor *mm_safetensors_find(const mm_safetensors *file, const char *name); // NULL if none

size_t mm_safetensors_bytes(const mm_safetensors *file);     // size of the file
int64_t mm_safetensors_mtime_ns(const mm_safetensors *file); // 0 for parsed bytes
// The header as it lies in the file, with the eight bytes of its length in front.
const void *mm_safetensors_header(const mm_safetensors *file, size_t *size);

const char *mm_dtype_name(mm_dtype dtype); // "F32" ...
size_t mm_dtype_bits(mm_dtype dtype);      // 0 for MM_DTYPE_OTHER

// Converts `count` elements starting at element `start` of a tensor to float32, rounding to
// nearest. Any numeric dtype but OTHER; bool gives 0 or 1. Fast for F32, F16 and BF16.
void mm_tensor_to_f32(float *out, const mm_tensor *tensor, int64_t start, int64_t count);
// Whether no value is NaN or infinite. F32, F16 or BF16, possibly unaligned; at memory speed.
bool mm_values_finite(const void *values, mm_dtype dtype, size_t count);

#endif
