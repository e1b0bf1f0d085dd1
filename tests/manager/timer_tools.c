// SPDX-License-Identifier: Apache-2.0
#include "timer_tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_THREADS = 256 };

// ---- Clocks ------------------------------------------------------------------------------------

static double microseconds(clockid_t clock) {
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

double timer_now_us(void) {
    return microseconds(CLOCK_MONOTONIC);
}

double timer_cpu_us(void) {
    return microseconds(CLOCK_PROCESS_CPUTIME_ID);
}

static int compare(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double timer_median(double *values, int count) {
    qsort(values, (size_t)count, sizeof(*values), compare);
    return values[count / 2];
}

// ---- Ends --------------------------------------------------------------------------------------

void timer_check(mm_status status, const mm_error *error) {
    if (!status)
        return;
    fprintf(stderr, "%s: %s\n", mm_status_name(status), error->message);
    exit(1);
}

void *timer_allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory)
        return memory;
    fprintf(stderr, "no memory for %zu times %zu bytes\n", count, size);
    exit(1);
}

// ---- The log -----------------------------------------------------------------------------------

void timer_log_init(timer_log *log) {
    memset(log, 0, sizeof(*log));
    pthread_mutex_init(&log->lock, NULL);
}

static void on_log(mm_log_level level, const char *message, void *payload) {
    timer_log *log = payload;
    const char *took = strrchr(message, ' '); // "loaded NAME on DEVICE in 7 ms"
    bool loaded = strncmp(message, "loaded ", 7) == 0;
    bool released = strncmp(message, "released ", 9) == 0;
    if (level == MM_LOG_ERROR)
        fprintf(stderr, "%s\n", message);
    if (!loaded && !released)
        return;
    while (loaded && took > message && took[-1] != ' ')
        took--;
    pthread_mutex_lock(&log->lock);
    log->loads += loaded;
    log->releases += released;
    log->load_ms += loaded ? strtod(took, NULL) : 0;
    size_t length = strlen(message);
    if (log->used + length + 2 < sizeof(log->text)) {
        memcpy(log->text + log->used, message, length);
        log->used += length;
        log->text[log->used++] = '\n';
    }
    pthread_mutex_unlock(&log->lock);
}

void timer_log_take(timer_log *log, char *out, size_t size) {
    pthread_mutex_lock(&log->lock);
    size_t length = log->used < size ? log->used : size - 1;
    memcpy(out, log->text, length);
    out[length] = '\0';
    log->used = 0;
    pthread_mutex_unlock(&log->lock);
}

// ---- Managers and requests ---------------------------------------------------------------------

mm_manager *timer_manager(timer_log *log) {
    mm_manager *manager;
    mm_error error = {0};
    mm_manager_options options;
    mm_manager_options_init(&options);
    if (log) {
        options.log = on_log;
        options.log_payload = log;
    }
    timer_check(mm_manager_create(&manager, &options, &error), &error);
    return manager;
}

mm_request *timer_request(const char *model, const char *text, bool use_cache) {
    mm_request *request;
    mm_error error = {0};
    timer_check(mm_request_create(&request, &error), &error);
    timer_check(mm_request_set_text(request, "task_type", "embedding", &error), &error);
    timer_check(mm_request_set_text(request, "model_name", model, &error), &error);
    timer_check(mm_request_set_text(request, "device", "cpu", &error), &error);
    timer_check(mm_request_set_boolean(request, "use_cache", use_cache, &error), &error);
    if (text)
        timer_check(mm_request_add_text(request, text, SIZE_MAX, &error), &error);
    return request;
}

mm_result *timer_task(mm_manager *manager, const mm_request *request) {
    mm_result *result;
    mm_error error = {0};
    timer_check(mm_task(&result, manager, request, &error), &error);
    return result;
}

double timer_run(mm_manager *manager, const mm_request *request) {
    const double begun = timer_now_us();
    mm_result_free(timer_task(manager, request));
    return timer_now_us() - begun;
}

double timer_compute_us(mm_manager *manager, const mm_request *request) {
    mm_timing timing;
    mm_result *result = timer_task(manager, request);
    mm_result_timing(result, &timing);
    mm_result_free(result);
    return timing.compute_ms * 1e3;
}

// ---- Callers -----------------------------------------------------------------------------------

typedef struct caller {
    int number;
    void (*call)(int number, void *payload);
    void *payload;
} caller;

static void *caller_main(void *argument) {
    const caller *self = argument;
    self->call(self->number, self->payload);
    return NULL;
}

void timer_together(int count, void (*call)(int number, void *payload), void *payload) {
    pthread_t threads[MOST_THREADS];
    caller callers[MOST_THREADS];
    for (int i = 0; i < count; i++) {
        callers[i] = (caller){i, call, payload};
        if (i < MOST_THREADS && pthread_create(&threads[i], NULL, caller_main, &callers[i]) == 0)
            continue;
        fprintf(stderr, "cannot start caller %d\n", i);
        exit(1);
    }
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

void timer_print_list(const char *name, const double *values, int count) {
    printf("\"%s\": [", name);
    for (int i = 0; i < count; i++)
        printf("%s%.3f", i ? ", " : "", values[i]);
    printf("]");
}
