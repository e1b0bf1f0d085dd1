// SPDX-License-Identifier: Apache-2.0
// Sampling: which tokens may be drawn, with which probability, and drawing them.
#ifndef MM_TASKS_SAMPLING_H
#define MM_TASKS_SAMPLING_H

#include "tasks/generation_settings.h"

// A token that may be drawn.
typedef struct mm_choice {
    float score;
    float key; // internal: what a list is ordered by
    int32_t id;
} mm_choice;

// Applies temperature, top_h, top_k, top_p, min_p, typical_p, epsilon_cutoff and eta_cutoff in this
// order to scores [vocab_size], which are overwritten, and lists in out [vocab_size] what is left,
// in no particular order; returns how many. heap [vocab_size] is scratch. Allocates nothing.
size_t mm_sampling_warp(mm_choice *out, float *scores, float *heap, size_t vocab_size,
                        const mm_generation_settings *settings);
// One of the `count` > 0, with the probability that the softmax of their scores gives it; `uniform`
// in (0, 1) decides.
int32_t mm_sampling_draw(const mm_choice *list, size_t count, double uniform);
// scores -= log(sum(exp(scores))), the logarithm of the softmax.
void mm_sampling_normalize(mm_choice *list, size_t count);

#endif
