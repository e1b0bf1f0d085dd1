// SPDX-License-Identifier: Apache-2.0
// Texts through tokenizers of tests/text/data. The first two bytes of the input choose the
// tokenizer and the options, the rest is the text, and behind a byte FF the pair.
//
// Covers: src/text/assemble.c src/text/encoding.c src/text/padding.c src/text/truncation.c
// Covers: src/text/tokenizer.c src/text/offsets.c src/text/rewrite.c src/text/encode_work.c
// Covers: src/text/normalizer_bert.c src/text/normalizer_unicode.c
// Covers: src/text/pretokenizer_chars.c src/text/model_wordpiece.c
// Covers: src/text/byte_level.c src/text/byte_level_split.c src/text/model_bpe.c
// Covers: src/text/bpe_merges.c src/text/word_cache.c src/text/decoder_byte_level.c
// Covers: src/text/unicode_text.c
// Covers: src/text/model_unigram.c src/text/normalizer_precompiled.c src/text/graphemes.c
// Covers: src/text/pretokenizer_metaspace.c src/text/decoder_metaspace.c
#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/stream_decoder.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TOKENIZERS = 18 };
static mm_tokenizer *tokenizers[TOKENIZERS];

static void require(bool truth) {
    if (!truth)
        abort();
}

static void close_all(void) {
    for (int i = 0; i < TOKENIZERS; i++)
        mm_tokenizer_free(tokenizers[i]);
}

static void open_json(mm_tokenizer **out, const char *path) {
    char *json;
    size_t length;
    require(mm_file_read(&json, &length, path, 1 << 20, NULL) == MM_STATUS_OK);
    require(mm_tokenizer_parse(out, json, length, path, NULL) == MM_STATUS_OK);
    mm_free(json);
}

static void open_all(void) {
    static const char *const names[TOKENIZERS] = {
        "bert-uncased",    "bert-plain",      "added",
        "forms",           "accents",         "words",
        "byte-bpe",        "byte-bpe-prefix", "byte-bpe-partial",
        "suffix-bpe",      "prefix-bpe",      "fallback-bpe",
        "unigram-t5",      "unigram-bytes",   "unigram-bare",
        "numbered-marian", "numbered-m2m100", "numbered-m2m100-special"};
    for (int i = 0; i < TOKENIZERS; i++) {
        char path[1024], folder[1000];
        snprintf(folder, sizeof(folder), MM_TESTS_DIR "/text/data/%s", names[i]);
        snprintf(path, sizeof(path), "%s/tokenizer.json", folder);
        if (mm_file_exists(path))
            open_json(&tokenizers[i], path);
        else
            require(mm_tokenizer_open(&tokenizers[i], folder, NULL) == MM_STATUS_OK);
        require(!mm_tokenizer_cleans_up(tokenizers[i]) && mm_tokenizer_kind(tokenizers[i])[0]);
    }
    atexit(close_all);
}

static size_t count_points(const char *text, size_t length) {
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

// Both ways give the same ids; offsets lie in the texts; what was cut is counted.
static void check(const mm_encoding *plain, const mm_encoding *full, size_t points,
                  size_t max_length) {
    require(plain->count == full->count && plain->full_count == full->full_count);
    for (size_t i = 0; i < plain->count; i++)
        require(plain->ids[i] == full->ids[i] && plain->type_ids[i] == full->type_ids[i]);
    for (size_t i = 0; i < full->count; i++)
        require(full->offsets[i * 2] <= full->offsets[i * 2 + 1] &&
                full->offsets[i * 2 + 1] <= points);
    require(plain->truncated == (plain->count < plain->full_count));
    require(max_length < 4 || plain->count <= max_length);
}

// The windows hold what was cut, and padding brings all to one length.
static void check_windows(mm_encoding *encoding, const mm_encode_options *options, bool pair) {
    size_t count = encoding->count, windows = encoding->overflow_count;
    require(encoding->truncated == (windows > 0));
    for (size_t i = 0, start = 0; i < windows; start = encoding->overflow_ends[i++])
        require(encoding->overflow_ends[i] - start <= encoding->full_count);
    if (!pair && windows && count > (options->add_special_tokens ? 2 : 0))
        require(encoding->overflow_ends[windows - 1] >= encoding->full_count - count);
    mm_padding padding = {
        .multiple_of = 7, .id = 4, .side = windows % 2 ? MM_PAD_LEFT : MM_PAD_RIGHT};
    int32_t first = count ? encoding->ids[0] : 0;
    require(mm_encodings_pad(encoding, 1, &padding, NULL) == MM_STATUS_OK);
    require(encoding->count % 7 == 0 && encoding->count - encoding->padded == count);
    size_t moved = encoding->padded && padding.side == MM_PAD_LEFT ? encoding->padded : 0;
    require(count == 0 || encoding->ids[moved] == first);
    for (size_t i = 0, start = 0; i < windows; start = encoding->overflow_ends[i++])
        require(encoding->overflow_ends[i] - start >= encoding->count);
}

// The tokens of the ids are those that the accessors know.
static void check_tokens(const mm_tokenizer *tokenizer, const mm_encoding *encoding) {
    size_t size = mm_tokenizer_vocab_size(tokenizer), length;
    for (size_t i = 0; i < encoding->count; i++) {
        require(encoding->ids[i] >= 0 && (size_t)encoding->ids[i] < size);
        const char *token = mm_tokenizer_token(tokenizer, encoding->ids[i], &length);
        require(token && token[length] == 0); // a token may hold U+0000
    }
    require(mm_tokenizer_token_id(tokenizer, mm_tokenizer_token(tokenizer, 1, &length)) == 1);
    require(mm_tokenizer_token_id(tokenizer, "[no such token]") == -1);
    require(mm_tokenizer_model_max_length(tokenizer) == 0);
    require(mm_tokenizer_special_count(tokenizer, true) >=
            mm_tokenizer_special_count(tokenizer, false));
}

// Id by id comes to the same as all at once, and no part ends within a character.
static void check_stream(const mm_tokenizer *tokenizer, const int32_t *ids, size_t count, bool skip,
                         const char *expected, size_t expected_length) {
    mm_stream_decoder *decoder;
    size_t at = 0;
    require(mm_stream_decoder_create(&decoder, tokenizer, skip, NULL) == MM_STATUS_OK);
    for (size_t i = 0; i <= count; i++) {
        const char *text;
        size_t length;
        mm_status status = i < count ? mm_stream_decoder_push(decoder, ids[i], &text, &length, NULL)
                                     : mm_stream_decoder_finish(decoder, &text, &length, NULL);
        require(!status && length <= expected_length - at && mm_utf8_valid(text, length, NULL));
        require(memcmp(text, expected + at, length) == 0);
        at += length;
    }
    require(at == expected_length);
    mm_stream_decoder_free(decoder);
}

// Fresh scratch, and one allocation that fails.
static void encode_without_memory(const mm_tokenizer *tokenizer, const char *text, size_t length,
                                  const char *pair, size_t pair_length,
                                  const mm_encode_options *options) {
    mm_encoding encoding = {0};
    mm_error error = {0};
    mm_memory_fail_after(1 + (length + pair_length) % 16, false);
    mm_status status =
        mm_tokenizer_encode(tokenizer, &encoding, text, length, pair, pair_length, options, &error);
    char *decoded = NULL;
    size_t decoded_length;
    if (!status)
        status = mm_tokenizer_decode(tokenizer, &decoded, &decoded_length, encoding.ids,
                                     encoding.count, false, &error);
    mm_memory_fail_after(0, false);
    require(!status || status == MM_STATUS_OUT_OF_MEMORY);
    mm_free(decoded);
    mm_encoding_free(&encoding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static mm_encoding plain, full; // reused, as a worker does
    if (!tokenizers[0])
        open_all();
    if (size < 2)
        return 0;
    const mm_tokenizer *tokenizer = tokenizers[data[0] % TOKENIZERS];
    mm_encode_options options = {.add_special_tokens = data[1] & 1,
                                 .truncation.side =
                                     data[1] & 2 ? MM_TRUNCATE_LEFT : MM_TRUNCATE_RIGHT,
                                 .truncation.max_length = data[1] >> 2,
                                 .truncation.stride = data[0] / TOKENIZERS % 3,
                                 .truncation.strategy = data[0] / TOKENIZERS / 3 % 3};
    const char *text = (const char *)data + 2, *pair = memchr(text, 0xFF, size - 2);
    size_t length = pair ? (size_t)(pair - text) : size - 2;
    size_t pair_length = pair ? size - 2 - length - 1 : 0;
    pair = pair ? pair + 1 : NULL;
    mm_error error = {0};
    mm_status status =
        mm_tokenizer_encode(tokenizer, &plain, text, length, pair, pair_length, &options, &error);
    bool valid =
        mm_utf8_valid(text, length, NULL) && (!pair || mm_utf8_valid(pair, pair_length, NULL));
    require(status == (valid ? MM_STATUS_OK : MM_STATUS_INVALID_REQUEST) ||
            (valid && status == MM_STATUS_INVALID_PARAMETER && options.truncation.max_length));
    if (status)
        return 0;
    options.want_offsets = options.want_overflow = true;
    require(mm_tokenizer_encode(tokenizer, &full, text, length, pair, pair_length, &options,
                                &error) == MM_STATUS_OK);
    size_t points = count_points(text, length), more = pair ? count_points(pair, pair_length) : 0;
    check(&plain, &full, points > more ? points : more, options.truncation.max_length);
    check_tokens(tokenizer, &full);
    check_windows(&full, &options, pair);
    encode_without_memory(tokenizer, text, length, pair, pair_length, &options);
    char *decoded;
    size_t decoded_length;
    require(mm_tokenizer_decode(tokenizer, &decoded, &decoded_length, plain.ids, plain.count,
                                data[1] & 1, &error) == MM_STATUS_OK);
    require(mm_utf8_valid(decoded, decoded_length, NULL));
    check_stream(tokenizer, plain.ids, plain.count, data[1] & 1, decoded, decoded_length);
    mm_free(decoded);
    return 0;
}
