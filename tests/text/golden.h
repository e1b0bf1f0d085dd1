// SPDX-License-Identifier: Apache-2.0
// Runs recorded results of the reference tokenizer library against ours. One JSON object a line;
// kinds: single, pair, trunc, decode, batch, long.
#ifndef TESTS_TEXT_GOLDEN_H
#define TESTS_TEXT_GOLDEN_H

#include "text/tokenizer.h"

#include <jansson.h>

typedef struct golden_counts {
    size_t passed, failed;
} golden_counts;

// Runs a whole file, printing the first failures. `stored`: the truncation and padding that the
// tokenizer's file stores were in force.
void golden_run(golden_counts *counts, const mm_tokenizer *tokenizer, const char *path,
                bool stored);

#endif
