// SPDX-License-Identifier: Apache-2.0
// What a job costs beside its work. The model is a toy of a few kilobytes, made here, and the text
// a single token id, so that nothing is tokenised and there is hardly any work to take off.
#include "scratch.h"
#include "timer_tools.h"
#include "toy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMIT "0123456789012345678901234567890123456789"

enum { BLOCK = 100, TOKEN = 5, COMPUTE_ROUNDS = 500, WARM_UP = 200 };

// By its name on the Hub, as if it had been downloaded, or by its folder, at which each request has
// to look. Has managers find it that are made from now on.
static const char *make_toy(const char *kind) {
    const char *root = scratch_create();
    const char *folder =
        root ? toy_write("models--bench--toy/snapshots/" COMMIT, &(toy_options){.aligned = true})
             : NULL;
    if (!folder || !scratch_write("models--bench--toy/refs/main", COMMIT, strlen(COMMIT)) ||
        setenv("MM_MODELS_DIR", root, 1)) {
        fprintf(stderr, "cannot write the toy model\n");
        exit(1);
    }
    return strcmp(kind, "name") == 0 ? "bench/toy" : folder;
}

static mm_request *tokens_request(const char *model, int texts) {
    mm_error error = {0};
    mm_request *request = timer_request(model, NULL, false);
    for (int i = 0; i < texts; i++) { // all of them others, or they would be computed once
        const int32_t id = TOKEN + i % (TOY_VOCABULARY - TOKEN);
        timer_check(mm_request_add_ids(request, &id, 1, &error), &error);
    }
    return request;
}

// ---- A bare hand-off ---------------------------------------------------------------------------

// There: the caller sets `asked` and wakes the partner; back: the partner answers and wakes it.
typedef struct handoff {
    pthread_mutex_t lock;
    pthread_cond_t there, back;
    bool asked, answered, over;
    pthread_t partner;
} handoff;

static void *partner_main(void *argument) {
    handoff *self = argument;
    pthread_mutex_lock(&self->lock);
    while (!self->over) {
        if (self->asked) {
            self->asked = false;
            self->answered = true;
            pthread_cond_signal(&self->back);
        } else {
            pthread_cond_wait(&self->there, &self->lock);
        }
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

static void handoff_open(handoff *out) {
    *out = (handoff){.over = false};
    pthread_mutex_init(&out->lock, NULL);
    pthread_cond_init(&out->there, NULL);
    pthread_cond_init(&out->back, NULL);
    if (pthread_create(&out->partner, NULL, partner_main, out) == 0)
        return;
    fprintf(stderr, "cannot start a thread\n");
    exit(1);
}

static void hand_off(handoff *self) {
    pthread_mutex_lock(&self->lock);
    self->asked = true;
    self->answered = false;
    pthread_cond_signal(&self->there);
    while (!self->answered)
        pthread_cond_wait(&self->back, &self->lock);
    pthread_mutex_unlock(&self->lock);
}

static void handoff_close(handoff *self) {
    pthread_mutex_lock(&self->lock);
    self->over = true;
    pthread_cond_signal(&self->there);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->partner, NULL);
}

// ---- One caller --------------------------------------------------------------------------------

typedef struct samples {
    double *handoff, *job, *compute, *beside;
    int count;
} samples;

static void sample_job(samples *out, int at, mm_manager *manager, const mm_request *request) {
    mm_timing timing;
    const double begun = timer_now_us();
    mm_result *result = timer_task(manager, request);
    const double ended = timer_now_us();
    mm_result_timing(result, &timing);
    mm_result_free(result);
    out->job[at] = ended - begun;
    out->compute[at] = timing.compute_ms * 1e3;
    out->beside[at] = out->job[at] - out->compute[at];
}

// In turns, a block of each, so that whatever else the machine does concerns both.
static void sample(samples *out, mm_manager *manager, const mm_request *request) {
    handoff pair;
    handoff_open(&pair);
    for (int i = 0; i < out->count; i += BLOCK) {
        for (int k = i; k < i + BLOCK; k++) {
            const double begun = timer_now_us();
            hand_off(&pair);
            out->handoff[k] = timer_now_us() - begun;
        }
        for (int k = i; k < i + BLOCK; k++)
            sample_job(out, k, manager, request);
    }
    handoff_close(&pair);
}

// overhead name|folder BLOCKS
int timer_overhead(int count, char **arguments) {
    const int blocks = count == 2 ? atoi(arguments[1]) : 0;
    if (blocks <= 0)
        return 2;
    const char *model = make_toy(arguments[0]);
    samples all = {.count = blocks * BLOCK};
    double **lists[] = {&all.handoff, &all.job, &all.compute, &all.beside};
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
        *lists[i] = timer_allocate((size_t)all.count, sizeof(double));
    mm_manager *manager = timer_manager(NULL);
    mm_request *request = tokens_request(model, 1);
    for (int i = 0; i < WARM_UP; i++)
        (void)timer_run(manager, request);
    sample(&all, manager, request);
    printf("{\"jobs\": %d, \"handoff_us\": %.3f, \"job_us\": %.3f, \"compute_us\": %.3f, "
           "\"beside_us\": %.3f}\n",
           all.count, timer_median(all.handoff, all.count), timer_median(all.job, all.count),
           timer_median(all.compute, all.count), timer_median(all.beside, all.count));
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
        free(*lists[i]);
    mm_request_free(request);
    mm_manager_free(manager);
    scratch_remove();
    return 0;
}

// ---- Many callers ------------------------------------------------------------------------------

typedef struct crowd {
    mm_manager *manager;
    const mm_request *request;
    int jobs; // a caller
} crowd;

static void call(int number, void *payload) {
    const crowd *self = payload;
    (void)number;
    for (int i = 0; i < self->jobs; i++)
        mm_result_free(timer_task(self->manager, self->request));
}

static double compute_us(mm_manager *manager, const char *model, int texts) {
    double times[COMPUTE_ROUNDS];
    mm_request *request = tokens_request(model, texts);
    for (int i = 0; i < COMPUTE_ROUNDS; i++)
        times[i] = timer_compute_us(manager, request);
    mm_request_free(request);
    return timer_median(times, COMPUTE_ROUNDS);
}

// callers name|folder CALLERS JOBS ROUNDS: jobs a caller in a round
int timer_callers(int count, char **arguments) {
    if (count != 4)
        return 2;
    const char *model = make_toy(arguments[0]);
    const int callers = atoi(arguments[1]), rounds = atoi(arguments[3]);
    crowd all = {.manager = timer_manager(NULL), .jobs = atoi(arguments[2])};
    mm_request *request = tokens_request(model, 1);
    double *cpu = timer_allocate((size_t)rounds, sizeof(double));
    double *wall = timer_allocate((size_t)rounds, sizeof(double));
    all.request = request;
    (void)timer_run(all.manager, request);
    for (int i = 0; i < rounds; i++) {
        const double begun = timer_now_us(), used = timer_cpu_us();
        timer_together(callers, call, &all);
        cpu[i] = (timer_cpu_us() - used) / (callers * all.jobs);
        wall[i] = (timer_now_us() - begun) / (callers * all.jobs);
    }
    printf("{\"jobs\": %d, \"cpu_us\": %.3f, \"wall_us\": %.3f, \"compute_one_us\": %.3f, "
           "\"compute_together_us\": %.3f}\n",
           callers * all.jobs * rounds, timer_median(cpu, rounds), timer_median(wall, rounds),
           compute_us(all.manager, model, 1), compute_us(all.manager, model, callers));
    free(cpu);
    free(wall);
    mm_request_free(request);
    mm_manager_free(all.manager);
    scratch_remove();
    return 0;
}

// ---- What the cache has ------------------------------------------------------------------------

// hits MODEL CALLS ROUNDS
int timer_hits(int count, char **arguments) {
    if (count != 3)
        return 2;
    const int calls = atoi(arguments[1]), rounds = atoi(arguments[2]);
    mm_manager *manager = timer_manager(NULL);
    mm_request *request =
        timer_request(arguments[0], "how long does it take to walk to the station?", true);
    double *cpu = timer_allocate((size_t)rounds, sizeof(double));
    (void)timer_run(manager, request);
    for (int i = 0; i < rounds; i++) {
        const double used = timer_cpu_us();
        for (int k = 0; k < calls; k++)
            mm_result_free(timer_task(manager, request));
        cpu[i] = (timer_cpu_us() - used) / calls;
    }
    mm_result *result = timer_task(manager, request);
    if (!mm_result_cached(result, 0)) {
        fprintf(stderr, "the cache did not answer\n");
        return 1;
    }
    printf("{\"calls\": %d, \"dimension\": %zu, \"cpu_us\": %.3f}\n", calls * rounds,
           mm_result_dimension(result), timer_median(cpu, rounds));
    mm_result_free(result);
    free(cpu);
    mm_request_free(request);
    mm_manager_free(manager);
    return 0;
}
