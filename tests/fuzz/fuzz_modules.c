// SPDX-License-Identifier: Apache-2.0
// What sentence-transformers adds to a model directory. The input, cut at NUL bytes, is
// modules.json, 1_Pooling/config.json, sentence_bert_config.json and
// config_sentence_transformers.json; an empty part is a missing file.
//
// Covers: src/tasks/limits.c src/tasks/pooling_config.c src/tasks/prompts.c
#include "base/memory.h"
#include "base/utf8.h"
#include "scratch.h"
#include "tasks/embedder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"modules.json", "1_Pooling/config.json",
                                    "sentence_bert_config.json",
                                    "config_sentence_transformers.json"};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static char directory[600];

static void require(bool truth) {
    if (!truth)
        abort();
}

static void check_error(mm_status status, const mm_error *error) {
    if (status)
        require(error->status == status && error->message[0] &&
                mm_utf8_valid(error->message, strlen(error->message), NULL));
}

static void make_directory(void) {
    const char *made = scratch_create();
    require(made != NULL);
    snprintf(directory, sizeof(directory), "%s", made);
    atexit(scratch_remove);
    json_set_alloc_funcs(mm_malloc, mm_free);
}

static void write_files(const uint8_t *data, size_t size) {
    for (int i = 0; i < NAMES; i++) {
        const uint8_t *cut = size ? memchr(data, 0, size) : NULL;
        size_t length = cut && i < NAMES - 1 ? (size_t)(cut - data) : size;
        if (length)
            require(scratch_write(names[i], data, length) != NULL);
        else
            (void)remove(scratch_path(names[i]));
        size_t used = length < size ? length + 1 : length;
        data += used;
        size -= used;
    }
}

static void read_modules(void) {
    mm_modules modules;
    mm_error error = {0};
    mm_status status = mm_modules_read(&modules, directory, &error);
    check_error(status, &error);
    for (size_t i = 0; i < modules.count && !status; i++) {
        // Every folder is the model's own or below it.
        const char *below = modules.items[i].directory;
        require(!below || strncmp(below, directory, strlen(directory)) == 0);
        require(!below || strstr(below, "/../") == NULL);
    }
    mm_modules_free(&modules);
}

static void read_pooling(void) {
    static mm_modules modules;
    modules = (mm_modules){0};
    mm_error error = {0};
    char path[700];
    snprintf(path, sizeof(path), "%s/1_Pooling", directory);
    mm_status status = mm_pooling_read(&modules, path, &error);
    check_error(status, &error);
    require(status || (modules.pooling_count > 0 && modules.pooling_count <= MM_POOLINGS_MAX));
}

static void read_prompts(void) {
    mm_prompts prompts;
    mm_error error = {0};
    mm_status status = mm_prompts_read(&prompts, directory, &error);
    check_error(status, &error);
    if (!status) {
        mm_prompts_set_built_in(&prompts, "intfloat/e5-small-v2");
        static const mm_embedding_options options[] = {{.prompt = "p: "},
                                                       {.prompt = "\xFF"},
                                                       {.prompt_name = "query"},
                                                       {.input_role = MM_ROLE_QUERY},
                                                       {.input_role = MM_ROLE_DOCUMENT},
                                                       {0}};
        for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
            const char *text = "x";
            status = mm_prompts_choose(&text, &prompts, &options[i], &error);
            check_error(status, &error);
            require(status || !text || text[0]);
        }
    }
    mm_prompts_free(&prompts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!directory[0])
        make_directory();
    write_files(data, size);
    read_modules();
    read_pooling();
    mm_limits limits;
    mm_error error = {0};
    check_error(mm_limits_read(&limits, directory, &error), &error);
    read_prompts();
    return 0;
}
