// SPDX-License-Identifier: Apache-2.0
// mm_json_parse against jansson's own reader: the same texts accepted, the same values made, but
// for integers beyond int64 and for very deep nesting; and every failing allocation survived.
//
// Covers: src/base/json_read.c
#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth) {
    if (!truth)
        abort();
}

static void compare(const json_t *value, const mm_error *problem, const char *text, size_t size) {
    if (size && memchr(text, 0, size)) { // jansson takes a NUL byte for the end
        require(!value);
        return;
    }
    json_error_t error = {0};
    json_t *expected =
        json_loadb(text, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (expected)
        require(value ? json_equal(value, expected) : strstr(problem->message, "too deep") != NULL);
    else
        require(!value || json_error_code(&error) == json_error_numeric_overflow);
    json_decref(expected);
}

static void print_and_read_again(const json_t *value) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    json_t *again = NULL;
    require(text && !mm_json_parse(&again, text, strlen(text), "output", MM_STATUS_INTERNAL, NULL));
    require(json_equal(value, again));
    json_decref(again);
    mm_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_set_alloc_funcs(mm_malloc, mm_free);
    const char *text = (const char *)data;
    json_t *value;
    mm_error error = {0};
    mm_memory_fail_after(0, false);
    mm_status status = mm_json_parse(&value, text, size, "input", MM_STATUS_MODEL_CORRUPT, &error);
    size_t allocations = mm_memory_allocations();
    require((status == MM_STATUS_OK) == (value != NULL));
    if (status)
        require(status == MM_STATUS_MODEL_CORRUPT && error.message[0] &&
                mm_utf8_valid(error.message, strlen(error.message), NULL));
    compare(value, &error, text, size);
    if (value)
        print_and_read_again(value);
    json_decref(value);
    // One of the allocations, chosen by the input, fails.
    if (allocations > 0) {
        mm_memory_fail_after(1 + (size ? data[size - 1] : 0u) % allocations, size % 2 == 0);
        status = mm_json_parse(&value, text, size, "input", MM_STATUS_MODEL_CORRUPT, NULL);
        mm_memory_fail_after(0, false);
        require(status == MM_STATUS_OUT_OF_MEMORY && !value);
    }
    return 0;
}
