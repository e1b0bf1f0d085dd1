// SPDX-License-Identifier: Apache-2.0
// The states that a deployment goes through, and the only place where one becomes another.
#ifndef MM_MANAGER_DEPLOYMENT_STATE_H
#define MM_MANAGER_DEPLOYMENT_STATE_H

#include "modelmanager/modelmanager.h"

#include <stdbool.h>

typedef struct mm_deployment mm_deployment;
typedef struct mm_replica mm_replica;

// Whether a deployment can go from one state to the other at all.
bool mm_deployment_may_become(mm_deployment_state from, mm_deployment_state to);

// What has a state, and what is said of it when that changes.
typedef struct mm_stateful {
    mm_deployment_state *state; // (L)
    const char *model_name, *revision, *device, *dtype;
} mm_stateful;

// Changes the state and tells of it; `error` says why, or NULL.
void mm_state_change_locked(mm_manager *manager, const mm_stateful *subject,
                            mm_deployment_state state, const mm_error *error);
void mm_deployment_become_locked(mm_deployment *deployment, mm_deployment_state state,
                                 const mm_error *error);

// Ends its work, since its memory is wanted for that replica; new jobs wait.
void mm_deployment_drain_locked(mm_deployment *deployment, mm_replica *wanted_for);
// The memory is not wanted any more: goes on with those that wait.
void mm_deployment_undrain_locked(mm_deployment *deployment);
// Its model is there, and its jobs go on: READY, or drained for its memory.
bool mm_deployment_works_locked(const mm_deployment *deployment);
// How Results and the status call its model: borrowed.
const char *mm_deployment_name(const mm_deployment *deployment);

#endif
