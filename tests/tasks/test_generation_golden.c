// SPDX-License-Identifier: Apache-2.0
// What transformers generates with the encoder-decoders of the golden folders, id for id, and with
// the scores of beam searches.
#include "check.h"
#include "golden_folders.h"

#include "base/memory.h"
#include "tasks/generator.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { INPUTS_MAX = 16, PARAMETER_SETS = 40 };

typedef struct fixture {
    const golden_case *golden;
    mm_generator *generator;
    mm_session *session;
    mm_tokenizer *tokenizer; // NULL: of a kind not built yet
    double tolerance;        // of scores, unless a run has its own
    size_t ran, not_built;
} fixture;

typedef struct tally {
    size_t ran, not_built, folders;
} tally;

// The ids of the run's inputs, as a job.
static mm_status make_job(mm_generation_job *job, const fixture *f, const json_t *run,
                          mm_error *error) {
    const json_t *inputs = json_object_get(f->golden->data, "inputs");
    const json_t *chosen = json_object_get(run, "inputs");
    int32_t *ids[INPUTS_MAX] = {NULL};
    size_t lengths[INPUTS_MAX], count = json_array_size(chosen);
    assert_in_range(count, 1, INPUTS_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t input = (size_t)json_integer_value(json_array_get(chosen, i));
        const json_t *list = json_object_get(json_array_get(inputs, input), "input_ids");
        lengths[i] = json_array_size(list);
        ids[i] = mm_malloc(lengths[i] * sizeof *ids[i]);
        for (size_t j = 0; j < lengths[i]; j++)
            ids[i][j] = (int32_t)json_integer_value(json_array_get(list, j));
    }
    const mm_generation_options options = {.parameters = json_object_get(run, "params")};
    mm_status status = mm_generation_job_from_ids(job, f->generator, (const int32_t *const *)ids,
                                                  lengths, count, &options, error);
    for (size_t i = 0; i < count; i++)
        mm_free(ids[i]);
    return status;
}

// Behind a text the library fills up with padding, beam search with an end token where padding is
// 0.
static bool is_filling(const mm_generation_settings *settings, int64_t id, int64_t pad) {
    return id == pad || (settings->eos_token_id.count > 0 && id == settings->eos_token_id.ids[0]);
}

static void compare_text(const fixture *f, const mm_generation_job *job, const char *parameters,
                         const json_t *expected, const int32_t *ids, size_t count) {
    const json_t *config = json_object_get(f->golden->data, "effective_generation_config");
    const json_t *pad = json_object_get(config, "pad_token_id");
    assert_int_equal(json_integer_value(json_array_get(expected, 0)),
                     job->settings.decoder_start_token_id);
    for (size_t i = 0; i + 1 < json_array_size(expected) || i < count; i++) {
        const int64_t want = json_integer_value(json_array_get(expected, i + 1));
        if (i < count ? ids[i] != want
                      : !is_filling(&job->settings, want, pad ? json_integer_value(pad) : 1))
            fail_msg("%s %s: id %zu is %d, expected %lld", f->golden->name, parameters, i,
                     i < count ? ids[i] : -1, (long long)want);
    }
}

// The library decodes the start token too, which is not always a special one.
static void compare_decoded(const fixture *f, const char *parameters, const json_t *expected,
                            int32_t first, const int32_t *ids, size_t count) {
    mm_error error = {0};
    char *text = NULL;
    size_t length = 0;
    int32_t *all = mm_malloc((count + 1) * sizeof *all);
    all[0] = first;
    memcpy(all + 1, ids, count * sizeof *all);
    assert_ok(mm_tokenizer_decode(f->tokenizer, &text, &length, all, count + 1, true, &error),
              error);
    mm_free(all);
    if (length != json_string_length(expected) ||
        memcmp(text, json_string_value(expected), length) != 0)
        fail_msg("%s %s: \"%s\", expected \"%s\"", f->golden->name, parameters, text,
                 json_string_value(expected));
    mm_free(text);
}

// The inputs' texts give the inputs' ids.
static void check_inputs(const fixture *f) {
    size_t i, j;
    json_t *input, *id;
    mm_error error = {0};
    mm_encoding encoding = {0};
    const mm_encode_options options = {.add_special_tokens = true};
    json_array_foreach(json_object_get(f->golden->data, "inputs"), i, input) {
        const json_t *text = json_object_get(input, "text");
        const json_t *ids = json_object_get(input, "input_ids");
        assert_ok(mm_tokenizer_encode(f->tokenizer, &encoding, json_string_value(text),
                                      json_string_length(text), NULL, 0, &options, &error),
                  error);
        assert_int_equal(encoding.count, json_array_size(ids));
        json_array_foreach(ids, j, id) assert_int_equal(encoding.ids[j], json_integer_value(id));
    }
    mm_encoding_free(&encoding);
}

// A score may be a sum of logarithms times a power of its length, and so may what is lost in it.
static double score_tolerance(const fixture *f, const json_t *run) {
    const json_t *own = json_object_get(run, "max_abs_score_f32_vs_f64");
    return own ? fmax(1e-4, 20 * json_number_value(own)) : f->tolerance;
}

static void check_run(fixture *f, const json_t *run) {
    mm_error error = {0};
    mm_generation_job job;
    char *parameters = json_dumps(json_object_get(run, "params"), JSON_COMPACT);
    mm_status status = make_job(&job, f, run, &error);
    if (status == MM_STATUS_INVALID_PARAMETER && strstr(error.message, "not built")) {
        print_message("%s %s: %s\n", f->golden->name, parameters, error.message);
        f->not_built++;
    } else {
        mm_generated found;
        assert_ok(status, error);
        assert_ok(mm_generator_run(f->generator, f->session, &job, NULL, &found, &error), error);
        const json_t *sequences = json_object_get(run, "sequences");
        const json_t *scores = json_object_get(run, "sequences_scores_f64");
        const double tolerance = score_tolerance(f, run);
        assert_int_equal(found.count, json_array_size(sequences));
        for (size_t i = 0; i < found.count; i++) {
            compare_text(f, &job, parameters, json_array_get(sequences, i),
                         found.ids + found.starts[i], found.starts[i + 1] - found.starts[i]);
            if (f->tokenizer)
                compare_decoded(f, parameters, json_array_get(json_object_get(run, "text"), i),
                                (int32_t)job.settings.decoder_start_token_id,
                                found.ids + found.starts[i], found.starts[i + 1] - found.starts[i]);
            if (!scores)
                continue;
            const double want = json_number_value(json_array_get(scores, i));
            if (!(fabs((double)found.scores[i] - want) <= tolerance))
                fail_msg("%s %s: score %zu is %.9g, expected %.9g", f->golden->name, parameters, i,
                         (double)found.scores[i], want);
        }
        mm_generated_free(&found);
        mm_generation_job_free(&job);
        f->ran++;
    }
    mm_free(parameters);
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

// Of this repository's folders: a family is shown by many sets of parameters, not by many texts.
static void check_variety(const golden_case *golden) {
    json_t *sets = json_object(), *run;
    size_t i;
    json_array_foreach(json_object_get(golden->data, "runs"), i, run) {
        char *text = json_dumps(json_object_get(run, "params"), JSON_COMPACT | JSON_SORT_KEYS);
        (void)json_object_set_new(sets, text, json_true());
        mm_free(text);
    }
    if (strncmp(golden->folder, MM_TESTS_DIR, strlen(MM_TESTS_DIR)) == 0 &&
        json_object_size(sets) < PARAMETER_SETS)
        fail_msg("%s: only %zu sets of parameters", golden->name, json_object_size(sets));
    json_decref(sets);
}

static void check_folder(const golden_case *golden, void *payload) {
    tally *all = payload;
    mm_error error = {0};
    mm_backend *backend;
    fixture f = {.golden = golden};
    check_variety(golden);
    assert_ok(mm_backend_cpu_create(&backend, &error), error);
    mm_status status =
        mm_generator_open_model(&f.generator, golden->folder, backend, MM_COMPUTE_F32, &error);
    if (status == MM_STATUS_MODEL_UNSUPPORTED) {
        print_message("%s: not built yet (%s)\n", golden->name, error.message);
        mm_backend_free(backend);
        return;
    }
    assert_ok(status, error);
    const json_t *observed = json_object_get(json_object_get(golden->data, "tolerance_observed"),
                                             "max_abs_sequence_score_f32_vs_f64");
    f.tolerance = fmax(1e-4, 20 * json_number_value(observed));
    status = mm_tokenizer_open(&f.tokenizer, golden->folder, &error);
    if (status == MM_STATUS_MODEL_UNSUPPORTED || status == MM_STATUS_MODEL_NOT_FOUND)
        print_message("%s: ids only (%s)\n", golden->name, error.message);
    else
        assert_ok(status, error);
    if (f.tokenizer)
        check_inputs(&f);
    assert_ok(mm_generator_load(f.generator, MM_PACK_ON_NEED, 2, &error), error);
    assert_ok(mm_session_create(&f.session, backend, 2, &error), error);
    assert_ok(mm_generator_prepare_session(f.generator, f.session, &error), error);
    size_t i;
    json_t *run;
    json_array_foreach(json_object_get(golden->data, "runs"), i, run) check_run(&f, run);
    print_message("%s: %zu runs equal, %zu with parameters not built\n", golden->name, f.ran,
                  f.not_built);
    all->ran += f.ran;
    all->not_built += f.not_built;
    for (int r = 0; r < REQUIRED_COUNT; r++)
        all->folders += strcmp(required[r], golden->name) == 0;
    mm_session_free(f.session);
    mm_tokenizer_free(f.tokenizer);
    mm_generator_free(f.generator);
    mm_backend_free(backend);
}

static void test_runs(void **state) {
    (void)state;
    tally all = {0};
    golden_each("seq2seq", check_folder, &all);
    print_message("%zu runs equal, %zu with parameters not built\n", all.ran, all.not_built);
    assert_true(all.ran > 0);
    if (golden_required_count() == 0)
        print_message("no ../shared: only this repository's own golden folders were run\n");
    else
        assert_int_equal(all.folders, REQUIRED_COUNT);
}

static void a_real_bart_generates_what_transformers_does(void **state) {
    (void)state;
    tally all = {0};
    if (!golden_real_model("bart-g2p-en-us", check_folder, &all))
        skip();
    assert_int_equal(all.ran, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
        cmocka_unit_test(a_real_bart_generates_what_transformers_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
