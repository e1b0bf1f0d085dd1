// SPDX-License-Identifier: Apache-2.0
// Half-precision numbers to float32. Sources may be unaligned.
#ifndef MM_CHECKPOINT_CONVERT_H
#define MM_CHECKPOINT_CONVERT_H

#include <stddef.h>

// Exact, NaN made quiet. The fastest version this processor has.
void mm_convert_f16(float *out, const void *source, size_t count);
void mm_convert_bf16(float *out, const void *source, size_t count);
// The same bits without special instructions.
void mm_convert_f16_portable(float *out, const void *source, size_t count);
void mm_convert_bf16_portable(float *out, const void *source, size_t count);

#endif
