// SPDX-License-Identifier: Apache-2.0
// Each stage of the decoder passes on what later ids cannot change and holds back the rest. Once a
// stage joins all texts, what the stages behind it get are pieces of one text.
#include "text/stream_decoder.h"

#include "base/memory.h"
#include "text/byte_level.h"
#include "text/clean_up.h"
#include "text/tokenizer_parts.h"

#include <string.h>

typedef enum mode {
    COLLECT, // holds all texts until the end
    EACH,    // holds nothing
    DELAY,   // holds one text, since the last one is special
    RUN,     // holds texts that may be bytes, while they last
    JOIN,    // holds nothing
    LETTERS, // holds the bytes of an unfinished character
    HEAD,    // holds the beginning of the one text
} mode;

typedef struct stage {
    const mm_decoder_kind *kind;
    const void *settings;
    mode mode;
    bool joined; // gets pieces of one text
    size_t head; // of HEAD: as many bytes decide
    bool begun;  // has passed something on
    mm_decode_texts held;
} stage;

struct mm_stream_decoder {
    const mm_tokenizer *tokenizer;
    bool skip_special_tokens;
    stage *stages;
    size_t count;
    mm_decode_texts texts, next;  // before and behind a stage
    mm_decode_texts one, one_out; // a text between its neighbours, and what becomes of it
    mm_buffer joined;             // the texts with blanks between them, when there is no decoder
    bool begun;                   // a text has come out
    bool cleans_up;
    mm_buffer unsettled, cleaned; // when cleaning up
};

// ---- Making one --------------------------------------------------------------------------------

static void choose_mode(stage *self, bool joined) {
    static const mode modes[] = {
        [MM_REACH_ALL] = COLLECT, [MM_REACH_TEXT] = EACH, [MM_REACH_NEXT] = DELAY,
        [MM_REACH_BYTES] = RUN,   [MM_REACH_JOIN] = JOIN, [MM_REACH_LETTERS] = LETTERS};
    self->joined = joined;
    self->head = self->kind->head ? self->kind->head(self->settings) : SIZE_MAX;
    self->mode = modes[self->kind->reach];
    if (joined)
        self->mode = self->mode == JOIN ? JOIN : self->head < SIZE_MAX ? HEAD : COLLECT;
}

mm_status mm_stream_decoder_create(mm_stream_decoder **out, const mm_tokenizer *tokenizer,
                                   bool skip_special_tokens, mm_error *error) {
    const mm_stage_list *list = &tokenizer->decoders.stages;
    mm_stream_decoder *decoder = mm_calloc(1, sizeof(*decoder));
    stage *stages = mm_calloc(list->count + 1, sizeof(*stages));
    *out = decoder;
    if (!decoder || !stages) {
        mm_free(decoder);
        mm_free(stages);
        *out = NULL;
        return mm_fail_memory(error, "a stream decoder");
    }
    decoder->tokenizer = tokenizer;
    decoder->skip_special_tokens = skip_special_tokens;
    decoder->stages = stages;
    decoder->count = list->count;
    mm_decode_texts_init(&decoder->texts);
    mm_decode_texts_init(&decoder->next);
    mm_decode_texts_init(&decoder->one);
    mm_decode_texts_init(&decoder->one_out);
    mm_buffer_init(&decoder->joined, SIZE_MAX / 2);
    mm_buffer_init(&decoder->unsettled, SIZE_MAX / 2);
    mm_buffer_init(&decoder->cleaned, SIZE_MAX / 2);
    bool joined = false;
    for (size_t i = 0; i < list->count; i++) {
        stages[i].kind = (const mm_decoder_kind *)list->items[i].kind;
        stages[i].settings = list->items[i].settings;
        mm_decode_texts_init(&stages[i].held);
        choose_mode(&stages[i], joined);
        joined = joined || stages[i].mode == JOIN || stages[i].mode == LETTERS;
    }
    return MM_STATUS_OK;
}

void mm_stream_decoder_free(mm_stream_decoder *decoder) {
    if (!decoder)
        return;
    for (size_t i = 0; i < decoder->count; i++)
        mm_decode_texts_free(&decoder->stages[i].held);
    mm_free(decoder->stages);
    mm_decode_texts_free(&decoder->texts);
    mm_decode_texts_free(&decoder->next);
    mm_decode_texts_free(&decoder->one);
    mm_decode_texts_free(&decoder->one_out);
    mm_buffer_free(&decoder->joined);
    mm_buffer_free(&decoder->unsettled);
    mm_buffer_free(&decoder->cleaned);
    mm_free(decoder);
}

// ---- One stage ---------------------------------------------------------------------------------
// All of these append to decoder->next and return false when memory is out.

static void clear(mm_decode_texts *texts) {
    mm_buffer_clear(&texts->bytes);
    texts->count = 0;
}

typedef struct text {
    const char *bytes;
    size_t length;
} text;

static text nth(const mm_decode_texts *texts, size_t index) {
    size_t start = mm_decode_texts_start(texts, index);
    return (text){mm_decode_texts_at(texts, start), texts->ends[index] - start};
}

static bool add(mm_decode_texts *texts, text added) {
    return mm_decode_texts_add(texts, added.bytes, added.length);
}

static bool apply_held(mm_stream_decoder *decoder, stage *self) {
    bool ok = self->kind->apply(self->settings, &self->held, &decoder->next);
    self->begun = true;
    clear(&self->held);
    return ok;
}

// What becomes of one text, between empty ones unless it is the first or the last.
static bool apply_one(mm_stream_decoder *decoder, stage *self, text only, bool last) {
    mm_decode_texts *in = &decoder->one, *out = &decoder->one_out;
    const text empty = {"", 0};
    size_t place = self->begun ? 1 : 0;
    clear(in);
    clear(out);
    if ((place && !add(in, empty)) || !add(in, only) || (!last && !add(in, empty)) ||
        !self->kind->apply(self->settings, in, out))
        return false;
    self->begun = true;
    return add(&decoder->next, nth(out, place));
}

static bool delay(mm_stream_decoder *decoder, stage *self, text later) {
    if (self->held.count && !apply_one(decoder, self, nth(&self->held, 0), false))
        return false;
    clear(&self->held);
    return add(&self->held, later);
}

static bool add_to_run(mm_stream_decoder *decoder, stage *self, text added) {
    static const char shape[] = "<0x";
    bool may_be_byte = added.length == 6 && memcmp(added.bytes, shape, sizeof(shape) - 1) == 0;
    return add(&self->held, added) && (may_be_byte || apply_held(decoder, self));
}

static bool take_head(mm_stream_decoder *decoder, stage *self, bool end) {
    mm_decode_texts *texts = &decoder->texts;
    text all = {texts->bytes.data ? texts->bytes.data : "", texts->bytes.length};
    if (self->begun)
        return all.length == 0 || add(&decoder->next, all);
    if (all.length && !mm_buffer_append(&self->held.bytes, all.bytes, all.length))
        return false;
    if (self->held.bytes.length < self->head && !end)
        return true;
    return mm_decode_texts_end(&self->held) && apply_held(decoder, self);
}

// How many of the last bytes may be the beginning of a character.
static size_t unfinished(const char *bytes, size_t length) {
    for (size_t back = 1; back <= 3 && back <= length; back++) {
        unsigned char byte = (unsigned char)bytes[length - back];
        size_t width = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
        if ((byte & 0xC0) != 0x80)
            return width > back ? back : 0;
    }
    return 0;
}

static bool take_letters(mm_stream_decoder *decoder, stage *self, bool end) {
    mm_buffer *held = &self->held.bytes;
    for (size_t i = 0; i < decoder->texts.count; i++) {
        text letters = nth(&decoder->texts, i);
        if (!mm_byte_level_append_bytes(held, letters.bytes, letters.length))
            return false;
    }
    size_t rest = end ? 0 : unfinished(held->data, held->length), whole = held->length - rest;
    if (whole == 0)
        return true;
    if (!mm_byte_level_append_text(&decoder->next.bytes, held->data, whole) ||
        !mm_decode_texts_end(&decoder->next))
        return false;
    memmove(held->data, held->data + whole, rest);
    held->length = rest;
    return true;
}

static bool collect(mm_stream_decoder *decoder, stage *self, bool end) {
    mm_decode_texts *texts = &decoder->texts, *held = &self->held;
    for (size_t i = 0; i < texts->count; i++) {
        if (self->joined && held->count)
            held->count = 0; // it goes on
        if (!add(held, nth(texts, i)))
            return false;
    }
    return !end || apply_held(decoder, self);
}

static bool take(mm_stream_decoder *decoder, stage *self, text taken) {
    switch (self->mode) {
    case EACH:
        return apply_one(decoder, self, taken, false);
    case DELAY:
        return delay(decoder, self, taken);
    case RUN:
        return add_to_run(decoder, self, taken);
    default:
        return add(&decoder->next, taken);
    }
}

// decoder->texts through one stage to decoder->next.
static bool run_stage(mm_stream_decoder *decoder, stage *self, bool end) {
    if (self->mode == COLLECT)
        return collect(decoder, self, end);
    if (self->mode == HEAD)
        return take_head(decoder, self, end);
    if (self->mode == LETTERS)
        return take_letters(decoder, self, end);
    bool ok = true;
    for (size_t i = 0; i < decoder->texts.count && ok; i++)
        ok = take(decoder, self, nth(&decoder->texts, i));
    if (!ok || !end || self->held.count == 0)
        return ok;
    if (self->mode != DELAY)
        return apply_held(decoder, self);
    ok = apply_one(decoder, self, nth(&self->held, 0), true);
    clear(&self->held);
    return ok;
}

// ---- All stages --------------------------------------------------------------------------------

static bool run_stages(mm_stream_decoder *decoder, bool end) {
    for (size_t i = 0; i < decoder->count; i++) {
        clear(&decoder->next);
        if (!run_stage(decoder, &decoder->stages[i], end))
            return false;
        mm_decode_texts swap = decoder->texts;
        decoder->texts = decoder->next;
        decoder->next = swap;
    }
    return true;
}

static bool join(mm_stream_decoder *decoder) {
    const mm_decode_texts *texts = &decoder->texts;
    mm_buffer_clear(&decoder->joined);
    for (size_t i = 0; i < texts->count; i++) {
        text part = nth(texts, i);
        if ((decoder->begun && !mm_buffer_putc(&decoder->joined, ' ')) ||
            !mm_buffer_append(&decoder->joined, part.bytes, part.length))
            return false;
        decoder->begun = true;
    }
    return true;
}

static bool clean_up(mm_stream_decoder *decoder, const mm_buffer *added, bool end) {
    mm_buffer *unsettled = &decoder->unsettled, *cleaned = &decoder->cleaned;
    size_t known = unsettled->length;
    mm_buffer_clear(cleaned);
    if (added->length && !mm_buffer_append(unsettled, added->data, added->length))
        return false;
    size_t settled =
        end ? unsettled->length : mm_clean_up_settled(unsettled->data, unsettled->length, known);
    if (settled == 0)
        return true;
    if (!mm_buffer_append(cleaned, unsettled->data, settled))
        return false;
    mm_clean_up_text(cleaned->data, &cleaned->length);
    unsettled->length -= settled;
    memmove(unsettled->data, unsettled->data + settled, unsettled->length);
    return true;
}

static bool hand_out(mm_stream_decoder *decoder, const char **out, size_t *length, bool end) {
    const mm_buffer *result = &decoder->texts.bytes;
    if (!decoder->tokenizer->decoders.present) {
        if (!join(decoder))
            return false;
        result = &decoder->joined;
    }
    if (decoder->cleans_up) {
        if (!clean_up(decoder, result, end))
            return false;
        result = &decoder->cleaned;
    }
    *out = result->length ? result->data : "";
    *length = result->length;
    return true;
}

void mm_stream_decoder_clean_up(mm_stream_decoder *decoder) {
    decoder->cleans_up = true;
}

// What a step said of its failure is in the texts that it was writing.
static mm_status report(const mm_stream_decoder *decoder, mm_error *error) {
    const char *failure = decoder->next.failure ? decoder->next.failure : decoder->one_out.failure;
    if (failure)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED, "%s", failure);
    return mm_fail_memory(error, "decoded text");
}

mm_status mm_stream_decoder_push(mm_stream_decoder *decoder, int32_t id, const char **out,
                                 size_t *length, mm_error *error) {
    size_t token_length = 0;
    const char *token =
        mm_tokenizer_shown(decoder->tokenizer, id, decoder->skip_special_tokens, &token_length);
    clear(&decoder->texts);
    bool ok = (!token || mm_decode_texts_add(&decoder->texts, token, token_length)) &&
              run_stages(decoder, false) && hand_out(decoder, out, length, false);
    return ok ? MM_STATUS_OK : report(decoder, error);
}

mm_status mm_stream_decoder_finish(mm_stream_decoder *decoder, const char **out, size_t *length,
                                   mm_error *error) {
    clear(&decoder->texts);
    bool ok = run_stages(decoder, true) && hand_out(decoder, out, length, true);
    for (size_t i = 0; i < decoder->count; i++) {
        decoder->stages[i].begun = false;
        clear(&decoder->stages[i].held);
    }
    decoder->begun = false;
    mm_buffer_clear(&decoder->unsettled);
    return ok ? MM_STATUS_OK : report(decoder, error);
}
