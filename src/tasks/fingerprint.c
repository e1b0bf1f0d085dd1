// SPDX-License-Identifier: Apache-2.0
// What identifies the answers of a model: a SHA-256 over the weights (headers and samples,
// not all bytes: loading must stay fast), every small file that has a say, the dtype and the
// engine's version.
#include "tasks/embedder.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"

#include <string.h>

enum { FILE_MAX = 256 << 20 }; // the largest tokenizer.json there are hold some 30 MB

// For mm_checkpoint_fingerprint.
static void update(void *payload, const void *bytes, size_t length) {
    (void)mm_digest_add(payload, bytes, length); // the end tells
}

// Absent files leave no trace; present ones count by name and content.
static mm_status update_file(mm_digest *sha, const char *directory, const char *name,
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
            mm_digest_add_part(sha, name, strlen(name));
            mm_digest_add_part(sha, text, length);
        }
    }
    mm_free(text);
    mm_free(path);
    return status;
}

static mm_status update_files(mm_digest *sha, const char *directory, const char *const *names,
                              mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (; *names && !status; names++)
        status = update_file(sha, directory, *names, error);
    return status;
}

// Prompts and limits count too: two folders with one fingerprint answer alike in every respect.
static mm_status update_all(mm_digest *sha, const mm_backend *backend, mm_compute_dtype dtype,
                            const mm_checkpoint *checkpoint, const mm_modules *modules,
                            const char *directory, mm_error *error) {
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
    mm_digest_add_part(sha, MM_VERSION_TEXT, strlen(MM_VERSION_TEXT));
    const char *const numbers[] = {mm_backend_device(backend), mm_compute_dtype_name(dtype)};
    for (size_t i = 0; i < 2; i++)
        mm_digest_add_part(sha, numbers[i], strlen(numbers[i]));
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

mm_status mm_fingerprint_make(char out[MM_FINGERPRINT_DIGITS + 1], const mm_backend *backend,
                              mm_compute_dtype dtype, const mm_checkpoint *checkpoint,
                              const mm_modules *modules, const char *directory, mm_error *error) {
    char text[MM_DIGEST_TEXT];
    mm_digest sha = {0};
    mm_status status = mm_digest_begin(&sha, MM_DIGEST_SHA256, error);
    if (!status)
        status = update_all(&sha, backend, dtype, checkpoint, modules, directory, error);
    if (!status && !mm_digest_end_text(&sha, text))
        status = mm_fail(error, MM_STATUS_INTERNAL, "libcrypto refuses to compute a SHA-256");
    if (!status)
        memcpy(out, text, MM_FINGERPRINT_DIGITS + 1);
    mm_digest_free(&sha);
    return status;
}
