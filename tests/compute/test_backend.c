// SPDX-License-Identifier: Apache-2.0
// The CPU backend's operations against straightforward loops, and its promise that a row's bits do
// not depend on what is computed with it. Run once more with oneDNN held to AVX2 (CMakeLists.txt).
#include "compute/backend.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IN = 96, OUT = 330, INNER = 448, HEADS = 3, HEAD_DIM = 32, MOST_ROWS = 300, VOCAB = 50 };

static mm_backend *backend;
static unsigned state = 7;

static float random_value(void) {
    state = state * 1664525u + 1013904223u;
    return (float)((double)(state >> 8) / (1 << 24)) - 0.5f;
}

static mm_tensor tensor_of(const char *name, int64_t rows, int64_t columns) {
    mm_tensor tensor = {.name = name,
                        .dtype = MM_DTYPE_F32,
                        .rank = columns ? 2 : 1,
                        .shape = {rows, columns},
                        .elements = columns ? rows * columns : rows};
    tensor.bytes = (size_t)tensor.elements * sizeof(float);
    float *values = malloc(tensor.bytes);
    for (int64_t i = 0; i < tensor.elements; i++)
        values[i] = random_value();
    tensor.data = values;
    return tensor;
}

static const float *values_of(const mm_tensor *tensor) {
    return tensor->data;
}

// A one-layer model that uses every operation an encoder has.
typedef struct model {
    mm_tensor words, types, norm_weight, norm_bias, qkv_weight[3], qkv_bias[3], up_weight, up_bias,
        gate_weight, gate_bias, down_weight, down_bias, wide_weight;
    mm_weights *weights;
    mm_embed_tables tables;
    const mm_norm *norm;
    const mm_matrix *qkv, *up, *gate, *down, *wide;
} model;

typedef struct run {
    const model *model;
    const int32_t *ids, *starts; // of all sequences
    const int *first;            // [batches + 1] sequences of each batch
    float *hidden, *wide, *pooled;
} run;

static void model_create(model *m, mm_compute_dtype dtype) {
    mm_error error = {0};
    *m = (model){.words = tensor_of("words", VOCAB, IN),
                 .types = tensor_of("types", 2, IN),
                 .norm_weight = tensor_of("norm.weight", IN, 0),
                 .norm_bias = tensor_of("norm.bias", IN, 0),
                 .up_weight = tensor_of("up", INNER, IN),
                 .up_bias = tensor_of("up.bias", INNER, 0),
                 .gate_weight = tensor_of("gate", INNER, IN),
                 .gate_bias = tensor_of("gate.bias", INNER, 0),
                 .down_weight = tensor_of("down", IN, INNER),
                 .down_bias = tensor_of("down.bias", IN, 0),
                 .wide_weight = tensor_of("wide", OUT, IN)};
    const mm_tensor *weight[3], *bias[3];
    for (int i = 0; i < 3; i++) {
        m->qkv_weight[i] = tensor_of("qkv", IN, IN);
        m->qkv_bias[i] = tensor_of("qkv.bias", IN, 0);
        weight[i] = &m->qkv_weight[i];
        bias[i] = &m->qkv_bias[i];
    }
    assert_int_equal(mm_weights_create(&m->weights, backend, dtype, &error), MM_STATUS_OK);
    mm_weights *w = m->weights;
    const mm_tensor *up = &m->up_weight, *up_bias = &m->up_bias, *gate = &m->gate_weight,
                    *gate_bias = &m->gate_bias, *down = &m->down_weight, *down_bias = &m->down_bias,
                    *wide = &m->wide_weight;
    assert_int_equal(mm_weights_add_table(&m->tables.words, w, &m->words, &error), 0);
    assert_int_equal(mm_weights_add_table(&m->tables.types, w, &m->types, &error), 0);
    assert_int_equal(mm_weights_add_norm(&m->norm, w, &m->norm_weight, &m->norm_bias, 1e-5, &error),
                     0);
    assert_int_equal(mm_weights_add_matrix(&m->qkv, w, 3, weight, bias, &error), 0);
    assert_int_equal(mm_weights_add_matrix(&m->up, w, 1, &up, &up_bias, &error), 0);
    assert_int_equal(mm_weights_add_matrix(&m->gate, w, 1, &gate, &gate_bias, &error), 0);
    assert_int_equal(mm_weights_add_matrix(&m->down, w, 1, &down, &down_bias, &error), 0);
    assert_int_equal(mm_weights_add_matrix(&m->wide, w, 1, &wide, NULL, &error), 0);
    m->tables.norm = m->norm;
    size_t planned = mm_weights_bytes(w);
    assert_int_equal(mm_weights_pack(w, NULL, MM_PACK_ALL, 2, &error), MM_STATUS_OK);
    assert_int_equal(mm_weights_bytes(w), planned);
}

static void model_free(model *m) {
    mm_tensor *tensors[] = {&m->words,     &m->types,       &m->norm_weight, &m->norm_bias,
                            &m->up_weight, &m->up_bias,     &m->gate_weight, &m->gate_bias,
                            &m->down_bias, &m->down_weight, &m->wide_weight};
    for (size_t i = 0; i < sizeof(tensors) / sizeof(tensors[0]); i++)
        free((void *)(uintptr_t)tensors[i]->data);
    for (int i = 0; i < 3; i++) {
        free((void *)(uintptr_t)m->qkv_weight[i].data);
        free((void *)(uintptr_t)m->qkv_bias[i].data);
    }
    mm_weights_free(m->weights);
}

static void forward(mm_lane *lane, size_t index, void *payload) {
    const run *r = payload;
    int first = r->first[index], last = r->first[index + 1];
    int32_t starts[MOST_ROWS + 1];
    for (int s = first; s <= last; s++)
        starts[s - first] = r->starts[s] - r->starts[first];
    int32_t begin = r->starts[first];
    mm_batch batch = {.rows = r->starts[last] - begin,
                      .sequences = last - first,
                      .ids = r->ids + begin,
                      .starts = starts};
    mm_activation x = mm_lane_activation(lane, batch.rows, IN);
    mm_activation qkv = mm_lane_activation(lane, batch.rows, 3 * IN);
    mm_activation context = mm_lane_activation(lane, batch.rows, IN);
    mm_activation wide = mm_lane_activation(lane, batch.rows, OUT);
    mm_activation pooled = mm_lane_activation(lane, batch.sequences, IN);
    mm_attention_options options = {HEADS, HEAD_DIM, 0.25f, NULL};
    mm_epilogue add_and_norm = {.residual = &x, .norm = r->model->norm};
    mm_epilogue tanh_only = {.function = MM_FUNCTION_TANH};
    mm_embed(lane, &x, &batch, &r->model->tables);
    mm_linear(lane, &qkv, &x, r->model->qkv, NULL);
    mm_attention(lane, &context, &qkv, &batch, &options);
    mm_feed_forward(lane, &x, &context, r->model->up, NULL, r->model->down, MM_FUNCTION_GELU,
                    &add_and_norm);
    mm_feed_forward(lane, &x, &x, r->model->up, r->model->gate, r->model->down, MM_FUNCTION_SILU,
                    &add_and_norm);
    mm_linear(lane, &wide, &x, r->model->wide, &tanh_only);
    mm_pool(lane, &pooled, 0, &x, &batch, MM_POOLING_MEAN);
    mm_normalize_l2(lane, &pooled);
    mm_download(lane, r->hidden + begin * IN, &x);
    mm_download(lane, r->wide + begin * OUT, &wide);
    mm_download(lane, r->pooled + first * IN, &pooled);
}

static void execute(run *r, size_t batches, int threads) {
    mm_error error = {0};
    mm_session *session;
    assert_int_equal(mm_session_create(&session, backend, threads, &error), MM_STATUS_OK);
    assert_int_equal(
        mm_session_reserve(session, r->model->weights, MOST_ROWS, 6 * IN + OUT, &error), 0);
    mm_status status = mm_session_run(session, batches, forward, r, &error);
    mm_session_free(session);
    if (status)
        fail_msg("%s", error.message);
}

// ---- The same in plain loops, in double ----

static void naive_linear(double *out, const double *x, const mm_tensor *weight,
                         const mm_tensor *bias) {
    for (int64_t o = 0; o < weight->shape[0]; o++) {
        out[o] = bias ? (double)values_of(bias)[o] : 0;
        for (int64_t i = 0; i < weight->shape[1]; i++)
            out[o] += x[i] * (double)values_of(weight)[o * weight->shape[1] + i];
    }
}

static void naive_norm(double *x, const model *m) {
    double mean = 0, variance = 0;
    for (int i = 0; i < IN; i++)
        mean += x[i] / IN;
    for (int i = 0; i < IN; i++)
        variance += (x[i] - mean) * (x[i] - mean) / IN;
    for (int i = 0; i < IN; i++)
        x[i] = (x[i] - mean) / sqrt(variance + 1e-5) * (double)values_of(&m->norm_weight)[i] +
               (double)values_of(&m->norm_bias)[i];
}

static void naive_feed_forward(double *x, const double *in, const model *m, bool gated) {
    double up[INNER], gate[INNER], down[IN];
    naive_linear(up, in, &m->up_weight, &m->up_bias);
    naive_linear(gate, in, &m->gate_weight, &m->gate_bias);
    for (int i = 0; i < INNER; i++)
        up[i] = gated ? gate[i] / (1 + exp(-gate[i])) * up[i]
                      : 0.5 * up[i] * (1 + erf(up[i] / sqrt(2)));
    naive_linear(down, up, &m->down_weight, &m->down_bias);
    for (int i = 0; i < IN; i++)
        x[i] += down[i];
    naive_norm(x, m);
}

static void naive_sequence(double (*x)[IN], const model *m, const int32_t *ids, int rows) {
    static double qkv[MOST_ROWS][3 * IN];
    for (int r = 0; r < rows; r++) {
        for (int i = 0; i < IN; i++)
            x[r][i] =
                (double)values_of(&m->words)[ids[r] * IN + i] + (double)values_of(&m->types)[i];
        naive_norm(x[r], m);
        for (int part = 0; part < 3; part++)
            naive_linear(qkv[r] + part * IN, x[r], &m->qkv_weight[part], &m->qkv_bias[part]);
    }
    for (int r = 0; r < rows; r++) {
        double context[IN] = {0};
        for (int head = 0; head < HEADS; head++) {
            double weights[MOST_ROWS], total = 0;
            int at = head * HEAD_DIM;
            for (int j = 0; j < rows; j++) {
                double score = 0;
                for (int d = at; d < at + HEAD_DIM; d++)
                    score += qkv[r][d] * qkv[j][IN + d];
                weights[j] = exp(0.25 * score);
                total += weights[j];
            }
            for (int j = 0; j < rows; j++)
                for (int d = at; d < at + HEAD_DIM; d++)
                    context[d] += weights[j] / total * qkv[j][2 * IN + d];
        }
        naive_feed_forward(x[r], context, m, false);
        naive_feed_forward(x[r], x[r], m, true);
    }
}

// ---- Tests ----

static float hidden[2][MOST_ROWS * IN], wide[2][MOST_ROWS * OUT], pooled[2][MOST_ROWS * IN];
static int32_t ids[MOST_ROWS];

static run run_of(const model *m, const int32_t *starts, const int *first, int slot) {
    return (run){m, ids, starts, first, hidden[slot], wide[slot], pooled[slot]};
}

static void operations_compute_what_they_say(void **unused) {
    (void)unused;
    static const int32_t starts[] = {0, 1, 8, 131};
    static const int first[] = {0, 3};
    static double x[MOST_ROWS][IN], out[OUT];
    for (int bf16 = 0; bf16 <= mm_backend_supports(backend, MM_COMPUTE_BF16); bf16++) {
        model m;
        model_create(&m, bf16 ? MM_COMPUTE_BF16 : MM_COMPUTE_F32);
        run r = run_of(&m, starts, first, 0);
        execute(&r, 1, 1);
        double tolerance = bf16 ? 0.1 : 2e-5;
        for (int s = 0; s < 3; s++)
            naive_sequence(x + starts[s], &m, ids + starts[s], starts[s + 1] - starts[s]);
        for (int row = 0; row < starts[3]; row++) {
            naive_linear(out, x[row], &m.wide_weight, NULL);
            for (int i = 0; i < IN; i++)
                assert_true(fabs(x[row][i] - (double)hidden[0][row * IN + i]) < tolerance);
            for (int i = 0; i < OUT; i++)
                assert_true(fabs(tanh(out[i]) - (double)wide[0][row * OUT + i]) < tolerance);
        }
        model_free(&m);
    }
}

static void rows_have_the_same_bits_in_any_company(void **unused) {
    (void)unused;
    static const int32_t starts[] = {0, 1, 8, 17, 40, 103, 169, 233, 300};
    static const int together[] = {0, 8}, halves[] = {0, 5, 8},
                     alone[] = {0, 1, 2, 3, 4, 5, 6, 7, 8}, thirds[] = {0, 2, 6, 8};
    const struct {
        const int *first;
        size_t batches;
    } splits[] = {{together, 1}, {halves, 2}, {alone, 8}, {thirds, 3}};
    for (int bf16 = 0; bf16 <= mm_backend_supports(backend, MM_COMPUTE_BF16); bf16++) {
        model m;
        model_create(&m, bf16 ? MM_COMPUTE_BF16 : MM_COMPUTE_F32);
        run reference = run_of(&m, starts, together, 0);
        execute(&reference, 1, 1);
        for (size_t split = 0; split < 4; split++) {
            for (int threads = 1; threads <= 4; threads++) {
                memset(hidden[1], 0, sizeof(hidden[1]));
                run r = run_of(&m, starts, splits[split].first, 1);
                execute(&r, splits[split].batches, threads);
                assert_memory_equal(hidden[0], hidden[1], sizeof(hidden[0]));
                assert_memory_equal(wide[0], wide[1], sizeof(wide[0]));
                assert_memory_equal(pooled[0], pooled[1], 8 * IN * sizeof(float));
            }
        }
        model_free(&m);
    }
}

static void weights_that_are_not_finite_are_refused(void **unused) {
    (void)unused;
    mm_error error = {0};
    mm_tensor tensor = tensor_of("layer.weight", OUT, IN);
    ((float *)(uintptr_t)tensor.data)[OUT * IN / 2] = NAN;
    const mm_tensor *source = &tensor;
    mm_weights *weights;
    const mm_matrix *matrix;
    assert_int_equal(mm_weights_create(&weights, backend, MM_COMPUTE_F32, &error), 0);
    assert_int_equal(mm_weights_add_matrix(&matrix, weights, 1, &source, NULL, &error), 0);
    assert_int_equal(mm_weights_pack(weights, NULL, MM_PACK_ALL, 2, &error),
                     MM_STATUS_MODEL_CORRUPT);
    assert_non_null(strstr(error.message, "layer.weight"));
    mm_weights_free(weights);
    free((void *)(uintptr_t)tensor.data);
}

static void oversized(mm_lane *lane, size_t index, void *payload) {
    (void)index;
    mm_activation x = mm_lane_activation(lane, 1 << 20, 1 << 10);
    mm_download(lane, payload, &x); // does nothing: the lane has failed
}

static void a_batch_beyond_the_session_is_an_error(void **unused) {
    (void)unused;
    mm_error error = {0};
    mm_session *session;
    model m;
    model_create(&m, MM_COMPUTE_F32);
    assert_int_equal(mm_session_create(&session, backend, 2, &error), MM_STATUS_OK);
    assert_int_equal(mm_session_reserve(session, m.weights, 8, IN, &error), MM_STATUS_OK);
    assert_int_equal(mm_session_run(session, 1, oversized, NULL, &error), MM_STATUS_INTERNAL);
    mm_session_free(session);
    model_free(&m);
}

static int set_up(void **unused) {
    (void)unused;
    for (int i = 0; i < MOST_ROWS; i++)
        ids[i] = i * 31 % VOCAB;
    return (int)mm_backend_cpu_create(&backend, NULL);
}

static int tear_down(void **unused) {
    (void)unused;
    mm_backend_free(backend);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_compute_what_they_say),
        cmocka_unit_test(rows_have_the_same_bits_in_any_company),
        cmocka_unit_test(weights_that_are_not_finite_are_refused),
        cmocka_unit_test(a_batch_beyond_the_session_is_an_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
