// SPDX-License-Identifier: Apache-2.0
// Requests run again and again in this process, and how long each took.
#ifndef MM_CLI_BENCH_TIMES_H
#define MM_CLI_BENCH_TIMES_H

#include "base/json.h"
#include "modelmanager/modelmanager.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct mm_bench_times {
    double *milliseconds; // sorted
    size_t count;
    size_t texts, tokens; // of the request
    size_t written;       // tokens, where text was generated
    double load_ms;
    char device[32], dtype[16];
} mm_bench_times;

// Runs the request `warm` times, then `count` times with the clock; nothing when `count` is 0.
// `out` was zeroed; free it in any case.
mm_status mm_bench_measure(mm_bench_times *out, mm_manager *manager, const mm_request *request,
                           size_t warm, size_t count, mm_error *error);
void mm_bench_times_free(mm_bench_times *times); // leaves a zeroed one

double mm_bench_median(const mm_bench_times *times); // milliseconds; 0 without any
// The smallest measured time that `share` of all times do not exceed.
double mm_bench_quantile(const mm_bench_times *times, double share);
// Adds the lines of the file, or of standard input ("-"), to the request.
mm_status mm_bench_read_texts(mm_request *request, const char *path, mm_error *error);
// Of one text: "text", "tokens", "count", "median_ms", "p90_ms", "best_ms"; null without times.
json_t *mm_bench_query_report(const mm_bench_times *times, const char *text);
// Prints the report, as JSON or by `print`, and frees it. Returns the exit status; NULL is for lack
// of memory.
int mm_bench_print(json_t *report, bool as_json, void (*print)(const json_t *report));

#endif
