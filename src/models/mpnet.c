// SPDX-License-Identifier: Apache-2.0
// MPNet: BERT without token types, plus a table of score biases by distance for all layers.
//
//     ids -> word + position tables -> norm
//         -> [ qkv -> attention with bias -> o (+) norm -> up -> act -> down (+) norm ] x layers
//
// (+) adds what went into the block. Positions start at row 2, whatever the config's pad_token_id
// says, and padding ids do not count. The bias always has 32 buckets up to distance 128: the
// reference library reads relative_attention_num_buckets for the table's size only.
#include "models/families.h"

#include "models/bind.h"
#include "models/encoder_block.h"

enum { POSITION_OFFSET = 2, BUCKETS = 32, MAX_DISTANCE = 128 };

static void read_config(mm_encoder *encoder, mm_binder *binder) {
    encoder->vocab_size =
        mm_bind_size(binder, (const char *[]){"vocab_size", NULL}, 30527, MM_MAX_VOCABULARY);
    encoder->hidden_size =
        mm_bind_size(binder, (const char *[]){"hidden_size", NULL}, 768, MM_MAX_WIDTH);
    encoder->intermediate_size =
        mm_bind_size(binder, (const char *[]){"intermediate_size", NULL}, 3072, MM_MAX_WIDTH);
    encoder->layer_count =
        mm_bind_size(binder, (const char *[]){"num_hidden_layers", NULL}, 12, MM_MAX_LAYERS);
    encoder->heads =
        mm_bind_size(binder, (const char *[]){"num_attention_heads", NULL}, 12, MM_MAX_WIDTH);
    encoder->position_rows = mm_bind_size(binder, (const char *[]){"max_position_embeddings", NULL},
                                          512, MM_MAX_POSITIONS);
    encoder->epsilon = mm_bind_epsilon(binder, "layer_norm_eps", 1e-12);
    encoder->function = mm_bind_function(binder, "hidden_act", "gelu");
    encoder->embed.position_offset = POSITION_OFFSET;
    encoder->embed.skip_padding = true;
}

static void bind_weights(mm_encoder *encoder, mm_binder *binder) {
    static const char *const prefixes[] = {"", "mpnet.", NULL};
    static const char *const qkv[3] = {"q", "k", "v"};
    const int64_t hidden = encoder->hidden_size;
    const int64_t wide = encoder->intermediate_size;

    mm_bind_prefix(binder, prefixes, "embeddings.word_embeddings.weight");
    encoder->embed.words = // [vocab_size, hidden_size]
        mm_bind_table(binder, encoder->vocab_size, hidden, "embeddings.word_embeddings");
    encoder->embed.positions = // [max_position_embeddings, hidden_size]
        mm_bind_table(binder, encoder->position_rows, hidden, "embeddings.position_embeddings");
    encoder->embed.norm = // [hidden_size]
        mm_bind_norm(binder, hidden, encoder->epsilon, "embeddings.LayerNorm");
    const mm_tensor *bias = // [32, num_attention_heads]
        mm_bind_tensor(binder, 2, (int64_t[]){BUCKETS, encoder->heads},
                       "encoder.relative_attention_bias.weight");
    if (!binder->status)
        binder->status =
            mm_weights_add_relative(&encoder->bias, binder->weights, bias, BUCKETS, MAX_DISTANCE,
                                    encoder->position_rows - POSITION_OFFSET, true, binder->error);
    for (int i = 0; i < encoder->layer_count && !binder->status; i++) {
        mm_encoder_layer *layer = &encoder->layers[i];
        // q, k, v: [hidden_size, hidden_size] each
        layer->qkv =
            mm_bind_qkv(binder, hidden, hidden, qkv, "encoder.layer.%d.attention.attn.", i);
        layer->output = // [hidden_size, hidden_size]
            mm_bind_linear(binder, hidden, hidden, "encoder.layer.%d.attention.attn.o", i);
        layer->attention_norm = // [hidden_size]
            mm_bind_norm(binder, hidden, encoder->epsilon, "encoder.layer.%d.attention.LayerNorm",
                         i);
        layer->up = // [intermediate_size, hidden_size]
            mm_bind_linear(binder, wide, hidden, "encoder.layer.%d.intermediate.dense", i);
        layer->down = // [hidden_size, intermediate_size]
            mm_bind_linear(binder, hidden, wide, "encoder.layer.%d.output.dense", i);
        layer->feed_forward_norm = // [hidden_size]
            mm_bind_norm(binder, hidden, encoder->epsilon, "encoder.layer.%d.output.LayerNorm", i);
    }
}

static mm_status bind(void **state, mm_model_info *info, const mm_config *config,
                      const mm_checkpoint *checkpoint, mm_weights *weights, mm_error *error) {
    static const mm_encoder_parts parts = {read_config, bind_weights};
    mm_binder binder = mm_binder_start(config, checkpoint, weights, error);
    return mm_encoder_bind(state, info, &parts, &binder);
}

const mm_model_family mm_family_mpnet = {
    .name = "mpnet",
    .model_types = (const char *const[]){"mpnet", NULL},
    .bind = bind,
    .free = mm_encoder_free,
    .encode = mm_encoder_run,
};
