// SPDX-License-Identifier: Apache-2.0
// Reads what tokenizer.json, or a merges.txt, says of a BPE model.
#include "text/model_bpe.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/byte_level.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static void free_bpe(mm_bpe *bpe) {
    mm_merge_table_free(&bpe->merges);
    mm_free(bpe->prefix.text);
    mm_free(bpe->suffix.text);
    mm_free(bpe->unknown.text);
    mm_free(bpe);
}

void mm_bpe_release(void *settings) {
    if (settings)
        free_bpe(settings);
}

// Absent or null: no text.
static mm_status read_text(mm_affix *out, const json_t *config, const char *key, const char *where,
                           mm_error *error) {
    const char *text;
    mm_status status = mm_json_get_string(&text, config, key, NULL, where, error);
    if (status || !text)
        return status;
    out->length = strlen(text);
    out->text = mm_strdup(text);
    return out->text ? MM_STATUS_OK : mm_fail_memory(error, "BPE");
}

static mm_status check_dropout(const json_t *config, const char *where, mm_error *error) {
    double dropout;
    mm_status status = mm_json_get_number(&dropout, config, "dropout", 0, 0, 1, where, error);
    if (!status && dropout > 0)
        status = mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                         "%s: \"dropout\" %g gives other tokens each time, which is for training; "
                         "set it to null",
                         where, dropout);
    return status;
}

static void find_bytes(mm_bpe *bpe, const mm_vocabulary *vocabulary) {
    char name[8];
    for (unsigned byte = 0; byte < 256; byte++) {
        snprintf(name, sizeof(name), "<0x%02X>", byte);
        bpe->has_byte[byte] = mm_vocabulary_find(vocabulary, name, 6, &bpe->byte_ids[byte]);
    }
}

static mm_status read_settings(mm_model *model, const json_t *config, const char *where,
                               mm_error *error) {
    static atomic_uint_least64_t serials;
    mm_bpe *bpe = mm_calloc(1, sizeof(*bpe));
    if (!bpe)
        return mm_fail_memory(error, "BPE");
    model->settings = bpe;
    bpe->serial = atomic_fetch_add_explicit(&serials, 1, memory_order_relaxed) + 1;
    mm_status status = check_dropout(config, where, error);
    if (!status)
        status = read_text(&bpe->unknown, config, "unk_token", where, error);
    if (!status)
        status = read_text(&bpe->prefix, config, "continuing_subword_prefix", where, error);
    if (!status)
        status = read_text(&bpe->suffix, config, "end_of_word_suffix", where, error);
    if (!status)
        status = mm_json_get_bool(&bpe->fuse_unknown, config, "fuse_unk", false, where, error);
    if (!status)
        status =
            mm_json_get_bool(&bpe->byte_fallback, config, "byte_fallback", false, where, error);
    if (!status)
        status =
            mm_json_get_bool(&bpe->ignore_merges, config, "ignore_merges", false, where, error);
    if (status)
        return status;
    if (bpe->unknown.text)
        bpe->has_unknown = mm_vocabulary_find(&model->vocabulary, bpe->unknown.text,
                                              bpe->unknown.length, &bpe->unknown_id);
    if (bpe->byte_fallback)
        find_bytes(bpe, &model->vocabulary);
    return MM_STATUS_OK;
}

mm_status mm_bpe_read(mm_model *model, const json_t *config, const mm_model_parts *parts,
                      const char *where, mm_error *error) {
    if (!parts->merges.start || *parts->merges.start != '[')
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"merges\" must be an array", where);
    mm_status status = read_settings(model, config, where, error);
    return status ? status : mm_bpe_read_merges(model, parts->merges, where, error);
}

mm_status mm_bpe_make(mm_model *model, const json_t *config, mm_json_part merges, const char *where,
                      mm_error *error) {
    mm_status status = read_settings(model, config, where, error);
    return status ? status : mm_bpe_read_merge_lines(model, merges, where, error);
}

// With every letter in the vocabulary no byte is unknown, and letters with affixes are other
// tokens.
bool mm_bpe_take_bytes(mm_model *model) {
    mm_bpe *bpe = model->settings;
    if (bpe->prefix.length || bpe->suffix.length)
        return false;
    for (unsigned byte = 0; byte < 256; byte++) {
        char letter[4];
        size_t length = mm_utf8_encode(letter, mm_byte_level_letter((unsigned char)byte));
        if (!mm_vocabulary_find(&model->vocabulary, letter, length, &bpe->letter_ids[byte]))
            return false;
    }
    bpe->takes_bytes = true;
    return true;
}
