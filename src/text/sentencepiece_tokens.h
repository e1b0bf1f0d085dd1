// SPDX-License-Identifier: Apache-2.0
// The vocabulary that a family of tokenizers makes of the pieces of a SentencePiece file.
#ifndef MM_TEXT_SENTENCEPIECE_TOKENS_H
#define MM_TEXT_SENTENCEPIECE_TOKENS_H

#include "text/languages.h"
#include "text/sentencepiece_model.h"
#include "text/token_model.h"

#include "base/buffer.h"

typedef enum mm_piece_order {
    MM_PIECES_AS_THEY_ARE,
    MM_PIECES_T5,        // and <extra_id_99> to <extra_id_0> behind them
    MM_PIECES_FAIRSEQ,   // other special tokens in front, languages and the mask behind
    MM_PIECES_CAMEMBERT, // five tokens in front, the mask behind
    MM_PIECES_PEGASUS,   // 105 tokens in front
} mm_piece_order;

typedef struct mm_token_names { // what the special tokens are called, none NULL
    const char *bos, *eos, *unk, *pad, *mask, *mask_sentence;
    size_t extra_ids;
    const mm_languages *languages; // NULL: none
} mm_token_names;

typedef struct mm_token_scores {
    mm_scored_token *items;
    size_t count, capacity;
    mm_buffer made; // texts made here
} mm_token_scores;

// The list; its texts live as long as it, the model and the names. Free it in any case.
mm_status mm_sentencepiece_tokens(mm_token_scores *list, const mm_sentencepiece_model *model,
                                  mm_piece_order order, const mm_token_names *names,
                                  mm_error *error);
void mm_token_scores_free(mm_token_scores *list);

typedef struct mm_piece_merging {
    bool plain; // as SentencePiece merges, see below
    bool byte_fallback;
    bool ignore_merges;
} mm_piece_merging;

// A BPE model of the list, whose merges are every cut of a token into two others, the best score
// first. Of equal ones that with the longer left part comes first, or with `plain` the one with the
// shorter; with `plain` only normal pieces count.
mm_status mm_sentencepiece_make_bpe(mm_model *made, const mm_sentencepiece_model *model,
                                    const mm_token_scores *tokens, size_t unknown,
                                    const mm_piece_merging *how, const char *where,
                                    mm_error *error);

#endif
