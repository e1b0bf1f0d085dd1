// SPDX-License-Identifier: Apache-2.0
#include "manager/devices.h"

#include "base/memory.h"
#include "manager/machine.h"

#include <stdio.h>
#include <string.h>

// Of a device's memory, where the settings say nothing.
static size_t usual_budget(const mm_device *device) {
    uint64_t total, available;
    mm_device_memory(device, &total, &available);
    return (size_t)(total / 10 * 8);
}

static void create_cpu(mm_device *out, const mm_settings *settings) {
    int64_t budget = mm_settings_integer(settings, MM_SETTING_CPU_BYTES_INDEX);
    (void)snprintf(out->name, sizeof(out->name), "cpu");
    out->budget = budget > 0 ? (size_t)budget : usual_budget(out);
}

mm_status mm_devices_create(mm_devices *out, const mm_settings *settings, mm_error *error) {
    const int count = 1;
    *out = (mm_devices){
        .list = mm_calloc((size_t)count, sizeof(*out->list)),
        .classes = mm_calloc((size_t)count + 1, sizeof(*out->classes)),
        .count = count,
    };
    if (!out->list || !out->classes) {
        mm_devices_free(out);
        return mm_fail_memory(error, "the list of devices");
    }
    create_cpu(&out->list[0], settings);
    out->classes[0] = (mm_device_class){out->list[0].name, out->list, 1};
    out->classes[1] = (mm_device_class){"gpu", out->list + 1, count - 1};
    for (int i = 1; i < count; i++)
        out->classes[i + 1] = (mm_device_class){out->list[i].name, &out->list[i], 1};
    return MM_STATUS_OK;
}

void mm_devices_free(mm_devices *devices) {
    for (int i = 0; i < devices->count && devices->list; i++)
        mm_backend_free(devices->list[i].backend);
    mm_free(devices->list);
    mm_free(devices->classes);
    *devices = (mm_devices){0};
}

const mm_device_class *mm_devices_find(const mm_devices *devices, const char *name) {
    for (int i = 0; i <= devices->count; i++) {
        if (strcmp(devices->classes[i].name, name) == 0)
            return &devices->classes[i];
    }
    return NULL;
}

mm_status mm_device_open(mm_backend **out, mm_device *device, pthread_mutex_t *lock,
                         mm_error *error) {
    pthread_mutex_lock(lock);
    *out = device->backend;
    pthread_mutex_unlock(lock);
    if (*out)
        return MM_STATUS_OK;
    mm_backend *made;
    mm_status status = mm_backend_cpu_create(&made, error);
    if (status)
        return status;
    pthread_mutex_lock(lock);
    if (!device->backend) {
        device->backend = made;
        made = NULL;
    }
    *out = device->backend;
    pthread_mutex_unlock(lock);
    mm_backend_free(made); // somebody was faster
    return MM_STATUS_OK;
}

void mm_device_memory(const mm_device *device, uint64_t *total, uint64_t *available) {
    (void)device;
    mm_machine_memory(total, available);
}
