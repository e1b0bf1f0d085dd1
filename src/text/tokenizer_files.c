// SPDX-License-Identifier: Apache-2.0
// Opens a tokenizer from a directory or a file, and adds what the files beside it say.
#include "text/tokenizer_files.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 512 << 20, MAX_CONFIG_BYTES = 64 << 20 };

static void free_settings(mm_tokenizer_settings *settings) {
    json_decref(settings->config);
    json_decref(settings->special_map);
    json_decref(settings->added);
}

static mm_status read_optional(json_t **out, const char *directory, const char *name,
                               mm_error *error) {
    char *path = mm_path_join(directory, name);
    if (!path)
        return mm_fail_memory(error, name);
    mm_status status = MM_STATUS_OK;
    if (mm_file_exists(path))
        status = mm_json_read_object(out, path, MAX_CONFIG_BYTES, error);
    mm_free(path);
    return status;
}

static mm_status read_settings(mm_tokenizer_settings *settings, const char *directory,
                               mm_error *error) {
    *settings = (mm_tokenizer_settings){0};
    mm_status status = read_optional(&settings->config, directory, "tokenizer_config.json", error);
    if (!status)
        status = read_optional(&settings->special_map, directory, "special_tokens_map.json", error);
    if (!status)
        status = read_optional(&settings->added, directory, "added_tokens.json", error);
    return status;
}

const json_t *mm_tokenizer_special(const mm_tokenizer_settings *settings, const char *name) {
    const json_t *value = NULL;
    // The older file counts only where the newer form is not used.
    if (!json_object_get(settings->config, "added_tokens_decoder"))
        value = json_object_get(settings->special_map, name);
    if (!value)
        value = json_object_get(settings->config, name);
    return json_is_null(value) ? NULL : value;
}

const char *mm_tokenizer_special_text(const mm_tokenizer_settings *settings, const char *name,
                                      const char *fallback) {
    const json_t *value = mm_tokenizer_special(settings, name);
    if (json_is_object(value))
        value = json_object_get(value, "content");
    return json_is_string(value) ? json_string_value(value) : fallback;
}

mm_status mm_tokenizer_add(mm_tokenizer *tokenizer, const json_t *value, bool special,
                           mm_error *error) {
    mm_added_token token = {0};
    if (json_is_string(value)) {
        token.length = json_string_length(value);
        token.content = json_string_value(value);
        token.normalized = !special;
    } else {
        mm_status status = mm_tokenizer_read_added(&token, value, "tokenizer_config.json", error);
        if (status)
            return status;
        if (special && !json_object_get(value, "normalized"))
            token.normalized = false;
    }
    token.special |= special;
    if (!token.content || mm_added_tokens_has(&tokenizer->added, token.content, token.length))
        return MM_STATUS_OK;
    return mm_added_tokens_add(&tokenizer->added, &token, &tokenizer->model.vocabulary, error);
}

typedef struct numbered {
    long long id;
    const char *name;
    const json_t *value;
} numbered;

static int compare_numbered(const void *left, const void *right) {
    const numbered *a = left, *b = right;
    return a->id < b->id ? -1 : a->id > b->id;
}

static bool names(const json_t *value, const char *content) {
    if (json_is_object(value))
        value = json_object_get(value, "content");
    return json_is_string(value) && strcmp(json_string_value(value), content) == 0;
}

static bool is_special_name(const mm_tokenizer_settings *settings, const char *content) {
    for (size_t i = 0; i < MM_SPECIAL_NAMES; i++)
        if (names(mm_tokenizer_special(settings, mm_special_names[i]), content))
            return true;
    const json_t *more = mm_tokenizer_special(settings, "additional_special_tokens");
    for (size_t i = 0; i < json_array_size(more); i++)
        if (names(json_array_get(more, i), content))
            return true;
    return false;
}

// The members of {"id": token} (added_tokens_decoder) or {"token": id} (added_tokens.json) in the
// order of their ids.
static mm_status add_numbered(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                              const json_t *object, bool by_id, mm_error *error) {
    size_t count = json_object_size(object), at = 0;
    if (count == 0)
        return MM_STATUS_OK;
    numbered *items = mm_calloc(count, sizeof(*items));
    if (!items)
        return mm_fail_memory(error, "added tokens");
    const char *key;
    json_t *value, *unlocked = NULL;
    memcpy(&unlocked, &object, sizeof(object)); // json_object_foreach wants it non-const
    json_object_foreach(unlocked, key, value) {
        long long id = by_id ? strtoll(key, NULL, 10) : (long long)json_integer_value(value);
        items[at++] = (numbered){id, key, value};
    }
    qsort(items, count, sizeof(*items), compare_numbered);
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < count && !status; i++) {
        if (by_id) {
            status = mm_tokenizer_add(tokenizer, items[i].value, false, error);
            continue;
        }
        json_t *name = json_string(items[i].name);
        status = name ? mm_tokenizer_add(tokenizer, name, is_special_name(settings, items[i].name),
                                         error)
                      : mm_fail_memory(error, "added tokens");
        json_decref(name);
    }
    mm_free(items);
    return status;
}

const char *const mm_special_names[MM_SPECIAL_NAMES] = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

mm_status mm_tokenizer_add_configured(mm_tokenizer *tokenizer,
                                      const mm_tokenizer_settings *settings, mm_error *error) {
    const json_t *decoder = json_object_get(settings->config, "added_tokens_decoder");
    mm_status status = decoder ? add_numbered(tokenizer, settings, decoder, true, error)
                               : add_numbered(tokenizer, settings, settings->added, false, error);
    for (size_t i = 0; i < MM_SPECIAL_NAMES && !status; i++) {
        const json_t *value = mm_tokenizer_special(settings, mm_special_names[i]);
        if (value)
            status = mm_tokenizer_add(tokenizer, value, true, error);
    }
    const json_t *more = mm_tokenizer_special(settings, "additional_special_tokens");
    for (size_t i = 0; i < json_array_size(more) && !status; i++)
        status = mm_tokenizer_add(tokenizer, json_array_get(more, i), true, error);
    return status;
}

mm_status mm_tokenizer_add_defaults(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                                    const mm_special_default *rows, size_t count, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < count && !status; i++) {
        if (!rows[i].content || mm_tokenizer_special(settings, rows[i].name) ||
            mm_added_tokens_has(&tokenizer->added, rows[i].content, strlen(rows[i].content)))
            continue;
        mm_added_token token = {.content = rows[i].content,
                                .length = strlen(rows[i].content),
                                .lstrip = rows[i].lstrip,
                                .special = true};
        status =
            mm_added_tokens_add(&tokenizer->added, &token, &tokenizer->model.vocabulary, error);
    }
    return status;
}

static mm_status read_max_length(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                                 mm_error *error) {
    double length;
    mm_status status = mm_json_get_number(&length, settings->config, "model_max_length", 0, 0,
                                          1e300, "tokenizer_config.json", error);
    // The libraries write 1e30 for "none".
    if (!status)
        tokenizer->model_max_length = length < 1e15 ? (size_t)length : 0;
    return status;
}

// The reference library spares BPE, whose blanks are the text's own, unless told in many words.
static mm_status read_clean_up(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                               mm_error *error) {
    static const char name[] = "clean_up_tokenization_spaces";
    static const char also_bpe[] =
        "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output";
    bool wanted, forced;
    mm_status status =
        mm_json_get_bool(&wanted, settings->config, name, false, "tokenizer_config.json", error);
    if (!status)
        status = mm_json_get_bool(&forced, settings->config, also_bpe, false,
                                  "tokenizer_config.json", error);
    if (!status)
        tokenizer->cleans_up =
            wanted && (forced || strcmp(mm_tokenizer_kind(tokenizer), "BPE") != 0);
    return status;
}

static mm_status open_json(mm_tokenizer *tokenizer, const char *path, mm_error *error) {
    char *json;
    size_t length;
    mm_status status = mm_file_read(&json, &length, path, MAX_FILE_BYTES, error);
    if (status)
        return status;
    status = mm_tokenizer_read_json(tokenizer, json, length, path, error);
    mm_free(json);
    return status;
}

static mm_status open_vocabulary(mm_tokenizer *tokenizer, const char *path,
                                 const mm_tokenizer_settings *settings, mm_error *error) {
    char *text;
    size_t length;
    mm_status status = mm_file_read(&text, &length, path, MAX_FILE_BYTES, error);
    if (status)
        return status;
    status = mm_tokenizer_read_vocabulary(tokenizer, text, length, settings, path, error);
    mm_free(text);
    return status;
}

// Reads what files->..._path name, and model_type of config.json beside them.
static mm_status read_merge_files(mm_merge_files *files, char *texts[2], json_t **config,
                                  const char *directory, mm_error *error) {
    size_t lengths[2];
    mm_status status =
        mm_file_read(&texts[0], &lengths[0], files->vocabulary_path, MAX_FILE_BYTES, error);
    if (!status)
        status = mm_file_read(&texts[1], &lengths[1], files->merges_path, MAX_FILE_BYTES, error);
    if (!status)
        status = read_optional(config, directory, "config.json", error);
    if (status)
        return status;
    files->vocabulary = (mm_json_part){texts[0], lengths[0]};
    files->merges = (mm_json_part){texts[1], lengths[1]};
    files->model_type = json_string_value(json_object_get(*config, "model_type"));
    return MM_STATUS_OK;
}

static char *directory_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? mm_strndup(path, (size_t)(slash - path) + 1) : mm_strdup(".");
}

static mm_status open_merges(mm_tokenizer *tokenizer, const char *path,
                             const mm_tokenizer_settings *settings, mm_error *error) {
    char *directory = directory_of(path), *texts[2] = {NULL, NULL};
    char *merges_path = directory ? mm_path_join(directory, "merges.txt") : NULL;
    mm_merge_files files = {.vocabulary_path = path, .merges_path = merges_path};
    json_t *config = NULL;
    mm_status status = merges_path ? read_merge_files(&files, texts, &config, directory, error)
                                   : mm_fail_memory(error, path);
    if (!status)
        status = mm_tokenizer_read_merges(tokenizer, &files, settings, error);
    json_decref(config);
    mm_free(texts[0]);
    mm_free(texts[1]);
    mm_free(merges_path);
    mm_free(directory);
    return status;
}

static mm_status open_sentencepiece(mm_tokenizer *tokenizer, const char *path,
                                    const mm_tokenizer_settings *settings, mm_error *error) {
    char *directory = directory_of(path), *bytes = NULL;
    size_t length = 0;
    json_t *config = NULL;
    mm_status status = directory ? mm_file_read(&bytes, &length, path, MAX_FILE_BYTES, error)
                                 : mm_fail_memory(error, path);
    if (!status)
        status = read_optional(&config, directory, "config.json", error);
    if (!status)
        status = mm_tokenizer_read_sentencepiece(
            tokenizer, bytes, length, settings,
            json_string_value(json_object_get(config, "model_type")), path, error);
    json_decref(config);
    mm_free(bytes);
    mm_free(directory);
    return status;
}

// What a repository without tokenizer.json may have, in order of preference.
static const struct {
    const char *name;
    mm_status (*open)(mm_tokenizer *tokenizer, const char *path,
                      const mm_tokenizer_settings *settings, mm_error *error);
} older_files[] = {{"vocab.txt", open_vocabulary},
                   {"vocab.json", open_merges},
                   {"spiece.model", open_sentencepiece},
                   {"tokenizer.model", open_sentencepiece},
                   {"sentencepiece.bpe.model", open_sentencepiece},
                   {"spm.model", open_sentencepiece}};

static mm_status open_older(mm_tokenizer *tokenizer, const char *directory,
                            const mm_tokenizer_settings *settings, mm_error *error) {
    for (size_t i = 0; i < sizeof(older_files) / sizeof(older_files[0]); i++) {
        char *path = mm_path_join(directory, older_files[i].name);
        if (!path)
            return mm_fail_memory(error, directory);
        mm_status status = MM_STATUS_OK;
        bool there = mm_file_exists(path);
        if (there)
            status = older_files[i].open(tokenizer, path, settings, error);
        mm_free(path);
        if (there)
            return status;
    }
    return mm_fail(error, MM_STATUS_MODEL_NOT_FOUND,
                   "%s: no tokenizer.json, nor vocab.txt, vocab.json or a SentencePiece file to "
                   "make a tokenizer of",
                   directory);
}

static mm_status open_directory(mm_tokenizer *tokenizer, const char *directory, mm_error *error) {
    mm_tokenizer_settings settings;
    mm_status status = read_settings(&settings, directory, error);
    char *path = NULL;
    if (!status) {
        path = mm_path_join(directory, "tokenizer.json");
        status = path ? MM_STATUS_OK : mm_fail_memory(error, directory);
    }
    if (!status)
        status = read_max_length(tokenizer, &settings, error);
    if (!status && mm_file_exists(path)) {
        status = open_json(tokenizer, path, error);
        if (!status)
            status = mm_tokenizer_add_configured(tokenizer, &settings, error);
    } else if (!status) {
        status = open_older(tokenizer, directory, &settings, error);
    }
    if (!status)
        status = read_clean_up(tokenizer, &settings, error);
    mm_free(path);
    free_settings(&settings);
    return status;
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static mm_status open_file(mm_tokenizer *tokenizer, const char *path, mm_error *error) {
    const char *slash = strrchr(path, '/');
    bool merges = strcmp(slash ? slash + 1 : path, "vocab.json") == 0;
    if (ends_with(path, ".json") && !merges)
        return open_json(tokenizer, path, error);
    if (!mm_file_exists(path))
        return mm_fail(error, MM_STATUS_MODEL_NOT_FOUND, "%s: no such file or directory", path);
    bool pieces = ends_with(path, ".model");
    if (!merges && !pieces && (!ends_with(path, ".txt") || ends_with(path, "merges.txt")))
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: not a tokenizer file that is supported (tokenizer.json, vocab.txt, "
                       "vocab.json, *.model)",
                       path);
    // What stands beside the vocabulary says whether it is cased, and so on.
    char *directory = directory_of(path);
    if (!directory)
        return mm_fail_memory(error, path);
    mm_tokenizer_settings settings;
    mm_status status = read_settings(&settings, directory, error);
    if (!status)
        status = read_max_length(tokenizer, &settings, error);
    if (!status)
        status = (merges   ? open_merges
                  : pieces ? open_sentencepiece
                           : open_vocabulary)(tokenizer, path, &settings, error);
    mm_free(directory);
    free_settings(&settings);
    return status;
}

mm_status mm_tokenizer_open(mm_tokenizer **out, const char *path, mm_error *error) {
    *out = NULL;
    mm_tokenizer *tokenizer;
    mm_status status = mm_tokenizer_make(&tokenizer, error);
    if (status)
        return status;
    status = mm_directory_exists(path) ? open_directory(tokenizer, path, error)
                                       : open_file(tokenizer, path, error);
    if (!status)
        status = mm_tokenizer_finish(tokenizer, error);
    if (status)
        mm_tokenizer_free(tokenizer);
    else
        *out = tokenizer;
    return status;
}
