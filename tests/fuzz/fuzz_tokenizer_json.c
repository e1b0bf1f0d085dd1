// SPDX-License-Identifier: Apache-2.0
// tokenizer.json: what opens must encode and decode a text of all sorts, or say why not; also when
// memory runs out.
//
// Covers: src/text/tokenizer_json.c src/text/vocabulary_json.c src/text/vocabulary.c
// Covers: src/text/normalizer.c src/text/pretokenizer.c src/text/postprocessor.c
// Covers: src/text/decoder.c src/text/token_model.c src/text/added_tokens.c
// Covers: src/text/stream_decoder.c src/text/stored_options.c src/text/postprocessor_kinds.c
// Covers: src/text/model_wordlevel.c src/text/model_bpe_read.c src/text/bpe_merges_read.c
// Covers: src/text/json_scan.c src/text/stages.c src/text/text_pattern.c
// Covers: src/text/regex_read.c src/text/regex_class.c src/text/regex_write.c src/text/code_set.c
// Covers: src/text/piece_trie.c src/text/metaspace.c src/text/normalizer_edit.c
// Covers: src/text/decoder_kinds.c
#include "base/memory.h"
#include "base/utf8.h"
#include "frame.h"
#include "text/stream_decoder.h"
#include "text/tokenizer_files.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Id by id comes to the same as all at once.
static mm_status stream(const mm_tokenizer *tokenizer, const mm_encoding *encoding, bool skip,
                        const char *expected, size_t expected_length, mm_error *error) {
    mm_stream_decoder *decoder;
    size_t at = 0;
    mm_status status = mm_stream_decoder_create(&decoder, tokenizer, skip, error);
    for (size_t i = 0; i <= encoding->count && !status; i++) {
        const char *text = "";
        size_t length = 0;
        status = i < encoding->count
                     ? mm_stream_decoder_push(decoder, encoding->ids[i], &text, &length, error)
                     : mm_stream_decoder_finish(decoder, &text, &length, error);
        frame_require(status ||
                      (length <= expected_length - at && mm_utf8_valid(text, length, NULL) &&
                       memcmp(text, expected + at, length) == 0));
        at += status ? 0 : length;
    }
    frame_require(status || at == expected_length);
    mm_stream_decoder_free(decoder);
    return status;
}

static mm_status encode_and_decode(const mm_tokenizer *tokenizer, mm_error *error) {
    static const char text[] = "Hello, the [MASK] <a>  \xC3\x89t\xC3\xA9 12 a\xCC\xA3\xCC\x81 "
                               "\xE4\xB8\xAD\xF0\x9F\x98\x80 x\0y ab abab";
    mm_encoding encoding = {0};
    mm_status status = MM_STATUS_OK;
    for (int i = 0; i < 4 && !status; i++) {
        mm_encode_options options = {.add_special_tokens = i != 1,
                                     .truncation.max_length = i == 2 ? 4 : 0,
                                     .truncation.side = MM_TRUNCATE_LEFT,
                                     .want_offsets = i > 1,
                                     .want_overflow = i == 2};
        status =
            mm_tokenizer_encode(tokenizer, &encoding, text, sizeof(text) - 1, i == 3 ? text : NULL,
                                i == 3 ? sizeof(text) - 1 : 0, &options, error);
        char *decoded = NULL;
        size_t length = 0;
        if (!status)
            status = mm_tokenizer_decode(tokenizer, &decoded, &length, encoding.ids, encoding.count,
                                         i == 1, error);
        frame_require(mm_utf8_valid(decoded ? decoded : "", length, NULL));
        if (!status)
            status = stream(tokenizer, &encoding, i == 1, decoded, length, error);
        mm_free(decoded);
    }
    mm_encoding_free(&encoding);
    return status;
}

// A text cut and padded as the file says, where that comes to a few tokens.
static mm_status use_stored(const mm_tokenizer *tokenizer, mm_error *error) {
    static const char text[] = "a ab the a ab";
    const mm_truncation *truncation = mm_tokenizer_stored_truncation(tokenizer);
    const mm_padding *padding = mm_tokenizer_stored_padding(tokenizer);
    mm_encoding encoding = {0};
    mm_encode_options options = {.add_special_tokens = true};
    if (truncation)
        options.truncation = *truncation;
    mm_status status =
        mm_tokenizer_encode(tokenizer, &encoding, text, sizeof(text) - 1, NULL, 0, &options, error);
    if (!status && padding && padding->length < 1000 && padding->multiple_of < 1000)
        status = mm_encodings_pad(&encoding, 1, padding, error);
    frame_require(status || !padding || !padding->fixed || padding->length >= 1000 ||
                  encoding.count >= padding->length || padding->multiple_of >= 1000);
    mm_encoding_free(&encoding);
    return status;
}

// An input that begins with V is vocab.txt.
static mm_status open_and_use(const void *payload, mm_error *error) {
    const frame_part *input = payload;
    const char *data = input->data;
    size_t size = input->size, length;
    mm_tokenizer *tokenizer = NULL;
    mm_status status;
    if (size && data[0] == 'V') {
        const mm_tokenizer_settings settings = {0};
        status = mm_tokenizer_make(&tokenizer, error);
        if (!status)
            status = mm_tokenizer_read_vocabulary(tokenizer, data + 1, size - 1, &settings,
                                                  "vocab.txt", error);
        if (!status)
            status = mm_tokenizer_finish(tokenizer, error);
    } else {
        status = mm_tokenizer_parse(&tokenizer, data, size, "tokenizer.json", error);
        frame_require((status == MM_STATUS_OK) == (tokenizer != NULL));
    }
    if (!status)
        status = encode_and_decode(tokenizer, error);
    if (!status)
        status = use_stored(tokenizer, error);
    if (!status)
        status = mm_tokenizer_prepend_lowercase(tokenizer, error);
    if (!status)
        (void)mm_tokenizer_token(tokenizer, (int32_t)size, &length);
    mm_tokenizer_free(tokenizer);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t failing;
    const frame_part input = frame_input(&failing, data, size);
    frame_run(open_and_use, &input, failing);
    return 0;
}
