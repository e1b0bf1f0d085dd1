// SPDX-License-Identifier: Apache-2.0
// The files around a model: modules.json and what its modules say, each broken in turn.
#include "check.h"
#include "scratch.h"
#include "toy.h"
#include "toy_embedder.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int set_up(void **state) {
    (void)state;
    return scratch_create() ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

#define TRANSFORMER "{\"path\": \"\", \"type\": \"sentence_transformers.models.Transformer\"}"
#define POOLING ", {\"path\": \"1_Pooling\", \"type\": \"sentence_transformers.models.Pooling\"}"
#define DENSE ", {\"path\": \"2_Dense\", \"type\": \"sentence_transformers.base.modules.Dense\"}"
#define NORM ", {\"path\": \"2_LayerNorm\", \"type\": \"LayerNorm\"}"
#define NORMALIZE ", {\"path\": \"3_Normalize\", \"type\": \"x.Normalize\"}"
#define MEAN "{\"pooling_mode_mean_tokens\": true}"

typedef struct broken_case {
    const char *file, *text;
    mm_status status;
    const char *part; // of the message
} broken_case;

// Writes the toy with the given modules and one more file, and opens it.
static void expect(const char *modules, const broken_case *wrong) {
    static int number;
    char name[32];
    snprintf(name, sizeof name, "broken-%d", number++);
    assert_non_null(toy_write(name, NULL));
    assert_true(toy_write_text(name, "modules.json", modules));
    assert_true(toy_write_text(name, "1_Pooling/config.json", MEAN));
    if (wrong->file)
        assert_true(toy_write_text(name, wrong->file, wrong->text));
    mm_error error;
    assert_status(toy_embedder_try(scratch_path(name), &error), wrong->status, error);
    if (wrong->part)
        assert_contains(error.message, wrong->part);
}

static void test_modules_json(void **state) {
    (void)state;
    static const struct {
        const char *modules;
        mm_status status;
        const char *part;
    } cases[] = {
        {"[" TRANSFORMER, MM_STATUS_MODEL_CORRUPT, "modules.json"},
        {"{}", MM_STATUS_MODEL_CORRUPT, "a list"},
        {"[]", MM_STATUS_MODEL_UNSUPPORTED, "first module"},
        {"[1]", MM_STATUS_MODEL_CORRUPT, "module 0"},
        {"[{\"type\": \"Transformer\"}]", MM_STATUS_MODEL_CORRUPT, "\"path\""},
        {"[" TRANSFORMER "]", MM_STATUS_MODEL_UNSUPPORTED, "Pooling"},
        {"[" TRANSFORMER POOLING POOLING "]", MM_STATUS_MODEL_UNSUPPORTED, "more than one"},
        {"[" TRANSFORMER NORMALIZE POOLING "]", MM_STATUS_MODEL_UNSUPPORTED, "between"},
        {"[" TRANSFORMER ", {\"path\": \"\", \"type\": \"a.b.WordWeights\"}]",
         MM_STATUS_MODEL_UNSUPPORTED, "a.b.WordWeights"},
        {"[" TRANSFORMER POOLING ", {\"path\": \"../up\", \"type\": \"Dense\"}]",
         MM_STATUS_MODEL_CORRUPT, "../up"},
        {"[" TRANSFORMER POOLING ", {\"path\": \"/etc\", \"type\": \"Dense\"}]",
         MM_STATUS_MODEL_CORRUPT, "/etc"},
        {"[" TRANSFORMER POOLING ", {\"path\": \"a/..\", \"type\": \"Dense\"}]",
         MM_STATUS_MODEL_CORRUPT, "a/.."},
        {"[" TRANSFORMER POOLING ", {\"path\": \"..\\u0000\", \"type\": \"Dense\"}]",
         MM_STATUS_MODEL_CORRUPT, "folder"},
        {"[" TRANSFORMER POOLING DENSE "]", MM_STATUS_MODEL_CORRUPT, "in_features"},
        {"[" TRANSFORMER ", {\"path\": \"9\", \"type\": \"Pooling\"}]", MM_STATUS_MODEL_CORRUPT,
         "9/config.json"},
        {"[" TRANSFORMER POOLING NORM "]", MM_STATUS_MODEL_CORRUPT, "2_LayerNorm"},
        {"[" TRANSFORMER ", {\"path\": \"d\", \"type\": \"Dropout\"}" POOLING NORMALIZE "]",
         MM_STATUS_OK, NULL},
        {"[" TRANSFORMER POOLING ", {\"path\": \"..a/b.c\", \"type\": \"Normalize\"}]",
         MM_STATUS_OK, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(cases[i].modules, &(broken_case){.status = cases[i].status, .part = cases[i].part});
}

static void test_side_files(void **state) {
    (void)state;
    static const broken_case cases[] = {
        {"1_Pooling/config.json", "{\"pooling_mode\": \"middle\"}", MM_STATUS_MODEL_UNSUPPORTED,
         "middle"},
        {"1_Pooling/config.json", "{\"pooling_mode\": []}", MM_STATUS_MODEL_CORRUPT, "empty"},
        {"1_Pooling/config.json", "{\"pooling_mode\": 3}", MM_STATUS_MODEL_CORRUPT, "pooling_mode"},
        {"1_Pooling/config.json", "{\"pooling_mode_cls_token\": 1}", MM_STATUS_MODEL_CORRUPT,
         "pooling_mode_cls_token"},
        {"1_Pooling/config.json", "{\"include_prompt\": \"no\"}", MM_STATUS_MODEL_CORRUPT,
         "include_prompt"},
        {"1_Pooling/config.json", "[]", MM_STATUS_MODEL_CORRUPT, "object"},
        {"1_Pooling/config.json", "{\"pooling_mode\": [\"max\", \"cls\"]}", MM_STATUS_OK, NULL},
        {"1_Pooling/config.json", "{}", MM_STATUS_OK, NULL},
        {"sentence_bert_config.json", "{\"max_seq_length\": 0}", MM_STATUS_MODEL_CORRUPT,
         "max_seq_length"},
        {"sentence_bert_config.json", "{\"max_seq_length\": 1}", MM_STATUS_MODEL_CORRUPT,
         "special"},
        {"sentence_bert_config.json", "{\"do_lower_case\": 1}", MM_STATUS_MODEL_CORRUPT,
         "do_lower_case"},
        {"sentence_bert_config.json", "{", MM_STATUS_MODEL_CORRUPT, "sentence_bert_config.json"},
        {"sentence_roberta_config.json", "{\"max_seq_length\": \"x\"}", MM_STATUS_MODEL_CORRUPT,
         "sentence_roberta_config.json"},
        {"sentence_bert_config.json", "{\"max_seq_length\": null, \"unknown\": [1]}", MM_STATUS_OK,
         NULL},
        {"config_sentence_transformers.json", "{\"prompts\": [1]}", MM_STATUS_MODEL_CORRUPT,
         "prompts"},
        {"config_sentence_transformers.json", "{\"prompts\": {\"q\": 1}}", MM_STATUS_MODEL_CORRUPT,
         "\"q\""},
        {"config_sentence_transformers.json", "{\"prompts\": {\"q\": \"a\\u0000\"}}",
         MM_STATUS_MODEL_CORRUPT, "U+0000"},
        {"config_sentence_transformers.json", "{\"default_prompt_name\": \"q\"}",
         MM_STATUS_MODEL_CORRUPT, "default_prompt_name"},
        {"config_sentence_transformers.json", "{\"truncate_dim\": 0}", MM_STATUS_MODEL_CORRUPT,
         "truncate_dim"},
        {"config_sentence_transformers.json",
         "{\"default_prompt_name\": \"query\", \"prompts\": null, \"truncate_dim\": 99}",
         MM_STATUS_OK, NULL},
        {"config.json", "{\"model_type\": \"bert\"", MM_STATUS_MODEL_CORRUPT, "config.json"},
        {"config.json", "{\"model_type\": \"t6\"}", MM_STATUS_MODEL_UNSUPPORTED, "t6"},
        {"config.json", "{\"hidden_size\": 16}", MM_STATUS_MODEL_UNSUPPORTED, "no \"model_type\""},
        {"model.safetensors", "", MM_STATUS_MODEL_CORRUPT, "model.safetensors"},
        {"3_Normalize/config.json", "{\"module_input_name\": \"token_embeddings\"}",
         MM_STATUS_MODEL_UNSUPPORTED, "token_embeddings"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect("[" TRANSFORMER POOLING NORMALIZE "]", &cases[i]);
}

static void test_missing_folder(void **state) {
    (void)state;
    mm_error error;
    assert_status(toy_embedder_try(scratch_path("nowhere"), &error), MM_STATUS_MODEL_NOT_FOUND,
                  error);
    assert_true(toy_write_text("empty", "README.md", "nothing here\n"));
    assert_status(toy_embedder_try(scratch_path("empty"), &error), MM_STATUS_MODEL_NOT_FOUND,
                  error);
    assert_true(toy_write_text("no-weights", "config.json", "{\"model_type\": \"bert\"}"));
    assert_status(toy_embedder_try(scratch_path("no-weights"), &error), MM_STATUS_MODEL_NOT_FOUND,
                  error);
}

// ---- Dense and LayerNorm -----------------------------------------------------------------------

static const char *write_dense(const char *name, const char *config, int64_t out, int64_t in) {
    assert_non_null(toy_write(name, NULL));
    assert_true(toy_write_text(name, "modules.json", "[" TRANSFORMER POOLING DENSE "]"));
    assert_true(toy_write_text(name, "1_Pooling/config.json", MEAN));
    assert_true(toy_write_text(name, "2_Dense/config.json", config));
    assert_true(toy_write_layer(name, "2_Dense/model.safetensors", "linear.weight", "linear.bias",
                                out, in));
    return scratch_path(name);
}

static void test_dense_is_checked(void **state) {
    (void)state;
    static const struct {
        const char *config;
        mm_status status;
        const char *part;
    } cases[] = {
        {"{\"in_features\": 16}", MM_STATUS_MODEL_CORRUPT, "out_features"},
        {"{\"in_features\": 17, \"out_features\": 8}", MM_STATUS_MODEL_CORRUPT, "17"},
        {"{\"in_features\": 16, \"out_features\": 9}", MM_STATUS_MODEL_CORRUPT, "linear.weight"},
        {"{\"in_features\": 16, \"out_features\": 0}", MM_STATUS_MODEL_CORRUPT, "out_features"},
        {"{\"in_features\": 16, \"out_features\": 8, \"activation_function\": \"my.Tanh\"}",
         MM_STATUS_MODEL_UNSUPPORTED, "my.Tanh"},
        {"{\"in_features\": 16, \"out_features\": 8, \"activation_function\": \"torch.nn.Mish\"}",
         MM_STATUS_MODEL_UNSUPPORTED, "torch.nn.Mish"},
        {"{\"in_features\": 16, \"out_features\": 8, \"use_residual\": true}",
         MM_STATUS_MODEL_CORRUPT, "residual.weight"},
        {"{\"in_features\": 16, \"out_features\": 8, \"module_output_name\": \"other\"}",
         MM_STATUS_MODEL_UNSUPPORTED, "other"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mm_error error;
        const char *folder = write_dense("dense", cases[i].config, 8, 16);
        assert_status(toy_embedder_try(folder, &error), cases[i].status, error);
        assert_contains(error.message, cases[i].part);
    }
}

// Runs one text through the toy with the given Dense configuration.
static float *run_dense(const char *name, const char *config, int64_t out) {
    toy_embedder toy = {0};
    const char *text = "hello world";
    int64_t dimension;
    toy_embedder_open(&toy, write_dense(name, config, out, 16), MM_COMPUTE_F32, 1);
    float *vector = toy_embedder_run(&toy, &text, 1, NULL, &dimension);
    assert_int_equal(dimension, out);
    toy_embedder_close(&toy);
    return vector;
}

static void test_dense_functions(void **state) {
    (void)state;
    float *plain = run_dense("identity",
                             "{\"in_features\": 16, \"out_features\": 8, \"activation_function\": "
                             "\"torch.nn.modules.linear.Identity\"}",
                             8);
    float *tanhs = run_dense("tanh", "{\"in_features\": 16, \"out_features\": 8}", 8);
    float *relus = run_dense("relu",
                             "{\"in_features\": 16, \"out_features\": 8, \"activation_function\": "
                             "\"torch.nn.modules.activation.ReLU\"}",
                             8);
    for (int i = 0; i < 8; i++) {
        assert_true(fabs(tanh((double)plain[i]) - (double)tanhs[i]) < 1e-5);
        assert_true(fabs(fmax((double)plain[i], 0.0) - (double)relus[i]) < 1e-6);
    }
    mm_free(plain);
    mm_free(tanhs);
    mm_free(relus);
}

static void test_dense_residual(void **state) {
    (void)state;
    toy_embedder toy = {0};
    const char *text = "hello world";
    int64_t dimension;
    toy_embedder_open(&toy, toy_write("no-head", NULL), MM_COMPUTE_F32, 1);
    float *input = toy_embedder_run(&toy, &text, 1, NULL, &dimension);
    toy_embedder_close(&toy);
    float *without = run_dense("without", "{\"in_features\": 16, \"out_features\": 16}", 16);
    float *with = run_dense(
        "with", "{\"in_features\": 16, \"out_features\": 16, \"use_residual\": true}", 16);
    for (int i = 0; i < 16; i++)
        assert_true(fabs((double)with[i] - (double)without[i] - (double)input[i]) < 1e-5);
    mm_free(input);
    mm_free(without);
    mm_free(with);
}

static void test_layer_norm(void **state) {
    (void)state;
    assert_non_null(toy_write("norm", NULL));
    assert_true(toy_write_text("norm", "modules.json", "[" TRANSFORMER POOLING NORM "]"));
    assert_true(toy_write_text("norm", "1_Pooling/config.json", MEAN));
    assert_true(toy_write_layer("norm", "2_LayerNorm/model.safetensors", "norm.weight", "norm.bias",
                                16, 0));
    mm_error error;
    assert_true(toy_write_text("norm", "2_LayerNorm/config.json", "{\"dimension\": 15}"));
    assert_status(toy_embedder_try(scratch_path("norm"), &error), MM_STATUS_MODEL_CORRUPT, error);
    assert_contains(error.message, "15");
    assert_true(toy_write_text("norm", "2_LayerNorm/config.json", "{\"dimension\": 16}"));
    assert_ok(toy_embedder_try(scratch_path("norm"), &error), error);
}

// An old sentence-transformers layout keeps the transformer in a folder of its own.
static void test_transformer_in_a_folder(void **state) {
    (void)state;
    toy_embedder toy = {0};
    const char *text = "hello world";
    int64_t dimension;
    toy_embedder_open(&toy, toy_write("flat", NULL), MM_COMPUTE_F32, 1);
    float *flat = toy_embedder_run(&toy, &text, 1, NULL, &dimension);
    toy_embedder_close(&toy);
    assert_non_null(toy_write("nested/0_Transformer", NULL));
    assert_true(toy_write_text("nested/0_Transformer", "sentence_distilbert_config.json",
                               "{\"max_seq_length\": 9}"));
    assert_true(toy_write_text("nested", "modules.json",
                               "[{\"path\": \"0_Transformer\", \"type\": \"Transformer\"}" POOLING
                               "]"));
    assert_true(toy_write_text("nested", "1_Pooling/config.json", MEAN));
    toy_embedder_open(&toy, scratch_path("nested"), MM_COMPUTE_F32, 1);
    assert_int_equal(mm_embedder_max_length(toy.embedder), 9);
    float *nested = toy_embedder_run(&toy, &text, 1, NULL, &dimension);
    assert_memory_equal(flat, nested, TOY_HIDDEN * sizeof *flat);
    toy_embedder_close(&toy);
    mm_free(flat);
    mm_free(nested);
}

static void test_lengths(void **state) {
    (void)state;
    static const struct {
        const char *file, *text;
        size_t expected;
    } cases[] = {
        {"sentence_bert_config.json", "{\"max_seq_length\": 20}", 20},
        {"sentence_bert_config.json", "{\"max_seq_length\": 512}", TOY_POSITIONS},
        {"sentence_bert_config.json",
         "{\"max_seq_length\": 20, \"tokenizer_args\": {\"model_max_length\": 30}}", 30},
        {"tokenizer_config.json",
         "{\"tokenizer_class\": \"BertTokenizer\", \"model_max_length\": 25}", 25},
        {"tokenizer_config.json",
         "{\"tokenizer_class\": \"BertTokenizer\", \"model_max_length\": 512}", TOY_POSITIONS},
        {"README.md", "", TOY_POSITIONS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "length-%zu", i);
        toy_embedder toy = {0};
        assert_non_null(toy_write(name, NULL));
        assert_true(toy_write_text(name, "modules.json", "[" TRANSFORMER POOLING "]"));
        assert_true(toy_write_text(name, "1_Pooling/config.json", MEAN));
        assert_true(toy_write_text(name, cases[i].file, cases[i].text));
        toy_embedder_open(&toy, scratch_path(name), MM_COMPUTE_F32, 1);
        assert_int_equal(mm_embedder_max_length(toy.embedder), cases[i].expected);
        toy_embedder_close(&toy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modules_json),    cmocka_unit_test(test_side_files),
        cmocka_unit_test(test_missing_folder),  cmocka_unit_test(test_dense_is_checked),
        cmocka_unit_test(test_dense_functions), cmocka_unit_test(test_dense_residual),
        cmocka_unit_test(test_layer_norm),      cmocka_unit_test(test_transformer_in_a_folder),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
