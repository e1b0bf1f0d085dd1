// SPDX-License-Identifier: Apache-2.0
// Generation around its golden runs: texts in, parameters that are wrong or contradict each other,
// where defaults come from, a text alone and among others, memory that runs out.
#include "check.h"
#include "scratch.h"
#include "toy.h"
#include "toy_generator.h"

#include "base/memory.h"
#include <string.h>

static const char model[] = MM_TESTS_DIR "/golden/models/seq2seq-t5";
static const char bart[] = MM_TESTS_DIR "/golden/models/seq2seq-bart";

static int set_up(void **state) {
    (void)state;
    json_set_alloc_funcs(mm_malloc, mm_free);
    return scratch_create() ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

// ---- Parameters --------------------------------------------------------------------------------

static json_t *parse(const char *text) {
    mm_error error = {0};
    json_t *object = NULL;
    assert_ok(mm_json_parse(&object, text, strlen(text), "test", MM_STATUS_INTERNAL, &error),
              error);
    return object;
}

static mm_status read_call(const char *text, mm_generation_settings *settings, mm_error *error) {
    json_t *object = parse(text);
    *error = (mm_error){0};
    mm_generation_settings_init(settings);
    settings->decoder_start_token_id = 1;
    mm_status status =
        mm_generation_settings_read(settings, object, MM_FROM_CALL, "the call", error);
    if (!status)
        status = mm_generation_settings_resolve(settings, object, 100, 50, error);
    json_decref(object);
    return status;
}

static void test_wrong_parameters(void **state) {
    (void)state;
    static const struct {
        const char *call, *part;
    } cases[] = {
        {"{\"num_beams\": 0}", "num_beams must be an integer from 1"},
        {"{\"num_beams\": \"4\"}", "num_beams"},
        {"{\"num_beam\": 2}", "num_beam is no parameter"},
        {"{\"max_length\": 51}", "50 positions"},
        {"{\"max_new_tokens\": 50}", "50 positions"},
        {"{\"max_length\": 1}", "start token"},
        {"{\"num_return_sequences\": 2}", "one beam without do_sample"},
        {"{\"num_return_sequences\": 4, \"num_beams\": 3}", "more than the 3 beams"},
        {"{\"early_stopping\": \"soon\"}", "never"},
        {"{\"length_penalty\": true}", "length_penalty must be a number"},
        {"{\"bad_words_ids\": [1]}", "lists of token ids"},
        {"{\"bad_words_ids\": [[]]}", "lists of token ids"},
        {"{\"bad_words_ids\": [[100]]}", "the vocabulary has 100 ids"},
        {"{\"sequence_bias\": [[[1], \"x\"]]}", "[[ids], bias]"},
        {"{\"suppress_tokens\": [-1]}", "token id"},
        {"{\"suppress_tokens\": [7], \"forced_bos_token_id\": 7}", "forced_bos_token_id 7"},
        {"{\"exponential_decay_length_penalty\": [1]}", "factor"},
        {"{\"max_length\": 0}", "max_length must be an integer from 1"},
        {"{\"num_beams\": 1000}", "num_beams must be an integer from 1 to 256"},
        {"{\"do_sample\": true, \"num_return_sequences\": 3, \"num_beams\": 2}", "more than the 2"},
        {"{\"do_sample\": true, \"temperature\": 0}", "is 0, must be at least 0.0001"},
        {"{\"do_sample\": true, \"temperature\": \"hot\"}", "temperature must be a number"},
        {"{\"do_sample\": true, \"top_p\": 1.5}", "top_p must be a number from 0 to 1"},
        {"{\"do_sample\": true, \"typical_p\": 0}", "keeps no token"},
        {"{\"do_sample\": true, \"top_k\": -1}", "top_k must be an integer from 0"},
        {"{\"temperature\": 0.7}", "no effect without do_sample true"},
        {"{\"top_k\": 5}", "no effect without do_sample true"},
        {"{\"num_beams\": 2, \"min_p\": 0.1}", "no effect without do_sample true"},
        {"{\"length_penalty\": 2.0}", "no effect without num_beams above 1"},
        {"{\"early_stopping\": true}", "no effect without num_beams above 1"},
        {"{\"min_length\": 30, \"max_length\": 20}", "comes to 30 tokens, more than the 20"},
        {"{\"min_new_tokens\": 30}", "comes to 31 tokens, more than the 21"},
        {"{\"stop\": [\"\"]}", "stop must be a text of 1 to"},
        {"{\"stop\": 7}", "stop must be a text of 1 to"},
        {"{\"truncate\": \"left\"}", "is no parameter"}, // an option of its own
        {"{\"seed\": -4}", "seed must be an integer from 0"},
        {"{\"num_beam_groups\": 2}", "not built"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mm_error error;
        mm_generation_settings settings;
        assert_status(read_call(cases[i].call, &settings, &error), MM_STATUS_INVALID_PARAMETER,
                      error);
        assert_contains(error.message, cases[i].part);
        assert_contains(error.details, "\"parameter\"");
        mm_generation_settings_free(&settings);
    }
}

static void test_lengths(void **state) {
    (void)state;
    static const struct {
        const char *call;
        int64_t max_length, min_length;
    } cases[] = {
        {"{}", 21, 0},
        {"{\"max_length\": 9, \"min_length\": 4}", 9, 4},
        {"{\"max_new_tokens\": 9, \"min_new_tokens\": 4}", 10, 5},
        {"{\"max_new_tokens\": 5, \"max_length\": 40}", 6, 0},
        {"{\"temperature\": 1.0, \"top_k\": 50, \"top_p\": 1, \"length_penalty\": 1}", 21,
         0}, // idle
        {"{\"max_length\": null, \"num_beam_groups\": 1}", 21, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mm_error error;
        mm_generation_settings settings;
        assert_ok(read_call(cases[i].call, &settings, &error), error);
        assert_int_equal(settings.max_length, cases[i].max_length);
        assert_int_equal(settings.min_length, cases[i].min_length);
        mm_generation_settings_free(&settings);
    }
}

// generation_config.json alone counts when it is there, else the old keys of config.json.
static void test_sources_of_defaults(void **state) {
    (void)state;
    mm_error error = {0};
    mm_generation_settings settings;
    json_t *config = parse("{\"num_beams\": 3, \"eos_token_id\": 5, \"d_model\": 8}");
    assert_true(toy_write_text("empty", "other.json", "{}"));
    assert_ok(mm_generation_settings_open(&settings, scratch_path("empty"), config, &error), error);
    assert_int_equal(settings.num_beams, 3);
    assert_int_equal(settings.eos_token_id.ids[0], 5);
    mm_generation_settings_free(&settings);
    assert_true(toy_write_text("own", "generation_config.json",
                               "{\"eos_token_id\": [6, 7], \"top_k\": 9, \"custom\": 1}"));
    assert_ok(mm_generation_settings_open(&settings, scratch_path("own"), config, &error), error);
    assert_int_equal(settings.num_beams, 1);
    assert_int_equal(settings.eos_token_id.count, 2);
    mm_generation_settings_free(&settings);
    assert_true(toy_write_text("bad", "generation_config.json", "{\"num_beams\": -1}"));
    assert_status(mm_generation_settings_open(&settings, scratch_path("bad"), config, &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    assert_contains(error.message, "generation_config.json: \"num_beams\"");
    assert_true(toy_write_text("new", "generation_config.json", "{\"guidance_scale\": 2.0}"));
    assert_status(mm_generation_settings_open(&settings, scratch_path("new"), config, &error),
                  MM_STATUS_MODEL_UNSUPPORTED, error);
    assert_contains(error.message, "\"guidance_scale\" is not built yet");
    json_decref(config);
}

static void test_old_keys(void **state) {
    (void)state;
    mm_error error = {0};
    mm_generation_settings settings;
    json_t *config = parse("{\"bos_token_id\": 4, \"force_bos_token_to_be_generated\": true, "
                           "\"task\": 5, \"seed\": \"x\", \"top_p\": 0.5, \"stop\": 1}");
    assert_true(toy_write_text("older", "other.json", "{}"));
    assert_ok(mm_generation_settings_open(&settings, scratch_path("older"), config, &error), error);
    assert_int_equal(settings.forced_bos_token_id, 4);
    assert_true(settings.top_p == 0.5);
    // A length of a call replaces that of the files, of whichever kind.
    settings.max_new_tokens = 30;
    settings.min_new_tokens = 3;
    json_t *call = parse("{\"max_length\": 12, \"min_length\": 2}");
    assert_ok(mm_generation_settings_read(&settings, call, MM_FROM_CALL, "the call", &error),
              error);
    assert_ok(mm_generation_settings_resolve(&settings, call, 100, 50, &error), error);
    assert_int_equal(settings.max_length, 12);
    assert_int_equal(settings.min_length, 2);
    mm_generation_settings_free(&settings);
    json_decref(call);
    json_decref(config);
}

// ---- Running -----------------------------------------------------------------------------------

static const char *const texts[] = {"The cat sat on the mat.", "x",
                                    "Twelve engineers measured the old bridge."};
enum { TEXTS = 3 };

// Texts of one request are decoded together; each must come out as it does alone, to the last bit
// of its score.
static void test_alone_and_together(void **state) {
    (void)state;
    static const char *const calls[] = {"{\"max_new_tokens\": 9, \"num_beams\": 1}",
                                        "{\"max_new_tokens\": 9, \"num_beams\": 3}"};
    mm_error error = {0};
    toy_generator all;
    assert_ok(toy_generator_open(&all, bart, &error), error);
    for (int call = 0; call < 2; call++) {
        mm_generated together, alone;
        assert_ok(toy_generate(&together, &all, texts, TEXTS, calls[call], &error), error);
        assert_int_equal(together.count, TEXTS);
        for (size_t i = 0; i < TEXTS; i++) {
            const size_t length = together.starts[i + 1] - together.starts[i];
            assert_ok(toy_generate(&alone, &all, texts + i, 1, calls[call], &error), error);
            assert_int_equal(alone.starts[1], length);
            assert_memory_equal(alone.ids, together.ids + together.starts[i],
                                length * sizeof *alone.ids);
            assert_int_equal(alone.stopped[0], together.stopped[i]);
            if (call == 1)
                assert_memory_equal(&alone.scores[0], &together.scores[i], sizeof(float));
            mm_generated_free(&alone);
        }
        mm_generated_free(&together);
    }
    toy_generator_close(&all);
}

static bool same(const mm_generated *a, size_t i, const mm_generated *b, size_t k) {
    const size_t length = a->starts[i + 1] - a->starts[i];
    return length == b->starts[k + 1] - b->starts[k] &&
           memcmp(a->ids + a->starts[i], b->ids + b->starts[k], length * sizeof *a->ids) == 0;
}

// What a seed decides depends on nothing else: not on the other texts, nor on the place among them.
static void test_seeds(void **state) {
    (void)state;
    static const char *const calls[] = {
        "{\"num_beams\": 1, \"do_sample\": true, \"seed\": 5, \"max_new_tokens\": 12, "
        "\"num_return_sequences\": 3, \"temperature\": 2.0}",
        "{\"num_beams\": 3, \"do_sample\": true, \"seed\": 5, \"max_new_tokens\": 12, "
        "\"num_return_sequences\": 3, \"temperature\": 2.0, \"top_p\": 0.9}"};
    mm_error error = {0};
    toy_generator all;
    assert_ok(toy_generator_open(&all, model, &error), error);
    for (int call = 0; call < 2; call++) {
        mm_generated together, alone, other;
        char changed[256];
        assert_ok(toy_generate(&together, &all, texts, TEXTS, calls[call], &error), error);
        assert_int_equal(together.count, 3 * TEXTS);
        for (size_t i = 0; i < TEXTS; i++) {
            assert_ok(toy_generate(&alone, &all, texts + i, 1, calls[call], &error), error);
            for (size_t k = 0; k < 3; k++)
                assert_true(same(&alone, k, &together, 3 * i + k));
            assert_false(same(&alone, 0, &alone, 1));
            mm_generated_free(&alone);
        }
        strcpy(changed, calls[call]);
        *strstr(changed, "5,") = '6';
        assert_ok(toy_generate(&other, &all, texts, TEXTS, changed, &error), error);
        assert_false(same(&other, 0, &together, 0));
        mm_generated_free(&other);
        mm_generated_free(&together);
    }
    // Without a seed each time, and each text of a request, has its own.
    static const char *const twice[] = {"The cat sat on the mat.", "The cat sat on the mat."};
    mm_generated first, second;
    const char *call = "{\"do_sample\": true, \"max_new_tokens\": 20, \"temperature\": 3.0}";
    assert_ok(toy_generate(&first, &all, twice, 2, call, &error), error);
    assert_ok(toy_generate(&second, &all, twice, 2, call, &error), error);
    assert_false(same(&first, 0, &first, 1));
    assert_false(same(&first, 0, &second, 0));
    mm_generated_free(&first);
    mm_generated_free(&second);
    toy_generator_close(&all);
}

// With one token to choose from, chance has nothing to say.
static void test_sampling_one_token(void **state) {
    (void)state;
    mm_error error = {0};
    toy_generator all;
    mm_generated greedy, sampled;
    assert_ok(toy_generator_open(&all, model, &error), error);
    assert_ok(toy_generate(&greedy, &all, texts, TEXTS, "{\"max_new_tokens\": 15}", &error), error);
    assert_ok(toy_generate(&sampled, &all, texts, TEXTS,
                           "{\"max_new_tokens\": 15, \"do_sample\": true, \"top_k\": 1}", &error),
              error);
    for (size_t i = 0; i < TEXTS; i++)
        assert_true(same(&greedy, i, &sampled, i));
    mm_generated_free(&greedy);
    mm_generated_free(&sampled);
    toy_generator_close(&all);
}

static void test_refusals(void **state) {
    (void)state;
    mm_error error = {0};
    toy_generator all;
    mm_generated found;
    assert_status(toy_generator_open(&all, MM_TESTS_DIR "/golden/models/bert-cls", &error),
                  MM_STATUS_INVALID_TASK_TYPE, error);
    assert_contains(error.message, "\"embedding\"");
    toy_generator_close(&all);
    assert_ok(toy_generator_open(&all, model, &error), error);
    const char *const broken[] = {"good", "\xff"};
    assert_status(toy_generate(&found, &all, broken, 2, "{}", &error), MM_STATUS_INVALID_REQUEST,
                  error);
    assert_contains(error.details, "\"index\": 1");
    mm_generation_job job;
    const int32_t beyond[] = {1 << 20};
    assert_status(mm_generation_job_from_ids(&job, all.generator, (const int32_t *[]){beyond},
                                             (size_t[]){1}, 1, NULL, &error),
                  MM_STATUS_INVALID_REQUEST, error);
    assert_status(mm_generation_job_from_ids(&job, all.generator, (const int32_t *[]){beyond},
                                             (size_t[]){0}, 1, NULL, &error),
                  MM_STATUS_INVALID_REQUEST, error);
    toy_generator_close(&all);
}

// ---- Memory ------------------------------------------------------------------------------------

static const char busy_call[] =
    "{\"num_beams\": 2, \"max_new_tokens\": 4, \"eos_token_id\": [2, 3], \"bad_words_ids\": "
    "[[5], [6, 7]], \"sequence_bias\": [[[8], -1.0]], \"suppress_tokens\": [9]}";

static mm_status whole_way(mm_generated *out, mm_error *error) {
    toy_generator all;
    *out = (mm_generated){0};
    mm_status status = toy_generator_open(&all, bart, error);
    if (!status)
        status = toy_generate(out, &all, texts, 2, busy_call, error);
    toy_generator_close(&all);
    return status;
}

static void test_every_allocation_may_fail(void **state) {
    (void)state;
    mm_error error = {0};
    mm_generated reference, found;
    mm_memory_fail_after(0, false);
    assert_ok(whole_way(&reference, &error), error);
    const size_t allocations = mm_memory_allocations(), length = reference.starts[2];
    print_message("%zu allocations\n", allocations);
    // The vocabulary alone takes hundreds; every fifth of them, and all of the last.
    for (size_t n = 1; n <= allocations; n += n + 150 < allocations ? 5 : 1) {
        error = (mm_error){0};
        mm_memory_fail_after(n, false);
        mm_status status = whole_way(&found, &error);
        mm_memory_fail_after(0, false);
        if (status == MM_STATUS_OK) // it could do without that memory
            assert_memory_equal(found.ids, reference.ids, length * sizeof *found.ids);
        else if (status != MM_STATUS_OUT_OF_MEMORY)
            fail_msg("allocation %zu: %s: %s", n, mm_status_name(status), error.message);
        mm_generated_free(&found);
    }
    mm_generated_free(&reference);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_parameters),          cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_sources_of_defaults),       cmocka_unit_test(test_old_keys),
        cmocka_unit_test(test_alone_and_together),        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_sampling_one_token),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
