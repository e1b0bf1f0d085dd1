// SPDX-License-Identifier: Apache-2.0
// What models and requests take is known before it is taken: plans, what a budget promises,
// refusals with numbers, and a second try when the system refuses memory.
#include "fixture.h"

#include "base/memory.h"

#include <sched.h>
#include <stdio.h>

#define T5 MM_TESTS_DIR "/golden/models/seq2seq-t5"
#define THIRD_MODEL MM_TESTS_DIR "/golden/models/mpnet-mean-normalize"

typedef struct plan {
    bool fits;
    json_int_t weights, activations, caches, available;
    size_t evicts;
    char first[256]; // of those
} plan;

static json_int_t needed(const plan *planned) {
    return planned->weights + planned->activations + planned->caches;
}

static json_int_t number(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value))
        fail_msg("%s is no number", name);
    return json_integer_value(value);
}

static void read_plan(plan *out, const json_t *data) {
    const json_t *evicts = json_object_get(data, "evicts");
    assert_true(json_is_boolean(json_object_get(data, "fits")) && json_is_array(evicts));
    *out = (plan){.fits = json_is_true(json_object_get(data, "fits")),
                  .weights = number(data, "weight_bytes"),
                  .activations = number(data, "activation_bytes"),
                  .caches = number(data, "cache_bytes"),
                  .available = number(data, "available_bytes"),
                  .evicts = json_array_size(evicts)};
    const char *first = json_string_value(json_array_get(evicts, 0));
    snprintf(out->first, sizeof(out->first), "%s", first ? first : "");
}

// `more` is what else the request says, such as ", \"num_beams\": 3".
static plan plan_of(fixture *own, const char *task, const char *model, const char *more) {
    plan out;
    json_t *answer = fixture_json(own,
                                  "{\"op\": \"plan\", \"task_type\": \"%s\", \"model_name\": "
                                  "\"%s\"%s}",
                                  task, model, more);
    read_plan(&out, fixture_data(answer));
    json_decref(answer);
    return out;
}

static plan plan_embedding(fixture *own, const char *model) {
    return plan_of(own, "embedding", model, "");
}

static plan plan_generation(fixture *own, const char *more) {
    return plan_of(own, "text_generation", T5, more);
}

static void open_with_budget(fixture *own, json_int_t bytes) {
    char budget[32];
    snprintf(budget, sizeof(budget), "%lld", (long long)bytes);
    const char *const settings[] = {"memory.cpu_bytes", budget, "cpu_threads", "1", NULL};
    fixture_open(own, settings);
}

static plan plan_alone(const char *task, const char *model, const char *more) {
    fixture own;
    open_with_budget(&own, 0);
    plan out = plan_of(&own, task, model, more);
    fixture_close(&own);
    return out;
}

static json_int_t bytes_held(fixture *own) {
    json_t *status = fixture_status(own);
    json_int_t bytes = 0;
    size_t index;
    json_t *model;
    json_array_foreach(json_object_get(status, "models"), index, model) bytes +=
        number(model, "bytes");
    const json_t *cpu = json_array_get(json_object_get(status, "devices"), 0);
    assert_int_equal(number(cpu, "bytes_used"), bytes);
    json_decref(status);
    return bytes;
}

// The answer; json_decref.
static json_t *generate(fixture *own, const char *more) {
    return fixture_json(own,
                        "{\"task_type\": \"text_generation\", \"model_name\": \"%s\", "
                        "\"task_data\": \"The cat sat on the mat.\"%s}",
                        T5, more);
}

// ---- Plans -------------------------------------------------------------------------------------

static void a_plan_loads_nothing_and_says_what_loading_takes(void **state) {
    (void)state;
    static const char *const models[] = {MODEL, OTHER_MODEL};
    for (size_t i = 0; i < 2; i++) {
        fixture own;
        open_with_budget(&own, 0);
        plan planned = plan_embedding(&own, models[i]);
        assert_true(planned.fits && planned.weights > 0 && planned.activations > 0);
        assert_int_equal(planned.caches, 0);
        assert_int_equal(planned.evicts, 0);
        assert_int_equal(own.loads, 0);
        assert_int_equal(bytes_held(&own), 0);
        mm_result_free(fixture_embed(&own, models[i], "a", MM_STATUS_OK));
        assert_int_equal(bytes_held(&own), needed(&planned));
        plan again = plan_embedding(&own, models[i]); // what it has need not be there twice
        assert_true(again.fits);
        assert_int_equal(planned.available - again.available, needed(&planned));
        fixture_close(&own);
    }
}

static void a_plan_names_those_who_would_have_to_go(void **state) {
    (void)state;
    const plan first = plan_alone("embedding", MODEL, ""),
               second = plan_alone("embedding", OTHER_MODEL, ""),
               third = plan_alone("embedding", THIRD_MODEL, "");
    fixture own;
    // The third fits when the first has gone.
    open_with_budget(&own, needed(&second) +
                               (needed(&first) > needed(&third) ? needed(&first) : needed(&third)));
    mm_result_free(fixture_embed(&own, MODEL, "a", MM_STATUS_OK));
    mm_result_free(fixture_embed(&own, OTHER_MODEL, "a", MM_STATUS_OK));
    plan planned = plan_embedding(&own, THIRD_MODEL);
    assert_true(planned.fits);
    assert_in_range(planned.evicts, 1, 2);
    assert_int_equal(own.releases, 0);
    mm_result_free(fixture_embed(&own, THIRD_MODEL, "a", MM_STATUS_OK));
    assert_int_equal(own.releases, planned.evicts);
    assert_false(fixture_holds(&own, planned.first));
    fixture_close(&own);
}

static void what_could_never_fit_is_planned_as_that_with_the_numbers(void **state) {
    (void)state;
    fixture own;
    open_with_budget(&own, 1000);
    plan planned = plan_embedding(&own, MODEL);
    assert_false(planned.fits);
    assert_true(planned.weights > 1000 && planned.available == 1000);
    assert_int_equal(planned.evicts, 0);
    json_t *answer = fixture_json(
        &own, "{\"task_type\": \"embedding\", \"model_name\": \"%s\", \"task_data\": \"a\"}",
        MODEL);
    assert_string_equal(fixture_code(answer), "OUT_OF_MEMORY");
    const json_t *details = json_object_get(json_object_get(answer, "error"), "details");
    assert_int_equal(number(details, "needed_bytes"), needed(&planned));
    json_decref(answer);
    fixture_close(&own);
}

static void inspecting_a_model_shows_the_plan_for_it(void **state) {
    (void)state;
    fixture own;
    open_with_budget(&own, 1000);
    char *text;
    mm_error error = {0};
    assert_ok(mm_model_inspect(&text, own.manager, MODEL, &error), error);
    json_t *model = json_loads(text, 0, NULL);
    plan shown, planned = plan_embedding(&own, MODEL);
    read_plan(&shown, json_object_get(model, "plan"));
    assert_false(shown.fits);
    assert_int_equal(needed(&shown), needed(&planned));
    assert_int_equal(shown.weights, number(json_object_get(model, "memory_bytes"), "f32"));
    json_decref(model);
    mm_text_free(text);
    fixture_close(&own);
}

static void a_plan_counts_what_the_request_asks_for(void **state) {
    (void)state;
    fixture own;
    open_with_budget(&own, 0);
    const plan plain = plan_generation(&own, "");
    const plan beams = plan_generation(&own, ", \"num_beams\": 6");
    const plan lengths = plan_generation(&own, ", \"num_beams\": 6, \"max_length\": 4000");
    const plan workers = plan_generation(&own, ", \"num_workers\": 3");
    const plan text = plan_generation(&own, ", \"num_beams\": 6, \"task_data\": [\"a\", \"b\"]");
    assert_true(plain.caches > 0 && plain.caches < beams.caches);
    assert_true(beams.caches < lengths.caches);
    assert_true(text.caches < beams.caches); // which is for the longest text
    assert_int_equal(workers.caches, 3 * plain.caches);
    assert_int_equal(workers.activations, 3 * plain.activations);
    assert_int_equal(workers.weights, plain.weights);
    assert_int_equal(own.loads, 0);
    fixture_close(&own);
}

static void what_a_plan_cannot_be_made_for_is_an_error(void **state) {
    (void)state;
    fixture own;
    open_with_budget(&own, 0);
    static const struct {
        const char *json, *code;
    } cases[] = {
        {"{\"op\": \"plan\", \"task_type\": \"embedding\"}", "INVALID_REQUEST"},
        {"{\"op\": \"plan\", \"task_type\": \"embedding\", \"model_name\": \"./none\"}",
         "MODEL_NOT_FOUND"},
        {"{\"op\": \"plan\", \"task_type\": \"text_generation\", \"model_name\": \"" MODEL "\"}",
         "INVALID_TASK_TYPE"},
        {"{\"op\": \"plan\", \"task_type\": \"text_generation\", \"model_name\": \"" T5
         "\", \"num_beams\": 0}",
         "INVALID_PARAMETER"},
        {"{\"op\": \"plan\", \"task_type\": \"embedding\", \"model_name\": \"" MODEL
         "\", \"device\": \"cuda:0\"}",
         "NO_GPU_AVAILABLE"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *answer = fixture_json(&own, "%s", cases[i].json);
        assert_string_equal(fixture_code(answer), cases[i].code);
        json_decref(answer);
    }
    fixture_close(&own);
}

// ---- Workers -----------------------------------------------------------------------------------

static void workers_that_the_budget_has_no_room_for_are_not_started(void **state) {
    (void)state;
    const plan one = plan_alone("embedding", MODEL, "");
    fixture own;
    open_with_budget(&own, needed(&one) + 2 * one.activations + one.activations / 2);
    mm_result_free(fixture_embed(&own, MODEL, "a", MM_STATUS_OK));
    assert_int_equal(bytes_held(&own), needed(&one));
    json_t *answer = fixture_json(&own,
                                  "{\"task_type\": \"embedding\", \"model_name\": \"%s\", "
                                  "\"task_data\": null, \"num_workers\": 9}",
                                  MODEL);
    assert_int_equal(number(fixture_data(answer), "workers"), 3);
    json_decref(answer);
    assert_int_equal(bytes_held(&own), needed(&one) + 2 * one.activations);
    mm_result_free(fixture_embed(&own, MODEL, "b", MM_STATUS_OK));
    fixture_close(&own);
}

// ---- Caches ------------------------------------------------------------------------------------

static void caches_that_could_never_be_had_are_refused_before_work_starts(void **state) {
    (void)state;
    const plan plain = plan_alone("text_generation", T5, "");
    fixture own;
    open_with_budget(&own, needed(&plain) + 1000);
    json_t *answer = generate(&own, ", \"num_beams\": 250, \"max_length\": 16000");
    assert_string_equal(fixture_code(answer), "OUT_OF_MEMORY");
    const json_t *details = json_object_get(json_object_get(answer, "error"), "details");
    assert_int_equal(number(details, "available_bytes"), plain.caches + 1000);
    assert_true(number(details, "needed_bytes") > 100 * plain.caches);
    json_decref(answer);
    answer = generate(&own, ""); // within what was promised
    (void)fixture_data(answer);
    json_decref(answer);
    fixture_close(&own);
}

typedef struct watcher {
    fixture *own;
    json_int_t most;
    int tokens;
    atomic_int ended;
    mm_status status;
} watcher;

static bool on_token(mm_job *job, const mm_token *token, void *payload) {
    watcher *self = payload;
    (void)job;
    (void)token;
    const json_int_t bytes = bytes_held(self->own);
    self->most = bytes > self->most ? bytes : self->most;
    return ++self->tokens < 10;
}

static void on_end(mm_job *job, mm_status status, mm_result *result, const mm_error *error,
                   void *payload) {
    watcher *self = payload;
    (void)job;
    (void)error;
    self->status = status;
    mm_result_free(result);
    atomic_store(&self->ended, 1);
}

// Up to the tenth token.
static void run_watched(watcher *self, fixture *own, int64_t max_length) {
    mm_error error = {0};
    mm_job *job;
    mm_request *request = fixture_request(T5, "The cat sat on the mat.");
    *self = (watcher){.own = own};
    assert_ok(mm_request_set_text(request, "task_type", "text_generation", &error), error);
    assert_ok(mm_request_set_integer(request, "max_length", max_length, &error), error);
    assert_ok(mm_task_stream(&job, own->manager, request, on_token, on_end, self, &error), error);
    fixture_wait(&self->ended, 1);
    mm_request_free(request);
    mm_job_free(job);
    assert_int_equal(self->status, MM_STATUS_CANCELLED);
}

static void the_caches_of_a_run_count_in_the_budget_until_it_ends(void **state) {
    (void)state;
    const plan plain = plan_alone("text_generation", T5, ""),
               other = plan_alone("embedding", MODEL, "");
    const plan large =
        plan_alone("text_generation", T5,
                   ", \"max_length\": 8000, \"task_data\": \"The cat sat on the mat.\"");
    assert_true(large.caches > plain.caches);
    fixture own;
    // Room for both models, or for the larger caches.
    const json_int_t budget = needed(&plain) + needed(&other) > needed(&large)
                                  ? needed(&plain) + needed(&other)
                                  : needed(&large);
    open_with_budget(&own, budget);
    watcher watched;
    run_watched(&watched, &own, 8000);
    assert_in_range(watched.most, needed(&large), budget);
    while (bytes_held(&own) != needed(&plain)) // given back a moment after the answer
        sched_yield();
    mm_result_free(fixture_embed(&own, MODEL, "a", MM_STATUS_OK));
    assert_int_equal(bytes_held(&own), needed(&plain) + needed(&other)); // side by side again
    fixture_close(&own);
}

// ---- Refusals by the system --------------------------------------------------------------------

// Each allocation of a request fails in turn, while another model is idle: where memory is refused
// to a worker, that one goes and the request is answered all the same.
static int count_second_tries(const char *task, const char *model, const char *more) {
    const plan own_plan = plan_alone(task, model, ""),
               other = plan_alone("embedding", OTHER_MODEL, "");
    char request[1024];
    snprintf(request, sizeof(request),
             "{\"task_type\": \"%s\", \"model_name\": \"%s\", \"task_data\": \"a\"%s}", task, model,
             more);
    int tries = 0;
    fixture own;
    const char *const settings[] = {"embedding_cache.enabled", "false", "cpu_threads", "1", NULL};
    fixture_open(&own, settings);
    json_decref(fixture_json(&own, "%s", request));
    bool reached = true;
    for (size_t n = 1; reached; n++) {
        mm_result_free(fixture_embed(&own, OTHER_MODEL, "a", MM_STATUS_OK));
        while (bytes_held(&own) != needed(&own_plan) + needed(&other))
            sched_yield(); // until the last run is over, or this one joins it
        const int before = own.releases;
        char *text = NULL;
        mm_memory_fail_after(n, false);
        mm_status status = mm_task_json(&text, own.manager, request, strlen(request));
        reached = mm_memory_allocations() >= n;
        mm_memory_fail_after(0, false);
        mm_text_free(text);
        assert_true(status == MM_STATUS_OK || status == MM_STATUS_OUT_OF_MEMORY);
        if (own.releases > before) {
            assert_int_equal(status, MM_STATUS_OK);
            tries++;
        }
    }
    fixture_close(&own);
    return tries;
}

static void a_worker_that_is_refused_memory_has_idle_models_evicted_and_tries_again(void **state) {
    (void)state;
    assert_true(count_second_tries("embedding", MODEL, "") > 2);
    assert_true(count_second_tries("text_generation", T5, ", \"num_beams\": 2, \"max_length\": 4") >
                2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_loads_nothing_and_says_what_loading_takes),
        cmocka_unit_test(a_plan_names_those_who_would_have_to_go),
        cmocka_unit_test(what_could_never_fit_is_planned_as_that_with_the_numbers),
        cmocka_unit_test(inspecting_a_model_shows_the_plan_for_it),
        cmocka_unit_test(a_plan_counts_what_the_request_asks_for),
        cmocka_unit_test(what_a_plan_cannot_be_made_for_is_an_error),
        cmocka_unit_test(workers_that_the_budget_has_no_room_for_are_not_started),
        cmocka_unit_test(caches_that_could_never_be_had_are_refused_before_work_starts),
        cmocka_unit_test(the_caches_of_a_run_count_in_the_budget_until_it_ends),
        cmocka_unit_test(a_worker_that_is_refused_memory_has_idle_models_evicted_and_tries_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
