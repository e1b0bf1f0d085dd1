// SPDX-License-Identifier: Apache-2.0
// Unigram: of all ways to cut a piece into tokens, the one with the largest sum of scores.
//
// Viterbi's algorithm from left to right. Where no token is just the next character, that character
// may be unknown, at the cost of `unknown_score`; runs of unknown characters are one token. Of
// equal sums the one found first stays, so the order of additions is the reference library's.
#include "text/token_model.h"

#include "base/memory.h"
#include "text/piece_trie.h"
#include "text/unicode_text.h"

#include <math.h>
#include <stdio.h>

typedef struct unigram {
    mm_piece_trie trie;
    double *scores; // by id
    size_t count, capacity;
    double unknown_score;
    uint32_t unknown_id; // MM_PIECE_NONE when there is none
    bool byte_fallback;
    uint32_t byte_ids[256]; // of "<0x00>" and so on, or MM_PIECE_NONE
    // As SentencePiece itself: sums are floats, and texts without a token may be in another
    // vocabulary; its ids lie behind those of the tokens.
    bool single_precision;
    const mm_vocabulary *elsewhere; // borrowed, or NULL
} unigram;

static const double UNKNOWN_PENALTY = 10;

void mm_unigram_release(void *settings) {
    unigram *self = settings;
    if (!self)
        return;
    mm_piece_trie_free(&self->trie);
    mm_free(self->scores);
    mm_free(self);
}

static bool add_score(unigram *self, double score) {
    if (self->count == self->capacity) {
        size_t capacity = self->capacity * 2 + 256;
        double *scores = mm_array_realloc(self->scores, capacity, sizeof(*scores));
        if (!scores)
            return false;
        self->scores = scores;
        self->capacity = capacity;
    }
    self->scores[self->count++] = score;
    return true;
}

// ["token", score]
static mm_json_result read_entry(unigram *self, mm_vocabulary *vocabulary, mm_json_cursor *in,
                                 mm_buffer *scratch) {
    mm_json_part token;
    double score;
    if (!mm_json_take(in, '['))
        return MM_JSON_BAD;
    mm_json_result result = mm_json_take_string(in, &token, scratch);
    if (result)
        return result;
    if (!mm_json_take(in, ',') || !mm_json_take_number(in, &score) || !mm_json_take(in, ']'))
        return MM_JSON_BAD;
    return mm_vocabulary_append(vocabulary, token.start, token.length) && add_score(self, score)
               ? MM_JSON_OK
               : MM_JSON_NO_MEMORY;
}

static mm_status read_list(unigram *self, mm_vocabulary *vocabulary, mm_json_part part,
                           const char *where, mm_error *error) {
    mm_json_cursor in = {part.start, part.start + part.length};
    mm_buffer scratch;
    mm_buffer_init(&scratch, part.length + 1);
    mm_json_result result = mm_json_take(&in, '[') ? MM_JSON_OK : MM_JSON_BAD;
    if (!result && !mm_json_take(&in, ']')) {
        do {
            result = read_entry(self, vocabulary, &in, &scratch);
        } while (!result && mm_json_take(&in, ','));
        if (!result && !mm_json_take(&in, ']'))
            result = MM_JSON_BAD;
    }
    mm_json_skip_space(&in);
    if (!result && in.at != in.end)
        result = MM_JSON_BAD;
    mm_buffer_free(&scratch);
    if (result == MM_JSON_BAD)
        return mm_fail(
            error, MM_STATUS_MODEL_CORRUPT,
            "%s: \"vocab\" of Unigram must be a list of [token, score]; entry %zu is not", where,
            self->count);
    return result ? mm_fail_memory(error, "the vocabulary") : MM_STATUS_OK;
}

static void find_bytes(unigram *self, const mm_vocabulary *vocabulary) {
    for (unsigned byte = 0; byte < 256; byte++) {
        char token[8];
        int length = snprintf(token, sizeof(token), "<0x%02X>", byte);
        if (!mm_vocabulary_find(vocabulary, token, (size_t)length, &self->byte_ids[byte]))
            self->byte_ids[byte] = MM_PIECE_NONE;
    }
}

// What follows from the tokens and their scores; `unknown` is negative when there is none.
static mm_status finish(unigram *self, const mm_vocabulary *vocabulary, int64_t unknown,
                        const char *where, mm_error *error) {
    if (unknown >= (int64_t)self->count)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: \"unk_id\" is %lld, but the vocabulary has %zu tokens", where,
                       (long long)unknown, self->count);
    self->unknown_id = unknown < 0 ? MM_PIECE_NONE : (uint32_t)unknown;
    double smallest = INFINITY;
    for (size_t i = 0; i < self->count; i++)
        if (self->scores[i] < smallest)
            smallest = self->scores[i];
    self->unknown_score = smallest - UNKNOWN_PENALTY;
    find_bytes(self, vocabulary);
    return mm_piece_trie_make(&self->trie, vocabulary) ? MM_STATUS_OK
                                                       : mm_fail_memory(error, "the vocabulary");
}

static unigram *make(mm_model *model) {
    unigram *self = mm_calloc(1, sizeof(*self));
    model->settings = self;
    return self;
}

mm_status mm_unigram_read(mm_model *model, const json_t *config, const mm_model_parts *parts,
                          const char *where, mm_error *error) {
    unigram *self = make(model);
    if (!self)
        return mm_fail_memory(error, "Unigram");
    if (!parts->vocab.start || *parts->vocab.start != '[')
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"vocab\" of Unigram must be a list",
                       where);
    int64_t unknown;
    mm_status status = read_list(self, &model->vocabulary, parts->vocab, where, error);
    if (!status)
        status = mm_json_get_integer(&unknown, config, "unk_id", -1, 0, INT64_MAX, where, error);
    if (!status)
        status =
            mm_json_get_bool(&self->byte_fallback, config, "byte_fallback", false, where, error);
    return status ? status : finish(self, &model->vocabulary, unknown, where, error);
}

mm_status mm_unigram_make(mm_model *model, const mm_scored_token *tokens, size_t count,
                          size_t unknown, bool byte_fallback, const char *where, mm_error *error) {
    unigram *self = make(model);
    bool ok = self != NULL;
    for (size_t i = 0; i < count && ok; i++)
        ok = mm_vocabulary_append(&model->vocabulary, tokens[i].text, tokens[i].length) &&
             add_score(self, tokens[i].score);
    if (!ok)
        return mm_fail_memory(error, "the vocabulary");
    self->byte_fallback = byte_fallback;
    return finish(self, &model->vocabulary, (int64_t)unknown, where, error);
}

void mm_unigram_as_sentencepiece(mm_model *model, const mm_vocabulary *elsewhere) {
    unigram *self = model->settings;
    self->single_precision = true;
    self->elsewhere = elsewhere;
    self->unknown_score =
        (double)((float)(self->unknown_score + UNKNOWN_PENALTY) - (float)UNKNOWN_PENALTY);
    for (size_t i = 0; i < self->count; i++)
        self->scores[i] = (double)(float)self->scores[i];
}

static bool reserve(mm_encode_work *work, size_t length) {
    if (length < work->lattice_capacity)
        return true;
    size_t capacity = length + length / 4 + 256;
    mm_lattice_cell *lattice = mm_array_realloc(work->lattice, capacity, sizeof(*lattice));
    if (!lattice)
        return false;
    work->lattice = lattice;
    work->lattice_capacity = capacity;
    return true;
}

static inline double sum(const unigram *self, double before, double score) {
    return self->single_precision ? (double)(float)(before + score) : before + score;
}

static inline void improve(mm_lattice_cell *cell, double score, size_t start, uint32_t id) {
    if (cell->start == UINT32_MAX || score > cell->score) {
        cell->score = score;
        cell->start = (uint32_t)start;
        cell->id = id;
    }
}

// Fills the lattice; false when a character is unknown and there is no token for that.
static bool find_best(const unigram *self, mm_lattice_cell *lattice, const char *text,
                      size_t length) {
    const mm_piece_trie *trie = &self->trie;
    lattice[0].score = 0;
    for (size_t i = 0; i <= length; i++)
        lattice[i].start = UINT32_MAX;
    for (size_t start = 0; start < length;) {
        double before = lattice[start].score;
        size_t character_end = start + mm_unicode_width(text[start]);
        bool has_character = false;
        uint32_t node = 0;
        for (size_t at = start; at < length;) {
            node = mm_piece_trie_step(trie, node, (unsigned char)text[at++]);
            if (!node)
                break;
            uint32_t id = trie->nodes[node].id;
            if (id == MM_PIECE_NONE)
                continue;
            improve(&lattice[at], sum(self, before, self->scores[id]), start, id);
            has_character |= at == character_end;
        }
        if (!has_character) {
            mm_lattice_cell *cell = &lattice[character_end];
            double score = sum(self, before, self->unknown_score);
            if (self->unknown_id == MM_PIECE_NONE &&
                (cell->start == UINT32_MAX || score > cell->score))
                return false;
            improve(cell, score, start, self->unknown_id);
        }
        start = character_end;
    }
    return true;
}

// Links the best way from its start: cell.next.
static void link_forward(mm_lattice_cell *lattice, size_t length) {
    for (size_t end = length; end > 0;) {
        size_t start = lattice[end].start;
        lattice[start].next = (uint32_t)end;
        end = start;
    }
}

// What the reference library makes of a text that has no token: bytes when all of them have
// tokens, else the unknown token.
static bool add_unknown(const mm_model *model, mm_encode_work *work, size_t start, size_t end) {
    const unigram *self = model->settings;
    const char *text = work->text.text;
    uint32_t id;
    if (end - start <= model->vocabulary.longest &&
        mm_vocabulary_find(&model->vocabulary, text + start, end - start, &id))
        return mm_token_add(work, id, start, end);
    if (self->elsewhere && mm_vocabulary_find(self->elsewhere, text + start, end - start, &id))
        return mm_token_add(work, (uint32_t)self->count + id, start, end);
    bool as_bytes = self->byte_fallback;
    for (size_t i = start; i < end && as_bytes; i++)
        as_bytes = self->byte_ids[(unsigned char)text[i]] != MM_PIECE_NONE;
    if (!as_bytes)
        return mm_token_add(work, self->unknown_id, start, end) &&
               (!work->want_offsets || mm_token_note_blanks(work, text + start, end - start));
    bool ok = true;
    for (size_t i = start; i < end && ok; i++)
        ok = mm_token_add(work, self->byte_ids[(unsigned char)text[i]], start, end);
    return ok;
}

static bool add_tokens(const mm_model *model, mm_encode_work *work, mm_span piece) {
    const unigram *self = model->settings;
    const mm_lattice_cell *lattice = work->lattice;
    size_t length = piece.end - piece.start;
    bool ok = true;
    for (size_t start = 0; start < length && ok;) {
        size_t end = lattice[start].next;
        uint32_t id = lattice[end].id;
        if (id != self->unknown_id) {
            ok = mm_token_add(work, id, piece.start + start, piece.start + end);
        } else {
            while (end < length && lattice[lattice[end].next].id == self->unknown_id)
                end = lattice[end].next;
            ok = add_unknown(model, work, piece.start + start, piece.start + end);
        }
        start = end;
    }
    return ok;
}

mm_status mm_unigram_tokenize(const mm_model *model, mm_encode_work *work, mm_error *error) {
    const unigram *self = model->settings;
    for (size_t i = 0; i < work->pieces.count; i++) {
        mm_span piece = work->pieces.items[i];
        size_t length = piece.end - piece.start;
        if (!reserve(work, length))
            return mm_fail_memory(error, "tokens");
        if (!find_best(self, work->lattice, work->text.text + piece.start, length))
            return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                           "the text has a character without a token, and Unigram has no unk_id");
        link_forward(work->lattice, length);
        if (!add_tokens(model, work, piece))
            return mm_fail_memory(error, "tokens");
    }
    return MM_STATUS_OK;
}
