// SPDX-License-Identifier: Apache-2.0
// The files of a model directory. The input is config.json; behind a NUL byte follows
// model.safetensors.index.json beside two fixed shards, and behind another model.safetensors, which
// holds more of them. An empty index is none: pickles lie there instead.
//
// Covers: src/base/json.c src/checkpoint/checkpoint.c src/checkpoint/config.c
#include "base/memory.h"
#include "base/utf8.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/config.h"

#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[600];

static void require(bool truth) {
    if (!truth)
        abort();
}

static void write_file(const char *name, const void *data, size_t size) {
    require(scratch_write(name, data, size) != NULL);
}

static void remove_file(const char *name) {
    (void)remove(scratch_path(name));
}

static void write_shard(const char *name, const char *header) {
    char bytes[256] = {0};
    uint64_t length = strlen(header);
    memcpy(bytes, &length, sizeof(length));
    memcpy(bytes + sizeof(length), header, length);
    write_file(name, bytes, sizeof(length) + length + 4);
}

static void make_directory(void) {
    const char *made = scratch_create();
    require(made != NULL);
    snprintf(directory, sizeof(directory), "%s", made);
    atexit(scratch_remove);
    json_set_alloc_funcs(mm_malloc, mm_free);
    write_shard("one.safetensors",
                "{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}");
    write_shard("two.safetensors",
                "{\"b\": {\"dtype\": \"F16\", \"shape\": [2, 1], \"data_offsets\": [0, 4]}}");
}

static void check_error(mm_status status, const mm_error *error) {
    if (status)
        require(error->status == status && error->message[0] &&
                mm_utf8_valid(error->message, strlen(error->message), NULL));
}

static void read_config(void) {
    mm_config *config;
    mm_error error = {0};
    mm_status status = mm_config_open(&config, directory, &error);
    check_error(status, &error);
    require((status == MM_STATUS_OK) == (config != NULL));
    if (!config)
        return;
    static const char *const size_keys[] = {"hidden_size", "d_model", "dim", NULL};
    int64_t size = 0;
    status = mm_config_get_size(&size, config, size_keys, true, 0, 1, 65536, &error);
    check_error(status, &error);
    require(status != MM_STATUS_OK || (size >= 1 && size <= 65536));
    require(mm_config_get_size(&size, config, size_keys + 3, false, 7, 1, 9, NULL) == 0);
    double number = 0;
    status = mm_config_get_number(&number, config, "layer_norm_eps", 1e-5, 0, 1, &error);
    check_error(status, &error);
    require(status != MM_STATUS_OK || (number >= 0 && number <= 1));
    const char *text;
    check_error(mm_config_get_string(&text, config, "hidden_act", "gelu", &error), &error);
    bool flag;
    check_error(mm_config_get_bool(&flag, config, "is_decoder", false, &error), &error);
    require(mm_config_model_type(config) && mm_config_json(config) && mm_config_path(config));
    mm_config_free(config);
}

static void count_bytes(void *payload, const void *bytes, size_t length) {
    (void)bytes;
    *(size_t *)payload += length;
}

static void read_checkpoint(void) {
    mm_checkpoint *checkpoint;
    mm_error error = {0};
    mm_status status = mm_checkpoint_open(&checkpoint, directory, &error);
    check_error(status, &error);
    require((status == MM_STATUS_OK) == (checkpoint != NULL));
    if (!checkpoint)
        return;
    for (size_t i = 0; i < mm_checkpoint_count(checkpoint); i++) {
        const mm_tensor *tensor = mm_checkpoint_at(checkpoint, i);
        require(mm_checkpoint_find(checkpoint, tensor->name) == tensor);
    }
    const int64_t shape[] = {1};
    const mm_tensor *tensor;
    status = mm_checkpoint_get(&tensor, checkpoint, "a", 1, shape, &error);
    require((status == MM_STATUS_OK) == (tensor != NULL));
    status = mm_checkpoint_get(&tensor, checkpoint, "b", 1, shape, &error);
    check_error(status, &error);
    require((status == MM_STATUS_OK) == (tensor != NULL));
    size_t bytes = 0;
    mm_checkpoint_fingerprint(checkpoint, count_bytes, &bytes);
    require(bytes > 0 && mm_checkpoint_bytes(checkpoint) > 0);
    require(mm_checkpoint_parameters(checkpoint) >= 0);
    mm_checkpoint_free(checkpoint);
}

// The length of the part up to the next NUL byte.
static size_t part_length(const uint8_t *data, size_t size) {
    const uint8_t *cut = size ? memchr(data, 0, size) : NULL;
    return cut ? (size_t)(cut - data) : size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!directory[0])
        make_directory();
    size_t length = part_length(data, size);
    write_file("config.json", data, length);
    read_config();
    if (length == size)
        return 0;
    data += length + 1;
    size -= length + 1;
    length = part_length(data, size);
    write_file(length ? "model.safetensors.index.json" : "pytorch_model.bin", data, length);
    if (length < size)
        write_file("model.safetensors", data + length + 1, size - length - 1);
    read_checkpoint();
    remove_file("model.safetensors.index.json");
    remove_file("model.safetensors");
    remove_file("pytorch_model.bin");
    return 0;
}
