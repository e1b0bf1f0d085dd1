// SPDX-License-Identifier: Apache-2.0
// Where a deployment's model lies: a replica for each device of its class, which holds the weights
// once they are loaded there, and which of them gets the next worker.
//
// On the CPU there is one replica with all workers. Of the GPUs those with most free memory are
// taken, one for each worker that is wanted, and only then a second worker each
// (worker_pool.workers_per_gpu). A deployment is READY with its first replica; further ones are
// loaded while it works ("growing").
#ifndef MM_MANAGER_PLACEMENT_H
#define MM_MANAGER_PLACEMENT_H

#include "hub/hub_client.h"
#include "manager/devices.h"

typedef struct mm_deployment mm_deployment;

// ---- Of a request ----

// The device class that a request for `device` runs on. `*fell_back`: it asked for a GPU, there is
// none, and the settings allow the CPU instead. NO_GPU_AVAILABLE, INVALID_DEVICE.
mm_status mm_placement_class(const mm_device_class **out, bool *fell_back, mm_manager *manager,
                             const char *device, mm_error *error);

// The dtype of a request, by its parameter; `target` has its device. "auto" is f32 on the CPU; on a
// GPU it makes the target `is_auto`, whose dtype is not known before mm_placement_resolve.
// INVALID_PARAMETER.
mm_status mm_placement_dtype(mm_target *target, mm_manager *manager, const char *name,
                             mm_error *error);
// The dtype that "auto" means for a model: f16 (T5: bf16) when its weights are mostly of half
// precision and the GPUs have it, else f32. Reads the headers of the files, unless a deployment
// knows.
mm_status mm_placement_resolve(mm_target *target, mm_manager *manager, const mm_hub_model *model,
                               mm_error *error);

// ---- Replicas of a deployment ----

mm_status mm_replicas_create(mm_deployment *deployment, mm_error *error);
void mm_replicas_free(mm_deployment *deployment);
size_t mm_replicas_bytes_locked(const mm_deployment *deployment); // promised, on all devices
// Frees the models, without the lock and when nobody uses them any more; then, under it, their
// promises end. Returns the bytes freed.
size_t mm_replicas_unload(mm_deployment *deployment);
void mm_replicas_forget_locked(mm_deployment *deployment);
mm_replica *mm_replicas_on(const mm_deployment *deployment, const mm_device *device); // or NULL
// Loaded, on a device that works.
bool mm_replica_is_live_locked(const mm_replica *replica);
int mm_replicas_live_locked(const mm_deployment *deployment);

// ---- Choosing ----

// Where the model is to be loaded next: on the GPU with most free memory that has no replica yet
// and where loading did not fail before. NULL: nowhere. Lets go of the lock to ask the drivers.
mm_replica *mm_placement_next_locked(mm_deployment *deployment);
// Whether more replicas are wanted than there are, and there is a device to try.
bool mm_placement_is_short_locked(const mm_deployment *deployment);
// Devices on which loading failed may be tried again.
void mm_placement_retry_locked(mm_deployment *deployment);
// Most workers that the replicas there are may have.
int mm_placement_room_locked(const mm_deployment *deployment);
// Who gets the next worker, or NULL: the live replica that has fewest.
mm_replica *mm_placement_of_worker_locked(const mm_deployment *deployment);

// Whether a READY deployment has a replica that works, or is getting one.
bool mm_placement_ensure_locked(mm_deployment *deployment);

// ---- Loss ----

// When its driver has given up a device: it is not used any more, its workers leave, and the
// deployments there go on elsewhere, or are loaded elsewhere. True when it is lost.
bool mm_placement_check_locked(mm_manager *manager, mm_device *device);
// What an answer says of work that was on it.
mm_status mm_placement_lost_error(mm_error *error, const mm_device *device, const char *why);

#endif
