// SPDX-License-Identifier: Apache-2.0
// The states of a deployment: their names, and which may follow which. And how long a failure is
// remembered.
#include "check.h"

#include "manager/cool_down.h"
#include "manager/deployment_state.h"

#include <string.h>

enum { STATES = MM_DEPLOYMENT_FAILED + 1 };

static void test_the_states_have_the_words_of_the_status(void **state) {
    (void)state;
    static const char *const words[STATES] = {"absent", "resolving", "loading",
                                              "ready",  "draining",  "failed"};
    for (int i = 0; i < STATES; i++)
        assert_string_equal(mm_deployment_state_name((mm_deployment_state)i), words[i]);
    assert_string_equal(mm_deployment_state_name((mm_deployment_state)STATES), "unknown");
}

static void test_only_the_drawn_changes_are_legal(void **state) {
    (void)state;
    // Rows: before; columns: after, in the order of the words above. The diagram of
    // docs/ARCHITECTURE.md.
    static const char *const legal[STATES] = {
        "-11---", // absent
        "1----1", // resolving
        "1--1-1", // loading
        "----1-", // ready
        "1--1--", // draining
        "111---", // failed
    };
    for (int from = 0; from < STATES; from++) {
        for (int to = 0; to < STATES; to++)
            assert_int_equal(
                mm_deployment_may_become((mm_deployment_state)from, (mm_deployment_state)to),
                legal[from][to] == '1');
    }
    assert_false(mm_deployment_may_become((mm_deployment_state)STATES, MM_DEPLOYMENT_ABSENT));
    assert_false(mm_deployment_may_become(MM_DEPLOYMENT_ABSENT, (mm_deployment_state)STATES));
}

static void test_a_cool_down_doubles_from_a_second_to_a_minute(void **state) {
    (void)state;
    static const int seconds[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    const mm_error failure = {.status = MM_STATUS_MODEL_CORRUPT, .message = "broken"};
    mm_cool_down own = {0};
    mm_error error = {0};
    int64_t now = 5000000000;
    assert_ok(mm_cool_down_check(&own, "loading", now, &error), error);
    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        mm_cool_down_begin(&own, &failure, now);
        assert_int_equal(mm_cool_down_check(&own, "loading", now, NULL), MM_STATUS_MODEL_CORRUPT);
        now += seconds[i] * INT64_C(1000000000);
        assert_int_equal(mm_cool_down_check(&own, "loading", now - 1, &error),
                         MM_STATUS_MODEL_CORRUPT);
        assert_ok(mm_cool_down_check(&own, "loading", now, &error), error);
        assert_int_equal(mm_cool_down_forgotten_ns(&own), now + INT64_C(60000000000));
    }
    mm_cool_down_reset(&own);
    mm_cool_down_begin(&own, &failure, now);
    assert_ok(mm_cool_down_check(&own, "loading", now + 1000000000, &error), error);
}

static void test_what_is_left_stands_beside_other_details(void **state) {
    (void)state;
    static const struct {
        const char *before, *after;
    } rows[] = {
        {"", "{\"retry_after_s\": 0.251}"},
        {"{}", "{\"retry_after_s\": 0.251}"},
        {"{\"file\": \"a\"}", "{\"retry_after_s\": 0.251, \"file\": \"a\"}"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mm_error failure = {.status = MM_STATUS_DOWNLOAD_FAILED, .message = "no route"};
        memcpy(failure.details, rows[i].before, strlen(rows[i].before) + 1);
        mm_cool_down own = {0};
        mm_error error = {0};
        mm_cool_down_begin(&own, &failure, 0);
        assert_int_equal(mm_cool_down_check(&own, "downloading", 750000000, &error),
                         MM_STATUS_DOWNLOAD_FAILED);
        assert_string_equal(error.message, "downloading failed a moment ago and is tried again in "
                                           "251 ms: no route");
        assert_string_equal(error.details, rows[i].after);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_states_have_the_words_of_the_status),
        cmocka_unit_test(test_only_the_drawn_changes_are_legal),
        cmocka_unit_test(test_a_cool_down_doubles_from_a_second_to_a_minute),
        cmocka_unit_test(test_what_is_left_stands_beside_other_details),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
