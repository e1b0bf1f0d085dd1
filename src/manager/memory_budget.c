// SPDX-License-Identifier: Apache-2.0
// The memory that models may take together. A load is promised its bytes before it packs anything;
// where they are not free, idle models go, and busy ones as soon as their work is done: a model
// that is waited for is drained, its new jobs waiting as for a load. Loads get their turn in the
// order in which they asked, so none waits for ever.
#include "base/clock.h"
#include "base/memory.h"
#include "manager/memory_plan.h"
#include "manager/state.h"

// All that have memory, side by side: holders[i] is of at[i], but for one more holder at the end,
// what was released by name and is not yet free.
typedef struct budget_view {
    mm_deployment **at;
    mm_memory_holder *holders;
    size_t *evict;
    size_t count; // of deployments
} budget_view;

static void free_view(budget_view *view) {
    mm_free(view->at);
    mm_free(view->holders);
    mm_free(view->evict);
}

static bool has_work_locked(const mm_deployment *deployment) {
    return deployment->users > deployment->waiting.count;
}

static mm_memory_holder holder_of_locked(const mm_deployment *deployment, int64_t now) {
    return (mm_memory_holder){
        .bytes = deployment->planned_bytes,
        .load_seconds = deployment->load_seconds,
        .idle_seconds = (double)(now - deployment->last_used_ns) * 1e-9,
        .is_pinned = deployment->is_pinned,
        .is_busy = deployment->state != MM_DEPLOYMENT_READY || has_work_locked(deployment),
    };
}

static mm_status make_view_locked(budget_view *out, const mm_manager *manager, mm_error *error) {
    size_t most = 1, listed = 0;
    for (const mm_deployment *at = manager->deployments; at; at = at->next)
        most++;
    *out = (budget_view){
        .at = mm_calloc(most, sizeof(*out->at)),
        .holders = mm_calloc(most, sizeof(*out->holders)),
        .evict = mm_calloc(most, sizeof(*out->evict)),
    };
    if (!out->at || !out->holders || !out->evict) {
        free_view(out);
        return mm_fail_memory(error, "a memory plan");
    }
    int64_t now = mm_clock_now_ns();
    for (mm_deployment *at = manager->deployments; at; at = at->next) {
        if (at->planned_bytes == 0)
            continue;
        out->at[out->count] = at;
        out->holders[out->count++] = holder_of_locked(at, now);
        listed += at->planned_bytes;
    }
    out->holders[out->count] =
        (mm_memory_holder){.bytes = manager->planned_bytes - listed, .is_busy = true};
    return MM_STATUS_OK;
}

static mm_memory_plan plan_locked(budget_view *view, const mm_deployment *deployment,
                                  size_t bytes) {
    return mm_memory_plan_make(view->evict, bytes, deployment->manager->cpu_budget, view->holders,
                               view->count + 1);
}

// ---- Draining ----------------------------------------------------------------------------------

// Has those end their work that would be chosen if they were idle.
static void drain_locked(budget_view *view, mm_deployment *deployment, size_t bytes) {
    for (size_t i = 0; i < view->count; i++) {
        if (view->at[i]->state == MM_DEPLOYMENT_READY)
            view->holders[i].is_busy = false;
    }
    mm_memory_plan plan = plan_locked(view, deployment, bytes);
    for (size_t i = 0; plan.verdict == MM_MEMORY_FITS && i < plan.evict_count; i++)
        view->at[view->evict[i]]->drained_for = deployment;
}

static void end_draining_locked(const mm_deployment *deployment) {
    for (mm_deployment *at = deployment->manager->deployments; at; at = at->next) {
        if (at->drained_for != deployment)
            continue;
        at->drained_for = NULL;
        if (at->state == MM_DEPLOYMENT_READY)
            mm_deployment_resume_locked(at);
    }
}

// ---- Reserving ---------------------------------------------------------------------------------

static mm_status too_large(const mm_deployment *deployment, const budget_view *view, size_t bytes,
                           mm_error *error) {
    size_t pinned = 0, budget = deployment->manager->cpu_budget;
    for (size_t i = 0; i < view->count; i++)
        pinned += view->holders[i].is_pinned ? view->holders[i].bytes : 0;
    mm_status status = mm_fail(error, MM_STATUS_OUT_OF_MEMORY,
                               "the model needs %zu bytes, and the memory budget is %zu, of which "
                               "%zu are pinned; raise memory.cpu_bytes, or use a smaller model",
                               bytes, budget, pinned);
    mm_error_details(error, "{\"needed_bytes\": %zu, \"budget_bytes\": %zu, \"pinned_bytes\": %zu}",
                     bytes, budget, pinned);
    return status;
}

// One look: OK and `*done` when the bytes are promised; OK without when something changed or has to
// change first.
static mm_status try_locked(bool *done, mm_deployment *deployment, size_t bytes, mm_error *error) {
    mm_manager *manager = deployment->manager;
    budget_view view;
    *done = false;
    mm_status status = make_view_locked(&view, manager, error);
    if (status)
        return status;
    mm_memory_plan plan = plan_locked(&view, deployment, bytes);
    mm_deployment *victim = plan.evict_count > 0 ? view.at[view.evict[0]] : NULL;
    if (plan.verdict == MM_MEMORY_NEVER)
        status = too_large(deployment, &view, bytes, error);
    else if (plan.verdict == MM_MEMORY_WAITS)
        drain_locked(&view, deployment, bytes);
    free_view(&view);
    int stopped;
    if (victim) {
        (void)mm_deployment_unload_locked(victim, &stopped);
    } else if (plan.verdict == MM_MEMORY_FITS) {
        deployment->planned_bytes = bytes;
        manager->planned_bytes += bytes;
        *done = true;
    } else if (!status) {
        pthread_cond_wait(&manager->memory_wake, &manager->lock);
    }
    return status;
}

static void leave_line_locked(mm_deployment *deployment) {
    mm_deployment **at = &deployment->manager->reserving;
    while (*at != deployment)
        at = &(*at)->reserving;
    *at = deployment->reserving;
    deployment->reserving = NULL;
    pthread_cond_broadcast(&deployment->manager->memory_wake);
}

mm_status mm_memory_reserve_locked(mm_deployment *deployment, size_t bytes, mm_error *error) {
    mm_manager *manager = deployment->manager;
    mm_status status = MM_STATUS_OK;
    bool done = false;
    mm_deployment **end = &manager->reserving;
    while (*end)
        end = &(*end)->reserving;
    *end = deployment;
    while (!done && !status) {
        if (deployment->abandoned)
            status = mm_fail(error, MM_STATUS_RELEASED, "the model was released while it loaded");
        else if (manager->reserving == deployment)
            status = try_locked(&done, deployment, bytes, error);
        else
            pthread_cond_wait(&manager->memory_wake, &manager->lock);
    }
    end_draining_locked(deployment);
    leave_line_locked(deployment);
    return status;
}

void mm_memory_return_locked(mm_deployment *deployment) {
    deployment->manager->planned_bytes -= deployment->planned_bytes;
    deployment->planned_bytes = 0;
    pthread_cond_broadcast(&deployment->manager->memory_wake);
}

bool mm_memory_evict_idle(mm_manager *manager) {
    bool evicted = false;
    int stopped;
    pthread_mutex_lock(&manager->lock);
    for (mm_deployment *at = manager->deployments; at;) {
        bool goes = at->state == MM_DEPLOYMENT_READY && at->users == 0 && !at->is_pinned;
        if (!goes) {
            at = at->next;
            continue;
        }
        (void)mm_deployment_unload_locked(at, &stopped);
        evicted = true;
        at = manager->deployments; // the lock was let go of: from the start
    }
    pthread_mutex_unlock(&manager->lock);
    return evicted;
}
