// SPDX-License-Identifier: Apache-2.0
// tokenizer.json: what opens must encode and decode a text of all sorts, or say why not.
//
// Covers: src/text/tokenizer_json.c src/text/vocabulary_json.c src/text/vocabulary.c
// Covers: src/text/normalizer.c src/text/pretokenizer.c src/text/postprocessor.c
// Covers: src/text/decoder.c src/text/token_model.c src/text/added_tokens.c
#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth) {
    if (!truth)
        abort();
}

static void check(mm_status status, const mm_error *error) {
    require(!status || (error->status == status && error->message[0] &&
                        mm_utf8_valid(error->message, strlen(error->message), NULL)));
}

static void encode_and_decode(const mm_tokenizer *tokenizer) {
    static const char text[] = "Hello, the [MASK] <a>  \xC3\x89t\xC3\xA9 12 a\xCC\xA3\xCC\x81 "
                               "\xE4\xB8\xAD\xF0\x9F\x98\x80 x\0y ab abab";
    mm_encoding encoding = {0};
    mm_error error = {0};
    for (int i = 0; i < 4; i++) {
        mm_encode_options options = {.add_special_tokens = i != 1,
                                     .max_length = i == 2 ? 4 : 0,
                                     .side = MM_TRUNCATE_LEFT,
                                     .want_offsets = i > 1};
        mm_status status =
            mm_tokenizer_encode(tokenizer, &encoding, text, sizeof(text) - 1, i == 3 ? text : NULL,
                                i == 3 ? sizeof(text) - 1 : 0, &options, &error);
        check(status, &error);
        if (status)
            break;
        char *decoded;
        size_t length;
        require(mm_tokenizer_decode(tokenizer, &decoded, &length, encoding.ids, encoding.count,
                                    i == 1, &error) == MM_STATUS_OK);
        require(mm_utf8_valid(decoded, length, NULL));
        mm_free(decoded);
    }
    mm_encoding_free(&encoding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    mm_status status =
        mm_tokenizer_parse(&tokenizer, (const char *)data, size, "tokenizer.json", &error);
    check(status, &error);
    require((status == MM_STATUS_OK) == (tokenizer != NULL));
    if (!tokenizer)
        return 0;
    encode_and_decode(tokenizer);
    check(mm_tokenizer_prepend_lowercase(tokenizer, &error), &error);
    size_t length;
    (void)mm_tokenizer_token(tokenizer, (int32_t)size, &length);
    require(mm_tokenizer_kind(tokenizer)[0] != '\0');
    mm_tokenizer_free(tokenizer);
    return 0;
}
