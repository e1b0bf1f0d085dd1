// SPDX-License-Identifier: Apache-2.0
// The devices that a manager's models may be placed on: the CPU, then the GPUs.
#ifndef MM_MANAGER_DEVICES_H
#define MM_MANAGER_DEVICES_H

#include "compute/backend.h"
#include "manager/settings.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct mm_replica mm_replica; // state.h

typedef struct mm_device {
    char name[24]; // "cpu", "cuda:0"
    bool is_gpu;
    size_t budget;         // bytes that models may take of it together
    mm_backend *backend;   // (L) of the CPU: created at first use, then fixed
    size_t planned_bytes;  // (L) of the budget, promised to models
    mm_replica *reserving; // (L) loads that want its memory, first come, first served
} mm_device;

// What a request can ask for: "cpu", "gpu" (all GPUs) or one of them.
typedef struct mm_device_class {
    const char *name;
    mm_device *devices; // [count], side by side; none of "gpu" where there is none
    int count;
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
} mm_target;

mm_status mm_devices_create(mm_devices *out, const mm_settings *settings, mm_error *error);
void mm_devices_free(mm_devices *devices); // accepts what was not created
// Of that name, or NULL. Lives as long as the devices.
const mm_device_class *mm_devices_find(const mm_devices *devices, const char *name);
// The device's backend, created now if need be. Takes the lock.
mm_status mm_device_open(mm_backend **out, mm_device *device, pthread_mutex_t *lock,
                         mm_error *error);
// What is there and what of it is free, whoever uses the rest.
void mm_device_memory(const mm_device *device, uint64_t *total, uint64_t *available);

#endif
