// SPDX-License-Identifier: Apache-2.0
// The Hub's list of files: what of it is wanted, and memory that fails. What servers may lie about
// is in test_pull.py.
#include "check.h"

#include "base/memory.h"
#include "hub/hub_layout.h"
#include "hub/hub_tree.h"
#include "scratch.h"

#include <string.h>
#include <unistd.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define ETAG "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"

static const char *const paths[] = {"config.json",
                                    "modules.json",
                                    "README.md",
                                    "model.safetensors.index.json",
                                    "model-1.safetensors",
                                    "model-2.safetensors",
                                    "1_Pooling/config.json",
                                    "3_Dense/config.json"};
static const char modules[] = "[{\"path\": \"\"}, {\"path\": \"1_Pooling\"}]";
static const char shards[] = "{\"weight_map\": {\"a\": \"model-1.safetensors\"}}";

static mm_status read_and_choose(mm_hub_tree *tree, const json_t *page, mm_error *error) {
    *tree = (mm_hub_tree){0};
    mm_status status = mm_hub_tree_add(tree, page, error);
    mm_hub_tree_sort(tree);
    if (!status)
        status = mm_hub_choose_folder(tree, "", "org/model", error);
    if (!status)
        status = mm_hub_choose_modules(tree, scratch_path("modules.json"), "org/model", error);
    const mm_hub_file *index = mm_hub_tree_find(tree, "model.safetensors.index.json");
    if (!status)
        status = mm_hub_choose_shards(tree, index, scratch_path("index.json"), error);
    if (!status)
        status = mm_hub_choose_check(tree, "org/model", error);
    return status;
}

// The caller's: json_decref.
static json_t *make_page(void) {
    json_t *page = json_pack("[{s:s, s:s, s:s, s:i}]", "type", "directory", "path", "1_Pooling",
                             "oid", "x", "size", 0);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_int_equal(
            json_array_append_new(page, json_pack("{s:s, s:s, s:s, s:i}", "type", "file", "path",
                                                  paths[i], "oid", ETAG, "size", 1)),
            0);
    return page;
}

static void write_guides(void) {
    assert_non_null(scratch_write("modules.json", modules, strlen(modules)));
    assert_non_null(scratch_write("index.json", shards, strlen(shards)));
}

static void test_choice(void **state) {
    (void)state;
    static const char *const wanted[] = {"1_Pooling/config.json", "config.json",
                                         "model-1.safetensors", "model.safetensors.index.json",
                                         "modules.json"};
    write_guides();
    mm_hub_tree tree;
    mm_error error = {0};
    json_t *page = make_page();
    assert_ok(read_and_choose(&tree, page, &error), error);
    json_decref(page);
    size_t found = 0;
    for (size_t i = 0; i < tree.count; i++) {
        if (tree.files[i].is_wanted)
            assert_string_equal(tree.files[i].path, wanted[found++]);
    }
    assert_int_equal(found, 5);
    mm_hub_tree_free(&tree);
}

static void test_choice_without_memory(void **state) {
    (void)state;
    write_guides();
    json_t *page = make_page();
    for (size_t nth = 1;; nth++) {
        mm_hub_tree tree;
        mm_error error = {0};
        mm_memory_fail_after(nth, true);
        mm_status status = read_and_choose(&tree, page, &error);
        bool reached = mm_memory_allocations() >= nth;
        mm_memory_fail_after(0, false);
        mm_hub_tree_free(&tree);
        if (!reached) {
            assert_ok(status, error);
            assert_true(nth > 10);
            break;
        }
        assert_int_equal(status, MM_STATUS_OUT_OF_MEMORY);
    }
    json_decref(page);
}

static mm_status write_layout(mm_error *error) {
    mm_hub_layout layout;
    mm_status status =
        mm_hub_layout_open(&layout, scratch_path("cache"), "org/model", false, error);
    if (!status)
        status = mm_hub_layout_prepare(&layout, error);
    if (!status)
        status = mm_hub_layout_link(&layout, COMMIT, "1_Pooling/config.json", ETAG, error);
    if (!status)
        status = mm_hub_layout_note_missing(&layout, COMMIT, "vocab.txt", error);
    if (!status)
        status = mm_hub_layout_write_ref(&layout, "refs/pr/1", COMMIT, error);
    mm_hub_layout_close(&layout);
    return status;
}

static void test_layout_without_memory(void **state) {
    (void)state;
    for (size_t nth = 1;; nth++) {
        mm_error error = {0};
        mm_memory_fail_after(nth, true);
        mm_status status = write_layout(&error);
        bool reached = mm_memory_allocations() >= nth;
        mm_memory_fail_after(0, false);
        if (!reached) {
            assert_ok(status, error);
            break;
        }
        assert_int_equal(status, MM_STATUS_OUT_OF_MEMORY);
    }
    char target[128] = {0};
    assert_true(readlink(scratch_path("cache/models--org--model/snapshots/" COMMIT
                                      "/1_Pooling/config.json"),
                         target, sizeof(target) - 1) > 0);
    assert_string_equal(target, "../../../blobs/" ETAG);
}

static int make_scratch(void **state) {
    (void)state;
    return scratch_create() ? 0 : -1;
}

static int remove_scratch(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_choice_without_memory),
        cmocka_unit_test(test_layout_without_memory),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
