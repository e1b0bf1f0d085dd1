// SPDX-License-Identifier: Apache-2.0
// Our side of bench/generation.py inside one process, so that nothing but the work itself is timed:
// from token ids to token ids.
//
// Arguments: a model's folder and the number of threads. The first line of output says how long
// loading took: {"load": seconds}. Then for each line of input
//
//     {"sources": [[ids], ...], "parameters": {arguments of generate()}}
//
// one line of output: {"seconds": wall time, "cpu": processor time of all threads,
// "sequences": [[generated ids], ...]}. Processor time of one thread says the same on a machine
// that has other things to do.
#include "tasks/generator.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SOURCES_MAX = 64 };

typedef struct timer {
    mm_backend *backend;
    mm_generator *generator;
    mm_session *session;
} timer;

static void check(mm_status status, const mm_error *error) {
    if (!status)
        return;
    fprintf(stderr, "%s\n", error->message);
    exit(1);
}

static double seconds_since(int64_t start) {
    return (double)(mm_clock_now_ns() - start) * 1e-9;
}

static double cpu_seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void load(timer *t, const char *folder, int threads) {
    mm_error error = {0};
    check(mm_backend_cpu_create(&t->backend, &error), &error);
    check(mm_generator_open_model(&t->generator, folder, t->backend, MM_COMPUTE_F32, &error),
          &error);
    check(mm_generator_load(t->generator, MM_PACK_ALL, threads, &error), &error);
    check(mm_session_create(&t->session, t->backend, threads, &error), &error);
    check(mm_generator_prepare_session(t->generator, t->session, &error), &error);
}

static int32_t *read_ids(const json_t *list, size_t *count) {
    *count = json_array_size(list);
    int32_t *ids = mm_malloc((*count + 1) * sizeof *ids);
    for (size_t i = 0; ids && i < *count; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return ids;
}

static void print_sequences(const mm_generated *found) {
    for (size_t i = 0; i < found->count; i++) {
        printf("%s[", i ? ", " : "");
        for (size_t j = found->starts[i]; j < found->starts[i + 1]; j++)
            printf("%s%d", j > found->starts[i] ? ", " : "", found->ids[j]);
        printf("]");
    }
}

static void answer(const timer *t, const json_t *request) {
    mm_error error = {0};
    mm_generation_job job;
    mm_generated found;
    const json_t *sources = json_object_get(request, "sources");
    int32_t *ids[SOURCES_MAX] = {NULL};
    size_t lengths[SOURCES_MAX], count = json_array_size(sources);
    count = count < SOURCES_MAX ? count : SOURCES_MAX;
    for (size_t i = 0; i < count; i++)
        ids[i] = read_ids(json_array_get(sources, i), &lengths[i]);
    const mm_generation_options options = {.parameters = json_object_get(request, "parameters")};
    const double cpu = cpu_seconds();
    const int64_t start = mm_clock_now_ns();
    check(mm_generation_job_from_ids(&job, t->generator, (const int32_t *const *)ids, lengths,
                                     count, &options, &error),
          &error);
    check(mm_generator_run(t->generator, t->session, &job, NULL, &found, &error), &error);
    printf("{\"seconds\": %.6f, \"cpu\": %.6f, \"sequences\": [", seconds_since(start),
           cpu_seconds() - cpu);
    print_sequences(&found);
    printf("]}\n");
    (void)fflush(stdout);
    mm_generated_free(&found);
    mm_generation_job_free(&job);
    for (size_t i = 0; i < count; i++)
        mm_free(ids[i]);
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: generation_timer FOLDER THREADS\n");
        return 2;
    }
    timer t = {0};
    const int64_t start = mm_clock_now_ns();
    load(&t, arguments[1], atoi(arguments[2]));
    printf("{\"load\": %.6f}\n", seconds_since(start));
    (void)fflush(stdout);
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        json_t *request = json_loads(line, 0, NULL);
        if (!request)
            return 2;
        answer(&t, request);
        json_decref(request);
    }
    free(line);
    mm_session_free(t.session);
    mm_generator_free(t.generator);
    mm_backend_free(t.backend);
    return 0;
}
