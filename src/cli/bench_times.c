// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_times.h"

#include "base/clock.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"

#include <stdio.h>
#include <stdlib.h>

static int compare_times(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double mm_bench_quantile(const mm_bench_times *times, double share) {
    if (!times->count)
        return 0;
    size_t index = (size_t)(share * (double)times->count);
    return times->milliseconds[index < times->count ? index : times->count - 1];
}

double mm_bench_median(const mm_bench_times *times) {
    size_t half = times->count / 2;
    if (!times->count)
        return 0;
    if (times->count % 2)
        return times->milliseconds[half];
    return (times->milliseconds[half - 1] + times->milliseconds[half]) / 2;
}

static mm_status run_once(mm_bench_times *times, mm_manager *manager, const mm_request *request,
                          double *milliseconds, mm_error *error) {
    mm_result *result;
    int64_t start = mm_clock_now_ns();
    mm_status status = mm_task(&result, manager, request, error);
    *milliseconds = (double)(mm_clock_now_ns() - start) / 1e6;
    if (status)
        return status;
    mm_timing timing;
    mm_result_timing(result, &timing);
    times->load_ms = timing.load_ms;
    times->texts = mm_result_count(result);
    times->tokens = 0;
    for (size_t i = 0; i < times->texts; i++)
        times->tokens += mm_result_tokens(result, i);
    times->written = 0;
    for (size_t i = 0; i < mm_result_sequences(result); i++) {
        size_t count;
        (void)mm_result_output_ids(result, i, &count);
        times->written += count;
    }
    (void)snprintf(times->device, sizeof(times->device), "%s", mm_result_device(result));
    (void)snprintf(times->dtype, sizeof(times->dtype), "%s", mm_result_dtype(result));
    mm_result_free(result);
    return MM_STATUS_OK;
}

mm_status mm_bench_measure(mm_bench_times *times, mm_manager *manager, const mm_request *request,
                           size_t warm, size_t count, mm_error *error) {
    double ignored, load_ms = 0;
    if (!count)
        return MM_STATUS_OK;
    if (!(times->milliseconds = mm_calloc(count, sizeof(double))))
        return mm_fail_memory(error, "the measured times");
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < warm && !status; i++) {
        status = run_once(times, manager, request, &ignored, error);
        load_ms = i == 0 ? times->load_ms : load_ms;
    }
    for (size_t i = 0; i < count && !status; i++)
        status = run_once(times, manager, request, &times->milliseconds[times->count++], error);
    if (!status)
        qsort(times->milliseconds, times->count, sizeof(double), compare_times);
    times->load_ms = load_ms;
    return status;
}

mm_status mm_bench_read_texts(mm_request *request, const char *path, mm_error *error) {
    mm_input input;
    if (!mm_input_open(&input, path, error))
        return error->status;
    char *line;
    size_t length;
    int got;
    mm_status status = MM_STATUS_OK;
    while (!status && (got = mm_input_line(&input, &line, &length, error)) != 0)
        status = got < 0 ? error->status : mm_request_add_text(request, line, length, error);
    mm_input_close(&input);
    return status;
}

void mm_bench_times_free(mm_bench_times *times) {
    mm_free(times->milliseconds);
    *times = (mm_bench_times){0};
}

json_t *mm_bench_query_report(const mm_bench_times *times, const char *text) {
    if (!times->count)
        return json_null();
    return json_pack("{s:s, s:I, s:I, s:f, s:f, s:f}", "text", text, "tokens",
                     (json_int_t)times->tokens, "count", (json_int_t)times->count, "median_ms",
                     mm_bench_median(times), "p90_ms", mm_bench_quantile(times, 0.9), "best_ms",
                     mm_bench_quantile(times, 0));
}

int mm_bench_print(json_t *report, bool as_json, void (*print)(const json_t *report)) {
    mm_buffer text;
    mm_buffer_init(&text, SIZE_MAX / 4);
    bool complete = mm_output_json(&text, report, JSON_REAL_PRECISION(6));
    if (!complete)
        mm_complain("out of memory");
    else if (as_json)
        mm_output_line(text.data);
    else
        print(report);
    mm_buffer_free(&text);
    json_decref(report);
    return complete ? MM_EXIT_OK : MM_EXIT_FAILED;
}
