// SPDX-License-Identifier: Apache-2.0
// Position tables of sines and cosines that are not in a model's files: one half of a row are
// sines, the other cosines, of the position times falling frequencies. Each is an mm_table_fill.
#ifndef MM_MODELS_SINUSOID_H
#define MM_MODELS_SINUSOID_H

#include <stdint.h>

// Frequencies 10000^(-2i / columns) as in "Attention Is All You Need", in double precision
// (transformers MarianSinusoidalPositionalEmbedding, Pegasus' too). `parameter` is not used.
void mm_sinusoid_fill(float *out, int64_t row, int64_t columns, int64_t parameter);
// Frequencies 10000^(-i / (columns / 2 - 1)) as in tensor2tensor, in float32 throughout; row
// `padding` is zero (transformers M2M100SinusoidalPositionalEmbedding). At least 4 columns.
void mm_sinusoid_fill_padded(float *out, int64_t row, int64_t columns, int64_t padding);

#endif
