// SPDX-License-Identifier: Apache-2.0
// Hidden states of the golden folders: tensors found, graph computed, against transformers in
// float64.
#include "check.h"
#include "golden_folders.h"

#include "base/memory.h"
#include "models/model.h"

#include <stdio.h>
#include <string.h>

typedef struct forward {
    const mm_model *model;
    mm_batch batch;
    float *out;
} forward;

static void run_forward(mm_lane *lane, size_t index, void *payload) {
    (void)index;
    forward *pass = payload;
    mm_activation x = mm_model_encode(pass->model, lane, &pass->batch);
    mm_download(lane, pass->out, &x);
}

typedef struct loaded {
    mm_config *config;
    mm_checkpoint *checkpoint;
    mm_backend *backend;
    mm_weights *weights;
    mm_model *model;
    mm_session *session;
} loaded;

static void load(loaded *all, const char *folder) {
    mm_error error = {0};
    assert_ok(mm_config_open(&all->config, folder, &error), error);
    assert_ok(mm_checkpoint_open(&all->checkpoint, folder, &error), error);
    assert_ok(mm_backend_cpu_create(&all->backend, &error), error);
    assert_ok(mm_weights_create(&all->weights, all->backend, MM_COMPUTE_F32, &error), error);
    assert_ok(mm_model_bind(&all->model, all->config, all->checkpoint, all->weights,
                            MM_MODEL_EMBEDS, &error),
              error);
    assert_ok(mm_weights_pack(all->weights, NULL, MM_PACK_ALL, 1, &error), error);
    assert_ok(mm_session_create(&all->session, all->backend, 1, &error), error);
    const mm_model_info *info = mm_model_get_info(all->model);
    assert_ok(mm_session_reserve(all->session, all->weights, info->max_positions, info->row_floats,
                                 &error),
              error);
}

static void unload(loaded *all) {
    mm_session_free(all->session);
    mm_model_free(all->model);
    mm_weights_free(all->weights);
    mm_backend_free(all->backend);
    mm_checkpoint_free(all->checkpoint);
    mm_config_free(all->config);
}

// The token ids of the first run without a prompt.
static const json_t *plain_ids(const json_t *data) {
    size_t i;
    json_t *run;
    json_array_foreach(json_object_get(data, "runs"), i, run) {
        const char *prompt = json_string_value(json_object_get(run, "prompt_used"));
        if (!prompt || !prompt[0])
            return json_object_get(run, "token_ids");
    }
    return NULL;
}

static void check_text(const golden_case *golden, const loaded *all, const json_t *hidden,
                       const json_t *ids) {
    const json_t *states = json_object_get(hidden, "last_hidden_state_f64");
    const size_t rows = json_array_size(ids);
    const size_t columns = (size_t)mm_model_get_info(all->model)->hidden_size;
    assert_int_equal(json_array_size(states), rows);
    int32_t *numbers = mm_malloc(rows * sizeof *numbers);
    float *out = mm_malloc(rows * columns * sizeof *out);
    for (size_t i = 0; i < rows; i++)
        numbers[i] = (int32_t)json_integer_value(json_array_get(ids, i));
    const int32_t starts[2] = {0, (int32_t)rows};
    forward pass = {
        .model = all->model,
        .batch = {.rows = (int32_t)rows, .sequences = 1, .ids = numbers, .starts = starts},
        .out = out};
    mm_error error = {0};
    assert_ok(mm_session_run(all->session, 1, run_forward, &pass, &error), error);
    const double observed = 20.0 * json_number_value(json_object_get(hidden, "max_abs_f32_vs_f64"));
    double worst = 0.0;
    for (size_t i = 0; i < rows; i++) {
        double difference =
            golden_compare(out + i * columns, json_array_get(states, i), columns,
                           observed > 2e-5 ? observed : 2e-5, 0.999999, golden->name);
        worst = difference > worst ? difference : worst;
    }
    print_message("%s: %zu tokens, largest difference %.2g\n", golden->name, rows, worst);
    mm_free(numbers);
    mm_free(out);
}

static void check_folder(const golden_case *golden, void *payload) {
    size_t *ran = payload;
    mm_error error = {0};
    loaded all = {0};
    mm_config *config;
    if (mm_config_open(&config, golden->folder, &error) ||
        !mm_model_type_known(mm_config_model_type(config))) {
        print_message("%s: not a model of a family built yet\n", golden->name);
        mm_config_free(config);
        return;
    }
    mm_config_free(config);
    const json_t *ids = plain_ids(golden->data);
    assert_non_null(ids);
    load(&all, golden->folder);
    size_t i;
    json_t *hidden;
    json_array_foreach(json_object_get(golden->data, "hidden"), i, hidden) {
        size_t text = (size_t)json_integer_value(json_object_get(hidden, "text_index"));
        check_text(golden, &all, hidden, json_array_get(ids, text));
    }
    unload(&all);
    *ran += golden_is_required(golden->name);
}

static void test_hidden_states(void **state) {
    (void)state;
    size_t ran = 0;
    golden_each("embedding", check_folder, &ran);
    if (golden_required_count() == 0)
        print_message("no ../shared: only this repository's own golden folders were run\n");
    assert_true(ran >= golden_required_count());
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hidden_states)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
