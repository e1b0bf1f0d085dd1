// SPDX-License-Identifier: Apache-2.0
#include "manager/devices.h"

#include "base/memory.h"
#include "manager/machine.h"
#include "manager/parameters.h"

#include <stdio.h>
#include <string.h>

// ---- Creation ----------------------------------------------------------------------------------

static bool is_listed(const json_t *list, const char *name) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        if (strcmp(item, name) == 0 || strcmp(item, "auto") == 0)
            return true;
    }
    return false;
}

static void set_budget(mm_device *device, const mm_settings *settings, mm_setting_index index) {
    int64_t budget = mm_settings_integer(settings, index);
    uint64_t total, available;
    mm_device_memory(device, &total, &available);
    device->free_bytes = available;
    device->budget = budget > 0 ? (size_t)budget : (size_t)(total / 10 * 8);
}

static void create_cpu(mm_device *out, const mm_settings *settings) {
    (void)snprintf(out->name, sizeof(out->name), "cpu");
    set_budget(out, settings, MM_SETTING_CPU_BYTES_INDEX);
}

// The machine's memory may be enough for another device: one that cannot be opened is only lost.
static void create_gpu(mm_device *out, int index, const mm_gpu_source *gpus,
                       const mm_settings *settings, const mm_log *log) {
    mm_error error = {0};
    (void)snprintf(out->name, sizeof(out->name), "cuda:%d", index);
    out->is_gpu = true;
    out->is_lost = gpus->open(&out->backend, index, gpus->payload, &error) != MM_STATUS_OK;
    if (out->is_lost)
        mm_log_write(log, MM_LOG_WARNING, "%s cannot be used: %s", out->name, error.message);
    else
        set_budget(out, settings, MM_SETTING_GPU_BYTES_INDEX);
}

static mm_status check_list(const mm_devices *devices, const json_t *list, mm_error *error) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        const mm_device_class *known = mm_devices_find(devices, item);
        bool is_device = known && known->count == 1 && known->name == known->devices->name;
        if (is_device || strcmp(item, "auto") == 0)
            continue;
        mm_status status = mm_fail(error, MM_STATUS_INVALID_DEVICE,
                                   "setting worker_pool.devices lists \"%.64s\", which is not "
                                   "there: it takes \"auto\", \"cpu\", and \"cuda:N\" for the %d "
                                   "GPUs of this machine",
                                   item, devices->count - 1);
        mm_parameter_details(error, "worker_pool.devices");
        return status;
    }
    return MM_STATUS_OK;
}

mm_status mm_devices_create(mm_devices *out, const mm_settings *settings, const mm_gpu_source *gpus,
                            const mm_log *log, mm_error *error) {
    const json_t *list = mm_settings_list(settings, MM_SETTING_DEVICES_INDEX);
    const int count = 1 + (gpus ? gpus->count : 0);
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
    out->classes[0] = (mm_device_class){out->list[0].name, out->list, 1, false};
    out->classes[1] = (mm_device_class){"gpu", out->list + 1, count - 1, true};
    for (int i = 1; i < count; i++) {
        create_gpu(&out->list[i], i - 1, gpus, settings, log);
        out->classes[i + 1] = (mm_device_class){out->list[i].name, &out->list[i], 1, true};
    }
    for (int i = 0; i < count; i++)
        out->list[i].is_listed = is_listed(list, out->list[i].name);
    return check_list(out, list, error);
}

void mm_devices_free(mm_devices *devices) {
    for (int i = 0; i < devices->count && devices->list; i++)
        mm_backend_free(devices->list[i].backend);
    mm_free(devices->list);
    mm_free(devices->classes);
    *devices = (mm_devices){0};
}

// ---- Use ---------------------------------------------------------------------------------------

const mm_device_class *mm_devices_find(const mm_devices *devices, const char *name) {
    for (int i = 0; i <= devices->count; i++) {
        if (strcmp(devices->classes[i].name, name) == 0)
            return &devices->classes[i];
    }
    return NULL;
}

bool mm_device_is_usable_locked(const mm_device *device) {
    return device->is_listed && !device->is_lost;
}

int mm_device_class_usable_locked(const mm_device_class *class) {
    int usable = 0;
    for (int i = 0; i < class->count; i++)
        usable += mm_device_is_usable_locked(&class->devices[i]);
    return usable;
}

mm_status mm_device_open(mm_backend **out, mm_device *device, mm_mutex *lock, mm_error *error) {
    mm_mutex_lock(lock);
    *out = device->backend;
    mm_mutex_unlock(lock);
    if (*out)
        return MM_STATUS_OK;
    if (device->is_gpu)
        return mm_fail(error, MM_STATUS_NO_GPU_AVAILABLE, "%s could not be opened", device->name);
    mm_backend *made;
    mm_status status = mm_backend_cpu_create(&made, error);
    if (status)
        return status;
    mm_mutex_lock(lock);
    if (!device->backend) {
        device->backend = made;
        made = NULL;
    }
    *out = device->backend;
    mm_mutex_unlock(lock);
    mm_backend_free(made); // somebody was faster
    return MM_STATUS_OK;
}

void mm_device_memory(const mm_device *device, uint64_t *total, uint64_t *available) {
    *total = *available = 0;
    if (!device->is_gpu)
        mm_machine_memory(total, available);
    else if (device->backend)
        (void)mm_backend_memory(device->backend, total, available);
}

void mm_device_measure_locked(mm_device *device, mm_mutex *lock) {
    uint64_t total, available;
    if (!device->is_gpu)
        return;
    mm_mutex_unlock(lock);
    mm_device_memory(device, &total, &available);
    mm_mutex_lock(lock);
    device->free_bytes = available;
}

size_t mm_device_budget_locked(const mm_device *device) {
    uint64_t reach = device->free_bytes + (device->planned_bytes - device->loading_bytes);
    return device->is_gpu && reach < device->budget ? (size_t)reach : device->budget;
}
