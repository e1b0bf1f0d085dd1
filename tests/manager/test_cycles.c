// SPDX-License-Identifier: Apache-2.0
// A model that is loaded and released a thousand times leaves nothing behind: memory, files,
// threads and mappings are those of the tenth time. MM_CYCLES_MODEL: the folder of another model.
#include "fixture.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RUNS_BARE 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RUNS_BARE 0
#endif
#endif
#ifndef RUNS_BARE
#define RUNS_BARE 1
#endif

enum { CYCLES = RUNS_BARE ? 1000 : 60, SETTLED = 10 };

// What the process holds.
typedef struct holdings {
    long resident_kb, files, threads, mappings;
} holdings;

static long count_entries(const char *path) {
    long count = 0;
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    (void)closedir(directory);
    return count;
}

static holdings look(void) {
    holdings now = {.files = count_entries("/proc/self/fd"),
                    .threads = count_entries("/proc/self/task")};
    char line[512];
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        (void)sscanf(line, "VmRSS: %ld", &now.resident_kb);
    (void)fclose(file);
    file = fopen("/proc/self/maps", "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        now.mappings += strchr(line, '\n') != NULL;
    (void)fclose(file);
    return now;
}

static void cycle(fixture *own, const char *model, const char *text) {
    mm_release_info info = {.struct_size = sizeof(info)};
    mm_error error = {0};
    mm_result_free(fixture_embed(own, model, text, MM_STATUS_OK));
    assert_ok(mm_model_release(own->manager, model, &info, &error), error);
    assert_true(info.released && info.freed_bytes > 0);
}

static void a_thousand_loads_and_releases_leave_nothing_behind(void **state) {
    (void)state;
    const char *model = getenv("MM_CYCLES_MODEL");
    fixture own;
    holdings settled = {0};
    fixture_open(&own, NULL);
    for (int i = 1; i <= CYCLES; i++) {
        cycle(&own, model ? model : MODEL, i % 2 ? "The cat sat on the mat." : "one");
        if (i == SETTLED)
            settled = look();
    }
    const holdings last = look();
    print_message("after %d: %ld KB, %ld files, %ld threads, %ld mappings\n", SETTLED,
                  settled.resident_kb, settled.files, settled.threads, settled.mappings);
    print_message("after %d: %ld KB, %ld files, %ld threads, %ld mappings\n", CYCLES,
                  last.resident_kb, last.files, last.threads, last.mappings);
    assert_int_equal(last.files, settled.files);
    assert_int_equal(last.threads, settled.threads);
    if (RUNS_BARE) {
        assert_true((double)last.resident_kb <= 1.02 * (double)settled.resident_kb);
        assert_int_equal(last.mappings, settled.mappings);
    } else {
        print_message("resident memory and mappings are the sanitizer's: not compared\n");
    }
    assert_int_equal(atomic_load(&own.loads), CYCLES);
    fixture_close(&own);
}

int main(void) {
    // glibc makes another arena when two threads happen to want memory at once: two mappings that
    // stay, and that say nothing of us.
    (void)mallopt(M_ARENA_MAX, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_loads_and_releases_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
