// SPDX-License-Identifier: Apache-2.0
// Locks are taken in the order of their ranks; builds with assertions notice when they are not.
#include "check.h"

#include "base/mutex.h"
#include "base/thread.h"

#include <stdio.h>

enum { LOW, MIDDLE, HIGH, LOCKS };

#ifndef NDEBUG

static mm_mutex locks[LOCKS];
static int reports, reported_held, reported_rank;

static void report(int held, int rank) {
    reports++;
    reported_held = held;
    reported_rank = rank;
}

static int set_up(void **state) {
    (void)state;
    for (int i = 0; i < LOCKS; i++)
        mm_mutex_init(&locks[i], i);
    reports = 0;
    mm_mutex_on_disorder = report;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    for (int i = 0; i < LOCKS; i++)
        mm_mutex_destroy(&locks[i]);
    mm_mutex_on_disorder = NULL;
    return 0;
}

static void take(int rank) {
    mm_mutex_lock(&locks[rank]);
}

static void leave(int rank) {
    mm_mutex_unlock(&locks[rank]);
}

static void test_rising_ranks_are_in_order(void **state) {
    (void)state;
    take(LOW);
    take(MIDDLE);
    take(HIGH);
    leave(MIDDLE); // in any order
    leave(HIGH);
    take(HIGH);
    leave(LOW);
    leave(HIGH);
    take(LOW);
    leave(LOW);
    assert_int_equal(reports, 0);
}

static void test_a_lower_rank_under_a_higher_one_is_noticed(void **state) {
    (void)state;
    take(HIGH);
    take(LOW);
    assert_int_equal(reports, 1);
    assert_int_equal(reported_held, HIGH);
    assert_int_equal(reported_rank, LOW);
    leave(LOW);
    leave(HIGH);
    assert_int_equal(reports, 1);
}

static void test_two_of_one_rank_are_noticed(void **state) {
    (void)state;
    mm_mutex twin;
    mm_mutex_init(&twin, MIDDLE);
    take(MIDDLE);
    mm_mutex_lock(&twin);
    assert_int_equal(reports, 1);
    assert_int_equal(reported_rank, MIDDLE);
    mm_mutex_unlock(&twin);
    leave(MIDDLE);
    mm_mutex_destroy(&twin);
}

static void test_leaving_what_is_not_held_is_noticed(void **state) {
    (void)state;
    mm_mutex_note_left(&locks[LOW]);
    assert_int_equal(reports, 1);
    assert_int_equal(reported_held, -1);
}

// What is held is each thread's own; a wait keeps the lock's place.
static pthread_cond_t changed;
static int turn;

static void *take_turns(void *payload) {
    (void)payload;
    take(LOW);
    turn = 1;
    pthread_cond_signal(&changed);
    while (turn == 1)
        mm_condition_wait(&changed, &locks[LOW]);
    take(HIGH);
    leave(HIGH);
    leave(LOW);
    return NULL;
}

static void test_a_wait_keeps_the_place_in_the_order(void **state) {
    (void)state;
    pthread_t thread;
    mm_condition_init(&changed);
    turn = 0;
    take(LOW);
    assert_true(mm_thread_start(&thread, take_turns, NULL));
    while (turn == 0)
        mm_condition_wait(&changed, &locks[LOW]);
    turn = 2;
    pthread_cond_signal(&changed);
    leave(LOW);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&changed);
    assert_int_equal(reports, 0);
}

#else

static void test_without_assertions_nothing_is_checked(void **state) {
    (void)state;
    assert_int_equal(sizeof(mm_mutex), sizeof(pthread_mutex_t));
    (void)printf("the order of locks is checked in builds with assertions only\n");
    skip();
}

#endif

int main(void) {
    const struct CMUnitTest tests[] = {
#ifndef NDEBUG
        cmocka_unit_test_setup_teardown(test_rising_ranks_are_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_lower_rank_under_a_higher_one_is_noticed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_two_of_one_rank_are_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_leaving_what_is_not_held_is_noticed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_wait_keeps_the_place_in_the_order, set_up,
                                        tear_down),
#else
        cmocka_unit_test(test_without_assertions_nothing_is_checked),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
