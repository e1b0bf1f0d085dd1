// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/memory.h"
#include "base/team.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

enum { MEMBERS = 8, STEPS = 20 };

struct work {
    mm_team *team;
    int calls[MEMBERS];        // plain: each member has its own, and run() orders them
    int cells[STEPS][MEMBERS]; // written by one member, read by all after the barrier
    atomic_int mistakes;
    int pause_every; // microseconds of sleep in some members, 0 = none
};

static void count_call(void *payload, int member) {
    struct work *work = payload;
    work->calls[member]++;
}

static void walk_with_barriers(void *payload, int member) {
    struct work *work = payload;
    int size = mm_team_size(work->team);
    for (int step = 0; step < STEPS; step++) {
        if (work->pause_every && (step + member) % work->pause_every == 0) {
            struct timespec moment = {0, 100000};
            nanosleep(&moment, NULL);
        }
        work->cells[step][member] = step * 100 + member;
        mm_team_barrier(work->team);
        for (int other = 0; other < size; other++) {
            if (work->cells[step][other] != step * 100 + other)
                atomic_fetch_add(&work->mistakes, 1);
        }
    }
    work->calls[member]++;
}

static void test_runs(void **state) {
    (void)state;
    for (int size = 1; size <= MEMBERS; size++) {
        struct work work = {0};
        mm_error error = {0};
        assert_ok(mm_team_create(&work.team, size, &error), error);
        assert_int_equal(mm_team_size(work.team), size);
        for (int run = 1; run <= 200; run++) {
            mm_team_run(work.team, count_call, &work);
            for (int m = 0; m < MEMBERS; m++)
                assert_int_equal(work.calls[m], m < size ? run : 0);
        }
        mm_team_free(work.team);
    }
    mm_team_free(NULL);
}

static void test_barriers(void **state) {
    (void)state;
    for (int size = 1; size <= MEMBERS; size++) {
        struct work work = {0};
        assert_int_equal(mm_team_create(&work.team, size, NULL), MM_STATUS_OK);
        for (int run = 1; run <= 20; run++) {
            memset(work.cells, 0, sizeof(work.cells));
            work.pause_every = run % 5 == 0 ? 7 : 0;
            mm_team_run(work.team, walk_with_barriers, &work);
            assert_int_equal(work.calls[size - 1], run);
        }
        assert_int_equal(work.mistakes, 0);
        mm_team_free(work.team);
    }
}

// Runs after members have gone to sleep, and right after each other.
static void test_sleep_and_wake(void **state) {
    (void)state;
    struct work work = {0};
    assert_int_equal(mm_team_create(&work.team, 4, NULL), MM_STATUS_OK);
    for (int run = 1; run <= 60; run++) {
        struct timespec moment = {0, run % 3 == 0 ? 3000000 : run % 3 == 1 ? 60000 : 0};
        nanosleep(&moment, NULL);
        mm_team_run(work.team, count_call, &work);
        assert_int_equal(work.calls[0] + work.calls[1] + work.calls[2] + work.calls[3], 4 * run);
    }
    mm_team_free(work.team);
}

static void *drive_own_team(void *payload) {
    struct work *work = payload;
    for (int round = 0; round < 10; round++) {
        if (mm_team_create(&work->team, 3, NULL) != MM_STATUS_OK) {
            atomic_fetch_add(&work->mistakes, 1);
            return NULL;
        }
        for (int run = 0; run < 50; run++)
            mm_team_run(work->team, run % 2 ? count_call : walk_with_barriers, work);
        mm_team_free(work->team);
    }
    return NULL;
}

static void test_many_teams_at_once(void **state) {
    (void)state;
    static struct work works[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, drive_own_team, &works[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(works[i].mistakes, 0);
        for (int m = 0; m < 3; m++)
            assert_int_equal(works[i].calls[m], 500);
    }
}

// A team may be driven by one thread after another.
static void *drive_once(void *payload) {
    struct work *work = payload;
    mm_team_run(work->team, count_call, work);
    return NULL;
}

static void test_driven_by_changing_threads(void **state) {
    (void)state;
    struct work work = {0};
    assert_int_equal(mm_team_create(&work.team, 3, NULL), MM_STATUS_OK);
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, drive_once, &work), 0);
        pthread_join(thread, NULL);
    }
    assert_int_equal(work.calls[0] + work.calls[1] + work.calls[2], 60);
    mm_team_free(work.team);
}

static void test_unused_team(void **state) {
    (void)state;
    for (int size = 1; size <= MEMBERS; size++) {
        mm_team *team;
        assert_int_equal(mm_team_create(&team, size, NULL), MM_STATUS_OK);
        mm_team_free(team);
    }
    mm_memory_fail_after(1, false);
    mm_team *team = (mm_team *)1;
    mm_error error = {0};
    assert_status(mm_team_create(&team, 2, &error), MM_STATUS_OUT_OF_MEMORY, error);
    mm_memory_fail_after(0, false);
    assert_null(team);
}

static void check_mask(void *payload, int member) {
    atomic_int *open = payload;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (member > 0 && !sigismember(&mask, SIGINT))
        atomic_fetch_add(open, 1);
    if (member == 0 && sigismember(&mask, SIGINT))
        atomic_fetch_add(open, 1);
}

// The host's signals stay with the host's threads.
static void test_signals_are_blocked(void **state) {
    (void)state;
    mm_team *team;
    atomic_int open = 0;
    assert_int_equal(mm_team_create(&team, 3, NULL), MM_STATUS_OK);
    mm_team_run(team, check_mask, &open);
    mm_team_free(team);
    assert_int_equal(open, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_barriers),
        cmocka_unit_test(test_sleep_and_wake),
        cmocka_unit_test(test_many_teams_at_once),
        cmocka_unit_test(test_driven_by_changing_threads),
        cmocka_unit_test(test_unused_team),
        cmocka_unit_test(test_signals_are_blocked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
