// SPDX-License-Identifier: Apache-2.0
// Encoder-decoders step by step: the first logits of the golden folders against transformers in
// float64, and the bits of a sequence whatever runs beside it.
#include "check.h"
#include "golden_folders.h"

#include "base/memory.h"
#include "models/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { INPUTS_MAX = 16, STEPS = 6, LONGEST = 512, CACHE_ROWS = INPUTS_MAX * LONGEST };

typedef struct loaded {
    mm_config *config;
    mm_checkpoint *checkpoint;
    mm_backend *backend;
    mm_weights *weights;
    mm_model *model;
    mm_session *session;
    mm_cache *own, *cross;
} loaded;

static void load(loaded *all, const char *folder, int threads) {
    mm_error error = {0};
    assert_ok(mm_config_open(&all->config, folder, &error), error);
    assert_ok(mm_checkpoint_open(&all->checkpoint, folder, &error), error);
    assert_ok(mm_backend_cpu_create(&all->backend, &error), error);
    assert_ok(mm_weights_create(&all->weights, all->backend, MM_COMPUTE_F32, &error), error);
    assert_ok(mm_model_bind(&all->model, all->config, all->checkpoint, all->weights,
                            MM_MODEL_GENERATES, &error),
              error);
    assert_ok(mm_weights_pack(all->weights, NULL, MM_PACK_ALL, 1, &error), error);
    assert_ok(mm_session_create(&all->session, all->backend, threads, &error), error);
    const mm_model_info *info = mm_model_get_info(all->model);
    int64_t floats = info->row_floats > info->step_floats ? info->row_floats : info->step_floats;
    assert_ok(mm_session_reserve(all->session, all->weights, 1024, floats, &error), error);
    for (int i = 0; i < 2; i++)
        assert_ok(mm_cache_create(i ? &all->cross : &all->own, all->backend, info->decoder_layers,
                                  CACHE_ROWS, info->cache_columns, &error),
                  error);
}

static void unload(loaded *all) {
    mm_cache_free(all->own);
    mm_cache_free(all->cross);
    mm_session_free(all->session);
    mm_model_free(all->model);
    mm_weights_free(all->weights);
    mm_backend_free(all->backend);
    mm_checkpoint_free(all->checkpoint);
    mm_config_free(all->config);
}

// Several sequences that are decoded together; sequence s keeps its token t in cache row
// t * count + s.
typedef struct group {
    const loaded *all;
    mm_batch source;
    mm_step step;
    int32_t count;
    int32_t ids[LONGEST * INPUTS_MAX], starts[INPUTS_MAX + 1];
    int32_t next[INPUTS_MAX], positions[INPUTS_MAX], rows[INPUTS_MAX], step_starts[INPUTS_MAX + 1];
    int32_t past_first[INPUTS_MAX], past_count[INPUTS_MAX], list[INPUTS_MAX * STEPS];
    int32_t source_first[INPUTS_MAX], source_count[INPUTS_MAX];
    float *logits;
} group;

static void run_start(mm_lane *lane, size_t index, void *payload) {
    (void)index;
    const group *g = payload;
    mm_model_start(g->all->model, lane, &g->source, g->all->cross, NULL);
}

static void run_step(mm_lane *lane, size_t index, void *payload) {
    (void)index;
    const group *g = payload;
    mm_model_step(g->all->model, lane, &g->step, g->all->own, g->all->cross, g->logits);
}

static void group_start(group *g, const loaded *all, const json_t *inputs, const int *chosen,
                        int32_t count, int32_t first_id) {
    *g = (group){.all = all, .count = count};
    const size_t vocabulary = (size_t)mm_model_get_info(all->model)->output_vocab_size;
    g->logits = mm_malloc((size_t)count * vocabulary * sizeof *g->logits);
    int32_t rows = 0;
    for (int32_t s = 0; s < count; s++) {
        const json_t *ids = json_object_get(json_array_get(inputs, (size_t)chosen[s]), "input_ids");
        g->source_first[s] = rows;
        g->source_count[s] = (int32_t)json_array_size(ids);
        for (size_t i = 0; i < json_array_size(ids); i++)
            g->ids[rows++] = (int32_t)json_integer_value(json_array_get(ids, i));
        g->starts[s + 1] = rows;
        g->step_starts[s + 1] = s + 1;
        g->next[s] = first_id;
    }
    g->source = (mm_batch){.rows = rows, .sequences = count, .ids = g->ids, .starts = g->starts};
    g->step = (mm_step){.batch = {.rows = count,
                                  .sequences = count,
                                  .ids = g->next,
                                  .starts = g->step_starts,
                                  .positions = g->positions},
                        .rows = g->rows,
                        .past = {g->past_first, g->past_count, g->list},
                        .source = {g->source_first, g->source_count, NULL}};
    mm_error error = {0};
    assert_ok(mm_session_run(all->session, 1, run_start, g, &error), error);
}

static void group_step(group *g, int32_t step) {
    for (int32_t s = 0; s < g->count; s++) {
        g->positions[s] = step;
        g->rows[s] = step * g->count + s;
        g->past_first[s] = s * STEPS;
        g->past_count[s] = step + 1;
        g->list[s * STEPS + step] = g->rows[s];
    }
    mm_error error = {0};
    assert_ok(mm_session_run(g->all->session, 1, run_step, g, &error), error);
}

static int32_t largest(const float *logits, size_t count) {
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        best = logits[i] > logits[best] ? i : best;
    return (int32_t)best;
}

// Greedy for a few steps; `trace` [STEPS][vocabulary] gets the logits of sequence `wanted`.
static void decode(const loaded *all, const json_t *inputs, const int *chosen, int32_t count,
                   int32_t wanted, int32_t first_id, float *trace) {
    static group g;
    const size_t vocabulary = (size_t)mm_model_get_info(all->model)->output_vocab_size;
    group_start(&g, all, inputs, chosen, count, first_id);
    for (int32_t step = 0; step < STEPS; step++) {
        group_step(&g, step);
        memcpy(trace + (size_t)step * vocabulary, g.logits + (size_t)wanted * vocabulary,
               vocabulary * sizeof *trace);
        for (int32_t s = 0; s < count; s++)
            g.next[s] = largest(g.logits + (size_t)s * vocabulary, vocabulary);
    }
    mm_free(g.logits);
}

static void check_inputs(const golden_case *golden, const loaded *one, const loaded *two,
                         int32_t first_id) {
    const json_t *inputs = json_object_get(golden->data, "inputs");
    const size_t vocabulary = (size_t)mm_model_get_info(one->model)->output_vocab_size;
    const json_t *observed = json_object_get(json_object_get(golden->data, "tolerance_observed"),
                                             "max_abs_logits_f32_vs_f64");
    const double tolerance = fmax(2e-4, 20.0 * json_number_value(observed));
    const size_t size = STEPS * vocabulary * sizeof(float);
    float *alone = mm_malloc(size), *together = mm_malloc(size);
    int chosen[INPUTS_MAX];
    const int count = (int)json_array_size(inputs);
    assert_in_range(count, 1, INPUTS_MAX);
    for (int i = 0; i < count; i++)
        chosen[i] = i;
    double worst = 0;
    for (int i = 0; i < count; i++) {
        const json_t *input = json_array_get(inputs, (size_t)i);
        decode(one, inputs, &i, 1, 0, first_id, alone);
        const json_t *first = json_object_get(input, "first_logits16_f64");
        assert_in_range(json_array_size(first), 6, 16);
        const double difference =
            golden_compare(alone, first, json_array_size(first), tolerance, 0.999999, golden->name);
        worst = fmax(worst, difference);
        assert_int_equal(largest(alone, vocabulary),
                         json_integer_value(json_object_get(input, "first_argmax")));
        decode(two, inputs, chosen, count, i, first_id, together);
        assert_memory_equal(alone, together, size);
    }
    print_message("%s: %d inputs, largest difference %.2g\n", golden->name, count, worst);
    mm_free(alone);
    mm_free(together);
}

static const char *const required[] = {"bart-cnn-style",
                                       "bart-legacy-config",
                                       "bart-plain",
                                       "m2m100",
                                       "marian",
                                       "mbart",
                                       "mt5",
                                       "pegasus",
                                       "t5-relu-tied",
                                       "t5-v1_1-gated-untied"};
enum { REQUIRED_COUNT = sizeof required / sizeof required[0] };

static void check_folder(const golden_case *golden, void *payload) {
    size_t *ran = payload;
    mm_error error = {0};
    mm_config *config;
    assert_ok(mm_config_open(&config, golden->folder, &error), error);
    int64_t first_id = 0;
    mm_status status = mm_model_check_type(config, MM_MODEL_GENERATES, &error);
    if (!status)
        status =
            mm_config_get_size(&first_id, config, (const char *[]){"decoder_start_token_id", NULL},
                               true, 0, 0, 1 << 20, &error);
    mm_config_free(config);
    if (status) {
        print_message("%s: not built yet (%s)\n", golden->name, error.message);
        return;
    }
    loaded one = {0}, two = {0};
    load(&one, golden->folder, 1);
    load(&two, golden->folder, 2);
    check_inputs(golden, &one, &two, (int32_t)first_id);
    unload(&one);
    unload(&two);
    for (int i = 0; i < REQUIRED_COUNT; i++)
        *ran += strcmp(required[i], golden->name) == 0;
}

static void test_steps(void **state) {
    (void)state;
    size_t ran = 0;
    golden_each("seq2seq", check_folder, &ran);
    if (golden_required_count() == 0)
        print_message("no ../shared: only this repository's own golden folders were run\n");
    else
        assert_int_equal(ran, REQUIRED_COUNT);
}

static void the_first_logits_of_a_real_bart_are_those_of_transformers(void **state) {
    (void)state;
    size_t ran = 0;
    if (!golden_real_model("bart-g2p-en-us", check_folder, &ran))
        skip();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(the_first_logits_of_a_real_bart_are_those_of_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
