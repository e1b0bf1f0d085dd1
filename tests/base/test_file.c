// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/file.h"
#include "base/memory.h"
#include "scratch.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_read(void **state) {
    (void)state;
    char content[100000];
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (char)(i * 7 % 256);
    static const size_t sizes[] = {0, 1, 16384, 16385, 100000};
    for (size_t i = 0; i < 5; i++) {
        const char *path = scratch_write("data", content, sizes[i]);
        assert_non_null(path);
        char *text;
        size_t size = 1;
        mm_error error = {0};
        assert_ok(mm_file_read(&text, &size, path, sizes[i], &error), error);
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(text, content, size);
        assert_int_equal(text[size], 0);
        mm_free(text);
        if (sizes[i] > 0) {
            assert_status(mm_file_read(&text, &size, path, sizes[i] - 1, &error),
                          MM_STATUS_MODEL_CORRUPT, error);
            assert_null(text);
            assert_contains(error.message, path);
        }
    }
}

static void test_map(void **state) {
    (void)state;
    mm_error error = {0};
    mm_file_map map;
    const char *path = scratch_write("mapped", "abcdef", 6);
    assert_ok(mm_file_map_open(&map, path, &error), error);
    assert_int_equal(map.size, 6);
    assert_memory_equal(map.data, "abcdef", 6);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_true(map.mtime_ns == (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec);
    mm_file_unmap(&map);
    assert_null(map.data);
    mm_file_unmap(&map);
    path = scratch_write("empty", "", 0);
    assert_ok(mm_file_map_open(&map, path, &error), error);
    assert_int_equal(map.size, 0);
    mm_file_unmap(&map);
}

static void test_what_is_no_file(void **state) {
    (void)state;
    mm_error error = {0};
    mm_file_map map;
    char *text;
    size_t size;
    assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
    assert_int_equal(symlink("nowhere", scratch_path("dangling")), 0);
    scratch_write("plain", "x", 1);
    static const struct {
        const char *name;
        mm_status status;
    } rows[] = {
        {"missing", MM_STATUS_MODEL_NOT_FOUND},
        {"plain/below", MM_STATUS_MODEL_NOT_FOUND},
        {"dangling", MM_STATUS_MODEL_NOT_FOUND},
        {"", MM_STATUS_MODEL_CORRUPT}, // the directory itself
        {"fifo", MM_STATUS_MODEL_CORRUPT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char path[600];
        strncpy(path, scratch_path(""), sizeof(path) - 1);
        strncat(path, rows[i].name, 64);
        assert_status(mm_file_map_open(&map, path, &error), rows[i].status, error);
        assert_null(map.data);
        assert_status(mm_file_read(&text, &size, path, 100, &error), rows[i].status, error);
        assert_null(text);
        assert_int_equal(error.status, rows[i].status);
    }
    // Root may read everything, so this needs an ordinary user.
    if (geteuid() != 0) {
        const char *path = scratch_write("secret", "x", 1);
        assert_int_equal(chmod(path, 0), 0);
        assert_status(mm_file_map_open(&map, path, &error), MM_STATUS_MODEL_ACCESS_DENIED, error);
    } else {
        print_message("running as root: a file without permissions is not tried\n");
    }
}

static void test_exists(void **state) {
    (void)state;
    scratch_write("here", "x", 1);
    assert_true(mm_file_exists(scratch_path("here")));
    assert_false(mm_file_exists(scratch_path("not")));
    assert_false(mm_file_exists(scratch_path("")));
    assert_true(mm_directory_exists(scratch_path("")));
    assert_false(mm_directory_exists(scratch_path("here")));
}

static void test_join(void **state) {
    (void)state;
    static const char *const rows[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"a", "", "a"}, {"/", "b", "/b"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *path = mm_path_join(rows[i][0], rows[i][1]);
        assert_string_equal(path, rows[i][2]);
        mm_free(path);
    }
    mm_memory_fail_after(1, true);
    assert_null(mm_path_join("a", "b"));
    mm_memory_fail_after(0, false);
}

static void test_read_without_memory(void **state) {
    (void)state;
    const char *path = scratch_write("data", "content", 7);
    for (size_t n = 1;; n++) {
        char *text;
        size_t size;
        mm_error error = {0};
        mm_memory_fail_after(n, false);
        mm_status status = mm_file_read(&text, &size, path, 100, &error);
        bool failed = mm_memory_allocations() >= n;
        mm_memory_fail_after(0, false);
        if (!failed) {
            assert_ok(status, error);
            mm_free(text);
            assert_true(n > 1);
            break;
        }
        assert_status(status, MM_STATUS_OUT_OF_MEMORY, error);
        assert_null(text);
    }
}

static int setup(void **state) {
    (void)state;
    return scratch_create() ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),   cmocka_unit_test(test_map),
        cmocka_unit_test(test_exists), cmocka_unit_test(test_what_is_no_file),
        cmocka_unit_test(test_join),   cmocka_unit_test(test_read_without_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
