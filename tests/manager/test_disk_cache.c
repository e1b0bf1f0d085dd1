// SPDX-License-Identifier: Apache-2.0
// The disk tier of the embedding cache: what outlives a process, kills included, what goes first,
// and files that are of no use.
#include "check.h"
#include "scratch.h"

#include "base/memory.h"
#include "manager/disk_cache.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DIMENSION = 384, MEGABYTE = 1 << 20 };

static atomic_int warnings;
static char last_warning[1024];

static void on_log(mm_log_level level, const char *message, void *payload) {
    (void)payload;
    if (level != MM_LOG_WARNING)
        return;
    atomic_fetch_add(&warnings, 1);
    (void)snprintf(last_warning, sizeof(last_warning), "%s", message);
}

// Shows what it is told to.
static _Atomic int64_t shown_ns;

static int64_t show(mm_clock *self) {
    (void)self;
    return shown_ns;
}

static mm_clock test_clock = {.now_ns = show};
static const mm_log test_log = {.callback = on_log, .level = MM_LOG_DEBUG};

// ---- Vectors that tell their key ---------------------------------------------------------------

static mm_cache_key key_of(uint32_t number) {
    mm_cache_key key = {0};
    uint64_t mixed = (number + 1) * 0x9E3779B97F4A7C15u;
    memcpy(key.digest, &mixed, sizeof(mixed));
    memcpy(key.digest + 8, &number, sizeof(number));
    return key;
}

static float value_of(uint32_t number, size_t place) {
    return (float)(number * 31 % 65521) + (float)place / 1024;
}

static void put(mm_disk_cache *disk, uint32_t number, int64_t expires_ns) {
    float values[DIMENSION];
    for (size_t i = 0; i < DIMENSION; i++)
        values[i] = value_of(number, i);
    const mm_cached_vector vector = {values, DIMENSION, (int32_t)number, number % 2 == 1,
                                     number % 3 == 0 ? "query: " : NULL};
    const mm_cache_key key = key_of(number);
    mm_disk_cache_put(disk, &key, &vector, expires_ns);
}

// Whether it is there; then it has to be right in every respect.
static bool holds(mm_disk_cache *disk, uint32_t number) {
    const mm_cache_key key = key_of(number);
    mm_disk_record *record = mm_disk_cache_get(disk, &key);
    if (!record)
        return false;
    assert_int_equal(record->dimension, DIMENSION);
    assert_int_equal(record->tokens, (int32_t)number);
    assert_int_equal(record->truncated, number % 2 == 1);
    assert_true((record->prompt != NULL) == (number % 3 == 0));
    if (record->prompt)
        assert_string_equal(record->prompt, "query: ");
    for (size_t i = 0; i < DIMENSION; i++)
        assert_true(record->values[i] == value_of(number, i));
    mm_free(record);
    return true;
}

static size_t count_held(mm_disk_cache *disk, uint32_t from, uint32_t to) {
    size_t held = 0;
    for (uint32_t i = from; i < to; i++)
        held += holds(disk, i);
    return held;
}

static mm_disk_cache *open_at(const char *path, uint64_t max_bytes) {
    mm_disk_cache *disk;
    mm_error error = {0};
    assert_ok(mm_disk_cache_open(&disk, path, max_bytes, &test_clock, &test_log, &error), error);
    return disk;
}

static off_t file_size(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? info.st_size : -1;
}

// ---- What stays and what goes ------------------------------------------------------------------

static void test_vectors_outlive_who_wrote_them(void **state) {
    (void)state;
    const char *path = scratch_path("outlive.mdb");
    mm_disk_cache *disk = open_at(path, 4 * MEGABYTE);
    assert_false(holds(disk, 1));
    for (uint32_t i = 0; i < 100; i++)
        put(disk, i, INT64_MAX);
    mm_disk_cache_close(disk); // writes what is waiting
    disk = open_at(path, 4 * MEGABYTE);
    assert_int_equal(count_held(disk, 0, 200), 100);
    mm_disk_statistics now;
    mm_disk_cache_statistics(&now, disk);
    assert_int_equal(now.entries, 100);
    assert_int_equal(now.hits, 100);
    assert_int_equal(now.misses, 100);
    assert_true(now.bytes >= 100 * DIMENSION * sizeof(float));
    mm_disk_cache_close(disk);
}

static void test_a_later_vector_takes_the_place_of_the_one_before(void **state) {
    (void)state;
    const char *path = scratch_path("later.mdb");
    mm_disk_cache *disk = open_at(path, 4 * MEGABYTE);
    const mm_cache_key key = key_of(5);
    float values[2] = {1, 2};
    for (int round = 0; round < 3; round++) {
        values[0] = (float)round;
        mm_disk_cache_put(disk, &key, &(mm_cached_vector){.values = values, .dimension = 2},
                          INT64_MAX);
        mm_disk_cache_flush(disk);
        mm_disk_record *record = mm_disk_cache_get(disk, &key);
        assert_non_null(record);
        assert_int_equal(record->dimension, 2);
        assert_true(record->values[0] == (float)round);
        mm_free(record);
    }
    mm_disk_statistics now;
    mm_disk_cache_statistics(&now, disk);
    assert_int_equal(now.entries, 1);
    mm_disk_cache_close(disk);
}

static void test_what_is_too_old_is_not_there_and_goes(void **state) {
    (void)state;
    const int64_t hour_ns = 3600000000000;
    mm_disk_cache *disk = open_at(scratch_path("old.mdb"), 4 * MEGABYTE);
    const int64_t now_ns = mm_disk_cache_wall_ns(disk);
    put(disk, 1, now_ns + hour_ns);
    put(disk, 2, now_ns + 3 * hour_ns);
    put(disk, 3, INT64_MAX);
    mm_disk_cache_flush(disk);
    shown_ns += 2 * hour_ns;
    assert_false(holds(disk, 1));
    assert_int_equal(count_held(disk, 1, 4), 2);
    put(disk, 4, INT64_MAX);
    mm_disk_cache_flush(disk); // a write drops those that are too old
    mm_disk_statistics now;
    mm_disk_cache_statistics(&now, disk);
    assert_int_equal(now.entries, 3);
    shown_ns += 2 * hour_ns;
    assert_int_equal(count_held(disk, 1, 5), 2);
    mm_disk_cache_close(disk);
}

static void test_the_file_keeps_to_its_size_and_the_longest_ago_written_go_first(void **state) {
    (void)state;
    enum { ALL = 4000 }; // of some 1,700 bytes each
    const char *path = scratch_path("size.mdb");
    mm_disk_cache *disk = open_at(path, 4 * MEGABYTE);
    for (uint32_t i = 0; i < ALL; i++) {
        put(disk, i, INT64_MAX);
        if (i % 50 == 49) {
            mm_disk_cache_flush(disk);
            assert_true(file_size(path) <= 4 * MEGABYTE);
            assert_true(holds(disk, i));
            assert_true(holds(disk, 7)); // it is used all the time: that one stays
        }
    }
    assert_int_equal(atomic_load(&warnings), 0);
    size_t kept = 0;
    for (uint32_t i = ALL; i-- > 0 && holds(disk, i);)
        kept++;
    assert_true(kept > 500 && kept < ALL / 2);
    assert_int_equal(count_held(disk, 0, ALL - (uint32_t)kept), 1);
    mm_disk_cache_close(disk);
}

static void test_vectors_of_any_length_are_kept(void **state) {
    (void)state;
    static const size_t lengths[] = {1, 3, 100, 500, 768, 1024, 4096, 8192};
    static float values[8192];
    mm_disk_cache *disk = open_at(scratch_path("lengths.mdb"), 8 * MEGABYTE);
    for (uint32_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        const mm_cache_key key = key_of(i);
        values[lengths[i] - 1] = (float)i;
        mm_disk_cache_put(
            disk, &key, &(mm_cached_vector){.values = values, .dimension = lengths[i]}, INT64_MAX);
        mm_disk_cache_flush(disk);
        mm_disk_record *record = mm_disk_cache_get(disk, &key);
        assert_non_null(record);
        assert_int_equal(record->dimension, lengths[i]);
        assert_memory_equal(record->values, values, lengths[i] * sizeof(float));
        mm_free(record);
    }
    mm_disk_cache_close(disk);
}

// ---- Processes ---------------------------------------------------------------------------------

// Writes for ever, with a byte to `progress` for each vector.
static void write_until_killed(const char *path, uint32_t from, int progress) {
    mm_disk_cache *disk;
    if (mm_disk_cache_open(&disk, path, 4 * MEGABYTE, &test_clock, &test_log, NULL))
        _exit(1);
    for (uint32_t i = from;; i++) {
        put(disk, i, INT64_MAX);
        if (i % 23 == 0)
            mm_disk_cache_flush(disk);
        if (write(progress, "", 1) != 1)
            _exit(1);
    }
}

static uint32_t kill_a_writer(const char *path, uint32_t from, uint32_t after) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        write_until_killed(path, from, ends[1]);
    (void)close(ends[1]);
    char byte;
    uint32_t seen = 0;
    while (seen < after && read(ends[0], &byte, 1) == 1)
        seen++;
    assert_int_equal(seen, after); // it did not end by itself
    (void)kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    (void)close(ends[0]);
    return seen;
}

static void test_a_process_killed_at_any_moment_leaves_the_file_whole(void **state) {
    (void)state;
    enum { ROUNDS = 40 };
    const char *path = scratch_path("killed.mdb");
    uint32_t from = 0, random = 1;
    size_t held = 0;
    for (int round = 0; round < ROUNDS; round++) {
        random = random * 1664525 + 1013904223;
        uint32_t seen = kill_a_writer(path, from, 1 + (random >> 16) % 200);
        mm_disk_cache *disk = open_at(path, 4 * MEGABYTE);
        held = count_held(disk, 0, from + seen + 1000);  // whatever is there is right
        put(disk, 1000000 + (uint32_t)round, INT64_MAX); // and it can be written
        mm_disk_cache_flush(disk);
        assert_true(holds(disk, 1000000 + (uint32_t)round));
        mm_disk_cache_close(disk);
        from += seen;
    }
    assert_true(held > 100);
    if (atomic_load(&warnings) > 0)
        fail_msg("warned: %s", last_warning);
}

static void test_processes_share_a_file(void **state) {
    (void)state;
    enum { EACH = 300 };
    const char *path = scratch_path("shared.mdb");
    pid_t child = fork();
    assert_true(child >= 0);
    mm_disk_cache *disk = open_at(path, 4 * MEGABYTE);
    for (uint32_t i = 0; i < EACH; i++) {
        put(disk, 2 * i + (child == 0), INT64_MAX);
        if (i % 10 == 0)
            mm_disk_cache_flush(disk);
    }
    mm_disk_cache_flush(disk);
    if (child == 0) {
        mm_disk_cache_close(disk);
        _exit(atomic_load(&warnings));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(count_held(disk, 0, 2 * EACH), 2 * EACH);
    mm_disk_cache_close(disk);
    assert_int_equal(atomic_load(&warnings), 0);
}

// One that is allowed more makes the file longer than the other has mapped.
static void test_a_file_that_another_process_made_longer_is_followed(void **state) {
    (void)state;
    enum { ALL = 6000 };
    const char *path = scratch_path("longer.mdb");
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    char byte = 0;
    if (child == 0) {
        if (read(ends[0], &byte, 1) != 1) // the other one has opened it
            _exit(1);
        mm_disk_cache *large = open_at(path, 32 * MEGABYTE);
        for (uint32_t i = 0; i < ALL; i++)
            put(large, i, INT64_MAX);
        mm_disk_cache_close(large);
        _exit(0);
    }
    mm_disk_cache *small = open_at(path, 4 * MEGABYTE);
    put(small, 1000000, INT64_MAX);
    mm_disk_cache_flush(small);
    assert_int_equal(write(ends[1], &byte, 1), 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    // The half that goes last, which reading does not write anew: a write by the one that is
    // allowed less would make the file's content fit that.
    assert_int_equal(count_held(small, ALL / 3 * 2, ALL), ALL / 3);
    mm_disk_cache_close(small);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

// ---- Files of no use ---------------------------------------------------------------------------

static void assert_refused(const char *path, const char *reason) {
    mm_disk_cache *disk;
    mm_error error = {0};
    assert_true(mm_disk_cache_open(&disk, path, 4 * MEGABYTE, &test_clock, &test_log, &error) !=
                MM_STATUS_OK);
    assert_null(disk);
    assert_contains(error.message, reason);
    assert_contains(error.message, path);
}

// A file as the cache leaves it, with `count` vectors.
static const char *written(const char *name, uint32_t count) {
    const char *path = scratch_path(name);
    mm_disk_cache *disk = open_at(path, 4 * MEGABYTE);
    for (uint32_t i = 0; i < count; i++)
        put(disk, i, INT64_MAX);
    mm_disk_cache_close(disk);
    return path;
}

static void test_a_file_of_something_else_is_refused_and_left_alone(void **state) {
    (void)state;
    static const char text[] = "Dear diary, today I was not a database.\n";
    static char many[100000];
    for (size_t i = 0; i < sizeof(many); i++)
        many[i] = (char)(i * 2654435761u >> 13);
    assert_refused(scratch_write("diary", text, sizeof(text)), "");
    assert_int_equal(file_size(scratch_path("diary")), sizeof(text));
    assert_refused(scratch_write("noise", many, sizeof(many)), "");
    assert_int_equal(file_size(scratch_path("noise")), sizeof(many));
    assert_refused(scratch_path("."), "not a regular file");
    char nowhere[512];
    (void)snprintf(nowhere, sizeof(nowhere), "%s/nothing/file", scratch_path("."));
    assert_refused(nowhere, "No such file");
    assert_refused("/proc/self/cache.mdb", "");
}

static void test_a_file_cut_short_is_refused(void **state) {
    (void)state;
    const char *path = written("cut.mdb", 300);
    assert_int_equal(truncate(path, file_size(path) / 2), 0);
    assert_refused(path, "cut short");
    assert_int_equal(truncate(path, 4096), 0);
    assert_refused(path, "");
    assert_int_equal(truncate(path, 100), 0);
    assert_refused(path, "");
    assert_int_equal(truncate(path, 0), 0); // nothing is a beginning
    mm_disk_cache *disk = open_at(path, 4 * MEGABYTE);
    put(disk, 1, INT64_MAX);
    mm_disk_cache_flush(disk);
    assert_true(holds(disk, 1));
    mm_disk_cache_close(disk);
}

static void test_a_file_that_may_only_be_read_is_refused(void **state) {
    (void)state;
    const char *path = written("locked.mdb", 3);
    assert_int_equal(chmod(path, 0444), 0);
    const uid_t own = geteuid();
    if (own == 0 && seteuid(65534) != 0)
        skip();
    mm_disk_cache *disk;
    mm_error error = {0};
    mm_status status =
        mm_disk_cache_open(&disk, path, 4 * MEGABYTE, &test_clock, &test_log, &error);
    assert_int_equal(seteuid(own), 0);
    assert_true(status != MM_STATUS_OK);
    assert_contains(error.message, "Permission denied");
}

static void test_a_file_is_opened_once_in_a_process(void **state) {
    (void)state;
    const char *path = scratch_path("once.mdb");
    mm_disk_cache *disk = open_at(path, 4 * MEGABYTE);
    assert_refused(path, "in use by this process");
    put(disk, 1, INT64_MAX);
    mm_disk_cache_flush(disk);
    assert_true(holds(disk, 1)); // the refusal did it no harm
    mm_disk_cache_close(disk);
}

static void test_too_small_a_size_is_refused(void **state) {
    (void)state;
    mm_disk_cache *disk;
    assert_int_equal(
        mm_disk_cache_open(&disk, scratch_path("tiny.mdb"), 1000, &test_clock, &test_log, NULL),
        MM_STATUS_INVALID_PARAMETER);
}

// Changes bytes of the vectors, wherever they lie in the file.
static void test_a_damaged_vector_is_not_there(void **state) {
    (void)state;
    enum { ALL = 60 };
    const char *path = written("damaged.mdb", ALL);
    int file = open(path, O_RDWR | O_CLOEXEC);
    assert_true(file >= 0);
    static char bytes[8 << 20];
    ssize_t size = read(file, bytes, sizeof(bytes));
    assert_true(size > 0);
    size_t damaged = 0;
    for (uint32_t i = 0; i < ALL; i += 3) {
        float inner[8];
        for (size_t k = 0; k < 8; k++)
            inner[k] = value_of(i, 100 + k);
        char *at = bytes;
        size_t places = 0; // in pages that are free again too
        while ((at = memmem(at, (size_t)(bytes + size - at), inner, sizeof(inner))) != NULL) {
            at[5] ^= 0x10;
            places++;
        }
        assert_true(places > 0);
        damaged++;
    }
    assert_int_equal(pwrite(file, bytes, (size_t)size, 0), size);
    (void)close(file);
    mm_disk_cache *disk = open_at(path, 4 * MEGABYTE);
    assert_int_equal(count_held(disk, 0, ALL), ALL - damaged);
    assert_int_equal(atomic_load(&warnings), 1); // once for all
    assert_contains(last_warning, "damaged");
    put(disk, 0, INT64_MAX);
    mm_disk_cache_flush(disk);
    assert_true(holds(disk, 0));
    mm_disk_cache_close(disk);
}

static void test_a_full_disk_is_one_warning_and_ends_when_there_is_room(void **state) {
    (void)state;
    const char *path = scratch_path("full.mdb");
    mm_disk_cache *disk = open_at(path, 4 * MEGABYTE);
    for (uint32_t i = 0; i < 20; i++)
        put(disk, i, INT64_MAX);
    mm_disk_cache_flush(disk);
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    tight = before;
    tight.rlim_cur = (rlim_t)file_size(path);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    for (uint32_t i = 20; i < 400; i++) {
        put(disk, i, INT64_MAX);
        if (i % 40 == 0)
            mm_disk_cache_flush(disk);
    }
    mm_disk_cache_flush(disk);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(atomic_load(&warnings), 1);
    assert_contains(last_warning, path);
    assert_int_equal(count_held(disk, 0, 20), 20); // what was there still is
    for (uint32_t i = 500; i < 520; i++)
        put(disk, i, INT64_MAX);
    mm_disk_cache_flush(disk);
    assert_int_equal(count_held(disk, 500, 520), 20);
    mm_disk_cache_close(disk);
}

// ---- Memory and threads ------------------------------------------------------------------------

static void test_every_allocation_may_fail(void **state) {
    (void)state;
    bool failed = true;
    for (size_t failing = 1; failed; failing++) {
        mm_disk_cache *disk;
        mm_error error = {0};
        mm_memory_fail_after(failing, false);
        mm_status status = mm_disk_cache_open(&disk, scratch_path("poor.mdb"), 4 * MEGABYTE,
                                              &test_clock, &test_log, &error);
        if (!status) {
            for (uint32_t i = 0; i < 3; i++)
                put(disk, i, INT64_MAX);
            mm_disk_cache_flush(disk);
            (void)count_held(disk, 0, 3);
        }
        failed = mm_memory_allocations() >= failing;
        mm_memory_fail_after(0, false);
        assert_true(status == MM_STATUS_OK || status == MM_STATUS_OUT_OF_MEMORY);
        mm_disk_cache_close(disk);
    }
    mm_disk_cache *disk = open_at(scratch_path("poor.mdb"), 4 * MEGABYTE);
    assert_int_equal(count_held(disk, 0, 3), 3);
    mm_disk_cache_close(disk);
}

typedef struct reader {
    mm_disk_cache *disk;
    uint32_t number;
    atomic_bool wrong;
} reader;

static void *read_and_write(void *payload) {
    reader *own = payload;
    uint32_t random = own->number;
    for (int i = 0; i < 2000; i++) {
        random = random * 1664525 + 1013904223;
        uint32_t number = (random >> 8) % 1500;
        const mm_cache_key key = key_of(number);
        mm_disk_record *record = mm_disk_cache_get(own->disk, &key);
        if (!record)
            put(own->disk, number, INT64_MAX);
        else if (record->values[9] != value_of(number, 9) || record->tokens != (int32_t)number)
            own->wrong = true;
        mm_free(record);
    }
    return NULL;
}

static void test_threads_share_it(void **state) {
    (void)state;
    enum { THREADS = 4 };
    mm_disk_cache *disk = open_at(scratch_path("threads.mdb"), 4 * MEGABYTE);
    reader readers[THREADS];
    pthread_t threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        readers[i] = (reader){.disk = disk, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, read_and_write, &readers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(readers[i].wrong);
    }
    mm_disk_cache_flush(disk);
    assert_true(count_held(disk, 0, 1500) > 300);
    assert_int_equal(atomic_load(&warnings), 0);
    mm_disk_cache_close(disk);
}

static int setup(void **state) {
    (void)state;
    atomic_store(&warnings, 0);
    return scratch_create() ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_vectors_outlive_who_wrote_them),
        TEST(test_a_later_vector_takes_the_place_of_the_one_before),
        TEST(test_what_is_too_old_is_not_there_and_goes),
        TEST(test_the_file_keeps_to_its_size_and_the_longest_ago_written_go_first),
        TEST(test_vectors_of_any_length_are_kept),
        TEST(test_a_process_killed_at_any_moment_leaves_the_file_whole),
        TEST(test_processes_share_a_file),
        TEST(test_a_file_that_another_process_made_longer_is_followed),
        TEST(test_a_file_of_something_else_is_refused_and_left_alone),
        TEST(test_a_file_cut_short_is_refused),
        TEST(test_a_file_that_may_only_be_read_is_refused),
        TEST(test_a_file_is_opened_once_in_a_process),
        TEST(test_too_small_a_size_is_refused),
        TEST(test_a_damaged_vector_is_not_there),
        TEST(test_a_full_disk_is_one_warning_and_ends_when_there_is_room),
        TEST(test_every_allocation_may_fail),
        TEST(test_threads_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
