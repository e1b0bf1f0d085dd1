// SPDX-License-Identifier: Apache-2.0
// Which worker is next. A worker that has become free takes what is first in the queue. Only where
// several have nothing to do is there a choice: a job that comes then *calls* one of them, as
// worker_pool.load_balancing says. The call is a promise of a turn, not of a job: the job stays in
// the queue, where it can be dropped or overtaken, and whoever else comes by leaves as many jobs as
// workers are called. So no job waits while a worker is idle, and the choice is not lost to a
// worker that happens to be awake.
#include "manager/state.h"

#include <string.h>

static bool is_idle_locked(const mm_worker *worker) {
    return worker->state == MM_WORKER_ON && worker->is_fit && worker->running == 0 &&
           !worker->is_called;
}

// The next one in the order of their numbers.
static mm_worker *next_in_turn_locked(const mm_deployment *deployment) {
    for (int i = 0; i < deployment->worker_slots; i++) {
        int index = (deployment->next_worker + i) % deployment->worker_slots;
        if (is_idle_locked(deployment->workers[index]))
            return deployment->workers[index];
    }
    return NULL;
}

// The one that has been given the fewest tokens so far.
static mm_worker *least_busy_locked(const mm_deployment *deployment) {
    mm_worker *least = NULL;
    for (int i = 0; i < deployment->worker_slots; i++) {
        mm_worker *worker = deployment->workers[i];
        if (is_idle_locked(worker) && (!least || worker->rows_taken < least->rows_taken))
            least = worker;
    }
    return least;
}

void mm_turn_give_locked(mm_deployment *deployment) {
    const mm_settings *settings = deployment->manager->settings;
    if (mm_queue_count(&deployment->queue) <= deployment->called)
        return;
    bool in_turn =
        strcmp(mm_settings_text(settings, MM_SETTING_LOAD_BALANCING_INDEX), "round_robin") == 0;
    mm_worker *worker = in_turn ? next_in_turn_locked(deployment) : least_busy_locked(deployment);
    if (!worker)
        return;
    worker->is_called = true;
    deployment->called++;
    deployment->next_worker = worker->index + 1;
    pthread_cond_signal(&worker->wake);
}

void mm_turn_give_up_locked(mm_worker *worker) {
    worker->deployment->called -= worker->is_called;
    worker->is_called = false;
}

size_t mm_turn_jobs_locked(const mm_worker *worker) {
    const mm_deployment *deployment = worker->deployment;
    size_t others = deployment->called - worker->is_called;
    size_t count = mm_queue_count(&deployment->queue);
    return count > others ? count - others : 0;
}
