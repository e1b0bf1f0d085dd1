// SPDX-License-Identifier: Apache-2.0
#include "compute/cpu/kernels.h"

#include <cpuid.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { TIERS = 4 };

static mm_kernels tiers[TIERS];
static size_t tier_count;
static pthread_once_t once = PTHREAD_ONCE_INIT;

// For what older compilers have no name in __builtin_cpu_supports: registers EAX, EBX, ECX, EDX.
static bool cpuid_bit(unsigned leaf, unsigned subleaf, int number, int bit) {
    unsigned registers[4] = {0};
    return __get_cpuid_count(leaf, subleaf, &registers[0], &registers[1], &registers[2],
                             &registers[3]) &&
           (registers[number] >> bit & 1);
}

static bool has_avx2(void) {
    bool f16c = cpuid_bit(1, 0, 2, 29);
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && f16c;
}

static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool has_avx512_bf16(void) {
    return cpuid_bit(7, 1, 0, 5);
}

static bool has_nothing_special(void) {
    return true;
}

static void make_tiers(void) {
    static const struct {
        const char *name;
        bool (*runs)(void);
        void (*init)(mm_kernels *kernels);
    } list[TIERS] = {
        {"c", has_nothing_special, mm_kernels_init_c},
        {"avx2", has_avx2, mm_kernels_init_avx2},
        {"avx512", has_avx512, mm_kernels_init_avx512},
        {"avx512_bf16", has_avx512_bf16, mm_kernels_init_avx512_bf16},
    };
    for (size_t i = 0; i < TIERS && list[i].runs(); i++) {
        if (i > 0)
            tiers[i] = tiers[i - 1];
        tiers[i].name = list[i].name;
        list[i].init(&tiers[i]);
        tier_count = i + 1;
    }
}

const mm_kernels *mm_kernels_tier(size_t index) {
    pthread_once(&once, make_tiers);
    return index < tier_count ? &tiers[index] : NULL;
}

const mm_kernels *mm_kernels_select(void) {
    const char *wanted = getenv("MM_CPU_KERNELS");
    const mm_kernels *best = mm_kernels_tier(0);
    for (size_t i = 0; mm_kernels_tier(i); i++) {
        best = mm_kernels_tier(i);
        if (wanted && strcmp(wanted, best->name) == 0)
            break;
    }
    return best;
}

size_t mm_attention_scratch_bytes(size_t rows) {
    size_t padded = (rows + 63) / 64 * 64;
    return (2 * padded * MM_WIDEST_HEAD + MM_ATTENTION_GROUP * padded) * sizeof(float);
}
