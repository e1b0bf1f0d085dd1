// SPDX-License-Identifier: Apache-2.0
// What identifies the answers of a model: a SHA-256 over the weights (headers and samples,
// not all bytes: loading must stay fast), every small file that has a say, the dtype and the
// engine's version.
#include "tasks/embedder.h"

#include "base/file.h"
#include "base/memory.h"

#include <openssl/evp.h>
#include <string.h>

enum { FILE_MAX = 256 << 20 }; // the largest tokenizer.json there are hold some 30 MB

typedef struct digest {
    EVP_MD_CTX *context;
    bool failed;
} digest;

static void update(void *payload, const void *bytes, size_t length) {
    digest *sha = payload;
    if (!sha->failed && EVP_DigestUpdate(sha->context, bytes, length) != 1)
        sha->failed = true;
}

// With the length in front, so that no two lists of parts give the same bytes.
static void update_part(digest *sha, const void *bytes, size_t length) {
    const uint64_t prefix = length;
    update(sha, &prefix, sizeof prefix);
    update(sha, bytes, length);
}

// Absent files leave no trace; present ones count by name and content.
static mm_status update_file(digest *sha, const char *directory, const char *name,
                             mm_error *error) {
    char *text = NULL;
    size_t length = 0;
    mm_status status = MM_STATUS_OK;
    char *path = mm_path_join(directory, name);
    if (!path)
        return mm_fail_memory(error, "a path");
    if (mm_file_exists(path)) {
        status = mm_file_read(&text, &length, path, FILE_MAX, error);
        if (!status) {
            update_part(sha, name, strlen(name));
            update_part(sha, text, length);
        }
    }
    mm_free(text);
    mm_free(path);
    return status;
}

static mm_status update_files(digest *sha, const char *directory, const char *const *names,
                              mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (; *names && !status; names++)
        status = update_file(sha, directory, *names, error);
    return status;
}

// Prompts and limits count too: two folders with one fingerprint answer alike in every respect.
static mm_status update_all(digest *sha, mm_compute_dtype dtype, const mm_checkpoint *checkpoint,
                            const mm_modules *modules, const char *directory, mm_error *error) {
    static const char *const root_files[] = {"modules.json", "config_sentence_transformers.json",
                                             NULL};
    static const char *const module_files[] = {"config.json",
                                               "generation_config.json",
                                               "sentence_bert_config.json",
                                               "sentence_roberta_config.json",
                                               "sentence_distilbert_config.json",
                                               "sentence_camembert_config.json",
                                               "sentence_albert_config.json",
                                               "sentence_xlm-roberta_config.json",
                                               "sentence_xlnet_config.json",
                                               "tokenizer.json",
                                               "tokenizer_config.json",
                                               "special_tokens_map.json",
                                               "added_tokens.json",
                                               "vocab.txt",
                                               "vocab.json",
                                               "merges.txt",
                                               "spiece.model",
                                               "tokenizer.model",
                                               "sentencepiece.bpe.model",
                                               "sentencepiece.model",
                                               "spm.model",
                                               "source.spm",
                                               "target.spm",
                                               NULL};
    update_part(sha, MM_VERSION_TEXT, strlen(MM_VERSION_TEXT));
    const char *name = mm_compute_dtype_name(dtype);
    update_part(sha, name, strlen(name));
    mm_checkpoint_fingerprint(checkpoint, update, sha);
    if (!modules)
        return update_files(sha, directory, module_files, error);
    mm_status status = update_files(sha, directory, root_files, error);
    for (size_t i = 0; i < modules->count && !status; i++) {
        const mm_module *module = &modules->items[i];
        if (module->checkpoint)
            mm_checkpoint_fingerprint(module->checkpoint, update, sha);
        if (module->directory)
            status = update_files(sha, module->directory, module_files, error);
    }
    return status;
}

mm_status mm_fingerprint_make(char out[MM_FINGERPRINT_DIGITS + 1], mm_compute_dtype dtype,
                              const mm_checkpoint *checkpoint, const mm_modules *modules,
                              const char *directory, mm_error *error) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    mm_status status;
    digest sha = {.context = EVP_MD_CTX_new()};
    if (!sha.context || EVP_DigestInit_ex(sha.context, EVP_sha256(), NULL) != 1) {
        status = mm_fail_memory(error, "a SHA-256 context");
        goto done;
    }
    status = update_all(&sha, dtype, checkpoint, modules, directory, error);
    if (status)
        goto done;
    if (sha.failed || EVP_DigestFinal_ex(sha.context, bytes, &length) != 1 ||
        2 * length != MM_FINGERPRINT_DIGITS) {
        status = mm_fail(error, MM_STATUS_INTERNAL, "libcrypto refuses to compute a SHA-256");
        goto done;
    }
    for (unsigned int i = 0; i < length; i++) {
        out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    out[MM_FINGERPRINT_DIGITS] = '\0';
done:
    EVP_MD_CTX_free(sha.context);
    return status;
}
