// SPDX-License-Identifier: Apache-2.0
// The golden embedding folders, end to end: token ids equal to the reference library's, vectors
// equal to its float64 values within the stated tolerance.
#include "check.h"
#include "golden_folders.h"

#include "base/memory.h"
#include "compute/cpu/cpu.h"
#include "tasks/embedding.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct loaded {
    mm_backend *backend;
    mm_embedder *embedder;
    mm_session *session;
} loaded;

typedef struct golden_progress {
    size_t required; // folders of ../shared that must run and did
    size_t ran;
    mm_compute_dtype dtype;
} golden_progress;

static void unload(loaded *all) {
    mm_session_free(all->session);
    mm_embedder_free(all->embedder);
    mm_backend_free(all->backend);
    *all = (loaded){0};
}

// False for what this version does not support.
static bool load(loaded *all, const golden_case *golden, mm_compute_dtype dtype) {
    mm_error error = {0};
    assert_ok(mm_backend_cpu_create(&all->backend, &error), error);
    all->backend->large = 0; // the first passes find matrices in files, later ones in their places
    mm_status status =
        mm_embedder_open(&all->embedder, golden->folder, NULL, all->backend, dtype, &error);
    if (status == MM_STATUS_MODEL_UNSUPPORTED && !golden_is_required(golden->name)) {
        print_message("%s: not built yet (%s)\n", golden->name, error.message);
        unload(all);
        return false;
    }
    assert_ok(status, error);
    assert_ok(mm_embedder_load(all->embedder, MM_PACK_ON_NEED, 2, &error), error);
    assert_ok(mm_session_create(&all->session, all->backend, 2, &error), error);
    assert_ok(mm_embedder_prepare_session(all->embedder, all->session, &error), error);
    return true;
}

static mm_embedding_options options_of(const json_t *run) {
    const char *method = json_string_value(json_object_get(run, "method"));
    const json_t *args = json_object_get(run, "args");
    mm_embedding_options options = {
        .prompt = json_string_value(json_object_get(args, "prompt")),
        .prompt_name = json_string_value(json_object_get(args, "prompt_name")),
        .dimensions = json_integer_value(json_object_get(args, "truncate_dim")),
        .normalize = json_is_true(json_object_get(args, "normalize_embeddings")),
    };
    if (strcmp(method, "encode_query") == 0)
        options.input_role = MM_ROLE_QUERY;
    else if (strcmp(method, "encode_document") == 0)
        options.input_role = MM_ROLE_DOCUMENT;
    else
        assert_string_equal(method, "encode");
    return options;
}

static void check_ids(const golden_case *golden, const mm_embedding_job *job, const json_t *run) {
    const json_t *lists = json_object_get(run, "token_ids");
    for (size_t t = 0; t < job->count; t++) {
        const json_t *ids = json_array_get(lists, t);
        if (json_array_size(ids) != (size_t)job->tokens[t])
            fail_msg("%s: text %zu has %d tokens, expected %zu", golden->name, t, job->tokens[t],
                     json_array_size(ids));
        for (size_t i = 0; i < json_array_size(ids); i++) {
            int32_t id = job->ids[job->starts[t] + i];
            if (id != json_integer_value(json_array_get(ids, i)))
                fail_msg("%s: text %zu, token %zu is %d, expected %lld", golden->name, t, i, id,
                         (long long)json_integer_value(json_array_get(ids, i)));
        }
    }
}

static void check_run(const golden_case *golden, const loaded *all, const json_t *run,
                      mm_compute_dtype dtype) {
    const json_t *texts = json_object_get(golden->data, "texts");
    const size_t count = json_array_size(texts);
    const char **pointers = mm_calloc(count, sizeof *pointers);
    size_t *lengths = mm_calloc(count, sizeof *lengths);
    for (size_t i = 0; i < count; i++) {
        pointers[i] = json_string_value(json_array_get(texts, i));
        lengths[i] = json_string_length(json_array_get(texts, i));
    }
    mm_embedding_options options = options_of(run);
    mm_embedding_job job;
    mm_error error = {0};
    assert_ok(
        mm_embedding_job_create(&job, all->embedder, pointers, lengths, count, &options, &error),
        error);
    const char *prompt = json_string_value(json_object_get(run, "prompt_used"));
    assert_string_equal(job.prompt ? job.prompt : "", prompt ? prompt : "");
    assert_int_equal(job.dimension, json_integer_value(json_object_get(run, "dim")));
    check_ids(golden, &job, run);
    const size_t dimension = (size_t)job.dimension;
    float *vectors = mm_malloc(count * dimension * sizeof *vectors);
    assert_ok(mm_embedder_run(all->embedder, all->session, &job, vectors, &error), error);
    double worst = 0.0;
    for (size_t i = 0; i < count; i++) {
        const json_t *expected = json_array_get(json_object_get(run, "embeddings_f64"), i);
        char what[128];
        snprintf(what, sizeof what, "%s, text %zu", golden->name, i);
        double difference = dtype == MM_COMPUTE_F32
                                ? golden_compare(vectors + i * dimension, expected, dimension,
                                                 golden->tolerance, 0.999999, what)
                                : golden_compare(vectors + i * dimension, expected, dimension,
                                                 INFINITY, 0.999, what);
        worst = fmax(worst, difference);
    }
    print_message("%s: %zu texts, largest difference %.2g\n", golden->name, count, worst);
    mm_free(vectors);
    mm_embedding_job_free(&job);
    mm_free(lengths);
    mm_free(pointers);
}

static void check_folder(const golden_case *golden, void *payload) {
    golden_progress *progress = payload;
    loaded all = {0};
    if (!load(&all, golden, progress->dtype))
        return;
    size_t i;
    json_t *run;
    json_array_foreach(json_object_get(golden->data, "runs"), i, run)
        check_run(golden, &all, run, progress->dtype);
    unload(&all);
    progress->ran++;
    progress->required += golden_is_required(golden->name);
}

static void test_f32(void **state) {
    (void)state;
    golden_progress progress = {.dtype = MM_COMPUTE_F32};
    golden_each("embedding", check_folder, &progress);
    if (golden_required_count() == 0)
        print_message("no ../shared: only this repository's own golden folders were run\n");
    assert_true(progress.required >= golden_required_count());
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
    golden_progress progress = {.dtype = MM_COMPUTE_BF16};
    golden_each("embedding", check_folder, &progress);
    assert_true(progress.required >= golden_required_count());
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_f32), cmocka_unit_test(test_bf16)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
