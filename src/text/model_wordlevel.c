// SPDX-License-Identifier: Apache-2.0
// WordLevel: each piece is a token or unknown.
#include "text/token_model.h"

#include "base/memory.h"

#include <string.h>

typedef struct wordlevel {
    uint32_t unknown_id;
    bool has_unknown;
    char unknown[]; // for the error text
} wordlevel;

mm_status mm_wordlevel_read(mm_model *model, const json_t *config, const mm_model_parts *parts,
                            const char *where, mm_error *error) {
    (void)parts;
    const char *unknown;
    mm_status status = mm_json_get_string(&unknown, config, "unk_token", "<unk>", where, error);
    if (status)
        return status;
    size_t length = strlen(unknown);
    wordlevel *made = mm_malloc(sizeof(*made) + length + 1);
    if (!made)
        return mm_fail_memory(error, "WordLevel");
    memcpy(made->unknown, unknown, length + 1);
    made->has_unknown = mm_vocabulary_find(&model->vocabulary, unknown, length, &made->unknown_id);
    model->settings = made;
    return MM_STATUS_OK;
}

mm_status mm_wordlevel_tokenize(const mm_model *model, mm_encode_work *work, mm_error *error) {
    const wordlevel *settings = model->settings;
    for (size_t i = 0; i < work->pieces.count; i++) {
        mm_span piece = work->pieces.items[i];
        uint32_t id = settings->unknown_id;
        if (!mm_vocabulary_find(&model->vocabulary, work->text.text + piece.start,
                                piece.end - piece.start, &id) &&
            !settings->has_unknown)
            return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                           "the vocabulary lacks the unknown token \"%s\"", settings->unknown);
        if (!mm_token_add(work, id, piece.start, piece.end))
            return mm_fail_memory(error, "tokens");
    }
    return MM_STATUS_OK;
}
