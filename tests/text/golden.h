// SPDX-License-Identifier: Apache-2.0
// Runs recorded results of the reference tokenizer library against ours. One JSON object a line;
// kinds: single, pair, trunc, decode, batch, long.
#ifndef TESTS_TEXT_GOLDEN_H
#define TESTS_TEXT_GOLDEN_H

#include "text/tokenizer.h"

#include <jansson.h>

typedef struct golden_counts {
    size_t passed, failed;
    size_t not_covered; // options that the engine does not offer: only_first, padding, stride
} golden_counts;

// Runs a whole file, printing the first failures. `stored` is the tokenizer.json whose truncation
// was in force, or NULL.
void golden_run(golden_counts *counts, const mm_tokenizer *tokenizer, const char *path,
                const json_t *stored);

#endif
