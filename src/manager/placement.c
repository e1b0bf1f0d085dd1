// SPDX-License-Identifier: Apache-2.0
#include "manager/placement.h"

#include "base/memory.h"
#include "manager/state.h"

mm_status mm_replicas_create(mm_deployment *deployment, mm_error *error) {
    const mm_device_class *class = deployment->target.device;
    deployment->replicas = mm_calloc((size_t) class->count, sizeof(*deployment->replicas));
    if (!deployment->replicas)
        return mm_fail_memory(error, "a deployment");
    deployment->replica_count = class->count;
    for (int i = 0; i < class->count; i++)
        deployment->replicas[i] =
            (mm_replica){.deployment = deployment, .device = &class->devices[i]};
    return MM_STATUS_OK;
}

void mm_replicas_free(mm_deployment *deployment) {
    mm_free(deployment->replicas);
}

size_t mm_replicas_bytes_locked(const mm_deployment *deployment) {
    size_t bytes = 0;
    for (int i = 0; i < deployment->replica_count; i++)
        bytes += deployment->replicas[i].planned_bytes;
    return bytes;
}

size_t mm_replicas_unload(mm_deployment *deployment) {
    size_t freed = 0;
    for (int i = 0; i < deployment->replica_count; i++) {
        const mm_replica *replica = &deployment->replicas[i];
        if (!replica->model)
            continue;
        freed += mm_task_model_weight_bytes(replica->model);
        mm_task_model_free(replica->model);
    }
    mm_memory_trim();
    return freed;
}

void mm_replicas_forget_locked(mm_deployment *deployment) {
    for (int i = 0; i < deployment->replica_count; i++) {
        deployment->replicas[i].model = NULL;
        mm_memory_return_locked(&deployment->replicas[i]);
    }
    deployment->loaded = NULL;
}
