// SPDX-License-Identifier: Apache-2.0
// The Hub's list of a repository's files, and what of it is wanted. The input is modules.json,
// behind a NUL byte an index of shards, and behind each further one a page of the list.
//
// Covers: src/hub/hub_tree.c
#include "frame.h"
#include "hub/hub_tree.h"
#include "scratch.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mm_status read_pages(mm_hub_tree *tree, frame_part left, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    while (left.size && !status) {
        frame_part part = frame_take(&left, "", 1);
        json_t *page = NULL;
        status = mm_json_parse(&page, part.data, part.size, "the Hub's answer",
                               MM_STATUS_DOWNLOAD_FAILED, error);
        if (!status)
            status = mm_hub_tree_add(tree, page, error);
        json_decref(page);
    }
    return status;
}

static void check_files(const mm_hub_tree *tree) {
    for (size_t i = 0; i < tree->count; i++) {
        const mm_hub_file *file = &tree->files[i], *found = mm_hub_tree_find(tree, file->path);
        frame_require(mm_hub_path_safe(file->path) && file->path[0] != '/' &&
                      !strstr(file->path, "/../"));
        frame_require(found && strcmp(found->path, file->path) == 0);
        frame_require(strlen(file->etag) == (file->is_lfs ? 64 : 40) &&
                      strspn(file->etag, "0123456789abcdef") == strlen(file->etag));
        frame_require(i == 0 || strcmp(file[-1].path, file->path) <= 0);
    }
}

static mm_status read_and_choose(const void *payload, mm_error *error) {
    const frame_part *pages = payload;
    mm_hub_tree tree = {0};
    mm_status status = read_pages(&tree, *pages, error);
    mm_hub_tree_sort(&tree);
    check_files(&tree);
    if (!status)
        status = mm_hub_choose_folder(&tree, "", "org/model", error);
    if (!status && mm_hub_tree_find(&tree, "modules.json"))
        status = mm_hub_choose_modules(&tree, scratch_path("modules.json"), "org/model", error);
    for (size_t i = 0; i < tree.count && !status; i++) {
        if (tree.files[i].is_index)
            status = mm_hub_choose_shards(&tree, &tree.files[i], scratch_path("index.json"), error);
    }
    if (!status)
        status = mm_hub_choose_check(&tree, "org/model", error);
    mm_hub_tree_free(&tree);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t failing;
    frame_part left = frame_input(&failing, data, size);
    frame_write("modules.json", frame_take(&left, "", 1));
    frame_write("index.json", frame_take(&left, "", 1));
    frame_run(read_and_choose, &left, failing);
    return 0;
}
