// SPDX-License-Identifier: Apache-2.0
// Requests against a toy embedder: prompts, lengths, dimensions, ids, what is refused and how.
#include "check.h"
#include "scratch.h"
#include "toy.h"
#include "toy_embedder.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static toy_embedder toy;

// A toy with prompts of its own, 12 tokens at most and no Normalize module.
static const char modules_text[] =
    "[{\"idx\": 0, \"path\": \"\", \"type\": \"a.Transformer\"}, "
    "{\"idx\": 1, \"path\": \"1_Pooling\", \"type\": \"a.Pooling\"}]";
static const char prompts_text[] =
    "{\"prompts\": {\"query\": \"query : \", \"passage\": \"passage : \", \"nothing\": null}, "
    "\"default_prompt_name\": \"passage\", \"similarity_fn_name\": null}";

static void write_prompted(const char *name, const char *pooling) {
    assert_non_null(toy_write(name, NULL));
    assert_true(toy_write_text(name, "modules.json", modules_text));
    assert_true(toy_write_text(name, "1_Pooling/config.json", pooling));
    assert_true(toy_write_text(name, "config_sentence_transformers.json", prompts_text));
    assert_true(toy_write_text(name, "sentence_bert_config.json", "{\"max_seq_length\": 12}"));
}

static int set_up(void **state) {
    (void)state;
    if (!scratch_create())
        return -1;
    write_prompted("prompted", "{\"pooling_mode_mean_tokens\": true}");
    toy_embedder_open(&toy, scratch_path("prompted"), MM_COMPUTE_F32, 1);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    toy_embedder_close(&toy);
    scratch_remove();
    return 0;
}

static mm_status make_job(mm_embedding_job *job, const char *text,
                          const mm_embedding_options *options, mm_error *error) {
    const size_t length = strlen(text);
    *error = (mm_error){0};
    return mm_embedding_job_create(job, toy.embedder, &text, &length, 1, options, error);
}

static void expect_prompt(const mm_embedding_options *options, const char *expected) {
    mm_embedding_job job;
    mm_error error;
    assert_ok(make_job(&job, "hello", options, &error), error);
    if (expected)
        assert_string_equal(job.prompt, expected);
    else
        assert_null(job.prompt);
    mm_embedding_job_free(&job);
}

static void test_choice_of_prompt(void **state) {
    (void)state;
    expect_prompt(NULL, "passage : ");
    expect_prompt(&(mm_embedding_options){.prompt_name = "query"}, "query : ");
    expect_prompt(&(mm_embedding_options){.prompt = "own ", .prompt_name = "query"}, "own ");
    expect_prompt(&(mm_embedding_options){.prompt = ""}, NULL);
    expect_prompt(&(mm_embedding_options){.prompt_name = "nothing"}, NULL);
    expect_prompt(&(mm_embedding_options){.input_role = MM_ROLE_QUERY}, "query : ");
    expect_prompt(&(mm_embedding_options){.input_role = MM_ROLE_QUERY, .prompt_name = "passage"},
                  "passage : ");
    // encode_document of the reference library never falls to "passage", nor to the default.
    expect_prompt(&(mm_embedding_options){.input_role = MM_ROLE_DOCUMENT}, NULL);

    mm_embedding_job job;
    mm_error error;
    assert_status(make_job(&job, "a", &(mm_embedding_options){.prompt_name = "summary"}, &error),
                  MM_STATUS_INVALID_PARAMETER, error);
    assert_contains(error.message, "\"summary\"");
    assert_contains(error.message, "\"query\"");
    assert_status(make_job(&job, "a", &(mm_embedding_options){.prompt = "\xff"}, &error),
                  MM_STATUS_INVALID_PARAMETER, error);
}

static void test_built_in_prompts(void **state) {
    (void)state;
    static const struct {
        const char *model_name;
        mm_input_role role;
        const char *expected;
    } cases[] = {
        {"intfloat/e5-large-v2", MM_ROLE_QUERY, "query: "},
        {"intfloat/e5-large-v2", MM_ROLE_DOCUMENT, "passage: "},
        {"intfloat/e5-large-v2", MM_ROLE_NONE, NULL},
        {"mixedbread-ai/mxbai-embed-large-v1", MM_ROLE_QUERY,
         "Represent this sentence for searching relevant passages: "},
        {"mixedbread-ai/mxbai-embed-large-v1", MM_ROLE_DOCUMENT, NULL},
        {"nomic-ai/nomic-embed-text-v1.5", MM_ROLE_DOCUMENT, "search_document: "},
        {"sentence-transformers/all-MiniLM-L6-v2", MM_ROLE_QUERY, NULL},
    };
    const char *folder = toy_write("plain", NULL);
    const char *text = "hello";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mm_embedder *embedder;
        mm_embedding_job job;
        mm_error error = {0};
        assert_ok(mm_embedder_open(&embedder, folder, cases[i].model_name, toy.backend,
                                   MM_COMPUTE_F32, &error),
                  error);
        assert_ok(mm_embedding_job_create(&job, embedder, &text, &(size_t){5}, 1,
                                          &(mm_embedding_options){.input_role = cases[i].role},
                                          &error),
                  error);
        assert_string_equal(job.prompt ? job.prompt : "none",
                            cases[i].expected ? cases[i].expected : "none");
        mm_embedding_job_free(&job);
        mm_embedder_free(embedder);
    }
}

static void test_truncation(void **state) {
    (void)state;
    mm_embedding_job job;
    mm_error error;
    mm_embedding_options options = {.prompt = ""};
    const char *text = "a b c d e f g h i j k l m n o p"; // 16 tokens and two special ones
    assert_int_equal(mm_embedder_max_length(toy.embedder), 12);
    assert_ok(make_job(&job, text, &options, &error), error);
    assert_int_equal(job.tokens[0], 12);
    assert_true(job.truncated[0]);
    int32_t first = job.ids[1];
    mm_embedding_job_free(&job);

    options.truncate = MM_TRUNCATE_ON_LEFT;
    options.max_length = 5;
    assert_ok(make_job(&job, text, &options, &error), error);
    assert_int_equal(job.tokens[0], 5);
    assert_int_equal(job.ids[1], first + 13); // "n o p" is left
    mm_embedding_job_free(&job);

    options.truncate = MM_TRUNCATE_ERROR;
    assert_status(make_job(&job, text, &options, &error), MM_STATUS_INPUT_TOO_LONG, error);
    assert_contains(error.details, "\"index\": 0");
    assert_contains(error.message, "18 tokens");
    options.max_length = 12;
    assert_ok(make_job(&job, "a b c d e f g h i j", &options, &error), error);
    assert_false(job.truncated[0]);
    mm_embedding_job_free(&job);

    static const int64_t refused[] = {-1, 1, 13, INT64_MAX};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        options.max_length = refused[i];
        assert_status(make_job(&job, text, &options, &error), MM_STATUS_INVALID_PARAMETER, error);
        assert_contains(error.message, "max_length");
    }
    options.max_length = 2;
    options.truncate = MM_TRUNCATE_ON_RIGHT;
    assert_ok(make_job(&job, text, &options, &error), error);
    assert_int_equal(job.tokens[0], 2);
    mm_embedding_job_free(&job);
}

static void test_dimensions(void **state) {
    (void)state;
    const char *text = "hello world";
    int64_t dimension;
    float *whole = toy_embedder_run(&toy, &text, 1, NULL, &dimension);
    assert_int_equal(dimension, TOY_HIDDEN);
    mm_embedding_options options = {.dimensions = 5};
    float *cut = toy_embedder_run(&toy, &text, 1, &options, &dimension);
    assert_int_equal(dimension, 5);
    assert_memory_equal(whole, cut, 5 * sizeof *cut);
    options.normalize = true;
    float *unit = toy_embedder_run(&toy, &text, 1, &options, &dimension);
    double square = 0.0;
    double norm = 0.0;
    for (int i = 0; i < 5; i++) {
        square += (double)unit[i] * (double)unit[i];
        norm += (double)cut[i] * (double)cut[i];
    }
    assert_true(fabs(square - 1.0) < 1e-6);
    assert_true(fabs((double)unit[0] * sqrt(norm) - (double)cut[0]) < 1e-6);
    mm_free(whole);
    mm_free(cut);
    mm_free(unit);
    mm_embedding_job job;
    mm_error error;
    static const int64_t refused[] = {-1, TOY_HIDDEN + 1, INT64_MAX};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        options.dimensions = refused[i];
        assert_status(make_job(&job, text, &options, &error), MM_STATUS_INVALID_PARAMETER, error);
        assert_contains(error.message, "dimensions");
    }
}

static void test_bad_utf8(void **state) {
    (void)state;
    const char *texts[] = {"fine", "also", "br\xc3ken", "fine"};
    const size_t lengths[] = {4, 4, 6, 4};
    mm_embedding_job job;
    mm_error error = {0};
    assert_status(mm_embedding_job_create(&job, toy.embedder, texts, lengths, 4, NULL, &error),
                  MM_STATUS_INVALID_REQUEST, error);
    assert_contains(error.details, "\"index\": 2");
    assert_contains(error.details, "\"byte\": 2");
    assert_null(job.ids);
    const char *zero = "a\0b"; // U+0000 is a character like any other
    assert_ok(mm_embedding_job_create(&job, toy.embedder, &zero, &(size_t){3}, 1, NULL, &error),
              error);
    mm_embedding_job_free(&job);
}

static void test_large_text(void **state) {
    (void)state;
    enum { LARGE = 10 << 20 };
    char *text = mm_malloc(LARGE + 1);
    assert_non_null(text);
    for (size_t i = 0; i < LARGE; i++)
        text[i] = i % 5 == 4 ? ' ' : 'a';
    text[LARGE] = '\0';
    mm_embedding_job job;
    mm_error error;
    assert_ok(make_job(&job, text, NULL, &error), error);
    assert_int_equal(job.tokens[0], 12);
    assert_true(job.truncated[0]);
    float vector[TOY_HIDDEN];
    assert_ok(mm_embedder_run(toy.embedder, toy.session, &job, vector, &error), error);
    mm_embedding_job_free(&job);
    mm_embedding_options options = {.truncate = MM_TRUNCATE_ERROR};
    assert_status(make_job(&job, text, &options, &error), MM_STATUS_INPUT_TOO_LONG, error);
    mm_free(text);
}

static void test_token_ids(void **state) {
    (void)state;
    mm_embedding_job job;
    mm_error error = {0};
    const char *text = "hello world";
    mm_embedding_options options = {.prompt = ""};
    assert_ok(make_job(&job, text, &options, &error), error);
    const int32_t *ids[] = {job.ids, job.ids};
    size_t lengths[] = {(size_t)job.tokens[0], 0};
    float by_text[TOY_HIDDEN];
    float by_ids[2 * TOY_HIDDEN];
    assert_ok(mm_embedder_run(toy.embedder, toy.session, &job, by_text, &error), error);
    mm_embedding_job same;
    assert_ok(mm_embedding_job_from_ids(&same, toy.embedder, ids, lengths, 2, NULL, &error), error);
    assert_null(same.prompt);
    assert_ok(mm_embedder_run(toy.embedder, toy.session, &same, by_ids, &error), error);
    assert_memory_equal(by_text, by_ids, sizeof by_text);
    for (int i = 0; i < TOY_HIDDEN; i++) // without any token there is no direction
        assert_true(by_ids[TOY_HIDDEN + i] == 0.0F);
    mm_embedding_job_free(&same);
    mm_embedding_job_free(&job);

    int32_t many[20];
    for (int i = 0; i < 20; i++)
        many[i] = 5 + i;
    const int32_t *list = many;
    options.truncate = MM_TRUNCATE_ON_LEFT;
    assert_ok(
        mm_embedding_job_from_ids(&job, toy.embedder, &list, &(size_t){20}, 1, &options, &error),
        error);
    assert_int_equal(job.tokens[0], 12);
    assert_true(job.truncated[0]);
    assert_int_equal(job.ids[11], many[19]);
    mm_embedding_job_free(&job);
    options.truncate = MM_TRUNCATE_ERROR;
    assert_status(
        mm_embedding_job_from_ids(&job, toy.embedder, &list, &(size_t){20}, 1, &options, &error),
        MM_STATUS_INPUT_TOO_LONG, error);
    static const int32_t bad[] = {TOY_VOCABULARY, -1, INT32_MIN};
    for (int i = 0; i < 3; i++) {
        many[2] = bad[i];
        assert_status(
            mm_embedding_job_from_ids(&job, toy.embedder, &list, &(size_t){5}, 1, NULL, &error),
            MM_STATUS_INVALID_REQUEST, error);
        assert_contains(error.details, "\"index\": 0");
    }
}

static void test_nothing_to_do(void **state) {
    (void)state;
    mm_embedding_job job;
    mm_error error = {0};
    assert_ok(mm_embedding_job_create(&job, toy.embedder, NULL, NULL, 0, NULL, &error), error);
    assert_int_equal(job.count, 0);
    assert_int_equal(job.dimension, TOY_HIDDEN);
    float nothing = 7.0F;
    assert_ok(mm_embedder_run(toy.embedder, toy.session, &job, &nothing, &error), error);
    assert_true(nothing == 7.0F);
    mm_embedding_job_free(&job);
    mm_embedding_job_free(&job);
    mm_embedder_free(NULL);
}

static void test_excluded_prompt(void **state) {
    (void)state;
    write_prompted("excluded", "{\"pooling_mode_cls_token\": true, \"include_prompt\": false}");
    toy_embedder other = {0};
    toy_embedder_open(&other, scratch_path("excluded"), MM_COMPUTE_F32, 1);
    mm_embedding_job job;
    mm_error error = {0};
    const char *text = "hello world";
    const size_t length = 11;
    assert_ok(mm_embedding_job_create(&job, other.embedder, &text, &length, 1, NULL, &error),
              error);
    assert_int_equal(job.skip, 3); // [CLS] passage :
    float by_default[TOY_HIDDEN];
    assert_ok(mm_embedder_run(other.embedder, other.session, &job, by_default, &error), error);
    mm_embedding_job_free(&job);
    // Only the prompt itself fits; its own tokens but the last are left out.
    mm_embedding_options options = {.max_length = 3};
    assert_ok(mm_embedding_job_create(&job, other.embedder, &text, &length, 1, &options, &error),
              error);
    assert_int_equal(job.skip, 2);
    assert_ok(mm_embedder_run(other.embedder, other.session, &job, by_default, &error), error);
    mm_embedding_job_free(&job);
    toy_embedder_close(&other);
}

static void test_vocabulary_larger_than_table(void **state) {
    (void)state;
    const char *folder = toy_write("small-table", &(toy_options){.vocabulary_rows = 60});
    toy_embedder other = {0};
    toy_embedder_open(&other, folder, MM_COMPUTE_F32, 1);
    mm_embedding_job job;
    mm_error error = {0};
    const char *texts[] = {"hello", "passage"}; // ids 57 and 60
    const size_t lengths[] = {5, 7};
    assert_ok(mm_embedding_job_create(&job, other.embedder, texts, lengths, 1, NULL, &error),
              error);
    mm_embedding_job_free(&job);
    assert_status(mm_embedding_job_create(&job, other.embedder, texts, lengths, 2, NULL, &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    assert_contains(error.details, "\"index\": 1");
    toy_embedder_close(&other);
}

// Runs a toy whose tensor `name` holds values that overflow.
static void expect_overflow(const char *name, const char *layer) {
    toy_embedder other = {0};
    toy_embedder_open(&other, toy_write("overflow", &(toy_options){.overflow = name}),
                      MM_COMPUTE_F32, 1);
    mm_embedding_job job;
    mm_error error = {0};
    const char *texts[] = {"hello", "world hello"};
    const size_t lengths[] = {5, 11};
    float vectors[2 * TOY_HIDDEN];
    assert_ok(mm_embedding_job_create(&job, other.embedder, texts, lengths, 2, NULL, &error),
              error);
    assert_status(mm_embedder_run(other.embedder, other.session, &job, vectors, &error),
                  MM_STATUS_INTERNAL, error);
    assert_contains(error.details, layer);
    assert_contains(error.details, "\"dtype\": \"f32\"");
    mm_embedding_job_free(&job);
    toy_embedder_close(&other);
}

static void test_numbers_that_break(void **state) {
    (void)state;
    mm_error error;
    const char *folder =
        toy_write("nan", &(toy_options){.poison = "encoder.layer.1.output.dense.weight"});
    assert_status(toy_embedder_try(folder, &error), MM_STATUS_MODEL_CORRUPT, error);
    assert_contains(error.message, "encoder.layer.1.output.dense.weight");
    expect_overflow("encoder.layer.1.output.dense.weight", "\"layer\": 1,");
    expect_overflow("encoder.layer.0.intermediate.dense.weight", "\"layer\": 0,");
    expect_overflow("embeddings.word_embeddings.weight", "\"layer\": -1,");
}

static void test_fingerprint(void **state) {
    (void)state;
    mm_error error = {0};
    mm_embedder *embedder;
    char first[65];
    snprintf(first, sizeof first, "%s", mm_embedder_fingerprint(toy.embedder));
    assert_int_equal(strspn(first, "0123456789abcdef"), 64);
    const char *folder = scratch_path("prompted");
    assert_ok(mm_embedder_open(&embedder, folder, NULL, toy.backend, MM_COMPUTE_F32, &error),
              error);
    assert_string_equal(mm_embedder_fingerprint(embedder), first);
    assert_true(mm_embedder_parameters(embedder) > 1000);
    assert_true(mm_embedder_file_bytes(embedder) > 4000);
    assert_true(mm_embedder_weight_bytes(embedder) > 4000);
    mm_embedder_free(embedder);
    write_prompted("changed", "{\"pooling_mode_max_tokens\": true}");
    assert_ok(mm_embedder_open(&embedder, scratch_path("changed"), NULL, toy.backend,
                               MM_COMPUTE_F32, &error),
              error);
    assert_string_not_equal(mm_embedder_fingerprint(embedder), first);
    mm_embedder_free(embedder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice_of_prompt),
        cmocka_unit_test(test_built_in_prompts),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_dimensions),
        cmocka_unit_test(test_bad_utf8),
        cmocka_unit_test(test_large_text),
        cmocka_unit_test(test_token_ids),
        cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_excluded_prompt),
        cmocka_unit_test(test_vocabulary_larger_than_table),
        cmocka_unit_test(test_numbers_that_break),
        cmocka_unit_test(test_fingerprint),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
