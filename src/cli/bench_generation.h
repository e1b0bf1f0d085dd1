// SPDX-License-Identifier: Apache-2.0
// mm bench --generation: how soon a model begins to write, and how fast it goes on.
#ifndef MM_CLI_BENCH_GENERATION_H
#define MM_CLI_BENCH_GENERATION_H

#include "cli/options.h"

typedef struct mm_bench_plan {
    const char *texts; // a file; NULL: texts that are made up
    const char *text;  // what is answered alone
    int64_t rounds, queries;
    bool json;
} mm_bench_plan;

// Measures the model that the command line names and prints the report. Returns the exit status.
int mm_bench_generation(const mm_invocation *line, const mm_bench_plan *plan);

#endif
