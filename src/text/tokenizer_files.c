// SPDX-License-Identifier: Apache-2.0
// Opens a tokenizer from a directory or a file.
#include "text/tokenizer_parts.h"

#include "base/file.h"
#include "base/memory.h"

enum { MAX_FILE_BYTES = 512 << 20 };

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

mm_status mm_tokenizer_open(mm_tokenizer **out, const char *path, mm_error *error) {
    *out = NULL;
    mm_tokenizer *tokenizer;
    mm_status status = mm_tokenizer_make(&tokenizer, error);
    if (status)
        return status;
    char *joined =
        mm_directory_exists(path) ? mm_path_join(path, "tokenizer.json") : mm_strdup(path);
    status = joined ? open_json(tokenizer, joined, error) : mm_fail_memory(error, path);
    mm_free(joined);
    if (!status)
        status = mm_added_tokens_prepare(&tokenizer->added, &tokenizer->normalizers, error);
    if (status)
        mm_tokenizer_free(tokenizer);
    else
        *out = tokenizer;
    return status;
}
