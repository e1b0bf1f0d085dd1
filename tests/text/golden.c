// SPDX-License-Identifier: Apache-2.0
#include "text/golden.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct runner {
    const mm_tokenizer *tokenizer;
    const char *path;
    mm_encode_options stored;
    mm_encoding encoding;
    size_t line;
    golden_counts *counts;
} runner;

enum outcome { PASSED, FAILED, NOT_COVERED };

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
    mm_encode_options options = run->stored;
    options.add_special_tokens = specials;
    options.want_offsets = offsets;
    return mm_tokenizer_encode(run->tokenizer, &run->encoding, json_string_value(text),
                               json_string_length(text), json_string_value(pair),
                               json_string_length(pair), &options, NULL);
}

// `mask` leaves out the places of padding.
static bool same(const json_t *expected, const int32_t *values, size_t count, const json_t *mask) {
    size_t at = 0;
    for (size_t i = 0; i < json_array_size(expected); i++) {
        if (mask && json_integer_value(json_array_get(mask, i)) == 0)
            continue;
        if (at >= count ||
            (uint32_t)json_integer_value(json_array_get(expected, i)) != (uint32_t)values[at])
            return false;
        at++;
    }
    return at == count;
}

static bool same_offsets(const json_t *expected, const mm_encoding *encoding, const json_t *mask) {
    size_t at = 0;
    for (size_t i = 0; i < json_array_size(expected) / 2; i++) {
        if (mask && json_integer_value(json_array_get(mask, i)) == 0)
            continue;
        for (size_t side = 0; side < 2; side++)
            if ((size_t)json_integer_value(json_array_get(expected, i * 2 + side)) !=
                encoding->offsets[at * 2 + side])
                return false;
        at++;
    }
    return at == encoding->count;
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
                 memcmp(text, json_string_value(expected), length) == 0;
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

// Ids, types and offsets, with and without asking for offsets: the two take different ways.
static enum outcome check_encoded(runner *run, const json_t *item, const json_t *text,
                                  const json_t *pair) {
    const json_t *types = json_object_get(item, "type_ids");
    const json_t *offsets = json_object_get(item, "offsets");
    const json_t *mask = json_object_get(item, "attention_mask");
    for (int want = 0; want < 2; want++) {
        mm_status status = encode(run, text, pair, true, want);
        if (json_object_get(item, "error"))
            return status ? PASSED : report(run, "error", item);
        if (status ||
            !same(json_object_get(item, "ids"), run->encoding.ids, run->encoding.count, mask))
            return report(run, want ? "ids (with offsets)" : "ids", item);
        if (types && !same(types, run->encoding.type_ids, run->encoding.count, mask))
            return report(run, "type_ids", item);
        if (want && offsets && !same_offsets(offsets, &run->encoding, mask))
            return report(run, "offsets", item);
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
    if (!json_object_get(item, "attention_mask") &&
        (encode(run, text, NULL, false, false) ||
         !same(plain, run->encoding.ids, run->encoding.count, NULL)))
        return report(run, "ids_plain", item);
    return check_decoded(run, item);
}

static enum outcome run_trunc(runner *run, const json_t *item) {
    const char *strategy = json_string_value(json_object_get(item, "strategy"));
    if (strcmp(strategy, "longest_first") != 0 || json_object_get(item, "error"))
        return NOT_COVERED;
    const json_t *text = json_object_get(item, "a"), *pair = json_object_get(item, "b");
    mm_encode_options stored = run->stored;
    if (encode(run, text, pair, true, false))
        return report(run, "truncation", item);
    size_t full = run->encoding.count;
    run->stored.max_length = (size_t)json_integer_value(json_object_get(item, "max_length"));
    const char *direction = json_string_value(json_object_get(item, "direction"));
    run->stored.side = strcmp(direction, "left") == 0 ? MM_TRUNCATE_LEFT : MM_TRUNCATE_RIGHT;
    enum outcome outcome = check_encoded(run, item, text, pair);
    if (!outcome && (run->encoding.full_count != full ||
                     run->encoding.truncated != (run->encoding.count < full)))
        outcome = report(run, "full_count", item);
    run->stored = stored;
    return outcome;
}

static enum outcome run_batch(runner *run, const json_t *item) {
    const json_t *texts = json_object_get(item, "texts");
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const json_t *mask = json_array_get(json_object_get(item, "attention_mask"), i);
        if (encode(run, json_array_get(texts, i), NULL, true, false) ||
            !same(json_array_get(json_object_get(item, "ids"), i), run->encoding.ids,
                  run->encoding.count, mask))
            return report(run, "ids of a batch", item);
    }
    return PASSED;
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
    bool equal = same_hash(item, "fnv1a64_decoded", fnv1a(decoded, length));
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
        return check_encoded(run, item, json_object_get(item, "a"), json_object_get(item, "b"));
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

static void read_truncation(runner *run, const json_t *stored) {
    const json_t *truncation = json_object_get(stored, "truncation");
    const char *direction = json_string_value(json_object_get(truncation, "direction"));
    run->stored.max_length = (size_t)json_integer_value(json_object_get(truncation, "max_length"));
    if (direction && strcmp(direction, "Left") == 0)
        run->stored.side = MM_TRUNCATE_LEFT;
}

void golden_run(golden_counts *counts, const mm_tokenizer *tokenizer, const char *path,
                const json_t *stored) {
    FILE *file = fopen(path, "r");
    if (!file) {
        printf("%s: cannot be opened\n", path);
        counts->failed++;
        return;
    }
    runner run = {.tokenizer = tokenizer, .path = path, .counts = counts};
    read_truncation(&run, stored);
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t length; (length = getline(&line, &capacity, file)) > 0;) {
        run.line++;
        json_t *item = json_loadb(line, (size_t)length, JSON_ALLOW_NUL, NULL);
        enum outcome outcome = item ? run_item(&run, item) : report(&run, "JSON", NULL);
        counts->passed += outcome == PASSED;
        counts->failed += outcome == FAILED;
        counts->not_covered += outcome == NOT_COVERED;
        json_decref(item);
    }
    free(line);
    fclose(file);
    mm_encoding_free(&run.encoding);
}
