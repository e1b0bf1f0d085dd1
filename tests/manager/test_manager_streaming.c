// SPDX-License-Identifier: Apache-2.0
// Tokens as they come, and what happens to a job in the middle of its text: it is cancelled, its
// time is over, its model is released, the manager goes; others join it.
#include "fixture.h"

#include <stdlib.h>

#define T5 MM_TESTS_DIR "/golden/models/seq2seq-t5"
#define CAT "The cat sat on the mat."

enum { TEXT_MAX = 4096, ENDLESS = 16000 };

// A job whose tokens are collected.
typedef struct listener {
    mm_job *job;
    atomic_int tokens;
    atomic_int calls; // of the last callback
    atomic_int stop_after;
    bool cancels; // by mm_job_cancel, else by its return value
    bool late;    // a token came behind the last call
    size_t sequences;
    char text[2][TEXT_MAX];
    char expected[2][TEXT_MAX]; // of the Result
    size_t output_tokens;
    size_t ended; // texts whose last token came
    mm_status status;
} listener;

static bool on_token(mm_job *job, const mm_token *token, void *payload) {
    listener *self = payload;
    self->late |= atomic_load(&self->calls) > 0;
    if (token->sequence < 2)
        (void)strncat(self->text[token->sequence], token->text ? token->text : "",
                      token->length < 64 ? token->length : 64);
    if (token->id >= 0)
        atomic_fetch_add(&self->tokens, 1);
    self->ended += token->is_last;
    const int stop = atomic_load(&self->stop_after);
    if (stop == 0 || atomic_load(&self->tokens) < stop)
        return true;
    if (self->cancels)
        mm_job_cancel(job);
    return self->cancels;
}

static void on_end(mm_job *job, mm_status status, mm_result *result, const mm_error *error,
                   void *payload) {
    listener *self = payload;
    (void)job;
    (void)error;
    self->status = status;
    self->sequences = result ? mm_result_sequences(result) : 0;
    for (size_t i = 0; i < self->sequences; i++) {
        size_t count;
        (void)mm_result_output_ids(result, i, &count);
        self->output_tokens += count;
        if (i < 2)
            (void)strncat(self->expected[i], mm_result_generated_text(result, i, NULL),
                          TEXT_MAX - 1);
    }
    mm_result_free(result);
    atomic_fetch_add(&self->calls, 1);
}

static mm_request *new_request(int64_t new_tokens) {
    mm_request *request = fixture_request(T5, CAT);
    mm_error error = {0};
    assert_ok(mm_request_set_text(request, "task_type", "text_generation", &error), error);
    assert_ok(mm_request_set_integer(request, "max_new_tokens", new_tokens, &error), error);
    return request;
}

// Takes the request.
static void listen(listener *self, fixture *own, mm_request *request) {
    mm_error error = {0};
    assert_ok(mm_task_stream(&self->job, own->manager, request, on_token, on_end, self, &error),
              error);
    mm_request_free(request);
}

static listener *new_listener(void) {
    listener *self = calloc(1, sizeof(*self));
    assert_non_null(self);
    return self;
}

// Until its last call; checks that there is only one, and no token behind it.
static void end(listener *self, mm_status expected) {
    fixture_wait(&self->calls, 1);
    assert_int_equal(atomic_load(&self->calls), 1);
    if (self->status != expected)
        fail_msg("%s, expected %s", mm_status_name(self->status), mm_status_name(expected));
    assert_false(self->late);
    mm_job_free(self->job);
    free(self);
}

static void test_pieces(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    for (int beams = 1; beams <= 2; beams++) {
        listener *self = new_listener();
        mm_request *request = new_request(12);
        mm_error error = {0};
        assert_ok(mm_request_set_integer(request, "num_beams", beams, &error), error);
        assert_ok(mm_request_set_integer(request, "num_return_sequences", beams, &error), error);
        listen(self, &own, request);
        fixture_wait(&self->calls, 1);
        assert_int_equal(self->sequences, beams);
        assert_int_equal(self->ended, beams);
        assert_true(strlen(self->expected[0]) > 0);
        for (int i = 0; i < beams; i++)
            assert_string_equal(self->text[i], self->expected[i]);
        assert_int_equal(atomic_load(&self->tokens), self->output_tokens);
        end(self, MM_STATUS_OK);
    }
    fixture_close(&own);
}

// No piece shows a stop text, nor the part of one that the Result has not.
static void test_stop(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    listener *plain = new_listener();
    listen(plain, &own, new_request(14));
    fixture_wait(&plain->calls, 1);
    const char *whole = plain->expected[0];
    const size_t length = strlen(whole);
    assert_true(length > 8);
    for (size_t at = 0; at + 2 < length; at++) {
        // Cut at whole characters only.
        if (((unsigned char)whole[at] & 0xC0) == 0x80)
            continue;
        size_t end_at = at + 2;
        while (((unsigned char)whole[end_at] & 0xC0) == 0x80)
            end_at++;
        json_t *stop = json_stringn(whole + at, end_at - at);
        char *text = json_dumps(stop, JSON_ENCODE_ANY);
        listener *self = new_listener();
        mm_request *request = new_request(14);
        mm_error error = {0};
        assert_ok(mm_request_set_json(request, "stop", text, &error), error);
        listen(self, &own, request);
        fixture_wait(&self->calls, 1);
        assert_string_equal(self->text[0], self->expected[0]);
        assert_null(strstr(self->expected[0], json_string_value(stop)));
        assert_true(strlen(self->expected[0]) <= at);
        end(self, MM_STATUS_OK);
        free(text);
        json_decref(stop);
    }
    end(plain, MM_STATUS_OK);
    fixture_close(&own);
}

static void test_cancel(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    for (int way = 0; way < 3; way++) {
        listener *self = new_listener();
        self->cancels = way == 1;
        atomic_store(&self->stop_after, way < 2 ? 3 : 0);
        listen(self, &own, new_request(ENDLESS));
        if (way == 2) { // from another thread
            fixture_wait(&self->tokens, 3);
            mm_job_cancel(self->job);
        }
        fixture_wait(&self->calls, 1);
        assert_in_range(atomic_load(&self->tokens), 3, ENDLESS - 1);
        if (way < 2)
            assert_int_equal(atomic_load(&self->tokens), 3);
        end(self, MM_STATUS_CANCELLED);
    }
    submitted silent; // without tokens the answer comes at once
    fixture_submit(&silent, &own, new_request(ENDLESS));
    fixture_wait_busy(&own);
    mm_job_cancel(silent.job);
    submitted_wait(&silent);
    assert_int_equal(silent.status, MM_STATUS_CANCELLED);
    submitted_free(&silent);
    listener *last = new_listener(); // the worker is free again
    listen(last, &own, new_request(2));
    end(last, MM_STATUS_OK);
    fixture_close(&own);
}

static void test_timeout(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    listener *warm = new_listener();
    listen(warm, &own, new_request(1));
    end(warm, MM_STATUS_OK);
    listener *self = new_listener();
    mm_request *request = new_request(ENDLESS);
    mm_error error = {0};
    assert_ok(mm_request_set_number(request, "timeout_ms", 100, &error), error);
    listen(self, &own, request);
    end(self, MM_STATUS_TIMEOUT);
    request = new_request(ENDLESS); // and for a caller that waits
    assert_ok(mm_request_set_number(request, "timeout_ms", 60, &error), error);
    mm_result *result;
    assert_status(mm_task(&result, own.manager, request, &error), MM_STATUS_TIMEOUT, error);
    mm_request_free(request);
    fixture_close(&own);
}

// Release waits for what runs, so whoever wants it soon cancels first.
static void test_release(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    listener *self = new_listener();
    listen(self, &own, new_request(150));
    fixture_wait(&self->tokens, 2);
    mm_release_info info = {.struct_size = sizeof(info)};
    mm_error error = {0};
    assert_ok(mm_model_release(own.manager, T5, &info, &error), error);
    assert_true(info.released && info.freed_bytes > 0);
    fixture_wait(&self->calls, 1);
    assert_int_equal(self->output_tokens, 150);
    end(self, MM_STATUS_OK);
    self = new_listener();
    listen(self, &own, new_request(ENDLESS));
    fixture_wait(&self->tokens, 2);
    mm_job_cancel(self->job);
    assert_ok(mm_model_release(own.manager, T5, &info, &error), error);
    end(self, MM_STATUS_CANCELLED);
    self = new_listener(); // the end of the manager finishes what runs
    listen(self, &own, new_request(60));
    fixture_wait(&self->tokens, 2);
    fixture_close(&own);
    assert_int_equal(self->output_tokens, 60);
    end(self, MM_STATUS_OK);
}

// One worker: a short text comes while a long one is written, and is through before it.
static void test_join(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    listener *alone = new_listener();
    listen(alone, &own, new_request(5));
    fixture_wait(&alone->calls, 1);
    listener *endless = new_listener();
    listen(endless, &own, new_request(ENDLESS));
    fixture_wait(&endless->tokens, 1);
    for (int i = 0; i < 3; i++) {
        listener *guest = new_listener();
        listen(guest, &own, new_request(5));
        fixture_wait(&guest->calls, 1);
        assert_int_equal(atomic_load(&endless->calls), 0);
        assert_string_equal(guest->expected[0], alone->expected[0]);
        end(guest, MM_STATUS_OK);
    }
    // An embedding is another kind: it waits for the worker.
    submitted vector;
    fixture_submit(&vector, &own, fixture_request(T5, CAT));
    mm_job_cancel(endless->job);
    submitted_wait(&vector);
    assert_int_equal(vector.status, MM_STATUS_OK);
    submitted_free(&vector);
    end(endless, MM_STATUS_CANCELLED);
    end(alone, MM_STATUS_OK);
    fixture_close(&own);
}

// Tokens are for those tasks that have some.
static void test_embedding_has_no_tokens(void **state) {
    (void)state;
    fixture own;
    fixture_open(&own, NULL);
    listener *self = new_listener();
    listen(self, &own, fixture_request(MODEL, CAT));
    fixture_wait(&self->calls, 1);
    assert_int_equal(atomic_load(&self->tokens), 0);
    end(self, MM_STATUS_OK);
    fixture_close(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_embedding_has_no_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
