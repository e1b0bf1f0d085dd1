// SPDX-License-Identifier: Apache-2.0
// Keys of the embedding cache: a SHA-256 over the model's fingerprint, the options of the request
// and one text.
#ifndef MM_MANAGER_CACHE_KEYS_H
#define MM_MANAGER_CACHE_KEYS_H

#include "base/digest.h"
#include "manager/embedding_cache.h"
#include "manager/request.h"

// Makes the keys of one request. One thread at a time.
typedef struct mm_cache_keys {
    mm_digest sha;
    uint8_t scope[256]; // in front of every text
    size_t scope_size;
} mm_cache_keys;

mm_status mm_cache_keys_start(mm_cache_keys *out, const char *fingerprint,
                              const mm_request *request, mm_error *error);
// The key of text or id list `index` of the request; false when libcrypto fails.
bool mm_cache_keys_make(mm_cache_key *out, mm_cache_keys *keys, const mm_request *request,
                        size_t index);
void mm_cache_keys_end(mm_cache_keys *keys); // also of one that failed to start

#endif
