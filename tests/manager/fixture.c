// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "manager/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void nap(void) {
    const struct timespec moment = {.tv_nsec = 1000000};
    (void)nanosleep(&moment, NULL);
}

static void on_log(mm_log_level level, const char *message, void *payload) {
    fixture *self = payload;
    if (level == MM_LOG_WARNING)
        atomic_fetch_add(&self->warnings, 1);
    if (level == MM_LOG_ERROR)
        atomic_fetch_add(&self->errors, 1);
    if (strncmp(message, "released ", 9) == 0)
        atomic_fetch_add(&self->releases, 1);
    while (strncmp(message, "released ", 9) == 0 && atomic_load(&self->hold_release))
        nap();
    if (strncmp(message, "loaded ", 7) != 0)
        return;
    atomic_fetch_add(&self->loads, 1);
    while (atomic_load(&self->hold_load))
        nap();
}

static void open_in(fixture *out, const char *const *settings, mm_manager_options *options,
                    mm_surroundings surroundings) {
    mm_settings *chosen;
    mm_error error = {0};
    assert_ok(mm_settings_create(&chosen, &error), error);
    assert_ok(mm_settings_set(chosen, "cpu_threads", "2", &error), error);
    assert_ok(mm_settings_set(chosen, "offline", "true", &error), error);
    // The life of models is seen where every text needs one.
    assert_ok(mm_settings_set(chosen, "embedding_cache.enabled", "false", &error), error);
    for (size_t i = 0; settings && settings[i]; i += 2)
        assert_ok(mm_settings_set(chosen, settings[i], settings[i + 1], &error), error);
    options->settings = chosen;
    options->log = on_log;
    options->log_payload = out;
    assert_ok(mm_manager_create_in(&out->manager, options, &surroundings, &error), error);
    mm_settings_free(chosen);
}

void fixture_open(fixture *out, const char *const *settings) {
    memset(out, 0, sizeof(*out));
    mm_manager_options options;
    mm_manager_options_init(&options);
    open_in(out, settings, &options, (mm_surroundings){&mm_clock_monotonic, NULL});
}

void fixture_open_with_gpus(fixture *out, const char *const *settings, const mm_gpu_source *gpus) {
    memset(out, 0, sizeof(*out));
    mm_manager_options options;
    mm_manager_options_init(&options);
    open_in(out, settings, &options, (mm_surroundings){&mm_clock_monotonic, gpus});
}

void fixture_open_by_hand_with_gpus(fixture *out, const char *const *settings,
                                    const mm_gpu_source *gpus) {
    memset(out, 0, sizeof(*out));
    mm_manager_options options;
    mm_manager_options_init(&options);
    hand_clock_init(&out->clock);
    open_in(out, settings, &options, (mm_surroundings){&out->clock.clock, gpus});
}

void fixture_open_by_hand(fixture *out, const char *const *settings) {
    fixture_open_watched(out, settings, NULL, NULL);
}

void fixture_open_watched(fixture *out, const char *const *settings, mm_event_callback events,
                          void *payload) {
    memset(out, 0, sizeof(*out));
    mm_manager_options options;
    mm_manager_options_init(&options);
    options.events = events;
    options.events_payload = payload;
    hand_clock_init(&out->clock);
    open_in(out, settings, &options, (mm_surroundings){&out->clock.clock, NULL});
}

void fixture_close(fixture *own) {
    mm_manager_free(own->manager);
    own->manager = NULL;
}

mm_request *fixture_request(const char *model, const char *text) {
    mm_request *request;
    mm_error error = {0};
    assert_ok(mm_request_create(&request, &error), error);
    assert_ok(mm_request_set_text(request, "task_type", "embedding", &error), error);
    assert_ok(mm_request_set_text(request, "model_name", model, &error), error);
    assert_ok(mm_request_set_text(request, "device", "cpu", &error), error);
    if (text)
        assert_ok(mm_request_add_text(request, text, SIZE_MAX, &error), error);
    return request;
}

mm_result *fixture_embed(fixture *own, const char *model, const char *text, mm_status expected) {
    mm_request *request = fixture_request(model, text);
    mm_result *result;
    mm_error error = {0};
    assert_status(mm_task(&result, own->manager, request, &error), expected, error);
    mm_request_free(request);
    if (expected)
        assert_null(result);
    return result;
}

// ---- JSON --------------------------------------------------------------------------------------

json_t *fixture_json(fixture *own, const char *format, ...) {
    char *text, *answer;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    assert_true(length > 0);
    mm_status status = mm_task_json(&answer, own->manager, text, (size_t)length);
    assert_non_null(answer);
    json_t *object = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);
    if (!object)
        fail_msg("not JSON: %s", answer);
    assert_int_equal(json_is_true(json_object_get(object, "success")), status == MM_STATUS_OK);
    if (status) {
        assert_string_equal(fixture_code(object), mm_status_name(status));
        assert_true(json_is_object(json_object_get(json_object_get(object, "error"), "details")));
    }
    mm_text_free(answer);
    free(text);
    return object;
}

const json_t *fixture_data(const json_t *result) {
    const json_t *data = json_object_get(result, "data");
    if (!data)
        fail_msg("failed: %s",
                 json_string_value(json_object_get(json_object_get(result, "error"), "message")));
    return data;
}

const char *fixture_code(const json_t *result) {
    const char *code = json_string_value(json_object_get(json_object_get(result, "error"), "code"));
    assert_non_null(code);
    return code;
}

json_t *fixture_status(fixture *own) {
    char *text;
    mm_error error = {0};
    assert_ok(mm_manager_status(&text, own->manager, &error), error);
    json_t *status = json_loads(text, 0, NULL);
    assert_non_null(status);
    mm_text_free(text);
    return status;
}

const json_t *fixture_model(const json_t *status) {
    const json_t *models = json_object_get(status, "models");
    assert_true(json_array_size(models) <= 1);
    return json_array_get(models, 0);
}

bool fixture_holds(fixture *own, const char *name) {
    json_t *status = fixture_status(own);
    const json_t *models = json_object_get(status, "models");
    bool found = false;
    for (size_t i = 0; i < json_array_size(models); i++)
        found |= strcmp(json_string_value(json_object_get(json_array_get(models, i), "model_name")),
                        name) == 0;
    json_decref(status);
    return found;
}

// ---- Waiting -----------------------------------------------------------------------------------

void fixture_wait_models(fixture *own, size_t count) {
    for (;;) {
        json_t *status = fixture_status(own);
        size_t now = json_array_size(json_object_get(status, "models"));
        json_decref(status);
        if (now == count)
            return;
        nap();
    }
}

void fixture_wait_busy(fixture *own) {
    for (bool busy = false; !busy; nap()) {
        json_t *status = fixture_status(own);
        const json_t *models = json_object_get(status, "models");
        for (size_t i = 0; i < json_array_size(models); i++)
            busy |= json_integer_value(json_object_get(json_array_get(models, i), "busy")) > 0;
        json_decref(status);
    }
}

void fixture_wait_queued(fixture *own, int64_t count) {
    for (int64_t queued = -1; queued != count; nap()) {
        json_t *status = fixture_status(own);
        const json_t *models = json_object_get(status, "models");
        queued = 0;
        for (size_t i = 0; i < json_array_size(models); i++)
            queued += json_integer_value(json_object_get(json_array_get(models, i), "queued"));
        json_decref(status);
    }
}

void fixture_wait(const atomic_int *counter, int reached) {
    while (atomic_load(counter) < reached)
        nap();
}

// ---- Submitted ---------------------------------------------------------------------------------

static void on_done(mm_job *job, mm_status status, mm_result *result, const mm_error *error,
                    void *payload) {
    submitted *self = payload;
    (void)job;
    self->status = status;
    if (status) {
        (void)snprintf(self->message, sizeof(self->message), "%s", error->message);
        (void)snprintf(self->details, sizeof(self->details), "%s", error->details);
    }
    if (result && mm_result_count(result) > 0) {
        self->count = mm_result_count(result);
        size_t bytes = mm_result_dimension(result) * sizeof(float);
        self->vector = malloc(bytes);
        if (self->vector)
            memcpy(self->vector, mm_result_vectors(result), bytes);
    }
    mm_result_free(result);
    atomic_fetch_add(&self->calls, 1);
}

void fixture_submit(submitted *out, fixture *own, mm_request *request) {
    mm_error error = {0};
    memset(out, 0, sizeof(*out));
    assert_ok(mm_task_submit(&out->job, own->manager, request, on_done, out, &error), error);
    mm_request_free(request);
}

void submitted_wait(submitted *job) {
    fixture_wait(&job->calls, 1);
    assert_int_equal(atomic_load(&job->calls), 1);
}

void submitted_free(submitted *job) {
    mm_job_free(job->job);
    free(job->vector);
}

mm_request *fixture_long_request(const char *model) {
    mm_request *request = fixture_request(model, NULL);
    mm_error error = {0};
    char text[700];
    for (size_t i = 0; i + 7 < sizeof(text); i += 7)
        memcpy(text + i, "banana ", 8);
    for (int i = 0; i < 6000; i++)
        assert_ok(mm_request_add_text(request, text, SIZE_MAX, &error), error);
    assert_ok(mm_request_set_boolean(request, "use_cache", false, &error), error);
    return request;
}

void fixture_submit_long(submitted *out, fixture *own, const char *model) {
    fixture_submit(out, own, fixture_long_request(model));
}
