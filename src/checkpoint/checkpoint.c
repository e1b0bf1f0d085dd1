// SPDX-License-Identifier: Apache-2.0
// The weights of a model directory as one table of tensors, whatever files they lie in.
//
// The index of a sharded model comes from outside: its file names may not leave the directory, and
// each tensor it promises must be in the shard it names. What a shard holds beyond that is ignored,
// and so is "total_size", which is wrong in many repositories with tied weights.
#include "checkpoint/checkpoint.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { INDEX_MAX = 64 << 20, SHAPE_TEXT = 256, NAME_SHOWN = 120, DIGEST_BYTES = 4096 };

struct shard {
    const char *name; // inside the index, or a literal
    mm_safetensors *file;
};

struct mm_checkpoint {
    char *directory;
    json_t *index;        // NULL for a single file
    struct shard *shards; // sorted by name
    size_t shard_count;
    const mm_tensor **tensors; // sorted by name
    size_t count;
};

static mm_status open_shard(struct shard *shard, const mm_checkpoint *checkpoint, mm_error *error) {
    char *path = mm_path_join(checkpoint->directory, shard->name);
    if (!path)
        return mm_fail_memory(error, shard->name);
    mm_status status = mm_safetensors_open(&shard->file, path, error);
    if (status == MM_STATUS_MODEL_NOT_FOUND)
        status = mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                         "%s: is missing, although the model's index names it", path);
    mm_free(path);
    return status;
}

static int compare_shards(const void *left, const void *right) {
    const struct shard *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static int compare_tensors(const void *left, const void *right) {
    const mm_tensor *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

static struct shard *find_shard(const mm_checkpoint *checkpoint, const char *name) {
    struct shard wanted = {.name = name};
    return bsearch(&wanted, checkpoint->shards, checkpoint->shard_count, sizeof(wanted),
                   compare_shards);
}

static mm_status allocate_tensors(mm_checkpoint *checkpoint, size_t count, mm_error *error) {
    checkpoint->tensors = mm_calloc(count, sizeof(checkpoint->tensors[0]));
    return checkpoint->tensors ? MM_STATUS_OK : mm_fail_memory(error, "the table of tensors");
}

static mm_status open_single(mm_checkpoint *checkpoint, mm_error *error) {
    checkpoint->shards = mm_calloc(1, sizeof(checkpoint->shards[0]));
    if (!checkpoint->shards)
        return mm_fail_memory(error, "model.safetensors");
    checkpoint->shard_count = 1;
    checkpoint->shards[0].name = "model.safetensors";
    mm_status status = open_shard(&checkpoint->shards[0], checkpoint, error);
    if (status)
        return status;
    const mm_safetensors *file = checkpoint->shards[0].file;
    size_t count = mm_safetensors_count(file);
    status = allocate_tensors(checkpoint, count, error);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++)
        checkpoint->tensors[i] = mm_safetensors_at(file, i);
    checkpoint->count = count;
    return MM_STATUS_OK;
}

static bool plain_name(const char *name) {
    return name && name[0] != '\0' && !strchr(name, '/') && !strchr(name, '\\') &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

// Collects the distinct shard names of the weight map and opens each file once.
static mm_status open_shards(mm_checkpoint *checkpoint, json_t *map, const char *path,
                             mm_error *error) {
    checkpoint->shards = mm_calloc(json_object_size(map), sizeof(checkpoint->shards[0]));
    if (!checkpoint->shards)
        return mm_fail_memory(error, path);
    size_t count = 0;
    const char *tensor;
    json_t *value;
    json_object_foreach(map, tensor, value) {
        const char *name = json_string_value(value);
        if (!plain_name(name) || strlen(name) != json_string_length(value))
            return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                           "%s: weight_map must name files of the same directory", path);
        checkpoint->shards[count++].name = name;
    }
    qsort(checkpoint->shards, count, sizeof(checkpoint->shards[0]), compare_shards);
    for (size_t i = 0; i < count; i++) {
        size_t kept = checkpoint->shard_count;
        if (kept == 0 || strcmp(checkpoint->shards[kept - 1].name, checkpoint->shards[i].name) != 0)
            checkpoint->shards[checkpoint->shard_count++].name = checkpoint->shards[i].name;
    }
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < checkpoint->shard_count && !status; i++)
        status = open_shard(&checkpoint->shards[i], checkpoint, error);
    return status;
}

// A name from a file, short enough to leave room for the rest of the message.
static int shown_length(const char *name) {
    size_t length = strlen(name);
    if (length > NAME_SHOWN) {
        length = NAME_SHOWN;
        while (length > 0 && ((unsigned char)name[length] & 0xC0) == 0x80)
            length--;
    }
    return (int)length;
}

static mm_status open_index(mm_checkpoint *checkpoint, const char *path, mm_error *error) {
    mm_status status = mm_json_read_object(&checkpoint->index, path, INDEX_MAX, error);
    if (status)
        return status;
    json_t *map = json_object_get(checkpoint->index, "weight_map");
    if (!json_is_object(map) || json_object_size(map) == 0)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: weight_map must be an object that names tensors", path);
    status = open_shards(checkpoint, map, path, error);
    if (!status)
        status = allocate_tensors(checkpoint, json_object_size(map), error);
    if (status)
        return status;
    const char *name;
    json_t *value;
    json_object_foreach(map, name, value) {
        const struct shard *shard = find_shard(checkpoint, json_string_value(value));
        const mm_tensor *tensor = mm_safetensors_find(shard->file, name);
        if (!tensor)
            return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                           "%s: tensor \"%.*s\" is not in the file that it names, %.*s", path,
                           shown_length(name), name, shown_length(shard->name), shard->name);
        checkpoint->tensors[checkpoint->count++] = tensor;
    }
    return MM_STATUS_OK;
}

static mm_status join(char **out, const char *directory, const char *name, mm_error *error) {
    *out = mm_path_join(directory, name);
    return *out ? MM_STATUS_OK : mm_fail_memory(error, "a path");
}

static mm_status file_in(bool *found, const char *directory, const char *name, mm_error *error) {
    char *path;
    mm_status status = join(&path, directory, name, error);
    *found = !status && mm_file_exists(path);
    mm_free(path);
    return status;
}

// Says what the directory has instead of safetensors.
static mm_status fail_without_weights(const char *directory, mm_error *error) {
    static const char *const pickles[] = {"pytorch_model.bin", "pytorch_model.bin.index.json"};
    static const char *const others[] = {"tf_model.h5", "flax_model.msgpack", "rust_model.ot",
                                         "model.gguf", "model.onnx"};
    bool found;
    for (size_t i = 0; i < sizeof(pickles) / sizeof(pickles[0]); i++) {
        mm_status status = file_in(&found, directory, pickles[i], error);
        if (status)
            return status;
        if (found)
            return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                           "%s: has only pickle weights, which can run code when they are read; "
                           "convert each once in Python: safetensors.torch.save_file({k: "
                           "v.clone().contiguous() for k, v in torch.load(\"pytorch_model.bin\", "
                           "weights_only=True).items()}, \"model.safetensors\")",
                           directory);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        mm_status status = file_in(&found, directory, others[i], error);
        if (status)
            return status;
        if (found)
            return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                           "%s: has weights only as %s; model.safetensors is needed", directory,
                           others[i]);
    }
    return mm_fail(error, MM_STATUS_MODEL_NOT_FOUND,
                   "%s: has no weights (model.safetensors, or model.safetensors.index.json and "
                   "its shards)",
                   directory);
}

static mm_status open_files(mm_checkpoint *checkpoint, mm_error *error) {
    const char *directory = checkpoint->directory;
    bool found;
    mm_status status = file_in(&found, directory, "model.safetensors", error);
    if (status)
        return status;
    if (found)
        return open_single(checkpoint, error);
    status = file_in(&found, directory, "model.safetensors.index.json", error);
    if (status)
        return status;
    if (!found)
        return fail_without_weights(directory, error);
    char *path;
    status = join(&path, directory, "model.safetensors.index.json", error);
    if (!status)
        status = open_index(checkpoint, path, error);
    mm_free(path);
    return status;
}

mm_status mm_checkpoint_open(mm_checkpoint **out, const char *directory, mm_error *error) {
    *out = NULL;
    if (!mm_directory_exists(directory))
        return mm_fail(error, MM_STATUS_MODEL_NOT_FOUND, "%s: no such directory", directory);
    mm_checkpoint *checkpoint = mm_calloc(1, sizeof(*checkpoint));
    if (!checkpoint)
        return mm_fail_memory(error, "a checkpoint");
    mm_status status = MM_STATUS_OK;
    checkpoint->directory = mm_strdup(directory);
    if (!checkpoint->directory)
        status = mm_fail_memory(error, "a checkpoint");
    if (!status)
        status = open_files(checkpoint, error);
    if (!status) {
        if (checkpoint->count > 0)
            qsort(checkpoint->tensors, checkpoint->count, sizeof(checkpoint->tensors[0]),
                  compare_tensors);
        *out = checkpoint;
        checkpoint = NULL;
    }
    mm_checkpoint_free(checkpoint);
    return status;
}

void mm_checkpoint_rest(const mm_checkpoint *checkpoint) {
    for (size_t i = 0; i < checkpoint->shard_count; i++)
        mm_safetensors_rest(checkpoint->shards[i].file);
}

void mm_checkpoint_free(mm_checkpoint *checkpoint) {
    if (!checkpoint)
        return;
    for (size_t i = 0; i < checkpoint->shard_count; i++)
        mm_safetensors_free(checkpoint->shards[i].file);
    mm_free(checkpoint->shards);
    mm_free(checkpoint->tensors);
    json_decref(checkpoint->index);
    mm_free(checkpoint->directory);
    mm_free(checkpoint);
}

const mm_tensor *mm_checkpoint_find(const mm_checkpoint *checkpoint, const char *name) {
    if (checkpoint->count == 0)
        return NULL;
    mm_tensor wanted = {.name = name};
    const mm_tensor *key = &wanted;
    const mm_tensor **found =
        bsearch(&key, checkpoint->tensors, checkpoint->count, sizeof(key), compare_tensors);
    return found ? *found : NULL;
}

static void print_shape(char out[SHAPE_TEXT], int rank, const int64_t *shape) {
    mm_buffer text;
    mm_buffer_init(&text, SHAPE_TEXT);
    bool ok = mm_buffer_putc(&text, '[');
    for (int i = 0; i < rank && ok; i++)
        ok = mm_buffer_printf(&text, i ? ", %lld" : "%lld", (long long)shape[i]);
    ok = ok && mm_buffer_putc(&text, ']');
    out[0] = '\0';
    if (ok && text.length < SHAPE_TEXT)
        memcpy(out, text.data, text.length + 1);
    mm_buffer_free(&text);
}

static bool is_floating(mm_dtype dtype) {
    return dtype == MM_DTYPE_F32 || dtype == MM_DTYPE_F16 || dtype == MM_DTYPE_BF16 ||
           dtype == MM_DTYPE_F64;
}

mm_status mm_checkpoint_get(const mm_tensor **out, const mm_checkpoint *checkpoint,
                            const char *name, int rank, const int64_t *shape, mm_error *error) {
    *out = NULL;
    const mm_tensor *tensor = mm_checkpoint_find(checkpoint, name);
    char found[SHAPE_TEXT], wanted[SHAPE_TEXT];
    if (!tensor) {
        print_shape(wanted, rank, shape);
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: tensor \"%.*s\" of shape %s is missing",
                       checkpoint->directory, shown_length(name), name, wanted);
    }
    if (tensor->rank != rank ||
        (rank > 0 && memcmp(tensor->shape, shape, (size_t)rank * sizeof(*shape)) != 0)) {
        print_shape(found, tensor->rank, tensor->shape);
        print_shape(wanted, rank, shape);
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: tensor \"%.*s\" has shape %s, but config.json asks for %s",
                       checkpoint->directory, shown_length(name), name, found, wanted);
    }
    if (!is_floating(tensor->dtype))
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: tensor \"%.*s\" has dtype %s; F32, F16, BF16 or F64 is needed",
                       checkpoint->directory, shown_length(name), name,
                       mm_dtype_name(tensor->dtype));
    *out = tensor;
    return MM_STATUS_OK;
}

size_t mm_checkpoint_count(const mm_checkpoint *checkpoint) {
    return checkpoint->count;
}

const mm_tensor *mm_checkpoint_at(const mm_checkpoint *checkpoint, size_t index) {
    return index < checkpoint->count ? checkpoint->tensors[index] : NULL;
}

int64_t mm_checkpoint_parameters(const mm_checkpoint *checkpoint) {
    int64_t sum = 0; // cannot overflow: the files hold them all
    for (size_t i = 0; i < checkpoint->count; i++) {
        if (is_floating(checkpoint->tensors[i]->dtype))
            sum += checkpoint->tensors[i]->elements;
    }
    return sum;
}

size_t mm_checkpoint_bytes(const mm_checkpoint *checkpoint) {
    size_t sum = 0;
    for (size_t i = 0; i < checkpoint->shard_count; i++)
        sum += mm_safetensors_bytes(checkpoint->shards[i].file);
    return sum;
}

void mm_checkpoint_fingerprint(const mm_checkpoint *checkpoint, mm_digest_update update,
                               void *payload) {
    for (size_t i = 0; i < checkpoint->shard_count; i++) {
        const struct shard *shard = &checkpoint->shards[i];
        uint64_t numbers[2] = {mm_safetensors_bytes(shard->file),
                               (uint64_t)mm_safetensors_mtime_ns(shard->file)};
        update(payload, shard->name, strlen(shard->name) + 1);
        update(payload, numbers, sizeof(numbers));
        size_t size;
        const void *header = mm_safetensors_header(shard->file, &size);
        update(payload, header, size);
        for (size_t t = 0; t < mm_safetensors_count(shard->file); t++) {
            const mm_tensor *tensor = mm_safetensors_at(shard->file, t);
            if (tensor->bytes > 0)
                update(payload, tensor->data,
                       tensor->bytes < DIGEST_BYTES ? tensor->bytes : DIGEST_BYTES);
        }
    }
}
