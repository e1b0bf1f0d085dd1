// SPDX-License-Identifier: Apache-2.0
// Memory that runs out at any point of opening, loading and running a model: each time the status
// says so, nothing leaks (run under ASan), and the next attempt works; with weights that are packed
// in the background, and with all packed at once. Covered are the library's own allocator and
// jansson's hooks; what oneDNN and libcrypto allocate for themselves is not.
#include "check.h"
#include "scratch.h"
#include "toy.h"

#include "base/json.h"
#include "base/memory.h"
#include "compute/cpu/cpu.h"
#include "tasks/embedding.h"

#include <string.h>

static const char *folder;

static int set_up(void **state) {
    (void)state;
    json_set_alloc_funcs(mm_malloc, mm_free);
    if (!scratch_create() ||
        !toy_write("toy", &(toy_options){.vocabulary_rows = 20000, .aligned = true}) ||
        !toy_write_text("toy", "modules.json",
                        "[{\"path\": \"\", \"type\": \"Transformer\"}, {\"path\": \"1_Pooling\", "
                        "\"type\": \"Pooling\"}, {\"path\": \"2_Dense\", \"type\": \"Dense\"}, "
                        "{\"path\": \"3_Normalize\", \"type\": \"Normalize\"}]") ||
        !toy_write_text("toy", "1_Pooling/config.json",
                        "{\"pooling_mode\": [\"cls\", \"mean\"], \"include_prompt\": false}") ||
        !toy_write_text("toy", "2_Dense/config.json",
                        "{\"in_features\": 32, \"out_features\": 8}") ||
        !toy_write_layer("toy", "2_Dense/model.safetensors", "linear.weight", "linear.bias", 8,
                         32) ||
        !toy_write_text("toy", "config_sentence_transformers.json",
                        "{\"prompts\": {\"query\": \"query : \"}}") ||
        !toy_write_text("toy", "sentence_bert_config.json",
                        "{\"max_seq_length\": 20, \"do_lower_case\": true}"))
        return -1;
    folder = scratch_path("toy");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

// Everything from opening to vectors; the first failure's status.
static mm_status whole_way(mm_packing packing, float *vectors, mm_error *error) {
    static const char *const texts[] = {"hello world", "a b c", ""};
    static const size_t lengths[] = {11, 5, 0};
    const mm_embedding_options options = {.prompt_name = "query"};
    mm_backend *backend = NULL;
    mm_embedder *embedder = NULL;
    mm_session *session = NULL;
    mm_embedding_job job = {0};
    mm_status status = mm_backend_cpu_create(&backend, error);
    if (!status)
        backend->large = 0; // so that matrices wait too
    if (!status)
        status = mm_embedder_open(&embedder, folder, NULL, backend, MM_COMPUTE_F32, error);
    if (!status)
        status = mm_embedder_load(embedder, packing, 2, error);
    if (!status)
        status = mm_session_create(&session, backend, 2, error);
    if (!status)
        status = mm_embedder_prepare_session(embedder, session, error);
    if (!status)
        status = mm_embedding_job_create(&job, embedder, texts, lengths, 3, &options, error);
    if (!status)
        status = mm_embedder_run(embedder, session, &job, vectors, error);
    mm_embedding_job_free(&job);
    mm_session_free(session);
    mm_embedder_free(embedder);
    mm_backend_free(backend);
    return status;
}

static void fail_each(mm_packing packing) {
    float reference[3 * 8];
    float vectors[3 * 8];
    mm_error error = {0};
    mm_memory_fail_after(0, false);
    assert_ok(whole_way(packing, reference, &error), error);
    const size_t allocations = mm_memory_allocations();
    print_message("%zu allocations\n", allocations);
    assert_true(allocations > 50);
    for (int forever = 0; forever < 2; forever++) {
        size_t failed = 0;
        for (size_t n = 1; n <= allocations; n++) {
            error = (mm_error){0};
            memset(vectors, 0, sizeof vectors);
            mm_memory_fail_after(n, forever);
            mm_status status = whole_way(packing, vectors, &error);
            mm_memory_fail_after(0, false);
            if (status == MM_STATUS_OK) // it could do without that memory
                assert_memory_equal(vectors, reference, sizeof vectors);
            else if (status != MM_STATUS_OUT_OF_MEMORY)
                fail_msg("allocation %zu: %s: %s", n, mm_status_name(status), error.message);
            failed += status != MM_STATUS_OK;
        }
        assert_true(failed > allocations / 2);
    }
    assert_ok(whole_way(packing, vectors, &error), error);
    assert_memory_equal(vectors, reference, sizeof vectors);
}

static void test_every_allocation_may_fail(void **state) {
    (void)state;
    fail_each(MM_PACK_ON_NEED);
}

static void test_without_a_background(void **state) {
    (void)state;
    fail_each(MM_PACK_ALL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_without_a_background),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
