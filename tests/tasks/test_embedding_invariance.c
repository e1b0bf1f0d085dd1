// SPDX-License-Identifier: Apache-2.0
// The same text gives the same bits: alone, in any batch, in any order, with any number of threads,
// from several workers at once.
#include "check.h"
#include "scratch.h"
#include "toy.h"
#include "toy_embedder.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { TEXTS = 300, TEXT_SIZE = 96, MANY = 100000 };

static char texts[TEXTS][TEXT_SIZE];
static const char *folders[3];

// Texts of 0 to 38 words, so that some are cut.
static void make_texts(void) {
    uint32_t seed = 7;
    for (int i = 0; i < TEXTS; i++) {
        size_t length = 0;
        for (int words = i % 39; words > 0; words--) {
            seed = seed * 1664525U + 1013904223U;
            texts[i][length++] = (char)('a' + (seed >> 24) % 26);
            texts[i][length++] = ' ';
        }
        texts[i][length] = '\0';
    }
}

static int set_up(void **state) {
    (void)state;
    static char paths[3][512];
    static const char *const types[3] = {"bert", "distilbert", "mpnet"};
    if (!scratch_create())
        return -1;
    for (int i = 0; i < 3; i++) {
        const char *folder = toy_write(types[i], &(toy_options){.model_type = types[i]});
        if (!folder)
            return -1;
        snprintf(paths[i], sizeof paths[i], "%s", folder);
        folders[i] = paths[i];
    }
    make_texts();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

static void check_same(const float *vectors, const float *reference, const int *which, int count,
                       size_t dimension, const char *what) {
    for (int i = 0; i < count; i++) {
        if (memcmp(vectors + (size_t)i * dimension, reference + (size_t)which[i] * dimension,
                   dimension * sizeof *vectors) != 0)
            fail_msg("text %d differs %s", which[i], what);
    }
}

// Runs the texts `which` in that order and compares each with its vector alone.
static void check_order(const toy_embedder *toy, const float *alone, const int *which, int count,
                        const char *what) {
    const char *list[TEXTS] = {NULL};
    int64_t dimension;
    for (int i = 0; i < count; i++)
        list[i] = texts[which[i]];
    float *vectors = toy_embedder_run(toy, list, (size_t)count, NULL, &dimension);
    check_same(vectors, alone, which, count, (size_t)dimension, what);
    mm_free(vectors);
}

static void check_model(const char *folder, mm_compute_dtype dtype) {
    toy_embedder toy = {0};
    toy_embedder_open(&toy, folder, dtype, 1);
    float *alone = mm_malloc((size_t)TEXTS * TOY_HIDDEN * sizeof *alone);
    int64_t dimension;
    for (int i = 0; i < TEXTS; i++) {
        const char *text = texts[i];
        float *vector = toy_embedder_run(&toy, &text, 1, NULL, &dimension);
        assert_int_equal(dimension, TOY_HIDDEN);
        memcpy(alone + (size_t)i * TOY_HIDDEN, vector, TOY_HIDDEN * sizeof *vector);
        mm_free(vector);
    }
    int order[TEXTS];
    for (int threads = 1; threads <= 3; threads++) {
        mm_error error = {0};
        mm_session_free(toy.session);
        toy.session = NULL;
        assert_ok(mm_session_create(&toy.session, toy.backend, threads, &error), error);
        assert_ok(mm_embedder_prepare_session(toy.embedder, toy.session, &error), error);
        for (int i = 0; i < TEXTS; i++)
            order[i] = i;
        check_order(&toy, alone, order, TEXTS, "in one call");
        for (int i = 0; i < TEXTS; i++)
            order[i] = TEXTS - 1 - i;
        check_order(&toy, alone, order, TEXTS, "in reverse order");
        for (int i = 0; i < TEXTS; i++)
            order[i] = (i * 77 + 13) % TEXTS;
        for (int count = 1; count < 40; count += 3)
            check_order(&toy, alone, order + count, count, "in a small batch");
    }
    mm_free(alone);
    toy_embedder_close(&toy);
}

static void test_f32(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++)
        check_model(folders[i], MM_COMPUTE_F32);
}

static void test_bf16(void **state) {
    (void)state;
    mm_backend *backend;
    mm_error error = {0};
    assert_ok(mm_backend_cpu_create(&backend, &error), error);
    bool supported = mm_backend_supports(backend, MM_COMPUTE_BF16);
    mm_backend_free(backend);
    if (!supported) {
        print_message("this processor has no bf16 products: not run\n");
        skip();
    }
    for (int i = 0; i < 3; i++)
        check_model(folders[i], MM_COMPUTE_BF16);
}

// ---- Workers -----------------------------------------------------------------------------------

typedef struct worker {
    pthread_t thread;
    const toy_embedder *toy;
    const mm_embedding_job *job;
    float *vectors;
    mm_status status;
} worker;

static void *work(void *payload) {
    worker *self = payload;
    mm_session *session;
    self->status = mm_session_create(&session, self->toy->backend, 1, NULL);
    if (self->status)
        return NULL;
    self->status = mm_embedder_prepare_session(self->toy->embedder, session, NULL);
    for (int i = 0; i < 5 && !self->status; i++)
        self->status =
            mm_embedder_run(self->toy->embedder, session, self->job, self->vectors, NULL);
    mm_session_free(session);
    return NULL;
}

static void test_workers_share_weights(void **state) {
    (void)state;
    toy_embedder toy = {0};
    toy_embedder_open(&toy, folders[0], MM_COMPUTE_F32, 1);
    const char *list[TEXTS];
    size_t lengths[TEXTS];
    for (int i = 0; i < TEXTS; i++) {
        list[i] = texts[i];
        lengths[i] = strlen(texts[i]);
    }
    mm_embedding_job job;
    mm_error error = {0};
    assert_ok(mm_embedding_job_create(&job, toy.embedder, list, lengths, TEXTS, NULL, &error),
              error);
    const size_t bytes = (size_t)TEXTS * TOY_HIDDEN * sizeof(float);
    float *reference = mm_malloc(bytes);
    assert_ok(mm_embedder_run(toy.embedder, toy.session, &job, reference, &error), error);
    worker workers[3];
    for (int i = 0; i < 3; i++) {
        workers[i] = (worker){.toy = &toy, .job = &job, .vectors = mm_malloc(bytes)};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].status, MM_STATUS_OK);
        assert_memory_equal(workers[i].vectors, reference, bytes);
        mm_free(workers[i].vectors);
    }
    mm_free(reference);
    mm_embedding_job_free(&job);
    toy_embedder_close(&toy);
}

static void test_many_texts(void **state) {
    (void)state;
    toy_embedder toy = {0};
    toy_embedder_open(&toy, folders[0], MM_COMPUTE_F32, 2);
    const char **list = mm_malloc(MANY * sizeof *list);
    for (int i = 0; i < MANY; i++)
        list[i] = texts[i % 9]; // up to 8 words: quick
    int64_t dimension;
    float *vectors = toy_embedder_run(&toy, list, MANY, NULL, &dimension);
    for (int i = 9; i < MANY; i++)
        assert_memory_equal(vectors + (size_t)i * TOY_HIDDEN,
                            vectors + (size_t)(i % 9) * TOY_HIDDEN, TOY_HIDDEN * sizeof *vectors);
    mm_free(vectors);
    mm_free(list);
    toy_embedder_close(&toy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_workers_share_weights),
        cmocka_unit_test(test_many_texts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
