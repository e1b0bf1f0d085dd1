// SPDX-License-Identifier: Apache-2.0
// The table of settings and typed access to it.
#ifndef MM_MANAGER_SETTINGS_H
#define MM_MANAGER_SETTINGS_H

#include "base/json.h"
#include "modelmanager/modelmanager.h"

typedef enum mm_setting_type {
    MM_SETTING_BOOLEAN,
    MM_SETTING_INTEGER,
    MM_SETTING_NUMBER_OR_NULL,
    MM_SETTING_TEXT,
    MM_SETTING_TEXT_OR_NULL,
    MM_SETTING_TEXTS,    // list of strings
    MM_SETTING_REQUESTS, // list of objects
} mm_setting_type;

// X(index, name, type, minimum, maximum, choices, default as JSON)
#define MM_SETTING_LIST(X)                                                                         \
    X(ENABLED, "enabled", BOOLEAN, 0, 0, NULL, "true")                                             \
    X(MODELS_DIR, "models_dir", TEXT, 0, 0, NULL, "\"data/models\"")                               \
    X(OFFLINE, "offline", BOOLEAN, 0, 0, NULL, "false")                                            \
    X(GPU_FALLBACK, "gpu_fallback", TEXT, 0, 0, "cpu error", "\"cpu\"")                            \
    X(CPU_THREADS, "cpu_threads", INTEGER, 0, 4096, NULL, "0")                                     \
    X(LOG_LEVEL, "log_level", TEXT, 0, 0, "error warning info debug", "\"info\"")                  \
    X(PRELOAD, "preload", REQUESTS, 0, 0, NULL, "[]")                                              \
    X(POOL_ENABLED, "worker_pool.enabled", BOOLEAN, 0, 0, NULL, "true")                            \
    X(NUM_WORKERS, "worker_pool.num_workers", INTEGER, 1, 4096, NULL, "2")                         \
    X(MAX_WORKERS, "worker_pool.max_workers", INTEGER, 1, 4096, NULL, "64")                        \
    X(WORKERS_PER_GPU, "worker_pool.workers_per_gpu", INTEGER, 1, 64, NULL, "1")                   \
    X(DEVICES, "worker_pool.devices", TEXTS, 0, 0, NULL, "[\"auto\"]")                             \
    X(QUEUE_TIMEOUT, "worker_pool.queue_timeout", NUMBER_OR_NULL, 0, 1e9, NULL, "30")              \
    X(QUEUE_LIMIT, "worker_pool.queue_limit", INTEGER, 1, 1 << 30, NULL, "512")                    \
    X(IDLE_TIMEOUT, "worker_pool.model_idle_timeout", NUMBER_OR_NULL, -1, 1e12, NULL, "300")       \
    X(KEEP_ALIVE_MIN, "worker_pool.keep_alive_min", NUMBER_OR_NULL, 0, 1e12, NULL, "null")         \
    X(KEEP_ALIVE_MAX, "worker_pool.keep_alive_max", NUMBER_OR_NULL, 0, 1e12, NULL, "null")         \
    X(PINNED, "worker_pool.pinned", TEXTS, 0, 0, NULL, "[]")                                       \
    X(LOAD_BALANCING, "worker_pool.load_balancing", TEXT, 0, 0, "round_robin least_busy",          \
      "\"round_robin\"")                                                                           \
    X(CACHE_ENABLED, "embedding_cache.enabled", BOOLEAN, 0, 0, NULL, "true")                       \
    X(CACHE_SIZE, "embedding_cache.max_cache_size", INTEGER, 0, 1 << 30, NULL, "10000")            \
    X(CACHE_TTL, "embedding_cache.ttl_seconds", NUMBER_OR_NULL, 0, 1e12, NULL, "3600")             \
    X(CACHE_DISK_PATH, "embedding_cache.disk_path", TEXT_OR_NULL, 0, 0, NULL, "null")              \
    X(CACHE_DISK_BYTES, "embedding_cache.disk_max_bytes", INTEGER, 0, 1LL << 50, NULL,             \
      "1073741824")                                                                                \
    X(CPU_BYTES, "memory.cpu_bytes", INTEGER, 0, 1LL << 50, NULL, "0")                             \
    X(GPU_BYTES, "memory.gpu_bytes", INTEGER, 0, 1LL << 50, NULL, "0")                             \
    X(HOST, "server.host", TEXT, 0, 0, NULL, "\"127.0.0.1\"")                                      \
    X(PORT, "server.port", INTEGER, 0, 65535, NULL, "8090")                                        \
    X(DEFAULT_MODEL, "server.default_model", TEXT_OR_NULL, 0, 0, NULL, "null")                     \
    X(ALLOW_DIRECTORIES, "server.allow_directories", BOOLEAN, 0, 0, NULL, "false")

typedef enum mm_setting_index {
#define MM_SETTING_ENUM(index, name, type, minimum, maximum, choices, fallback)                    \
    MM_SETTING_##index##_INDEX,
    MM_SETTING_LIST(MM_SETTING_ENUM)
#undef MM_SETTING_ENUM
        MM_SETTING_COUNT,
} mm_setting_index;

typedef struct mm_setting {
    const char *name;
    mm_setting_type type;
    double minimum, maximum;
    const char *choices;
    const char *fallback;
} mm_setting;

// Belongs to one thread at a time; read-only once a manager holds its copy.
struct mm_settings {
    json_t *values[MM_SETTING_COUNT]; // checked
    json_t *dotenv;                   // object: what the .env file said, by variable name
};

const mm_setting *mm_setting_at(mm_setting_index index);
// The row whose variable this is ("MM_WORKER_POOL__NUM_WORKERS"), or MM_SETTING_COUNT.
mm_setting_index mm_setting_of_variable(const char *variable);
mm_status mm_settings_set_value(mm_settings *settings, mm_setting_index index, json_t *value,
                                const char *where, mm_error *error);
mm_status mm_settings_copy(mm_settings **out, const mm_settings *settings, mm_error *error);
// An environment variable: the process's, else the .env file's, else NULL.
const char *mm_settings_variable(const mm_settings *settings, const char *name);

// Pass MM_SETTING_..._INDEX of a fitting type. Null numbers give `fallback`, null texts NULL.
bool mm_settings_boolean(const mm_settings *settings, mm_setting_index index);
int64_t mm_settings_integer(const mm_settings *settings, mm_setting_index index);
double mm_settings_number(const mm_settings *settings, mm_setting_index index, double fallback);
const char *mm_settings_text(const mm_settings *settings, mm_setting_index index);
const json_t *mm_settings_list(const mm_settings *settings, mm_setting_index index);

// Parses the text of a .env file into an object of strings (environment.c).
mm_status mm_dotenv_parse(json_t **out, const char *text, size_t length, const char *where,
                          mm_error *error);

#endif
