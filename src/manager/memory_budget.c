// SPDX-License-Identifier: Apache-2.0
// The memory of a device that models may take together. A load is promised its bytes before it
// packs anything; where they are not free, idle models go, and busy ones as soon as their work is
// done: a model that is waited for is drained, its new jobs waiting as for a load. Loads get their
// turn in the order in which they asked, so none waits for ever.
#include "base/memory.h"
#include "manager/json_text.h"
#include "manager/memory_plan.h"
#include "manager/state.h"

// All that have memory of a device, side by side: holders[i] is of at[i], but for one more holder
// at the end, what was released by name and is not yet free.
typedef struct budget_view {
    mm_replica **at;
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

// A deployment goes whole, from all of its devices.
static mm_memory_holder holder_of_locked(const mm_replica *replica, int64_t now) {
    const mm_deployment *deployment = replica->deployment;
    return (mm_memory_holder){
        .bytes = replica->planned_bytes,
        .load_seconds = deployment->load_seconds,
        .idle_seconds = (double)(now - deployment->last_used_ns) * 1e-9,
        .is_pinned = deployment->is_pinned,
        .is_busy = !mm_deployment_works_locked(deployment) || deployment->growing ||
                   has_work_locked(deployment),
    };
}

static mm_status make_view_locked(budget_view *out, const mm_manager *manager,
                                  const mm_device *device, mm_error *error) {
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
    int64_t now = mm_manager_now(manager);
    for (mm_deployment *at = manager->deployments; at; at = at->next) {
        mm_replica *replica = mm_replicas_on(at, device);
        if (!replica || replica->planned_bytes == 0)
            continue;
        out->at[out->count] = replica;
        out->holders[out->count++] = holder_of_locked(replica, now);
        listed += replica->planned_bytes;
    }
    out->holders[out->count] =
        (mm_memory_holder){.bytes = device->planned_bytes - listed, .is_busy = true};
    return MM_STATUS_OK;
}

static mm_memory_plan plan_locked(budget_view *view, const mm_replica *replica, size_t bytes) {
    const mm_device *device = replica->device;
    mm_memory_plan plan = mm_memory_plan_make(view->evict, bytes, mm_device_budget_locked(device),
                                              view->holders, view->count + 1);
    // What a load has taken already looks as if others had it, until that load is over.
    if (plan.verdict == MM_MEMORY_NEVER && device->loading_bytes > 0)
        plan.verdict = MM_MEMORY_WAITS;
    return plan;
}

// ---- Draining ----------------------------------------------------------------------------------

// Has those end their work that would be chosen if they were idle.
static void drain_locked(budget_view *view, mm_replica *replica, size_t bytes) {
    for (size_t i = 0; i < view->count; i++) {
        if (mm_deployment_works_locked(view->at[i]->deployment))
            view->holders[i].is_busy = false;
    }
    mm_memory_plan plan = plan_locked(view, replica, bytes);
    for (size_t i = 0; plan.verdict == MM_MEMORY_FITS && i < plan.evict_count; i++) {
        mm_deployment *drained = view->at[view->evict[i]]->deployment;
        if (drained->growing && drained->state == MM_DEPLOYMENT_READY)
            pthread_cond_broadcast(&drained->manager->memory_wake); // it may wait in a line
        mm_deployment_drain_locked(drained, replica);
    }
}

static void end_draining_locked(const mm_replica *replica) {
    for (mm_deployment *at = replica->deployment->manager->deployments; at; at = at->next) {
        if (at->drained_for != replica)
            continue;
        mm_deployment_undrain_locked(at);
    }
}

// ---- Reserving ---------------------------------------------------------------------------------

static mm_status too_large(const mm_replica *replica, const budget_view *view, size_t bytes,
                           mm_error *error) {
    const mm_device *device = replica->device;
    size_t pinned = 0, budget = mm_device_budget_locked(device);
    for (size_t i = 0; i < view->count; i++)
        pinned += view->holders[i].is_pinned ? view->holders[i].bytes : 0;
    mm_status status = mm_fail(
        error, MM_STATUS_OUT_OF_MEMORY,
        "the model needs %zu bytes, and models may have %zu of %s together, of which %zu are "
        "pinned; raise memory.%s, free memory that others use there, or use a smaller model",
        bytes, budget, device->name, pinned, device->is_gpu ? "gpu_bytes" : "cpu_bytes");
    mm_error_details(error,
                     "{\"device\": \"%s\", \"needed_bytes\": %zu, \"budget_bytes\": %zu, "
                     "\"pinned_bytes\": %zu}",
                     device->name, bytes, budget, pinned);
    return status;
}

// A further replica is not worth stopping the work of other models.
static mm_status busy(const mm_device *device, size_t bytes, mm_error *error) {
    return mm_fail(error, MM_STATUS_OUT_OF_MEMORY,
                   "%zu bytes more of %s are not free while other models work there", bytes,
                   device->name);
}

// Why a load has to give up, if it has to.
static mm_status look_around_locked(const mm_replica *replica, mm_error *error) {
    const mm_deployment *deployment = replica->deployment;
    if (deployment->abandoned)
        return mm_fail(error, MM_STATUS_RELEASED, "the model was released while it loaded");
    // Who waits for this deployment to go waits for its loader too.
    if (deployment->growing && deployment->state != MM_DEPLOYMENT_READY)
        return mm_fail(error, MM_STATUS_RELEASED, "the model is about to be released");
    if (replica->device->is_lost)
        return mm_placement_lost_error(error, replica->device, "while a model waited for memory");
    return MM_STATUS_OK;
}

// One look: OK and `*done` when the bytes are promised; OK without when something changed or has to
// change first.
static mm_status try_locked(bool *done, mm_replica *replica, size_t bytes, mm_error *error) {
    mm_manager *manager = replica->deployment->manager;
    budget_view view;
    *done = false;
    mm_status status = make_view_locked(&view, manager, replica->device, error);
    if (status)
        return status;
    mm_memory_plan plan = plan_locked(&view, replica, bytes);
    mm_deployment *victim = plan.evict_count > 0 ? view.at[view.evict[0]]->deployment : NULL;
    if (plan.verdict == MM_MEMORY_NEVER)
        status = too_large(replica, &view, bytes, error);
    else if (plan.verdict == MM_MEMORY_WAITS && replica->deployment->growing)
        status = busy(replica->device, bytes, error);
    else if (plan.verdict == MM_MEMORY_WAITS)
        drain_locked(&view, replica, bytes);
    free_view(&view);
    int stopped;
    if (victim) {
        (void)mm_deployment_unload_locked(victim, &stopped);
    } else if (plan.verdict == MM_MEMORY_FITS) {
        replica->planned_bytes = bytes;
        replica->device->planned_bytes += bytes;
        replica->device->loading_bytes += bytes;
        replica->is_loading = *done = true;
    } else if (!status) {
        mm_condition_wait(&manager->memory_wake, &manager->lock);
    }
    return status;
}

static void leave_line_locked(mm_replica *replica) {
    mm_replica **at = &replica->device->reserving;
    while (*at != replica)
        at = &(*at)->reserving;
    *at = replica->reserving;
    replica->reserving = NULL;
    pthread_cond_broadcast(&replica->deployment->manager->memory_wake);
}

mm_status mm_memory_reserve_locked(mm_replica *replica, size_t bytes, mm_error *error) {
    mm_manager *manager = replica->deployment->manager;
    mm_status status = MM_STATUS_OK;
    bool done = false;
    mm_replica **end = &replica->device->reserving;
    while (*end)
        end = &(*end)->reserving;
    *end = replica;
    while (!done && !status) {
        mm_device_measure_locked(replica->device, &manager->lock);
        status = look_around_locked(replica, error);
        if (!status && replica->device->reserving == replica)
            status = try_locked(&done, replica, bytes, error);
        else if (!status)
            mm_condition_wait(&manager->memory_wake, &manager->lock);
    }
    end_draining_locked(replica);
    leave_line_locked(replica);
    return status;
}

void mm_memory_loaded_locked(mm_replica *replica) {
    if (replica->is_loading)
        replica->device->loading_bytes -= replica->planned_bytes;
    replica->is_loading = false;
    pthread_cond_broadcast(&replica->deployment->manager->memory_wake);
}

void mm_memory_return_locked(mm_replica *replica) {
    mm_memory_loaded_locked(replica);
    replica->device->planned_bytes -= replica->planned_bytes;
    replica->planned_bytes = 0;
    pthread_cond_broadcast(&replica->deployment->manager->memory_wake);
}

static mm_deployment *idle_on_locked(const mm_manager *manager, const mm_device *device) {
    for (mm_deployment *at = manager->deployments; at; at = at->next) {
        const mm_replica *replica = mm_replicas_on(at, device);
        if (replica && replica->planned_bytes > 0 && at->state == MM_DEPLOYMENT_READY &&
            at->users == 0 && !at->growing && !at->is_pinned)
            return at;
    }
    return NULL;
}

bool mm_memory_evict_idle(mm_manager *manager, const mm_device *device) {
    bool evicted = false;
    mm_deployment *idle;
    int stopped;
    mm_mutex_lock(&manager->lock);
    while ((idle = idle_on_locked(manager, device)) != NULL) {
        (void)mm_deployment_unload_locked(idle, &stopped);
        evicted = true;
    }
    mm_mutex_unlock(&manager->lock);
    return evicted;
}

// ---- For those who run, and for plans ----------------------------------------------------------

size_t mm_device_free_locked(const mm_device *device) {
    const size_t budget = mm_device_budget_locked(device);
    return device->planned_bytes < budget ? budget - device->planned_bytes : 0;
}

size_t mm_memory_pinned_locked(const mm_replica *replica) {
    size_t pinned = 0;
    for (mm_deployment *at = replica->deployment->manager->deployments; at; at = at->next) {
        const mm_replica *other = mm_replicas_on(at, replica->device);
        if (other && other != replica && at->is_pinned)
            pinned += other->planned_bytes;
    }
    return pinned;
}

bool mm_memory_make_room_locked(mm_replica *replica, size_t bytes) {
    mm_manager *manager = replica->deployment->manager;
    while (mm_device_free_locked(replica->device) < bytes) {
        budget_view view;
        if (make_view_locked(&view, manager, replica->device, NULL))
            return false;
        const mm_memory_plan plan = plan_locked(&view, replica, bytes);
        mm_deployment *victim = plan.evict_count > 0 ? view.at[view.evict[0]]->deployment : NULL;
        free_view(&view);
        int stopped;
        if (!victim)
            return false;
        (void)mm_deployment_unload_locked(victim, &stopped);
    }
    return true;
}

static bool put_names(mm_buffer *names, const budget_view *view, size_t count) {
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        const mm_deployment *deployment = view->at[view->evict[i]]->deployment;
        const bool is_directory = deployment->model.kind == MM_NAME_DIRECTORY;
        ok = mm_buffer_puts(names, i ? ", " : "") &&
             mm_json_put_string_or_null(names,
                                        is_directory ? deployment->asked : deployment->model.name);
    }
    return ok;
}

bool mm_memory_preview_locked(mm_memory_plan *out, mm_buffer *names, const mm_manager *manager,
                              const mm_device *device, const mm_replica *own, size_t bytes) {
    budget_view view;
    if (make_view_locked(&view, manager, device, NULL))
        return false;
    for (size_t i = 0; i < view.count; i++) {
        if (view.at[i] == own)
            view.holders[i].is_pinned = true;
    }
    const size_t budget = mm_device_budget_locked(device);
    *out = mm_memory_plan_make(view.evict, bytes, budget, view.holders, view.count + 1);
    if (out->verdict == MM_MEMORY_WAITS) { // for those who work now
        for (size_t i = 0; i < view.count; i++)
            view.holders[i].is_busy = false;
        const mm_memory_plan later =
            mm_memory_plan_make(view.evict, bytes, budget, view.holders, view.count + 1);
        out->evict_count = later.evict_count;
    }
    const bool ok = put_names(names, &view, out->evict_count);
    free_view(&view);
    return ok;
}
