// SPDX-License-Identifier: Apache-2.0
// Random calls from many threads over real models while time passes in jumps, models are released
// and evicted, queues dropped, memory is refused and GPUs (simulated ones) fail and are lost. After
// each call the state is looked at (invariants.h); every answer is the right one or one of the
// errors that the call may have; every job is answered once; at the end nothing is left.
//
// What each thread asks follows from MM_STRESS_SEED (printed; 1 unless set), so a run can be
// repeated; the order in which threads meet cannot. MM_STRESS_CALLS: how many calls a thread makes.
#include "fixture.h"
#include "invariants.h"
#include "simulated_gpus.h"

#include "base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS = 16, TEXTS = 12, EMBEDDERS = 4, PENDING = 8, DEFAULT_CALLS = 150, GPUS = 2 };

#define GENERATOR MM_TESTS_DIR "/golden/models/seq2seq-t5"
#define BROKEN MM_BUILD_DIR "/stress-broken" // is not there

static const char *const embedders[EMBEDDERS] = {
    MODEL,
    OTHER_MODEL,
    MM_TESTS_DIR "/golden/models/mpnet-mean-normalize",
    MM_TESTS_DIR "/golden/models/albert-mean",
};

static const char *const texts[TEXTS] = {
    "",         "one",      "two words",     "three words here", "a longer line of some words",
    "été",      "banana",   "banana banana", "The cat sat",      "on the mat.",
    "ten more", "the last", // no text is left out
};

typedef struct answers {
    float *vectors[EMBEDDERS][TEXTS];
    size_t dimensions[EMBEDDERS];
    char *written[TEXTS];
} answers;

typedef struct stress {
    fixture own;
    answers right;
    uint64_t seed;
    long calls;
    bool faults;   // allocations fail now and then
    bool has_gpus; // which fail now and then, and one is lost on the way
    simulated_gpus gpus;
    atomic_int active; // threads that still call
    atomic_long outcomes[64];
} stress;

// ---- Chance ------------------------------------------------------------------------------------

typedef struct player {
    stress *game;
    uint64_t random;
    int index;
    pthread_t thread;
    submitted pending[PENDING];
    bool is_pending[PENDING];
} player;

static uint64_t next_random(player *self) { // xorshift64*, Vigna 2016
    self->random ^= self->random >> 12;
    self->random ^= self->random << 25;
    self->random ^= self->random >> 27;
    return self->random * UINT64_C(2685821657736338717);
}

static size_t below(player *self, size_t limit) {
    return (size_t)(next_random(self) >> 33) % limit;
}

static bool one_in(player *self, size_t n) {
    return below(self, n) == 0;
}

// On a thread that is not cmocka's: there is nothing to go back to.
#define INSIST(condition, ...)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "test_stress: seed %llu: ", (unsigned long long)self->game->seed);     \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

// ---- Requests ----------------------------------------------------------------------------------

typedef struct question {
    int embedder; // EMBEDDERS: the generator
    int text;
    mm_request *request;
} question;

static bool set_some(player *self, mm_request *request) {
    static const double keep_alives[] = {0, 0.001, 0.02, 1, -1};
    mm_status status = MM_STATUS_OK;
    if (one_in(self, 4))
        status = mm_request_set_number(request, "keep_alive", keep_alives[below(self, 5)], NULL);
    if (one_in(self, 5) && !status)
        status = mm_request_set_integer(request, "num_workers", (int64_t)below(self, 3) + 1, NULL);
    if (one_in(self, 4) && !status)
        status = mm_request_set_text(request, "priority", "bulk", NULL);
    if (one_in(self, 6) && !status)
        status = mm_request_set_number(request, "timeout_ms", (double)below(self, 4000) + 1, NULL);
    return status == MM_STATUS_OK;
}

static const char *some_device(player *self) {
    static const char *const devices[] = {"cpu", "gpu", "gpu", "cuda:0", "cuda:1"};
    return devices[self->game->has_gpus ? below(self, 5) : 0];
}

// False when memory was refused.
static bool ask(player *self, question *out) {
    *out = (question){.embedder = (int)below(self, EMBEDDERS + 1), .text = (int)below(self, TEXTS)};
    const bool writes = out->embedder == EMBEDDERS;
    mm_status status = mm_request_create(&out->request, NULL);
    if (status)
        return false;
    status = mm_request_set_text(out->request, "task_type",
                                 writes ? "text_generation" : "embedding", NULL);
    if (!status)
        status = mm_request_set_text(out->request, "model_name",
                                     writes ? GENERATOR : embedders[out->embedder], NULL);
    if (!status)
        status = mm_request_set_text(out->request, "device", some_device(self), NULL);
    if (!status && writes)
        status = mm_request_set_integer(out->request, "max_new_tokens", 4, NULL);
    if (!status && !writes && one_in(self, 2))
        status = mm_request_set_boolean(out->request, "use_cache", false, NULL);
    if (!status)
        status = mm_request_add_text(out->request, texts[out->text], SIZE_MAX, NULL);
    if (!status && set_some(self, out->request))
        return true;
    mm_request_free(out->request);
    return false;
}

// ---- Verdicts ----------------------------------------------------------------------------------

static void judge_status(player *self, mm_status status, const char *message) {
    atomic_fetch_add(&self->game->outcomes[(unsigned)status % 64], 1);
    switch (status) {
    case MM_STATUS_OK:
    case MM_STATUS_TIMEOUT:
    case MM_STATUS_QUEUE_TIMEOUT:
    case MM_STATUS_QUEUE_FULL:
    case MM_STATUS_CANCELLED:
    case MM_STATUS_RELEASED:
        return;
    case MM_STATUS_OUT_OF_MEMORY:
        INSIST(self->game->faults || self->game->has_gpus, "OUT_OF_MEMORY without a cause: %s",
               message);
        return;
    case MM_STATUS_INTERNAL:
    case MM_STATUS_NO_GPU_AVAILABLE:
        INSIST(self->game->has_gpus, "%s without a GPU: %s", mm_status_name(status), message);
        return;
    default:
        INSIST(false, "%s: %s", mm_status_name(status), message);
    }
}

static void judge(player *self, const question *asked, mm_status status, const mm_result *result,
                  const mm_error *error) {
    const answers *right = &self->game->right;
    judge_status(self, status, error->message);
    if (status)
        return;
    INSIST(mm_result_count(result) == 1, "%zu answers to one text", mm_result_count(result));
    if (asked->embedder == EMBEDDERS) {
        const char *text = mm_result_generated_text(result, 0, NULL);
        INSIST(strcmp(text, right->written[asked->text]) == 0, "\"%s\" gave \"%s\", not \"%s\"",
               texts[asked->text], text, right->written[asked->text]);
    } else {
        size_t dimension = mm_result_dimension(result);
        INSIST(dimension == right->dimensions[asked->embedder] &&
                   memcmp(mm_result_vectors(result), right->vectors[asked->embedder][asked->text],
                          dimension * sizeof(float)) == 0,
               "%s: another vector for \"%s\"", embedders[asked->embedder], texts[asked->text]);
    }
}

// ---- Calls -------------------------------------------------------------------------------------

static void call_task(player *self) {
    question asked;
    mm_result *result;
    mm_error error = {0};
    if (!ask(self, &asked))
        return;
    mm_status status = mm_task(&result, self->game->own.manager, asked.request, &error);
    judge(self, &asked, status, result, &error);
    mm_result_free(result);
    mm_request_free(asked.request);
}

static void on_done(mm_job *job, mm_status status, mm_result *result, const mm_error *error,
                    void *payload) {
    submitted *self = payload;
    (void)job;
    self->status = status;
    if (status)
        (void)snprintf(self->message, sizeof(self->message), "%s", error->message);
    mm_result_free(result);
    atomic_fetch_add(&self->calls, 1);
}

static void nap(void) {
    const struct timespec moment = {.tv_nsec = 200000};
    (void)nanosleep(&moment, NULL);
}

static void collect(player *self, size_t slot) {
    submitted *job = &self->pending[slot];
    while (atomic_load(&job->calls) == 0)
        nap();
    judge_status(self, job->status, job->message);
    mm_job_free(job->job);
    self->is_pending[slot] = false;
}

static void call_submit(player *self) {
    question asked;
    mm_error error = {0};
    const size_t slot = below(self, PENDING);
    if (self->is_pending[slot])
        collect(self, slot);
    submitted *job = &self->pending[slot];
    if (!ask(self, &asked))
        return;
    memset(job, 0, sizeof(*job));
    mm_status status =
        mm_task_submit(&job->job, self->game->own.manager, asked.request, on_done, job, &error);
    mm_request_free(asked.request);
    self->is_pending[slot] = status == MM_STATUS_OK;
    if (status)
        judge_status(self, status, error.message);
    else if (one_in(self, 3))
        mm_job_cancel(job->job);
}

static void call_cancel(player *self) {
    const size_t slot = below(self, PENDING);
    if (self->is_pending[slot])
        mm_job_cancel(self->pending[slot].job);
}

static void call_preload(player *self) {
    mm_request *request;
    mm_result *result;
    mm_error error = {0};
    if (mm_request_create(&request, NULL))
        return;
    mm_status status = mm_request_set_text(request, "task_type", "embedding", NULL);
    if (!status)
        status =
            mm_request_set_text(request, "model_name", embedders[below(self, EMBEDDERS)], NULL);
    if (!status)
        status = mm_request_set_text(request, "device", some_device(self), NULL);
    mm_request_set_preload(request, true);
    if (!status && set_some(self, request)) {
        status = mm_task(&result, self->game->own.manager, request, &error);
        judge_status(self, status, error.message);
        mm_result_free(result);
    }
    mm_request_free(request);
}

static void call_release(player *self) {
    const size_t which = below(self, EMBEDDERS + 1);
    mm_error error = {0};
    mm_status status = mm_model_release(
        self->game->own.manager, which < EMBEDDERS ? embedders[which] : GENERATOR, NULL, &error);
    judge_status(self, status, error.message);
}

static void call_drop(player *self) {
    mm_error error = {0};
    mm_status status = mm_queue_drop(self->game->own.manager, embedders[below(self, EMBEDDERS)],
                                     "at random", NULL, &error);
    judge_status(self, status, error.message);
}

static void call_status(player *self) {
    char *text;
    mm_error error = {0};
    judge_status(self, mm_manager_status(&text, self->game->own.manager, &error), error.message);
    mm_text_free(text);
}

// What cannot be answered, told at once.
static void call_wrong(player *self) {
    static const char *const requests[] = {
        "{\"task_type\": \"embedding\", \"model_name\": \"" BROKEN "\", \"task_data\": \"x\"}",
        "{\"task_type\": \"embedding\", \"model_name\": \"" MODEL "\", \"task_data\": \"x\", "
        "\"num_beams\": 2}",
        "{\"task_type\": \"text_generation\", \"model_name\": \"" MODEL "\", \"task_data\": \"x\"}",
        "{\"task_type\": ",
    };
    char *text;
    const char *request = requests[below(self, 4)];
    mm_status status = mm_task_json(&text, self->game->own.manager, request, strlen(request));
    INSIST(status && (status != MM_STATUS_INTERNAL || self->game->has_gpus), "%s gave %s", request,
           text);
    mm_text_free(text);
}

// What goes wrong on its own: memory is refused, a load on a GPU fails, a GPU is lost.
static void call_fault(player *self, long turn) {
    stress *game = self->game;
    if (game->faults)
        mm_memory_fail_after(below(self, 2000) + 1, false);
    if (game->has_gpus && one_in(self, 4))
        atomic_store(&game->gpus.gpu[below(self, GPUS)].bad_loads, 1);
    if (game->has_gpus && self->index == 0 && turn > game->calls * 2 / 3)
        atomic_store(&game->gpus.gpu[GPUS - 1].is_lost, true);
}

static void call_any(player *self, long turn) {
    static void (*const calls[])(player *) = {
        call_task,   call_task,    call_task,    call_task,   call_submit, call_submit, call_submit,
        call_cancel, call_preload, call_release, call_status, call_wrong,  call_drop,
    };
    const size_t count = sizeof(calls) / sizeof(calls[0]);
    const size_t which = below(self, count + 1);
    if (which < count)
        calls[which](self);
    else
        call_fault(self, turn);
}

static void *play(void *payload) {
    player *self = payload;
    stress *game = self->game;
    for (long i = 0; i < game->calls; i++) {
        call_any(self, i);
        const char *broken = invariants_broken(game->own.manager);
        INSIST(!broken, "%s", broken);
    }
    for (size_t i = 0; i < PENDING; i++) {
        if (self->is_pending[i])
            collect(self, i);
    }
    atomic_fetch_sub(&game->active, 1);
    return NULL;
}

// ---- A game ------------------------------------------------------------------------------------

// What each model says to each text, alone; and the bytes of the largest.
static size_t ask_alone(answers *out) {
    fixture alone;
    size_t most = 0;
    fixture_open(&alone, NULL);
    for (int m = 0; m <= EMBEDDERS; m++) {
        const char *model = m < EMBEDDERS ? embedders[m] : GENERATOR;
        for (int t = 0; t < TEXTS; t++) {
            mm_error error = {0};
            mm_result *result;
            mm_request *request = fixture_request(model, texts[t]);
            if (m == EMBEDDERS) {
                assert_ok(mm_request_set_text(request, "task_type", "text_generation", &error),
                          error);
                assert_ok(mm_request_set_integer(request, "max_new_tokens", 4, &error), error);
            }
            assert_ok(mm_task(&result, alone.manager, request, &error), error);
            mm_request_free(request);
            if (m == EMBEDDERS) {
                out->written[t] = strdup(mm_result_generated_text(result, 0, NULL));
                assert_non_null(out->written[t]);
            } else {
                size_t bytes = mm_result_dimension(result) * sizeof(float);
                out->dimensions[m] = mm_result_dimension(result);
                out->vectors[m][t] = malloc(bytes);
                assert_non_null(out->vectors[m][t]);
                memcpy(out->vectors[m][t], mm_result_vectors(result), bytes);
            }
            mm_result_free(result);
        }
        json_t *status = fixture_status(&alone);
        json_int_t bytes = json_integer_value(json_object_get(fixture_model(status), "bytes"));
        most = (size_t)bytes > most ? (size_t)bytes : most;
        json_decref(status);
        assert_ok(mm_model_release(alone.manager, model, NULL, NULL), (mm_error){0});
    }
    fixture_close(&alone);
    return most;
}

static void free_answers(answers *right) {
    for (int t = 0; t < TEXTS; t++) {
        free(right->written[t]);
        for (int m = 0; m < EMBEDDERS; m++)
            free(right->vectors[m][t]);
    }
}

static unsigned long long number_from(const char *name, unsigned long long otherwise) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

// Time passes as long as anybody calls, in steps from a moment to a few seconds.
static void pass_time(stress *game) {
    player chance = {.game = game, .random = game->seed ^ UINT64_C(0x9e3779b97f4a7c15)};
    while (atomic_load(&game->active) > 0) {
        hand_clock_advance(&game->own.clock, (double)below(&chance, 3000) / 1000);
        nap();
    }
}

static void open_game(stress *game, size_t largest) {
    char budget[32];
    // Two models of the largest size fit, three hardly: somebody has to go all the time.
    (void)snprintf(budget, sizeof(budget), "%zu", largest * 5 / 2);
    const char *const settings[] = {"memory.cpu_bytes",
                                    budget,
                                    "worker_pool.queue_limit",
                                    "24",
                                    "worker_pool.queue_timeout",
                                    "3",
                                    "worker_pool.model_idle_timeout",
                                    "2",
                                    "embedding_cache.enabled",
                                    "true",
                                    "embedding_cache.max_cache_size",
                                    "20",
                                    "embedding_cache.ttl_seconds",
                                    "5",
                                    NULL};
    const size_t gpus[GPUS] = {largest * 5 / 2, largest * 4};
    if (game->has_gpus) {
        simulated_gpus_create(&game->gpus, GPUS, gpus);
        for (int i = 0; i < GPUS; i++)
            game->gpus.gpu[i].load_status = i ? MM_STATUS_OUT_OF_MEMORY : MM_STATUS_INTERNAL;
        fixture_open_by_hand_with_gpus(&game->own, settings, &game->gpus.source);
    } else {
        fixture_open_by_hand(&game->own, settings);
    }
}

static void close_game(stress *game) {
    fixture_close(&game->own);
    for (int i = 0; i < GPUS && game->has_gpus; i++) {
        assert_int_equal(atomic_load(&game->gpus.gpu[i].sessions), 0);
        assert_int_equal(atomic_load(&game->gpus.gpu[i].used), 0);
    }
    if (game->has_gpus)
        simulated_gpus_free(&game->gpus);
    free_answers(&game->right);
}

// A job that was answered by its deadline may still be in a worker's hands for a moment.
static void come_to_rest(stress *game) {
    const char *unrest = "";
    for (int i = 0; i < 100000 && unrest; i++) {
        unrest = invariants_unrest(game->own.manager);
        if (unrest)
            nap();
    }
    if (unrest)
        fail_msg("seed %llu: at the end: %s", (unsigned long long)game->seed, unrest);
}

static void play_game(bool faults, bool has_gpus) {
    stress game = {.has_gpus = has_gpus,
                   .seed = number_from("MM_STRESS_SEED", 1),
                   .calls = (long)number_from("MM_STRESS_CALLS", DEFAULT_CALLS),
                   .faults = faults};
    player *players = calloc(THREADS, sizeof(*players));
    assert_non_null(players);
    size_t largest = ask_alone(&game.right);
    open_game(&game, largest);
    printf("seed %llu, %d threads, %ld calls each\n", (unsigned long long)game.seed, THREADS,
           game.calls);
    atomic_store(&game.active, THREADS);
    for (int i = 0; i < THREADS; i++) {
        players[i].game = &game;
        players[i].index = i;
        players[i].random = (game.seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)i * 7919 + 1;
        assert_int_equal(pthread_create(&players[i].thread, NULL, play, &players[i]), 0);
    }
    pass_time(&game);
    for (int i = 0; i < THREADS; i++)
        pthread_join(players[i].thread, NULL);
    mm_memory_fail_after(0, false);
    for (int i = 0; i < THREADS; i++) {
        for (size_t j = 0; j < PENDING; j++)
            assert_true(atomic_load(&players[i].pending[j].calls) <= 1);
    }
    come_to_rest(&game);
    assert_true(atomic_load(&game.outcomes[MM_STATUS_OK]) > 0);
    for (int i = 0; i < 64; i++) {
        if (atomic_load(&game.outcomes[i]) > 0)
            printf("  %-16s %ld\n", mm_status_name((mm_status)i), atomic_load(&game.outcomes[i]));
    }
    printf("  loads %d, releases %d\n", atomic_load(&game.own.loads),
           atomic_load(&game.own.releases));
    close_game(&game);
    free(players);
}

static void random_calls_from_many_threads_keep_every_promise(void **state) {
    (void)state;
    play_game(false, false);
}

static void random_calls_while_memory_is_refused_keep_every_promise(void **state) {
    (void)state;
    play_game(true, false);
}

static void random_calls_while_gpus_fail_keep_every_promise(void **state) {
    (void)state;
    play_game(false, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_calls_from_many_threads_keep_every_promise),
        cmocka_unit_test(random_calls_while_memory_is_refused_keep_every_promise),
        cmocka_unit_test(random_calls_while_gpus_fail_keep_every_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
