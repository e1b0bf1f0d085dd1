// SPDX-License-Identifier: Apache-2.0
// A directory without tokenizer.json. The input is merges.txt; behind NUL bytes follow vocab.json,
// tokenizer_config.json, special_tokens_map.json, added_tokens.json and config.json. A part that is
// empty is no file.
//
// Covers: src/text/tokenizer_merges.c
#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[600];

static void require(bool truth) {
    if (!truth)
        abort();
}

static void make_directory(void) {
    const char *made = scratch_create();
    require(made != NULL);
    snprintf(directory, sizeof(directory), "%s", made);
    atexit(scratch_remove);
}

static void open_it(const char *path) {
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    mm_status status = mm_tokenizer_open(&tokenizer, path, &error);
    require((status == MM_STATUS_OK) == (tokenizer != NULL));
    require(!status || (error.status == status && error.message[0] &&
                        mm_utf8_valid(error.message, strlen(error.message), NULL)));
    if (!tokenizer)
        return;
    mm_encoding encoding = {0};
    mm_encode_options options = {.add_special_tokens = true, .want_offsets = true};
    static const char text[] = "hello <mask> it's\ta\xCC\x81, <a>";
    (void)mm_tokenizer_encode(tokenizer, &encoding, text, strlen(text), NULL, 0, &options, &error);
    mm_encoding_free(&encoding);
    mm_tokenizer_free(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {
        "merges.txt",        "vocab.json", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "config.json"};
    if (!directory[0])
        make_directory();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const uint8_t *cut = size ? memchr(data, 0, size) : NULL;
        size_t length = cut ? (size_t)(cut - data) : size;
        if (length)
            require(scratch_write(names[i], data, length) != NULL);
        else
            (void)remove(scratch_path(names[i]));
        data += length + (cut != NULL);
        size -= length + (cut != NULL);
    }
    open_it(directory);
    open_it(scratch_path("vocab.json"));
    return 0;
}
