// SPDX-License-Identifier: Apache-2.0
// What may be drawn and with which probability, as transformers has it, and that drawing keeps to
// it: golden scores, known answers of the generator, frequencies.
#include "check.h"
#include "golden_folders.h"

#include "base/memory.h"
#include "tasks/logits_processors.h"
#include "tasks/random.h"
#include "tasks/search.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 512, IDS_MAX = 64 };

static double number_at(const json_t *list, size_t i) {
    const json_t *value = json_array_get(list, i);
    if (json_is_string(value)) // "-inf"
        return strtod(json_string_value(value), NULL);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static size_t read_scores(float *out, const json_t *list) {
    const size_t count = json_array_size(list);
    assert_in_range(count, 1, VALUES_MAX);
    for (size_t i = 0; i < count; i++)
        out[i] = (float)number_at(list, i);
    return count;
}

static size_t read_ids(int32_t *out, const json_t *list) {
    const size_t count = json_array_size(list);
    assert_in_range(count, 0, IDS_MAX);
    for (size_t i = 0; i < count; i++)
        out[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return count;
}

static void read_settings(mm_generation_settings *out, const json_t *params) {
    mm_error error = {0};
    mm_generation_settings_init(out);
    out->top_k = 0;
    out->decoder_start_token_id = 2;
    assert_ok(mm_generation_settings_read(out, params, MM_FROM_CALL, "golden", &error), error);
}

static void set_ends(mm_generation_settings *settings, const json_t *ids) {
    settings->eos_token_id.count = json_array_size(ids);
    settings->eos_token_id.ids =
        mm_calloc(settings->eos_token_id.count, sizeof *settings->eos_token_id.ids);
    (void)read_ids(settings->eos_token_id.ids, ids);
}

// ---- Warpers -----------------------------------------------------------------------------------

typedef struct warped {
    size_t values, count;
    double steepness; // largest score, without its sign
    float scores[VALUES_MAX];
    double probabilities[VALUES_MAX]; // by id
} warped;

static void warp(warped *out, const json_t *vector, const mm_generation_settings *settings) {
    static float heap[VALUES_MAX];
    static mm_choice list[VALUES_MAX];
    out->values = read_scores(out->scores, vector);
    out->count = mm_sampling_warp(list, out->scores, heap, out->values, settings);
    assert_in_range(out->count, 1, out->values);
    memset(out->probabilities, 0, sizeof out->probabilities);
    double largest = -INFINITY, sum = 0;
    out->steepness = 0;
    for (size_t i = 0; i < out->count; i++) {
        largest = fmax(largest, (double)list[i].score);
        out->steepness = fmax(out->steepness, fabs((double)list[i].score));
    }
    for (size_t i = 0; i < out->count; i++)
        sum += exp((double)list[i].score - largest);
    for (size_t i = 0; i < out->count; i++)
        out->probabilities[list[i].id] = exp((double)list[i].score - largest) / sum;
}

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Which of equal tokens a cut falls between follows an unstable sort in the reference.
static bool has_ties(const json_t *run) {
    return strncmp(json_string_value(json_object_get(run, "vector")), "ties", 4) == 0;
}

static void check_distribution(const json_t *run, warped *found) {
    const json_t *expected = json_object_get(run, "probabilities");
    char *what = json_dumps(json_object_get(run, "params"), JSON_COMPACT);
    double want[VALUES_MAX];
    assert_int_equal(json_array_size(expected), found->values);
    for (size_t i = 0; i < found->values; i++)
        want[i] = number_at(expected, i);
    if (has_ties(run)) {
        qsort(want, found->values, sizeof *want, compare_doubles);
        qsort(found->probabilities, found->values, sizeof *want, compare_doubles);
    }
    // Scores are float32: what they are rounded by moves each probability by that share of itself.
    const double share = 2 * (double)FLT_EPSILON * (1 + found->steepness);
    for (size_t i = 0; i < found->values; i++) {
        if ((want[i] > 0) != (found->probabilities[i] > 0) ||
            fabs(want[i] - found->probabilities[i]) > share * want[i] + 1e-9)
            fail_msg("%s %s: probability %zu is %.9g, expected %.9g",
                     json_string_value(json_object_get(run, "vector")), what, i,
                     found->probabilities[i], want[i]);
    }
    mm_free(what);
}

static void check_kept(const json_t *run, const warped *found) {
    const json_t *kept = json_object_get(run, "kept");
    char *what = json_dumps(run, JSON_COMPACT);
    size_t i;
    json_t *id;
    if (json_array_size(kept) != found->count)
        fail_msg("%s: %zu are kept", what, found->count);
    json_array_foreach(kept, i, id) {
        if (!has_ties(run) && !(found->probabilities[json_integer_value(id)] > 0))
            fail_msg("%s: id %lld is not kept", what, json_integer_value(id));
    }
    mm_free(what);
}

static void check_sampling(const golden_case *golden, void *payload) {
    size_t *ran = payload, i;
    json_t *run;
    static warped found;
    const json_t *vectors = json_object_get(golden->data, "vectors");
    for (int beams = 0; beams < 2; beams++) {
        const json_t *runs = json_object_get(golden->data, beams ? "beam_sampling_runs" : "runs");
        json_array_foreach(runs, i, run) {
            mm_generation_settings settings;
            read_settings(&settings, json_object_get(run, "params"));
            settings.num_beams = beams ? 3 : 1;
            if (beams)
                set_ends(&settings, json_object_get(run, "eos"));
            const char *name = json_string_value(json_object_get(run, "vector"));
            warp(&found, json_object_get(vectors, name), &settings);
            check_kept(run, &found);
            if (!beams)
                check_distribution(run, &found);
            mm_generation_settings_free(&settings);
            ++*ran;
        }
    }
    print_message("%s: %zu runs equal so far\n", golden->name, *ran);
}

static void test_warpers(void **state) {
    (void)state;
    size_t ran = 0;
    assert_true(golden_each("sampling", check_sampling, &ran) >= 1);
    assert_true(ran > 300);
}

// ---- Processors --------------------------------------------------------------------------------

static void log_softmax(float *scores, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += exp((double)scores[i]);
    for (size_t i = 0; i < count; i++)
        scores[i] = (float)((double)scores[i] - log(sum));
}

static void check_processor_run(const golden_case *golden, const json_t *run) {
    mm_error error = {0};
    mm_generation_settings settings;
    float scores[VALUES_MAX];
    bool seen[VALUES_MAX] = {false};
    int32_t source[IDS_MAX], ids[IDS_MAX];
    const json_t *params = json_object_get(run, "params");
    char *what = json_dumps(run, JSON_COMPACT);
    read_settings(&settings, params);
    set_ends(&settings, json_object_get(golden->data, "eos_token_id"));
    const size_t count = read_scores(scores, json_object_get(golden->data, "logits"));
    if (json_is_true(json_object_get(run, "scores_are_log_probs")))
        log_softmax(scores, count);
    if (settings.max_length == MM_NOT_SET)
        settings.max_length = 1000;
    assert_ok(mm_generation_settings_resolve(&settings, NULL, (int64_t)count, 1000, &error), error);
    const mm_score_context context = {
        .settings = &settings,
        .source = source,
        .source_count = read_ids(source, json_object_get(golden->data, "encoder_ids")),
        .ids = ids,
        .count = read_ids(ids, json_object_get(run, "previous_ids")),
        .vocab_size = count,
        .seen = seen,
    };
    mm_process_scores(scores, &context);
    const json_t *expected = json_object_get(run, "out");
    for (size_t i = 0; i < count; i++) {
        const double want = number_at(expected, i), have = (double)scores[i];
        if (isinf(want) ? have != want : !(fabs(have - want) <= 2e-6 * fmax(1, fabs(want))))
            fail_msg("%s: score %zu is %.9g, expected %.9g", what, i, have, want);
        assert_false(seen[i]);
    }
    mm_free(what);
    mm_generation_settings_free(&settings);
}

static void check_processors(const golden_case *golden, void *payload) {
    size_t *ran = payload, i;
    json_t *run;
    json_array_foreach(json_object_get(golden->data, "runs"), i, run) {
        check_processor_run(golden, run);
        ++*ran;
    }
    print_message("%s: %zu runs equal so far\n", golden->name, *ran);
}

static void test_processors(void **state) {
    (void)state;
    size_t ran = 0;
    assert_true(golden_each("logits-processors", check_processors, &ran) >= 1);
    assert_true(ran > 200);
}

// ---- Chance ------------------------------------------------------------------------------------

// kat_vectors of Random123, the authors' own implementation.
static void test_philox(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], expected[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t found[4];
        mm_random_philox(found, cases[i].counter, cases[i].key);
        assert_memory_equal(found, cases[i].expected, sizeof found);
    }
    mm_error error = {0};
    uint64_t a = 0, b = 0;
    assert_ok(mm_random_seed(&a, &error), error);
    assert_ok(mm_random_seed(&b, &error), error);
    assert_true(a != b && a >> 63 == 0 && b >> 63 == 0);
}

// Drawn as often as its probability says, within five standard deviations.
static void check_frequency(size_t drawn, size_t draws, double probability, const char *what) {
    const double expected = (double)draws * probability;
    const double deviation = sqrt(expected * (1 - probability)) + 1e-9;
    if (fabs((double)drawn - expected) > 5 * deviation)
        fail_msg("%s: %zu of %zu, expected %.1f", what, drawn, draws, expected);
}

static void test_frequencies(void **state) {
    (void)state;
    enum { DRAWS = 200000 };
    static const double probabilities[] = {0.5, 0.2, 0.2, 0.0999, 0.0001};
    mm_choice list[5];
    size_t drawn[5] = {0};
    for (int i = 0; i < 5; i++)
        list[i] = (mm_choice){.score = (float)log(probabilities[i]) + 7, .id = i};
    for (uint32_t n = 0; n < DRAWS; n++)
        drawn[mm_sampling_draw(list, 5, mm_random_uniform(9, (uint32_t[]){0, n, 0, 0}))]++;
    for (int i = 0; i < 5; i++)
        check_frequency(drawn[i], DRAWS, probabilities[i], "one token");
    assert_int_equal(mm_sampling_draw(list, 5, 1e-12), 0);
    assert_int_equal(mm_sampling_draw(list, 5, 1 - 1e-12), 4);
}

// ---- A search by chance ------------------------------------------------------------------------

enum { WORDS = 6, TRIES = 40000 };

static void start_search(mm_search *out, mm_search_scratch *scratch,
                         const mm_generation_settings *settings, uint64_t seed) {
    static const int32_t source[] = {3, 4};
    mm_error error = {0};
    assert_ok(mm_search_init(out, scratch, settings, source, 2, &error), error);
    out->seed = seed;
}

// One step of a beam search by chance draws 2 * beams of the continuations without replacement, so
// the best of those that were drawn is known: with two tokens drawn from {a, b, c}, the likelier.
static void test_beams_by_chance(void **state) {
    (void)state;
    static const double probabilities[WORDS] = {0.4, 0.3, 0.15, 0.1, 0.04, 0.01};
    mm_error error = {0};
    mm_search_scratch scratch;
    mm_generation_settings settings;
    mm_generation_settings_init(&settings);
    settings.do_sample = true;
    settings.num_beams = 2;
    settings.max_length = 2;
    settings.min_length = 0;
    settings.top_k = 0;
    settings.decoder_start_token_id = 0;
    assert_ok(mm_search_scratch_create(&scratch, NULL, WORDS, &error), error);
    size_t best[WORDS] = {0};
    for (uint64_t seed = 0; seed < TRIES; seed++) {
        float logits[2 * WORDS];
        mm_search search;
        start_search(&search, &scratch, &settings, seed);
        for (int i = 0; i < 2 * WORDS; i++)
            logits[i] = (float)log(probabilities[i % WORDS]);
        assert_ok(mm_search_advance(&search, logits, &error), error);
        assert_true(search.done);
        best[mm_search_result(&search, 0)->ids[1]]++;
        mm_search_free(&search);
    }
    // Four of six are drawn. The best is not the first with the chance that the two left out hold
    // it, and so on: exact by going through all orders of the four.
    double expected[WORDS] = {0};
    for (int a = 0; a < WORDS; a++) {
        for (int b = 0; b < WORDS; b++) {
            for (int c = 0; c < WORDS; c++) {
                for (int d = 0; d < WORDS; d++) {
                    if (a == b || a == c || a == d || b == c || b == d || c == d)
                        continue;
                    const double *p = probabilities;
                    const double way = p[a] * p[b] / (1 - p[a]) * p[c] / (1 - p[a] - p[b]) * p[d] /
                                       (1 - p[a] - p[b] - p[c]);
                    int least = a < b ? a : b;
                    least = c < least ? c : least;
                    expected[d < least ? d : least] += way;
                }
            }
        }
    }
    for (int i = 0; i < WORDS; i++)
        check_frequency(best[i], TRIES, expected[i], "the best of four drawn");
    mm_search_scratch_free(&scratch);
}

// No token is left, or fewer than there are beams.
static void test_nothing_left(void **state) {
    (void)state;
    mm_error error = {0};
    mm_search_scratch scratch;
    assert_ok(mm_search_scratch_create(&scratch, NULL, WORDS, &error), error);
    for (int beams = 1; beams <= 4; beams += 3) {
        float logits[4 * WORDS];
        mm_generation_settings settings;
        mm_search search;
        mm_generation_settings_init(&settings);
        settings.do_sample = true;
        settings.num_beams = beams;
        settings.max_length = 5;
        settings.decoder_start_token_id = 0;
        for (int i = 0; i < 4 * WORDS; i++)
            logits[i] = -INFINITY;
        start_search(&search, &scratch, &settings, 1);
        assert_status(mm_search_advance(&search, logits, &error), MM_STATUS_INVALID_PARAMETER,
                      error);
        assert_contains(error.message, "no token");
        mm_search_free(&search);
    }
    mm_search_scratch_free(&scratch);
}

int main(void) {
    json_set_alloc_funcs(mm_malloc, mm_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_warpers),         cmocka_unit_test(test_processors),
        cmocka_unit_test(test_philox),          cmocka_unit_test(test_frequencies),
        cmocka_unit_test(test_beams_by_chance), cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
