// SPDX-License-Identifier: Apache-2.0
// Opens a tokenizer from a directory or a file, and adds what the files beside it say.
#include "text/tokenizer_files.h"

#include "base/file.h"
#include "base/memory.h"

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

static char *directory_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? mm_strndup(path, (size_t)(slash - path) + 1) : mm_strdup(".");
}

// vocab.json and what stands beside it: merges.txt, or a SentencePiece file.
typedef struct file_pair {
    char *directory, *paths[2], *texts[2];
    size_t lengths[2];
    json_t *config; // config.json
} file_pair;

static void free_pair(file_pair *pair) {
    for (int i = 0; i < 2; i++) {
        mm_free(pair->paths[i]);
        mm_free(pair->texts[i]);
    }
    mm_free(pair->directory);
    json_decref(pair->config);
}

static mm_status read_pair(file_pair *pair, const char *path, const char *beside, mm_error *error) {
    *pair = (file_pair){.directory = directory_of(path)};
    if (pair->directory) {
        pair->paths[0] = mm_strdup(path);
        pair->paths[1] = mm_path_join(pair->directory, beside);
    }
    mm_status status =
        pair->paths[0] && pair->paths[1] ? MM_STATUS_OK : mm_fail_memory(error, path);
    for (int i = 0; i < 2 && !status; i++)
        status =
            mm_file_read(&pair->texts[i], &pair->lengths[i], pair->paths[i], MAX_FILE_BYTES, error);
    return status ? status : read_optional(&pair->config, pair->directory, "config.json", error);
}

// The first of the names whose file stands beside `path`; the first one when none does.
static mm_status find_beside(const char **found, const char *path, const char *const *names,
                             size_t count, mm_error *error) {
    char *directory = directory_of(path);
    mm_status status = directory ? MM_STATUS_OK : mm_fail_memory(error, path);
    *found = NULL;
    for (size_t i = 0; i < count && !*found && !status; i++) {
        char *beside = mm_path_join(directory, names[i]);
        if (!beside)
            status = mm_fail_memory(error, path);
        else if (mm_file_exists(beside))
            *found = names[i];
        mm_free(beside);
    }
    if (!*found)
        *found = names[0];
    mm_free(directory);
    return status;
}

// vocab.json: of BPE with its merges, or of the classes that call the SentencePiece library.
static mm_status open_numbers(mm_tokenizer *tokenizer, const char *path,
                              const mm_tokenizer_settings *settings, mm_error *error) {
    static const char *const names[] = {"merges.txt", "source.spm", "sentencepiece.bpe.model"};
    const char *beside;
    file_pair pair = {0};
    mm_status status = find_beside(&beside, path, names, 3, error);
    if (!status)
        status = read_pair(&pair, path, beside, error);
    mm_json_part parts[2] = {{pair.texts[0], pair.lengths[0]}, {pair.texts[1], pair.lengths[1]}};
    const char *model_type = json_string_value(json_object_get(pair.config, "model_type"));
    if (!status && beside == names[0]) {
        const mm_merge_files files = {parts[0], parts[1], pair.paths[0], pair.paths[1], model_type};
        status = mm_tokenizer_read_merges(tokenizer, &files, settings, error);
    } else if (!status) {
        const mm_numbered_files files = {parts[0], parts[1], pair.paths[0], pair.paths[1],
                                         model_type};
        status = mm_tokenizer_read_numbered(tokenizer, &files, settings, error);
    }
    free_pair(&pair);
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
                   {"vocab.json", open_numbers},
                   {"spiece.model", open_sentencepiece},
                   {"tokenizer.model", open_sentencepiece},
                   {"sentencepiece.bpe.model", open_sentencepiece},
                   {"sentencepiece.model", open_sentencepiece},
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
        status = (merges   ? open_numbers
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
