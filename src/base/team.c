// SPDX-License-Identifier: Apache-2.0
#include "base/team.h"

#include "base/memory.h"
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { SPINS = 4000 }; // about 50 microseconds; longer waits sleep

struct mm_team {
    int size;
    int started;               // threads that exist beside the caller
    atomic_uint generation;    // a new run begins when it changes
    atomic_int running;        // members other than the caller still at work
    atomic_int arrived;        // members at the barrier
    atomic_uint barrier_round; // changes when a barrier opens
    atomic_bool stop;
    atomic_int sleepers;
    mm_team_function function; // set before the generation changes, read after
    void *payload;
    pthread_mutex_t mutex; // guards sleeping only
    pthread_cond_t wake;
    struct member {
        mm_team *team;
        int index;
        pthread_t thread;
    } members[];
};

static void pause_processor(int spin) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
    if (spin % 256 == 255)
        (void)sched_yield(); // more threads than cores: let the other one work
}

static unsigned wait_for_generation(mm_team *team, unsigned seen) {
    unsigned now;
    for (int spin = 0; spin < SPINS; spin++) {
        now = atomic_load_explicit(&team->generation, memory_order_acquire);
        if (now != seen)
            return now;
        pause_processor(spin);
    }
    pthread_mutex_lock(&team->mutex);
    atomic_fetch_add(&team->sleepers, 1);
    while ((now = atomic_load(&team->generation)) == seen)
        pthread_cond_wait(&team->wake, &team->mutex);
    atomic_fetch_sub(&team->sleepers, 1);
    pthread_mutex_unlock(&team->mutex);
    return now;
}

static void start_generation(mm_team *team) {
    atomic_fetch_add(&team->generation, 1);
    if (atomic_load(&team->sleepers) > 0) {
        pthread_mutex_lock(&team->mutex);
        pthread_cond_broadcast(&team->wake);
        pthread_mutex_unlock(&team->mutex);
    }
}

static void *member_main(void *argument) {
    struct member *member = argument;
    mm_team *team = member->team;
    unsigned seen = 0;
    for (;;) {
        seen = wait_for_generation(team, seen);
        if (atomic_load(&team->stop))
            return NULL;
        team->function(team->payload, member->index);
        atomic_fetch_sub_explicit(&team->running, 1, memory_order_release);
    }
}

mm_status mm_team_create(mm_team **out, int size, mm_error *error) {
    *out = NULL;
    mm_team *team = mm_calloc(1, sizeof(*team) + (size_t)size * sizeof(team->members[0]));
    if (!team)
        return mm_fail_memory(error, "a thread team");
    team->size = size;
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->wake, NULL);
    for (int i = 1; i < size; i++) {
        struct member *member = &team->members[i];
        *member = (struct member){.team = team, .index = i};
        if (!mm_thread_start(&member->thread, member_main, member)) {
            mm_team_free(team);
            return mm_fail(error, MM_STATUS_OUT_OF_MEMORY,
                           "cannot start thread %d of %d; lower cpu_threads or raise the limit on "
                           "processes",
                           i + 1, size);
        }
        team->started = i;
    }
    *out = team;
    return MM_STATUS_OK;
}

void mm_team_free(mm_team *team) {
    if (!team)
        return;
    atomic_store(&team->stop, true);
    start_generation(team);
    for (int i = 1; i <= team->started; i++)
        pthread_join(team->members[i].thread, NULL);
    pthread_cond_destroy(&team->wake);
    pthread_mutex_destroy(&team->mutex);
    mm_free(team);
}

int mm_team_size(const mm_team *team) {
    return team->size;
}

void mm_team_run(mm_team *team, mm_team_function function, void *payload) {
    if (team->size > 1) {
        team->function = function;
        team->payload = payload;
        atomic_store_explicit(&team->running, team->size - 1, memory_order_relaxed);
        start_generation(team);
    }
    function(payload, 0);
    for (int spin = 0; atomic_load_explicit(&team->running, memory_order_acquire) > 0; spin++)
        pause_processor(spin);
}

void mm_team_barrier(mm_team *team) {
    if (team->size == 1)
        return;
    unsigned round = atomic_load_explicit(&team->barrier_round, memory_order_relaxed);
    if (atomic_fetch_add(&team->arrived, 1) == team->size - 1) {
        atomic_store(&team->arrived, 0);
        atomic_fetch_add_explicit(&team->barrier_round, 1, memory_order_release);
        return;
    }
    for (int spin = 0; atomic_load_explicit(&team->barrier_round, memory_order_acquire) == round;
         spin++)
        pause_processor(spin);
}
