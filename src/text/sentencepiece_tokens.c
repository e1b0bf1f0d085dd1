// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_tokens.h"

#include "base/memory.h"
#include "text/tokenizer_classes.h"

#include <stdio.h>
#include <string.h>

enum { PEGASUS_OFFSET = 103, MADE_BYTES = 32 };

void mm_token_scores_free(mm_token_scores *list) {
    mm_free(list->items);
    mm_buffer_free(&list->made);
    *list = (mm_token_scores){0};
}

static bool add(mm_token_scores *list, const char *text, size_t length, double score) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + 1024;
        mm_scored_token *items = mm_array_realloc(list->items, capacity, sizeof(*items));
        if (!items)
            return false;
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = (mm_scored_token){text, length, score};
    return true;
}

static bool add_text(mm_token_scores *list, const char *text, double score) {
    return add(list, text, strlen(text), score);
}

// Room for the texts was made before, so that they stay where they are.
static bool add_made(mm_token_scores *list, const char *prefix, size_t number, double score) {
    char text[MADE_BYTES];
    int length = snprintf(text, sizeof(text), "%s%zu>", prefix, number);
    size_t at = list->made.length;
    return mm_buffer_append(&list->made, text, (size_t)length) &&
           add(list, list->made.data + at, (size_t)length, score);
}

// Scores are as they come back from the tokenizer.json that the reference library writes: where two
// ways to cut a text are as good, their last bits decide.
static bool add_pieces(mm_token_scores *list, const mm_sentencepiece_model *model, size_t from) {
    bool ok = true;
    for (size_t i = from; i < model->count && ok; i++) {
        const mm_sentencepiece *piece = &model->pieces[i];
        ok = add(list, piece->text, piece->length, mm_json_written_number((double)piece->score));
    }
    return ok;
}

static bool add_languages(mm_token_scores *list, const mm_languages *languages) {
    const char *codes = languages ? languages->codes : "", *code;
    size_t length;
    bool ok = true;
    while (ok && (code = mm_next_name(&codes, &length)))
        ok = add(list, code, length, 0);
    return ok;
}

static bool add_fairseq(mm_token_scores *list, const mm_sentencepiece_model *model,
                        const mm_token_names *names) {
    bool ok = add_text(list, names->bos, 0) && add_text(list, names->pad, 0) &&
              add_text(list, names->eos, 0) && add_text(list, names->unk, 0) &&
              add_pieces(list, model, 3);
    return ok && add_languages(list, names->languages) && add_text(list, names->mask, 0);
}

static bool add_camembert(mm_token_scores *list, const mm_sentencepiece_model *model,
                          const mm_token_names *names) {
    return add_text(list, "<s>NOTUSED", 0) && add_text(list, names->pad, 0) &&
           add_text(list, "</s>NOTUSED", 0) && add_text(list, names->unk, 0) &&
           add_text(list, "<unk>NOTUSED", -100) && add_pieces(list, model, 1) &&
           add_text(list, names->mask, 0);
}

static bool add_pegasus(mm_token_scores *list, const mm_sentencepiece_model *model,
                        const mm_token_names *names) {
    bool ok = add_text(list, names->pad, 0) && add_text(list, names->eos, 0) &&
              add_text(list, names->mask_sentence, 0);
    if (ok && strcmp(names->mask, names->mask_sentence) != 0)
        ok = add_text(list, names->mask, 0);
    for (size_t i = 2; i < PEGASUS_OFFSET && ok; i++)
        ok = add_made(list, "<unk_", i, -100);
    return ok && add_pieces(list, model, 2);
}

mm_status mm_sentencepiece_tokens(mm_token_scores *list, const mm_sentencepiece_model *model,
                                  mm_piece_order order, const mm_token_names *names,
                                  mm_error *error) {
    *list = (mm_token_scores){0};
    size_t room = (names->extra_ids + PEGASUS_OFFSET) * MADE_BYTES;
    mm_buffer_init(&list->made, room + 1);
    bool ok = mm_buffer_reserve(&list->made, room);
    switch (order) {
    case MM_PIECES_AS_THEY_ARE:
        ok = ok && add_pieces(list, model, 0);
        break;
    case MM_PIECES_T5:
        ok = ok && add_pieces(list, model, 0);
        for (size_t i = names->extra_ids; i > 0 && ok; i--)
            ok = add_made(list, "<extra_id_", i - 1, 0);
        break;
    case MM_PIECES_FAIRSEQ:
        ok = ok && add_fairseq(list, model, names);
        break;
    case MM_PIECES_CAMEMBERT:
        ok = ok && add_camembert(list, model, names);
        break;
    case MM_PIECES_PEGASUS:
        ok = ok && add_pegasus(list, model, names);
        break;
    }
    return ok ? MM_STATUS_OK : mm_fail_memory(error, "the vocabulary");
}
