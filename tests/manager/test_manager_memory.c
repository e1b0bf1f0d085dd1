// SPDX-License-Identifier: Apache-2.0
// Every allocation fails once, of the library's and of jansson's: over creating a manager, loading
// a model and answering a request. Each time the answer is OUT_OF_MEMORY or right, and the manager
// works afterwards. (oneDNN and the threads' own memory are not ours to fail.)
#include "fixture.h"

#include "base/memory.h"

#include <stdlib.h>

enum { MOST = 100000 };

static const char json[] = "{\"task_type\": \"embedding\", \"model_name\": \"" MODEL "\", "
                           "\"device\": \"cpu\", \"task_data\": [\"one\", \"two three\"], "
                           "\"return_ids\": true, \"prompt\": \"p \", \"id\": \"x\"}";

static const char generation_json[] =
    "{\"task_type\": \"text_generation\", \"model_name\": \"" MM_TESTS_DIR
    "/golden/models/seq2seq-bart\", \"device\": \"cpu\", \"task_data\": [\"one\", \"two\"], "
    "\"return_ids\": true, \"num_beams\": 2, \"max_new_tokens\": 3, \"bad_words_ids\": [[5]]}";

static mm_manager *new_manager(mm_status *status) {
    mm_manager *manager;
    mm_settings *settings;
    mm_error error = {0};
    *status = mm_settings_create(&settings, &error);
    if (*status)
        return NULL;
    *status = mm_settings_set(settings, "cpu_threads", "2", &error);
    mm_manager_options options;
    mm_manager_options_init(&options);
    options.settings = settings;
    manager = NULL;
    if (!*status)
        *status = mm_manager_create(&manager, &options, &error);
    mm_settings_free(settings);
    return manager;
}

// True when the request went through; checks the answer otherwise.
static bool ask_for(mm_manager *manager, const char *request, size_t number) {
    char *text;
    mm_status status = mm_task_json(&text, manager, request, strlen(request));
    if (status && status != MM_STATUS_OUT_OF_MEMORY)
        fail_msg("allocation %zu: %s", number, text ? text : mm_status_name(status));
    if (!status)
        assert_contains(text, "\"success\": true");
    mm_text_free(text);
    return status == MM_STATUS_OK;
}

static bool ask(mm_manager *manager, size_t number) {
    return ask_for(manager, json, number);
}

static void test_creation(void **state) {
    (void)state;
    mm_status status = MM_STATUS_OUT_OF_MEMORY;
    size_t number = 0;
    while (status && ++number < MOST) {
        mm_memory_fail_after(number, false);
        mm_manager *manager = new_manager(&status);
        mm_memory_fail_after(0, false);
        assert_true(!status == (manager != NULL));
        assert_true(!status || status == MM_STATUS_OUT_OF_MEMORY);
        mm_manager_free(manager);
    }
    assert_true(number > 20 && number < MOST);
}

// From nothing to the answer, then the same with the model loaded. A worker's session is made
// beside the request, so which allocation is the n-th may differ from run to run; all n are tried.
static void test_task(void **state) {
    (void)state;
    mm_status status;
    size_t calm = 0; // requests in a row that no longer reach their n-th allocation
    for (size_t number = 1; calm < 3 && number < MOST; number += number < 300 ? 1 : 7) {
        mm_manager *manager = new_manager(&status);
        assert_non_null(manager);
        mm_memory_fail_after(number, false);
        (void)ask(manager, number);
        calm = mm_memory_allocations() < number ? calm + 1 : 0;
        mm_memory_fail_after(0, false);
        if (!ask(manager, number)) // and without a failure it must
            fail_msg("allocation %zu: the manager did not recover", number);
        mm_manager_free(manager);
    }
    assert_int_equal(calm, 3);
    mm_manager *manager = new_manager(&status);
    assert_true(ask(manager, 0));
    calm = 0;
    for (size_t number = 1; calm < 3 && number < MOST; number++) {
        mm_memory_fail_after(number, false);
        (void)ask(manager, number);
        calm = mm_memory_allocations() < number ? calm + 1 : 0;
        mm_memory_fail_after(0, false);
        assert_true(ask(manager, number));
    }
    assert_int_equal(calm, 3);
    mm_manager_free(manager);
}

static void test_generation(void **state) {
    (void)state;
    mm_status status;
    mm_manager *manager = new_manager(&status);
    assert_true(ask_for(manager, generation_json, 0));
    size_t calm = 0;
    for (size_t number = 1; calm < 3 && number < MOST; number++) {
        mm_memory_fail_after(number, false);
        (void)ask_for(manager, generation_json, number);
        calm = mm_memory_allocations() < number ? calm + 1 : 0;
        mm_memory_fail_after(0, false);
        assert_true(ask_for(manager, generation_json, number));
    }
    assert_int_equal(calm, 3);
    mm_manager_free(manager);
}

// Memory stays out: the first thing that needs some says so, and nothing hangs.
static void test_for_ever(void **state) {
    (void)state;
    mm_status status;
    for (size_t number = 1; number < 400; number += 13) {
        mm_manager *manager = new_manager(&status);
        mm_memory_fail_after(number, true);
        (void)ask(manager, number);
        mm_memory_fail_after(0, false);
        assert_true(ask(manager, number));
        mm_manager_free(manager);
    }
}

static void on_done(mm_job *job, mm_status status, mm_result *result, const mm_error *error,
                    void *payload) {
    (void)error;
    atomic_int *outcome = payload;
    mm_result_free(result);
    mm_job_free(job);
    atomic_store(outcome, (int)status + 1000);
}

static void test_submit(void **state) {
    (void)state;
    mm_status status;
    mm_manager *manager = new_manager(&status);
    assert_true(ask(manager, 0));
    size_t calm = 0;
    for (size_t number = 1; calm < 3 && number < MOST; number++) {
        mm_request *request = fixture_request(MODEL, "x");
        atomic_int outcome = 0;
        mm_job *job;
        mm_memory_fail_after(number, false);
        status = mm_task_submit(&job, manager, request, on_done, &outcome, NULL);
        if (!status)
            fixture_wait(&outcome, 1);
        calm = mm_memory_allocations() < number ? calm + 1 : 0;
        mm_memory_fail_after(0, false);
        if (!status)
            status = (mm_status)(atomic_load(&outcome) - 1000);
        assert_true(!status || status == MM_STATUS_OUT_OF_MEMORY);
        mm_request_free(request);
    }
    assert_int_equal(calm, 3);
    mm_manager_free(manager);
}

// A codec answers each object, or says that memory is out, and works afterwards.
static void test_text_codec(void **state) {
    (void)state;
    static const char single[] = "{\"text\": \"one two three four five\", \"pair\": \"six\", "
                                 "\"truncation\": {\"max_length\": 9, \"stride\": 1}, "
                                 "\"padding\": {\"length\": 40}}";
    static const char batch[] = "{\"texts\": [\"one\", \"two three\"], "
                                "\"padding\": {\"pad_to_multiple_of\": 64}}";
    static const char ids[] = "{\"ids\": [1, 2, 3], \"skip_special_tokens\": false, "
                              "\"clean_up_tokenization_spaces\": true}";
    const char *const lines[] = {single, batch, ids};
    mm_status status;
    mm_error error = {0};
    mm_text_codec *codec;
    mm_manager *manager = new_manager(&status);
    assert_int_equal(mm_text_codec_open(&codec, manager, MODEL, &error), MM_STATUS_OK);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        status = MM_STATUS_OUT_OF_MEMORY;
        size_t number = 0;
        while (status && ++number < MOST) {
            char *text;
            mm_memory_fail_after(number, false);
            status = mm_text_codec_json(&text, codec, lines[i], strlen(lines[i]));
            mm_memory_fail_after(0, false);
            assert_true(!status || status == MM_STATUS_OUT_OF_MEMORY);
            assert_true(status || !strstr(text, "error"));
            mm_text_free(text);
        }
        assert_true(number > 5 && number < MOST);
    }
    mm_text_codec_free(codec);
    mm_manager_free(manager);
}

int main(void) {
    json_set_alloc_funcs(mm_malloc, mm_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_creation), cmocka_unit_test(test_text_codec),
        cmocka_unit_test(test_task),     cmocka_unit_test(test_generation),
        cmocka_unit_test(test_for_ever), cmocka_unit_test(test_submit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
