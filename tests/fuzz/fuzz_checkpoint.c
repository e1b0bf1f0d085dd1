// SPDX-License-Identifier: Apache-2.0
// The weights of a model's directory: an index of shards and two of these, or a single file, or
// what we do not read. The files follow each other in the order of `names`, with the bytes FF 00 FF
// between them; a part that is empty is no file.
//
// Covers: src/checkpoint/checkpoint.c
#include "checkpoint/checkpoint.h"
#include "frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_bytes(void *payload, const void *bytes, size_t length) {
    (void)bytes;
    *(size_t *)payload += length;
}

static mm_status use(mm_checkpoint *checkpoint, mm_error *error) {
    for (size_t i = 0; i < mm_checkpoint_count(checkpoint); i++) {
        const mm_tensor *tensor = mm_checkpoint_at(checkpoint, i);
        frame_require(mm_checkpoint_find(checkpoint, tensor->name) == tensor);
    }
    frame_require(!mm_checkpoint_at(checkpoint, mm_checkpoint_count(checkpoint)));
    size_t bytes = 0;
    mm_checkpoint_fingerprint(checkpoint, count_bytes, &bytes);
    frame_require(bytes > 0 && mm_checkpoint_bytes(checkpoint) > 0);
    frame_require(mm_checkpoint_parameters(checkpoint) >= 0);
    mm_checkpoint_rest(checkpoint);
    const int64_t shape[] = {1};
    const mm_tensor *tensor;
    mm_status status = mm_checkpoint_get(&tensor, checkpoint, "a", 1, shape, error);
    frame_require((status == MM_STATUS_OK) == (tensor != NULL));
    if (!status)
        status = mm_checkpoint_get(&tensor, checkpoint, "b", 1, shape, error);
    frame_require((status == MM_STATUS_OK) == (tensor != NULL));
    return status;
}

static mm_status open_and_use(const void *folder, mm_error *error) {
    mm_checkpoint *checkpoint;
    mm_status status = mm_checkpoint_open(&checkpoint, folder, error);
    frame_require((status == MM_STATUS_OK) == (checkpoint != NULL));
    if (!status)
        status = use(checkpoint, error);
    mm_checkpoint_free(checkpoint);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"model.safetensors.index.json",
                                        "one.safetensors",
                                        "two.safetensors",
                                        "model.safetensors",
                                        "pytorch_model.bin",
                                        "tf_model.h5"};
    size_t failing;
    frame_part left = frame_input(&failing, data, size);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        frame_write(names[i], frame_take(&left, "\xFF\0\xFF", 3));
    frame_run(open_and_use, frame_folder(), failing);
    return 0;
}
