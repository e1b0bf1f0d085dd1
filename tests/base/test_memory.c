// SPDX-License-Identifier: Apache-2.0
// Allocation, checked arithmetic and the growing buffer.
#include "check.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"

#include <string.h>

static void test_arithmetic(void **state) {
    (void)state;
    size_t out = 77;
    assert_false(mm_size_mul(&out, SIZE_MAX / 2, 3));
    assert_false(mm_size_add(&out, SIZE_MAX, 1));
    assert_int_equal(out, 77);
    assert_true(mm_size_mul(&out, 6, 7) && out == 42);
    assert_true(mm_size_mul(&out, SIZE_MAX, 0) && out == 0);
    assert_true(mm_size_add(&out, SIZE_MAX - 1, 1) && out == SIZE_MAX);
    assert_null(mm_array_realloc(NULL, SIZE_MAX / 4, 8));
    assert_null(mm_calloc(SIZE_MAX / 4, 8));
    assert_null(mm_strndup("x", SIZE_MAX));
    assert_null(mm_pages_alloc(SIZE_MAX));
}

static void test_sizes_of_zero(void **state) {
    (void)state;
    void *blocks[] = {mm_malloc(0), mm_calloc(0, 8), mm_calloc(8, 0), mm_realloc(NULL, 0)};
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(blocks[i]);
        mm_free(blocks[i]);
    }
    void *pages = mm_pages_alloc(0);
    assert_non_null(pages);
    mm_pages_free(pages, 0);
    mm_pages_free(NULL, 5);
    mm_free(NULL);
}

static void test_pages(void **state) {
    (void)state;
    for (size_t size = 1; size <= (size_t)8 << 20; size *= 8) {
        unsigned char *pages = mm_pages_alloc(size);
        assert_non_null(pages);
        assert_int_equal((uintptr_t)pages % 64, 0);
        assert_int_equal(pages[0] | pages[size - 1], 0);
        memset(pages, 0xAA, size);
        mm_pages_free(pages, size);
    }
    mm_memory_trim();
}

static void test_strings(void **state) {
    (void)state;
    char *copy = mm_strdup("hello");
    assert_string_equal(copy, "hello");
    mm_free(copy);
    copy = mm_strndup("a\0b", 3); // exactly so many bytes, NUL or not
    assert_memory_equal(copy, "a\0b\0", 4);
    mm_free(copy);
}

static void test_failing(void **state) {
    (void)state;
    mm_memory_fail_after(2, false);
    void *first = mm_malloc(1);
    void *second = mm_malloc(1);
    void *third = mm_calloc(1, 1);
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    assert_int_equal(mm_memory_allocations(), 3);
    mm_memory_fail_after(1, true);
    assert_null(mm_malloc(1));
    assert_null(mm_calloc(1, 1));
    assert_null(mm_realloc(first, 100)); // first lives
    assert_null(mm_pages_alloc(4096));
    assert_null(mm_strdup("x"));
    mm_memory_fail_after(0, false);
    mm_free(first);
    mm_free(third);
}

static void test_buffer(void **state) {
    (void)state;
    mm_buffer buffer;
    mm_buffer_init(&buffer, 1000);
    assert_null(buffer.data);
    assert_true(mm_buffer_append(&buffer, NULL, 0));
    assert_string_equal(buffer.data, "");
    assert_true(mm_buffer_puts(&buffer, "ab") && mm_buffer_putc(&buffer, 'c'));
    assert_true(mm_buffer_printf(&buffer, "%d-%s", 12, "x"));
    assert_string_equal(buffer.data, "abc12-x");
    assert_int_equal(buffer.length, 7);
    char *data = mm_buffer_detach(&buffer);
    assert_string_equal(data, "abc12-x");
    mm_free(data);
    assert_null(buffer.data);
    data = mm_buffer_detach(&buffer); // of nothing: an empty string, not NULL
    assert_string_equal(data, "");
    mm_free(data);
    assert_true(mm_buffer_puts(&buffer, "again"));
    mm_buffer_clear(&buffer);
    assert_string_equal(buffer.data, "");
    mm_buffer_free(&buffer);
    mm_buffer_free(&buffer);
    mm_buffer_clear(&buffer);
}

static void test_buffer_maximum(void **state) {
    (void)state;
    mm_buffer buffer;
    for (size_t maximum = 0; maximum < 200; maximum++) {
        mm_buffer_init(&buffer, maximum);
        size_t length = 0;
        while (mm_buffer_putc(&buffer, (char)('a' + length % 26)))
            length++;
        assert_int_equal(length, maximum);
        assert_int_equal(buffer.length, maximum);
        assert_true(buffer.capacity <= (maximum < 64 ? 65 : maximum + 1));
        assert_false(mm_buffer_puts(&buffer, "x"));
        assert_false(mm_buffer_printf(&buffer, "%d", 1));
        assert_false(mm_buffer_reserve(&buffer, SIZE_MAX));
        assert_true(mm_buffer_puts(&buffer, "")); // nothing always fits
        for (size_t i = 0; i < maximum; i++)
            assert_int_equal(buffer.data[i], 'a' + (int)(i % 26));
        assert_int_equal(buffer.data[maximum], 0);
        mm_buffer_free(&buffer);
        assert_int_equal(buffer.maximum, maximum);
    }
    mm_buffer_init(&buffer, SIZE_MAX);
    assert_false(mm_buffer_reserve(&buffer, SIZE_MAX));
    assert_false(mm_buffer_reserve(&buffer, SIZE_MAX - 1));
    assert_true(mm_buffer_puts(&buffer, "fine"));
    mm_buffer_free(&buffer);
}

static void test_buffer_without_memory(void **state) {
    (void)state;
    mm_buffer buffer;
    mm_buffer_init(&buffer, SIZE_MAX);
    assert_true(mm_buffer_puts(&buffer, "kept"));
    mm_memory_fail_after(1, true);
    char big[200] = {0};
    assert_false(mm_buffer_append(&buffer, big, sizeof(big)));
    assert_string_equal(buffer.data, "kept");
    mm_buffer empty;
    mm_buffer_init(&empty, 10);
    assert_null(mm_buffer_detach(&empty));
    mm_memory_fail_after(0, false);
    mm_buffer_free(&buffer);
}

static void test_clock(void **state) {
    (void)state;
    int64_t before = mm_clock_now_ns();
    for (int i = 0; i < 1000; i++) {
        int64_t now = mm_clock_now_ns();
        assert_true(now >= before);
        before = now;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arithmetic),     cmocka_unit_test(test_sizes_of_zero),
        cmocka_unit_test(test_pages),          cmocka_unit_test(test_strings),
        cmocka_unit_test(test_failing),        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_buffer_maximum), cmocka_unit_test(test_buffer_without_memory),
        cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
