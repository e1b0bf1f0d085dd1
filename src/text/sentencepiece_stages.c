// SPDX-License-Identifier: Apache-2.0
// The stages around the model, as JSON for the readers of tokenizer.json.
#include "text/sentencepiece_families.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define SPACE "\xE2\x96\x81" // U+2581, which stands for a blank

typedef struct maker {
    const mm_sentencepiece_model *model;
    bool keep_accents, lowercase, split_punctuation, prefix, legacy;
    bool failed;
} maker;

static void append(maker *self, json_t *list, json_t *stage) {
    if (!stage || json_array_append_new(list, stage))
        self->failed = true;
}

static json_t *simple(const char *type) {
    return json_pack("{s:s}", "type", type);
}

static json_t *replace(const char *kind, const char *pattern, const char *content) {
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", kind, pattern, "content",
                     content);
}

static json_t *metaspace(const char *scheme, bool split) {
    return json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace", "replacement", SPACE,
                     "prepend_scheme", scheme, "split", (int)split);
}

static json_t *strip(bool left, bool right) {
    return json_pack("{s:s, s:b, s:b}", "type", "Strip", "strip_left", (int)left, "strip_right",
                     (int)right);
}

static json_t *precompiled(const mm_bytes map) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = (map.length + 2) / 3 * 4;
    char *text = mm_malloc(length + 1);
    if (!text)
        return NULL;
    for (size_t i = 0, at = 0; i < map.length; i += 3) {
        uint32_t bits = 0;
        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (i + j < map.length ? (unsigned char)map.start[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            text[at++] = i + j > map.length ? '=' : digits[bits >> (18 - 6 * j) & 63];
    }
    json_t *stage =
        json_pack("{s:s, s:s%}", "type", "Precompiled", "precompiled_charsmap", text, length);
    mm_free(text);
    return stage;
}

// What SentencePiece itself does, as far as the file's settings say.
static void own_normalizers(maker *self, json_t *list) {
    const mm_sentencepiece_model *model = self->model;
    if (model->charsmap.length)
        append(self, list, precompiled(model->charsmap));
    if (model->remove_extra_whitespaces) {
        append(self, list, replace("Regex", "\\A +| +\\z", ""));
        append(self, list, replace("Regex", " {2,}", " "));
    }
    if (model->escape_whitespaces)
        append(self, list, replace("String", " ", SPACE));
    if (model->add_dummy_prefix && self->legacy) // Metaspace adds none to a text that has one
        append(self, list, replace("Regex", "\\A" SPACE, SPACE SPACE));
}

static void add_normalizer(maker *self, json_t *list, char step) {
    switch (step) {
    case 'P': // the character map
    case 'N': // or line feeds
        if (self->model->charsmap.length)
            append(self, list, precompiled(self->model->charsmap));
        else if (step == 'N')
            append(self, list, replace("String", "\n", " "));
        break;
    case 'q': // quotes
        append(self, list, replace("String", "``", "\""));
        append(self, list, replace("String", "''", "\""));
        break;
    case 'a': // accents, unless they are to be kept
    case 'k': // which they are when nothing is said
    case 'A':
        if (step != 'A' && self->keep_accents)
            break;
        append(self, list, simple("NFKD"));
        append(self, list, simple("StripAccents"));
        break;
    case 'l': // lower case
    case 'L':
        if (self->lowercase)
            append(self, list, simple("Lowercase"));
        break;
    case 'r': // runs of blanks
        append(self, list, replace("Regex", " {2,}", " "));
        break;
    case 'u':
        append(self, list, replace("Regex", " {2,}", SPACE));
        break;
    case 'w': // white space
        append(self, list, replace("Regex", "\\s{2,}|[\\n\\r\\t]", " "));
        break;
    case 'n':
        append(self, list, simple("NFC"));
        break;
    case 's':
        append(self, list, strip(false, true));
        break;
    case 'i': // Llama's
        if (self->legacy && self->prefix)
            append(self, list, json_pack("{s:s, s:s}", "type", "Prepend", "prepend", SPACE));
        if (self->legacy)
            append(self, list, replace("String", " ", SPACE));
        break;
    case 'e':
        append(self, list, replace("String", " ", SPACE));
        break;
    case 'z': // blanks at the end, also those that the text writes as SentencePiece does
        if (self->model->remove_extra_whitespaces)
            append(self, list, replace("Regex", SPACE "+\\z", ""));
        break;
    default:
        own_normalizers(self, list);
        break;
    }
}

static int by_length(const void *left, const void *right) {
    const mm_sentencepiece *a = left, *b = right;
    return a->length > b->length ? -1 : a->length < b->length;
}

// Pieces that users defined are never cut: a pattern of all of them, the longest first.
static void isolate_user_defined(maker *self, json_t *list) {
    const mm_sentencepiece_model *model = self->model;
    mm_sentencepiece *own = mm_calloc(model->count, sizeof(*own));
    mm_buffer pattern;
    mm_buffer_init(&pattern, SIZE_MAX / 4);
    size_t count = 0;
    bool ok = own != NULL;
    for (size_t i = 0; i < model->count && ok; i++)
        if (model->pieces[i].type == MM_PIECE_USER_DEFINED && model->pieces[i].length)
            own[count++] = model->pieces[i];
    if (ok && count)
        qsort(own, count, sizeof(*own), by_length);
    for (size_t i = 0; i < count && ok; i++) {
        ok = i == 0 || mm_buffer_putc(&pattern, '|');
        for (size_t j = 0; j < own[i].length && ok; j++) {
            char byte = own[i].text[j];
            if (byte && strchr("\\^$.|?*+()[]{}-#&~/ \t\n\r\v\f", byte))
                ok = mm_buffer_putc(&pattern, '\\');
            ok = ok && mm_buffer_putc(&pattern, byte);
        }
    }
    if (ok && count)
        append(self, list,
               json_pack("{s:s, s:{s:s%}, s:s, s:b}", "type", "Split", "pattern", "Regex",
                         pattern.data, pattern.length, "behavior", "Isolated", "invert", 0));
    self->failed |= !ok;
    mm_buffer_free(&pattern);
    mm_free(own);
}

static void add_pretokenizer(maker *self, json_t *list, char step) {
    switch (step) {
    case 'W':
        append(self, list, simple("WhitespaceSplit"));
        break;
    case 'M':
        append(self, list, metaspace(self->prefix ? "always" : "never", true));
        break;
    case 'p':
        if (self->split_punctuation)
            append(self, list,
                   json_pack("{s:s, s:s}", "type", "Punctuation", "behavior", "Isolated"));
        break;
    case 'i':
        if (!self->legacy)
            append(self, list, metaspace(self->prefix ? "first" : "never", false));
        break;
    case 'b':
        append(self, list,
               json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "String", " ",
                         "behavior", "MergedWithPrevious", "invert", 0));
        break;
    default:
        if (self->model->add_dummy_prefix)
            append(self, list, metaspace(self->legacy ? "always" : "first", false));
        isolate_user_defined(self, list);
        break;
    }
}

static void strip_first_blank(maker *self, json_t *list) {
    append(
        self, list,
        json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content", " ", "start", 1, "stop", 0));
}

static void add_decoder(maker *self, json_t *list, char step) {
    switch (step) {
    case 'M':
        append(self, list, metaspace(self->prefix ? "always" : "never", true));
        break;
    case 'r':
        append(self, list, replace("String", SPACE, " "));
        break;
    case 'b':
        append(self, list, simple("ByteFallback"));
        break;
    case 'f':
        append(self, list, simple("Fuse"));
        break;
    case 'i':
        if (self->prefix)
            strip_first_blank(self, list);
        break;
    default:
        append(self, list, replace("String", SPACE, " "));
        if (self->model->byte_fallback)
            append(self, list, simple("ByteFallback"));
        if (self->model->byte_fallback || self->model->add_dummy_prefix)
            append(self, list, simple("Fuse"));
        if (self->model->add_dummy_prefix)
            strip_first_blank(self, list);
        break;
    }
}

static json_t *make_list(maker *self, const char *steps, const char *members,
                         void (*add)(maker *self, json_t *list, char step)) {
    json_t *list = json_array();
    if (!list) {
        self->failed = true;
        return NULL;
    }
    for (; *steps; steps++)
        add(self, list, *steps);
    json_t *stage = json_pack("{s:s, s:o}", "type", "Sequence", members, list);
    self->failed |= !stage;
    return stage;
}

static mm_status read_config(maker *self, const mm_sentencepiece_family *family,
                             const json_t *config, mm_error *error) {
    bool lowercase = strchr(family->normalizers, 'l') != NULL;
    bool accents = strchr(family->normalizers, 'k') != NULL;
    const struct {
        const char *key;
        bool *value, fallback;
    } rows[] = {{"keep_accents", &self->keep_accents, accents},
                {"do_lower_case", &self->lowercase, lowercase},
                {"split_by_punct", &self->split_punctuation, false},
                {"add_prefix_space", &self->prefix, true},
                {"legacy", &self->legacy, true}};
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !status; i++)
        status = mm_json_get_bool(rows[i].value, config, rows[i].key, rows[i].fallback,
                                  "tokenizer_config.json", error);
    return status;
}

mm_status mm_sentencepiece_stages_make(mm_sentencepiece_stages *stages,
                                       const mm_sentencepiece_family *family,
                                       const mm_sentencepiece_model *model, const json_t *config,
                                       mm_error *error) {
    *stages = (mm_sentencepiece_stages){0};
    maker self = {.model = model};
    mm_status status = read_config(&self, family, config, error);
    if (status)
        return status;
    stages->normalizer = make_list(&self, family->normalizers, "normalizers", add_normalizer);
    stages->pretokenizer =
        make_list(&self, family->pretokenizers, "pretokenizers", add_pretokenizer);
    stages->decoder = make_list(&self, family->decoders, "decoders", add_decoder);
    return self.failed ? mm_fail_memory(error, "the stages of a tokenizer") : MM_STATUS_OK;
}

void mm_sentencepiece_stages_free(mm_sentencepiece_stages *stages) {
    json_decref(stages->normalizer);
    json_decref(stages->pretokenizer);
    json_decref(stages->decoder);
}
