// SPDX-License-Identifier: Apache-2.0
// The request's own words count, not what they come to: a prompt by its name and the same prompt
// written out have different keys, which costs a computation and no answer.
//
// What is hashed is the fingerprint, a bit for each option that is set, their values, and the text
// or ids; so the usual request, without options, takes one short hash for a text.
#include "manager/cache_keys.h"

#include "tasks/embedding.h"

#include <string.h>

enum { OPTIONS = 7, VALUE_BYTES = sizeof(int64_t) + sizeof(double) + 1 };

static const mm_parameter_index options[OPTIONS] = {
    MM_PARAM_TRUNCATE,  MM_PARAM_PROMPT,     MM_PARAM_PROMPT_NAME, MM_PARAM_INPUT_ROLE,
    MM_PARAM_NORMALIZE, MM_PARAM_DIMENSIONS, MM_PARAM_MAX_LENGTH,
};
_Static_assert(MM_FINGERPRINT_DIGITS + 1 + OPTIONS * VALUE_BYTES + MM_SHA256_BYTES <=
                   sizeof(((mm_cache_keys *)0)->scope),
               "a scope has room for all options");

static void put(mm_cache_keys *keys, const void *bytes, size_t size) {
    memcpy(keys->scope + keys->scope_size, bytes, size);
    keys->scope_size += size;
}

// Those that are texts, of any length, together.
static mm_status put_texts(mm_cache_keys *keys, const mm_request *request, mm_error *error) {
    uint8_t sum[MM_DIGEST_BYTES];
    mm_status status = mm_digest_begin(&keys->sha, MM_DIGEST_SHA256, error);
    if (status)
        return status;
    for (size_t i = 0; i < OPTIONS; i++) {
        const mm_value *value = &request->values[options[i]];
        if (value->set && value->text)
            mm_digest_add_part(&keys->sha, value->text, strlen(value->text));
    }
    if (mm_digest_end(&keys->sha, sum) != MM_SHA256_BYTES)
        return mm_fail(error, MM_STATUS_INTERNAL, "libcrypto refuses to compute a SHA-256");
    put(keys, sum, MM_SHA256_BYTES);
    return MM_STATUS_OK;
}

mm_status mm_cache_keys_start(mm_cache_keys *out, const char *fingerprint,
                              const mm_request *request, mm_error *error) {
    uint8_t flags = request->list_count > 0;
    bool has_texts = false;
    out->sha = (mm_digest){0};
    out->scope_size = 0;
    put(out, fingerprint, strnlen(fingerprint, MM_FINGERPRINT_DIGITS));
    for (size_t i = 0; i < OPTIONS; i++)
        flags = (uint8_t)(flags | request->values[options[i]].set << (i + 1));
    put(out, &flags, 1);
    for (size_t i = 0; i < OPTIONS; i++) {
        const mm_value *value = &request->values[options[i]];
        if (!value->set)
            continue;
        has_texts |= value->text != NULL;
        put(out, &value->integer, sizeof(value->integer));
        put(out, &value->number, sizeof(value->number));
        put(out, &value->boolean, 1);
    }
    return has_texts ? put_texts(out, request, error) : MM_STATUS_OK;
}

bool mm_cache_keys_make(mm_cache_key *out, mm_cache_keys *keys, const mm_request *request,
                        size_t index) {
    const bool has_ids = request->list_count > 0;
    const size_t *ends = has_ids ? request->id_ends : request->text_ends;
    const size_t start = index > 0 ? ends[index - 1] : 0;
    const size_t size = has_ids ? sizeof(*request->ids) : 1;
    const char *data = has_ids ? (const char *)request->ids : request->text.data;
    if (!data) // nothing but empty texts
        data = "";
    return mm_digest_begin(&keys->sha, MM_DIGEST_SHA256, NULL) == MM_STATUS_OK &&
           mm_digest_add(&keys->sha, keys->scope, keys->scope_size) &&
           mm_digest_add(&keys->sha, data + start * size, (ends[index] - start) * size) &&
           mm_digest_end(&keys->sha, out->digest) == sizeof(out->digest);
}

void mm_cache_keys_end(mm_cache_keys *keys) {
    mm_digest_free(&keys->sha);
}
