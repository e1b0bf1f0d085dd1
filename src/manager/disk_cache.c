// SPDX-License-Identifier: Apache-2.0
#include "manager/disk_cache.h"

#include "base/memory.h"
#include "base/thread.h"
#include "manager/lock_ranks.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

// What waits for the writer at most; and how long one vector waits for others to come.
static const size_t most_waiting_bytes = 32 << 20;
static const int64_t gathering_ns = 1000000000;

struct mm_disk_cache {
    mm_disk_store *store;
    mm_clock *clock;
    const mm_log *log;
    pthread_t writer;
    bool has_writer;

    mm_mutex lock;
    pthread_cond_t wake;          // the writer: something is due
    pthread_cond_t idle;          // nothing waits any more
    mm_disk_record *first, *last; // (lock)
    size_t waiting_bytes;         // (lock)
    int64_t first_ns;             // (lock) when the first came
    size_t flushes;               // (lock) callers who wait for the writer
    bool is_writing, stop;        // (lock)

    atomic_bool is_off;        // the file can be used no longer
    atomic_bool warned_write;  // since a write succeeded
    atomic_bool warned_damage; // ever
    _Atomic uint64_t hits, misses;
};

int64_t mm_disk_cache_wall_ns(const mm_disk_cache *disk) {
    struct timespec wall;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec - mm_clock_now_ns() +
           disk->clock->now_ns(disk->clock);
}

static void switch_off(mm_disk_cache *disk, const mm_error *error) {
    if (!atomic_exchange(&disk->is_off, true))
        mm_log_write(disk->log, MM_LOG_WARNING,
                     "embedding_cache.disk_path: %s; vectors are kept in memory only from now on",
                     error->message);
}

// ---- Writing -----------------------------------------------------------------------------------

// Whether the writer should begin now; if not, *until_ns says when.
static bool is_due_locked(const mm_disk_cache *disk, int64_t *until_ns) {
    *until_ns = disk->first_ns + gathering_ns;
    return disk->stop || disk->flushes > 0 ||
           disk->waiting_bytes >= mm_disk_store_batch(disk->store) ||
           *until_ns <= mm_clock_now_ns();
}

// Waits for something to write, and for more of it; NULL at the end.
static mm_disk_record *take_batch_locked(mm_disk_cache *disk) {
    int64_t until_ns;
    while (!disk->first && !disk->stop)
        mm_clock_monotonic.wait_until(&mm_clock_monotonic, &disk->wake, &disk->lock, INT64_MAX);
    while (disk->first && !is_due_locked(disk, &until_ns))
        mm_clock_monotonic.wait_until(&mm_clock_monotonic, &disk->wake, &disk->lock, until_ns);
    mm_disk_record *first = disk->first, *last = first;
    size_t bytes = first ? mm_disk_record_bytes(first) : 0;
    const size_t most = mm_disk_store_batch(disk->store);
    while (last && last->next && bytes + mm_disk_record_bytes(last->next) <= most) {
        last = last->next;
        bytes += mm_disk_record_bytes(last);
    }
    if (!first)
        return NULL;
    disk->first = last->next;
    last->next = NULL;
    if (!disk->first)
        disk->last = NULL;
    disk->waiting_bytes -= bytes;
    return first;
}

static void free_records(mm_disk_record *records) {
    for (mm_disk_record *next; records; records = next) {
        next = records->next;
        mm_free(records);
    }
}

static void write_batch(mm_disk_cache *disk, const mm_disk_record *batch) {
    mm_error error = {0};
    if (disk->is_off)
        return;
    if (mm_disk_store_write(disk->store, batch, mm_disk_cache_wall_ns(disk), &error) ==
        MM_STATUS_OK) {
        disk->warned_write = false;
    } else if (!atomic_exchange(&disk->warned_write, true)) {
        mm_log_write(disk->log, MM_LOG_WARNING,
                     "embedding_cache.disk_path: cannot write %s; vectors are kept in memory only "
                     "until that works again",
                     error.message);
    }
}

static void *writer_main(void *argument) {
    mm_disk_cache *disk = argument;
    mm_mutex_lock(&disk->lock);
    for (mm_disk_record *batch; (batch = take_batch_locked(disk)) != NULL;) {
        disk->is_writing = true;
        mm_mutex_unlock(&disk->lock);
        write_batch(disk, batch);
        free_records(batch);
        mm_mutex_lock(&disk->lock);
        disk->is_writing = false;
        if (!disk->first)
            pthread_cond_broadcast(&disk->idle);
    }
    mm_mutex_unlock(&disk->lock);
    return NULL;
}

// Takes the record.
static void push(mm_disk_cache *disk, mm_disk_record *record) {
    const size_t bytes = mm_disk_record_bytes(record);
    mm_mutex_lock(&disk->lock);
    bool fits = disk->waiting_bytes + bytes <= most_waiting_bytes &&
                bytes <= mm_disk_store_batch(disk->store);
    if (fits) {
        if (!disk->first)
            disk->first_ns = mm_clock_now_ns();
        *(disk->last ? &disk->last->next : &disk->first) = record;
        disk->last = record;
        disk->waiting_bytes += bytes;
        if (disk->first == record || disk->waiting_bytes >= mm_disk_store_batch(disk->store))
            pthread_cond_signal(&disk->wake);
    }
    mm_mutex_unlock(&disk->lock);
    if (!fits)
        mm_free(record);
}

void mm_disk_cache_put(mm_disk_cache *disk, const mm_cache_key *key, const mm_cached_vector *vector,
                       int64_t expires_ns) {
    mm_disk_record *record = disk->is_off ? NULL : mm_disk_record_create(key, vector, expires_ns);
    if (record)
        push(disk, record);
}

void mm_disk_cache_flush(mm_disk_cache *disk) {
    mm_mutex_lock(&disk->lock);
    disk->flushes++;
    pthread_cond_signal(&disk->wake);
    while (disk->first || disk->is_writing)
        mm_condition_wait(&disk->idle, &disk->lock);
    disk->flushes--;
    mm_mutex_unlock(&disk->lock);
}

// ---- Reading -----------------------------------------------------------------------------------

// So that what is used stays: it goes by the time it was written.
static void write_anew(mm_disk_cache *disk, mm_disk_record *record) {
    const mm_cached_vector vector = {
        .values = record->values,
        .dimension = record->dimension,
        .tokens = record->tokens,
        .truncated = record->truncated,
        .prompt = record->prompt,
    };
    mm_disk_cache_put(disk, &record->key, &vector, record->expires_ns);
}

mm_disk_record *mm_disk_cache_get(mm_disk_cache *disk, const mm_cache_key *key) {
    mm_disk_record *record = NULL;
    mm_disk_found found = MM_DISK_ABSENT;
    mm_error error = {0};
    if (disk->is_off)
        return NULL;
    mm_status status = mm_disk_store_read(&record, &found, disk->store, key, &error);
    if (status && status != MM_STATUS_OUT_OF_MEMORY)
        switch_off(disk, &error);
    if (found == MM_DISK_DAMAGED && !status && !atomic_exchange(&disk->warned_damage, true))
        mm_log_write(disk->log, MM_LOG_WARNING,
                     "embedding_cache.disk_path: a vector on the disk is damaged; such ones are "
                     "computed again");
    if (record && record->expires_ns <= mm_disk_cache_wall_ns(disk)) {
        mm_free(record);
        record = NULL;
    }
    if (record && found == MM_DISK_OLD)
        write_anew(disk, record);
    *(record ? &disk->hits : &disk->misses) += 1;
    return record;
}

void mm_disk_cache_statistics(mm_disk_statistics *out, mm_disk_cache *disk) {
    *out = (mm_disk_statistics){.hits = disk->hits, .misses = disk->misses};
    if (!disk->is_off)
        mm_disk_store_count(disk->store, &out->entries, &out->bytes);
}

// ---- Life --------------------------------------------------------------------------------------

mm_status mm_disk_cache_open(mm_disk_cache **out, const char *path, uint64_t max_bytes,
                             mm_clock *clock, const mm_log *log, mm_error *error) {
    *out = NULL;
    mm_disk_cache *disk = mm_calloc(1, sizeof(*disk));
    if (!disk)
        return mm_fail_memory(error, "the cache on disk");
    disk->clock = clock;
    disk->log = log;
    mm_mutex_init(&disk->lock, MM_RANK_DISK);
    mm_condition_init(&disk->wake);
    mm_condition_init(&disk->idle);
    mm_status status = mm_disk_store_open(&disk->store, path, max_bytes, error);
    if (!status) {
        disk->has_writer = mm_thread_start(&disk->writer, writer_main, disk);
        if (!disk->has_writer)
            status = mm_fail(error, MM_STATUS_OUT_OF_MEMORY, "cannot start a thread");
    }
    if (status)
        mm_disk_cache_close(disk);
    else
        *out = disk;
    return status;
}

void mm_disk_cache_close(mm_disk_cache *disk) {
    if (!disk)
        return;
    if (disk->has_writer) {
        mm_mutex_lock(&disk->lock);
        disk->stop = true;
        pthread_cond_signal(&disk->wake);
        mm_mutex_unlock(&disk->lock);
        pthread_join(disk->writer, NULL);
    }
    mm_disk_store_close(disk->store);
    pthread_cond_destroy(&disk->wake);
    pthread_cond_destroy(&disk->idle);
    mm_mutex_destroy(&disk->lock);
    mm_free(disk);
}
