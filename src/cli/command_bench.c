// SPDX-License-Identifier: Apache-2.0
// mm bench: throughput and latency of a model in this process, and what the machine could do.
#include "cli/bench_generation.h"
#include "cli/bench_texts.h"
#include "cli/bench_times.h"
#include "cli/options.h"
#include "cli/output.h"

#include <string.h>

enum { WARM_QUERIES = 20 };

typedef struct bench_arguments {
    const char *texts;
    const char *generate;
    const char *text;
    int64_t threads, rounds, queries;
    bool generation, peak, json;
} bench_arguments;

static const char default_query[] =
    "how long does it take to walk from the old harbour to the railway station in winter?";

#define FIELD(field) .offset = offsetof(bench_arguments, field)
static const mm_option options[] = {
    {.name = "generate",
     .kind = MM_OPTION_TEXT,
     FIELD(generate),
     .argument = "KIND",
     .choices = "short mixed",
     .help =
         "Texts to make up: short, 1,000 sentences of 5 to 14 words (default); mixed, 300 texts "
         "of 4 to 300 words. The same in every run."},
    {.name = "texts",
     .kind = MM_OPTION_TEXT,
     FIELD(texts),
     .argument = "FILE",
     .help = "Use the lines of this file instead."},
    {.name = "text",
     .kind = MM_OPTION_TEXT,
     FIELD(text),
     .argument = "TEXT",
     .help = "The single text whose latency is measured. Default: a question of 17 words. Given "
             "without --texts and --generate, only its latency is measured."},
    {.name = "threads",
     .kind = MM_OPTION_INTEGER,
     FIELD(threads),
     .argument = "N",
     .minimum = 1,
     .maximum = 4096,
     .help = "Threads to compute with. Default: the setting cpu_threads."},
    {.name = "rounds",
     .kind = MM_OPTION_INTEGER,
     FIELD(rounds),
     .argument = "R",
     .minimum = 0,
     .maximum = 1000000,
     .help = "How often all texts are run; the median counts. Default: 5, with --generation 3."},
    {.name = "queries",
     .kind = MM_OPTION_INTEGER,
     FIELD(queries),
     .argument = "Q",
     .minimum = 0,
     .maximum = 1000000,
     .help = "How often the single text is run. Default: 200, with --generation 20."},
    {.name = "generation",
     .kind = MM_OPTION_SWITCH,
     FIELD(generation),
     .help = "Measure text generation: the time to the first token of the single text, and tokens "
             "a second, for it alone and for several together, with 1 beam and with 4. Each text "
             "gets 64 tokens. --num-beams and --max-new-tokens change that."},
    {.name = "peak",
     .kind = MM_OPTION_SWITCH,
     FIELD(peak),
     .help = "Measure the machine instead: products and memory reads. Takes no model."},
    {.name = "json", .kind = MM_OPTION_SWITCH, FIELD(json), .help = "Print one JSON object."},
};
#undef FIELD

static json_t *throughput_report(const mm_bench_times *times) {
    double seconds = mm_bench_median(times) / 1e3;
    if (!times->count)
        return json_null();
    return json_pack("{s:I, s:I, s:I, s:f, s:f, s:f, s:f}", "texts", (json_int_t)times->texts,
                     "tokens", (json_int_t)times->tokens, "rounds", (json_int_t)times->count,
                     "seconds_median", seconds, "seconds_best", mm_bench_quantile(times, 0) / 1e3,
                     "texts_per_second", (double)times->texts / seconds, "tokens_per_second",
                     (double)times->tokens / seconds);
}

static json_t *report(const char *model, const bench_arguments *arguments,
                      const mm_bench_times *all, const mm_bench_times *one) {
    const mm_bench_times *first = all->count ? all : one;
    json_t *threads = arguments->threads ? json_integer(arguments->threads) : json_null();
    return json_pack("{s:s, s:s, s:s, s:o, s:f, s:o, s:o}", "model", model, "device", first->device,
                     "dtype", first->dtype, "threads", threads, "load_ms", first->load_ms,
                     "throughput", throughput_report(all), "query",
                     mm_bench_query_report(one, arguments->text));
}

static void print_for_people(const json_t *object) {
    const json_t *all = json_object_get(object, "throughput");
    const json_t *one = json_object_get(object, "query");
#define TEXT(of, key) json_string_value(json_object_get(of, key))
#define REAL(of, key) json_real_value(json_object_get(of, key))
#define INTEGER(of, key) (long long)json_integer_value(json_object_get(of, key))
    mm_output_printf("model       %s on %s, %s, loaded in %.0f ms\n", TEXT(object, "model"),
                     TEXT(object, "device"), TEXT(object, "dtype"), REAL(object, "load_ms"));
    if (json_is_object(all))
        mm_output_printf("throughput  %.0f texts/s, %.0f tokens/s (%lld texts, %lld tokens, median "
                         "of %lld rounds)\n",
                         REAL(all, "texts_per_second"), REAL(all, "tokens_per_second"),
                         INTEGER(all, "texts"), INTEGER(all, "tokens"), INTEGER(all, "rounds"));
    if (json_is_object(one))
        mm_output_printf("latency     median %.2f ms, p90 %.2f ms (one text of %lld tokens, %lld "
                         "times)\n",
                         REAL(one, "median_ms"), REAL(one, "p90_ms"), INTEGER(one, "tokens"),
                         INTEGER(one, "count"));
#undef TEXT
#undef REAL
#undef INTEGER
}

static int bench_model(const mm_invocation *line, const bench_arguments *arguments) {
    const char *model = line->words[0];
    mm_bench_times all = {0}, one = {0};
    mm_manager *manager = NULL;
    mm_request *texts = NULL, *query = NULL;
    mm_error error = {0};
    int status = MM_EXIT_USAGE;
    if (!mm_invocation_request(&texts, line, "embedding", model) ||
        !mm_invocation_request(&query, line, "embedding", model) ||
        !mm_invocation_manager(&manager, &status, line))
        goto done;
    bool mixed = arguments->generate && strcmp(arguments->generate, "mixed") == 0;
    mm_bench_kind kind = mixed ? MM_BENCH_MIXED : MM_BENCH_SHORT;
    mm_status failed = arguments->texts ? mm_bench_read_texts(texts, arguments->texts, &error)
                                        : mm_bench_texts(texts, kind, &error);
    // What the cache knows is not measured.
    if (!failed)
        failed = mm_request_set_boolean(texts, "use_cache", false, &error);
    if (!failed)
        failed = mm_request_set_boolean(query, "use_cache", false, &error);
    if (!failed)
        failed = mm_request_add_text(query, arguments->text, SIZE_MAX, &error);
    if (!failed)
        failed = mm_bench_measure(&all, manager, texts, 1, (size_t)arguments->rounds, &error);
    if (!failed)
        failed = mm_bench_measure(&one, manager, query, WARM_QUERIES, (size_t)arguments->queries,
                                  &error);
    if (failed) {
        status = mm_output_failure(&error, arguments->json);
        mm_output_hint(&error, model);
    } else {
        status =
            mm_bench_print(report(model, arguments, &all, &one), arguments->json, print_for_people);
    }
done:
    mm_bench_times_free(&all);
    mm_bench_times_free(&one);
    mm_request_free(texts);
    mm_request_free(query);
    mm_manager_free(manager);
    return status;
}

static int bench_peak(const mm_invocation *line, const bench_arguments *arguments) {
    mm_error error = {0};
    char *json;
    int status;
    int64_t threads;
    if (!mm_invocation_threads(&threads, &status, line))
        return status;
    if (mm_bench_peak(&json, (int)threads, &error))
        return mm_output_failure(&error, arguments->json);
    json_t *object = json_loads(json, 0, NULL);
    if (arguments->json || !object) {
        mm_output_line(json);
    } else {
        const json_t *bf16 = json_object_get(object, "bf16_gflops");
        mm_output_printf("threads        %lld\n",
                         (long long)json_integer_value(json_object_get(object, "threads")));
        mm_output_printf("f32 products   %.1f GFLOP/s\n",
                         json_number_value(json_object_get(object, "f32_gflops")));
        if (json_is_number(bf16))
            mm_output_printf("bf16 products  %.1f GFLOP/s\n", json_number_value(bf16));
        else
            mm_output_printf("bf16 products  not on this processor\n");
        mm_output_printf("memory reads   %.1f GB/s\n",
                         json_number_value(json_object_get(object, "read_gbps")));
    }
    json_decref(object);
    mm_text_free(json);
    return MM_EXIT_OK;
}

// What is left to its default, and what cannot be together.
static int settle_arguments(bench_arguments *arguments, const mm_invocation *line) {
    const mm_command *command = line->command;
    // Who names only a query is interested in that alone.
    bool only_query = arguments->text && !arguments->texts && !arguments->generate;
    if (arguments->rounds < 0)
        arguments->rounds = arguments->generation ? 3 : only_query ? 0 : 5;
    if (arguments->queries < 0)
        arguments->queries = arguments->generation ? 20 : 200;
    if (!arguments->text)
        arguments->text = default_query;
    if (arguments->peak)
        return line->word_count ? mm_usage_error(command, "--peak takes no model") : MM_EXIT_OK;
    if (line->word_count != 1)
        return mm_usage_error(command, line->word_count ? "one model at a time" : "no model");
    if (arguments->texts && arguments->generate)
        return mm_usage_error(command, "--texts and --generate exclude each other");
    if (arguments->generation && arguments->generate)
        return mm_usage_error(command, "--generate makes up texts for embeddings, not for "
                                       "--generation; --texts FILE brings others");
    if (arguments->rounds == 0 && arguments->queries == 0)
        return mm_usage_error(command, "nothing to measure: no rounds and no queries");
    return MM_EXIT_OK;
}

static int run(const mm_command *command, int argc, char **argv) {
    bench_arguments arguments = {.rounds = -1, .queries = -1};
    mm_invocation line;
    int status;
    if (!mm_invocation_read(&line, &status, command, &arguments, argc, argv))
        return status;
    char threads[24];
    if (arguments.threads) {
        (void)snprintf(threads, sizeof(threads), "%lld", (long long)arguments.threads);
        mm_invocation_set(&line, "cpu_threads", threads);
    }
    status = settle_arguments(&arguments, &line);
    const mm_bench_plan plan = {.texts = arguments.texts,
                                .text = arguments.text,
                                .rounds = arguments.rounds,
                                .queries = arguments.queries,
                                .json = arguments.json};
    if (status == MM_EXIT_OK)
        status = arguments.peak         ? bench_peak(&line, &arguments)
                 : arguments.generation ? mm_bench_generation(&line, &plan)
                                        : bench_model(&line, &arguments);
    mm_invocation_free(&line);
    return status;
}

const mm_command mm_command_bench = {
    .name = "bench",
    .summary = "Measure a model's speed, or the machine's",
    .synopsis = "MODEL [--generate short|mixed] [--texts FILE] [--threads N] [options]\n"
                "MODEL --generation [--num-beams N] [--max-new-tokens N] [options]\n"
                "--peak [--threads N] [--json]",
    .description =
        "Loads MODEL into this process, runs all texts in one request a few times, then one short\n"
        "text many times, and prints texts and tokens a second and the latency's median and 90th\n"
        "percentile. The embedding cache is off. With --generation the model writes: printed are\n"
        "the time to the first token and tokens a second, for each number of beams. With --peak\n"
        "it prints what the machine reaches in plain matrix products and in reading memory: the\n"
        "limit to compare with.",
    .examples = "  mm bench ./all-MiniLM-L6-v2\n"
                "  mm bench ./all-MiniLM-L6-v2 --generate mixed --threads 2 --dtype bf16\n"
                "  mm bench ./all-MiniLM-L6-v2 --texts texts.txt --rounds 3 --json\n"
                "  mm bench ./flan-t5-small --generation --max-new-tokens 32\n"
                "  mm bench --peak\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .tasks = MM_TASK_EMBEDDING | MM_TASK_TEXT_GENERATION,
    .without = "id min_new_tokens use_cache keep_alive priority return_ids timeout_ms",
    .run = run,
};
