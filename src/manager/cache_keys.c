// SPDX-License-Identifier: Apache-2.0
// The request's own words count, not what they come to: a prompt by its name and the same prompt
// written out have different keys, which costs a computation and no answer.
#include "manager/cache_keys.h"

#include <string.h>

enum { OPTIONS = 7, VALUE_BYTES = 2 + sizeof(int64_t) + sizeof(double) };

static const mm_parameter_index options[OPTIONS] = {
    MM_PARAM_TRUNCATE,  MM_PARAM_PROMPT,     MM_PARAM_PROMPT_NAME, MM_PARAM_INPUT_ROLE,
    MM_PARAM_NORMALIZE, MM_PARAM_DIMENSIONS, MM_PARAM_MAX_LENGTH,
};

static void put_value(uint8_t *out, const mm_value *value) {
    out[0] = value->set;
    out[1] = value->boolean;
    memcpy(out + 2, &value->integer, sizeof(value->integer));
    memcpy(out + 2 + sizeof(value->integer), &value->number, sizeof(value->number));
}

// In few pieces, since each costs more than its bytes.
static void add_options(mm_digest *sha, const mm_request *request) {
    uint8_t plain[OPTIONS * VALUE_BYTES + 1] = {0};
    for (size_t i = 0; i < OPTIONS; i++) {
        const mm_value *value = &request->values[options[i]];
        if (value->set)
            put_value(plain + i * VALUE_BYTES, value);
    }
    plain[OPTIONS * VALUE_BYTES] = request->list_count > 0;
    mm_digest_add(sha, plain, sizeof(plain));
    for (size_t i = 0; i < OPTIONS; i++) {
        const mm_value *value = &request->values[options[i]];
        if (value->set && value->text)
            mm_digest_add_part(sha, value->text, strlen(value->text));
    }
}

mm_status mm_cache_keys_start(mm_cache_keys *out, const char *fingerprint,
                              const mm_request *request, mm_error *error) {
    *out = (mm_cache_keys){0};
    mm_status status = mm_digest_begin(&out->sha, MM_DIGEST_SHA256, error);
    if (status)
        return status;
    mm_digest_add_part(&out->sha, fingerprint, strlen(fingerprint));
    add_options(&out->sha, request);
    if (!mm_digest_end(&out->sha, out->scope))
        return mm_fail(error, MM_STATUS_INTERNAL, "libcrypto refuses to compute a SHA-256");
    return MM_STATUS_OK;
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
           mm_digest_add(&keys->sha, keys->scope, sizeof(keys->scope)) &&
           mm_digest_add(&keys->sha, data + start * size, (ends[index] - start) * size) &&
           mm_digest_end(&keys->sha, out->digest) == sizeof(out->digest);
}

void mm_cache_keys_end(mm_cache_keys *keys) {
    mm_digest_free(&keys->sha);
}
