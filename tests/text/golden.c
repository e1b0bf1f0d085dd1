// SPDX-License-Identifier: Apache-2.0
#include "text/golden.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/stream_decoder.h"
#include "text/unicode_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct runner {
    const mm_tokenizer *tokenizer;
    const char *path;
    const mm_truncation *truncation; // in force, or NULL
    const mm_padding *padding;
    mm_encoding encoding;
    size_t line;
    golden_counts *counts;
} runner;

enum outcome { PASSED, FAILED };

static enum outcome report(const runner *run, const char *what, const json_t *value) {
    if (run->counts->failed < 5) {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII);
        printf("%s:%zu: %s differs in %.600s\n", run->path, run->line, what, text ? text : "");
        free(text);
        printf("  got");
        for (size_t i = 0; i < run->encoding.count && i < 40; i++)
            printf(" %" PRId32, run->encoding.ids[i]);
        printf("\n");
    }
    return FAILED;
}

static mm_status encode(runner *run, const json_t *text, const json_t *pair, bool specials,
                        bool offsets) {
    mm_encode_options options = {
        .add_special_tokens = specials, .want_offsets = offsets, .want_overflow = offsets};
    mm_status status = MM_STATUS_OK;
    if (run->truncation)
        options.truncation = *run->truncation;
    status = mm_tokenizer_encode(run->tokenizer, &run->encoding, json_string_value(text),
                                 json_string_length(text), json_string_value(pair),
                                 json_string_length(pair), &options, NULL);
    if (!status && run->padding)
        status = mm_encodings_pad(&run->encoding, 1, run->padding, NULL);
    return status;
}

static bool same(const json_t *expected, const int32_t *values, size_t count) {
    if (json_array_size(expected) != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if ((uint32_t)json_integer_value(json_array_get(expected, i)) != (uint32_t)values[i])
            return false;
    return true;
}

static bool same_offsets(const json_t *expected, const mm_encoding *encoding) {
    if (json_array_size(expected) != encoding->count * 2)
        return false;
    for (size_t i = 0; i < encoding->count * 2; i++)
        if ((size_t)json_integer_value(json_array_get(expected, i)) != encoding->offsets[i])
            return false;
    return true;
}

// Where the recording has no mask, nothing is padded.
static bool same_mask(const json_t *expected, const mm_encoding *encoding) {
    for (size_t i = 0; i < encoding->count; i++) {
        bool padding = encoding->pad_side == MM_PAD_LEFT ? i < encoding->padded
                                                         : i >= encoding->count - encoding->padded;
        if (expected ? json_integer_value(json_array_get(expected, i)) == padding : padding)
            return false;
    }
    return !expected || json_array_size(expected) == encoding->count;
}

// The reference shows an added token with the blanks it swallowed, which its id does not tell.
static void trim(const char **text, size_t *length) {
    size_t start = 0, end = *length;
    for (size_t next = 0; next < end && mm_unicode_is_space(mm_unicode_next(*text, &next));)
        start = next;
    for (size_t next = end; next > start && mm_unicode_is_space(mm_unicode_previous(*text, &next));)
        end = next;
    *text += start;
    *length = end - start;
}

// Of a text that has no token Unigram in the library shows the text, ours what the id stands for.
static bool is_unknown(const runner *run, const char *token) {
    return strcmp(mm_tokenizer_kind(run->tokenizer), "Unigram") == 0 &&
           mm_tokenizer_token_id(run->tokenizer, token) < 0;
}

static bool same_tokens(const json_t *expected, const runner *run) {
    for (size_t i = 0; i < run->encoding.count; i++) {
        const char *token = json_string_value(json_array_get(expected, i));
        size_t length = 0, token_length = json_string_length(json_array_get(expected, i));
        const char *text = mm_tokenizer_token(run->tokenizer, run->encoding.ids[i], &length);
        if (!text || !token)
            return false;
        if (is_unknown(run, token))
            continue;
        trim(&text, &length);
        trim(&token, &token_length);
        if (length != token_length || memcmp(text, token, length) != 0)
            return false;
    }
    return true;
}

// The further windows, of which pairs have only the number recorded.
static bool same_overflow(const json_t *item, const mm_encoding *encoding) {
    const json_t *windows = json_object_get(item, "overflow");
    const json_t *number = json_object_get(item, "n_overflow");
    if (number && (size_t)json_integer_value(number) != encoding->overflow_count)
        return false;
    if (number && !windows)
        return true;
    if (json_array_size(windows) != encoding->overflow_count)
        return false;
    for (size_t i = 0, start = 0; i < encoding->overflow_count; i++) {
        size_t end = encoding->overflow_ends[i];
        if (!same(json_array_get(windows, i), encoding->overflow + start, end - start))
            return false;
        start = end;
    }
    return true;
}

// Id by id, twice, since a decoder is used again; never ends within a character.
static bool same_streamed(const runner *run, const int32_t *ids, size_t count, bool skip,
                          const char *expected, size_t expected_length) {
    mm_stream_decoder *decoder;
    mm_buffer whole;
    bool equal = !mm_stream_decoder_create(&decoder, run->tokenizer, skip, NULL);
    for (int round = 0; round < 2 && equal; round++) {
        mm_buffer_init(&whole, SIZE_MAX / 2);
        for (size_t i = 0; i <= count && equal; i++) {
            const char *text = NULL;
            size_t length = 0;
            equal = !(i < count ? mm_stream_decoder_push(decoder, ids[i], &text, &length, NULL)
                                : mm_stream_decoder_finish(decoder, &text, &length, NULL)) &&
                    mm_utf8_valid(text, length, NULL) && mm_buffer_append(&whole, text, length);
        }
        equal = equal && whole.length == expected_length &&
                memcmp(whole.data ? whole.data : "", expected, expected_length) == 0;
        if (!equal && run->counts->failed < 5)
            printf("  streamed \"%s\"\n", whole.data ? whole.data : "");
        mm_buffer_free(&whole);
    }
    mm_stream_decoder_free(decoder);
    return equal;
}

static bool same_decoded(const runner *run, const json_t *ids, bool skip, const json_t *expected) {
    size_t count = json_array_size(ids), length;
    int32_t *values = calloc(count + 1, sizeof(*values));
    for (size_t i = 0; i < count; i++)
        values[i] = (int32_t)(uint32_t)json_integer_value(json_array_get(ids, i));
    char *text;
    mm_status status =
        mm_tokenizer_decode(run->tokenizer, &text, &length, values, count, skip, NULL);
    bool equal = !status && length == json_string_length(expected) &&
                 memcmp(text, json_string_value(expected), length) == 0 &&
                 same_streamed(run, values, count, skip, text, length);
    if (!equal && run->counts->failed < 5)
        printf("  decoded \"%s\"\n", text ? text : "");
    mm_free(text);
    free(values);
    return equal;
}

static enum outcome check_decoded(const runner *run, const json_t *item) {
    const json_t *decoded = json_object_get(item, "decoded");
    const json_t *all = json_object_get(item, "decoded_all");
    if (decoded && !same_decoded(run, json_object_get(item, "ids"), true, decoded))
        return report(run, "decoded", item);
    if (decoded && !same_decoded(run, json_object_get(item, "ids"), false, all ? all : decoded))
        return report(run, "decoded_all", item);
    return PASSED;
}

static enum outcome check_members(const runner *run, const json_t *item, bool want) {
    const json_t *types = json_object_get(item, "type_ids");
    const json_t *offsets = json_object_get(item, "offsets");
    const json_t *tokens = json_object_get(item, "tokens");
    if (!same(json_object_get(item, "ids"), run->encoding.ids, run->encoding.count))
        return report(run, want ? "ids (with offsets)" : "ids", item);
    if (types && !same(types, run->encoding.type_ids, run->encoding.count))
        return report(run, "type_ids", item);
    if (!same_mask(json_object_get(item, "attention_mask"), &run->encoding))
        return report(run, "attention_mask", item);
    if (tokens && !same_tokens(tokens, run))
        return report(run, "tokens", item);
    if (want && offsets && !same_offsets(offsets, &run->encoding))
        return report(run, "offsets", item);
    if (want && !same_overflow(item, &run->encoding))
        return report(run, "overflow", item);
    return PASSED;
}

// With and without asking for offsets and windows: the two take different ways.
static enum outcome check_encoded(runner *run, const json_t *item, const json_t *text,
                                  const json_t *pair) {
    for (int want = 0; want < 2; want++) {
        mm_status status = encode(run, text, pair, true, want);
        if (json_object_get(item, "error"))
            return status ? PASSED : report(run, "error", item);
        enum outcome outcome =
            status ? report(run, mm_status_name(status), item) : check_members(run, item, want);
        if (outcome)
            return outcome;
    }
    return PASSED;
}

static enum outcome run_single(runner *run, const json_t *item) {
    const json_t *text = json_object_get(item, "text");
    enum outcome outcome = check_encoded(run, item, text, NULL);
    if (outcome || json_object_get(item, "error"))
        return outcome;
    const json_t *plain = json_object_get(item, "ids_plain");
    if (!plain)
        plain = json_object_get(item, "ids");
    if (encode(run, text, NULL, false, false) ||
        !same(plain, run->encoding.ids, run->encoding.count))
        return report(run, "ids_plain", item);
    return check_decoded(run, item);
}

static enum outcome run_pair(runner *run, const json_t *item) {
    enum outcome outcome =
        check_encoded(run, item, json_object_get(item, "a"), json_object_get(item, "b"));
    const json_t *decoded = json_object_get(item, "decoded");
    if (!outcome && decoded && !same_decoded(run, json_object_get(item, "ids"), true, decoded))
        outcome = report(run, "decoded", item);
    return outcome;
}

static bool is(const json_t *item, const char *key, const char *value) {
    const char *text = json_string_value(json_object_get(item, key));
    return text && strcmp(text, value) == 0;
}

static enum outcome run_trunc(runner *run, const json_t *item) {
    const json_t *text = json_object_get(item, "a"), *pair = json_object_get(item, "b");
    if (encode(run, text, pair, true, false))
        return json_object_get(item, "error") ? PASSED : report(run, "truncation", item);
    size_t full = run->encoding.count;
    mm_truncation truncation = {
        .max_length = (size_t)json_integer_value(json_object_get(item, "max_length")),
        .stride = (size_t)json_integer_value(json_object_get(item, "stride")),
        .strategy = is(item, "strategy", "only_first")    ? MM_TRUNCATE_ONLY_FIRST
                    : is(item, "strategy", "only_second") ? MM_TRUNCATE_ONLY_SECOND
                                                          : MM_TRUNCATE_LONGEST_FIRST,
        .side = is(item, "direction", "left") ? MM_TRUNCATE_LEFT : MM_TRUNCATE_RIGHT};
    if (mm_tokenizer_check_truncation(run->tokenizer, &truncation, NULL))
        return json_object_get(item, "error") ? PASSED : report(run, "refused", item);
    run->truncation = &truncation;
    enum outcome outcome = check_encoded(run, item, text, pair);
    if (!outcome && !json_object_get(item, "error") &&
        (run->encoding.full_count != full ||
         run->encoding.truncated != (run->encoding.count < full)))
        outcome = report(run, "full_count", item);
    run->truncation = NULL;
    return outcome;
}

static int32_t number(const json_t *object, const char *key) {
    return (int32_t)json_integer_value(json_object_get(object, key));
}

static enum outcome check_batch(runner *run, const json_t *item, mm_encoding *encodings,
                                const mm_padding *padding) {
    const json_t *texts = json_object_get(item, "texts");
    const json_t *ids = json_object_get(item, "ids"), *types = json_object_get(item, "type_ids");
    const json_t *masks = json_object_get(item, "attention_mask");
    size_t count = json_array_size(texts);
    mm_encode_options options = {.add_special_tokens = true};
    if (run->truncation)
        options.truncation = *run->truncation;
    for (size_t i = 0; i < count; i++) {
        const json_t *text = json_array_get(texts, i);
        if (mm_tokenizer_encode(run->tokenizer, &encodings[i], json_string_value(text),
                                json_string_length(text), NULL, 0, &options, NULL))
            return report(run, "a text of the batch", item);
    }
    if (padding && mm_encodings_pad(encodings, count, padding, NULL))
        return report(run, "padding", item);
    for (size_t i = 0; i < count; i++)
        if (!same(json_array_get(ids, i), encodings[i].ids, encodings[i].count) ||
            !same(json_array_get(types, i), encodings[i].type_ids, encodings[i].count) ||
            !same_mask(json_array_get(masks, i), &encodings[i]))
            return report(run, "the batch", item);
    return PASSED;
}

static enum outcome run_batch(runner *run, const json_t *item) {
    enum { TEXTS = 64 };
    const json_t *own = json_object_get(item, "padding");
    mm_padding padding = {.fixed = json_object_get(own, "length"),
                          .length = (size_t)number(own, "length"),
                          .multiple_of = (size_t)number(own, "pad_to_multiple_of"),
                          .side = is(own, "direction", "left") ? MM_PAD_LEFT : MM_PAD_RIGHT,
                          .id = number(own, "pad_id"),
                          .type_id = number(own, "pad_type_id")};
    mm_encoding encodings[TEXTS] = {0};
    if (json_array_size(json_object_get(item, "texts")) > TEXTS)
        return report(run, "number of texts", item);
    enum outcome outcome = check_batch(run, item, encodings, own ? &padding : run->padding);
    for (size_t i = 0; i < TEXTS; i++)
        mm_encoding_free(&encodings[i]);
    return outcome;
}

static uint64_t fnv1a(const void *bytes, size_t length) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
    return hash;
}

static bool same_hash(const json_t *item, const char *key, uint64_t hash) {
    const char *text = json_string_value(json_object_get(item, key));
    return text && strtoull(text, NULL, 16) == hash;
}

static enum outcome run_long(runner *run, const json_t *item) {
    const json_t *parts = json_object_get(item, "parts");
    json_t *text;
    mm_buffer whole;
    mm_buffer_init(&whole, SIZE_MAX / 2);
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i), *piece = json_array_get(part, 0);
        for (json_int_t n = json_integer_value(json_array_get(part, 1)); n > 0; n--)
            mm_buffer_append(&whole, json_string_value(piece), json_string_length(piece));
    }
    text = json_stringn(whole.data ? whole.data : "", whole.length);
    mm_buffer_free(&whole);
    mm_status status = encode(run, text, NULL, true, true);
    mm_status again = encode(run, text, NULL, true, false);
    json_decref(text);
    size_t count = run->encoding.count;
    if (status || again || count != (size_t)json_integer_value(json_object_get(item, "n_ids")) ||
        !same_hash(item, "fnv1a64_ids", fnv1a(run->encoding.ids, count * 4)))
        return report(run, "ids", item);
    char *decoded;
    size_t length;
    if (mm_tokenizer_decode(run->tokenizer, &decoded, &length, run->encoding.ids, count, true,
                            NULL))
        return report(run, "decoded", item);
    bool equal = same_hash(item, "fnv1a64_decoded", fnv1a(decoded, length)) &&
                 length == (size_t)json_integer_value(json_object_get(item, "decoded_bytes")) &&
                 same_streamed(run, run->encoding.ids, count, true, decoded, length);
    mm_free(decoded);
    return equal ? PASSED : report(run, "decoded", item);
}

static enum outcome run_item(runner *run, const json_t *item) {
    const char *kind = json_string_value(json_object_get(item, "kind"));
    if (!kind)
        return report(run, "kind", item);
    if (strcmp(kind, "single") == 0)
        return run_single(run, item);
    if (strcmp(kind, "pair") == 0)
        return run_pair(run, item);
    if (strcmp(kind, "trunc") == 0)
        return run_trunc(run, item);
    if (strcmp(kind, "decode") == 0)
        return check_decoded(run, item);
    if (strcmp(kind, "batch") == 0)
        return run_batch(run, item);
    if (strcmp(kind, "long") == 0)
        return run_long(run, item);
    return report(run, "kind", item);
}

void golden_run(golden_counts *counts, const mm_tokenizer *tokenizer, const char *path,
                bool stored) {
    FILE *file = fopen(path, "r");
    if (!file) {
        printf("%s: cannot be opened\n", path);
        counts->failed++;
        return;
    }
    runner run = {.tokenizer = tokenizer, .path = path, .counts = counts};
    if (stored) {
        run.truncation = mm_tokenizer_stored_truncation(tokenizer);
        run.padding = mm_tokenizer_stored_padding(tokenizer);
    }
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t length; (length = getline(&line, &capacity, file)) > 0;) {
        run.line++;
        json_t *item = json_loadb(line, (size_t)length, JSON_ALLOW_NUL, NULL);
        enum outcome outcome = item ? run_item(&run, item) : report(&run, "JSON", NULL);
        counts->passed += outcome == PASSED;
        counts->failed += outcome == FAILED;
        json_decref(item);
    }
    free(line);
    fclose(file);
    mm_encoding_free(&run.encoding);
}
