// SPDX-License-Identifier: Apache-2.0
// What a request gives: vectors, errors by name, and a manager that goes on.
#include "fixture.h"

#include "base/memory.h"
#include "manager/json_text.h"

#include <math.h>
#include <stdlib.h>

static fixture shared;

static int open_shared(void **state) {
    (void)state;
    fixture_open(&shared, NULL);
    return 0;
}

static int close_shared(void **state) {
    (void)state;
    fixture_close(&shared);
    return 0;
}

static void test_vectors(void **state) {
    (void)state;
    mm_request *request = fixture_request(MODEL, "hello world");
    mm_error error = {0};
    assert_ok(mm_request_add_text(request, "", SIZE_MAX, &error), error);
    assert_ok(mm_request_add_text(request, "hello world", SIZE_MAX, &error), error);
    assert_ok(mm_request_set_boolean(request, "return_ids", true, &error), error);
    mm_result *result;
    assert_ok(mm_task(&result, shared.manager, request, &error), error);
    assert_int_equal(mm_result_count(result), 3);
    size_t dimension = mm_result_dimension(result);
    const float *vectors = mm_result_vectors(result);
    for (size_t i = 0; i < 3; i++) {
        double square = 0;
        for (size_t k = 0; k < dimension; k++)
            square += (double)vectors[i * dimension + k] * (double)vectors[i * dimension + k];
        assert_true(fabs(square - 1) < 1e-5);
        assert_false(mm_result_truncated(result, i));
        size_t count;
        const int32_t *ids = mm_result_ids(result, i, &count);
        assert_int_equal(count, mm_result_tokens(result, i));
        assert_int_equal(ids[0], 2); // [CLS]
    }
    assert_int_equal(mm_result_tokens(result, 1), 2);
    assert_memory_equal(vectors, vectors + 2 * dimension, dimension * sizeof(float));
    assert_string_equal(mm_result_device(result), "cpu");
    assert_string_equal(mm_result_dtype(result), "f32");
    assert_int_equal(strlen(mm_result_fingerprint(result)), 64);
    assert_null(mm_result_prompt(result));
    assert_false(mm_result_preloaded(result));
    mm_timing timing;
    mm_result_timing(result, &timing);
    assert_true(timing.total_ms >= timing.compute_ms && timing.compute_ms > 0);

    // The ids that came back give the same vector.
    mm_request *again = fixture_request(MODEL, NULL);
    size_t count;
    const int32_t *ids = mm_result_ids(result, 0, &count);
    assert_ok(mm_request_add_ids(again, ids, count, &error), error);
    mm_result *second;
    assert_ok(mm_task(&second, shared.manager, again, &error), error);
    assert_memory_equal(mm_result_vectors(second), vectors, dimension * sizeof(float));
    mm_result_free(second);
    mm_request_free(again);
    mm_result_free(result);
    mm_request_free(request);
}

static void test_options(void **state) {
    (void)state;
    json_t *result = fixture_json(
        &shared,
        "{\"task_type\": \"embedding\", \"model_name\": \"%s\", \"device\": \"cpu\", \"task_data\":"
        " \"one two three four five six\", \"prompt\": \"query: \", \"dimensions\": 8,"
        " \"normalize\": true, \"max_length\": 5, \"id\": \"q-1\", \"return_ids\": true,"
        " \"use_cache\": false, \"priority\": \"bulk\"}",
        MODEL);
    const json_t *data = fixture_data(result);
    assert_string_equal(json_string_value(json_object_get(result, "id")), "q-1");
    assert_string_equal(json_string_value(json_object_get(data, "prompt")), "query: ");
    assert_int_equal(json_integer_value(json_object_get(data, "dimension")), 8);
    const json_t *vector = json_array_get(json_object_get(data, "embeddings"), 0);
    assert_int_equal(json_array_size(vector), 8);
    assert_true(json_is_true(json_array_get(json_object_get(data, "truncated"), 0)));
    assert_true(json_is_false(json_array_get(json_object_get(data, "cached"), 0)));
    assert_int_equal(json_integer_value(json_array_get(json_object_get(data, "tokens"), 0)), 5);
    assert_int_equal(json_array_size(json_array_get(json_object_get(data, "input_ids"), 0)), 5);
    assert_string_equal(json_string_value(json_object_get(data, "model_name")), MODEL);
    assert_true(json_is_null(json_object_get(data, "revision")));
    assert_null(json_object_get(data, "device_fallback"));
    assert_int_equal(json_integer_value(json_object_get(data, "worker_id")), 0);
    static const char *const times[] = {"queue_ms",    "download_ms", "load_ms",
                                        "tokenize_ms", "compute_ms",  "total_ms"};
    for (size_t i = 0; i < 6; i++)
        assert_true(json_is_real(json_object_get(json_object_get(data, "timing"), times[i])));
    json_decref(result);
}

#define TASK "{\"task_type\": \"embedding\", \"model_name\": \"%s\", "

// Each is refused with its code and leaves the manager usable.
static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *rest; // behind task_type and model_name
        const char *code;
    } cases[] = {
        {"\"id\": 1}", "INVALID_REQUEST"},
        {"\"task_data\": [\"a\", 1]}", "INVALID_REQUEST"},
        {"\"task_data\": \"a\", \"promt\": \"x\"}", "INVALID_PARAMETER"},
        {"\"task_data\": \"a\", \"max_length\": \"7\"}", "INVALID_PARAMETER"},
        {"\"task_data\": \"a\", \"max_length\": 0}", "INVALID_PARAMETER"},
        {"\"task_data\": \"a\", \"max_length\": 100000}", "INVALID_PARAMETER"},
        {"\"task_data\": \"a\", \"dimensions\": 100000}", "INVALID_PARAMETER"},
        {"\"task_data\": \"a\", \"prompt_name\": \"none such\"}", "INVALID_PARAMETER"},
        {"\"task_data\": \"a\", \"dtype\": \"f16\"}", "INVALID_PARAMETER"},
        {"\"task_data\": \"a\", \"dtype\": \"int8\"}", "INVALID_PARAMETER"},
        {"\"task_data\": \"a\", \"num_workers\": 65}", "INVALID_PARAMETER"},
        {"\"task_data\": \"a\", \"revision\": \"main\"}", "INVALID_PARAMETER"},
        {"\"task_data\": \"a\", \"device\": \"tpu\"}", "INVALID_DEVICE"},
        {"\"task_data\": \"a\", \"device\": \"cuda:0\"}", "NO_GPU_AVAILABLE"},
        {"\"input_ids\": [[1, 2], [999999]]}", "INVALID_PARAMETER"},
        {"\"task_data\": [\"a\", \"\xC3\"]}", "INVALID_REQUEST"},
        {"\"task_data\": \"a\"", "INVALID_REQUEST"},
        {"\"task_data\": [\"a\", \"b c d e f g h i j k\"], \"max_length\": 4, \"truncate\": "
         "\"error\"}",
         "INPUT_TOO_LONG"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text;
        assert_true(asprintf(&text, TASK "%s", MODEL, cases[i].rest) > 0);
        json_t *result = fixture_json(&shared, "%s", text);
        const char *code = fixture_code(result);
        bool ids = cases[i].rest[1] == 'i' && strstr(cases[i].rest, "999999");
        if (strcmp(code, cases[i].code) != 0 && !(ids && strncmp(code, "INVALID_", 8) == 0))
            fail_msg("%s: %s", cases[i].rest, code);
        json_decref(result);
        free(text);
    }
    mm_result_free(fixture_embed(&shared, MODEL, "still there", MM_STATUS_OK));
}

static const json_t *detail(const json_t *result, const char *name) {
    return json_object_get(json_object_get(json_object_get(result, "error"), "details"), name);
}

static void test_details(void **state) {
    (void)state;
    json_t *result = fixture_json(
        &shared, TASK "\"task_data\": [\"fine\", \"ok\", \"bad \xFF\"], \"id\": 5}", MODEL);
    assert_string_equal(fixture_code(result), "INVALID_REQUEST");
    assert_int_equal(json_integer_value(detail(result, "index")), 2);
    json_decref(result);
    result = fixture_json(&shared, TASK "\"task_data\": \"a\", \"nonsense\": 1, \"id\": 5}", MODEL);
    assert_string_equal(json_string_value(detail(result, "parameter")), "nonsense");
    assert_int_equal(json_integer_value(json_object_get(result, "id")), 5);
    json_decref(result);
    // The same from C, where nothing has looked at the text before.
    mm_request *request = fixture_request(MODEL, "fine");
    mm_error error = {0};
    assert_ok(mm_request_add_text(request, "bad \xFF", SIZE_MAX, &error), error);
    mm_result *none;
    assert_status(mm_task(&none, shared.manager, request, &error), MM_STATUS_INVALID_REQUEST,
                  error);
    assert_contains(error.details, "\"index\": 1");
    assert_null(none);
    mm_request_free(request);
}

static void test_no_such_models(void **state) {
    (void)state;
    static const struct {
        const char *name;
        mm_status status;
    } cases[] = {
        {"./no/such/directory", MM_STATUS_MODEL_NOT_FOUND},
        {MODEL "/config.json", MM_STATUS_MODEL_NOT_FOUND},
        {MM_TESTS_DIR "/manager", MM_STATUS_MODEL_NOT_FOUND},
        {"no-org/no-such-model", MM_STATUS_OFFLINE},
        {"no//name", MM_STATUS_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        mm_result_free(fixture_embed(&shared, cases[i].name, "x", cases[i].status));
}

static void test_empty_and_preload(void **state) {
    (void)state;
    json_t *result = fixture_json(&shared, TASK "\"task_data\": \"a\"}", MODEL);
    assert_null(json_object_get(fixture_data(result), "input_ids"));
    json_decref(result);
    result = fixture_json(&shared, TASK "\"task_data\": [], \"return_ids\": true}", MODEL);
    const json_t *data = fixture_data(result);
    assert_true(json_is_array(json_object_get(data, "input_ids")));
    static const char *const lists[] = {"embeddings", "tokens", "truncated", "cached"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(json_is_array(json_object_get(data, lists[i])));
        assert_int_equal(json_array_size(json_object_get(data, lists[i])), 0);
    }
    assert_true(json_is_null(json_object_get(data, "worker_id")));
    json_decref(result);
    result = fixture_json(
        &shared, TASK "\"task_data\": null, \"num_workers\": 2, \"keep_alive\": -1}", MODEL);
    data = fixture_data(result);
    assert_true(json_is_true(json_object_get(data, "preloaded")));
    assert_int_equal(json_integer_value(json_object_get(data, "workers")), 2);
    assert_int_equal(json_integer_value(json_object_get(data, "keep_alive_minutes")), -1);
    assert_string_equal(json_string_value(json_object_get(data, "device")), "cpu");
    assert_true(json_is_true(json_object_get(data, "device_fallback")));
    json_decref(result);
    mm_request *request = fixture_request(MODEL, NULL);
    mm_request_set_preload(request, true);
    mm_result *preloaded;
    mm_error error = {0};
    assert_ok(mm_task(&preloaded, shared.manager, request, &error), error);
    assert_true(mm_result_preloaded(preloaded));
    mm_result_free(preloaded);
    mm_request_free(request);
}

static void test_device(void **state) {
    (void)state;
    static const char *const strict[] = {"gpu_fallback", "error", NULL};
    fixture own;
    fixture_open(&own, strict);
    json_t *result = fixture_json(&own, TASK "\"task_data\": \"x\"}", MODEL);
    assert_string_equal(fixture_code(result), "NO_GPU_AVAILABLE");
    json_decref(result);
    result = fixture_json(&own, TASK "\"task_data\": \"x\", \"device\": \"cpu\"}", MODEL);
    (void)fixture_data(result);
    json_decref(result);
    fixture_close(&own);
    fixture_open(&own, NULL);
    for (int i = 0; i < 3; i++) { // the same deployment as "cpu"; one warning
        result = fixture_json(&own, TASK "\"task_data\": \"x\"}", MODEL);
        assert_true(json_is_true(json_object_get(fixture_data(result), "device_fallback")));
        json_decref(result);
    }
    mm_result_free(fixture_embed(&own, MODEL, "x", MM_STATUS_OK));
    assert_int_equal(atomic_load(&own.loads), 1);
    assert_int_equal(atomic_load(&own.warnings), 1);
    fixture_close(&own);
}

static void test_dtypes(void **state) {
    (void)state;
    json_t *result = fixture_json(
        &shared, TASK "\"task_data\": \"x\", \"dtype\": \"bf16\", \"device\": \"cpu\"}", MODEL);
    if (json_is_true(json_object_get(result, "success"))) {
        assert_string_equal(json_string_value(json_object_get(fixture_data(result), "dtype")),
                            "bf16");
    } else { // a processor without it
        assert_string_equal(fixture_code(result), "INVALID_PARAMETER");
        print_message("no bf16 on this processor: only its refusal was checked\n");
    }
    json_decref(result);
}

static void test_large(void **state) {
    (void)state;
    mm_error error = {0};
    size_t length = 10 << 20; // 10 MB in one text
    char *text = malloc(length);
    assert_non_null(text);
    for (size_t i = 0; i < length; i++)
        text[i] = i % 8 == 7 ? ' ' : (char)('a' + (i / 8) % 26);
    mm_request *request = fixture_request(MODEL, NULL);
    assert_ok(mm_request_add_text(request, text, length, &error), error);
    mm_result *result;
    assert_ok(mm_task(&result, shared.manager, request, &error), error);
    assert_true(mm_result_truncated(result, 0));
    mm_result_free(result);
    mm_request_free(request);
    free(text);
    request = fixture_request(MODEL, NULL); // 100,000 short texts, of ten kinds
    for (int i = 0; i < 100000; i++) {
        char word[8] = {(char)('a' + i % 10), '\0'};
        assert_ok(mm_request_add_text(request, word, 1, &error), error);
    }
    assert_ok(mm_task(&result, shared.manager, request, &error), error);
    assert_int_equal(mm_result_count(result), 100000);
    size_t dimension = mm_result_dimension(result);
    const float *vectors = mm_result_vectors(result);
    for (size_t i = 10; i < 100000; i++)
        assert_memory_equal(vectors + i * dimension, vectors + i % 10 * dimension,
                            dimension * sizeof(float));
    mm_result_free(result);
    mm_request_free(request);
}

// Every vector in the JSON reads back as the very bits that C gets.
static void test_json_round_trip(void **state) {
    (void)state;
    mm_result *result = fixture_embed(&shared, MODEL, "round trip", MM_STATUS_OK);
    char *text;
    mm_error error = {0};
    assert_ok(mm_result_json(&text, result, NULL), error);
    assert_null(strchr(text, '\n'));
    const char *at = strstr(text, "[[") + 2;
    for (size_t i = 0; i < mm_result_dimension(result); i++) {
        char *end;
        float value = strtof(at, &end);
        assert_memory_equal(&value, mm_result_vectors(result) + i, sizeof(value));
        at = end + 1;
    }
    mm_text_free(text);
    (void)mm_task_json(&text, shared.manager, "{", 1);
    assert_contains(text, "\"INVALID_REQUEST\"");
    mm_text_free(text);
    error = (mm_error){.status = MM_STATUS_TIMEOUT, .message = "late", .details = "{broken"};
    assert_ok(mm_result_json(&text, NULL, &error), error);
    assert_string_equal(text,
                        "{\"success\": false, \"error\": {\"code\": \"TIMEOUT\", \"message\": "
                        "\"late\", \"details\": {}}}");
    mm_text_free(text);
    mm_result_free(result);
}

static void test_disabled(void **state) {
    (void)state;
    static const char *const off[] = {"enabled", "false", NULL};
    fixture own;
    fixture_open(&own, off);
    mm_result_free(fixture_embed(&own, MODEL, "x", MM_STATUS_DISABLED));
    json_t *result = fixture_json(&own, TASK "\"task_data\": \"x\"}", MODEL);
    assert_string_equal(fixture_code(result), "DISABLED");
    json_decref(result);
    fixture_close(&own);
    // A preload of the settings that makes no sense is told at creation.
    mm_settings *settings;
    mm_error error = {0};
    assert_ok(mm_settings_create(&settings, &error), error);
    assert_ok(mm_settings_set(settings, "preload", "[{\"task_type\": \"embedding\"}]", &error),
              error);
    mm_manager_options options;
    mm_manager_options_init(&options);
    options.settings = settings;
    mm_manager *manager;
    assert_status(mm_manager_create(&manager, &options, &error), MM_STATUS_INVALID_REQUEST, error);
    assert_contains(error.message, "preload[0]");
    assert_null(manager);
    mm_settings_free(settings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),        cmocka_unit_test(test_options),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_details),
        cmocka_unit_test(test_no_such_models), cmocka_unit_test(test_empty_and_preload),
        cmocka_unit_test(test_device),         cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_large),          cmocka_unit_test(test_json_round_trip),
        cmocka_unit_test(test_disabled),
    };
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}
