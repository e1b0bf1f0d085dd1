// SPDX-License-Identifier: Apache-2.0
// Random numbers for sampling, by counter: the numbers of one place (sequence, step, item) depend
// on the seed and the place alone, so on nothing that happens beside it or before.
#ifndef MM_TASKS_RANDOM_H
#define MM_TASKS_RANDOM_H

#include "base/error.h"

#include <stdint.h>

// Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// SC'11.
void mm_random_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
// Uniform in (0, 1), never 0 nor 1, at the place that the counter names.
double mm_random_uniform(uint64_t seed, const uint32_t counter[4]);
// A seed nobody can foresee, below 2^63.
mm_status mm_random_seed(uint64_t *out, mm_error *error);

#endif
