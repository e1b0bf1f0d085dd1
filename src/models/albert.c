// SPDX-License-Identifier: Apache-2.0
// ALBERT: BERT with narrow embeddings and one set of weights for many layers.
//
//     ids -> word + position + token type tables -> norm -> projection
//         -> [ query, key, value -> attention -> dense (+) norm -> ffn -> act -> ffn_output (+)
//         norm ]
//
// (+) adds what went into the block. The num_hidden_layers steps are dealt out evenly, in order,
// over num_hidden_groups groups, and each step runs the inner_group_num layers of its group
// (transformers modeling_albert.py, AlbertTransformer).
#include "models/families.h"

#include "models/bind.h"
#include "models/encoder_block.h"

typedef struct sharing { // how steps map to stored layers
    int64_t steps, groups, inner;
} sharing;

static sharing read_sharing(mm_binder *binder) {
    return (sharing){
        .steps =
            mm_bind_size(binder, (const char *[]){"num_hidden_layers", NULL}, 12, MM_MAX_LAYERS),
        .groups =
            mm_bind_size(binder, (const char *[]){"num_hidden_groups", NULL}, 1, MM_MAX_LAYERS),
        .inner = mm_bind_size(binder, (const char *[]){"inner_group_num", NULL}, 1, MM_MAX_LAYERS),
    };
}

static void read_config(mm_encoder *encoder, mm_binder *binder) {
    sharing shared = read_sharing(binder);
    mm_bind_require_text(binder, "position_embedding_type", "absolute");
    if (shared.groups > shared.steps)
        mm_binder_fail(binder, MM_STATUS_MODEL_CORRUPT,
                       "\"num_hidden_groups\" is %lld, more than the %lld layers",
                       (long long)shared.groups, (long long)shared.steps);
    if (shared.steps * shared.inner > MM_MAX_LAYERS)
        mm_binder_fail(binder, MM_STATUS_MODEL_CORRUPT, "%lld times %lld layers are too many",
                       (long long)shared.steps, (long long)shared.inner);
    encoder->vocab_size =
        mm_bind_size(binder, (const char *[]){"vocab_size", NULL}, 30000, MM_MAX_VOCABULARY);
    encoder->embedding_size =
        mm_bind_size(binder, (const char *[]){"embedding_size", NULL}, 128, MM_MAX_WIDTH);
    encoder->hidden_size =
        mm_bind_size(binder, (const char *[]){"hidden_size", NULL}, 4096, MM_MAX_WIDTH);
    encoder->intermediate_size =
        mm_bind_size(binder, (const char *[]){"intermediate_size", NULL}, 16384, MM_MAX_WIDTH);
    encoder->layer_count = shared.steps * shared.inner;
    encoder->heads =
        mm_bind_size(binder, (const char *[]){"num_attention_heads", NULL}, 64, MM_MAX_WIDTH);
    encoder->position_rows = mm_bind_size(binder, (const char *[]){"max_position_embeddings", NULL},
                                          512, MM_MAX_POSITIONS);
    encoder->type_rows =
        mm_bind_size(binder, (const char *[]){"type_vocab_size", NULL}, 2, MM_MAX_WIDTH);
    encoder->epsilon = mm_bind_epsilon(binder, "layer_norm_eps", 1e-12);
    encoder->function = mm_bind_function(binder, "hidden_act", "gelu_new");
}

static void bind_embeddings(mm_encoder *encoder, mm_binder *binder) {
    const int64_t narrow = encoder->embedding_size;
    encoder->embed.words = // [vocab_size, embedding_size]
        mm_bind_table(binder, encoder->vocab_size, narrow, "embeddings.word_embeddings");
    encoder->embed.positions = // [max_position_embeddings, embedding_size]
        mm_bind_table(binder, encoder->position_rows, narrow, "embeddings.position_embeddings");
    encoder->embed.types = // [type_vocab_size, embedding_size]
        mm_bind_table(binder, encoder->type_rows, narrow, "embeddings.token_type_embeddings");
    encoder->embed.norm = // [embedding_size]
        mm_bind_norm(binder, narrow, encoder->epsilon, "embeddings.LayerNorm");
    encoder->projection = // [hidden_size, embedding_size]
        mm_bind_linear(binder, encoder->hidden_size, narrow, "encoder.embedding_hidden_mapping_in");
}

static void bind_layer(mm_encoder *encoder, mm_binder *binder, mm_encoder_layer *layer, int group,
                       int inner) {
    static const char *const qkv[3] = {"query", "key", "value"};
    const int64_t hidden = encoder->hidden_size;
    const int64_t wide = encoder->intermediate_size;
#define LAYER "encoder.albert_layer_groups.%d.albert_layers.%d."
    // query, key, value: [hidden_size, hidden_size] each
    layer->qkv = mm_bind_qkv(binder, hidden, hidden, qkv, LAYER "attention.", group, inner);
    layer->output = // [hidden_size, hidden_size]
        mm_bind_linear(binder, hidden, hidden, LAYER "attention.dense", group, inner);
    layer->attention_norm = // [hidden_size]
        mm_bind_norm(binder, hidden, encoder->epsilon, LAYER "attention.LayerNorm", group, inner);
    layer->up = // [intermediate_size, hidden_size]
        mm_bind_linear(binder, wide, hidden, LAYER "ffn", group, inner);
    layer->down = // [hidden_size, intermediate_size]
        mm_bind_linear(binder, hidden, wide, LAYER "ffn_output", group, inner);
    layer->feed_forward_norm = // [hidden_size]
        mm_bind_norm(binder, hidden, encoder->epsilon, LAYER "full_layer_layer_norm", group, inner);
#undef LAYER
}

static void bind_weights(mm_encoder *encoder, mm_binder *binder) {
    static const char *const prefixes[] = {"", "albert.", NULL};
    const sharing shared = read_sharing(binder);
    mm_bind_prefix(binder, prefixes, "embeddings.word_embeddings.weight");
    bind_embeddings(encoder, binder);
    for (int64_t step = 0, bound = 0; step < shared.steps && !binder->status; step++) {
        int64_t group = step * shared.groups / shared.steps;
        mm_encoder_layer *layers = &encoder->layers[step * shared.inner];
        for (int i = 0; i < shared.inner && !binder->status; i++) {
            if (group == bound)
                bind_layer(encoder, binder, &layers[i], (int)group, i);
            else
                layers[i] = layers[i - shared.inner]; // the group's own, bound a step before
        }
        bound += group == bound;
    }
}

static mm_status bind(void **state, mm_model_info *info, const mm_config *config,
                      const mm_checkpoint *checkpoint, mm_weights *weights, mm_error *error) {
    static const mm_encoder_parts parts = {read_config, bind_weights};
    mm_binder binder = mm_binder_start(config, checkpoint, weights, error);
    return mm_encoder_bind(state, info, &parts, &binder);
}

const mm_model_family mm_family_albert = {
    .name = "albert",
    .model_types = (const char *const[]){"albert", NULL},
    .bind = bind,
    .free = mm_encoder_free,
    .encode = mm_encoder_run,
};
