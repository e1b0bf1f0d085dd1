// SPDX-License-Identifier: Apache-2.0
#ifndef MM_CLI_BENCH_TEXTS_H
#define MM_CLI_BENCH_TEXTS_H

#include "modelmanager/modelmanager.h"

#include <stddef.h>

typedef enum mm_bench_kind {
    MM_BENCH_SHORT,   // 1,000 texts of 5 to 14 words
    MM_BENCH_MIXED,   // 300 of 4 to 300 words
    MM_BENCH_SOURCES, // 8 of 60 to 200 words, for generation
} mm_bench_kind;

// The texts `mm bench` runs when none are given: the same on every machine and in every run.
mm_status mm_bench_texts(mm_request *request, mm_bench_kind kind, mm_error *error);

#endif
