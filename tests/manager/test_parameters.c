// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/memory.h"
#include "manager/request.h"
#include "tasks/generation_settings.h"

#include <math.h>
#include <string.h>

static void test_table(void **state) {
    (void)state;
    assert_int_equal(mm_parameter_count(), MM_PARAM_COUNT);
    assert_null(mm_parameter_at(MM_PARAM_COUNT));
    assert_null(mm_parameter_find("nonsense"));
    for (size_t i = 0; i < mm_parameter_count(); i++) {
        const mm_parameter *row = mm_parameter_at(i);
        assert_non_null(row->name);
        assert_ptr_equal(mm_parameter_find(row->name), row);
        assert_true(row->help[strlen(row->help) - 1] == '.');
        assert_true(row->tasks & MM_TASK_ALL);
        assert_non_null(row->default_text);
        for (const char *at = row->name; *at; at++)
            assert_true((*at >= 'a' && *at <= 'z') || *at == '_');
    }
    static const char *const names[] = {"task_type",  "model_name",  "num_workers", "device",
                                        "keep_alive", "revision",    "dtype",       "timeout_ms",
                                        "priority",   "truncate",    "return_ids",  "id",
                                        "prompt",     "prompt_name", "input_role",  "normalize",
                                        "dimensions", "max_length",  "use_cache"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_non_null(mm_parameter_find(names[i]));
}

static mm_request *new_request(void) {
    mm_request *request;
    mm_error error = {0};
    assert_ok(mm_request_create(&request, &error), error);
    return request;
}

static void test_choices(void **state) {
    (void)state;
    assert_true(mm_choice_known("right left error", "left"));
    assert_true(mm_choice_known("aa a", "a"));
    assert_false(mm_choice_known("right left", "lef"));
    assert_false(mm_choice_known("right left", "eft"));
    assert_false(mm_choice_known("right left", ""));
    assert_false(mm_choice_known("right left", "right left"));
}

static void test_setters(void **state) {
    (void)state;
    mm_request *request = new_request();
    mm_error error = {0};
    assert_ok(mm_request_set_text(request, "prompt", "", &error), error);
    assert_ok(mm_request_set_text(request, "prompt", "query: ", &error), error);
    assert_string_equal(mm_request_text(request, MM_PARAM_PROMPT, NULL), "query: ");
    assert_ok(mm_request_set_integer(request, "keep_alive", 5, &error), error);
    assert_true(mm_request_number(request, MM_PARAM_KEEP_ALIVE, 0) == 5);
    assert_ok(mm_request_set_number(request, "keep_alive", -0.5, &error), error);
    assert_ok(mm_request_set_integer(request, "num_workers", 3, &error), error);
    assert_ok(mm_request_set_null(request, "num_workers", &error), error);
    assert_true(request->values[MM_PARAM_NUM_WORKERS].null);
    assert_ok(mm_request_set_null(request, "prompt", &error), error);
    assert_null(mm_request_text(request, MM_PARAM_PROMPT, NULL));
    assert_ok(mm_request_set_boolean(request, "normalize", true, &error), error);
    assert_true(mm_request_boolean(request, MM_PARAM_NORMALIZE, false));
    static const char *const devices[] = {"gpu", "cpu", "cuda:0", "cuda:12"};
    for (size_t i = 0; i < 4; i++)
        assert_ok(mm_request_set_text(request, "device", devices[i], &error), error);
    mm_request_free(request);
}

static void check_refused(mm_status got, mm_status expected, const mm_error *error,
                          const char *parameter) {
    if (got != expected)
        fail_msg("%s: got %s: %s", parameter, mm_status_name(got), error->message);
    assert_contains(error->message, parameter);
    char details[300];
    assert_true(snprintf(details, sizeof(details), "{\"parameter\": \"%s\"}", parameter) > 0);
    assert_string_equal(error->details, details);
}

static void test_refusals(void **state) {
    (void)state;
    mm_request *request = new_request();
    mm_error e = {0};
    const mm_status bad = MM_STATUS_INVALID_PARAMETER;
    check_refused(mm_request_set_text(request, "promt", "x", &e), bad, &e, "promt");
    check_refused(mm_request_set_integer(request, "prompt", 1, &e), bad, &e, "prompt");
    check_refused(mm_request_set_text(request, "num_workers", "2", &e), bad, &e, "num_workers");
    check_refused(mm_request_set_number(request, "num_workers", 2, &e), bad, &e, "num_workers");
    check_refused(mm_request_set_integer(request, "num_workers", 0, &e), bad, &e, "num_workers");
    check_refused(mm_request_set_integer(request, "dimensions", -4, &e), bad, &e, "dimensions");
    check_refused(mm_request_set_number(request, "keep_alive", NAN, &e), bad, &e, "keep_alive");
    check_refused(mm_request_set_number(request, "keep_alive", INFINITY, &e), bad, &e,
                  "keep_alive");
    check_refused(mm_request_set_number(request, "timeout_ms", 0, &e), bad, &e, "timeout_ms");
    check_refused(mm_request_set_integer(request, "normalize", 1, &e), bad, &e, "normalize");
    check_refused(mm_request_set_text(request, "truncate", "middle", &e), bad, &e, "truncate");
    check_refused(mm_request_set_text(request, "dtype", "f64", &e), bad, &e, "dtype");
    check_refused(mm_request_set_text(request, "prompt", "\xFF", &e), bad, &e, "prompt");
    check_refused(mm_request_set_text(request, "model_name", "", &e), bad, &e, "model_name");
    static const char *const devices[] = {"", "tpu", "cuda", "cuda:", "cuda:x", "cuda:1234", "CPU"};
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
        check_refused(mm_request_set_text(request, "device", devices[i], &e),
                      MM_STATUS_INVALID_DEVICE, &e, "device");
    check_refused(mm_request_set_text(request, "task_type", "rerank", &e),
                  MM_STATUS_INVALID_TASK_TYPE, &e, "task_type");
    // A name that would break the JSON of the details does not.
    assert_int_equal(mm_request_set_text(request, "a\"b\\", "x", &e), bad);
    assert_string_equal(e.details, "{\"parameter\": \"a\\\"b\\\\\"}");
    mm_request_free(request);
}

// The bounds of the table are those that generation checks by, so that a value which a setter
// takes is not refused later, and none that would do is refused early.
static void test_bounds_of_generate(void **state) {
    (void)state;
    for (size_t i = MM_PARAM_FIRST_OF_GENERATE; i < MM_PARAM_COUNT; i++) {
        const mm_parameter *row = mm_parameter_at(i);
        const bool whole = row->type == MM_PARAMETER_INTEGER;
        if (!whole && row->type != MM_PARAMETER_NUMBER)
            continue;
        const double values[] = {row->minimum, row->maximum, row->minimum - 1024,
                                 row->maximum + 1024};
        for (int k = 0; k < 4; k++) {
            mm_error error = {0};
            mm_generation_settings settings;
            mm_generation_settings_init(&settings);
            json_t *object = json_object();
            (void)json_object_set_new(object, row->name,
                                      whole ? json_integer((json_int_t)values[k])
                                            : json_real(values[k]));
            mm_status status =
                mm_generation_settings_read(&settings, object, MM_FROM_CALL, "the call", &error);
            if ((status == MM_STATUS_OK) != (k < 2))
                fail_msg("%s = %g: %s %s", row->name, values[k], mm_status_name(status),
                         error.message);
            json_decref(object);
            mm_generation_settings_free(&settings);
        }
    }
}

// Lists and the like come as JSON, or as text of it; a copy has its own.
static void test_json_values(void **state) {
    (void)state;
    mm_request *request = new_request(), *copy;
    mm_error e = {0};
    assert_ok(mm_request_set_json(request, "bad_words_ids", "[[5], [6, 7]]", &e), e);
    assert_ok(mm_request_set_json(request, "early_stopping", "true", &e), e);
    assert_ok(mm_request_set_json(request, "early_stopping", "never", &e), e);
    assert_ok(mm_request_set_integer(request, "num_beams", 3, &e), e);
    assert_ok(mm_request_set_integer(request, "max_length", 9, &e), e);
    assert_ok(mm_request_set_number(request, "length_penalty", 0.5, &e), e);
    const mm_status bad = MM_STATUS_INVALID_PARAMETER;
    check_refused(mm_request_set_json(request, "bad_words_ids", "[5", &e), bad, &e,
                  "bad_words_ids");
    check_refused(mm_request_set_json(request, "bad_words_ids", "\xFF", &e), bad, &e,
                  "bad_words_ids");
    check_refused(mm_request_set_json(request, "num_beams", "3", &e), bad, &e, "num_beams");
    check_refused(mm_request_set_text(request, "bad_words_ids", "[[5]]", &e), bad, &e,
                  "bad_words_ids");
    assert_ok(mm_request_copy(&copy, request, &e), e);
    assert_ok(mm_request_set_null(request, "bad_words_ids", &e), e);
    mm_request_free(request);
    json_t *arguments;
    assert_ok(mm_request_generate_arguments(&arguments, copy, &e), e);
    char *text = json_dumps(arguments, JSON_SORT_KEYS | JSON_COMPACT);
    assert_string_equal(text, "{\"bad_words_ids\":[[5],[6,7]],\"early_stopping\":\"never\","
                              "\"length_penalty\":0.5,\"max_length\":9,\"num_beams\":3}");
    mm_free(text);
    json_decref(arguments);
    mm_request_free(copy);
}

static void test_data_and_copy(void **state) {
    (void)state;
    mm_request *request = new_request();
    mm_error error = {0};
    assert_ok(mm_request_add_text(request, "", SIZE_MAX, &error), error);
    assert_ok(mm_request_add_text(request, "a\0b", 3, &error), error);
    for (int i = 0; i < 100; i++)
        assert_ok(mm_request_add_text(request, "text", SIZE_MAX, &error), error);
    const int32_t ids[] = {1, 2, 3};
    assert_status(mm_request_add_ids(request, ids, 3, &error), MM_STATUS_INVALID_REQUEST, error);
    assert_ok(mm_request_set_text(request, "model_name", "x", &error), error);
    mm_request *copy;
    assert_ok(mm_request_copy(&copy, request, &error), error);
    assert_int_equal(copy->text_count, 102);
    assert_int_equal(copy->text_ends[1], 3);
    assert_memory_equal(copy->text.data, "a\0btext", 7);
    assert_string_equal(mm_request_text(copy, MM_PARAM_MODEL_NAME, NULL), "x");
    mm_request_free(copy);
    mm_request_free(request);

    request = new_request();
    assert_ok(mm_request_add_ids(request, ids, 3, &error), error);
    assert_ok(mm_request_add_ids(request, NULL, 0, &error), error);
    assert_ok(mm_request_add_ids(request, ids, 1, &error), error);
    assert_status(mm_request_add_text(request, "x", 1, &error), MM_STATUS_INVALID_REQUEST, error);
    assert_ok(mm_request_copy(&copy, request, &error), error);
    assert_int_equal(copy->list_count, 3);
    assert_int_equal(copy->id_ends[2], 4);
    assert_int_equal(copy->ids[3], 1);
    mm_request_free(copy);
    mm_request_free(request);
}

// ---- JSON --------------------------------------------------------------------------------------

static mm_status from_json(mm_request **out, const char *text, size_t length, mm_error *error) {
    json_t *object;
    *out = NULL;
    mm_status status = mm_request_json_parse(&object, text, length, error);
    if (!status) {
        status = mm_request_from_json(out, object, false, error);
        json_decref(object);
    }
    return status;
}

static void test_json(void **state) {
    (void)state;
    static const char text[] =
        "{\"op\": \"task\", \"task_type\": \"embedding\", \"model_name\": \"m\", \"id\": -12,"
        "\"task_data\": [\"a\", \"b\\u0000c\", \"\"], \"keep_alive\": 0.25, \"num_workers\": null,"
        "\"normalize\": true, \"max_length\": 16, \"prompt\": null}";
    mm_request *request;
    mm_error error = {0};
    assert_ok(from_json(&request, text, strlen(text), &error), error);
    assert_int_equal(request->text_count, 3);
    assert_int_equal(request->text.length, 4);
    assert_true(request->id_is_number);
    assert_string_equal(mm_request_text(request, MM_PARAM_ID, NULL), "-12");
    assert_true(mm_request_number(request, MM_PARAM_KEEP_ALIVE, 0) == 0.25);
    assert_true(request->values[MM_PARAM_NUM_WORKERS].null);
    assert_int_equal(mm_request_integer(request, MM_PARAM_MAX_LENGTH, 0), 16);
    assert_false(request->preload);
    mm_request_free(request);

    static const char preload[] =
        "{\"task_type\": \"embedding\", \"model_name\": \"m\", \"task_data\": null}";
    assert_ok(from_json(&request, preload, strlen(preload), &error), error);
    assert_true(request->preload);
    mm_request_free(request);
    static const char ids[] =
        "{\"task_type\": \"embedding\", \"model_name\": \"m\", \"input_ids\": [[1, 2], [], [3]]}";
    assert_ok(from_json(&request, ids, strlen(ids), &error), error);
    assert_int_equal(request->list_count, 3);
    assert_int_equal(request->ids[2], 3);
    mm_request_free(request);
}

#define HEAD "{\"task_type\": \"embedding\", \"model_name\": \"m\", "

#define GENERATE                                                                                   \
    "{\"task_type\": \"text_generation\", \"model_name\": \"m\", \"task_data\": \"a\", "

static void test_json_refusals(void **state) {
    (void)state;
    static const struct {
        const char *text;
        mm_status status;
        const char *details; // must be found there
    } cases[] = {
        {"", MM_STATUS_INVALID_REQUEST, "byte"},
        {"[]", MM_STATUS_INVALID_REQUEST, ""},
        {"3", MM_STATUS_INVALID_REQUEST, ""},
        {"{\"task_type\": \"embedding\"", MM_STATUS_INVALID_REQUEST, "byte"},
        {"{}", MM_STATUS_INVALID_REQUEST, "task_type"},
        {"{\"task_type\": null}", MM_STATUS_INVALID_REQUEST, "task_type"},
        {"{\"task_type\": 5}", MM_STATUS_INVALID_PARAMETER, "task_type"},
        {"{\"task_type\": \"dance\"}", MM_STATUS_INVALID_TASK_TYPE, "task_type"},
        {"{\"task_type\": \"text_generation\", \"num_beams\": 4}", MM_STATUS_INVALID_REQUEST,
         "task_data"},
        {GENERATE "\"num_beams\": 0}", MM_STATUS_INVALID_PARAMETER, "num_beams"},
        {GENERATE "\"num_beams\": 2.0}", MM_STATUS_INVALID_PARAMETER, "num_beams"},
        {GENERATE "\"normalize\": true}", MM_STATUS_INVALID_PARAMETER, "normalize"},
        {GENERATE "\"early_stopping\": \"always\"}", MM_STATUS_INVALID_PARAMETER, "early_stopping"},
        {GENERATE "\"bad_words_ids\": [1, 2]}", MM_STATUS_INVALID_PARAMETER, "bad_words_ids"},
        {GENERATE "\"suppress_tokens\": [-1]}", MM_STATUS_INVALID_PARAMETER, "suppress_tokens"},
        {GENERATE "\"sequence_bias\": [[[1], \"x\"]]}", MM_STATUS_INVALID_PARAMETER,
         "sequence_bias"},
        {GENERATE "\"exponential_decay_length_penalty\": [1]}", MM_STATUS_INVALID_PARAMETER,
         "exponential_decay_length_penalty"},
        {"{\"task_type\": \"embedding\", \"task_data\": \"x\"}", MM_STATUS_INVALID_REQUEST,
         "model_name"},
        {HEAD "\"id\": 1}", MM_STATUS_INVALID_REQUEST, "task_data"},
        {HEAD "\"task_data\": 5}", MM_STATUS_INVALID_REQUEST, ""},
        {HEAD "\"task_data\": [\"a\", \"b\", 5]}", MM_STATUS_INVALID_REQUEST, "{\"index\": 2}"},
        {HEAD "\"task_data\": \"a\", \"input_ids\": [[1]]}", MM_STATUS_INVALID_REQUEST, ""},
        {HEAD "\"input_ids\": [1, 2]}", MM_STATUS_INVALID_REQUEST, "{\"index\": 0}"},
        {HEAD "\"input_ids\": [[1], [-2]]}", MM_STATUS_INVALID_REQUEST, "{\"index\": 1}"},
        {HEAD "\"input_ids\": [[1.5]]}", MM_STATUS_INVALID_REQUEST, "{\"index\": 0}"},
        {HEAD "\"input_ids\": [[4294967296]]}", MM_STATUS_INVALID_REQUEST, "{\"index\": 0}"},
        {HEAD "\"task_data\": \"a\", \"temperature\": 1}", MM_STATUS_INVALID_PARAMETER,
         "temperature"},
        {HEAD "\"task_data\": \"a\", \"normalize\": 1}", MM_STATUS_INVALID_PARAMETER, "normalize"},
        {HEAD "\"task_data\": \"a\", \"num_workers\": 1.0}", MM_STATUS_INVALID_PARAMETER,
         "num_workers"},
        {HEAD "\"task_data\": \"a\", \"dimensions\": 99999999999999999999}",
         MM_STATUS_INVALID_PARAMETER, "dimensions"},
        {HEAD "\"task_data\": \"a\", \"keep_alive\": \"5m\"}", MM_STATUS_INVALID_PARAMETER,
         "keep_alive"},
        {HEAD "\"task_data\": \"a\", \"revision\": \"a\\u0000b\"}", MM_STATUS_INVALID_PARAMETER,
         "revision"},
        {HEAD "\"task_data\": \"a\", \"id\": [1]}", MM_STATUS_INVALID_PARAMETER, "id"},
        {HEAD "\"task_data\": \"a\", \"task_data\": \"b\"}", MM_STATUS_INVALID_REQUEST, "byte"},
        {HEAD "\"task_data\": \"a\xFFz\"}", MM_STATUS_INVALID_REQUEST, "{\"index\": 0}"},
        {HEAD "\"task_data\": [\"a,[\", \"b\\\"\", \"c\", \"x\xC3(\"]}", MM_STATUS_INVALID_REQUEST,
         "{\"index\": 3}"},
        {HEAD "\"task_data\": [\"a\", \"\\ud800 lone\", \"c\"]}", MM_STATUS_INVALID_REQUEST,
         "{\"index\": 1}"},
        {HEAD "\"task_data\": [\"a\"], \"prompt\": \"\xFF\"}", MM_STATUS_INVALID_REQUEST, "byte"},
        {HEAD "\"task_data\": [\"task_data\"], \"id\": [\"\xFF\"]}", MM_STATUS_INVALID_REQUEST,
         "byte"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mm_request *request;
        mm_error error = {0};
        mm_status status = from_json(&request, cases[i].text, strlen(cases[i].text), &error);
        if (status != cases[i].status || !strstr(error.details, cases[i].details))
            fail_msg("%s: %s: %s %s", cases[i].text, mm_status_name(status), error.message,
                     error.details);
        assert_null(request);
        assert_true(error.message[0] != '\0');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_setters),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_data_and_copy),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_refusals),
        cmocka_unit_test(test_json_values),
        cmocka_unit_test(test_bounds_of_generate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
