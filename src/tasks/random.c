// SPDX-License-Identifier: Apache-2.0
#include "tasks/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum { PHILOX_ROUNDS = 10 };

void mm_random_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]) {
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k[2] = {key[0], key[1]};
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        const uint64_t first = (uint64_t)0xD2511F53u * c[0], second = (uint64_t)0xCD9E8D57u * c[2];
        const uint32_t mixed[4] = {(uint32_t)(second >> 32) ^ c[1] ^ k[0], (uint32_t)second,
                                   (uint32_t)(first >> 32) ^ c[3] ^ k[1], (uint32_t)first};
        memcpy(c, mixed, sizeof c);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

double mm_random_uniform(uint64_t seed, const uint32_t counter[4]) {
    uint32_t bits[4];
    mm_random_philox(bits, counter, (const uint32_t[]){(uint32_t)seed, (uint32_t)(seed >> 32)});
    const uint64_t high = (uint64_t)bits[0] << 20 | bits[1] >> 12; // 52 bits
    return ((double)high + 0.5) * 0x1p-52;
}

mm_status mm_random_seed(uint64_t *out, mm_error *error) {
    uint64_t seed = 0;
    ssize_t got;
    do {
        got = getrandom(&seed, sizeof seed, 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof seed)
        return mm_fail(error, MM_STATUS_INTERNAL, "the system gives no random numbers: %s",
                       strerror(errno));
    *out = seed >> 1;
    return MM_STATUS_OK;
}
