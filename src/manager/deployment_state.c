// SPDX-License-Identifier: Apache-2.0
#include "manager/deployment_state.h"

#include "manager/events.h"
#include "manager/state.h"

#include <assert.h>

enum { STATES = MM_DEPLOYMENT_FAILED + 1 };

static const char *const names[STATES] = {
    [MM_DEPLOYMENT_ABSENT] = "absent",     [MM_DEPLOYMENT_RESOLVING] = "resolving",
    [MM_DEPLOYMENT_LOADING] = "loading",   [MM_DEPLOYMENT_READY] = "ready",
    [MM_DEPLOYMENT_DRAINING] = "draining", [MM_DEPLOYMENT_FAILED] = "failed",
};

// By the state before: bits of the states that may follow.
#define TO(state) (1u << MM_DEPLOYMENT_##state)
static const unsigned legal[STATES] = {
    [MM_DEPLOYMENT_ABSENT] = TO(RESOLVING) | TO(LOADING),
    [MM_DEPLOYMENT_RESOLVING] = TO(ABSENT) | TO(FAILED),
    [MM_DEPLOYMENT_LOADING] = TO(READY) | TO(FAILED) | TO(ABSENT),
    [MM_DEPLOYMENT_READY] = TO(DRAINING),
    [MM_DEPLOYMENT_DRAINING] = TO(READY) | TO(ABSENT),
    [MM_DEPLOYMENT_FAILED] = TO(RESOLVING) | TO(LOADING) | TO(ABSENT),
};
#undef TO

const char *mm_deployment_state_name(mm_deployment_state state) {
    return (unsigned)state < STATES ? names[state] : "unknown";
}

bool mm_deployment_may_become(mm_deployment_state from, mm_deployment_state to) {
    return (unsigned)from < STATES && (unsigned)to < STATES && (legal[from] & 1u << to);
}

void mm_state_change_locked(mm_manager *manager, const mm_stateful *subject,
                            mm_deployment_state state, const mm_error *error) {
    assert(mm_deployment_may_become(*subject->state, state));
    const mm_deployment_event event = {
        .struct_size = sizeof(event),
        .model_name = subject->model_name,
        .revision = subject->revision,
        .device = subject->device,
        .dtype = subject->dtype,
        .old_state = *subject->state,
        .new_state = state,
        .error = error,
    };
    *subject->state = state;
    mm_events_put_locked(manager, &event);
}

const char *mm_deployment_name(const mm_deployment *deployment) {
    return deployment->model.kind == MM_NAME_DIRECTORY ? deployment->asked : deployment->model.name;
}

void mm_deployment_become_locked(mm_deployment *deployment, mm_deployment_state state,
                                 const mm_error *error) {
    const mm_stateful subject = {
        .state = &deployment->state,
        .model_name = mm_deployment_name(deployment),
        .revision = deployment->model.commit,
        .device = deployment->target.device->name,
        .dtype = mm_compute_dtype_name(deployment->target.dtype),
    };
    mm_state_change_locked(deployment->manager, &subject, state, error);
    pthread_cond_broadcast(&deployment->changed);
}

void mm_deployment_drain_locked(mm_deployment *deployment, mm_replica *wanted_for) {
    deployment->drained_for = wanted_for;
    if (deployment->state == MM_DEPLOYMENT_READY)
        mm_deployment_become_locked(deployment, MM_DEPLOYMENT_DRAINING, NULL);
}

void mm_deployment_undrain_locked(mm_deployment *deployment) {
    deployment->drained_for = NULL;
    mm_deployment_become_locked(deployment, MM_DEPLOYMENT_READY, NULL);
    mm_deployment_resume_locked(deployment);
}

bool mm_deployment_works_locked(const mm_deployment *deployment) {
    return deployment->state == MM_DEPLOYMENT_READY ||
           (deployment->state == MM_DEPLOYMENT_DRAINING && deployment->drained_for);
}
