// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_size_t allocation_count;
static atomic_size_t fail_at; // 0 = never
static atomic_bool fail_forever;
static atomic_size_t page_bytes;

static bool allocation_fails(void) {
    size_t number = atomic_fetch_add_explicit(&allocation_count, 1, memory_order_relaxed) + 1;
    size_t limit = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (limit == 0)
        return false;
    return number == limit || (number > limit && atomic_load(&fail_forever));
}

void mm_memory_fail_after(size_t countdown, bool forever) {
    atomic_store(&allocation_count, 0);
    atomic_store(&fail_forever, forever);
    atomic_store(&fail_at, countdown);
}

size_t mm_memory_allocations(void) {
    return atomic_load(&allocation_count);
}

size_t mm_memory_page_bytes(void) {
    return atomic_load(&page_bytes);
}

void *mm_malloc(size_t size) {
    return allocation_fails() ? NULL : malloc(size ? size : 1);
}

void *mm_malloc_exempt(size_t size) {
    return malloc(size ? size : 1);
}

void *mm_calloc(size_t count, size_t size) {
    size_t bytes;
    if (allocation_fails() || !mm_size_mul(&bytes, count, size))
        return NULL;
    return calloc(1, bytes ? bytes : 1);
}

void *mm_realloc(void *memory, size_t size) {
    return allocation_fails() ? NULL : realloc(memory, size ? size : 1);
}

void *mm_array_realloc(void *memory, size_t count, size_t size) {
    size_t bytes;
    return mm_size_mul(&bytes, count, size) ? mm_realloc(memory, bytes) : NULL;
}

void mm_free(void *memory) {
    free(memory);
}

char *mm_strdup(const char *text) {
    return mm_strndup(text, strlen(text));
}

char *mm_strndup(const char *text, size_t length) {
    size_t size;
    char *copy = mm_size_add(&size, length, 1) ? mm_malloc(size) : NULL;
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

enum { HUGE_PAGE = 2 << 20 };

void *mm_pages_alloc_small(size_t size) {
    if (allocation_fails() || size > PTRDIFF_MAX)
        return NULL;
    void *memory =
        mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    atomic_fetch_add_explicit(&page_bytes, size, memory_order_relaxed);
    return memory;
}

// Fewer faults and TLB misses; a hint only.
static void ask_for_huge_pages(void *memory, size_t size) {
    if (size >= HUGE_PAGE)
        (void)madvise(memory, size, MADV_HUGEPAGE);
}

void *mm_pages_alloc(size_t size) {
    void *memory = mm_pages_alloc_small(size);
    if (memory)
        ask_for_huge_pages(memory, size);
    return memory;
}

void mm_pages_free(void *memory, size_t size) {
    if (!memory)
        return;
    (void)munmap(memory, size ? size : 1);
    atomic_fetch_sub_explicit(&page_bytes, size, memory_order_relaxed);
}

void mm_pages_rest(void *memory, size_t size) {
    (void)madvise(memory, size, MADV_DONTNEED);
}

void mm_pages_enlarge(void *memory, size_t size) {
    mm_pages_rest(memory, size);
    ask_for_huge_pages(memory, size);
}

void mm_memory_trim(void) {
    (void)malloc_trim(0);
}

bool mm_size_mul(size_t *out, size_t a, size_t b) {
    size_t result;
    if (__builtin_mul_overflow(a, b, &result))
        return false;
    *out = result;
    return true;
}

bool mm_size_add(size_t *out, size_t a, size_t b) {
    size_t result;
    if (__builtin_add_overflow(a, b, &result))
        return false;
    *out = result;
    return true;
}

size_t mm_size_product(size_t a, size_t b) {
    size_t result;
    return mm_size_mul(&result, a, b) ? result : SIZE_MAX;
}

size_t mm_size_sum(size_t a, size_t b) {
    size_t result;
    return mm_size_add(&result, a, b) ? result : SIZE_MAX;
}
