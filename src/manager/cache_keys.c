// SPDX-License-Identifier: Apache-2.0
// The request's own words count, not what they come to: a prompt by its name and the same prompt
// written out have different keys, which costs a computation and no answer.
#include "manager/cache_keys.h"

#include <openssl/evp.h>
#include <string.h>

static bool update(EVP_MD_CTX *context, const void *bytes, size_t length) {
    return EVP_DigestUpdate(context, bytes, length) == 1;
}

// With the length in front, so that no two lists of parts give the same bytes.
static bool update_part(EVP_MD_CTX *context, const void *bytes, size_t length) {
    const uint64_t prefix = length;
    return update(context, &prefix, sizeof(prefix)) && update(context, bytes, length);
}

static bool update_value(EVP_MD_CTX *context, const mm_value *value) {
    bool ok = update_part(context, &value->set, sizeof(value->set));
    if (ok && value->set && value->text)
        ok = update_part(context, value->text, strlen(value->text));
    return ok && (!value->set || (update(context, &value->integer, sizeof(value->integer)) &&
                                  update(context, &value->number, sizeof(value->number)) &&
                                  update(context, &value->boolean, sizeof(value->boolean))));
}

static bool finish(EVP_MD_CTX *context, uint8_t digest[32]) {
    unsigned int length = 0;
    return EVP_DigestFinal_ex(context, digest, &length) == 1 && length == 32;
}

mm_status mm_cache_keys_start(mm_cache_keys *out, const char *fingerprint,
                              const mm_request *request, mm_error *error) {
    static const mm_parameter_index options[] = {
        MM_PARAM_TRUNCATE,  MM_PARAM_PROMPT,     MM_PARAM_PROMPT_NAME, MM_PARAM_INPUT_ROLE,
        MM_PARAM_NORMALIZE, MM_PARAM_DIMENSIONS, MM_PARAM_MAX_LENGTH,
    };
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    out->context = context;
    if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
        return mm_fail_memory(error, "a SHA-256 context");
    bool ok = update_part(context, fingerprint, strlen(fingerprint));
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]) && ok; i++)
        ok = update_value(context, &request->values[options[i]]);
    const bool has_ids = request->list_count > 0;
    if (!ok || !update(context, &has_ids, sizeof(has_ids)) || !finish(context, out->scope))
        return mm_fail(error, MM_STATUS_INTERNAL, "libcrypto refuses to compute a SHA-256");
    return MM_STATUS_OK;
}

bool mm_cache_keys_make(mm_cache_key *out, mm_cache_keys *keys, const mm_request *request,
                        size_t index) {
    EVP_MD_CTX *context = keys->context;
    const bool has_ids = request->list_count > 0;
    const size_t *ends = has_ids ? request->id_ends : request->text_ends;
    const size_t start = index > 0 ? ends[index - 1] : 0;
    const size_t size = has_ids ? sizeof(*request->ids) : 1;
    const char *data = has_ids ? (const char *)request->ids : request->text.data;
    if (!data) // nothing but empty texts
        data = "";
    return EVP_DigestInit_ex(context, NULL, NULL) == 1 &&
           update(context, keys->scope, sizeof(keys->scope)) &&
           update(context, data + start * size, (ends[index] - start) * size) &&
           finish(context, out->digest);
}

void mm_cache_keys_end(mm_cache_keys *keys) {
    EVP_MD_CTX_free(keys->context);
    keys->context = NULL;
}
