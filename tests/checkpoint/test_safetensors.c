// SPDX-License-Identifier: Apache-2.0
// One safetensors file: what is legal, and every rule broken one by one.
#include "check.h"

#include "base/clock.h"
#include "base/memory.h"
#include "checkpoint/safetensors.h"
#include "make_file.h"
#include "scratch.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ONE(dtype, shape, offsets)                                                                 \
    "{\"t\": {\"dtype\": " dtype ", \"shape\": " shape ", \"data_offsets\": " offsets "}}"
#define U8(name, begin, end, size)                                                                 \
    "\"" name "\": {\"dtype\": \"U8\", \"shape\": [" size "], \"data_offsets\": [" begin ", " end  \
    "]}"

static mm_status parse(mm_safetensors **out, unsigned char **bytes, const char *header,
                       size_t data_size, mm_error *error) {
    size_t size;
    *bytes = make_safetensors(header, data_size, &size);
    return mm_safetensors_parse(out, *bytes, size, "test", error);
}

static void test_legal(void **state) {
    (void)state;
    static const char header[] =
        "{\"__metadata__\": {\"format\": \"pt\"},"
        "\"b\": {\"dtype\": \"F32\", \"shape\": [2, 3], \"data_offsets\": [0, 24]},"
        "\"scalar\": {\"dtype\": \"I64\", \"shape\": [], \"data_offsets\": [24, 32], \"more\": 1},"
        "\"empty\": {\"dtype\": \"F16\", \"shape\": [4, 0], \"data_offsets\": [32, 32]},"
        "\"a\\u00e9\": {\"data_offsets\": [32, 35], \"shape\": [3], \"dtype\": \"U8\"}}   \n";
    mm_safetensors *file;
    unsigned char *bytes;
    mm_error error = {0};
    assert_ok(parse(&file, &bytes, header, 35, &error), error);
    assert_int_equal(mm_safetensors_count(file), 4);
    assert_int_equal(mm_safetensors_bytes(file), sizeof(uint64_t) + strlen(header) + 35);
    static const char *const in_file_order[] = {"b", "scalar", "empty", "a\xC3\xA9"};
    for (size_t i = 0; i < 4; i++) {
        const mm_tensor *tensor = mm_safetensors_at(file, i);
        assert_string_equal(tensor->name, in_file_order[i]);
        assert_ptr_equal(mm_safetensors_find(file, in_file_order[i]), tensor);
    }
    assert_null(mm_safetensors_at(file, 4));
    assert_null(mm_safetensors_find(file, "__metadata__"));
    assert_null(mm_safetensors_find(file, ""));
    const mm_tensor *b = mm_safetensors_find(file, "b");
    const unsigned char *data = bytes + sizeof(uint64_t) + strlen(header);
    assert_ptr_equal(b->data, data);
    assert_int_equal(b->dtype, MM_DTYPE_F32);
    assert_int_equal(b->rank, 2);
    assert_true(b->shape[0] == 2 && b->shape[1] == 3 && b->elements == 6 && b->bytes == 24);
    const mm_tensor *scalar = mm_safetensors_find(file, "scalar");
    assert_true(scalar->rank == 0 && scalar->elements == 1 && scalar->bytes == 8);
    const mm_tensor *empty = mm_safetensors_find(file, "empty");
    assert_true(empty->rank == 2 && empty->elements == 0 && empty->bytes == 0);
    assert_ptr_equal(mm_safetensors_find(file, "a\xC3\xA9")->data, data + 32);
    mm_safetensors_free(file);
    free(bytes);
}

static void test_files_without_tensors(void **state) {
    (void)state;
    static const char *const headers[] = {"{}", "{}      ", "{\"__metadata__\": {}}",
                                          "{\"__metadata__\": null}"};
    for (size_t i = 0; i < 4; i++) {
        mm_safetensors *file;
        unsigned char *bytes;
        mm_error error = {0};
        assert_ok(parse(&file, &bytes, headers[i], 0, &error), error);
        assert_int_equal(mm_safetensors_count(file), 0);
        assert_null(mm_safetensors_find(file, "a"));
        assert_null(mm_safetensors_at(file, 0));
        mm_safetensors_free(file);
        free(bytes);
    }
    mm_safetensors_free(NULL);
}

// Legal, but more than we can hold.
static void test_rank(void **state) {
    (void)state;
    mm_safetensors *file;
    unsigned char *bytes;
    mm_error error = {0};
    assert_ok(parse(&file, &bytes, ONE("\"U8\"", "[1,1,1,1,1,1,1,1]", "[0, 1]"), 1, &error), error);
    assert_int_equal(mm_safetensors_at(file, 0)->rank, 8);
    mm_safetensors_free(file);
    free(bytes);
    assert_status(parse(&file, &bytes, ONE("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0, 1]"), 1, &error),
                  MM_STATUS_MODEL_UNSUPPORTED, error);
    assert_contains(error.message, "more than 8 dimensions");
    free(bytes);
}

static void test_dtypes(void **state) {
    (void)state;
    static const struct {
        const char *name;
        mm_dtype dtype;
        size_t bits;
    } rows[] = {
        {"BOOL", MM_DTYPE_BOOL, 8},
        {"U8", MM_DTYPE_U8, 8},
        {"I8", MM_DTYPE_I8, 8},
        {"I16", MM_DTYPE_I16, 16},
        {"U16", MM_DTYPE_U16, 16},
        {"F16", MM_DTYPE_F16, 16},
        {"BF16", MM_DTYPE_BF16, 16},
        {"I32", MM_DTYPE_I32, 32},
        {"U32", MM_DTYPE_U32, 32},
        {"F32", MM_DTYPE_F32, 32},
        {"F64", MM_DTYPE_F64, 64},
        {"I64", MM_DTYPE_I64, 64},
        {"U64", MM_DTYPE_U64, 64},
        {"C64", MM_DTYPE_OTHER, 64},
        {"F8_E5M2", MM_DTYPE_OTHER, 8},
        {"F8_E4M3", MM_DTYPE_OTHER, 8},
        {"F8_E8M0", MM_DTYPE_OTHER, 8},
        {"F8_E4M3FNUZ", MM_DTYPE_OTHER, 8},
        {"F8_E5M2FNUZ", MM_DTYPE_OTHER, 8},
        {"F6_E2M3", MM_DTYPE_OTHER, 6},
        {"F6_E3M2", MM_DTYPE_OTHER, 6},
        {"F4", MM_DTYPE_OTHER, 4},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char header[200];
        size_t size = rows[i].bits * 4 / 8;
        mm_safetensors *file;
        unsigned char *bytes;
        mm_error error = {0};
        snprintf(header, sizeof(header),
                 "{\"t\": {\"dtype\": \"%s\", \"shape\": [4], \"data_offsets\": [0, %zu]}}",
                 rows[i].name, size);
        assert_ok(parse(&file, &bytes, header, size, &error), error);
        const mm_tensor *tensor = mm_safetensors_at(file, 0);
        assert_int_equal(tensor->dtype, rows[i].dtype);
        assert_int_equal(tensor->bytes, size);
        bool readable = rows[i].dtype != MM_DTYPE_OTHER;
        assert_string_equal(mm_dtype_name(rows[i].dtype), readable ? rows[i].name : "OTHER");
        assert_int_equal(mm_dtype_bits(rows[i].dtype), readable ? rows[i].bits : 0);
        mm_safetensors_free(file);
        free(bytes);
    }
}

static const struct {
    const char *header;
    size_t data_size;
    const char *rule; // part of the message
} broken[] = {
    {"", 0, "begin with '{'"},
    {" {}", 0, "begin with '{'"},
    {"[]", 0, "begin with '{'"},
    {"null", 0, "begin with '{'"},
    {"{", 0, "not valid JSON"},
    {"{} {}", 0, "not valid JSON"},
    {"{}\x01", 0, "not valid JSON"},
    {"{\"a\xFF\": 1}", 0, "not UTF-8 at byte 11"},
    {"{\"\xED\xA0\x80\": 1}", 0, "not UTF-8"},
    {"{" U8("a", "0", "1", "1") ", " U8("a", "1", "2", "1") "}", 2, "not valid JSON"},
    {"{\"t\": {\"dtype\": \"U8\", \"dtype\": \"U8\", \"shape\": [1], \"data_offsets\": [0, 1]}}", 1,
     "not valid JSON"},
    {"{\"a\\u0000b\": 1}", 0, "not valid JSON"},
    {"{\"__metadata__\": []}", 0, "__metadata__"},
    {"{\"__metadata__\": {\"a\": 1}}", 0, "__metadata__"},
    {"{\"__metadata__\": {\"a\": \"x\", \"b\": null, \"c\": \"y\"}}", 0, "__metadata__"},
    {"{\"t\": 1}", 0, "must be an object"},
    {"{\"t\": []}", 0, "must be an object"},
    {"{\"t\": {}}", 0, "dtype must be a string"},
    {ONE("1", "[1]", "[0, 1]"), 1, "dtype must be a string"},
    {ONE("\"F33\"", "[1]", "[0, 1]"), 1, "unknown dtype"},
    {ONE("\"f32\"", "[1]", "[0, 4]"), 4, "unknown dtype"},
    {ONE("\"\"", "[1]", "[0, 4]"), 4, "unknown dtype"},
    {ONE("\"F32\\u0000\"", "[1]", "[0, 4]"), 4, "dtype"},
    {ONE("\"OTHER\"", "[1]", "[0, 1]"), 1, "unknown dtype"},
    {"{\"t\": {\"dtype\": \"U8\", \"data_offsets\": [0, 1]}}", 1, "shape must be a list"},
    {ONE("\"U8\"", "1", "[0, 1]"), 1, "shape must be a list"},
    {ONE("\"U8\"", "[1.0]", "[0, 1]"), 1, "shape must hold integers"},
    {ONE("\"U8\"", "[\"1\"]", "[0, 1]"), 1, "shape must hold integers"},
    {ONE("\"U8\"", "[-1]", "[0, 1]"), 1, "shape must hold integers"},
    {ONE("\"U8\"", "[[1]]", "[0, 1]"), 1, "shape must hold integers"},
    {ONE("\"U8\"", "[99999999999999999999]", "[0, 1]"), 1, "shape must hold integers"},
    {ONE("\"U8\"", "[4294967296, 4294967296]", "[0, 1]"), 1, "too many elements"},
    {ONE("\"U8\"", "[4294967296, 4294967296, 0]", "[0, 0]"), 0, "too many elements"},
    {ONE("\"F64\"", "[9223372036854775807]", "[0, 8]"), 8, "too many bits"},
    // Without the check 2^61 x 64 bits would wrap to 0.
    {ONE("\"F64\"", "[2305843009213693952]", "[0, 0]"), 0, "too many bits"},
    {"{\"t\": {\"dtype\": \"U8\", \"shape\": [1]}}", 1, "data_offsets must be"},
    {ONE("\"U8\"", "[1]", "[0]"), 1, "data_offsets must be"},
    {ONE("\"U8\"", "[1]", "[0, 1, 2]"), 1, "data_offsets must be"},
    {ONE("\"U8\"", "[1]", "{\"0\": 0, \"1\": 1}"), 1, "data_offsets must be"},
    {ONE("\"U8\"", "[1]", "[0, \"1\"]"), 1, "data_offsets must be"},
    {ONE("\"U8\"", "[1]", "[-1, 0]"), 1, "data_offsets must be"},
    {ONE("\"U8\"", "[1]", "[0.0, 1.0]"), 1, "data_offsets must be"},
    {ONE("\"U8\"", "[1]", "[1, 0]"), 1, "end before they begin"},
    {ONE("\"U8\"", "[2]", "[0, 2]"), 1, "beyond the end of the file"},
    {ONE("\"U8\"", "[1]", "[9223372036854775806, 9223372036854775807]"), 1,
     "beyond the end of the file"},
    {ONE("\"F32\"", "[1]", "[0, 3]"), 3, "do not match the size"},
    {ONE("\"F32\"", "[1]", "[0, 8]"), 8, "do not match the size"},
    {ONE("\"F32\"", "[]", "[0, 0]"), 0, "do not match the size"},
    {ONE("\"F32\"", "[0]", "[0, 4]"), 4, "do not match the size"},
    {ONE("\"F4\"", "[3]", "[0, 1]"), 1, "whole byte"},
    {ONE("\"F6_E2M3\"", "[2]", "[0, 1]"), 1, "whole byte"},
    {ONE("\"U8\"", "[1]", "[1, 2]"), 2, "bytes before it belong to no tensor"},
    {"{" U8("a", "0", "1", "1") ", " U8("b", "2", "3", "1") "}", 3,
     "\"b\": bytes before it belong to no tensor"},
    {"{" U8("a", "0", "2", "2") ", " U8("b", "1", "3", "2") "}", 3, "\"b\": overlaps"},
    {"{" U8("a", "0", "2", "2") ", " U8("b", "0", "2", "2") "}", 2, "overlaps"},
    {"{" U8("a", "0", "3", "3") ", " U8("b", "1", "1", "0") "}", 3, "\"b\": overlaps"},
    {ONE("\"U8\"", "[1]", "[0, 1]"), 2, "1 bytes after the last tensor"},
    {"{}", 5, "5 bytes after the last tensor"},
};

static void test_every_rule_broken(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        mm_safetensors *file = (mm_safetensors *)1;
        unsigned char *bytes;
        mm_error error = {0};
        mm_status status = parse(&file, &bytes, broken[i].header, broken[i].data_size, &error);
        if (status != MM_STATUS_MODEL_CORRUPT || !strstr(error.message, broken[i].rule))
            fail_msg("%s: %s: %s", broken[i].header, mm_status_name(status), error.message);
        assert_null(file);
        assert_memory_equal(error.message, "test: ", 6);
        free(bytes);
    }
}

static void test_length_of_the_header(void **state) {
    (void)state;
    static const char header[] = ONE("\"U8\"", "[1]", "[0, 1]");
    size_t size;
    unsigned char *bytes = make_safetensors(header, 1, &size);
    mm_safetensors *file;
    mm_error error = {0};
    // Cut at every byte.
    for (size_t cut = 0; cut < size; cut++)
        assert_status(mm_safetensors_parse(&file, bytes, cut, "test", &error),
                      MM_STATUS_MODEL_CORRUPT, error);
    static const uint64_t lengths[] = {
        0, 1, 100000000, 100000001, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        memcpy(bytes, &lengths[i], sizeof(lengths[i]));
        assert_status(mm_safetensors_parse(&file, bytes, size, "test", &error),
                      MM_STATUS_MODEL_CORRUPT, error);
        assert_null(file);
        if (lengths[i] > 100000000)
            assert_contains(error.message, "larger than 100000000");
        else if (lengths[i] > 1)
            assert_contains(error.message, "does not fit");
    }
    uint64_t beyond = size - 8 + 1;
    memcpy(bytes, &beyond, sizeof(beyond));
    assert_status(mm_safetensors_parse(&file, bytes, size, "test", &error), MM_STATUS_MODEL_CORRUPT,
                  error);
    assert_contains(error.message, "does not fit");
    free(bytes);
}

// A name from the file may not push the rule out of the message, nor break its UTF-8.
static void test_long_names(void **state) {
    (void)state;
    char header[2000] = "{\"";
    for (int i = 0; i < 500; i++)
        strcat(header, "\xE2\x82\xAC");
    strcat(header, "\": 1}");
    mm_safetensors *file;
    unsigned char *bytes;
    mm_error error = {0};
    assert_status(parse(&file, &bytes, header, 0, &error), MM_STATUS_MODEL_CORRUPT, error);
    assert_contains(error.message, "\xE2\x82\xAC...\": must be an object");
    assert_null(strchr(error.message, '?'));
    free(bytes);
}

static void test_open(void **state) {
    (void)state;
    mm_safetensors *file;
    mm_error error = {0};
    const char *path = write_safetensors("a.safetensors", ONE("\"U8\"", "[3]", "[0, 3]"), 3);
    assert_ok(mm_safetensors_open(&file, path, &error), error);
    assert_memory_equal(mm_safetensors_find(file, "t")->data, "\0\1\2", 3);
    assert_true(mm_safetensors_mtime_ns(file) > 0);
    size_t size;
    const unsigned char *header = mm_safetensors_header(file, &size);
    assert_int_equal(size, 8 + strlen(ONE("\"U8\"", "[3]", "[0, 3]")));
    assert_int_equal(header[8], '{');
    mm_safetensors_free(file);
    assert_status(mm_safetensors_open(&file, scratch_path("none"), &error),
                  MM_STATUS_MODEL_NOT_FOUND, error);
    assert_null(file);
    assert_status(mm_safetensors_open(&file, scratch_write("empty", "", 0), &error),
                  MM_STATUS_MODEL_CORRUPT, error);
    assert_status(mm_safetensors_open(&file, scratch_path(""), &error), MM_STATUS_MODEL_CORRUPT,
                  error);
}

// 400 tensors, as BERT-large has them: every one found, and quickly.
static void test_many_tensors(void **state) {
    (void)state;
    enum { COUNT = 400, SIZE = 8 };
    static char header[COUNT * 160];
    size_t length = 0;
    for (int i = 0; i < COUNT; i++) {
        length += (size_t)snprintf(header + length, sizeof(header) - length,
                                   "%c\"encoder.layer.%d.attention.self.query.weight\":{\"dtype\":"
                                   "\"F32\",\"shape\":[2],\"data_offsets\":[%d,%d]}",
                                   i ? ',' : '{', i, i * SIZE, (i + 1) * SIZE);
    }
    header[length] = '}';
    mm_safetensors *file = NULL;
    unsigned char *bytes;
    mm_error error = {0};
    assert_ok(parse(&file, &bytes, header, COUNT * SIZE, &error), error);
    assert_int_equal(mm_safetensors_count(file), COUNT);
    int64_t best = INT64_MAX;
    for (int round = 0; round < 20; round++) { // the best of many: the machine may be busy
        mm_safetensors_free(file);
        int64_t start = mm_clock_now_ns();
        assert_int_equal(
            mm_safetensors_parse(&file, bytes, 8 + length + 1 + COUNT * SIZE, "test", NULL),
            MM_STATUS_OK);
        int64_t took = mm_clock_now_ns() - start;
        best = took < best ? took : best;
    }
    print_message("a header of %d tensors takes %.3f ms\n", COUNT, (double)best / 1e6);
    for (int i = 0; i < COUNT; i++) {
        char name[64];
        snprintf(name, sizeof(name), "encoder.layer.%d.attention.self.query.weight", i);
        assert_ptr_equal(mm_safetensors_find(file, name), mm_safetensors_at(file, (size_t)i));
    }
    mm_safetensors_free(file);
    free(bytes);
}

static void test_without_memory(void **state) {
    (void)state;
    static const char header[] = "{\"__metadata__\": {\"a\": \"b\"}, " U8(
        "first", "0", "1", "1") ", " U8("second", "1", "3", "2") "}";
    size_t size;
    unsigned char *bytes = make_safetensors(header, 3, &size);
    size_t n = 1;
    for (;; n++) {
        mm_safetensors *file;
        mm_error error = {0};
        mm_memory_fail_after(n, false);
        mm_status status = mm_safetensors_parse(&file, bytes, size, "test", &error);
        bool failed = mm_memory_allocations() >= n;
        mm_memory_fail_after(0, false);
        if (!failed) {
            assert_ok(status, error);
            mm_safetensors_free(file);
            break;
        }
        assert_status(status, MM_STATUS_OUT_OF_MEMORY, error);
        assert_null(file);
    }
    assert_true(n > 10);
    free(bytes);
}

static int setup(void **state) {
    (void)state;
    json_set_alloc_funcs(mm_malloc, mm_free);
    return scratch_create() ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_legal),
        cmocka_unit_test(test_files_without_tensors),
        cmocka_unit_test(test_rank),
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_every_rule_broken),
        cmocka_unit_test(test_length_of_the_header),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_many_tensors),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
