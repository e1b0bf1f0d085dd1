// SPDX-License-Identifier: Apache-2.0
#include "tokenizer_folder.h"

#include "base/memory.h"
#include "frame.h"
#include "text/tokenizer.h"

#include <string.h>

static mm_status use(const mm_tokenizer *tokenizer, mm_error *error) {
    static const char text[] = "The [MASK] <mask> and\ta\xCC\x81, <a> hello it's \xC2\xBD";
    mm_encoding encoding = {0};
    mm_encode_options options = {.add_special_tokens = true, .want_offsets = true};
    char *decoded = NULL;
    size_t length;
    mm_status status =
        mm_tokenizer_encode(tokenizer, &encoding, text, strlen(text), NULL, 0, &options, error);
    if (!status)
        status = mm_tokenizer_decode(tokenizer, &decoded, &length, encoding.ids, encoding.count,
                                     false, error);
    mm_free(decoded);
    mm_encoding_free(&encoding);
    return status;
}

static mm_status open_and_use(const void *path, mm_error *error) {
    mm_tokenizer *tokenizer;
    mm_status status = mm_tokenizer_open(&tokenizer, path, error);
    frame_require((status == MM_STATUS_OK) == (tokenizer != NULL));
    if (!status)
        status = use(tokenizer, error);
    mm_tokenizer_free(tokenizer);
    return status;
}

void tokenizer_folder_open(const char *path, size_t failing) {
    frame_run(open_and_use, path, failing);
}
