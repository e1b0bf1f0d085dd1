// SPDX-License-Identifier: Apache-2.0
#include "text/decoder.h"

#include "base/memory.h"

#include <stdint.h>
#include <string.h>

void mm_decode_texts_init(mm_decode_texts *texts) {
    *texts = (mm_decode_texts){0};
    mm_buffer_init(&texts->bytes, SIZE_MAX / 2);
}

void mm_decode_texts_free(mm_decode_texts *texts) {
    mm_buffer_free(&texts->bytes);
    mm_free(texts->ends);
    mm_decode_texts_init(texts);
}

bool mm_decode_texts_end(mm_decode_texts *texts) {
    if (texts->count == texts->capacity) {
        size_t capacity = texts->capacity * 2 + 32;
        size_t *ends = mm_array_realloc(texts->ends, capacity, sizeof(*ends));
        if (!ends)
            return false;
        texts->ends = ends;
        texts->capacity = capacity;
    }
    texts->ends[texts->count++] = texts->bytes.length;
    return true;
}

bool mm_decode_texts_add(mm_decode_texts *texts, const char *text, size_t length) {
    return mm_buffer_append(&texts->bytes, text, length) && mm_decode_texts_end(texts);
}

static const mm_stage_family family = {"decoder", "decoders", mm_decoder_find_kind};

mm_status mm_decoder_read(mm_decoder_list *list, const json_t *config, const char *where,
                          mm_error *error) {
    if (!config || json_is_null(config))
        return MM_STATUS_OK;
    list->present = true;
    return mm_stages_read(&list->stages, &family, config, where, error);
}

mm_status mm_decoder_make_wordpiece(mm_decoder_list *list, const char *prefix, mm_error *error) {
    json_t *config =
        json_pack("{s:s, s:s, s:b}", "type", "WordPiece", "prefix", prefix, "cleanup", 1);
    if (!config)
        return mm_fail_memory(error, "decoders");
    mm_status status = mm_decoder_read(list, config, "decoder", error);
    json_decref(config);
    return status;
}

void mm_decoder_list_free(mm_decoder_list *list) {
    mm_stages_free(&list->stages);
    list->present = false;
}

static bool join(mm_buffer *out, const mm_decode_texts *texts) {
    bool ok = true;
    for (size_t i = 0; i < texts->count && ok; i++) {
        size_t start = mm_decode_texts_start(texts, i);
        ok = (i == 0 || mm_buffer_putc(out, ' ')) &&
             mm_buffer_append(out, mm_decode_texts_at(texts, start), texts->ends[i] - start);
    }
    return ok;
}

mm_status mm_decoder_run(const mm_decoder_list *list, mm_decode_texts *texts, char **out,
                         size_t *out_length, mm_error *error) {
    mm_decode_texts next;
    mm_decode_texts_init(&next);
    bool ok = true;
    for (size_t i = 0; i < list->stages.count && ok; i++) {
        const mm_stage *stage = &list->stages.items[i];
        const mm_decoder_kind *kind = (const mm_decoder_kind *)stage->kind;
        next.count = 0;
        mm_buffer_clear(&next.bytes);
        ok = kind->apply(stage->settings, texts, &next);
        mm_decode_texts swap = *texts;
        *texts = next;
        next = swap;
    }
    mm_buffer_clear(&next.bytes);
    mm_buffer *result = &texts->bytes;
    if (ok && !list->present) {
        ok = join(&next.bytes, texts);
        result = &next.bytes;
    }
    const char *failure = texts->failure; // of the last step
    size_t length = result->length;
    char *data = ok ? mm_buffer_detach(result) : NULL;
    mm_decode_texts_free(&next);
    mm_decode_texts_free(texts);
    if (failure)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED, "%s", failure);
    if (!data)
        return mm_fail_memory(error, "decoded text");
    *out = data;
    *out_length = length;
    return MM_STATUS_OK;
}
