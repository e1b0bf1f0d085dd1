// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>

// Looked up once for the life of the process: libcrypto takes longer to find an algorithm than to
// hash a text.
static EVP_MD *algorithms[2];

// One that nobody uses at the moment, or NULL: making one takes longer than to hash a short text.
static _Atomic(EVP_MD_CTX *) spare;

static void look_up(void) {
    algorithms[MM_DIGEST_SHA256] = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    algorithms[MM_DIGEST_SHA1] = EVP_MD_fetch(NULL, "SHA1", NULL);
}

mm_status mm_digest_begin(mm_digest *self, mm_digest_kind kind, mm_error *error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, look_up);
    if (!self->context)
        self->context = atomic_exchange(&spare, NULL);
    if (!self->context)
        self->context = EVP_MD_CTX_new();
    self->failed = !self->context || !algorithms[kind] ||
                   EVP_DigestInit_ex(self->context, algorithms[kind], NULL) != 1;
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
    if (self->context)
        EVP_MD_CTX_free(atomic_exchange(&spare, self->context));
    *self = (mm_digest){0};
}
