// SPDX-License-Identifier: Apache-2.0
// SHA-256 and SHA-1, by libcrypto.
#ifndef MM_BASE_DIGEST_H
#define MM_BASE_DIGEST_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum mm_digest_kind {
    MM_DIGEST_SHA256,
    MM_DIGEST_SHA1, // of git; nothing relies on it but names that are given
} mm_digest_kind;

enum {
    MM_SHA256_BYTES = 32,
    MM_DIGEST_BYTES = 32,                    // the longest of the kinds
    MM_DIGEST_TEXT = 2 * MM_DIGEST_BYTES + 1 // in hexadecimal, NUL included
};

// Belongs to one thread at a time. May begin as often as wanted, which is much cheaper than a new
// one. Zeroed is unused.
typedef struct mm_digest {
    void *context; // libcrypto's
    bool failed;   // sticks until it begins anew
} mm_digest;

// Begins a digest of no bytes so far. Only fails when memory is out.
mm_status mm_digest_begin(mm_digest *self, mm_digest_kind kind, mm_error *error);
// False when libcrypto fails, now or before; the end tells it too.
bool mm_digest_add(mm_digest *self, const void *bytes, size_t length);
// With the length in front, so that no two lists of parts give the same bytes.
bool mm_digest_add_part(mm_digest *self, const void *bytes, size_t length);
// Ends it: the number of bytes written to `out`, 0 when libcrypto failed.
size_t mm_digest_end(mm_digest *self, uint8_t out[MM_DIGEST_BYTES]);
// Ends it as lower-case hexadecimal; false when libcrypto failed.
bool mm_digest_end_text(mm_digest *self, char out[MM_DIGEST_TEXT]);
void mm_digest_free(mm_digest *self); // leaves an unused one

#endif
