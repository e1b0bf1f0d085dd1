// SPDX-License-Identifier: Apache-2.0
// From absent over loading and ready to absent again: what is told of it, what a failed load does,
// and what comes meanwhile.
#include "fixture.h"
#include "scratch.h"
#include "toy.h"

#include <pthread.h>
#include <stdio.h>

enum { CALLERS = 12, SEEN = 4000 };

// "name:old>new " for each change, and what failed.
typedef struct watcher {
    pthread_mutex_t lock; // guards the fields up to here
    char seen[SEEN];
    size_t length;
    mm_error error;
    char device[16], dtype[16];
    atomic_int count;
} watcher;

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void on_event(const mm_deployment_event *event, void *payload) {
    watcher *self = payload;
    pthread_mutex_lock(&self->lock);
    int written = snprintf(self->seen + self->length, SEEN - self->length, "%s:%s>%s ",
                           base_name(event->model_name), mm_deployment_state_name(event->old_state),
                           mm_deployment_state_name(event->new_state));
    if (written > 0 && (size_t)written < SEEN - self->length)
        self->length += (size_t)written;
    if (event->error)
        self->error = *event->error;
    (void)snprintf(self->device, sizeof(self->device), "%s", event->device ? event->device : "-");
    (void)snprintf(self->dtype, sizeof(self->dtype), "%s", event->dtype ? event->dtype : "-");
    pthread_mutex_unlock(&self->lock);
    atomic_fetch_add(&self->count, 1);
}

static void watch(watcher *out, fixture *own, const char *const *settings) {
    *out = (watcher){.lock = PTHREAD_MUTEX_INITIALIZER};
    fixture_open_watched(own, settings, on_event, out);
}

static void check_seen(watcher *own, int count, const char *expected) {
    fixture_wait(&own->count, count);
    pthread_mutex_lock(&own->lock);
    assert_string_equal(own->seen, expected);
    pthread_mutex_unlock(&own->lock);
}

static const char *write_toy(const toy_options *options) {
    const char *folder = toy_write("toy", options);
    assert_non_null(folder);
    return folder;
}

// A load of `folder` that fails with `expected`; the error.
static mm_error fail_to_load(fixture *own, const char *folder, mm_status expected) {
    mm_request *request = fixture_request(folder, "a");
    mm_result *result;
    mm_error error = {0};
    assert_status(mm_task(&result, own->manager, request, &error), expected, error);
    mm_request_free(request);
    return error;
}

static void check_state(fixture *own, const char *expected) {
    json_t *status = fixture_status(own);
    const json_t *model = fixture_model(status);
    assert_non_null(model);
    assert_string_equal(json_string_value(json_object_get(model, "state")), expected);
    json_decref(status);
}

// ---- What is told ------------------------------------------------------------------------------

static void test_every_change_of_state_is_told_in_order(void **state) {
    (void)state;
    watcher seen;
    fixture own;
    watch(&seen, &own, NULL);
    const char *folder = write_toy(NULL);
    mm_result_free(fixture_embed(&own, folder, "a", MM_STATUS_OK));
    check_state(&own, "ready");
    mm_error error = {0};
    assert_ok(mm_model_release(own.manager, folder, NULL, &error), error);
    mm_result_free(fixture_embed(&own, folder, "a", MM_STATUS_OK));
    hand_clock_advance(&own.clock, 301); // keep_alive
    mm_result_free(fixture_embed(&own, folder, "a", MM_STATUS_OK));
    fixture_close(&own); // returns when all has been told
    check_seen(&seen, 12,
               "toy:absent>loading toy:loading>ready toy:ready>draining toy:draining>absent "
               "toy:absent>loading toy:loading>ready toy:ready>draining toy:draining>absent "
               "toy:absent>loading toy:loading>ready toy:ready>draining toy:draining>absent ");
    assert_int_equal(atomic_load(&seen.count), 12);
    assert_string_equal(seen.device, "cpu");
    assert_string_equal(seen.dtype, "f32");
    assert_int_equal(seen.error.status, MM_STATUS_OK);
}

static void test_the_status_says_the_state(void **state) {
    (void)state;
    watcher seen;
    fixture own;
    watch(&seen, &own, NULL);
    const char *folder = write_toy(NULL);
    submitted job;
    atomic_store(&own.hold_load, true);
    fixture_submit(&job, &own, fixture_request(folder, "a"));
    fixture_wait(&own.loads, 1);
    check_state(&own, "loading");
    atomic_store(&own.hold_load, false);
    submitted_wait(&job);
    submitted_free(&job);
    check_state(&own, "ready");
    fixture_close(&own);
}

// A host program may ask the manager from within: the lock is free.
static void ask_back(const mm_deployment_event *event, void *payload) {
    fixture *own = payload;
    (void)event;
    json_t *status = fixture_status(own);
    json_decref(status);
    atomic_fetch_add(&own->warnings, 1); // counts
}

static void test_events_come_without_the_lock(void **state) {
    (void)state;
    fixture own;
    fixture_open_watched(&own, NULL, ask_back, &own);
    mm_result_free(fixture_embed(&own, write_toy(NULL), "a", MM_STATUS_OK));
    fixture_wait(&own.warnings, 2);
    mm_error error = {0};
    assert_ok(mm_model_release(own.manager, write_toy(NULL), NULL, &error), error);
    fixture_wait(&own.warnings, 4);
    fixture_close(&own);
}

// ---- One load ----------------------------------------------------------------------------------

static void test_simultaneous_first_requests_share_one_load(void **state) {
    (void)state;
    watcher seen;
    fixture own;
    watch(&seen, &own, NULL);
    const char *folder = write_toy(NULL);
    atomic_store(&own.hold_load, true);
    submitted jobs[CALLERS];
    for (size_t i = 0; i < CALLERS; i++)
        fixture_submit(&jobs[i], &own, fixture_request(folder, "a"));
    fixture_wait_queued(&own, CALLERS); // all wait for it
    atomic_store(&own.hold_load, false);
    for (size_t i = 0; i < CALLERS; i++) {
        submitted_wait(&jobs[i]);
        assert_int_equal(jobs[i].status, MM_STATUS_OK);
        submitted_free(&jobs[i]);
    }
    assert_int_equal(atomic_load(&own.loads), 1);
    check_seen(&seen, 2, "toy:absent>loading toy:loading>ready ");
    fixture_close(&own);
}

// ---- Failures ----------------------------------------------------------------------------------

static void test_a_failed_load_answers_every_waiter_and_leaves_nothing(void **state) {
    (void)state;
    watcher seen;
    fixture own;
    watch(&seen, &own, NULL);
    const char *folder = write_toy(&(toy_options){.poison = "embeddings.word_embeddings.weight"});
    submitted jobs[CALLERS];
    for (size_t i = 0; i < CALLERS; i++)
        fixture_submit(&jobs[i], &own, fixture_request(folder, "a"));
    for (size_t i = 0; i < CALLERS; i++) {
        submitted_wait(&jobs[i]);
        assert_int_equal(jobs[i].status, MM_STATUS_MODEL_CORRUPT);
        submitted_free(&jobs[i]);
    }
    assert_int_equal(atomic_load(&own.errors), 1); // loaded once
    check_seen(&seen, 2, "toy:absent>loading toy:loading>failed ");
    assert_int_equal(seen.error.status, MM_STATUS_MODEL_CORRUPT);
    json_t *status = fixture_status(&own);
    const json_t *model = fixture_model(status);
    assert_string_equal(json_string_value(json_object_get(model, "state")), "failed");
    assert_int_equal(json_integer_value(json_object_get(model, "bytes")), 0);
    assert_int_equal(json_integer_value(json_object_get(model, "workers")), 0);
    assert_int_equal(json_integer_value(json_object_get(model, "queued")), 0);
    json_decref(status);
    hand_clock_advance(&own.clock, 61.001); // of no interest any more
    assert_false(fixture_holds(&own, folder));
    check_seen(&seen, 3, "toy:absent>loading toy:loading>failed toy:failed>absent ");
    fixture_close(&own);
}

static double retry_after(const mm_error *error) {
    json_t *details = json_loads(error->details, 0, NULL);
    double seconds = json_number_value(json_object_get(details, "retry_after_s"));
    json_decref(details);
    return seconds;
}

static void test_a_failed_load_is_tried_again_after_its_cool_down(void **state) {
    (void)state;
    fixture own;
    fixture_open_by_hand(&own, NULL);
    const char *folder = write_toy(&(toy_options){.leave_out = "embeddings.LayerNorm.weight"});
    static const double seconds[] = {1, 2, 4, 8, 16, 32, 60, 60};
    for (int i = 0; i < 8; i++) {
        mm_error first = fail_to_load(&own, folder, MM_STATUS_MODEL_CORRUPT);
        assert_true(retry_after(&first) == 0);
        assert_int_equal(atomic_load(&own.errors), i + 1);
        hand_clock_advance(&own.clock, seconds[i] - 0.5);
        mm_error second = fail_to_load(&own, folder, MM_STATUS_MODEL_CORRUPT);
        assert_contains(second.message, first.message);
        assert_contains(second.message, "is tried again in");
        assert_true(retry_after(&second) > 0.499 && retry_after(&second) < 0.502);
        assert_int_equal(atomic_load(&own.errors), i + 1); // not tried meanwhile
        hand_clock_advance(&own.clock, 0.5);
    }
    write_toy(NULL); // mended
    mm_result_free(fixture_embed(&own, folder, "a", MM_STATUS_OK));
    mm_error error = {0};
    assert_ok(mm_model_release(own.manager, folder, NULL, &error), error);
    fixture_close(&own);
}

static void test_a_success_resets_the_cool_down(void **state) {
    (void)state;
    fixture own;
    fixture_open_by_hand(&own, NULL);
    const toy_options broken = {.leave_out = "embeddings.LayerNorm.weight"};
    const char *folder = write_toy(&broken);
    for (int i = 0; i < 3; i++) {
        (void)fail_to_load(&own, folder, MM_STATUS_MODEL_CORRUPT);
        hand_clock_advance(&own.clock, 10);
    }
    write_toy(NULL);
    mm_result_free(fixture_embed(&own, folder, "a", MM_STATUS_OK));
    hand_clock_advance(&own.clock, 301); // released by keep_alive
    write_toy(&broken);
    (void)fail_to_load(&own, folder, MM_STATUS_MODEL_CORRUPT);
    mm_error error = fail_to_load(&own, folder, MM_STATUS_MODEL_CORRUPT);
    assert_true(retry_after(&error) > 0 && retry_after(&error) <= 1.001);
    fixture_close(&own);
}

static void test_lack_of_memory_needs_no_cool_down(void **state) {
    (void)state;
    static const char *const settings[] = {"memory.cpu_bytes", "1000", NULL};
    fixture own;
    fixture_open_by_hand(&own, settings);
    const char *folder = write_toy(NULL);
    for (int i = 1; i <= 3; i++) {
        (void)fail_to_load(&own, folder, MM_STATUS_OUT_OF_MEMORY);
        assert_int_equal(atomic_load(&own.errors), i); // tried
        assert_false(fixture_holds(&own, folder));
    }
    fixture_close(&own);
}

// ---- Releases ----------------------------------------------------------------------------------

static bool is_mapped(const char *folder) {
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    char line[4096];
    bool found = false;
    while (fgets(line, sizeof(line), maps))
        found |= strstr(line, folder) != NULL;
    (void)fclose(maps);
    return found;
}

static json_int_t used_bytes(fixture *own) {
    json_t *status = fixture_status(own);
    json_int_t bytes = json_integer_value(
        json_object_get(json_array_get(json_object_get(status, "devices"), 0), "bytes_used"));
    json_decref(status);
    return bytes;
}

static void test_a_release_gives_back_all_that_it_reports(void **state) {
    (void)state;
    fixture own;
    fixture_open_by_hand(&own, NULL);
    const char *folder = write_toy(NULL);
    mm_result_free(fixture_embed(&own, folder, "a", MM_STATUS_OK));
    const json_int_t before = used_bytes(&own);
    mm_release_info info = {.struct_size = sizeof(info)};
    mm_error error = {0};
    assert_true(before > 0);
    assert_ok(mm_model_release(own.manager, folder, &info, &error), error);
    assert_true(info.released);
    assert_int_equal(info.freed_bytes, before);
    assert_int_equal(info.workers_stopped, 1);
    assert_int_equal(used_bytes(&own), 0);
    assert_false(is_mapped(folder));
    assert_ok(mm_model_release(own.manager, folder, &info, &error), error); // not loaded
    assert_false(info.released);
    assert_int_equal(info.freed_bytes, 0);
    fixture_close(&own);
}

static int make_scratch(void **state) {
    (void)state;
    return scratch_create() ? 0 : 1;
}

static int remove_scratch(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_change_of_state_is_told_in_order),
        cmocka_unit_test(test_the_status_says_the_state),
        cmocka_unit_test(test_events_come_without_the_lock),
        cmocka_unit_test(test_simultaneous_first_requests_share_one_load),
        cmocka_unit_test(test_a_failed_load_answers_every_waiter_and_leaves_nothing),
        cmocka_unit_test(test_a_failed_load_is_tried_again_after_its_cool_down),
        cmocka_unit_test(test_a_success_resets_the_cool_down),
        cmocka_unit_test(test_lack_of_memory_needs_no_cool_down),
        cmocka_unit_test(test_a_release_gives_back_all_that_it_reports),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
