// SPDX-License-Identifier: Apache-2.0
// The devices of a manager, and the budget of each.
#include "fixture.h"
#include "scratch.h"
#include "simulated_gpus.h"
#include "toy.h"

#include "manager/machine.h"
#include "manager/state.h"

enum { MIB = 1 << 20, MODELS = 4 };

typedef struct machine {
    simulated_gpus gpus;
    fixture own;
} machine;

static char folders[MODELS][256];
static size_t model_bytes;

static void open_machine(machine *out, const char *const *settings, int count,
                         const size_t *bytes) {
    simulated_gpus_create(&out->gpus, count, bytes);
    fixture_open_with_gpus(&out->own, settings, &out->gpus.source);
}

static void close_machine(machine *own) {
    fixture_close(&own->own);
    simulated_gpus_free(&own->gpus);
}

static json_int_t number(const json_t *object, const char *name) {
    assert_true(json_is_integer(json_object_get(object, name)));
    return json_integer_value(json_object_get(object, name));
}

static json_t *embed_on(machine *own, int model, const char *device) {
    return fixture_json(&own->own,
                        "{\"task_type\": \"embedding\", \"model_name\": \"%s\", \"device\": "
                        "\"%s\", \"task_data\": \"a b\"}",
                        folders[model], device);
}

static void assert_embeds_on(machine *own, int model, const char *device) {
    json_t *result = embed_on(own, model, device);
    assert_string_equal(json_string_value(json_object_get(fixture_data(result), "device")), device);
    json_decref(result);
}

static int write_models(void **state) {
    (void)state;
    if (!scratch_create())
        return 1;
    for (int i = 0; i < MODELS; i++) {
        char name[32];
        snprintf(name, sizeof(name), "model%d", i);
        const char *folder = toy_write(name, NULL);
        if (!folder || snprintf(folders[i], sizeof(folders[i]), "%s", folder) <= 0)
            return 1;
    }
    machine own;
    open_machine(&own, NULL, 1, (const size_t[]){256 * MIB});
    assert_embeds_on(&own, 0, "cuda:0");
    model_bytes = own.gpus.gpu[0].used;
    close_machine(&own);
    return model_bytes > 0 ? 0 : 1;
}

static int remove_models(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

// ---- What there is -----------------------------------------------------------------------------

static void test_the_status_lists_the_cpu_and_each_gpu_as_its_driver_measures_it(void **state) {
    (void)state;
    machine own;
    open_machine(&own, NULL, 2, (const size_t[]){64 * MIB, 256 * MIB});
    own.gpus.gpu[1].used += 10 * MIB; // another program
    assert_embeds_on(&own, 0, "cuda:1");
    assert_embeds_on(&own, 0, "cpu");
    json_t *status = fixture_status(&own.own);
    const json_t *devices = json_object_get(status, "devices");
    static const char *const names[] = {"cpu", "cuda:0", "cuda:1"};
    assert_int_equal(json_array_size(devices), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(
            json_string_value(json_object_get(json_array_get(devices, i), "device")), names[i]);
    assert_true(number(json_array_get(devices, 0), "bytes_total") > 0);
    assert_true(number(json_array_get(devices, 0), "bytes_used") > 0);
    assert_int_equal(number(json_array_get(devices, 1), "bytes_total"), 64 * MIB);
    assert_int_equal(number(json_array_get(devices, 1), "bytes_free"), 64 * MIB);
    assert_int_equal(number(json_array_get(devices, 1), "bytes_used"), 0);
    assert_int_equal(number(json_array_get(devices, 2), "bytes_total"), 256 * MIB);
    assert_int_equal(number(json_array_get(devices, 2), "bytes_free"),
                     256 * MIB - own.gpus.gpu[1].used);
    assert_true(number(json_array_get(devices, 2), "bytes_used") >= (json_int_t)model_bytes);
    json_decref(status);
    own.gpus.gpu[0].is_lost = true; // which is noticed when it is used
    json_t *result = embed_on(&own, 0, "cuda:0");
    assert_string_equal(fixture_code(result), "NO_GPU_AVAILABLE");
    json_decref(result);
    status = fixture_status(&own.own);
    assert_int_equal(json_array_size(json_object_get(status, "devices")), 2);
    json_decref(status);
    close_machine(&own);
}

static void test_worker_pool_devices_says_what_models_may_be_placed_on(void **state) {
    (void)state;
    machine own;
    const char *const settings[] = {"worker_pool.devices", "[\"cuda:1\"]", NULL};
    open_machine(&own, settings, 3, (const size_t[]){256 * MIB, 64 * MIB, 128 * MIB});
    json_t *result = embed_on(&own, 0, "gpu");
    assert_string_equal(json_string_value(json_object_get(fixture_data(result), "device")),
                        "cuda:1");
    json_decref(result);
    static const char *const others[] = {"cpu", "cuda:0", "cuda:2", "cuda:3"};
    for (size_t i = 0; i < 4; i++) {
        result = embed_on(&own, 0, others[i]);
        assert_string_equal(fixture_code(result), "INVALID_DEVICE");
        json_decref(result);
    }
    close_machine(&own);
    const char *const cpu_only[] = {"worker_pool.devices", "[\"cpu\"]", NULL};
    open_machine(&own, cpu_only, 1, (const size_t[]){256 * MIB});
    result = embed_on(&own, 0, "gpu"); // no usable GPU
    assert_true(json_is_true(json_object_get(fixture_data(result), "device_fallback")));
    json_decref(result);
    close_machine(&own);
}

static void test_a_listed_device_that_is_not_there_is_an_error(void **state) {
    (void)state;
    static const char *const lists[] = {"[\"cuda:1\"]", "[\"gpu\"]", "[\"auto\", \"tpu\"]"};
    simulated_gpus gpus;
    simulated_gpus_create(&gpus, 1, (const size_t[]){64 * MIB});
    for (size_t i = 0; i < 3; i++) {
        mm_settings *settings;
        mm_manager *manager;
        mm_error error = {0};
        mm_manager_options options;
        mm_manager_options_init(&options);
        assert_ok(mm_settings_create(&settings, &error), error);
        assert_ok(mm_settings_set(settings, "worker_pool.devices", lists[i], &error), error);
        options.settings = settings;
        assert_status(mm_manager_create_in(&manager, &options,
                                           &(mm_surroundings){&mm_clock_monotonic, &gpus.source},
                                           &error),
                      MM_STATUS_INVALID_DEVICE, error);
        assert_null(manager);
        assert_non_null(strstr(error.message, "worker_pool.devices"));
        mm_settings_free(settings);
    }
    simulated_gpus_free(&gpus);
}

// ---- Budgets -----------------------------------------------------------------------------------

static size_t budget_of(machine *own, int device) {
    return own->own.manager->devices.list[device].budget;
}

static void test_a_budget_is_80_percent_of_what_is_there_unless_it_is_set(void **state) {
    (void)state;
    machine own;
    uint64_t total, available;
    mm_machine_memory(&total, &available); // not more than the control group may have
    open_machine(&own, NULL, 2, (const size_t[]){50 * MIB, 100 * MIB});
    assert_int_equal(budget_of(&own, 0), total / 10 * 8);
    assert_int_equal(budget_of(&own, 1), 50 * MIB / 10 * 8);
    assert_int_equal(budget_of(&own, 2), 100 * MIB / 10 * 8);
    close_machine(&own);
    const char *const settings[] = {"memory.cpu_bytes", "1000000", "memory.gpu_bytes", "2000000",
                                    NULL};
    open_machine(&own, settings, 2, (const size_t[]){50 * MIB, 100 * MIB});
    assert_int_equal(budget_of(&own, 0), 1000000);
    assert_int_equal(budget_of(&own, 1), 2000000);
    assert_int_equal(budget_of(&own, 2), 2000000);
    close_machine(&own);
}

// What is loaded on a device, by the status; the sum is what the device says.
static size_t models_on(machine *own, const char *device) {
    size_t count = 0, index;
    json_t *status = fixture_status(&own->own), *model;
    json_array_foreach(json_object_get(status, "models"), index, model) count +=
        strcmp(json_string_value(json_object_get(model, "device")), device) == 0;
    json_decref(status);
    return count;
}

static void test_each_device_keeps_its_own_budget(void **state) {
    (void)state;
    machine own;
    char budget[32]; // for two
    snprintf(budget, sizeof(budget), "%zu", 2 * model_bytes + model_bytes / 2);
    const char *const settings[] = {"memory.gpu_bytes", budget, NULL};
    open_machine(&own, settings, 2, (const size_t[]){256 * MIB, 256 * MIB});
    for (int i = 0; i < MODELS; i++) {
        assert_embeds_on(&own, i, "cuda:0");
        assert_embeds_on(&own, i, "cpu");
        if (i < 2)
            assert_embeds_on(&own, i, "cuda:1");
        assert_true(own.gpus.gpu[0].used <= 2 * model_bytes + model_bytes / 2);
    }
    assert_int_equal(models_on(&own, "cuda:0"), 2);
    assert_int_equal(models_on(&own, "cuda:1"), 2); // nobody had to go there
    assert_int_equal(models_on(&own, "cpu"), MODELS);
    assert_int_equal(own.own.releases, MODELS - 2);
    close_machine(&own);
}

static void test_what_other_programs_have_of_a_gpu_is_not_planned_with(void **state) {
    (void)state;
    machine own;
    open_machine(&own, NULL, 1, (const size_t[]){10 * model_bytes});
    own.gpus.gpu[0].used += 7 * model_bytes + model_bytes / 2; // room for two is left
    for (int i = 0; i < MODELS; i++)
        assert_embeds_on(&own, i, "cuda:0"); // the driver never has to refuse
    assert_int_equal(models_on(&own, "cuda:0"), 2);
    own.gpus.gpu[0].used += 2 * model_bytes;
    json_t *result = fixture_json(&own.own,
                                  "{\"task_type\": \"embedding\", \"model_name\": \"%s\", "
                                  "\"device\": \"cuda:0\", \"dtype\": \"f32\", \"task_data\": "
                                  "null}",
                                  MODEL); // larger than the toys
    assert_string_equal(fixture_code(result), "OUT_OF_MEMORY");
    const json_t *details = json_object_get(json_object_get(result, "error"), "details");
    assert_string_equal(json_string_value(json_object_get(details, "device")), "cuda:0");
    json_decref(result);
    close_machine(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_status_lists_the_cpu_and_each_gpu_as_its_driver_measures_it),
        cmocka_unit_test(test_worker_pool_devices_says_what_models_may_be_placed_on),
        cmocka_unit_test(test_a_listed_device_that_is_not_there_is_an_error),
        cmocka_unit_test(test_a_budget_is_80_percent_of_what_is_there_unless_it_is_set),
        cmocka_unit_test(test_each_device_keeps_its_own_budget),
        cmocka_unit_test(test_what_other_programs_have_of_a_gpu_is_not_planned_with),
    };
    return cmocka_run_group_tests(tests, write_models, remove_models);
}
