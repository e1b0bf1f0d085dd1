// SPDX-License-Identifier: Apache-2.0
// Loading, workers, release and reload.
#include "fixture.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define TASK "{\"task_type\": \"embedding\", \"model_name\": \"%s\", \"device\": \"cpu\", "

static int64_t integer(const json_t *model, const char *name) {
    return json_integer_value(json_object_get(model, name));
}

static void ask(fixture *own, const char *rest) {
    json_t *result = fixture_json(own, TASK "%s}", MODEL, rest);
    (void)fixture_data(result);
    json_decref(result);
}

static void check_model(fixture *own, const char *name, int64_t expected) {
    json_t *status = fixture_status(own);
    const json_t *model = fixture_model(status);
    assert_non_null(model);
    if (integer(model, name) != expected)
        fail_msg("%s is %lld, expected %lld", name, (long long)integer(model, name),
                 (long long)expected);
    json_decref(status);
}

static void test_status(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    json_t *status = fixture_status(&own);
    assert_null(fixture_model(status));
    assert_int_equal(integer(json_object_get(status, "cache"), "entries"), 0);
    const json_t *device = json_array_get(json_object_get(status, "devices"), 0);
    assert_string_equal(json_string_value(json_object_get(device, "device")), "cpu");
    assert_true(integer(device, "bytes_total") > integer(device, "bytes_used"));
    json_decref(status);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": 2");
    ask(&own, "\"task_data\": \"b\""); // leaves keep_alive as it is
    status = fixture_status(&own);
    const json_t *model = fixture_model(status);
    assert_string_equal(json_string_value(json_object_get(model, "model_name")), MODEL);
    assert_string_equal(json_string_value(json_object_get(model, "state")), "ready");
    assert_true(json_number_value(json_object_get(model, "keep_alive_minutes")) == 2);
    double left = json_number_value(json_object_get(model, "expires_in_s"));
    assert_true(left > 60 && left <= 120);
    assert_int_equal(integer(model, "loads"), 1);
    assert_int_equal(integer(model, "hits"), 1);
    assert_true(integer(model, "bytes") > 0);
    json_decref(status);
    ask(&own, "\"task_data\": \"a\", \"keep_alive\": -3");
    status = fixture_status(&own);
    assert_true(json_is_null(json_object_get(fixture_model(status), "expires_in_s")));
    assert_int_equal(integer(fixture_model(status), "keep_alive_minutes"), -1);
    json_decref(status);
    fixture_close(&own);
}

static void test_workers(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    ask(&own, "\"task_data\": \"a\"");
    check_model(&own, "workers", 1);
    ask(&own, "\"task_data\": \"a\", \"num_workers\": 3");
    check_model(&own, "workers", 3);
    ask(&own, "\"task_data\": \"a\", \"num_workers\": 2"); // only grows
    check_model(&own, "workers", 3);
    ask(&own, "\"task_data\": null, \"num_workers\": 1"); // exactly
    check_model(&own, "workers", 1);
    ask(&own, "\"task_data\": \"a\", \"num_workers\": null"); // the settings' number
    check_model(&own, "workers", 2);
    for (int i = 0; i < 20; i++) { // up and down while they work
        ask(&own, "\"task_data\": null, \"num_workers\": 4");
        ask(&own, "\"task_data\": [\"a\", \"b\"]");
        ask(&own, "\"task_data\": null, \"num_workers\": 1");
        ask(&own, "\"task_data\": [\"a\", \"b\"]");
    }
    check_model(&own, "workers", 1);
    check_model(&own, "loads", 1);
    fixture_close(&own);
    static const char *const single[] = {"worker_pool.enabled", "false", NULL};
    fixture_open(&own, single);
    ask(&own, "\"task_data\": \"a\", \"num_workers\": 3");
    check_model(&own, "workers", 1);
    fixture_close(&own);
}

static void test_release(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    mm_release_info info = {.struct_size = sizeof(info)};
    mm_error error = {0};
    assert_ok(mm_model_release(own.manager, MODEL, &info, &error), error);
    assert_false(info.released);
    assert_status(mm_model_release(own.manager, "a//b", &info, &error), MM_STATUS_INVALID_PARAMETER,
                  error);
    ask(&own, "\"task_data\": \"a\", \"num_workers\": 2, \"keep_alive\": 3");
    mm_result_free(fixture_embed(&own, OTHER_MODEL, "x", MM_STATUS_OK));
    // By another spelling of the same directory.
    assert_ok(mm_model_release(own.manager, MODEL "/../bert-mean-normalize/", &info, &error),
              error);
    assert_true(info.released);
    assert_int_equal(info.workers_stopped, 2);
    assert_true(info.freed_bytes > 0);
    fixture_wait_models(&own, 1); // the other one
    ask(&own, "\"task_data\": \"a\"");
    json_t *status = fixture_status(&own);
    const json_t *models = json_object_get(status, "models");
    for (size_t i = 0; i < json_array_size(models); i++) { // configuration is forgotten
        assert_int_equal(integer(json_array_get(models, i), "workers"), 1);
        assert_true(json_number_value(
                        json_object_get(json_array_get(models, i), "keep_alive_minutes")) == 5);
    }
    json_decref(status);
    assert_ok(mm_model_release(own.manager, OTHER_MODEL, NULL, &error), error);
    json_t *answer =
        fixture_json(&own, "{\"op\": \"release\", \"model_name\": \"%s\", \"id\": \"r\"}", MODEL);
    const json_t *data = fixture_data(answer);
    assert_string_equal(json_string_value(json_object_get(answer, "id")), "r");
    assert_true(json_is_true(json_object_get(data, "released")));
    assert_int_equal(integer(data, "workers_stopped"), 1);
    json_decref(answer);
    answer = fixture_json(&own, "{\"op\": \"status\", \"id\": 3}");
    assert_int_equal(integer(answer, "id"), 3);
    assert_int_equal(json_array_size(json_object_get(fixture_data(answer), "models")), 0);
    json_decref(answer);
    static const char *const bad[] = {"{\"op\": \"release\"}",
                                      "{\"op\": \"release\", \"model_name\": 5}", "{\"op\": 5}",
                                      "{\"op\": \"plan\"}", "{\"op\": \"status\", \"x\": 1}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        answer = fixture_json(&own, "%s", bad[i]);
        assert_true(strncmp(fixture_code(answer), "INVALID_", 8) == 0);
        json_decref(answer);
    }
    fixture_close(&own);
}

static void test_preload_setting(void **state) {
    (void)state;
    static const char *const settings[] = {
        "preload",
        "[{\"task_type\": \"embedding\", \"model_name\": \"" MODEL "\", \"num_workers\": 2},"
        " {\"task_type\": \"embedding\", \"model_name\": \"./none\", \"task_data\": null}]",
        NULL};
    fixture own;
    fixture_open(&own, settings);
    fixture_wait(&own.loads, 1);
    fixture_wait(&own.errors, 1); // the other one is told in the log
    fixture_wait_models(&own, 1);
    fixture_close(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_workers),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_preload_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
