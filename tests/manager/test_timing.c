// SPDX-License-Identifier: Apache-2.0
// Where the time of a request went: each part is what it says, and together they are no more than
// the whole. Time is moved by hand, but for one test.
#include "held_worker.h"

typedef struct timed {
    mm_job *job;
    atomic_int calls;
    mm_timing timing;
} timed;

static void on_end(mm_job *job, mm_status status, mm_result *result, const mm_error *error,
                   void *payload) {
    timed *self = payload;
    (void)job;
    (void)error;
    assert_int_equal(status, MM_STATUS_OK);
    mm_result_timing(result, &self->timing);
    mm_result_free(result);
    atomic_fetch_add(&self->calls, 1);
}

static void submit(timed *out, fixture *own) {
    mm_error error = {0};
    mm_request *request = fixture_request(T5, "x");
    *out = (timed){0};
    assert_ok(mm_task_submit(&out->job, own->manager, request, on_end, out, &error), error);
    mm_request_free(request);
}

static void end(timed *job) {
    fixture_wait(&job->calls, 1);
    mm_job_free(job->job);
}

static void assert_timing(const mm_timing *timing, double load_ms, double queue_ms,
                          double compute_ms) {
    assert_true(timing->load_ms == load_ms);
    assert_true(timing->queue_ms == queue_ms);
    assert_true(timing->compute_ms == compute_ms);
    assert_true(timing->download_ms == 0 && timing->tokenize_ms == 0);
    assert_true(timing->total_ms == load_ms + queue_ms + compute_ms);
}

static void each_part_of_the_time_is_named(void **state) {
    (void)state;
    fixture own;
    held_worker held;
    timed job;
    fixture_open_by_hand(&own, NULL);
    atomic_store(&own.hold_load, true);
    submit(&job, &own);
    fixture_wait_queued(&own, 1);
    hand_clock_advance(&own.clock, 2);
    atomic_store(&own.hold_load, false);
    end(&job);
    assert_timing(&job.timing, 2000, 0, 0);
    held_worker_start(&held, &own);
    submit(&job, &own);
    fixture_wait_queued(&own, 1);
    hand_clock_advance(&own.clock, 3);
    held_worker_end(&held);
    end(&job);
    assert_timing(&job.timing, 0, 3000, 0);
    assert_timing(&held.timing, 0, 0, 3000);
    fixture_close(&own);
}

// No time passes here, so whoever waited for company would wait for ever.
static void a_request_that_is_alone_is_served_at_once(void **state) {
    (void)state;
    fixture own;
    timed job;
    fixture_open_by_hand(&own, NULL);
    for (int i = 0; i < 3; i++) {
        submit(&job, &own);
        end(&job);
        assert_timing(&job.timing, 0, 0, 0);
    }
    fixture_close(&own);
}

static double part(const json_t *timing, const char *name) {
    const json_t *value = json_object_get(timing, name);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void check_sum(fixture *own, const char *task, const char *rest) {
    json_t *result = fixture_json(
        own, "{\"task_type\": \"%s\", \"model_name\": \"" T5 "\", \"device\": \"cpu\", %s}", task,
        rest);
    const json_t *timing = json_object_get(fixture_data(result), "timing");
    static const char *const parts[] = {"queue_ms", "download_ms", "load_ms", "tokenize_ms",
                                        "compute_ms"};
    double sum = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        sum += part(timing, parts[i]);
    double total = part(timing, "total_ms");
    if (sum > total + 1e-6) // the parts have three decimals
        fail_msg("%s: the parts are %.6f ms, the whole is %.6f ms", task, sum, total);
    json_decref(result);
}

static void the_parts_are_no_more_than_the_whole(void **state) {
    (void)state;
    static const char *const settings[] = {"embedding_cache.enabled", "true", NULL};
    fixture own;
    fixture_open(&own, settings);
    check_sum(&own, "text_generation", "\"task_data\": \"a\", \"max_new_tokens\": 4"); // loads
    for (int i = 0; i < 50; i++) {
        check_sum(&own, "embedding", "\"task_data\": [\"a\", \"b\"], \"use_cache\": false");
        check_sum(&own, "embedding", "\"task_data\": [\"a\", \"b\"]");
        check_sum(&own, "embedding", "\"task_data\": [\"c\", \"c\", \"c\"]");
        check_sum(&own, "embedding", "\"task_data\": null");
    }
    fixture_close(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_of_the_time_is_named),
        cmocka_unit_test(a_request_that_is_alone_is_served_at_once),
        cmocka_unit_test(the_parts_are_no_more_than_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
