// SPDX-License-Identifier: Apache-2.0
// Texts that end a generated one: where transformers ends it, and what of a text is shown.
#include "check.h"
#include "golden_folders.h"
#include "toy_generator.h"

#include "base/memory.h"
#include "tasks/stop_texts.h"

#include <stdio.h>
#include <string.h>

enum { IDS_MAX = 64 };

static size_t read_ids(int32_t *out, const json_t *list) {
    const size_t count = json_array_size(list);
    assert_in_range(count, 0, IDS_MAX);
    for (size_t i = 0; i < count; i++)
        out[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return count;
}

static void check_run(const toy_generator *all, const json_t *input, const json_t *run) {
    mm_error error = {0};
    mm_generation_job job;
    mm_generated found;
    int32_t ids[IDS_MAX], expected[IDS_MAX];
    const size_t count = read_ids(ids, input);
    const size_t wanted = read_ids(expected, json_object_get(run, "sequence"));
    char *what = json_dumps(run, JSON_COMPACT);
    const mm_generation_options options = {.parameters = json_object_get(run, "params")};
    assert_ok(mm_generation_job_from_ids(&job, all->generator, (const int32_t *[]){ids}, &count, 1,
                                         &options, &error),
              error);
    assert_ok(mm_generator_run(all->generator, all->session, &job, NULL, &found, &error), error);
    if (found.starts[1] != wanted - 1 ||
        memcmp(found.ids, expected + 1, found.starts[1] * sizeof *ids) != 0)
        fail_msg("%s: %zu tokens", what, found.starts[1]);
    if ((int64_t)wanted < job.settings.max_length)
        assert_true(found.stopped[0]);
    mm_generated_free(&found);
    mm_generation_job_free(&job);
    mm_free(what);
}

static void check_ids(mm_stop_reader *reader, const json_t *check) {
    mm_error error = {0};
    int32_t ids[IDS_MAX];
    const size_t count = read_ids(ids, json_object_get(check, "ids"));
    const json_t *stop = json_object_get(check, "stop");
    const size_t expected = (size_t)json_integer_value(json_object_get(check, "first_end"));
    const mm_text_list list = {(char *)(uintptr_t)json_string_value(stop),
                               (size_t[]){json_string_length(stop)}, 1};
    size_t end = 0;
    for (size_t n = 1; n <= count && end == 0; n++) {
        bool reached;
        assert_ok(mm_stop_texts_reached(&reached, reader, &list, ids, n, &error), error);
        end = reached ? n : 0;
    }
    if (end != expected) {
        char *what = json_dumps(check, JSON_COMPACT);
        fail_msg("%s: ends at %zu", what, end);
    }
}

static void check_stops(const golden_case *golden, void *payload) {
    size_t *ran = payload, i;
    const char *name;
    json_t *folder, *item;
    json_object_foreach(json_object_get(golden->data, "folders"), name, folder) {
        char path[1024];
        mm_error error = {0};
        toy_generator all;
        mm_stop_reader reader;
        snprintf(path, sizeof path, MM_TESTS_DIR "/golden/models/%s", name);
        assert_ok(toy_generator_open(&all, path, &error), error);
        assert_ok(mm_stop_reader_create(&reader, mm_generator_tokenizer(all.generator), &error),
                  error);
        json_array_foreach(json_object_get(folder, "runs"), i, item) {
            check_run(&all, json_object_get(folder, "input_ids"), item);
            ++*ran;
        }
        json_array_foreach(json_object_get(folder, "checks"), i, item) check_ids(&reader, item);
        mm_stop_reader_free(&reader);
        toy_generator_close(&all);
    }
}

static void test_golden(void **state) {
    (void)state;
    size_t ran = 0;
    assert_true(golden_each("stop-texts", check_stops, &ran) >= 1);
    assert_true(ran > 30);
}

static const mm_text_list two = {(char *)(uintptr_t) "STOP\nEnd", (size_t[]){4, 8}, 2};

static void test_finding(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t found, held;
    } cases[] = {
        {"", 0, 0},     {"a STO", 5, 3},       {"a STOP b", 2, 0},
        {"STOP", 0, 0}, {"x\nEnd STOP", 1, 0}, {"x\n", 2, 1},
        {"x\nE", 3, 2}, {"SSTO", 4, 3},        {"S", 1, 1},
        {"STOS", 4, 1}, {"\nEn\n", 4, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const size_t length = strlen(cases[i].text);
        assert_int_equal(mm_stop_texts_find(&two, cases[i].text, length), cases[i].found);
        assert_int_equal(mm_stop_texts_held(&two, cases[i].text, length), cases[i].held);
    }
}

// What is returned ends before the stop text; the ids are all there.
static void test_returned_text(void **state) {
    (void)state;
    static const char *const source[] = {
        "Twelve engineers measured the old bridge, and found it sound."};
    static const struct {
        const char *stop, *expected;
    } cases[] = {
        {"[]", "perm perm perm"},    {"\" pe\"", ""},  {"\"m perm p\"", "per"},
        {"[\"q\", \"m p\"]", "per"}, {"\"perm\"", ""},
    };
    mm_error error = {0};
    toy_generator all;
    assert_ok(toy_generator_open(&all, MM_TESTS_DIR "/golden/models/seq2seq-bart", &error), error);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char parameters[128], *text;
        size_t length;
        mm_generation_job job;
        mm_generated found;
        snprintf(parameters, sizeof parameters,
                 "{\"num_beams\": 1, \"max_length\": 12, \"min_length\": 11, \"stop\": %s}",
                 cases[i].stop);
        assert_ok(toy_generation_job(&job, &all, source, 1, parameters, &error), error);
        assert_ok(mm_generator_run(all.generator, all.session, &job, NULL, &found, &error), error);
        assert_ok(mm_generated_text(&text, &length, all.generator, &job, &found, 0, &error), error);
        assert_int_equal(length, strlen(text));
        if (i == 0)
            assert_int_equal(strncmp(text, cases[i].expected, strlen(cases[i].expected)), 0);
        else
            assert_string_equal(text, cases[i].expected);
        assert_true(found.starts[1] > 0);
        assert_true(found.stopped[0] || i == 0);
        mm_free(text);
        mm_generated_free(&found);
        mm_generation_job_free(&job);
    }
    toy_generator_close(&all);
}

int main(void) {
    json_set_alloc_funcs(mm_malloc, mm_free);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden),
                                       cmocka_unit_test(test_finding),
                                       cmocka_unit_test(test_returned_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
