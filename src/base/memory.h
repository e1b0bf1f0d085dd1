// SPDX-License-Identifier: Apache-2.0
// The one allocator of the library. Nothing else calls malloc, so tests can fail any allocation.
#ifndef MM_BASE_MEMORY_H
#define MM_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

void *mm_malloc(size_t size);                // NULL on failure; never for size 0
void *mm_calloc(size_t count, size_t size);  // zeroed; overflow-checked
void *mm_realloc(void *memory, size_t size); // as realloc; the old block lives on failure
void *mm_array_realloc(void *memory, size_t count, size_t size); // overflow-checked
void mm_free(void *memory);                                      // accepts NULL
// As mm_malloc, but tests do not fail it: for a library that does not survive that.
void *mm_malloc_exempt(size_t size);
char *mm_strdup(const char *text);
char *mm_strndup(const char *text, size_t length); // copies exactly length bytes, adds a NUL

// Whole pages straight from the system, zeroed, 64-byte aligned at least; given back at once by
// mm_pages_free. For weights, activations and everything large. size 0 is allowed.
void *mm_pages_alloc(size_t size);
void mm_pages_free(void *memory, size_t size);
void mm_pages_rest(void *memory, size_t size); // the system may have the content, not the place
// The same in small pages, for what is touched here and there and soon: a huge page is zeroed
// whole.
void *mm_pages_alloc_small(size_t size);
void mm_pages_enlarge(void *memory, size_t size); // as mm_pages_alloc gives them; content is lost
// Hands free heap memory back to the system (after a release).
void mm_memory_trim(void);

// Overflow-checked arithmetic; false on overflow, *out untouched.
bool mm_size_mul(size_t *out, size_t a, size_t b);
bool mm_size_add(size_t *out, size_t a, size_t b);
// The same for amounts that are only compared: SIZE_MAX on overflow.
size_t mm_size_product(size_t a, size_t b);
size_t mm_size_sum(size_t a, size_t b);

// Tests only: the next allocation numbered `countdown` (1 = the next) in any thread fails, and all
// after it when `forever`; 0 switches failing off. Counts malloc, realloc and pages alike.
void mm_memory_fail_after(size_t countdown, bool forever);
// Allocations since the last mm_memory_fail_after.
size_t mm_memory_allocations(void);
// Bytes of whole pages that are handed out now, touched or not.
size_t mm_memory_page_bytes(void);

#endif
