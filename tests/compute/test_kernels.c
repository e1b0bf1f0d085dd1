// SPDX-License-Identifier: Apache-2.0
// Every row kernel of every tier against the C reference, over odd sizes and tails, with guard
// values behind each output. `test_kernels --bench` times them instead.
#include "compute/cpu/kernels.h"
#include "compute/cpu/product.h"

#include "base/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 4200, GUARD = 32 };

static const float guard_value = 12345.678f;
static float a[MOST], b[MOST], bias[MOST], weight[MOST];
static float expected[MOST + GUARD], found[MOST + GUARD];
static uint16_t expected16[MOST + GUARD], found16[MOST + GUARD], half[MOST];
static unsigned state = 1;

static float random_value(void) {
    state = state * 1664525u + 1013904223u;
    return (float)((double)(state >> 8) / (1 << 24)) * 8.0f - 4.0f;
}

static void fill(float *out, size_t count) {
    for (size_t i = 0; i < count; i++)
        out[i] = random_value();
}

static void prepare(void) {
    float *arrays[] = {a, b, bias, weight};
    for (size_t i = 0; i < 4; i++)
        fill(arrays[i], MOST);
    for (size_t i = 0; i < MOST; i++)
        half[i] = (uint16_t)(i * 17 % 0x7800); // finite as F16 and as bf16
    for (size_t i = 0; i < MOST + GUARD; i++) {
        expected[i] = found[i] = guard_value;
        expected16[i] = found16[i] = 0x5A5A;
    }
}

static void assert_close(const char *what, const char *tier, size_t columns, float tolerance) {
    for (size_t i = 0; i < columns; i++) {
        float allowed = tolerance * fmaxf(1.0f, fabsf(expected[i]));
        if (!(fabsf(expected[i] - found[i]) <= allowed))
            fail_msg("%s of %s, %zu columns, value %zu: %.9g, expected %.9g", what, tier, columns,
                     i, (double)found[i], (double)expected[i]);
    }
    for (size_t i = columns; i < columns + GUARD; i++)
        assert_true(found[i] == guard_value);
}

static float widen(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof(value));
    return value;
}

static void assert_close16(const char *what, const char *tier, size_t columns) {
    for (size_t i = 0; i < columns; i++) {
        expected[i] = widen(expected16[i]);
        found[i] = widen(found16[i]);
    }
    assert_close(what, tier, columns, 1.0f / 128); // one step of bf16
    for (size_t i = columns; i < columns + GUARD; i++)
        assert_int_equal(found16[i], 0x5A5A);
}

#define FOR_TIERS_AND_SIZES                                                                        \
    const mm_kernels *reference = mm_kernels_tier(0), *tier;                                       \
    for (size_t t = 1; (tier = mm_kernels_tier(t)) != NULL; t++)                                   \
        for (size_t columns = 1; columns <= 4096; columns += columns < 70 ? 1 : 671)

static void norms_agree(void **unused) {
    (void)unused;
    FOR_TIERS_AND_SIZES {
        for (int form = 0; form < 4; form++) {
            prepare();
            mm_layer_norm norm = {weight, form & 1 ? bias : NULL, 1e-5f};
            const float *residual = form & 2 ? b : NULL;
            reference->layer_norm(expected, a, residual, &norm, columns);
            tier->layer_norm(found, a, residual, &norm, columns);
            assert_close("layer_norm", tier->name, columns, columns == 1 ? 1e-4f : 4e-6f);
            prepare();
            reference->rms_norm(expected, a, residual, &norm, columns);
            tier->rms_norm(found, a, residual, &norm, columns);
            assert_close("rms_norm", tier->name, columns, 2e-6f);
        }
    }
}

static void sums_agree(void **unused) {
    (void)unused;
    FOR_TIERS_AND_SIZES {
        prepare();
        reference->add(expected, a, b, columns);
        tier->add(found, a, b, columns);
        assert_close("add", tier->name, columns, 0);
        prepare();
        memcpy(expected, a, columns * sizeof(float));
        memcpy(found, a, columns * sizeof(float));
        reference->multiply(expected, b, columns);
        tier->multiply(found, b, columns);
        assert_close("multiply", tier->name, columns, 0);
    }
}

static void log_softmax_agrees(void **unused) {
    (void)unused;
    FOR_TIERS_AND_SIZES {
        for (int form = 0; form < 2; form++) {
            const float scale = form ? 0.036f : 1.0f;
            prepare();
            a[columns / 2] = form ? 1e4f : 90; // nearly all of the mass
            memcpy(expected, a, columns * sizeof(float));
            memcpy(found, a, columns * sizeof(float));
            reference->log_softmax(expected, scale, columns);
            tier->log_softmax(found, scale, columns);
            assert_close("log_softmax", tier->name, columns, 5e-7f);
            prepare();
            memcpy(expected, a, columns * sizeof(float));
            memcpy(found, a, columns * sizeof(float));
            reference->log_softmax(expected, scale, columns);
            tier->log_softmax(found, scale, columns);
            assert_close("log_softmax", tier->name, columns, 5e-7f);
            found[columns / 3] = NAN;
            tier->log_softmax(found, scale, columns);
            for (size_t i = 0; i < columns; i++)
                assert_true(isnan(found[i]));
        }
    }
}

static void look_ups_agree(void **unused) {
    (void)unused;
    static const mm_dtype types[] = {MM_DTYPE_F32, MM_DTYPE_F16, MM_DTYPE_BF16};
    FOR_TIERS_AND_SIZES {
        for (size_t i = 0; i < 6; i++) {
            prepare();
            memcpy(expected, b, columns * sizeof(float));
            memcpy(found, b, columns * sizeof(float));
            const void *row = types[i / 2] == MM_DTYPE_F32 ? (const void *)a : (const void *)half;
            reference->look_up(expected, row, types[i / 2], columns, i % 2);
            tier->look_up(found, row, types[i / 2], columns, i % 2);
            assert_close("look_up", tier->name, columns, 0);
        }
    }
}

static void functions_agree(void **unused) {
    (void)unused;
    FOR_TIERS_AND_SIZES {
        for (int function = 0; function <= MM_FUNCTION_SIGMOID; function++) {
            prepare();
            reference->finish(expected, a, bias, columns, (mm_function)function);
            tier->finish(found, a, bias, columns, (mm_function)function);
            assert_close("finish", tier->name, columns, 1e-6f);
            reference->finish_bf16(expected16, a, bias, columns, (mm_function)function);
            tier->finish_bf16(found16, a, bias, columns, (mm_function)function);
            assert_close16("finish_bf16", tier->name, columns);
        }
    }
}

// The whole range of a function, extremes and NaN too, against the mathematical library.
static void functions_hold_over_their_range(void **unused) {
    (void)unused;
    static const float zero[1] = {0};
    for (size_t t = 0; mm_kernels_tier(t); t++) {
        for (float x = -120; x <= 120; x += 0.00390625f) {
            for (int function = 0; function <= MM_FUNCTION_SIGMOID; function++) {
                float want, got;
                mm_finish_c(&want, &x, zero, 1, (mm_function)function);
                mm_kernels_tier(t)->finish(&got, &x, zero, 1, (mm_function)function);
                if (!(fabsf(want - got) <= 1e-6f * fmaxf(1, fabsf(want))))
                    fail_msg("function %d of %s at %g: %.9g, expected %.9g", function,
                             mm_kernels_tier(t)->name, (double)x, (double)got, (double)want);
            }
        }
        for (int function = 0; function <= MM_FUNCTION_SIGMOID; function++) {
            float got, nan = NAN;
            mm_kernels_tier(t)->finish(&got, &nan, zero, 1, (mm_function)function);
            assert_true(isnan(got));
        }
    }
}

static void rounding_agrees(void **unused) {
    (void)unused;
    FOR_TIERS_AND_SIZES {
        prepare();
        reference->to_bf16(expected16, a, columns);
        tier->to_bf16(found16, a, columns);
        assert_memory_equal(expected16, found16, sizeof(found16));
    }
}

// ---- Attention ----

enum { LONGEST = 130, WIDEST = 3 * 96 };

static float qkv[LONGEST * WIDEST], distances[2 * LONGEST], steep[2 * LONGEST];
static float out_expected[LONGEST * WIDEST], out_found[LONGEST * WIDEST];

static mm_attention_head head_of(size_t rows, size_t head_dim, const float *biases, float *out,
                                 void *scratch) {
    return (mm_attention_head){.q = qkv,
                               .k = qkv + head_dim,
                               .v = qkv + 2 * head_dim,
                               .stride = WIDEST,
                               .out = out,
                               .out_stride = head_dim + 3,
                               .rows = rows,
                               .head_dim = head_dim,
                               .scale = 1.0f / sqrtf((float)head_dim),
                               .bias = biases ? biases + LONGEST : NULL,
                               .scratch = scratch};
}

static void compare_attention(const char *tier, void (*kernel)(const mm_attention_head *head),
                              size_t rows, size_t head_dim, float tolerance, void *scratch) {
    const float *const biases[] = {NULL, distances, steep};
    for (int form = 0; form < 3; form++) {
        for (size_t i = 0; i < LONGEST * WIDEST; i++)
            out_expected[i] = out_found[i] = guard_value;
        mm_attention_head head = head_of(rows, head_dim, biases[form], out_expected, scratch);
        mm_attention_c(&head);
        head.out = out_found;
        kernel(&head);
        for (size_t i = 0; i < LONGEST * WIDEST; i++)
            if (!(fabsf(out_expected[i] - out_found[i]) <= tolerance))
                fail_msg("attention of %s, %zu rows, head_dim %zu, value %zu: %.9g, expected %.9g",
                         tier, rows, head_dim, i, (double)out_found[i], (double)out_expected[i]);
    }
}

static void attention_agrees(void **unused) {
    (void)unused;
    static const size_t widths[] = {8, 16, 24, 32, 48, 64, 80, 96};
    void *scratch = aligned_alloc(64, mm_attention_scratch_bytes(LONGEST));
    fill(qkv, LONGEST * WIDEST);
    for (size_t i = 0; i < LONGEST * WIDEST; i++)
        qkv[i] *= 0.25f; // scores of the size that models have
    fill(distances, 2 * LONGEST);
    // Weights of every size down to none: far keys, and pairs that must not see each other.
    for (size_t i = 0; i < 2 * LONGEST; i++)
        steep[i] = i % 9 == 0 ? -INFINITY : -fabsf((float)i - LONGEST);
    steep[LONGEST] = 0;
    const mm_kernels *tier;
    for (size_t t = 1; (tier = mm_kernels_tier(t)) != NULL; t++) {
        for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
            for (size_t rows = 1; rows <= LONGEST; rows++) {
                compare_attention(tier->name, tier->attention, rows, widths[w], 1e-5f, scratch);
                if (tier->attention_bf16)
                    compare_attention(tier->name, tier->attention_bf16, rows, widths[w], 0.12f,
                                      scratch);
            }
        }
    }
    free(scratch);
}

// Queries of a step against `count` rows, of heads that lie side by side.
enum { QUERIES = 9, HEADS = 3, KEPT = 2 * WIDEST };

static float step_q[QUERIES * WIDEST], kept[LONGEST * KEPT];
static float step_want[QUERIES * (WIDEST + GUARD)], step_found[QUERIES * (WIDEST + GUARD)];

static mm_attention_queries queries_of(size_t queries, size_t count, size_t head_dim,
                                       const int32_t *rows, float *scratch) {
    return (mm_attention_queries){.q = step_q,
                                  .q_stride = WIDEST,
                                  .k = kept,
                                  .v = kept + WIDEST,
                                  .stride = KEPT,
                                  .rows = rows,
                                  .out = step_want,
                                  .out_stride = WIDEST + GUARD,
                                  .queries = queries,
                                  .heads = HEADS,
                                  .head_dim = head_dim,
                                  .count = count,
                                  .scale = 1.0f / sqrtf((float)head_dim),
                                  .bias = distances,
                                  .bias_stride = 7,
                                  .scratch = scratch};
}

static void compare_queries(const mm_kernels *tier, size_t queries, size_t count, size_t head_dim,
                            const int32_t *rows, float *scratch) {
    for (size_t i = 0; i < QUERIES * (WIDEST + GUARD); i++)
        step_want[i] = step_found[i] = guard_value;
    mm_attention_queries work = queries_of(queries, count, head_dim, rows, scratch);
    mm_kernels_tier(0)->attention_queries(&work);
    work.out = step_found;
    tier->attention_queries(&work);
    for (size_t i = 0; i < QUERIES * (WIDEST + GUARD); i++) {
        const size_t query = i / (WIDEST + GUARD), d = i % (WIDEST + GUARD);
        const float want = step_want[i], got = step_found[i];
        const bool is_written = query < queries && d < HEADS * head_dim;
        if (is_written ? !(fabsf(want - got) <= 1e-5f) : got != guard_value)
            fail_msg("attention_queries of %s, %zu queries, %zu rows, head_dim %zu, value %zu of "
                     "query %zu: %.9g, not %.9g",
                     tier->name, queries, count, head_dim, d, query, (double)got, (double)want);
    }
}

static void prepare_queries(void) {
    fill(step_q, QUERIES * WIDEST);
    fill(kept, LONGEST * KEPT);
    for (size_t i = 0; i < QUERIES * WIDEST; i++)
        step_q[i] *= 0.25f;
    for (size_t i = 0; i < LONGEST * KEPT; i++)
        kept[i] *= 0.25f;
    fill(distances, 2 * LONGEST);
}

static void queries_agree(void **unused) {
    (void)unused;
    float *scratch = aligned_alloc(64, mm_attention_scratch_bytes(LONGEST));
    int32_t rows[LONGEST];
    for (int32_t j = 0; j < LONGEST; j++)
        rows[j] = j * 37 % LONGEST;
    prepare_queries();
    for (size_t t = 1; mm_kernels_tier(t); t++) {
        for (size_t head_dim = 1; head_dim <= 96; head_dim += head_dim < 34 ? 1 : 31) {
            for (size_t count = 1; count <= LONGEST; count += count < 36 ? 1 : 47) {
                const size_t queries = 1 + (count + head_dim) % QUERIES;
                compare_queries(mm_kernels_tier(t), queries, count, head_dim, rows, scratch);
                compare_queries(mm_kernels_tier(t), queries, count, head_dim, NULL, scratch);
            }
        }
    }
    free(scratch);
}

static void a_query_has_the_same_bits_in_any_company(void **unused) {
    (void)unused;
    float *scratch = aligned_alloc(64, mm_attention_scratch_bytes(LONGEST));
    prepare_queries();
    for (size_t t = 0; mm_kernels_tier(t); t++) {
        for (size_t count = 1; count <= LONGEST; count += 3) {
            const size_t head_dim = 1 + count % 96;
            mm_attention_queries all = queries_of(QUERIES, count, head_dim, NULL, scratch);
            mm_kernels_tier(t)->attention_queries(&all);
            for (size_t i = 0; i < QUERIES * HEADS; i++) {
                const size_t query = i / HEADS, head = i % HEADS, column = head * head_dim;
                mm_attention_queries one = all;
                one.q += query * WIDEST + column;
                one.k += column;
                one.v += column;
                one.bias += head * one.bias_stride;
                one.queries = one.heads = 1;
                one.out = step_found;
                mm_kernels_tier(t)->attention_queries(&one);
                assert_memory_equal(one.out, step_want + query * all.out_stride + column,
                                    head_dim * sizeof(float));
            }
        }
    }
    free(scratch);
}

// The last query of a sequence sees what the reference for whole sequences lets it see.
static void a_query_sees_what_a_whole_sequence_sees(void **unused) {
    (void)unused;
    enum { HEAD_DIM = 24 };
    float *scratch = aligned_alloc(64, mm_attention_scratch_bytes(LONGEST)), got[HEAD_DIM];
    fill(qkv, LONGEST * WIDEST);
    for (size_t i = 0; i < LONGEST * WIDEST; i++)
        qkv[i] *= 0.25f;
    fill(distances, 2 * LONGEST);
    for (size_t count = 1; count <= LONGEST; count += 43) {
        mm_attention_head head = head_of(count, HEAD_DIM, distances, out_expected, scratch);
        mm_attention_c(&head);
        const mm_attention_queries query = {.q = qkv + (count - 1) * WIDEST,
                                            .k = qkv + HEAD_DIM,
                                            .v = qkv + 2 * HEAD_DIM,
                                            .stride = WIDEST,
                                            .out = got,
                                            .queries = 1,
                                            .heads = 1,
                                            .head_dim = HEAD_DIM,
                                            .count = count,
                                            .scale = head.scale,
                                            .bias = distances + LONGEST - (count - 1),
                                            .scratch = scratch};
        for (size_t t = 0; mm_kernels_tier(t); t++) {
            mm_kernels_tier(t)->attention_queries(&query);
            for (size_t d = 0; d < HEAD_DIM; d++)
                assert_true(fabsf(out_expected[(count - 1) * head.out_stride + d] - got[d]) <=
                            1e-5f);
        }
    }
    free(scratch);
}

// ---- Products ----

// The kernel beside oneDNN: the same bits, in blocks of every kind and for any number of rows.
static void a_row_has_the_same_bits_by_either_product(void **unused) {
    (void)unused;
    enum { ROWS = 32, DEPTHS = 4, WIDTHS = 6 };
    static const int64_t depths[DEPTHS] = {8, 96, 776, 1600},
                         widths[WIDTHS] = {8, 16, 24, 32, 40, 64};
    mm_error error = {0};
    mm_products *products;
    mm_product_caller *caller;
    assert_int_equal(mm_products_create(&products, &error), 0);
    assert_int_equal(mm_product_caller_create(&caller, products, &error), 0);
    const int threads = mm_product_thread_enter();
    int compared = 0;
    for (int i = 0; i < DEPTHS * WIDTHS; i++) {
        const int64_t depth = depths[i / WIDTHS], columns = widths[i % WIDTHS];
        const size_t floats = (size_t)(depth * columns);
        const mm_product_shape *shape;
        assert_int_equal(
            mm_products_shape(&shape, products, columns, depth, MM_COMPUTE_F32, &error), 0);
        if (!mm_product_is_in_blocks(shape))
            continue;
        float *packed = aligned_alloc(64, (floats * sizeof(float) + 63) / 64 * 64);
        float *x = aligned_alloc(64, ROWS * (size_t)depth * sizeof(float));
        float *want = aligned_alloc(64, ROWS * (size_t)columns * sizeof(float));
        float *got = aligned_alloc(64, ROWS * (size_t)columns * sizeof(float));
        fill(packed, floats);
        fill(x, ROWS * (size_t)depth);
        assert_int_equal(mm_product_run(caller, shape, ROWS, want, x, packed, &error), 0);
        for (size_t t = 0; mm_kernels_tier(t); t++) {
            for (size_t rows = 1; rows <= ROWS && mm_kernels_tier(t)->block_product; rows += 5) {
                const mm_block_product work = {got,           x,     packed, rows, (size_t)columns,
                                               (size_t)depth, packed};
                mm_kernels_tier(t)->block_product(&work);
                assert_memory_equal(got, want, rows * (size_t)columns * sizeof(float));
                compared++;
            }
        }
        free(packed);
        free(x);
        free(want);
        free(got);
    }
    mm_product_thread_leave(threads);
    mm_product_caller_free(caller);
    mm_products_free(products);
    if (compared == 0)
        print_message("skipped: oneDNN packs panels in another form here\n");
}

// ---- Timing ----

static void report(const char *tier, const char *what, double seconds, double work) {
    printf("%-12s %-22s %9.1f ns %8.2f per ns\n", tier, what, seconds * 1e9, work / seconds * 1e-9);
}

static void bench(void) {
    enum { COLUMNS = 1536, ROUNDS = 2000 };
    prepare();
    for (size_t t = 0; mm_kernels_tier(t); t++) {
        const mm_kernels *k = mm_kernels_tier(t);
        mm_layer_norm norm = {weight, bias, 1e-12f};
        int rounds = t ? ROUNDS : ROUNDS / 20;
        // The best of ten: what the kernel can do when nothing else runs.
#define TIME(what, work, call)                                                                     \
    {                                                                                              \
        double best = INFINITY;                                                                    \
        for (int repeat = 0; repeat < 10; repeat++) {                                              \
            int64_t started = mm_clock_now_ns();                                                   \
            for (int i = 0; i < rounds; i++)                                                       \
                call;                                                                              \
            best = fmin(best, (double)(mm_clock_now_ns() - started) * 1e-9 / rounds);              \
        }                                                                                          \
        report(k->name, what, best, work);                                                         \
    }
        TIME("layer_norm 1536", COLUMNS, k->layer_norm(found, a, b, &norm, COLUMNS))
        TIME("finish none 1536", COLUMNS, k->finish(found, a, bias, COLUMNS, MM_FUNCTION_NONE))
        TIME("finish gelu 1536", COLUMNS, k->finish(found, a, bias, COLUMNS, MM_FUNCTION_GELU))
        TIME("finish silu 1536", COLUMNS, k->finish(found, a, bias, COLUMNS, MM_FUNCTION_SILU))
        TIME("finish_bf16 gelu 1536", COLUMNS,
             k->finish_bf16(found16, a, bias, COLUMNS, MM_FUNCTION_GELU))
        TIME("to_bf16 1536", COLUMNS, k->to_bf16(found16, a, COLUMNS))
        void *scratch = aligned_alloc(64, mm_attention_scratch_bytes(LONGEST));
        fill(qkv, LONGEST * WIDEST);
        rounds /= 10;
        for (size_t rows = 20; rows <= LONGEST; rows += 108) {
            double work = 4.0 * (double)(rows * rows) * 32;
            mm_attention_head head = head_of(rows, 32, NULL, out_found, scratch);
            TIME(rows == 20 ? "attention 20x32" : "attention 128x32", work, k->attention(&head))
            if (k->attention_bf16)
                TIME(rows == 20 ? "attention_bf16 20x32" : "attention_bf16 128x32", work,
                     k->attention_bf16(&head))
        }
        free(scratch);
    }
}

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "--bench") == 0) {
        bench();
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_agree),
        cmocka_unit_test(sums_agree),
        cmocka_unit_test(log_softmax_agrees),
        cmocka_unit_test(look_ups_agree),
        cmocka_unit_test(functions_agree),
        cmocka_unit_test(functions_hold_over_their_range),
        cmocka_unit_test(rounding_agrees),
        cmocka_unit_test(attention_agrees),
        cmocka_unit_test(queries_agree),
        cmocka_unit_test(a_query_has_the_same_bits_in_any_company),
        cmocka_unit_test(a_query_sees_what_a_whole_sequence_sees),
        cmocka_unit_test(a_row_has_the_same_bits_by_either_product),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
