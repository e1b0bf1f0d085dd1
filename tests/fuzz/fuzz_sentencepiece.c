// SPDX-License-Identifier: Apache-2.0
// A SentencePiece file. The first byte chooses tokenizer_class and model_type; the file follows,
// and behind "\0{" what tokenizer_config.json has besides, when there is such a thing. The
// tokenizer that comes out of it encodes and decodes.
//
// Covers: src/text/sentencepiece_model.c src/text/sentencepiece_tokens.c
// Covers: src/text/sentencepiece_stages.c src/text/sentencepiece_families.c
// Covers: src/text/tokenizer_sentencepiece.c src/text/sentencepiece_merges.c src/text/charsmap.c
#include "base/memory.h"
#include "base/utf8.h"
#include "frame.h"
#include "text/tokenizer.h"
#include "text/tokenizer_files.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *class_name, *model_type;
} names[] = {{"T5Tokenizer", NULL},
             {"XLMRobertaTokenizer", NULL},
             {"CamembertTokenizer", NULL},
             {"AlbertTokenizer", NULL},
             {"XLNetTokenizer", NULL},
             {"PegasusTokenizer", NULL},
             {"MBartTokenizer", NULL},
             {"DebertaV2Tokenizer", NULL},
             {"LlamaTokenizer", NULL},
             {"GemmaTokenizer", NULL},
             {"Other", "t5"},
             {"RemBertTokenizer", NULL},
             {"BigBirdTokenizer", NULL},
             {"ReformerTokenizer", NULL},
             {"MBart50Tokenizer", NULL},
             {"NllbTokenizerFast", NULL},
             {"FNetTokenizerFast", "t5"},
             {NULL, "t5"},
             {NULL, "xlm-roberta-xl"},
             {NULL, "gemma3_text"},
             {NULL, "none"},
             {NULL, NULL}};

typedef struct input {
    frame_part file;
    const mm_tokenizer_settings *settings;
    const char *model_type;
} input;

static mm_status use(const mm_tokenizer *tokenizer, mm_error *error) {
    static const char text[] =
        "The <mask> and\ta\xCC\x81, \xEF\xAC\x81 \xE2\x96\x81 <extra_id_0>\xC2\xBD";
    mm_encoding encoding = {0};
    char *decoded = NULL;
    size_t length = 0;
    mm_status status = MM_STATUS_OK;
    for (int pair = 0; pair < 2 && !status; pair++) {
        mm_encode_options options = {.add_special_tokens = true, .want_offsets = pair};
        status = mm_tokenizer_encode(tokenizer, &encoding, text, strlen(text), pair ? text : NULL,
                                     pair ? strlen(text) : 0, &options, error);
    }
    if (!status)
        status = mm_tokenizer_decode(tokenizer, &decoded, &length, encoding.ids, encoding.count,
                                     false, error);
    frame_require(status || mm_utf8_valid(decoded, length, NULL));
    mm_free(decoded);
    mm_encoding_free(&encoding);
    return status;
}

static mm_status make_and_use(const void *payload, mm_error *error) {
    const input *own = payload;
    mm_tokenizer *tokenizer;
    mm_status status = mm_tokenizer_make(&tokenizer, error);
    if (status)
        return status;
    status = mm_tokenizer_read_sentencepiece(tokenizer, own->file.data, own->file.size,
                                             own->settings, own->model_type, "m.model", error);
    if (!status)
        status = mm_tokenizer_finish(tokenizer, error);
    if (!status)
        status = use(tokenizer, error);
    mm_tokenizer_free(tokenizer);
    return status;
}

// tokenizer_config.json; the caller's.
static json_t *make_config(const char *class_name, frame_part more) {
    json_t *config = json_pack("{s:s?}", "tokenizer_class", class_name);
    json_t *extra = more.size ? json_loadb(more.data, more.size, 0, NULL) : NULL;
    if (!class_name)
        frame_require(json_object_del(config, "tokenizer_class") == 0);
    frame_require(!json_is_object(extra) || json_object_update_missing(config, extra) == 0);
    json_decref(extra);
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t failing;
    frame_part more = frame_input(&failing, data, size);
    if (more.size == 0)
        return 0;
    size_t chosen = (unsigned char)*more.data % (sizeof(names) / sizeof(names[0]));
    more = (frame_part){more.data + 1, more.size - 1};
    frame_part file = frame_take(&more, "\0{", 2);
    if (more.size) // the brace belongs to what follows
        more = (frame_part){more.data - 1, more.size + 1};
    mm_memory_fail_after(0, false);
    const mm_tokenizer_settings settings = {.config = make_config(names[chosen].class_name, more)};
    const input own = {file, &settings, names[chosen].model_type};
    frame_run(make_and_use, &own, failing);
    json_decref(settings.config);
    return 0;
}
