// SPDX-License-Identifier: Apache-2.0
// What it costs that models come and go, and what it brings that texts run together.
#include "timer_tools.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, LINE_SIZE = 1 << 16 };

static const char text[] = "how long does it take to walk to the station?";

static void fail(const char *what) {
    perror(what);
    exit(1);
}

// ---- The least work of a load ------------------------------------------------------------------

// The bytes of a file in the page cache, read once; as many as were packed, written once.
typedef struct passes {
    const unsigned char *file;
    unsigned char *fresh;
    size_t size, packed;
    int threads;
    atomic_ullong sum; // so that reading is of use
} passes;

static size_t part_begin(size_t size, int part, int parts) {
    return size / (size_t)parts * (size_t)part;
}

static size_t part_end(size_t size, int part, int parts) {
    return part + 1 == parts ? size : part_begin(size, part + 1, parts);
}

static void read_part(int number, void *payload) {
    passes *self = payload;
    size_t end = part_end(self->size, number, self->threads);
    unsigned long long sum = 0;
    for (size_t i = part_begin(self->size, number, self->threads); i + 8 <= end; i += 8) {
        unsigned long long word;
        memcpy(&word, self->file + i, sizeof(word));
        sum += word;
    }
    atomic_fetch_add(&self->sum, sum);
}

static void write_part(int number, void *payload) {
    const passes *self = payload;
    size_t begin = part_begin(self->packed, number, self->threads);
    memset(self->fresh + begin, number + 1, part_end(self->packed, number, self->threads) - begin);
}

static double pass_ms(const char *model, size_t packed, int threads) {
    char path[PATH_SIZE];
    struct stat info;
    (void)snprintf(path, sizeof(path), "%s/model.safetensors", model);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &info))
        fail(path);
    const double begun = timer_now_us();
    passes all = {.size = (size_t)info.st_size, .packed = packed, .threads = threads};
    void *map = mmap(NULL, all.size, PROT_READ, MAP_SHARED, file, 0);
    void *fresh = mmap(NULL, packed, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || fresh == MAP_FAILED)
        fail("mmap");
    (void)madvise(fresh, packed, MADV_HUGEPAGE); // as weights are kept
    all.file = map;
    all.fresh = fresh;
    timer_together(threads, read_part, &all);
    timer_together(threads, write_part, &all);
    (void)munmap(map, all.size);
    (void)munmap(fresh, packed);
    (void)close(file);
    return (timer_now_us() - begun) * 1e-3;
}

// ---- Release and reload ------------------------------------------------------------------------

static size_t loaded_bytes(mm_manager *manager) {
    static const char name[] = "\"bytes\": ";
    char *status;
    mm_error error = {0};
    timer_check(mm_manager_status(&status, manager, &error), &error);
    const char *at = strstr(status, name); // of the first model, the only one
    size_t bytes = at ? strtoull(at + sizeof(name) - 1, NULL, 10) : 0;
    mm_text_free(status);
    return bytes;
}

static double release_ms(mm_manager *manager, const char *model) {
    mm_error error = {0};
    mm_release_info info = {.struct_size = sizeof(info)};
    const double begun = timer_now_us();
    timer_check(mm_model_release(manager, model, &info, &error), &error);
    const double ended = timer_now_us();
    if (!info.released) {
        fprintf(stderr, "%s was not loaded\n", model);
        exit(1);
    }
    return (ended - begun) * 1e-3;
}

// reload MODEL ROUNDS THREADS
int timer_reload(int count, char **arguments) {
    if (count != 3)
        return 2;
    const char *model = arguments[0];
    const int rounds = atoi(arguments[1]), threads = atoi(arguments[2]);
    const char *names[] = {"release_ms", "preload_ms", "first_ms", "passes_ms"};
    double *lists[4];
    for (size_t i = 0; i < 4; i++)
        lists[i] = timer_allocate((size_t)rounds, sizeof(double));
    mm_manager *manager = timer_manager(NULL);
    mm_request *preload = timer_request(model, NULL, true);
    mm_request *request = timer_request(model, text, false);
    mm_request_set_preload(preload, true);
    (void)timer_run(manager, preload);
    const size_t bytes = loaded_bytes(manager);
    for (int i = 0; i < rounds; i++) {
        lists[0][i] = release_ms(manager, model);
        lists[1][i] = timer_run(manager, preload) * 1e-3;
        (void)release_ms(manager, model);
        lists[2][i] = timer_run(manager, request) * 1e-3;
        lists[3][i] = pass_ms(model, bytes, threads);
    }
    printf("{\"bytes\": %zu", bytes);
    for (size_t i = 0; i < 4; i++) {
        printf(", ");
        timer_print_list(names[i], lists[i], rounds);
        free(lists[i]);
    }
    printf("}\n");
    mm_request_free(preload);
    mm_request_free(request);
    mm_manager_free(manager);
    return 0;
}

// ---- Texts together ----------------------------------------------------------------------------

typedef struct readers {
    mm_manager *manager;
    mm_request **requests; // a text each
    int texts, callers;
} readers;

static void embed_own(int number, void *payload) {
    const readers *self = payload;
    for (int i = number; i < self->texts; i += self->callers)
        mm_result_free(timer_task(self->manager, self->requests[i]));
}

// One request a line, and one with all lines.
static int read_texts(mm_request ***out, mm_request *whole, const char *path, const char *model) {
    FILE *file = fopen(path, "r");
    char line[LINE_SIZE];
    int count = 0;
    mm_error error = {0};
    if (!file)
        fail(path);
    *out = NULL;
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        mm_request **bigger = realloc(*out, (size_t)(count + 1) * sizeof(*bigger));
        if (!bigger)
            fail(path);
        *out = bigger;
        bigger[count++] = timer_request(model, line, false);
        timer_check(mm_request_add_text(whole, line, SIZE_MAX, &error), &error);
    }
    (void)fclose(file);
    return count;
}

// batching MODEL TEXTS CALLERS ROUNDS: TEXTS is a file, a text a line
int timer_batching(int count, char **arguments) {
    if (count != 4)
        return 2;
    const int rounds = atoi(arguments[3]);
    readers all = {.manager = timer_manager(NULL), .callers = atoi(arguments[2])};
    mm_request *whole = timer_request(arguments[0], NULL, false);
    all.texts = read_texts(&all.requests, whole, arguments[1], arguments[0]);
    double *batch = timer_allocate((size_t)rounds, sizeof(double));
    double *single = timer_allocate((size_t)rounds, sizeof(double));
    (void)timer_run(all.manager, whole);
    for (int i = 0; i < rounds; i++) {
        batch[i] = timer_run(all.manager, whole) * 1e-3;
        const double begun = timer_now_us();
        timer_together(all.callers, embed_own, &all);
        single[i] = (timer_now_us() - begun) * 1e-3;
    }
    printf("{\"texts\": %d, ", all.texts);
    timer_print_list("batch_ms", batch, rounds);
    printf(", ");
    timer_print_list("callers_ms", single, rounds);
    printf("}\n");
    for (int i = 0; i < all.texts; i++)
        mm_request_free(all.requests[i]);
    free(all.requests);
    free(batch);
    free(single);
    mm_request_free(whole);
    mm_manager_free(all.manager);
    return 0;
}

// ---- More models than memory -------------------------------------------------------------------

static void print_lines(timer_log *log) {
    char lines[sizeof(log->text)], *rest = lines;
    timer_log_take(log, lines, sizeof(lines));
    printf("[");
    for (const char *line; (line = strsep(&rest, "\n")) != NULL && *line;)
        printf("%s\"%s\"", line == lines ? "" : ", ", line);
    printf("]");
}

// stream MODEL...: numbers of models come on the standard input; after each its request is run, and
// a line says when, and who came and went for it. A failure is counted and does not end it.
int timer_stream(int count, char **arguments) {
    static timer_log log;
    if (count < 1)
        return 2;
    timer_log_init(&log);
    mm_manager *manager = timer_manager(&log);
    for (int model; scanf("%d", &model) == 1 && model >= 0 && model < count;) {
        mm_result *result;
        mm_error error = {0};
        mm_request *request = timer_request(arguments[model], text, false);
        const double begun = timer_now_us();
        mm_status status = mm_task(&result, manager, request, &error);
        const double ended = timer_now_us();
        if (status)
            fprintf(stderr, "%s: %s\n", mm_status_name(status), error.message);
        printf("{\"model\": %d, \"failed\": %s, \"begun_us\": %.1f, \"ended_us\": %.1f, \"log\": ",
               model, status ? "true" : "false", begun, ended);
        print_lines(&log);
        printf("}\n");
        mm_result_free(result);
        mm_request_free(request);
    }
    mm_manager_free(manager);
    return 0;
}

// ---- More models than memory, and many callers -------------------------------------------------

typedef struct swappers {
    mm_manager *manager;
    char **models;
    int count, jobs; // jobs a caller
    double *times;   // [callers * jobs]
    atomic_int failures;
} swappers;

static void ask_any(int number, void *payload) {
    swappers *self = payload;
    unsigned seed = (unsigned)number + 1;
    for (int i = 0; i < self->jobs; i++) {
        mm_result *result;
        mm_error error = {0};
        seed = seed * 1664525U + 1013904223U;
        const char *model = self->models[(seed >> 16) % (unsigned)self->count];
        mm_request *request = timer_request(model, text, false);
        const double begun = timer_now_us();
        mm_status status = mm_task(&result, self->manager, request, &error);
        self->times[number * self->jobs + i] = (timer_now_us() - begun) * 1e-3;
        if (status) {
            fprintf(stderr, "%s: %s\n", mm_status_name(status), error.message);
            atomic_fetch_add(&self->failures, 1);
        }
        mm_result_free(result);
        mm_request_free(request);
    }
}

// swaps CALLERS JOBS MODEL...: each caller asks for one of the models at a time, drawn from its
// seed
int timer_swaps(int count, char **arguments) {
    static timer_log log;
    if (count < 3)
        return 2;
    const int callers = atoi(arguments[0]);
    timer_log_init(&log);
    swappers all = {.manager = timer_manager(&log),
                    .models = arguments + 2,
                    .count = count - 2,
                    .jobs = atoi(arguments[1])};
    const int jobs = callers * all.jobs;
    all.times = timer_allocate((size_t)jobs, sizeof(double));
    const double begun = timer_now_us();
    timer_together(callers, ask_any, &all);
    const double ended = timer_now_us();
    const double median = timer_median(all.times, jobs); // sorted now
    printf("{\"jobs\": %d, \"failures\": %d, \"loads\": %d, \"releases\": %d, \"load_ms\": %.3f, "
           "\"whole_ms\": %.3f, \"median_ms\": %.3f, \"p99_ms\": %.3f, \"longest_ms\": %.3f}\n",
           jobs, atomic_load(&all.failures), log.loads, log.releases, log.load_ms,
           (ended - begun) * 1e-3, median, all.times[jobs * 99 / 100], all.times[jobs - 1]);
    free(all.times);
    mm_manager_free(all.manager);
    return 0;
}
