// SPDX-License-Identifier: Apache-2.0
// Binding families to toy checkpoints: names old and new, and what each broken model is told.
#include "check.h"
#include "scratch.h"
#include "toy.h"

#include "models/model.h"

#include <stdio.h>
#include <string.h>

static mm_backend *backend;

static int set_up(void **state) {
    (void)state;
    return scratch_create() && mm_backend_cpu_create(&backend, NULL) == MM_STATUS_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    mm_backend_free(backend);
    scratch_remove();
    return 0;
}

// Writes the toy, binds it and gives the status; `info` (may be NULL) is filled on success.
static mm_status bind_toy(const toy_options *options, mm_model_info *info, mm_error *error) {
    mm_config *config = NULL;
    mm_checkpoint *checkpoint = NULL;
    mm_weights *weights = NULL;
    mm_model *model = NULL;
    *error = (mm_error){0};
    const char *folder = toy_write("toy", options);
    assert_non_null(folder);
    assert_ok(mm_config_open(&config, folder, error), *error);
    assert_ok(mm_checkpoint_open(&checkpoint, folder, error), *error);
    assert_ok(mm_weights_create(&weights, backend, MM_COMPUTE_F32, error), *error);
    mm_status status = mm_model_bind(&model, config, checkpoint, weights, MM_MODEL_EMBEDS, error);
    assert_int_equal(model != NULL, status == MM_STATUS_OK);
    if (model && info)
        *info = *mm_model_get_info(model);
    mm_model_free(model);
    mm_weights_free(weights);
    mm_checkpoint_free(checkpoint);
    mm_config_free(config);
    return status;
}

static void expect_failure(const toy_options *options, mm_status expected, const char *part) {
    mm_error error;
    assert_status(bind_toy(options, NULL, &error), expected, error);
    assert_contains(error.message, part);
}

static void test_families(void **state) {
    (void)state;
    static const struct {
        const char *model_type, *family, *prefix;
    } cases[] = {
        {"bert", "bert", NULL},          {"bert", "bert", "bert."},
        {"roberta", "bert", "roberta."}, {"distilbert", "distilbert", "distilbert."},
        {"mpnet", "mpnet", "mpnet."},    {"mpnet", "mpnet", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mm_error error;
        mm_model_info info;
        toy_options options = {.model_type = cases[i].model_type, .prefix = cases[i].prefix};
        assert_ok(bind_toy(&options, &info, &error), error);
        assert_string_equal(info.family, cases[i].family);
        assert_int_equal(info.hidden_size, TOY_HIDDEN);
        assert_int_equal(info.vocab_size, TOY_VOCABULARY);
        assert_int_equal(info.max_positions, TOY_POSITIONS);
        assert_int_equal(info.layers, TOY_LAYERS);
        assert_true(mm_model_type_known(cases[i].model_type));
    }
    assert_false(mm_model_type_known("mamba"));
}

static void test_old_names(void **state) {
    (void)state;
    mm_error error;
    assert_ok(bind_toy(&(toy_options){.prefix = "bert.", .old_norm_names = true}, NULL, &error),
              error);
}

static void test_unknown_type(void **state) {
    (void)state;
    mm_error error;
    toy_options options = {.model_type = "mamba"};
    assert_status(bind_toy(&options, NULL, &error), MM_STATUS_MODEL_UNSUPPORTED, error);
    assert_contains(error.message, "\"mamba\"");
    assert_contains(error.message, "distilbert");
}

// Every tensor of every family, one by one.
static void test_missing_tensors(void **state) {
    (void)state;
    static const char *const names[][2] = {
        {"bert", "embeddings.word_embeddings.weight"},
        {"bert", "embeddings.position_embeddings.weight"},
        {"bert", "embeddings.token_type_embeddings.weight"},
        {"bert", "embeddings.LayerNorm.weight"},
        {"bert", "embeddings.LayerNorm.bias"},
        {"bert", "encoder.layer.1.attention.self.query.weight"},
        {"bert", "encoder.layer.1.attention.self.key.bias"},
        {"bert", "encoder.layer.1.attention.self.value.weight"},
        {"bert", "encoder.layer.1.attention.output.dense.bias"},
        {"bert", "encoder.layer.1.attention.output.LayerNorm.weight"},
        {"bert", "encoder.layer.0.intermediate.dense.weight"},
        {"bert", "encoder.layer.0.output.dense.weight"},
        {"bert", "encoder.layer.0.output.LayerNorm.bias"},
        {"distilbert", "transformer.layer.1.attention.q_lin.weight"},
        {"distilbert", "transformer.layer.0.sa_layer_norm.bias"},
        {"distilbert", "transformer.layer.0.ffn.lin2.weight"},
        {"mpnet", "encoder.relative_attention_bias.weight"},
        {"mpnet", "encoder.layer.1.attention.attn.o.weight"},
        {"mpnet", "encoder.layer.1.attention.LayerNorm.bias"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        toy_options options = {.model_type = names[i][0], .leave_out = names[i][1]};
        expect_failure(&options, MM_STATUS_MODEL_CORRUPT, names[i][1]);
        options = (toy_options){.model_type = names[i][0], .reshape = names[i][1]};
        expect_failure(&options, MM_STATUS_MODEL_CORRUPT, names[i][1]);
    }
}

static void test_configurations(void **state) {
    (void)state;
    static const struct {
        const char *model_type, *more, *part;
        mm_status status;
    } cases[] = {
        {"bert", "\"position_embedding_type\": \"relative_key\"", "position_embedding_type",
         MM_STATUS_MODEL_UNSUPPORTED},
        {"bert", "\"is_decoder\": true", "is_decoder", MM_STATUS_MODEL_UNSUPPORTED},
        {"bert", "\"hidden_act\": \"quick_gelu\"", "quick_gelu", MM_STATUS_MODEL_UNSUPPORTED},
        {"bert", "\"hidden_act\": 3", "hidden_act", MM_STATUS_MODEL_CORRUPT},
        {"bert", "\"layer_norm_eps\": \"small\"", "layer_norm_eps", MM_STATUS_MODEL_CORRUPT},
        {"bert", "\"type_vocab_size\": 0", "type_vocab_size", MM_STATUS_MODEL_CORRUPT},
        {"bert", "\"type_vocab_size\": 3", "token_type_embeddings", MM_STATUS_MODEL_CORRUPT},
        {"roberta", "\"pad_token_id\": -1", "pad_token_id", MM_STATUS_MODEL_CORRUPT},
        {"roberta", "\"pad_token_id\": 41", "max_position_embeddings", MM_STATUS_MODEL_CORRUPT},
        {"distilbert", "\"activation\": \"nothing\"", "nothing", MM_STATUS_MODEL_UNSUPPORTED},
        {"electra", "\"embedding_size\": 7", "word_embeddings", MM_STATUS_MODEL_CORRUPT},
        {"albert", "\"num_hidden_groups\": 3", "num_hidden_groups", MM_STATUS_MODEL_CORRUPT},
        {"albert", "\"inner_group_num\": 4000", "too many", MM_STATUS_MODEL_CORRUPT},
        {"albert", "\"embedding_size\": 7", "word_embeddings", MM_STATUS_MODEL_CORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        toy_options options = {.model_type = cases[i].model_type, .config_more = cases[i].more};
        expect_failure(&options, cases[i].status, cases[i].part);
    }
    mm_error error;
    static const char *const fine[] = {
        "\"hidden_act\": \"gelu_new\", \"position_embedding_type\": \"absolute\"",
        "\"is_decoder\": false, \"hidden_act\": \"relu\"",
        "\"layer_norm_eps\": null, \"pad_token_id\": null",
    };
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        assert_ok(bind_toy(&(toy_options){.config_more = fine[i]}, NULL, &error), error);
}

static void test_heads_must_divide(void **state) {
    (void)state;
    mm_config *config;
    mm_checkpoint *checkpoint;
    mm_weights *weights;
    mm_model *model;
    mm_error error = {0};
    const char *folder = toy_write("toy", NULL);
    assert_true(toy_write_text("toy", "config.json",
                               "{\"model_type\": \"bert\", \"hidden_size\": 16, "
                               "\"num_attention_heads\": 3}"));
    assert_ok(mm_config_open(&config, folder, &error), error);
    assert_ok(mm_checkpoint_open(&checkpoint, folder, &error), error);
    assert_ok(mm_weights_create(&weights, backend, MM_COMPUTE_F32, &error), error);
    assert_status(mm_model_bind(&model, config, checkpoint, weights, MM_MODEL_EMBEDS, &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    assert_contains(error.message, "3 attention heads");
    mm_weights_free(weights);
    mm_checkpoint_free(checkpoint);
    mm_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),       cmocka_unit_test(test_old_names),
        cmocka_unit_test(test_unknown_type),   cmocka_unit_test(test_missing_tensors),
        cmocka_unit_test(test_configurations), cmocka_unit_test(test_heads_must_divide),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
