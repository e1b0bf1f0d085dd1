// SPDX-License-Identifier: Apache-2.0
#include "text/decoder.h"

#include "base/memory.h"

#include <stdint.h>
#include <string.h>

enum { MAX_DEPTH = 60 };

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

static mm_status append(mm_decoder_list *list, mm_decoder item, mm_error *error) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + 4;
        mm_decoder *items = mm_array_realloc(list->items, capacity, sizeof(*items));
        if (!items) {
            mm_free(item.settings);
            return mm_fail_memory(error, "decoders");
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return MM_STATUS_OK;
}

static mm_status read_item(mm_decoder_list *list, const json_t *config, const char *where,
                           int depth, mm_error *error) {
    const char *type;
    mm_status status = mm_json_get_string(&type, config, "type", NULL, where, error);
    if (status)
        return status;
    if (!type || depth > MAX_DEPTH)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: %s", where,
                       type ? "nested too deeply" : "\"type\" is missing");
    if (strcmp(type, "Sequence") == 0) {
        const json_t *items = json_object_get(config, "decoders");
        if (!json_is_array(items))
            return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"decoders\" must be an array",
                           where);
        for (size_t i = 0; i < json_array_size(items) && !status; i++)
            status = read_item(list, json_array_get(items, i), where, depth + 1, error);
        return status;
    }
    mm_decoder item = {.kind = mm_decoder_find_kind(type)};
    if (!item.kind)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: the decoder \"%s\" is not supported", where, type);
    if (item.kind->read) {
        status = item.kind->read(&item.settings, config, where, error);
        if (status)
            return status;
    }
    return append(list, item, error);
}

mm_status mm_decoder_read(mm_decoder_list *list, const json_t *config, const char *where,
                          mm_error *error) {
    if (!config || json_is_null(config))
        return MM_STATUS_OK;
    list->present = true;
    return read_item(list, config, where, 0, error);
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
    for (size_t i = 0; i < list->count; i++)
        mm_free(list->items[i].settings);
    mm_free(list->items);
    *list = (mm_decoder_list){0};
}

static bool join(mm_buffer *out, const mm_decode_texts *texts) {
    bool ok = true;
    for (size_t i = 0; i < texts->count && ok; i++) {
        size_t start = mm_decode_texts_start(texts, i);
        ok = (i == 0 || mm_buffer_putc(out, ' ')) &&
             mm_buffer_append(out, texts->bytes.data + start, texts->ends[i] - start);
    }
    return ok;
}

mm_status mm_decoder_run(const mm_decoder_list *list, mm_decode_texts *texts, char **out,
                         size_t *out_length, mm_error *error) {
    mm_decode_texts next;
    mm_decode_texts_init(&next);
    bool ok = true;
    for (size_t i = 0; i < list->count && ok; i++) {
        next.count = 0;
        mm_buffer_clear(&next.bytes);
        ok = list->items[i].kind->apply(list->items[i].settings, texts, &next);
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
    size_t length = result->length;
    char *data = ok ? mm_buffer_detach(result) : NULL;
    mm_decode_texts_free(&next);
    mm_decode_texts_free(texts);
    if (!data)
        return mm_fail_memory(error, "decoded text");
    *out = data;
    *out_length = length;
    return MM_STATUS_OK;
}
