// SPDX-License-Identifier: Apache-2.0
// A model whose tokens have ids of their own: a SentencePiece file cuts, a vocab.json numbers.
#include "text/token_model.h"

#include "base/memory.h"

#include <string.h>

typedef struct numbered {
    mm_model pieces; // its ids are places in the SentencePiece file
    uint32_t *ids;   // at such a place
    size_t count;
    uint32_t unknown_id;
} numbered;

static void release(void *settings) {
    numbered *self = settings;
    if (!self)
        return;
    mm_token_model_free(&self->pieces);
    mm_free(self->ids);
    mm_free(self);
}

// What the model of the pieces has found elsewhere lies behind its own ids.
static mm_status tokenize(const mm_model *model, mm_encode_work *work, mm_error *error) {
    const numbered *self = model->settings;
    size_t from = work->tokens->count;
    mm_status status = self->pieces.kind->tokenize(&self->pieces, work, error);
    uint32_t *ids = work->tokens->ids;
    for (size_t i = from; i < work->tokens->count && !status; i++)
        ids[i] = ids[i] < self->count ? self->ids[ids[i]] : ids[i] - (uint32_t)self->count;
    return status;
}

static const mm_model_kind kind = {"SentencePiece", true, NULL, release, tokenize, NULL};

static mm_status check_size(const mm_vocabulary *vocabulary, size_t pieces, const char *where,
                            mm_error *error) {
    if (vocabulary->largest_id <= INT32_MAX && pieces <= INT32_MAX)
        return MM_STATUS_OK;
    return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: an id of more than 31 bits", where);
}

mm_status mm_model_make_numbered(mm_model *model, const mm_scored_token *tokens, size_t count,
                                 const char *unknown, const char *where, mm_error *error) {
    uint32_t unknown_id;
    mm_status status = check_size(&model->vocabulary, count, where, error);
    if (!status && !mm_vocabulary_find(&model->vocabulary, unknown, strlen(unknown), &unknown_id))
        status = mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                         "%s: the unknown token \"%s\" is not there", where, unknown);
    if (status)
        return status;
    numbered *self = mm_calloc(1, sizeof(*self));
    model->kind = &kind;
    model->settings = self;
    if (self)
        self->ids = mm_calloc(count + 1, sizeof(*self->ids));
    if (!self || !self->ids)
        return mm_fail_memory(error, "the vocabulary");
    self->count = count;
    self->unknown_id = unknown_id;
    for (size_t i = 0; i < count; i++)
        if (!mm_vocabulary_find(&model->vocabulary, tokens[i].text, tokens[i].length,
                                &self->ids[i]))
            self->ids[i] = unknown_id;
    return MM_STATUS_OK;
}

uint32_t mm_model_unknown(const mm_model *model) {
    const numbered *self = model->settings;
    return self->unknown_id;
}

mm_model *mm_model_pieces(mm_model *model) {
    numbered *self = model->settings;
    return &self->pieces;
}
