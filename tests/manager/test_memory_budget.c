// SPDX-License-Identifier: Apache-2.0
// Many models under a budget for a few: none fails, none exceeds it, the right ones go.
#include "fixture.h"
#include "scratch.h"
#include "toy.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { MODELS = 10, ROOM = 3, THREADS = 8, CALLS = 60 };

static char folders[MODELS][256];
static json_int_t model_bytes;

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
    fixture own;
    fixture_open(&own, NULL);
    mm_result_free(fixture_embed(&own, folders[0], "a", MM_STATUS_OK));
    json_t *status = fixture_status(&own);
    model_bytes = json_integer_value(json_object_get(fixture_model(status), "bytes"));
    json_decref(status);
    fixture_close(&own);
    return model_bytes > 0 ? 0 : 1;
}

static int remove_models(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

// A manager with room for ROOM models; more settings as fixture_open wants them.
static void open_small(fixture *own, const char *name, const char *value) {
    char budget[32];
    snprintf(budget, sizeof(budget), "%lld", (long long)(ROOM * model_bytes + model_bytes / 2));
    const char *const settings[] = {"memory.cpu_bytes", budget, name, value, NULL};
    fixture_open(own, settings);
}

static void embed(fixture *own, int model) {
    mm_result_free(fixture_embed(own, folders[model], "a b", MM_STATUS_OK));
}

// Which are loaded, as a mask; the sum of their bytes must be within the budget.
static unsigned loaded(fixture *own) {
    unsigned mask = 0;
    json_int_t bytes = 0;
    json_t *status = fixture_status(own);
    size_t index;
    json_t *model;
    json_array_foreach(json_object_get(status, "models"), index, model) {
        bytes += json_integer_value(json_object_get(model, "bytes"));
        const char *name = json_string_value(json_object_get(model, "model_name"));
        for (unsigned i = 0; i < MODELS; i++)
            mask |= strcmp(name, folders[i]) == 0 ? 1u << i : 0;
    }
    json_decref(status);
    assert_true(bytes <= ROOM * model_bytes);
    return mask;
}

static void test_the_budget_is_kept(void **state) {
    (void)state;
    fixture own;
    open_small(&own, NULL, NULL);
    for (int i = 0; i < MODELS; i++) {
        embed(&own, i);
        unsigned now = loaded(&own);
        assert_true(now & (1u << i));
        assert_int_equal(__builtin_popcount(now), i < ROOM ? i + 1 : ROOM);
    }
    assert_int_equal(own.loads, MODELS);
    assert_int_equal(own.releases, MODELS - ROOM);
    fixture_close(&own);
}

static void test_pinned_models_stay(void **state) {
    (void)state;
    fixture own;
    char pinned[600];
    snprintf(pinned, sizeof(pinned), "[\"%s\", \"%s\"]", folders[0], folders[1]);
    open_small(&own, "worker_pool.pinned", pinned);
    for (int i = 0; i < MODELS; i++)
        embed(&own, i);
    assert_int_equal(loaded(&own), 1u << (MODELS - 1) | 3u);
    fixture_close(&own);
}

static void test_what_never_fits_is_refused_with_numbers(void **state) {
    (void)state;
    fixture own;
    const char *const settings[] = {"memory.cpu_bytes", "1000", NULL};
    fixture_open(&own, settings);
    json_t *answer = fixture_json(&own,
                                  "{\"task_type\": \"embedding\", \"model_name\": \"%s\", "
                                  "\"task_data\": \"a\"}",
                                  folders[0]);
    assert_string_equal(fixture_code(answer), "OUT_OF_MEMORY");
    const json_t *details = json_object_get(json_object_get(answer, "error"), "details");
    assert_int_equal(json_integer_value(json_object_get(details, "needed_bytes")), model_bytes);
    assert_int_equal(json_integer_value(json_object_get(details, "budget_bytes")), 1000);
    json_decref(answer);
    assert_int_equal(loaded(&own), 0);
    fixture_close(&own);
}

// ---- Busy ones ---------------------------------------------------------------------------------

// All room is taken by working models: the next one waits for the first to end, and what that one
// is asked meanwhile is answered too.
static void test_busy_models_are_waited_for(void **state) {
    (void)state;
    fixture own;
    open_small(&own, NULL, NULL);
    submitted busy[ROOM], next, again[ROOM];
    for (int i = 0; i < ROOM; i++)
        fixture_submit_long(&busy[i], &own, folders[i]);
    fixture_wait(&own.loads, ROOM);
    fixture_submit(&next, &own, fixture_request(folders[ROOM], "a"));
    for (int i = 0; i < ROOM; i++)
        fixture_submit(&again[i], &own, fixture_request(folders[i], "a"));
    submitted_wait(&next);
    assert_int_equal(next.status, MM_STATUS_OK);
    for (int i = 0; i < ROOM; i++) {
        submitted_wait(&busy[i]);
        submitted_wait(&again[i]);
        assert_int_equal(busy[i].status, MM_STATUS_OK);
        assert_int_equal(again[i].status, MM_STATUS_OK);
        submitted_free(&busy[i]);
        submitted_free(&again[i]);
    }
    submitted_free(&next);
    (void)loaded(&own);
    fixture_close(&own);
}

static void test_a_load_that_waits_can_be_released(void **state) {
    (void)state;
    fixture own;
    open_small(&own, NULL, NULL);
    submitted busy[ROOM], next;
    for (int i = 0; i < ROOM; i++)
        fixture_submit_long(&busy[i], &own, folders[i]);
    fixture_wait(&own.loads, ROOM);
    fixture_submit(&next, &own, fixture_request(folders[ROOM], "a"));
    mm_error error = {0};
    assert_ok(mm_model_release(own.manager, folders[ROOM], NULL, &error), error);
    submitted_wait(&next);
    assert_true(next.status == MM_STATUS_RELEASED || next.status == MM_STATUS_OK);
    submitted_free(&next);
    for (int i = 0; i < ROOM; i++) {
        submitted_wait(&busy[i]);
        assert_int_equal(busy[i].status, MM_STATUS_OK);
        submitted_free(&busy[i]);
    }
    embed(&own, ROOM);
    fixture_close(&own);
}

// ---- A crowd -----------------------------------------------------------------------------------

typedef struct caller {
    fixture *own;
    unsigned random;
} caller;

static void *call(void *payload) {
    caller *self = payload;
    for (int i = 0; i < CALLS; i++) {
        self->random = self->random * 1103515245u + 12345u;
        embed(self->own, (int)(self->random >> 16) % MODELS);
    }
    return NULL;
}

static void test_no_request_fails_while_models_take_turns(void **state) {
    (void)state;
    fixture own;
    open_small(&own, NULL, NULL);
    pthread_t threads[THREADS];
    caller callers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        callers[i] = (caller){&own, 77u * i};
        assert_int_equal(pthread_create(&threads[i], NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < 20; i++) {
        (void)loaded(&own);
        usleep(5000);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_true(own.loads > MODELS);
    fixture_close(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_budget_is_kept),
        cmocka_unit_test(test_pinned_models_stay),
        cmocka_unit_test(test_what_never_fits_is_refused_with_numbers),
        cmocka_unit_test(test_busy_models_are_waited_for),
        cmocka_unit_test(test_a_load_that_waits_can_be_released),
        cmocka_unit_test(test_no_request_fails_while_models_take_turns),
    };
    return cmocka_run_group_tests(tests, write_models, remove_models);
}
