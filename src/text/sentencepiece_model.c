// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_model.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <math.h>
#include <string.h>

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

typedef struct field {
    uint64_t number;
    unsigned wire;
    uint64_t value; // of the numeric wire types
    mm_bytes bytes; // of WIRE_BYTES
} field;

typedef enum step { STEP_FIELD, STEP_END, STEP_BAD } step;

typedef struct reader {
    mm_sentencepiece_model *model;
    const char *begin, *where;
    mm_error *error;
} reader;

static bool take_varint(mm_bytes *in, uint64_t *out) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (in->length == 0)
            return false;
        unsigned char byte = (unsigned char)*in->start++;
        in->length--;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool take_fixed(mm_bytes *in, size_t width, uint64_t *out) {
    if (in->length < width)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value |= (uint64_t)(unsigned char)in->start[i] << (8 * i);
    in->start += width;
    in->length -= width;
    *out = value;
    return true;
}

static step take_field(mm_bytes *in, field *out) {
    uint64_t key;
    if (in->length == 0)
        return STEP_END;
    if (!take_varint(in, &key) || key >> 3 == 0)
        return STEP_BAD;
    *out = (field){.number = key >> 3, .wire = (unsigned)(key & 7)};
    switch (out->wire) {
    case WIRE_VARINT:
        return take_varint(in, &out->value) ? STEP_FIELD : STEP_BAD;
    case WIRE_FIXED64:
        return take_fixed(in, 8, &out->value) ? STEP_FIELD : STEP_BAD;
    case WIRE_FIXED32:
        return take_fixed(in, 4, &out->value) ? STEP_FIELD : STEP_BAD;
    case WIRE_BYTES:
        if (!take_varint(in, &out->value) || out->value > in->length)
            return STEP_BAD;
        out->bytes = (mm_bytes){in->start, (size_t)out->value};
        in->start += out->bytes.length;
        in->length -= out->bytes.length;
        return STEP_FIELD;
    default: // groups are of no use here, and others do not exist
        return STEP_BAD;
    }
}

static mm_status corrupt(const reader *self, const char *at, const char *what) {
    return mm_fail(self->error, MM_STATUS_MODEL_CORRUPT,
                   "%s: no SentencePiece model: %s at byte %zu", self->where, what,
                   (size_t)(at - self->begin));
}

static mm_status add_piece(const reader *self, mm_sentencepiece piece) {
    mm_sentencepiece_model *model = self->model;
    if (model->count == model->capacity) {
        size_t capacity = model->capacity * 2 + 1024;
        mm_sentencepiece *pieces = mm_array_realloc(model->pieces, capacity, sizeof(*pieces));
        if (!pieces)
            return mm_fail_memory(self->error, "pieces");
        model->pieces = pieces;
        model->capacity = capacity;
    }
    model->pieces[model->count++] = piece;
    return MM_STATUS_OK;
}

static mm_status read_piece(const reader *self, mm_bytes in) {
    mm_sentencepiece piece = {.text = in.start, .type = MM_PIECE_NORMAL};
    const char *start = in.start;
    field item;
    step next;
    while ((next = take_field(&in, &item)) == STEP_FIELD) {
        if (item.number == 1 && item.wire == WIRE_BYTES) {
            piece.text = item.bytes.start;
            piece.length = item.bytes.length;
        } else if (item.number == 2 && item.wire == WIRE_FIXED32) {
            uint32_t bits = (uint32_t)item.value;
            memcpy(&piece.score, &bits, sizeof(bits));
        } else if (item.number == 3 && item.wire == WIRE_VARINT) {
            piece.type = (int64_t)item.value;
        }
    }
    if (next == STEP_BAD)
        return corrupt(self, in.start, "a broken field of a piece");
    if (!mm_utf8_valid(piece.text, piece.length, NULL))
        return corrupt(self, start, "a piece that is not UTF-8");
    if (!isfinite(piece.score))
        return corrupt(self, start, "a piece without a finite score");
    return add_piece(self, piece);
}

static mm_status read_trainer(const reader *self, mm_bytes in) {
    mm_sentencepiece_model *model = self->model;
    field item;
    step next;
    while ((next = take_field(&in, &item)) == STEP_FIELD) {
        if (item.wire == WIRE_VARINT) {
            switch (item.number) {
            case 3:
                model->kind = (int64_t)item.value;
                break;
            case 35:
                model->byte_fallback = item.value != 0;
                break;
            case 40: // ids are 32 bits wide, negative ones written with 64
                model->unk_id = (int32_t)(uint32_t)item.value;
                break;
            case 41:
                model->bos_id = (int32_t)(uint32_t)item.value;
                break;
            case 42:
                model->eos_id = (int32_t)(uint32_t)item.value;
                break;
            case 43:
                model->pad_id = (int32_t)(uint32_t)item.value;
                break;
            default:
                break;
            }
        } else if (item.wire == WIRE_BYTES && item.number >= 45 && item.number <= 47) {
            mm_bytes *names[] = {&model->unk_piece, &model->bos_piece, &model->eos_piece};
            if (!mm_utf8_valid(item.bytes.start, item.bytes.length, NULL))
                return corrupt(self, item.bytes.start, "a name of a piece that is not UTF-8");
            *names[item.number - 45] = item.bytes;
        }
    }
    return next == STEP_BAD ? corrupt(self, in.start, "a broken field of the trainer's settings")
                            : MM_STATUS_OK;
}

static mm_status read_normalizer(const reader *self, mm_bytes in) {
    mm_sentencepiece_model *model = self->model;
    field item;
    step next;
    while ((next = take_field(&in, &item)) == STEP_FIELD) {
        if (item.number == 2 && item.wire == WIRE_BYTES)
            model->charsmap = item.bytes;
        else if (item.number == 3 && item.wire == WIRE_VARINT)
            model->add_dummy_prefix = item.value != 0;
        else if (item.number == 4 && item.wire == WIRE_VARINT)
            model->remove_extra_whitespaces = item.value != 0;
        else if (item.number == 5 && item.wire == WIRE_VARINT)
            model->escape_whitespaces = item.value != 0;
    }
    return next == STEP_BAD ? corrupt(self, in.start, "a broken field of the normalizer's settings")
                            : MM_STATUS_OK;
}

static mm_status read_fields(const reader *self, mm_bytes in) {
    field item;
    step next;
    while ((next = take_field(&in, &item)) == STEP_FIELD) {
        mm_status status = MM_STATUS_OK;
        if (item.wire == WIRE_BYTES && item.number == 1)
            status = read_piece(self, item.bytes);
        else if (item.wire == WIRE_BYTES && item.number == 2)
            status = read_trainer(self, item.bytes);
        else if (item.wire == WIRE_BYTES && item.number == 3)
            status = read_normalizer(self, item.bytes);
        if (status)
            return status;
    }
    if (next == STEP_BAD)
        return corrupt(self, in.start, "a broken field");
    return self->model->count ? MM_STATUS_OK : corrupt(self, in.start, "no piece");
}

mm_status mm_sentencepiece_read(mm_sentencepiece_model *model, const char *bytes, size_t length,
                                const char *where, mm_error *error) {
    *model = (mm_sentencepiece_model){.kind = MM_SENTENCEPIECE_UNIGRAM,
                                      .bos_id = 1,
                                      .eos_id = 2,
                                      .pad_id = -1,
                                      .unk_piece = {"<unk>", 5},
                                      .bos_piece = {"<s>", 3},
                                      .eos_piece = {"</s>", 4},
                                      .add_dummy_prefix = true,
                                      .remove_extra_whitespaces = true,
                                      .escape_whitespaces = true};
    reader self = {model, bytes, where, error};
    mm_status status = read_fields(&self, (mm_bytes){bytes, length});
    if (status)
        mm_sentencepiece_free(model);
    return status;
}

void mm_sentencepiece_free(mm_sentencepiece_model *model) {
    mm_free(model->pieces);
    *model = (mm_sentencepiece_model){0};
}
