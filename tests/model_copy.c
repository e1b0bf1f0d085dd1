// SPDX-License-Identifier: Apache-2.0
#include "model_copy.h"

#include "check.h"
#include "scratch.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct contents {
    char *bytes; // with a NUL behind them
    size_t length;
} contents;

static contents read_file(const char *path) {
    contents out = {0};
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        fail_msg("cannot read %s", path);
    out.length = (size_t)ftell(file);
    out.bytes = malloc(out.length + 1);
    assert_non_null(out.bytes);
    rewind(file);
    assert_int_equal(fread(out.bytes, 1, out.length, file), out.length);
    out.bytes[out.length] = '\0';
    (void)fclose(file);
    return out;
}

static const char *inside(const char *name, const char *file) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", name, file);
    return path;
}

const char *model_copy(const char *name, const char *from) {
    static char folder[1024];
    DIR *directory = opendir(from);
    if (!directory)
        fail_msg("no folder %s", from);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", from, entry->d_name);
        if (!strchr(entry->d_name, '.') || entry->d_name[0] == '.')
            continue; // sub-folders have no dot in their names
        contents file = read_file(path);
        assert_non_null(scratch_write(inside(name, entry->d_name), file.bytes, file.length));
        free(file.bytes);
    }
    (void)closedir(directory);
    snprintf(folder, sizeof folder, "%s", scratch_path(name));
    return folder;
}

static json_t *read_json(const char *name, const char *file) {
    contents text = read_file(scratch_path(inside(name, file)));
    json_t *object = json_loadb(text.bytes, text.length, 0, NULL);
    free(text.bytes);
    assert_non_null(object);
    return object;
}

static void write_json(const char *name, const char *file, json_t *object) {
    char *text = json_dumps(object, JSON_INDENT(2));
    assert_non_null(text);
    assert_non_null(scratch_write(inside(name, file), text, strlen(text)));
    free(text);
    json_decref(object);
}

void model_copy_change(const char *name, const char *file, const char *members) {
    json_t *object = read_json(name, file), *changes = json_loads(members, 0, NULL), *value;
    const char *key;
    assert_non_null(changes);
    json_object_foreach(changes, key, value) {
        if (json_is_null(value))
            (void)json_object_del(object, key);
        else
            (void)json_object_set(object, key, value);
    }
    json_decref(changes);
    write_json(name, file, object);
}

void model_copy_add_token(const char *name, int id, const char *content) {
    json_t *object = read_json(name, "tokenizer.json");
    json_t *token =
        json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", content,
                  "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1);
    assert_int_equal(json_array_append_new(json_object_get(object, "added_tokens"), token), 0);
    write_json(name, "tokenizer.json", object);
}

void model_copy_fill(const char *name, const char *tensor, float value) {
    contents file = read_file(scratch_path(inside(name, "model.safetensors")));
    uint64_t header;
    memcpy(&header, file.bytes, sizeof header);
    json_t *object = json_loadb(file.bytes + 8, (size_t)header, 0, NULL);
    const json_t *offsets = json_object_get(json_object_get(object, tensor), "data_offsets");
    if (!offsets)
        fail_msg("no tensor %s", tensor);
    const size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0));
    const size_t end = (size_t)json_integer_value(json_array_get(offsets, 1));
    for (size_t at = begin; at < end; at += sizeof value)
        memcpy(file.bytes + 8 + header + at, &value, sizeof value);
    json_decref(object);
    assert_non_null(scratch_write(inside(name, "model.safetensors"), file.bytes, file.length));
    free(file.bytes);
}
