// SPDX-License-Identifier: Apache-2.0
// The request's own words count, not what they come to: a prompt by its name and the same prompt
// written out have different keys, which costs a computation and no answer.
#include "manager/cache_keys.h"

#include <string.h>

static void add_value(mm_digest *sha, const mm_value *value) {
    mm_digest_add_part(sha, &value->set, sizeof(value->set));
    if (!value->set)
        return;
    if (value->text)
        mm_digest_add_part(sha, value->text, strlen(value->text));
    mm_digest_add(sha, &value->integer, sizeof(value->integer));
    mm_digest_add(sha, &value->number, sizeof(value->number));
    mm_digest_add(sha, &value->boolean, sizeof(value->boolean));
}

mm_status mm_cache_keys_start(mm_cache_keys *out, const char *fingerprint,
                              const mm_request *request, mm_error *error) {
    static const mm_parameter_index options[] = {
        MM_PARAM_TRUNCATE,  MM_PARAM_PROMPT,     MM_PARAM_PROMPT_NAME, MM_PARAM_INPUT_ROLE,
        MM_PARAM_NORMALIZE, MM_PARAM_DIMENSIONS, MM_PARAM_MAX_LENGTH,
    };
    *out = (mm_cache_keys){0};
    mm_status status = mm_digest_begin(&out->sha, MM_DIGEST_SHA256, error);
    if (status)
        return status;
    mm_digest_add_part(&out->sha, fingerprint, strlen(fingerprint));
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        add_value(&out->sha, &request->values[options[i]]);
    const bool has_ids = request->list_count > 0;
    mm_digest_add(&out->sha, &has_ids, sizeof(has_ids));
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
