// SPDX-License-Identifier: Apache-2.0
#include "models/encoder_block.h"

#include "base/memory.h"

#include <math.h>

// Checks the sizes against each other and makes room for the layers.
static void prepare(mm_encoder *encoder, mm_binder *binder) {
    if (encoder->hidden_size % encoder->heads != 0)
        mm_binder_fail(binder, MM_STATUS_MODEL_CORRUPT,
                       "the hidden size %lld is not a multiple of the %lld attention heads",
                       (long long)encoder->hidden_size, (long long)encoder->heads);
    if (encoder->position_rows <= encoder->embed.position_offset)
        mm_binder_fail(binder, MM_STATUS_MODEL_CORRUPT,
                       "\"max_position_embeddings\" is %lld, but positions start at row %d",
                       (long long)encoder->position_rows, encoder->embed.position_offset);
    if (binder->status)
        return;
    encoder->layers = mm_calloc((size_t)encoder->layer_count, sizeof *encoder->layers);
    if (!encoder->layers)
        binder->status = mm_fail_memory(binder->error, "a model's layers");
}

mm_status mm_encoder_bind(void **state, mm_model_info *info, const mm_encoder_parts *parts,
                          mm_binder *binder) {
    mm_encoder *encoder = mm_calloc(1, sizeof *encoder);
    if (!encoder)
        return mm_fail_memory(binder->error, "a model");
    parts->read_config(encoder, binder);
    if (encoder->embedding_size == 0)
        encoder->embedding_size = encoder->hidden_size;
    prepare(encoder, binder);
    parts->bind_weights(encoder, binder);
    if (binder->status) {
        mm_encoder_free(encoder);
        return binder->status;
    }
    info->hidden_size = encoder->hidden_size;
    info->vocab_size = encoder->vocab_size;
    info->max_positions = encoder->position_rows - encoder->embed.position_offset;
    info->layers = encoder->layer_count;
    info->row_floats = 5 * encoder->hidden_size; // x, qkv and context of mm_encoder_run
    if (encoder->projection)
        info->row_floats += encoder->embedding_size;
    *state = encoder;
    return MM_STATUS_OK;
}

void mm_encoder_free(void *state) {
    mm_encoder *encoder = state;
    if (encoder)
        mm_free(encoder->layers);
    mm_free(encoder);
}

mm_activation mm_encoder_run(const void *state, mm_lane *lane, const mm_batch *batch) {
    const mm_encoder *encoder = state;
    const int64_t hidden = encoder->hidden_size;
    mm_activation x = mm_lane_activation(lane, batch->rows, hidden);
    mm_activation qkv = mm_lane_activation(lane, batch->rows, 3 * hidden);
    mm_activation context = mm_lane_activation(lane, batch->rows, hidden);
    const int64_t head_dim = hidden / encoder->heads;
    const mm_attention_options attention = {
        .heads = (int32_t)encoder->heads,
        .head_dim = (int32_t)head_dim,
        .scale = (float)(1.0 / sqrt((double)head_dim)),
        .bias = encoder->bias,
    };

    if (encoder->projection) {
        mm_activation embedded = mm_lane_activation(lane, batch->rows, encoder->embedding_size);
        mm_embed(lane, &embedded, batch, &encoder->embed);
        mm_linear(lane, &x, &embedded, encoder->projection, &(mm_epilogue){0});
    } else {
        mm_embed(lane, &x, batch, &encoder->embed);
    }
    mm_lane_layer(lane, -1, &x);
    for (int64_t i = 0; i < encoder->layer_count; i++) {
        const mm_encoder_layer *layer = &encoder->layers[i];
        mm_linear(lane, &qkv, &x, layer->qkv, &(mm_epilogue){0});
        mm_attention(lane, &context, &qkv, batch, &attention);
        mm_linear(lane, &x, &context, layer->output,
                  &(mm_epilogue){.residual = &x, .norm = layer->attention_norm});
        mm_feed_forward(lane, &x, &x, layer->up, NULL, layer->down, encoder->function,
                        &(mm_epilogue){.residual = &x, .norm = layer->feed_forward_norm});
        mm_lane_layer(lane, (int)i, &x);
    }
    return x;
}
