// SPDX-License-Identifier: Apache-2.0
// A model directory's weights: model.safetensors, or model.safetensors.index.json and its shards.
#ifndef MM_CHECKPOINT_CHECKPOINT_H
#define MM_CHECKPOINT_CHECKPOINT_H

#include "checkpoint/safetensors.h"

typedef struct mm_checkpoint mm_checkpoint;

// Opens model.safetensors, else the index with its shards (names checked: base name only).
// MODEL_UNSUPPORTED when there are only pickle files (says how to convert), MODEL_NOT_FOUND when
// there are no weights at all, MODEL_CORRUPT otherwise. Immutable after opening: any thread may
// read.
mm_status mm_checkpoint_open(mm_checkpoint **out, const char *directory, mm_error *error);
void mm_checkpoint_free(mm_checkpoint *checkpoint); // accepts NULL; tensors die with it
// Lets go of the memory that holds the files' pages; they are fetched again when looked at.
void mm_checkpoint_rest(const mm_checkpoint *checkpoint);

// NULL when there is no such tensor.
const mm_tensor *mm_checkpoint_find(const mm_checkpoint *checkpoint, const char *name);
// The tensor with exactly this shape and a floating-point dtype; MODEL_CORRUPT naming the tensor,
// the shape found and the shape expected when it is missing or differs, MODEL_UNSUPPORTED when it
// holds integers or a type we do not compute with (quantised weights).
mm_status mm_checkpoint_get(const mm_tensor **out, const mm_checkpoint *checkpoint,
                            const char *name, int rank, const int64_t *shape, mm_error *error);
size_t mm_checkpoint_count(const mm_checkpoint *checkpoint);
const mm_tensor *mm_checkpoint_at(const mm_checkpoint *checkpoint, size_t index); // by name
int64_t mm_checkpoint_parameters(const mm_checkpoint *checkpoint); // sum over floating tensors
size_t mm_checkpoint_bytes(const mm_checkpoint *checkpoint);       // sum of file sizes
// Feeds what identifies the weights without reading them all (headers, file sizes, times and the
// first 4 KiB of each tensor) to `update`, in a fixed order.
typedef void (*mm_digest_update)(void *payload, const void *bytes, size_t length);
void mm_checkpoint_fingerprint(const mm_checkpoint *checkpoint, mm_digest_update update,
                               void *payload);

#endif
