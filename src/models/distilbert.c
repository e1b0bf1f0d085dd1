// SPDX-License-Identifier: Apache-2.0
// DistilBERT: BERT without token types, with names of its own.
//
//     ids -> word + position tables -> norm
//         -> [ q, k, v -> attention -> out_lin (+) norm -> lin1 -> act -> lin2 (+) norm ] x layers
//
// (+) adds what went into the block. The epsilon of every norm is fixed at 1e-12.
#include "models/families.h"

#include "models/bind.h"
#include "models/encoder_block.h"

static void read_config(mm_encoder *encoder, mm_binder *binder) {
    encoder->vocab_size =
        mm_bind_size(binder, (const char *[]){"vocab_size", NULL}, 30522, MM_MAX_VOCABULARY);
    encoder->hidden_size =
        mm_bind_size(binder, (const char *[]){"dim", "hidden_size", NULL}, 768, MM_MAX_WIDTH);
    encoder->intermediate_size =
        mm_bind_size(binder, (const char *[]){"hidden_dim", NULL}, 3072, MM_MAX_WIDTH);
    encoder->layer_count = mm_bind_size(
        binder, (const char *[]){"n_layers", "num_hidden_layers", NULL}, 6, MM_MAX_LAYERS);
    encoder->heads = mm_bind_size(binder, (const char *[]){"n_heads", "num_attention_heads", NULL},
                                  12, MM_MAX_WIDTH);
    encoder->position_rows = mm_bind_size(binder, (const char *[]){"max_position_embeddings", NULL},
                                          512, MM_MAX_POSITIONS);
    encoder->epsilon = 1e-12;
    encoder->function = mm_bind_function(binder, "activation", "gelu");
}

static void bind_weights(mm_encoder *encoder, mm_binder *binder) {
    static const char *const prefixes[] = {"", "distilbert.", NULL};
    static const char *const qkv[3] = {"q_lin", "k_lin", "v_lin"};
    const int64_t hidden = encoder->hidden_size;
    const int64_t wide = encoder->intermediate_size;

    mm_bind_prefix(binder, prefixes, "embeddings.word_embeddings.weight");
    encoder->embed.words = // [vocab_size, dim]
        mm_bind_table(binder, encoder->vocab_size, hidden, "embeddings.word_embeddings");
    encoder->embed.positions = // [max_position_embeddings, dim]; sinusoidal ones are stored as well
        mm_bind_table(binder, encoder->position_rows, hidden, "embeddings.position_embeddings");
    encoder->embed.norm = // [dim]
        mm_bind_norm(binder, hidden, encoder->epsilon, "embeddings.LayerNorm");
    for (int i = 0; i < encoder->layer_count && !binder->status; i++) {
        mm_encoder_layer *layer = &encoder->layers[i];
        // q_lin, k_lin, v_lin: [dim, dim] each
        layer->qkv = mm_bind_qkv(binder, hidden, hidden, qkv, "transformer.layer.%d.attention.", i);
        layer->output = // [dim, dim]
            mm_bind_linear(binder, hidden, hidden, "transformer.layer.%d.attention.out_lin", i);
        layer->attention_norm = // [dim]
            mm_bind_norm(binder, hidden, encoder->epsilon, "transformer.layer.%d.sa_layer_norm", i);
        layer->up = // [hidden_dim, dim]
            mm_bind_linear(binder, wide, hidden, "transformer.layer.%d.ffn.lin1", i);
        layer->down = // [dim, hidden_dim]
            mm_bind_linear(binder, hidden, wide, "transformer.layer.%d.ffn.lin2", i);
        layer->feed_forward_norm = // [dim]
            mm_bind_norm(binder, hidden, encoder->epsilon, "transformer.layer.%d.output_layer_norm",
                         i);
    }
}

static mm_status bind(void **state, mm_model_info *info, const mm_config *config,
                      const mm_checkpoint *checkpoint, mm_weights *weights, mm_error *error) {
    static const mm_encoder_parts parts = {read_config, bind_weights};
    mm_binder binder = mm_binder_start(config, checkpoint, weights, error);
    return mm_encoder_bind(state, info, &parts, &binder);
}

const mm_model_family mm_family_distilbert = {
    .name = "distilbert",
    .model_types = (const char *const[]){"distilbert", NULL},
    .bind = bind,
    .free = mm_encoder_free,
    .encode = mm_encoder_run,
};
