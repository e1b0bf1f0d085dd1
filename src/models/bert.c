// SPDX-License-Identifier: Apache-2.0
// BERT, and what shares its graph and names: ELECTRA, RoBERTa, XLM-RoBERTa, CamemBERT.
//
//     ids -> word + position + token type tables -> norm -> projection (ELECTRA only)
//         -> [ qkv -> attention -> output (+) norm -> up -> act -> down (+) norm ] x layers
//
// (+) adds what went into the block. RoBERTa's kin count positions from pad_token_id + 1 and leave
// padding ids out of the count; everything else is a size in the config.
#include "models/families.h"

#include "models/bind.h"
#include "models/encoder_block.h"

#include <string.h>

static void read_config(mm_encoder *encoder, mm_binder *binder) {
    // Of the kin only BERT and ELECTRA start their positions at row 0.
    const char *model_type = mm_config_model_type(binder->config);
    bool electra = strcmp(model_type, "electra") == 0;
    bool plain = electra || strcmp(model_type, "bert") == 0;
    mm_bind_require_text(binder, "position_embedding_type", "absolute");
    mm_bind_refuse_flag(binder, "is_decoder");
    encoder->vocab_size = mm_bind_size(binder, (const char *[]){"vocab_size", NULL},
                                       plain ? 30522 : 50265, MM_MAX_VOCABULARY);
    encoder->hidden_size = mm_bind_size(binder, (const char *[]){"hidden_size", NULL},
                                        electra ? 256 : 768, MM_MAX_WIDTH);
    if (electra)
        encoder->embedding_size =
            mm_bind_size(binder, (const char *[]){"embedding_size", NULL}, 128, MM_MAX_WIDTH);
    encoder->intermediate_size = mm_bind_size(binder, (const char *[]){"intermediate_size", NULL},
                                              electra ? 1024 : 3072, MM_MAX_WIDTH);
    encoder->layer_count =
        mm_bind_size(binder, (const char *[]){"num_hidden_layers", NULL}, 12, MM_MAX_LAYERS);
    encoder->heads = mm_bind_size(binder, (const char *[]){"num_attention_heads", NULL},
                                  electra ? 4 : 12, MM_MAX_WIDTH);
    encoder->position_rows = mm_bind_size(binder, (const char *[]){"max_position_embeddings", NULL},
                                          512, MM_MAX_POSITIONS);
    encoder->type_rows =
        mm_bind_size(binder, (const char *[]){"type_vocab_size", NULL}, 2, MM_MAX_WIDTH);
    encoder->epsilon = mm_bind_epsilon(binder, "layer_norm_eps", 1e-12);
    encoder->function = mm_bind_function(binder, "hidden_act", "gelu");
    if (!plain) {
        int64_t pad = 1;
        if (!binder->status)
            binder->status =
                mm_config_get_size(&pad, binder->config, (const char *[]){"pad_token_id", NULL},
                                   false, 1, 0, MM_MAX_POSITIONS, binder->error);
        encoder->embed.position_offset = (int32_t)pad + 1;
        encoder->embed.skip_padding = true;
    }
}

static void bind_weights(mm_encoder *encoder, mm_binder *binder) {
    static const char *const prefixes[] = {
        "", "bert.", "electra.", "roberta.", "xlm-roberta.", "camembert.", NULL};
    static const char *const qkv[3] = {"query", "key", "value"};
    const int64_t hidden = encoder->hidden_size;
    const int64_t narrow = encoder->embedding_size;
    const int64_t wide = encoder->intermediate_size;

    mm_bind_prefix(binder, prefixes, "embeddings.word_embeddings.weight");
    encoder->embed.words = // [vocab_size, embedding_size]
        mm_bind_table(binder, encoder->vocab_size, narrow, "embeddings.word_embeddings");
    encoder->embed.positions = // [max_position_embeddings, embedding_size]
        mm_bind_table(binder, encoder->position_rows, narrow, "embeddings.position_embeddings");
    encoder->embed.types = // [type_vocab_size, embedding_size]
        mm_bind_table(binder, encoder->type_rows, narrow, "embeddings.token_type_embeddings");
    encoder->embed.norm = // [embedding_size]
        mm_bind_norm(binder, narrow, encoder->epsilon, "embeddings.LayerNorm");
    if (narrow != hidden)
        encoder->projection = // [hidden_size, embedding_size]
            mm_bind_linear(binder, hidden, narrow, "embeddings_project");
    for (int i = 0; i < encoder->layer_count && !binder->status; i++) {
        mm_encoder_layer *layer = &encoder->layers[i];
        // query, key, value: [hidden_size, hidden_size] each
        layer->qkv =
            mm_bind_qkv(binder, hidden, hidden, qkv, "encoder.layer.%d.attention.self.", i);
        layer->output = // [hidden_size, hidden_size]
            mm_bind_linear(binder, hidden, hidden, "encoder.layer.%d.attention.output.dense", i);
        layer->attention_norm = // [hidden_size]
            mm_bind_norm(binder, hidden, encoder->epsilon,
                         "encoder.layer.%d.attention.output.LayerNorm", i);
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

const mm_model_family mm_family_bert = {
    .name = "bert",
    .model_types =
        (const char *const[]){"bert", "electra", "roberta", "xlm-roberta", "camembert", NULL},
    .bind = bind,
    .free = mm_encoder_free,
    .encode = mm_encoder_run,
};
