// SPDX-License-Identifier: Apache-2.0
// Where a deployment's model lies: a replica for each device of its class, which holds the weights
// once they are loaded there.
#ifndef MM_MANAGER_PLACEMENT_H
#define MM_MANAGER_PLACEMENT_H

#include "base/error.h"

#include <stddef.h>

typedef struct mm_deployment mm_deployment;

mm_status mm_replicas_create(mm_deployment *deployment, mm_error *error);
void mm_replicas_free(mm_deployment *deployment);
size_t mm_replicas_bytes_locked(const mm_deployment *deployment); // promised, on all devices
// Frees the models, without the lock and when nobody uses them any more; then, under it, their
// promises end. Returns the bytes freed.
size_t mm_replicas_unload(mm_deployment *deployment);
void mm_replicas_forget_locked(mm_deployment *deployment);

#endif
