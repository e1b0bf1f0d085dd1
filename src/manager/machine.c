// SPDX-License-Identifier: Apache-2.0
#include "manager/machine.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 1 << 16, MAX_PATH = 4096 };
static const uint64_t unlimited = (uint64_t)1 << 60; // version 1 writes a huge number for none

// Reads up to two numbers from a file of a control group; "max" is no number.
static int read_numbers(const char *directory, const char *name, uint64_t out[2]) {
    int count = 0;
    char *path = mm_path_join(directory, name);
    char *text = NULL;
    size_t length;
    if (path && mm_file_read(&text, &length, path, MAX_FILE, NULL) == MM_STATUS_OK) {
        char *at = text;
        while (count < 2 && *at >= '0' && *at <= '9') {
            out[count++] = strtoull(at, &at, 10);
            at += strspn(at, " \n");
        }
    }
    mm_free(text);
    mm_free(path);
    return count;
}

static double group_cpus(const char *directory) {
    uint64_t quota[2], period[2];
    if (read_numbers(directory, "cpu.max", quota) == 2 && quota[1] > 0)
        return (double)quota[0] / (double)quota[1];
    if (read_numbers(directory, "cpu.cfs_quota_us", quota) == 1 &&
        read_numbers(directory, "cpu.cfs_period_us", period) == 1 && period[0] > 0)
        return (double)quota[0] / (double)period[0];
    return 0; // no limit
}

// Calls `look` for this process's control groups up to the root, in both versions' places.
static void each_group(void (*look)(const char *directory, void *payload), void *payload) {
    static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/cpu",
                                        "/sys/fs/cgroup/memory"};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
        look(roots[i], payload);
    char *text;
    size_t length;
    if (mm_file_read(&text, &length, "/proc/self/cgroup", MAX_FILE, NULL) != MM_STATUS_OK)
        return;
    char *line = strstr(text, "0::/"); // version 2's line
    if (line && (line == text || line[-1] == '\n')) {
        char *group = line + 3;
        group[strcspn(group, "\n")] = '\0';
        for (char *slash; (slash = strrchr(group, '/')) && slash[1] != '\0'; *slash = '\0') {
            mm_buffer path;
            mm_buffer_init(&path, MAX_PATH);
            if (mm_buffer_printf(&path, "/sys/fs/cgroup%s", group))
                look(path.data, payload);
            mm_buffer_free(&path);
        }
    }
    mm_free(text);
}

static void lower_cpus(const char *directory, void *payload) {
    double *least = payload;
    double cpus = group_cpus(directory);
    if (cpus > 0 && cpus < *least)
        *least = cpus;
}

int mm_machine_cpus(void) {
    cpu_set_t set;
    double cpus = 1;
    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        cpus = CPU_COUNT(&set);
    each_group(lower_cpus, &cpus);
    int whole = (int)cpus;
    if (cpus > whole) // half a processor more is worth a thread
        whole++;
    return whole > 0 ? whole : 1;
}

typedef struct memory_limits {
    uint64_t total, available;
} memory_limits;

static void lower_memory(const char *directory, void *payload) {
    memory_limits *limits = payload;
    uint64_t limit[2], used[2];
    int found = read_numbers(directory, "memory.max", limit);
    bool second = found > 0;
    if (!second)
        found = read_numbers(directory, "memory.limit_in_bytes", limit);
    if (found == 0 || limit[0] >= unlimited)
        return;
    if (limit[0] < limits->total)
        limits->total = limit[0];
    if (read_numbers(directory, second ? "memory.current" : "memory.usage_in_bytes", used) > 0) {
        uint64_t left = used[0] < limit[0] ? limit[0] - used[0] : 0;
        if (left < limits->available)
            limits->available = left;
    }
}

static uint64_t kilobytes(const char *text, const char *label) {
    const char *at = strstr(text, label);
    return at ? strtoull(at + strlen(label), NULL, 10) * 1024 : 0;
}

void mm_machine_memory(uint64_t *total, uint64_t *available) {
    memory_limits limits = {0};
    char *text;
    size_t length;
    if (mm_file_read(&text, &length, "/proc/meminfo", MAX_FILE, NULL) == MM_STATUS_OK) {
        limits.total = kilobytes(text, "MemTotal:");
        limits.available = kilobytes(text, "MemAvailable:");
        mm_free(text);
    }
    each_group(lower_memory, &limits);
    *total = limits.total;
    *available = limits.available;
}
