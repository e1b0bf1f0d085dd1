// SPDX-License-Identifier: Apache-2.0
// Memory that workers take while they run, beyond what was promised when their model was loaded:
// caches of keys and values of long or wide searches. A claim counts in the budget like a promise
// and ends with the run. It does not wait, so that nobody waits for it: what idle models and the
// free part of the budget do not give is refused.
#ifndef MM_MANAGER_MEMORY_CLAIMS_H
#define MM_MANAGER_MEMORY_CLAIMS_H

#include "manager/state.h"

// What the model takes of a device for a deployment with `workers` workers.
mm_memory_need mm_memory_need_on(const mm_manager *manager, const mm_device *device,
                                 const mm_task_model *model, int workers, size_t cache);
// For batches of generation on this worker's thread.
mm_generation_memory mm_memory_claims(mm_worker *worker);
// OUT_OF_MEMORY with the numbers when one worker of the job's deployment could never have so many
// bytes for a batch, were all but pinned models gone. The job holds its deployment.
mm_status mm_memory_admit(const mm_job *job, size_t bytes, mm_error *error);
// How many workers the deployment may have when `count` are wanted: as many as its promise is for,
// or as the free part of the budget extends it to; those that it has in any case.
int mm_memory_workers_locked(mm_deployment *deployment, int count);
// After the device refused memory to a worker: whether others gave some back.
bool mm_memory_relieve(const mm_worker *worker);

#endif
