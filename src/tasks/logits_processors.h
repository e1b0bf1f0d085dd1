// SPDX-License-Identifier: Apache-2.0
// What transformers does to the scores of the next token before one is chosen.
#ifndef MM_TASKS_LOGITS_PROCESSORS_H
#define MM_TASKS_LOGITS_PROCESSORS_H

#include "tasks/generation_settings.h"

typedef struct mm_score_context {
    const mm_generation_settings *settings; // resolved
    const int32_t *source;                  // what the encoder read
    size_t source_count;
    const int32_t *ids; // the hypothesis so far, start token included
    size_t count;
    size_t vocab_size;
    bool *seen; // [vocab_size] scratch, all false, and left so
} mm_score_context;

// scores [vocab_size], in place: logits, or in a beam search log-probabilities. Allocates nothing.
void mm_process_scores(float *scores, const mm_score_context *context);
// Whether `id` ends a text.
bool mm_ends_text(const mm_generation_settings *settings, int32_t id);

#endif
