// SPDX-License-Identifier: Apache-2.0
// WordPiece: the longest token that begins the word, then the longest that continues it, and so on.
#include "text/token_model.h"

#include "base/memory.h"

#include <string.h>

typedef struct wordpiece {
    const char *prefix; // of tokens that continue a word
    size_t prefix_length;
    uint64_t prefix_hash; // where the hash of such a token begins
    size_t max_characters;
    uint32_t unknown_id;
    bool has_unknown;
    const char *unknown; // for the error text
} wordpiece;

mm_status mm_wordpiece_read(mm_model *model, const json_t *config, const mm_model_parts *parts,
                            const char *where, mm_error *error) {
    (void)parts;
    const char *unknown, *prefix;
    int64_t characters;
    mm_status status = mm_json_get_string(&unknown, config, "unk_token", "[UNK]", where, error);
    if (!status)
        status =
            mm_json_get_string(&prefix, config, "continuing_subword_prefix", "##", where, error);
    if (!status)
        status = mm_json_get_integer(&characters, config, "max_input_chars_per_word", 100, 0,
                                     INT64_MAX, where, error);
    if (status)
        return status;
    size_t unknown_length = strlen(unknown), prefix_length = strlen(prefix);
    wordpiece *made = mm_malloc(sizeof(*made) + unknown_length + prefix_length + 2);
    if (!made)
        return mm_fail_memory(error, "WordPiece");
    char *bytes = (char *)(made + 1);
    memcpy(bytes, prefix, prefix_length + 1);
    memcpy(bytes + prefix_length + 1, unknown, unknown_length + 1);
    *made = (wordpiece){.prefix = bytes,
                        .prefix_length = prefix_length,
                        .prefix_hash = MM_VOCABULARY_SEED,
                        .max_characters = (size_t)characters,
                        .unknown = bytes + prefix_length + 1};
    for (size_t i = 0; i < prefix_length; i++)
        made->prefix_hash = mm_vocabulary_hash(made->prefix_hash, (unsigned char)prefix[i]);
    made->has_unknown =
        mm_vocabulary_find(&model->vocabulary, unknown, unknown_length, &made->unknown_id);
    model->settings = made;
    return MM_STATUS_OK;
}

static bool is_too_long(const wordpiece *settings, const char *word, size_t length) {
    if (length <= settings->max_characters)
        return false;
    size_t characters = 0;
    for (size_t i = 0; i < length && characters <= settings->max_characters; i++)
        characters += ((unsigned char)word[i] & 0xC0) != 0x80;
    return characters > settings->max_characters;
}

// The longest token at the start of `rest`, with the prefix in front when the word has begun.
// `hashes` has room for as many values as the longest token has bytes.
static const mm_vocabulary_entry *longest(const mm_model *model, uint64_t *hashes, const char *rest,
                                          size_t length, bool begun, size_t *used) {
    const wordpiece *settings = model->settings;
    const char *prefix = begun ? settings->prefix : "";
    size_t prefix_length = begun ? settings->prefix_length : 0;
    if (model->vocabulary.longest <= prefix_length)
        return NULL;
    size_t limit = model->vocabulary.longest - prefix_length;
    if (limit > length)
        limit = length;
    uint64_t hash = begun ? settings->prefix_hash : MM_VOCABULARY_SEED;
    for (size_t i = 0; i < limit; i++)
        hashes[i] = hash = mm_vocabulary_hash(hash, (unsigned char)rest[i]);
    for (size_t end = limit; end > 0; end--) {
        if (end < length && ((unsigned char)rest[end] & 0xC0) == 0x80)
            continue; // inside a character
        const mm_vocabulary_entry *entry = mm_vocabulary_probe(&model->vocabulary, hashes[end - 1],
                                                               prefix, prefix_length, rest, end);
        if (entry) {
            *used = end;
            return entry;
        }
    }
    return NULL;
}

static bool reserve_hashes(mm_encode_work *work, size_t need) {
    if (need <= work->hashes_capacity)
        return true;
    uint64_t *hashes = mm_array_realloc(work->hashes, need, sizeof(*hashes));
    if (!hashes)
        return false;
    work->hashes = hashes;
    work->hashes_capacity = need;
    return true;
}

static bool add_word(const mm_model *model, mm_encode_work *work, mm_span piece, bool *known) {
    const wordpiece *settings = model->settings;
    const char *word = work->text.text + piece.start;
    size_t length = piece.end - piece.start, before = work->tokens->count;
    *known = !is_too_long(settings, word, length);
    for (size_t at = 0; at < length && *known;) {
        size_t used = 0;
        const mm_vocabulary_entry *entry =
            longest(model, work->hashes, word + at, length - at, at > 0, &used);
        *known = entry != NULL;
        if (entry && !mm_token_add(work, entry->id, piece.start + at, piece.start + at + used))
            return false;
        at += used;
    }
    if (*known)
        return true;
    work->tokens->count = before;
    return !settings->has_unknown ||
           mm_token_add(work, settings->unknown_id, piece.start, piece.end);
}

mm_status mm_wordpiece_tokenize(const mm_model *model, mm_encode_work *work, mm_error *error) {
    const wordpiece *settings = model->settings;
    if (!reserve_hashes(work, model->vocabulary.longest + 1))
        return mm_fail_memory(error, "tokens");
    for (size_t i = 0; i < work->pieces.count; i++) {
        bool known;
        if (!add_word(model, work, work->pieces.items[i], &known))
            return mm_fail_memory(error, "tokens");
        if (!known && !settings->has_unknown)
            return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                           "the vocabulary lacks the unknown token \"%s\"", settings->unknown);
    }
    return MM_STATUS_OK;
}
