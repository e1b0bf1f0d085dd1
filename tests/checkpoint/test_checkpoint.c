// SPDX-License-Identifier: Apache-2.0
// Model directories: one file, shards, pickles, and the reference models when they are there.
#include "check.h"

#include "base/file.h"
#include "base/memory.h"
#include "checkpoint/checkpoint.h"
#include "make_file.h"
#include "scratch.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define T(name, dtype, shape, begin, end)                                                          \
    "\"" name "\": {\"dtype\": \"" dtype "\", \"shape\": " shape ", \"data_offsets\": [" begin     \
    ", " end "]}"

static const char first_header[] =
    "{" T("b", "F16", "[2, 2]", "0", "8") ", " T("ids", "I64", "[2]", "8", "24") "}";
static const char second_header[] = "{" T("a", "F32", "[3]", "0", "12") ", " T(
    "q", "I8", "[4]", "12", "16") ", " T("unused", "F8_E4M3", "[2]", "16", "18") "}";

static mm_status open_shards(mm_checkpoint **out, const char *index, mm_error *error) {
    write_safetensors("shards/one.safetensors", first_header, 24);
    write_safetensors("shards/two.safetensors", second_header, 18);
    scratch_write("shards/model.safetensors.index.json", index, strlen(index));
    return mm_checkpoint_open(out, scratch_path("shards"), error);
}

static const char good_index[] =
    "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {\"a\": \"two.safetensors\", "
    "\"b\": \"one.safetensors\", \"ids\": \"one.safetensors\", \"q\": \"two.safetensors\"}}";

static void check_tensors(const mm_checkpoint *checkpoint, size_t count) {
    mm_error error = {0};
    assert_int_equal(mm_checkpoint_count(checkpoint), count);
    for (size_t i = 1; i < count; i++)
        assert_true(strcmp(mm_checkpoint_at(checkpoint, i - 1)->name,
                           mm_checkpoint_at(checkpoint, i)->name) < 0);
    assert_null(mm_checkpoint_at(checkpoint, count));
    assert_null(mm_checkpoint_find(checkpoint, "missing"));
    const mm_tensor *tensor;
    int64_t two_two[] = {2, 2};
    assert_ok(mm_checkpoint_get(&tensor, checkpoint, "b", 2, two_two, &error), error);
    assert_memory_equal(tensor->data, "\0\1\2\3\4\5\6\7", 8);
    assert_ptr_equal(tensor, mm_checkpoint_find(checkpoint, "b"));
}

static void test_single(void **state) {
    (void)state;
    mm_checkpoint *checkpoint;
    mm_error error = {0};
    write_safetensors("single/model.safetensors", first_header, 24);
    // The single file wins, whatever else is there.
    scratch_write("single/model.safetensors.index.json", "broken", 6);
    scratch_write("single/pytorch_model.bin", "", 0);
    assert_ok(mm_checkpoint_open(&checkpoint, scratch_path("single"), &error), error);
    check_tensors(checkpoint, 2);
    assert_true(mm_checkpoint_parameters(checkpoint) == 4);
    assert_int_equal(mm_checkpoint_bytes(checkpoint), 8 + strlen(first_header) + 24);
    mm_checkpoint_free(checkpoint);
    mm_checkpoint_free(NULL);
    write_safetensors("nothing/model.safetensors", "{}", 0);
    assert_ok(mm_checkpoint_open(&checkpoint, scratch_path("nothing"), &error), error);
    assert_int_equal(mm_checkpoint_count(checkpoint), 0);
    assert_null(mm_checkpoint_find(checkpoint, "a"));
    mm_checkpoint_free(checkpoint);
}

static void test_shards(void **state) {
    (void)state;
    mm_checkpoint *checkpoint;
    mm_error error = {0};
    assert_ok(open_shards(&checkpoint, good_index, &error), error);
    check_tensors(checkpoint, 4);
    assert_null(mm_checkpoint_find(checkpoint, "unused")); // in a shard, not in the index
    assert_true(mm_checkpoint_parameters(checkpoint) == 7);
    assert_int_equal(mm_checkpoint_bytes(checkpoint),
                     16 + strlen(first_header) + 24 + strlen(second_header) + 18);
    mm_checkpoint_free(checkpoint);
}

static void test_get(void **state) {
    (void)state;
    mm_checkpoint *checkpoint;
    mm_error error = {0};
    assert_ok(open_shards(&checkpoint, good_index, &error), error);
    const mm_tensor *tensor;
    static const int64_t three[] = {3}, two_three[] = {2, 3}, two[] = {2}, four[] = {4};
    assert_ok(mm_checkpoint_get(&tensor, checkpoint, "a", 1, three, &error), error);
    static const struct {
        const char *name;
        int rank;
        const int64_t *shape;
        mm_status status;
        const char *parts[3];
    } rows[] = {
        {"a", 2, two_three, MM_STATUS_MODEL_CORRUPT, {"\"a\"", "shape [3]", "for [2, 3]"}},
        {"a", 1, four, MM_STATUS_MODEL_CORRUPT, {"\"a\"", "shape [3]", "for [4]"}},
        {"a", 0, NULL, MM_STATUS_MODEL_CORRUPT, {"\"a\"", "shape [3]", "for []"}},
        {"b", 2, two_three, MM_STATUS_MODEL_CORRUPT, {"\"b\"", "shape [2, 2]", "for [2, 3]"}},
        {"none", 1, three, MM_STATUS_MODEL_CORRUPT, {"\"none\"", "shape [3]", "missing"}},
        {"unused", 1, two, MM_STATUS_MODEL_CORRUPT, {"\"unused\"", "", "missing"}},
        {"ids", 1, two, MM_STATUS_MODEL_UNSUPPORTED, {"\"ids\"", "I64", "F32"}},
        {"q", 1, four, MM_STATUS_MODEL_UNSUPPORTED, {"\"q\"", "I8", "F32"}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        tensor = (const mm_tensor *)1;
        assert_status(mm_checkpoint_get(&tensor, checkpoint, rows[i].name, rows[i].rank,
                                        rows[i].shape, &error),
                      rows[i].status, error);
        assert_null(tensor);
        for (int p = 0; p < 3; p++)
            assert_contains(error.message, rows[i].parts[p]);
        assert_contains(error.message, "shards");
    }
    mm_checkpoint_free(checkpoint);
}

static void test_broken_indexes(void **state) {
    (void)state;
    static const struct {
        const char *index, *part;
    } rows[] = {
        {"", "JSON"},
        {"[]", "object"},
        {"{}", "weight_map"},
        {"{\"weight_map\": []}", "weight_map"},
        {"{\"weight_map\": {}}", "weight_map"},
        {"{\"weight_map\": {\"a\": 1}}", "weight_map"},
        {"{\"weight_map\": {\"a\": \"\"}}", "weight_map"},
        {"{\"weight_map\": {\"a\": \"../one.safetensors\"}}", "same directory"},
        {"{\"weight_map\": {\"a\": \"/etc/passwd\"}}", "same directory"},
        {"{\"weight_map\": {\"a\": \"sub/one.safetensors\"}}", "same directory"},
        {"{\"weight_map\": {\"a\": \"..\"}}", "same directory"},
        {"{\"weight_map\": {\"a\": \".\"}}", "same directory"},
        {"{\"weight_map\": {\"a\": \"..\\\\one\"}}", "same directory"},
        {"{\"weight_map\": {\"a\": \"two.safetensors\\u0000x\"}}", "same directory"},
        {"{\"weight_map\": {\"a\": \"three.safetensors\"}}", "three.safetensors: is missing"},
        {"{\"weight_map\": {\"a\": \"one.safetensors\"}}", "\"a\" is not in the file"},
        {"{\"weight_map\": {\"a\": \"two.safetensors\", \"x\": \"two.safetensors\"}}",
         "\"x\" is not in the file"},
        {"{\"weight_map\": {\"a\": \"two.safetensors\", \"b\": "
         "\"model.safetensors.index.json\"}}",
         "model.safetensors.index.json"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mm_checkpoint *checkpoint;
        mm_error error = {0};
        assert_status(open_shards(&checkpoint, rows[i].index, &error), MM_STATUS_MODEL_CORRUPT,
                      error);
        assert_null(checkpoint);
        assert_contains(error.message, rows[i].part);
    }
}

static void test_no_safetensors(void **state) {
    (void)state;
    static const struct {
        const char *file;
        mm_status status;
        const char *part;
    } rows[] = {
        {"none1/README.md", MM_STATUS_MODEL_NOT_FOUND, "no weights"},
        {"pickle/pytorch_model.bin", MM_STATUS_MODEL_UNSUPPORTED, "save_file"},
        {"pickles/pytorch_model.bin.index.json", MM_STATUS_MODEL_UNSUPPORTED, "save_file"},
        {"tf/tf_model.h5", MM_STATUS_MODEL_UNSUPPORTED, "tf_model.h5"},
    };
    mm_checkpoint *checkpoint;
    mm_error error = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char directory[64];
        scratch_write(rows[i].file, "", 0);
        snprintf(directory, sizeof(directory), "%.*s", (int)strcspn(rows[i].file, "/"),
                 rows[i].file);
        assert_status(mm_checkpoint_open(&checkpoint, scratch_path(directory), &error),
                      rows[i].status, error);
        assert_null(checkpoint);
        assert_contains(error.message, rows[i].part);
    }
    assert_status(mm_checkpoint_open(&checkpoint, scratch_path("nowhere"), &error),
                  MM_STATUS_MODEL_NOT_FOUND, error);
    assert_contains(error.message, "no such directory");
    const char *file = scratch_write("file", "", 0);
    assert_status(mm_checkpoint_open(&checkpoint, file, &error), MM_STATUS_MODEL_NOT_FOUND, error);
}

struct digest {
    uint64_t value;
    size_t bytes;
};

static void update_digest(void *payload, const void *bytes, size_t length) {
    struct digest *digest = payload;
    for (size_t i = 0; i < length; i++)
        digest->value = (digest->value ^ ((const unsigned char *)bytes)[i]) * 1099511628211u;
    digest->bytes += length;
}

static struct digest fingerprint(const char *directory) {
    mm_checkpoint *checkpoint;
    mm_error error = {0};
    struct digest digest = {.value = 14695981039346656037u};
    assert_ok(mm_checkpoint_open(&checkpoint, directory, &error), error);
    mm_checkpoint_fingerprint(checkpoint, update_digest, &digest);
    mm_checkpoint_free(checkpoint);
    return digest;
}

static void set_time(const char *path, long seconds) {
    struct timespec times[2] = {{seconds, 0}, {seconds, 5}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_fingerprint(void **state) {
    (void)state;
    static const char header[] =
        "{" T("a", "U8", "[10000]", "0", "10000") ", " T("b", "U8", "[10]", "10000", "10010") "}";
    size_t size;
    unsigned char *bytes = make_safetensors(header, 10010, &size);
    size_t data = 8 + strlen(header);
    char directory[600]; // scratch_path hands out the same four buffers again and again
    snprintf(directory, sizeof(directory), "%s", scratch_path("print"));
    const char *path = scratch_write("print/model.safetensors", bytes, size);
    set_time(path, 1000);
    struct digest before = fingerprint(directory);
    assert_true(before.bytes < 10000); // 4 KiB of the large tensor, not all of it
    assert_true(fingerprint(directory).value == before.value);
    set_time(path, 1001);
    assert_true(fingerprint(directory).value != before.value);
    // The first 4 KiB of each tensor count, and the header.
    static const struct {
        size_t at;
        bool seen;
    } rows[] = {{0, true}, {4095, true}, {4096, false}, {10000, true}, {10009, true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bytes[data + rows[i].at] ^= 1;
        path = scratch_write("print/model.safetensors", bytes, size);
        set_time(path, 1000);
        assert_true((fingerprint(directory).value != before.value) == rows[i].seen);
        bytes[data + rows[i].at] ^= 1;
    }
    free(bytes);
    mm_checkpoint *checkpoint;
    mm_error error = {0};
    assert_ok(open_shards(&checkpoint, good_index, &error), error);
    mm_checkpoint_free(checkpoint);
    assert_true(fingerprint(scratch_path("shards")).value != before.value);
}

static void test_without_memory(void **state) {
    (void)state;
    static const char *const directories[] = {"single2", "shards", "pickle2"};
    write_safetensors("single2/model.safetensors", first_header, 24);
    scratch_write("pickle2/pytorch_model.bin", "", 0);
    scratch_write("shards/model.safetensors.index.json", good_index, strlen(good_index));
    for (size_t d = 0; d < 3; d++) {
        size_t n = 1;
        for (;; n++) {
            mm_checkpoint *checkpoint;
            mm_error error = {0};
            const char *directory = scratch_path(directories[d]);
            mm_memory_fail_after(n, false);
            mm_status status = mm_checkpoint_open(&checkpoint, directory, &error);
            bool failed = mm_memory_allocations() >= n;
            mm_memory_fail_after(0, false);
            assert_true((status == MM_STATUS_OK) == (checkpoint != NULL));
            mm_checkpoint_free(checkpoint);
            if (!failed) {
                assert_int_equal(status, d == 2 ? MM_STATUS_MODEL_UNSUPPORTED : MM_STATUS_OK);
                break;
            }
            assert_int_equal(status, MM_STATUS_OUT_OF_MEMORY);
        }
        assert_true(n > 2);
    }
}

static void test_golden_models(void **state) {
    (void)state;
    if (!mm_directory_exists(MM_SHARED_DIR "/golden")) {
        print_message("no reference models in %s: not compared\n", MM_SHARED_DIR "/golden");
        return;
    }
    static const struct {
        const char *name;
        size_t count;
        const char *tensor;
        mm_dtype dtype;
    } rows[] = {
        {"bert-sharded", 55, "embeddings.word_embeddings.weight", MM_DTYPE_F32},
        {"bert-cls-f16", 55, "embeddings.word_embeddings.weight", MM_DTYPE_F16},
        {"bert-bf16", 39, "embeddings.word_embeddings.weight", MM_DTYPE_BF16},
        {"bert-oldnames", 42, "bert.embeddings.LayerNorm.gamma", MM_DTYPE_F32},
        {"t5-relu-tied", 47, "shared.weight", MM_DTYPE_F32},
        {"model2vec-quantised", 3, "weights", MM_DTYPE_F64},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mm_checkpoint *checkpoint;
        mm_error error = {0};
        char path[600];
        snprintf(path, sizeof(path), "%s/golden/%s", MM_SHARED_DIR, rows[i].name);
        assert_ok(mm_checkpoint_open(&checkpoint, path, &error), error);
        assert_int_equal(mm_checkpoint_count(checkpoint), rows[i].count);
        const mm_tensor *tensor = mm_checkpoint_find(checkpoint, rows[i].tensor);
        assert_non_null(tensor);
        assert_int_equal(tensor->dtype, rows[i].dtype);
        float values[64];
        int64_t count = tensor->elements < 64 ? tensor->elements : 64;
        mm_tensor_to_f32(values, tensor, tensor->elements - count, count);
        for (int64_t v = 0; v < count; v++)
            assert_true(values[v] == values[v]);
        mm_checkpoint_free(checkpoint);
    }
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
        cmocka_unit_test(test_single),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_broken_indexes),
        cmocka_unit_test(test_no_safetensors),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_golden_models),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
