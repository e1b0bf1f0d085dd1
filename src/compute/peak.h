// SPDX-License-Identifier: Apache-2.0
#ifndef MM_COMPUTE_PEAK_H
#define MM_COMPUTE_PEAK_H

#include "base/error.h"

// The machine's limits with `threads` threads at once, measured in about a second: the best rate of
// a packed product with K = N = 1024 (multiply and add count as two operations) and the rate at
// which memory beyond the caches is read. *bf16_gflops is 0 where the processor has no bf16
// products.
mm_status mm_cpu_measure_peak(double *f32_gflops, double *bf16_gflops, double *read_gbps,
                              int threads, mm_error *error);

#endif
