// SPDX-License-Identifier: Apache-2.0
// Models: the third stage, from pieces of text to token ids.
//
// To add a kind: write its functions, declare them below, add a row to the table in model.c.
#ifndef MM_TEXT_TOKEN_MODEL_H
#define MM_TEXT_TOKEN_MODEL_H

#include "text/encode_work.h"
#include "text/json_scan.h"
#include "text/vocabulary.h"

#include "base/json.h"

typedef struct mm_model mm_model;

typedef struct mm_model_parts { // of "model" in tokenizer.json, each when there and long
    mm_json_part vocab;         // an object, or an array of [token, score]
    mm_json_part merges;        // an array
} mm_model_parts;

typedef struct mm_model_kind {
    const char *type;
    bool wants_vocabulary; // "vocab" is an object of tokens and ids, read before `read` is called
    // `config` is "model" without what `parts` has.
    mm_status (*read)(mm_model *model, const json_t *config, const mm_model_parts *parts,
                      const char *where, mm_error *error);
    void (*release)(void *settings); // NULL: mm_free
    // Appends the tokens of all of work->pieces.
    mm_status (*tokenize)(const mm_model *model, mm_encode_work *work, mm_error *error);
    // From now on pieces are bytes, not the letters that ByteLevel writes for them. Optional; false
    // when this model needs the letters.
    bool (*take_bytes)(mm_model *model);
} mm_model_kind;

struct mm_model {
    const mm_model_kind *kind;
    mm_vocabulary vocabulary;
    void *settings;
};

// What WordPiece needs when no tokenizer.json says so.
typedef struct mm_wordpiece_options {
    const char *unk_token, *prefix;
    size_t max_characters; // of a word; longer ones are unknown
} mm_wordpiece_options;

// Finds the kind that "type", or else the shape of `config`, asks for and reads its settings.
// UNSUPPORTED names a kind not built. model->vocabulary must be finished when "vocab" is an object.
mm_status mm_model_read(mm_model *model, const json_t *config, const mm_model_parts *parts,
                        const char *where, mm_error *error);
mm_status mm_model_make_wordpiece(mm_model *model, const mm_wordpiece_options *options,
                                  mm_error *error);
// `config` is as in tokenizer.json; the merges are the lines of a merges.txt.
mm_status mm_model_make_bpe(mm_model *model, const json_t *config, mm_json_part merges,
                            const char *where, mm_error *error);
// A token of a list in which its place is its id.
typedef struct mm_scored_token {
    const char *text; // UTF-8, not NUL-terminated
    size_t length;
    double score; // finite
} mm_scored_token;

// `unknown` is the place of the unknown token; there must be one.
mm_status mm_model_make_unigram(mm_model *model, const mm_scored_token *tokens, size_t count,
                                size_t unknown, bool byte_fallback, const char *where,
                                mm_error *error);
// A model around another one, mm_model_pieces, which the caller makes: its tokens are those of the
// list, at the same places, and become the ids that model->vocabulary has for them, or that of
// `unknown`.
mm_status mm_model_make_numbered(mm_model *model, const mm_scored_token *tokens, size_t count,
                                 const char *unknown, const char *where, mm_error *error);
mm_model *mm_model_pieces(mm_model *model);
uint32_t mm_model_unknown(const mm_model *model);
void mm_token_model_free(mm_model *model); // accepts a zeroed one

mm_status mm_wordpiece_read(mm_model *model, const json_t *config, const mm_model_parts *parts,
                            const char *where, mm_error *error);
mm_status mm_wordpiece_tokenize(const mm_model *model, mm_encode_work *work, mm_error *error);
mm_status mm_wordlevel_read(mm_model *model, const json_t *config, const mm_model_parts *parts,
                            const char *where, mm_error *error);
mm_status mm_wordlevel_tokenize(const mm_model *model, mm_encode_work *work, mm_error *error);
mm_status mm_bpe_read(mm_model *model, const json_t *config, const mm_model_parts *parts,
                      const char *where, mm_error *error);
void mm_bpe_release(void *settings);
mm_status mm_bpe_tokenize(const mm_model *model, mm_encode_work *work, mm_error *error);
bool mm_bpe_take_bytes(mm_model *model);
mm_status mm_unigram_read(mm_model *model, const json_t *config, const mm_model_parts *parts,
                          const char *where, mm_error *error);
mm_status mm_unigram_make(mm_model *model, const mm_scored_token *tokens, size_t count,
                          size_t unknown, bool byte_fallback, const char *where, mm_error *error);
// Turns one that was just made into what the SentencePiece library does, as far as it differs.
// `elsewhere` is where texts without a token are looked up, and must outlive the model: one that is
// found has its id behind those of the tokens.
void mm_unigram_as_sentencepiece(mm_model *model, const mm_vocabulary *elsewhere);
void mm_unigram_release(void *settings);
mm_status mm_unigram_tokenize(const mm_model *model, mm_encode_work *work, mm_error *error);

#endif
