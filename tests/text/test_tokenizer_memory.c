// SPDX-License-Identifier: Apache-2.0
// Every allocation of opening, encoding and decoding fails once; nothing crashes or leaks (the
// address sanitizer looks), and what failed works afterwards.
#include "text/stream_decoder.h"
#include "text/tokenizer.h"

#include "base/memory.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

#define DATA MM_TESTS_DIR "/text/data"

// Runs everything once; the first failure ends it.
static mm_status run(const char *path, mm_error *error) {
    static const char text[] =
        "Hello <w> \xC3\x89t\xC3\xA9 <new>  \xE4\xB8\xAD a\xCC\xA3\xCC\x81\xCC\xA7 "
        "un\xE3\x80\xAE\xE3\x80\xAF believable";
    mm_tokenizer *tokenizer = NULL;
    mm_encoding encoding = {0};
    char *decoded = NULL;
    size_t length;
    mm_status status = mm_tokenizer_open(&tokenizer, path, error);
    for (int i = 0; i < 4 && !status; i++) {
        mm_encode_options options = {
            .add_special_tokens = true, .want_offsets = i % 2 == 0, .want_overflow = i == 3};
        options.truncation = (mm_truncation){.max_length = i == 3 ? 12 : 0, .stride = 1};
        status = mm_tokenizer_encode(tokenizer, &encoding, text, strlen(text), i < 2 ? NULL : text,
                                     i < 2 ? 0 : strlen(text), &options, error);
        mm_padding padding = {.multiple_of = (size_t)256 << i};
        if (!status)
            status = mm_encodings_pad(&encoding, 1, &padding, error);
    }
    if (!status)
        status = mm_tokenizer_prepend_lowercase(tokenizer, error);
    if (!status)
        status = mm_tokenizer_decode(tokenizer, &decoded, &length, encoding.ids, encoding.count,
                                     false, error);
    mm_stream_decoder *stream = NULL;
    const char *part;
    if (!status)
        status = mm_stream_decoder_create(&stream, tokenizer, false, error);
    for (size_t i = 0; i < 12 && !status; i++)
        status = mm_stream_decoder_push(stream, encoding.ids[i], &part, &length, error);
    if (!status)
        status = mm_stream_decoder_finish(stream, &part, &length, error);
    mm_stream_decoder_free(stream);
    mm_free(decoded);
    mm_encoding_free(&encoding);
    mm_tokenizer_free(tokenizer);
    return status;
}

static void test_every_allocation_fails(void **state) {
    (void)state;
    static const char *const names[] = {"added",
                                        "forms",
                                        "accents",
                                        "words",
                                        "vocab-cased",
                                        "vocab-older",
                                        "chain-bert-template",
                                        "chain-trims",
                                        "byte-bpe-prefix",
                                        "byte-bpe-partial",
                                        "prefix-bpe",
                                        "fallback-bpe",
                                        "unigram-t5",
                                        "unigram-bytes",
                                        "spiece-t5",
                                        "spiece-llama",
                                        "merges-roberta",
                                        "merges-gpt2",
                                        "spiece-mbart",
                                        "merges-gpt1",
                                        "merges-neox"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[1024];
        snprintf(path, sizeof(path), DATA "/%s", names[i]);
        mm_error error = {0};
        mm_memory_fail_after(0, false);
        assert_ok(run(path, &error), error);
        size_t allocations = mm_memory_allocations(), failed = 0;
        // The JSON of a file has many small blocks: all of the first, then every third.
        for (size_t n = 1; n <= allocations; n += n < 300 ? 1 : 3) {
            for (int forever = 0; forever < 2; forever++) {
                mm_memory_fail_after(n, forever);
                mm_status status = run(path, &error);
                mm_memory_fail_after(0, false);
                assert_true(status == MM_STATUS_OUT_OF_MEMORY);
                failed++;
            }
        }
        assert_ok(run(path, &error), error);
        printf("%s: %zu allocations, %zu failures\n", names[i], allocations, failed);
    }
}

int main(void) {
    json_set_alloc_funcs(mm_malloc, mm_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
