// SPDX-License-Identifier: Apache-2.0
// A SentencePiece file. The first byte chooses tokenizer_class; the file follows, and behind the
// last "\0{" what tokenizer_config.json has besides, when there is such a thing. The tokenizer that
// comes out of it encodes and decodes; allocations fail every now and then.
//
// Covers: src/text/sentencepiece_model.c src/text/sentencepiece_tokens.c
// Covers: src/text/sentencepiece_stages.c src/text/sentencepiece_families.c
// Covers: src/text/tokenizer_sentencepiece.c src/text/charsmap.c
#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer.h"
#include "text/tokenizer_files.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth) {
    if (!truth)
        abort();
}

static void use(mm_tokenizer *tokenizer) {
    static const char text[] =
        "The <mask> and\ta\xCC\x81, \xEF\xAC\x81 \xE2\x96\x81 <extra_id_0>\xC2\xBD";
    mm_error error = {0};
    mm_encoding encoding = {0};
    mm_encode_options options = {.add_special_tokens = true, .want_offsets = true};
    mm_status status =
        mm_tokenizer_encode(tokenizer, &encoding, text, strlen(text), NULL, 0, &options, &error);
    char *decoded = NULL;
    size_t length = 0;
    if (!status)
        status = mm_tokenizer_decode(tokenizer, &decoded, &length, encoding.ids, encoding.count,
                                     false, &error);
    require(status || mm_utf8_valid(decoded, length, NULL));
    mm_free(decoded);
    mm_encoding_free(&encoding);
}

static mm_status make(const uint8_t *data, size_t size, mm_tokenizer_settings *settings) {
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    mm_status status = mm_tokenizer_make(&tokenizer, &error);
    if (status)
        return status;
    status = mm_tokenizer_read_sentencepiece(tokenizer, (const char *)data, size, settings, NULL,
                                             "m.model", &error);
    if (!status)
        status = mm_tokenizer_finish(tokenizer, &error);
    require(!status || (error.status == status && error.message[0] &&
                        mm_utf8_valid(error.message, strlen(error.message), NULL)));
    if (!status)
        use(tokenizer);
    mm_tokenizer_free(tokenizer);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const classes[] = {"T5Tokenizer",
                                          "XLMRobertaTokenizer",
                                          "CamembertTokenizer",
                                          "AlbertTokenizer",
                                          "XLNetTokenizer",
                                          "PegasusTokenizer",
                                          "MBartTokenizer",
                                          "DebertaV2Tokenizer",
                                          "LlamaTokenizer",
                                          "GemmaTokenizer",
                                          "Other"};
    if (size == 0)
        return 0;
    const char *class_name = classes[data[0] % (sizeof(classes) / sizeof(classes[0]))];
    mm_tokenizer_settings settings = {.config = json_pack("{s:s}", "tokenizer_class", class_name)};
    require(settings.config != NULL);
    const uint8_t *more = size > 1 ? memmem(data + 1, size - 1, "\0{", 2) : NULL;
    size_t length = more ? (size_t)(more - data) - 1 : size - 1;
    json_t *extra = more ? json_loadb((const char *)more + 1, size - length - 2, 0, NULL) : NULL;
    if (extra)
        require(json_object_update_missing(settings.config, extra) == 0);
    json_decref(extra);
    mm_memory_fail_after(0, false);
    mm_status status = make(data + 1, length, &settings);
    size_t allocations = mm_memory_allocations();
    if (!status && allocations) {
        mm_memory_fail_after(1 + data[0] * 31u % allocations, false);
        (void)make(data + 1, length, &settings);
        mm_memory_fail_after(0, false);
    }
    json_decref(settings.config);
    return 0;
}
