// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <openssl/evp.h>

mm_status mm_digest_begin(mm_digest *self, mm_digest_kind kind, mm_error *error) {
    const EVP_MD *wanted = kind == MM_DIGEST_SHA1 ? EVP_sha1() : EVP_sha256();
    EVP_MD_CTX *context = self->context ? self->context : EVP_MD_CTX_new();
    self->context = context;
    // Without a name libcrypto takes the algorithm that the context has, and need not look it up.
    const EVP_MD *had = context ? EVP_MD_CTX_get0_md(context) : NULL;
    bool is_same = had && EVP_MD_get_type(had) == EVP_MD_get_type(wanted);
    self->failed = !context || EVP_DigestInit_ex(context, is_same ? NULL : wanted, NULL) != 1;
    return self->failed ? mm_fail_memory(error, "a hash") : MM_STATUS_OK;
}

bool mm_digest_add(mm_digest *self, const void *bytes, size_t length) {
    if (!self->failed && EVP_DigestUpdate(self->context, bytes, length) != 1)
        self->failed = true;
    return !self->failed;
}

bool mm_digest_add_part(mm_digest *self, const void *bytes, size_t length) {
    const uint64_t prefix = length;
    return mm_digest_add(self, &prefix, sizeof(prefix)) && mm_digest_add(self, bytes, length);
}

size_t mm_digest_end(mm_digest *self, uint8_t out[MM_DIGEST_BYTES]) {
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    if (self->failed || EVP_DigestFinal_ex(self->context, bytes, &length) != 1 ||
        length > MM_DIGEST_BYTES)
        return 0;
    for (unsigned int i = 0; i < length; i++)
        out[i] = bytes[i];
    return length;
}

bool mm_digest_end_text(mm_digest *self, char out[MM_DIGEST_TEXT]) {
    uint8_t bytes[MM_DIGEST_BYTES];
    size_t length = mm_digest_end(self, bytes);
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    out[2 * length] = '\0';
    return length > 0;
}

void mm_digest_free(mm_digest *self) {
    EVP_MD_CTX_free(self->context);
    *self = (mm_digest){0};
}
