// SPDX-License-Identifier: Apache-2.0
// The devices that a manager's models may be placed on: the CPU, then the GPUs.
#ifndef MM_MANAGER_DEVICES_H
#define MM_MANAGER_DEVICES_H

#include "base/log.h"
#include "base/mutex.h"
#include "compute/backend.h"
#include "manager/settings.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct mm_replica mm_replica; // state.h

// Where a manager gets its GPUs from. `open` makes the backend of GPU `index` and should be quick:
// what takes long belongs to its first weights or session. It is called once for each.
typedef struct mm_gpu_source {
    int count;
    mm_status (*open)(mm_backend **out, int index, void *payload, mm_error *error);
    void *payload;
} mm_gpu_source;

typedef struct mm_device {
    // Fixed.
    char name[24]; // "cpu", "cuda:0"
    bool is_gpu;
    bool is_listed; // by worker_pool.devices
    size_t budget;  // bytes that models may take of it together

    mm_backend *backend;   // (L) of the CPU: created at first use; then fixed
    bool is_lost;          // (L) it failed, and is not used any more
    uint64_t free_bytes;   // (L) of a GPU: what its driver said when asked last
    size_t planned_bytes;  // (L) of the budget, promised to models
    size_t loading_bytes;  // (L) of these, to models that are not loaded yet
    mm_replica *reserving; // (L) loads that want its memory, first come, first served
} mm_device;

// What a request can ask for: "cpu", "gpu" (all GPUs) or one of them.
typedef struct mm_device_class {
    const char *name;
    mm_device *devices; // [count], side by side; none of "gpu" where there is none
    int count;
    bool is_gpu;
} mm_device_class;

// Fixed once created, but for the marked fields of each device.
typedef struct mm_devices {
    mm_device *list;          // [count], the CPU first
    mm_device_class *classes; // [count + 1]: "cpu", "gpu", then each GPU
    int count;
} mm_devices;

// What a deployment runs on, and in which numbers.
typedef struct mm_target {
    const mm_device_class *device;
    mm_compute_dtype dtype;
    bool is_auto; // the model's files say which dtype
} mm_target;

// `gpus` NULL: none. INVALID_DEVICE when worker_pool.devices lists what is not there. A GPU that
// cannot be opened counts as lost; `log` says so.
mm_status mm_devices_create(mm_devices *out, const mm_settings *settings, const mm_gpu_source *gpus,
                            const mm_log *log, mm_error *error);
void mm_devices_free(mm_devices *devices); // accepts what was not created
// Of that name, or NULL. Lives as long as the devices.
const mm_device_class *mm_devices_find(const mm_devices *devices, const char *name);
bool mm_device_is_usable_locked(const mm_device *device);
int mm_device_class_usable_locked(const mm_device_class *class); // how many of its devices are
// The device's backend, created now if need be. Takes the lock.
mm_status mm_device_open(mm_backend **out, mm_device *device, mm_mutex *lock, mm_error *error);
// What is there and what of it is free, whoever uses the rest. Not under the lock.
void mm_device_memory(const mm_device *device, uint64_t *total, uint64_t *available);
// Asks for what is free on a GPU; lets go of the lock meanwhile.
void mm_device_measure_locked(mm_device *device, mm_mutex *lock);
// What models may take of it together now: of a GPU not what others have.
size_t mm_device_budget_locked(const mm_device *device);

#endif
