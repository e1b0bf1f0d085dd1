// SPDX-License-Identifier: Apache-2.0
// For each number of beams: one text until its first token, one text whole, and several together.
// Every text gets the same number of tokens, so that speeds can be compared.
#include "cli/bench_generation.h"

#include "cli/bench_texts.h"
#include "cli/bench_times.h"
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

enum { NEW_TOKENS = 64, WARM_QUERIES = 2, BEAMS_MAX = 2 };

// What is measured with one number of beams.
typedef struct measured {
    int64_t beams;
    mm_bench_times first, one, all;
} measured;

// What the flag of this parameter says, the last one counting; else `otherwise`.
static int64_t given(const mm_invocation *line, const char *parameter, int64_t otherwise) {
    for (size_t i = 0; i < line->parameter_count; i++) {
        if (strcmp(line->parameters[i].name, parameter) == 0)
            otherwise = strtoll(line->parameters[i].value, NULL, 10); // a request refuses the rest
    }
    return otherwise;
}

static mm_status set_lengths(mm_request *request, int64_t beams, int64_t tokens, mm_error *error) {
    mm_status status = mm_request_set_integer(request, "num_beams", beams, error);
    if (!status)
        status = mm_request_set_integer(request, "max_new_tokens", tokens, error);
    if (!status)
        status = mm_request_set_integer(request, "min_new_tokens", tokens, error);
    return status;
}

// One request with one text: until its first token, and until its last.
static mm_status measure_text(measured *out, mm_manager *manager, mm_request *request,
                              const mm_bench_plan *plan, int64_t tokens, mm_error *error) {
    mm_status status = mm_request_add_text(request, plan->text, SIZE_MAX, error);
    if (!status)
        status = set_lengths(request, out->beams, 1, error);
    if (!status)
        status = mm_bench_measure(&out->first, manager, request, WARM_QUERIES,
                                  (size_t)plan->queries, error);
    if (!status)
        status = set_lengths(request, out->beams, tokens, error);
    if (!status)
        status = mm_bench_measure(&out->one, manager, request, 1, (size_t)plan->rounds, error);
    return status;
}

static mm_status measure_texts(measured *out, mm_manager *manager, mm_request *request,
                               const mm_bench_plan *plan, int64_t tokens, mm_error *error) {
    mm_status status = plan->texts ? mm_bench_read_texts(request, plan->texts, error)
                                   : mm_bench_texts(request, MM_BENCH_SOURCES, error);
    if (!status)
        status = set_lengths(request, out->beams, tokens, error);
    if (!status)
        status = mm_bench_measure(&out->all, manager, request, 1, (size_t)plan->rounds, error);
    return status;
}

static json_t *speed_report(const mm_bench_times *times) {
    double seconds = mm_bench_median(times) / 1e3;
    if (!times->count)
        return json_null();
    return json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "texts", (json_int_t)times->texts,
                     "source_tokens", (json_int_t)times->tokens, "tokens",
                     (json_int_t)times->written, "rounds", (json_int_t)times->count,
                     "seconds_median", seconds, "seconds_best", mm_bench_quantile(times, 0) / 1e3,
                     "tokens_per_second", (double)times->written / seconds);
}

static json_t *report(const char *model, const mm_bench_plan *plan, const measured *found,
                      size_t count, int64_t threads) {
    const mm_bench_times *any = found->first.count ? &found->first : &found->one;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(
            list,
            json_pack("{s:I, s:o, s:o, s:o}", "beams", (json_int_t)found[i].beams, "first_token",
                      mm_bench_query_report(&found[i].first, plan->text), "one_text",
                      speed_report(&found[i].one), "all_texts", speed_report(&found[i].all)));
    return json_pack("{s:s, s:s, s:s, s:o, s:f, s:o}", "model", model, "device", any->device,
                     "dtype", any->dtype, "threads", threads ? json_integer(threads) : json_null(),
                     "load_ms", found->first.count ? found->first.load_ms : found->one.load_ms,
                     "generation", list);
}

// ---- For people
// ----------------------------------------------------------------------------------

static const char *text_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static double real_of(const json_t *object, const char *key) {
    return json_real_value(json_object_get(object, key));
}

static long long integer_of(const json_t *object, const char *key) {
    return (long long)json_integer_value(json_object_get(object, key));
}

static void print_speed(const json_t *speed) {
    if (json_is_object(speed))
        mm_output_printf(
            "            %.1f tokens/s (%lld text%s, %lld tokens to read, %lld written, "
            "median of %lld rounds)\n",
            real_of(speed, "tokens_per_second"), integer_of(speed, "texts"),
            integer_of(speed, "texts") == 1 ? "" : "s", integer_of(speed, "source_tokens"),
            integer_of(speed, "tokens"), integer_of(speed, "rounds"));
}

static void print_for_people(const json_t *object) {
    size_t i;
    const json_t *found;
    mm_output_printf("model       %s on %s, %s, loaded in %.0f ms\n", text_of(object, "model"),
                     text_of(object, "device"), text_of(object, "dtype"),
                     real_of(object, "load_ms"));
    json_array_foreach(json_object_get(object, "generation"), i, found) {
        const json_t *first = json_object_get(found, "first_token");
        mm_output_printf("%lld beam%s\n", integer_of(found, "beams"),
                         integer_of(found, "beams") == 1 ? "" : "s");
        if (json_is_object(first))
            mm_output_printf("            first token after %.2f ms, p90 %.2f ms (one text of %lld "
                             "tokens, %lld times)\n",
                             real_of(first, "median_ms"), real_of(first, "p90_ms"),
                             integer_of(first, "tokens"), integer_of(first, "count"));
        print_speed(json_object_get(found, "one_text"));
        print_speed(json_object_get(found, "all_texts"));
    }
}

// ---- The command
// ---------------------------------------------------------------------------------

static int measure_beams(measured *out, mm_manager *manager, const mm_invocation *line,
                         const mm_bench_plan *plan, mm_error *error) {
    const int64_t tokens = given(line, "max_new_tokens", NEW_TOKENS);
    const char *model = line->words[0];
    mm_request *one = NULL, *all = NULL;
    int status = MM_EXIT_USAGE;
    if (mm_invocation_request(&one, line, "text_generation", model) &&
        mm_invocation_request(&all, line, "text_generation", model)) {
        status = MM_EXIT_OK;
        if (measure_text(out, manager, one, plan, tokens, error) ||
            measure_texts(out, manager, all, plan, tokens, error)) {
            status = mm_output_failure(error, plan->json);
            mm_output_hint(error, model);
        }
    }
    mm_request_free(one);
    mm_request_free(all);
    return status;
}

int mm_bench_generation(const mm_invocation *line, const mm_bench_plan *plan) {
    measured found[BEAMS_MAX] = {{.beams = given(line, "num_beams", 1)}, {.beams = 4}};
    const size_t count = given(line, "num_beams", 0) == 0 ? BEAMS_MAX : 1;
    mm_manager *manager = NULL;
    mm_error error = {0};
    int64_t threads;
    int status;
    if (!mm_invocation_threads(&threads, &status, line) ||
        !mm_invocation_manager(&manager, &status, line))
        return status;
    status = MM_EXIT_OK;
    for (size_t i = 0; i < count && status == MM_EXIT_OK; i++)
        status = measure_beams(&found[i], manager, line, plan, &error);
    if (status == MM_EXIT_OK)
        status = mm_bench_print(report(line->words[0], plan, found, count, threads), plan->json,
                                print_for_people);
    for (size_t i = 0; i < count; i++) {
        mm_bench_times_free(&found[i].first);
        mm_bench_times_free(&found[i].one);
        mm_bench_times_free(&found[i].all);
    }
    mm_manager_free(manager);
    return status;
}
