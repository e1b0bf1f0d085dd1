// SPDX-License-Identifier: Apache-2.0
// BPE: a word's characters (or bytes), then pairs of neighbours become one token, in the order in
// which training found them.
#include "text/model_bpe.h"

#include "text/byte_level.h"
#include "text/unicode_text.h"

#include <string.h>

// A word of megabytes needs hundreds of them to be merged in; the next one may be of ten bytes.
enum { MOST_SYMBOLS = 1 << 16 }; // to be kept from text to text

// A character with its affixes; in work->spelled when there are any.
static bool spell(const mm_bpe *bpe, mm_encode_work *work, const char *word, mm_span at,
                  size_t length, mm_json_part *out) {
    const mm_affix *prefix = &bpe->prefix, *suffix = &bpe->suffix;
    *out = (mm_json_part){word + at.start, at.end - at.start};
    bool prefixed = prefix->length && at.start > 0, suffixed = suffix->length && at.end == length;
    if (!prefixed && !suffixed)
        return true;
    mm_buffer *spelled = &work->spelled;
    mm_buffer_clear(spelled);
    if ((prefixed && !mm_buffer_append(spelled, prefix->text, prefix->length)) ||
        !mm_buffer_append(spelled, out->start, out->length) ||
        (suffixed && !mm_buffer_append(spelled, suffix->text, suffix->length)))
        return false;
    *out = (mm_json_part){spelled->data, spelled->length};
    return true;
}

static bool add_bytes(const mm_bpe *bpe, mm_symbol_list *symbols, mm_json_part spelled) {
    if (!bpe->byte_fallback)
        return false;
    for (size_t i = 0; i < spelled.length; i++)
        if (!bpe->has_byte[(unsigned char)spelled.start[i]])
            return false;
    for (size_t i = 0; i < spelled.length; i++)
        mm_symbol_add(symbols, bpe->byte_ids[(unsigned char)spelled.start[i]], 1);
    return true;
}

static bool start_symbols(const mm_bpe *bpe, mm_encode_work *work, size_t length) {
    size_t most = length;
    if (bpe->byte_fallback)
        most += length * bpe->prefix.length + bpe->suffix.length;
    return mm_symbol_list_start(&work->symbols, most);
}

// The symbols of a word's characters. The unknown token waits until a known one follows, as in the
// reference library: bytes that stand for a character do not make it come out.
static mm_status read_characters(const mm_model *model, mm_encode_work *work, const char *word,
                                 size_t length, mm_error *error) {
    const mm_bpe *bpe = model->settings;
    mm_symbol_list *symbols = &work->symbols;
    uint32_t waiting = 0; // bytes of unknown text
    for (size_t at = 0; at < length;) {
        size_t width = mm_unicode_width(word[at]);
        mm_span span = {(uint32_t)at, (uint32_t)(at + width)};
        at += width;
        mm_json_part spelled;
        uint32_t id;
        if (!spell(bpe, work, word, span, length, &spelled))
            return mm_fail_memory(error, "tokens");
        bool known = mm_vocabulary_find(&model->vocabulary, spelled.start, spelled.length, &id);
        if (!known && (add_bytes(bpe, symbols, spelled) || !bpe->unknown.text))
            continue;
        if (!known && !bpe->has_unknown)
            return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                           "the vocabulary lacks the unknown token \"%s\"", bpe->unknown.text);
        if (waiting && (known || !bpe->fuse_unknown)) {
            mm_symbol_add(symbols, bpe->unknown_id, waiting);
            waiting = 0;
        }
        if (known)
            mm_symbol_add(symbols, id, (uint32_t)width);
        else
            waiting += (uint32_t)width;
    }
    if (waiting)
        mm_symbol_add(symbols, bpe->unknown_id, waiting);
    return MM_STATUS_OK;
}

// With ignore_merges: a word that is a token.
static bool find_whole(const mm_model *model, mm_encode_work *work, const char *word, size_t length,
                       uint32_t *id, bool *found) {
    const mm_bpe *bpe = model->settings;
    *found = false;
    if (length > model->vocabulary.longest)
        return true;
    if (bpe->takes_bytes) {
        mm_buffer_clear(&work->spelled);
        for (size_t i = 0; i < length; i++)
            if (!mm_byte_level_append(&work->spelled, (unsigned char)word[i]))
                return false;
        word = work->spelled.data;
        length = work->spelled.length;
    }
    *found = mm_vocabulary_find(&model->vocabulary, word, length, id);
    return true;
}

static mm_status read_symbols(const mm_model *model, mm_encode_work *work, const char *word,
                              size_t length, mm_error *error) {
    const mm_bpe *bpe = model->settings;
    if (!start_symbols(bpe, work, length))
        return mm_fail_memory(error, "tokens");
    uint32_t id;
    bool whole = false;
    if (bpe->ignore_merges && !find_whole(model, work, word, length, &id, &whole))
        return mm_fail_memory(error, "tokens");
    if (whole) {
        mm_symbol_add(&work->symbols, id, (uint32_t)length);
        return MM_STATUS_OK;
    }
    if (!bpe->takes_bytes)
        return read_characters(model, work, word, length, error);
    for (size_t i = 0; i < length; i++)
        mm_symbol_add(&work->symbols, bpe->letter_ids[(unsigned char)word[i]], 1);
    return MM_STATUS_OK;
}

// Appends the merged symbols of a piece and remembers what they are.
static bool add_symbols(mm_encode_work *work, mm_span piece, const mm_word *word) {
    const mm_symbol_list *symbols = &work->symbols;
    size_t start = piece.start, length = piece.end - piece.start, count = 0;
    uint32_t ids[MM_WORD_TOKENS];
    uint8_t ends[MM_WORD_TOKENS];
    for (uint32_t i = symbols->count ? 0 : MM_NO_SYMBOL; i != MM_NO_SYMBOL;) {
        const mm_symbol *symbol = &symbols->items[i];
        // Bytes for affixes reach beyond the word.
        size_t end = start + symbol->length < piece.end ? start + symbol->length : piece.end;
        if (!mm_token_add(work, symbol->id, start, end))
            return false;
        if (word && count < MM_WORD_TOKENS) {
            ids[count] = symbol->id;
            ends[count] = (uint8_t)(end - piece.start);
        }
        count++;
        start = end;
        i = symbol->next;
    }
    if (!word || count > MM_WORD_TOKENS)
        return true;
    mm_word_entry *entry = mm_word_cache_put(&work->words, word, length);
    if (!entry)
        return false;
    entry->count = (uint8_t)count;
    memcpy(entry->ids, ids, count * sizeof(*ids));
    memcpy(entry->ends, ends, count * sizeof(*ends));
    return true;
}

static bool add_known(mm_encode_work *work, mm_span piece, const mm_word_entry *entry) {
    mm_token_list *tokens = work->tokens;
    if (tokens->capacity - tokens->count < MM_WORD_TOKENS &&
        !mm_token_reserve(work, MM_WORD_TOKENS))
        return false;
    if (!work->want_offsets) { // all places, whatever the number: that is quicker
        memcpy(tokens->ids + tokens->count, entry->ids, sizeof(entry->ids));
        tokens->count += entry->count;
        return true;
    }
    size_t start = piece.start;
    for (size_t i = 0; i < entry->count; i++) {
        size_t end = piece.start + entry->ends[i];
        if (!mm_token_add(work, entry->ids[i], start, end))
            return false;
        start = end;
    }
    return true;
}

static mm_status add_piece(const mm_model *model, mm_encode_work *work, mm_span piece,
                           mm_error *error) {
    const mm_bpe *bpe = model->settings;
    const char *text = work->text.text + piece.start;
    size_t length = piece.end - piece.start;
    bool is_short = length <= MM_WORD_BYTES;
    mm_word word;
    if (is_short) {
        word = mm_word_key(text, length);
        const mm_word_entry *entry = mm_word_cache_find(&work->words, &word, length);
        if (entry)
            return add_known(work, piece, entry) ? MM_STATUS_OK : mm_fail_memory(error, "tokens");
    }
    mm_status status = read_symbols(model, work, text, length, error);
    if (status)
        return status;
    mm_symbols_merge(&work->symbols, &bpe->merges);
    return add_symbols(work, piece, is_short ? &word : NULL) ? MM_STATUS_OK
                                                             : mm_fail_memory(error, "tokens");
}

mm_status mm_bpe_tokenize(const mm_model *model, mm_encode_work *work, mm_error *error) {
    const mm_bpe *bpe = model->settings;
    mm_word_cache_claim(&work->words, bpe->serial);
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < work->pieces.count && !status; i++)
        status = add_piece(model, work, work->pieces.items[i], error);
    if (work->symbols.capacity > MOST_SYMBOLS)
        mm_symbol_list_free(&work->symbols);
    return status;
}
