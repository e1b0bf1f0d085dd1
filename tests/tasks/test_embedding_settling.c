// SPDX-License-Identifier: Apache-2.0
// Large weights are read from the file's map until the background has packed them: the answers are
// the same before, meanwhile and afterwards, whoever frees the model at any moment frees all of it,
// and in the end nothing depends on the file.
#include "check.h"
#include "scratch.h"
#include "toy.h"
#include "toy_embedder.h"

#include "base/clock.h"
#include "base/memory.h"
#include "compute/cpu/cpu.h"
#include "tasks/embedder.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEXTS = 4, MANY = 48, THREADS = 6, ROUNDS = 20 };

static const char *const texts[TEXTS] = {"hello world", "query : a b c", "passage z", "x , y ."};
static const toy_options large = {.vocabulary_rows = 40000, .aligned = true}; // 2.5 MB
static const size_t vector_bytes = (size_t)TEXTS * TOY_HIDDEN * sizeof(float);

static int set_up(void **state) {
    (void)state;
    return scratch_create() && toy_write("large", &large) && toy_write("small", NULL) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

// Whether this process maps the weights of the folder `name`.
static bool is_mapped(const char *name) {
    char path[128];
    char line[1024];
    snprintf(path, sizeof path, "/%s/model.safetensors", name);
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    bool found = false;
    while (fgets(line, sizeof line, maps))
        found |= strstr(line, path) != NULL;
    fclose(maps);
    return found;
}

static void wait_until_copied(const char *name) {
    const int64_t deadline = mm_clock_now_ns() + INT64_C(60000000000);
    while (is_mapped(name)) {
        assert_true(mm_clock_now_ns() < deadline);
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

static float *run(const toy_embedder *toy) {
    int64_t dimension;
    float *vectors = toy_embedder_run(toy, texts, TEXTS, NULL, &dimension);
    assert_int_equal(dimension, TOY_HIDDEN);
    return vectors;
}

static void check_run(const toy_embedder *toy, const float *reference) {
    float *vectors = run(toy);
    assert_memory_equal(vectors, reference, vector_bytes);
    mm_free(vectors);
}

static void test_answers_stay_the_same(void **state) {
    (void)state;
    toy_embedder toy = {0};
    toy_embedder_open(&toy, scratch_path("large"), MM_COMPUTE_F32, 2);
    assert_true(is_mapped("large")); // else the rest of this file tests nothing
    float *first = run(&toy);
    while (is_mapped("large"))
        check_run(&toy, first);
    check_run(&toy, first);
    mm_free(first);
    toy_embedder_close(&toy);
}

static void test_a_small_table_is_copied_at_once(void **state) {
    (void)state;
    toy_embedder toy = {0};
    toy_embedder_open(&toy, scratch_path("small"), MM_COMPUTE_F32, 2);
    assert_false(is_mapped("small"));
    toy_embedder_close(&toy);
}

static void test_without_a_run_it_is_copied_too(void **state) {
    (void)state;
    toy_embedder toy = {0};
    toy_embedder_open(&toy, scratch_path("large"), MM_COMPUTE_F32, 1);
    wait_until_copied("large");
    mm_free(run(&toy));
    toy_embedder_close(&toy);
}

static void cut_afterwards(bool waiting) {
    assert_non_null(toy_write("cut", &large));
    toy_embedder toy = {0};
    (waiting ? toy_embedder_open_waiting : toy_embedder_open)(&toy, scratch_path("cut"),
                                                              MM_COMPUTE_F32, 2);
    float *first = run(&toy);
    wait_until_copied("cut");
    assert_int_equal(truncate(scratch_path("cut/model.safetensors"), 1000), 0);
    check_run(&toy, first);
    mm_free(first);
    toy_embedder_close(&toy);
}

static void test_the_file_may_be_cut_afterwards(void **state) {
    (void)state;
    cut_afterwards(false);
    cut_afterwards(true);
}

static void free_at_any_moment(bool waiting) {
    for (int round = 0; round < ROUNDS; round++) {
        toy_embedder toy = {0};
        (waiting ? toy_embedder_open_waiting : toy_embedder_open)(&toy, scratch_path("large"),
                                                                  MM_COMPUTE_F32, 1);
        if (round % 4 > 0) // else before anything has begun
            mm_free(run(&toy));
        if (round % 4 > 1)
            (void)nanosleep(&(struct timespec){.tv_nsec = round * 20000}, NULL);
        toy_embedder_close(&toy);
        assert_false(is_mapped("large"));
    }
}

static void test_freed_at_any_moment(void **state) {
    (void)state;
    free_at_any_moment(false);
    free_at_any_moment(true);
}

static void test_a_look_up_is_waited_for(void **state) {
    (void)state;
    toy_embedder toy = {0};
    toy_embedder_open(&toy, scratch_path("large"), MM_COMPUTE_F32, 1);
    mm_weights *weights = toy.embedder->weights;
    const mm_table *table = weights->tables;
    while (!table->waits)
        table = table->next;
    assert_true(mm_cpu_settling_enter(&weights->settling));
    mm_weights_settle(weights);
    while (atomic_load(&table->data) != table->values)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    (void)nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    assert_true(is_mapped("large")); // the look-up may still read it
    mm_cpu_settling_leave(&weights->settling);
    wait_until_copied("large");
    assert_false(mm_cpu_settling_enter(&weights->settling));
    toy_embedder_close(&toy);
}

static void test_a_large_table_is_checked(void **state) {
    (void)state;
    mm_error error;
    toy_options broken = large;
    broken.poison = "embeddings.word_embeddings.weight";
    assert_non_null(toy_write("broken", &broken));
    assert_status(toy_embedder_try(scratch_path("broken"), &error), MM_STATUS_MODEL_CORRUPT, error);
    assert_contains(error.message, broken.poison);
    assert_false(is_mapped("broken"));
}

// ---- Matrices ----------------------------------------------------------------------------------

// As many vectors as several tiles of rows take, so that a pass needs its panels more than once.
static float *run_many(const toy_embedder *toy) {
    const char *many[MANY];
    int64_t dimension;
    for (int i = 0; i < MANY; i++)
        many[i] = texts[i % TEXTS];
    return toy_embedder_run(toy, many, MANY, NULL, &dimension);
}

static void check_same_bits(const char *name, mm_compute_dtype dtype, int threads,
                            bool many_first) {
    const size_t many_bytes = (size_t)MANY * TOY_HIDDEN * sizeof(float);
    toy_embedder toy = {0};
    toy_embedder_open_packed(&toy, scratch_path(name), dtype, threads);
    assert_false(is_mapped(name));
    float *reference = run(&toy), *many_reference = run_many(&toy);
    toy_embedder_close(&toy);
    toy_embedder_open_waiting(&toy, scratch_path(name), dtype, threads);
    assert_true(is_mapped(name));
    assert_true(toy.embedder->weights->matrices->waits);
    for (int round = 0; round < 2; round++) { // before it has settled, and afterwards
        for (int i = 0; i < 3; i++) {
            if (!many_first || i > 0)
                check_run(&toy, reference);
            float *many = run_many(&toy);
            assert_memory_equal(many, many_reference, many_bytes);
            mm_free(many);
        }
        wait_until_copied(name);
    }
    assert_null(toy.session->panels); // given back
    toy_embedder_close(&toy);
    mm_free(reference);
    mm_free(many_reference);
}

static void test_matrices_give_the_same_bits(void **state) {
    (void)state;
    mm_backend *backend;
    mm_error error = {0};
    assert_ok(mm_backend_cpu_create(&backend, &error), error);
    const bool bf16 = mm_backend_supports(backend, MM_COMPUTE_BF16);
    mm_backend_free(backend);
    for (int variant = 0; variant < 8; variant++) { // in the file aligned, and not
        const char *name = variant & 1 ? "large" : "small";
        const int threads = variant & 2 ? 2 : 1;
        check_same_bits(name, MM_COMPUTE_F32, threads, variant & 4);
        if (bf16)
            check_same_bits(name, MM_COMPUTE_BF16, threads, variant & 4);
    }
}

static void test_matrices_settle_without_a_run(void **state) {
    (void)state;
    toy_embedder toy = {0};
    toy_embedder_open_waiting(&toy, scratch_path("small"), MM_COMPUTE_F32, 1);
    wait_until_copied("small");
    mm_free(run(&toy));
    assert_null(toy.session->panels);
    toy_embedder_close(&toy);
}

static void test_waiting_matrices_are_checked(void **state) {
    (void)state;
    mm_error error;
    const toy_options broken = {.poison = "encoder.layer.1.output.dense.weight"};
    assert_non_null(toy_write("broken", &broken));
    assert_status(toy_embedder_try_waiting(scratch_path("broken"), &error), MM_STATUS_MODEL_CORRUPT,
                  error);
    assert_contains(error.message, broken.poison);
    assert_false(is_mapped("broken"));
}

// Writes a NaN into the file of a folder.
static void poison(const char *path, const char *name) {
    mm_safetensors *file;
    mm_error error = {0};
    size_t size;
    const uint32_t nan = 0x7FC00000;
    assert_ok(mm_safetensors_open(&file, path, &error), error);
    const char *begin = mm_safetensors_header(file, &size);
    const char *data = mm_safetensors_find(file, name)->data;
    FILE *stream = fopen(path, "r+b");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, data - begin, SEEK_SET), 0);
    assert_int_equal(fwrite(&nan, sizeof nan, 1, stream), 1);
    assert_int_equal(fclose(stream), 0);
    mm_safetensors_free(file);
}

// Whoever overwrites the file too early gets an error, never a vector of such values.
static void test_overwritten_before_it_has_settled(void **state) {
    (void)state;
    static const char name[] = "encoder.layer.0.attention.self.key.weight";
    toy_embedder toy = {0};
    mm_embedding_job job;
    mm_error error = {0};
    float vectors[TOY_HIDDEN];
    const size_t length = strlen(texts[0]);
    assert_non_null(toy_write("changed", NULL));
    toy_embedder_open_waiting(&toy, scratch_path("changed"), MM_COMPUTE_F32, 1);
    poison(scratch_path("changed/model.safetensors"), name);
    assert_ok(mm_embedding_job_create(&job, toy.embedder, texts, &length, 1, NULL, &error), error);
    for (int i = 0; i < 5; i++) {
        error = (mm_error){0};
        assert_status(mm_embedder_run(toy.embedder, toy.session, &job, vectors, &error),
                      MM_STATUS_MODEL_CORRUPT, error);
        assert_contains(error.message, name);
        (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    mm_embedding_job_free(&job);
    toy_embedder_close(&toy);
    assert_false(is_mapped("changed"));
}

// ---- Many at first use -------------------------------------------------------------------------

typedef struct asker {
    pthread_t thread;
    const mm_embedder *embedder;
    mm_session *session;
    const mm_embedding_job *job;
    pthread_barrier_t *start;
    float vectors[5][TEXTS * TOY_HIDDEN];
    mm_status status;
} asker;

static void *ask(void *payload) {
    asker *self = payload;
    (void)pthread_barrier_wait(self->start);
    for (int i = 0; i < 5 && !self->status; i++)
        self->status =
            mm_embedder_run(self->embedder, self->session, self->job, self->vectors[i], NULL);
    return NULL;
}

static void ask_together(const float *reference, bool waiting) {
    toy_embedder toy = {0};
    static asker askers[THREADS];
    pthread_barrier_t start;
    mm_embedding_job job;
    mm_error error = {0};
    size_t lengths[TEXTS];
    for (int i = 0; i < TEXTS; i++)
        lengths[i] = strlen(texts[i]);
    (waiting ? toy_embedder_open_waiting : toy_embedder_open)(&toy, scratch_path("large"),
                                                              MM_COMPUTE_F32, 1);
    assert_ok(mm_embedding_job_create(&job, toy.embedder, texts, lengths, TEXTS, NULL, &error),
              error);
    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (asker){.embedder = toy.embedder, .job = &job, .start = &start};
        assert_ok(mm_session_create(&askers[i].session, toy.backend, 1, &error), error);
        assert_ok(mm_embedder_prepare_session(toy.embedder, askers[i].session, &error), error);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(askers[i].thread, NULL);
        mm_session_free(askers[i].session);
        assert_int_equal(askers[i].status, MM_STATUS_OK);
        for (int n = 0; n < 5; n++)
            assert_memory_equal(askers[i].vectors[n], reference, vector_bytes);
    }
    mm_embedding_job_free(&job);
    pthread_barrier_destroy(&start);
    toy_embedder_close(&toy);
}

static void test_many_ask_at_once(void **state) {
    (void)state;
    toy_embedder toy = {0};
    toy_embedder_open(&toy, scratch_path("large"), MM_COMPUTE_F32, 1);
    wait_until_copied("large");
    float *reference = run(&toy);
    toy_embedder_close(&toy);
    for (int round = 0; round < ROUNDS; round++)
        ask_together(reference, round % 2);
    mm_free(reference);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_stay_the_same),
        cmocka_unit_test(test_a_small_table_is_copied_at_once),
        cmocka_unit_test(test_without_a_run_it_is_copied_too),
        cmocka_unit_test(test_the_file_may_be_cut_afterwards),
        cmocka_unit_test(test_freed_at_any_moment),
        cmocka_unit_test(test_a_look_up_is_waited_for),
        cmocka_unit_test(test_a_large_table_is_checked),
        cmocka_unit_test(test_matrices_give_the_same_bits),
        cmocka_unit_test(test_matrices_settle_without_a_run),
        cmocka_unit_test(test_waiting_matrices_are_checked),
        cmocka_unit_test(test_overwritten_before_it_has_settled),
        cmocka_unit_test(test_many_ask_at_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
