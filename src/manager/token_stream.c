// SPDX-License-Identifier: Apache-2.0
#include "manager/token_stream.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "text/stream_decoder.h"

struct mm_token_stream {
    mm_stream_decoder **decoders; // [sequences]
    bool *begun;                  // [sequences] the start token was decoded
    size_t sequences;
    int32_t start_token;
    mm_buffer text; // of one call
};

mm_status mm_token_stream_create(mm_token_stream **out, const mm_tokenizer *tokenizer,
                                 int32_t start_token, size_t sequences, mm_error *error) {
    mm_token_stream *stream = *out = mm_calloc(1, sizeof(*stream));
    if (!stream)
        return mm_fail_memory(error, "a stream of tokens");
    mm_buffer_init(&stream->text, SIZE_MAX / 2);
    stream->start_token = start_token;
    stream->decoders = mm_calloc(sequences + 1, sizeof(mm_stream_decoder *));
    stream->begun = mm_calloc(sequences + 1, sizeof(*stream->begun));
    mm_status status = MM_STATUS_OK;
    if (!stream->decoders || !stream->begun)
        status = mm_fail_memory(error, "a stream of tokens");
    for (size_t i = 0; i < sequences && !status; i++) {
        status = mm_stream_decoder_create(&stream->decoders[i], tokenizer, true, error);
        if (!status && mm_tokenizer_cleans_up(tokenizer))
            mm_stream_decoder_clean_up(stream->decoders[i]);
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
    for (size_t i = 0; i < stream->sequences; i++)
        mm_stream_decoder_free(stream->decoders[i]);
    mm_free(stream->decoders);
    mm_free(stream->begun);
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

mm_status mm_token_stream_push(mm_token_stream *stream, size_t sequence, int32_t id,
                               const char **text, size_t *length, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    mm_buffer_clear(&stream->text);
    if (!stream->begun[sequence])
        status = append(stream, sequence, stream->start_token, error);
    stream->begun[sequence] = true;
    if (!status)
        status = append(stream, sequence, id, error);
    *text = stream->text.data;
    *length = stream->text.length;
    return status;
}

mm_status mm_token_stream_finish(mm_token_stream *stream, size_t sequence, const char **text,
                                 size_t *length, mm_error *error) {
    return mm_stream_decoder_finish(stream->decoders[sequence], text, length, error);
}
