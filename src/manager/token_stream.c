// SPDX-License-Identifier: Apache-2.0
#include "manager/token_stream.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "tasks/stop_texts.h"
#include "text/stream_decoder.h"

#include <string.h>

struct mm_token_stream {
    mm_stream_decoder **decoders; // [sequences]
    bool *begun;                  // [sequences] the start token was decoded
    size_t *told;                 // [sequences] bytes that were handed out
    mm_buffer *held;              // [sequences] with stop texts: what may be the beginning of one,
                                  // behind a blank as long as nothing was handed out
    size_t sequences;
    const mm_text_list *stop;
    int32_t start_token;
    mm_buffer text; // of one call
};

mm_status mm_token_stream_create(mm_token_stream **out, const mm_tokenizer *tokenizer,
                                 const mm_text_list *stop, int32_t start_token, size_t sequences,
                                 mm_error *error) {
    mm_token_stream *stream = *out = mm_calloc(1, sizeof(*stream));
    if (!stream)
        return mm_fail_memory(error, "a stream of tokens");
    mm_buffer_init(&stream->text, SIZE_MAX / 2);
    stream->start_token = start_token;
    stream->stop = stop;
    stream->decoders = mm_calloc(sequences + 1, sizeof(mm_stream_decoder *));
    stream->begun = mm_calloc(sequences + 1, sizeof(*stream->begun));
    stream->told = mm_calloc(sequences + 1, sizeof(*stream->told));
    stream->held = mm_calloc(sequences + 1, sizeof(*stream->held));
    mm_status status = MM_STATUS_OK;
    if (!stream->decoders || !stream->begun || !stream->told || !stream->held)
        status = mm_fail_memory(error, "a stream of tokens");
    for (size_t i = 0; i < sequences && !status; i++) {
        status = mm_stream_decoder_create(&stream->decoders[i], tokenizer, true, error);
        if (!status && mm_tokenizer_cleans_up(tokenizer))
            mm_stream_decoder_clean_up(stream->decoders[i]);
        mm_buffer_init(&stream->held[i], SIZE_MAX / 2);
        stream->sequences = i + 1;
    }
    if (status) {
        mm_token_stream_free(stream);
        *out = NULL;
    }
    return status;
}

void mm_token_stream_free(mm_token_stream *stream) {
    if (!stream)
        return;
    for (size_t i = 0; i < stream->sequences; i++) {
        mm_stream_decoder_free(stream->decoders[i]);
        mm_buffer_free(&stream->held[i]);
    }
    mm_free(stream->decoders);
    mm_free(stream->begun);
    mm_free(stream->told);
    mm_free(stream->held);
    mm_buffer_free(&stream->text);
    mm_free(stream);
}

static mm_status append(mm_token_stream *stream, size_t sequence, int32_t id, mm_error *error) {
    const char *text;
    size_t length;
    mm_status status =
        mm_stream_decoder_push(stream->decoders[sequence], id, &text, &length, error);
    if (!status && !mm_buffer_append(&stream->text, text, length))
        status = mm_fail_memory(error, "generated text");
    return status;
}

// Exchanges the new text for as much of it, and of what was held, as no stop text can begin in. A
// stop text may begin with the blank that the first word of a text lacks.
static mm_status hold(mm_token_stream *stream, size_t sequence, bool is_first, mm_error *error) {
    mm_buffer *held = &stream->held[sequence];
    if ((is_first && !mm_buffer_putc(held, ' ')) ||
        !mm_buffer_append(held, stream->text.data, stream->text.length))
        return mm_fail_memory(error, "generated text");
    size_t free_bytes = mm_stop_texts_find(stream->stop, held->data, held->length);
    if (free_bytes == held->length)
        free_bytes -= mm_stop_texts_held(stream->stop, held->data, held->length);
    const size_t blank = stream->told[sequence] == 0 ? 1 : 0;
    mm_buffer_clear(&stream->text);
    if (free_bytes <= blank)
        return MM_STATUS_OK;
    if (!mm_buffer_append(&stream->text, held->data + blank, free_bytes - blank))
        return mm_fail_memory(error, "generated text");
    memmove(held->data, held->data + free_bytes, held->length - free_bytes);
    held->length -= free_bytes;
    return MM_STATUS_OK;
}

mm_status mm_token_stream_push(mm_token_stream *stream, size_t sequence, int32_t id,
                               const char **text, size_t *length, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    mm_buffer_clear(&stream->text);
    const bool is_first = !stream->begun[sequence];
    if (is_first)
        status = append(stream, sequence, stream->start_token, error);
    stream->begun[sequence] = true;
    if (!status)
        status = append(stream, sequence, id, error);
    if (!status && stream->stop->count > 0)
        status = hold(stream, sequence, is_first, error);
    stream->told[sequence] += stream->text.length;
    *text = stream->text.data;
    *length = stream->text.length;
    return status;
}

void mm_token_stream_finish(const mm_token_stream *stream, size_t sequence, const char **text,
                            size_t *length) {
    const size_t told = stream->told[sequence];
    *text += told < *length ? told : *length;
    *length -= told < *length ? told : *length;
}
