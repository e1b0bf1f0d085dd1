// SPDX-License-Identifier: Apache-2.0
// mm_safetensors_parse: tensors of an accepted file lie inside it, follow each other, and can be
// read and found; the same input with failing allocations leaks nothing.
//
// Covers: src/checkpoint/safetensors.c
#include "base/memory.h"
#include "base/utf8.h"
#include "checkpoint/safetensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth) {
    if (!truth)
        abort();
}

static void check_file(const mm_safetensors *file, const uint8_t *data, size_t size) {
    size_t header_size;
    require(mm_safetensors_header(file, &header_size) == data);
    const uint8_t *at = data + header_size;
    size_t count = mm_safetensors_count(file);
    for (size_t i = 0; i < count; i++) {
        const mm_tensor *tensor = mm_safetensors_at(file, i);
        require(tensor->data == at && tensor->rank >= 0 && tensor->rank <= MM_TENSOR_MAX_RANK);
        at += tensor->bytes;
        require(mm_safetensors_find(file, tensor->name) == tensor);
        if (tensor->dtype == MM_DTYPE_OTHER)
            continue;
        require((uint64_t)tensor->elements * mm_dtype_bits(tensor->dtype) == tensor->bytes * 8);
        float values[16];
        int64_t part = tensor->elements < 16 ? tensor->elements : 16;
        mm_tensor_to_f32(values, tensor, 0, part);
        mm_tensor_to_f32(values, tensor, tensor->elements - part, part);
    }
    require(at == data + size);
    require(!mm_safetensors_at(file, count) && !mm_safetensors_find(file, "\x01 no such name"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_set_alloc_funcs(mm_malloc, mm_free);
    mm_safetensors *file;
    mm_error error = {0};
    mm_memory_fail_after(0, false);
    mm_status status = mm_safetensors_parse(&file, data, size, "input", &error);
    size_t allocations = mm_memory_allocations();
    if (status) {
        require(!file && error.status == status && error.message[0]);
        require(mm_utf8_valid(error.message, strlen(error.message), NULL));
    } else {
        check_file(file, data, size);
    }
    mm_safetensors_free(file);
    // One of the allocations, chosen by the input, fails.
    if (allocations > 0) {
        mm_memory_fail_after(1 + (size_t)(size ? data[size - 1] : 0u) % allocations, size % 2 == 0);
        status = mm_safetensors_parse(&file, data, size, "input", &error);
        mm_memory_fail_after(0, false);
        require(status == MM_STATUS_OUT_OF_MEMORY && !file);
    }
    return 0;
}
