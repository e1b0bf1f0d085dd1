// SPDX-License-Identifier: Apache-2.0
// Everything here comes from outside: paths become paths on the disk, hashes become file names.
#include "hub/hub_tree.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 200000, MAX_FILE_PATH = 1024, MAX_PART = 255, MAX_LIST = 64 << 20 };

// What is read of a folder besides its weights. Those of the root that are not in the repository
// are noted as such in the cache.
static const char *const folder_files[] = {
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "target_vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "sentencepiece.model",
    "spm.model",
    "source.spm",
    "target.spm",
    "tokenizer.model",
    "chat_template.jinja",
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
};
enum { FOLDER_FILES = sizeof(folder_files) / sizeof(folder_files[0]) };

const char *mm_hub_root_file(size_t index) {
    return index < FOLDER_FILES ? folder_files[index] : NULL;
}

void mm_hub_tree_free(mm_hub_tree *tree) {
    for (size_t i = 0; i < tree->count; i++)
        mm_free(tree->files[i].path);
    mm_free(tree->files);
    *tree = (mm_hub_tree){0};
}

// ---- Reading the list --------------------------------------------------------------------------

bool mm_hub_path_safe(const char *path) {
    if (!*path || strlen(path) > MAX_FILE_PATH || strpbrk(path, "\\:"))
        return false;
    for (const char *part = path;;) {
        size_t length = strcspn(part, "/");
        bool dots = (length == 1 && part[0] == '.') || (length == 2 && memcmp(part, "..", 2) == 0);
        if (length == 0 || length > MAX_PART || dots)
            return false;
        for (size_t i = 0; i < length; i++) {
            if ((unsigned char)part[i] < ' ' || part[i] == 0x7F)
                return false;
        }
        if (!part[length])
            return true;
        part += length + 1;
    }
}

static bool is_hash(const char *text, size_t length) {
    return text && strspn(text, "0123456789abcdef") == length && !text[length];
}

static mm_status refuse(mm_error *error, const char *what) {
    return mm_fail(error, MM_STATUS_DOWNLOAD_FAILED,
                   "the Hub's list of files holds %s; nothing was downloaded", what);
}

static mm_hub_file *add_file(mm_hub_tree *tree) {
    if (tree->count == tree->capacity) {
        size_t capacity = tree->capacity ? tree->capacity * 2 : 64;
        mm_hub_file *files = mm_array_realloc(tree->files, capacity, sizeof(*files));
        if (!files)
            return NULL;
        tree->files = files;
        tree->capacity = capacity;
    }
    tree->files[tree->count] = (mm_hub_file){0};
    return &tree->files[tree->count++];
}

static mm_status add_entry(mm_hub_tree *tree, const json_t *entry, mm_error *error) {
    const char *type = json_string_value(json_object_get(entry, "type"));
    const json_t *path = json_object_get(entry, "path");
    const json_t *lfs = json_object_get(entry, "lfs");
    const char *name = json_string_value(path);
    if (!type || !name)
        return refuse(error, "an entry without type or path");
    if (strlen(name) != json_string_length(path) || !mm_hub_path_safe(name))
        return refuse(error, "a path that would leave the model's folder, or is none");
    if (strcmp(type, "file") != 0)
        return MM_STATUS_OK;
    if (tree->count == MAX_FILES)
        return refuse(error, "more files than anybody needs");
    bool is_lfs = json_is_object(lfs);
    const char *etag = json_string_value(json_object_get(is_lfs ? lfs : entry, "oid"));
    const json_t *size = json_object_get(is_lfs ? lfs : entry, "size");
    if (!is_hash(etag, is_lfs ? 64 : 40) || !json_is_integer(size) || json_integer_value(size) < 0)
        return refuse(error, "a file without a proper hash and size");
    char *copy = mm_strdup(name);
    mm_hub_file *file = copy ? add_file(tree) : NULL; // never one without a path
    if (!file) {
        mm_free(copy);
        return mm_fail_memory(error, "the list of files");
    }
    file->path = copy;
    memcpy(file->etag, etag, strlen(etag) + 1);
    file->is_lfs = is_lfs;
    file->size = (uint64_t)json_integer_value(size);
    return MM_STATUS_OK;
}

mm_status mm_hub_tree_add(mm_hub_tree *tree, const json_t *page, mm_error *error) {
    if (!json_is_array(page))
        return refuse(error, "no list");
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < json_array_size(page) && !status; i++)
        status = add_entry(tree, json_array_get(page, i), error);
    return status;
}

static int compare_paths(const void *left, const void *right) {
    const mm_hub_file *a = left, *b = right;
    return strcmp(a->path, b->path);
}

void mm_hub_tree_sort(mm_hub_tree *tree) {
    if (tree->count > 0)
        qsort(tree->files, tree->count, sizeof(tree->files[0]), compare_paths);
}

static int compare_key(const void *key, const void *item) {
    const mm_hub_file *file = item;
    return strcmp(key, file->path);
}

mm_hub_file *mm_hub_tree_find(const mm_hub_tree *tree, const char *path) {
    return tree->count
               ? bsearch(path, tree->files, tree->count, sizeof(tree->files[0]), compare_key)
               : NULL;
}

// ---- Choosing ----------------------------------------------------------------------------------

// folder "" is the root. *out stays NULL when the file is not there.
static mm_status find_in(mm_hub_file **out, const mm_hub_tree *tree, const char *folder,
                         const char *name, mm_error *error) {
    mm_buffer path;
    mm_buffer_init(&path, 2 * MAX_FILE_PATH);
    *out = NULL;
    bool ok = mm_buffer_printf(&path, "%s%s%s", folder, *folder ? "/" : "", name);
    if (ok)
        *out = mm_hub_tree_find(tree, path.data);
    mm_buffer_free(&path);
    return ok ? MM_STATUS_OK : mm_fail_memory(error, "a path");
}

static mm_status want(bool *found, mm_hub_tree *tree, const char *folder, const char *name,
                      mm_error *error) {
    mm_hub_file *file;
    mm_status status = find_in(&file, tree, folder, name, error);
    if (file)
        file->is_wanted = true;
    *found = file != NULL;
    return status;
}

static mm_status choose_weights(mm_hub_tree *tree, const char *folder, const char *name,
                                mm_error *error) {
    static const char *const pickles[] = {"pytorch_model.bin", "pytorch_model.bin.index.json"};
    if (tree->without_weights)
        return MM_STATUS_OK;
    mm_hub_file *single, *index = NULL, *pickle = NULL;
    mm_status status = find_in(&single, tree, folder, "model.safetensors", error);
    if (!status && !single)
        status = find_in(&index, tree, folder, "model.safetensors.index.json", error);
    mm_hub_file *found = single ? single : index;
    for (size_t i = 0; i < 2 && !status && !found && !pickle; i++)
        status = find_in(&pickle, tree, folder, pickles[i], error);
    if (status)
        return status;
    if (pickle)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%.100s has its weights only as pickle (%.100s), which can run code when "
                       "it is read: ask its authors for model.safetensors, or look for a pull "
                       "request that adds it and give revision \"refs/pr/N\"",
                       name, pickle->path);
    if (found) {
        found->is_wanted = found->is_weights = true;
        found->is_index = found == index;
    }
    return MM_STATUS_OK;
}

mm_status mm_hub_choose_folder(mm_hub_tree *tree, const char *folder, const char *name,
                               mm_error *error) {
    bool found;
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < FOLDER_FILES && !status; i++)
        status = want(&found, tree, folder, folder_files[i], error);
    return status ? status : choose_weights(tree, folder, name, error);
}

mm_status mm_hub_choose_modules(mm_hub_tree *tree, const char *modules_path, const char *name,
                                mm_error *error) {
    json_t *list;
    char *text;
    size_t length;
    mm_status status = mm_file_read(&text, &length, modules_path, MAX_LIST, error);
    if (status)
        return status;
    status = mm_json_parse(&list, text, length, "modules.json", MM_STATUS_MODEL_CORRUPT, error);
    mm_free(text);
    if (status)
        return status;
    for (size_t i = 0; i < json_array_size(list) && !status; i++) {
        const json_t *path = json_object_get(json_array_get(list, i), "path");
        const char *folder = json_string_value(path);
        if (!folder || !*folder)
            continue; // the root; what is no path is refused when the model is opened
        if (strlen(folder) != json_string_length(path) || !mm_hub_path_safe(folder))
            status =
                mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                        "modules.json of %.100s names a path that is no folder of the model", name);
        else
            status = mm_hub_choose_folder(tree, folder, name, error);
    }
    json_decref(list);
    return status;
}

mm_status mm_hub_choose_shards(mm_hub_tree *tree, const mm_hub_file *index, const char *index_path,
                               mm_error *error) {
    json_t *object;
    mm_status status = mm_json_read_object(&object, index_path, MAX_LIST, error);
    if (status)
        return status;
    char folder[MAX_FILE_PATH + 1];
    const char *slash = strrchr(index->path, '/');
    size_t length = slash ? (size_t)(slash - index->path) : 0;
    memcpy(folder, index->path, length);
    folder[length] = '\0';
    const char *tensor;
    json_t *value;
    json_object_foreach(json_object_get(object, "weight_map"), tensor, value) {
        const char *shard = json_string_value(value);
        bool good = shard && strlen(shard) == json_string_length(value) && !strchr(shard, '/') &&
                    mm_hub_path_safe(shard);
        mm_hub_file *file = NULL;
        if (good)
            status = find_in(&file, tree, folder, shard, error);
        if (status)
            break;
        if (!file || strlen(shard) < 12 ||
            strcmp(shard + strlen(shard) - 12, ".safetensors") != 0) {
            status = mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                             "%.200s names a file that is no safetensors file beside it: %.100s",
                             index->path, good ? shard : "(not a file name)");
            break;
        }
        file->is_wanted = file->is_weights = true;
    }
    json_decref(object);
    return status;
}

mm_status mm_hub_choose_check(const mm_hub_tree *tree, const char *name, mm_error *error) {
    static const char *const others[] = {".gguf", ".onnx", ".h5", ".msgpack", ".bin", ".pt", ".ot"};
    bool configured = false, weighted = false, any = false;
    const char *other = NULL;
    for (size_t i = 0; i < tree->count; i++) {
        const mm_hub_file *file = &tree->files[i];
        configured |=
            file->is_wanted && !strchr(file->path, '/') &&
            (strcmp(file->path, "config.json") == 0 || strcmp(file->path, "modules.json") == 0);
        weighted |= file->is_wanted && file->is_weights;
        any |= file->is_wanted;
        const char *dot = strrchr(file->path, '.');
        for (size_t k = 0; dot && !other && k < sizeof(others) / sizeof(others[0]); k++)
            other = strcmp(dot, others[k]) == 0 ? file->path : NULL;
    }
    if ((configured && weighted) || (tree->without_weights && any))
        return MM_STATUS_OK;
    return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                   "%.100s has no %s%s%.100s: only repositories in the form of transformers or "
                   "sentence-transformers with safetensors weights can be run",
                   name, configured ? "model.safetensors" : "config.json", other ? ", but " : "",
                   other ? other : "");
}
