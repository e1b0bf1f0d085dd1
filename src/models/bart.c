// SPDX-License-Identifier: Apache-2.0
// BART, and with norms in other places mBART and Pegasus.
//
//     source ids -> shared table + positions -> norm
//         -> [ q, k, v -> attention -> out_proj (+) norm -> fc1 -> act -> fc2 (+) norm ] x layers
//     ids -> shared table + positions -> norm
//         -> [ q, k, v -> attention to the past -> out_proj (+) norm
//              -> q, k, v of the source -> attention to the source -> out_proj (+) norm
//              -> fc1 -> act -> fc2 (+) norm ] x decoder layers -> shared table + final_logits_bias
//
// (+) adds what went into the block. mBART and Pegasus have each norm in front of its block and one
// behind the stack.
#include "models/families.h"

#include "models/bind.h"
#include "models/seq2seq_block.h"

#include <math.h>
#include <string.h>

// What the modelling files of the kin have in place of configuration keys.
typedef struct variant {
    const char *model_type;
    bool is_pre_norm; // and a norm behind the stack
    bool has_embedding_norm;
    int32_t position_offset; // rows of the position table before position 0
} variant;

static const variant variants[] = {
    {"bart", false, true, 2},
    {"mbart", true, true, 2},
    {"pegasus", true, false, 0},
};

static const variant *variant_of(const mm_binder *binder) {
    const char *model_type = mm_config_model_type(binder->config);
    const variant *found = variants;
    while (strcmp(found->model_type, model_type) != 0)
        found++; // models.c asks for no others
    return found;
}

static int64_t size(mm_binder *binder, const char *key, int64_t fallback, int64_t maximum) {
    return mm_bind_size(binder, (const char *[]){key, NULL}, fallback, maximum);
}

static void set_heads(mm_seq2seq_stack *stack, int64_t hidden, int64_t heads, mm_binder *binder) {
    if (hidden % heads != 0)
        mm_binder_fail(binder, MM_STATUS_MODEL_CORRUPT,
                       "\"d_model\" %lld is not a multiple of the %lld attention heads",
                       (long long)hidden, (long long)heads);
    stack->heads = heads;
    stack->head_dim = hidden / heads;
}

static void read_config(mm_seq2seq *model, mm_binder *binder) {
    bool scaled = false;
    model->vocab_size = size(binder, "vocab_size", 50265, MM_MAX_VOCABULARY);
    model->hidden_size = size(binder, "d_model", 1024, MM_MAX_WIDTH);
    model->max_positions = size(binder, "max_position_embeddings", 1024, MM_MAX_POSITIONS);
    model->epsilon = 1e-5;
    model->function = mm_bind_function(binder, "activation_function", "gelu");
    model->is_pre_norm = variant_of(binder)->is_pre_norm;
    model->is_scaled = true;
    model->logit_scale = 1.0f;
    model->encoder.layer_count = size(binder, "encoder_layers", 12, MM_MAX_LAYERS);
    model->decoder.layer_count = size(binder, "decoder_layers", 12, MM_MAX_LAYERS);
    model->encoder.intermediate_size = size(binder, "encoder_ffn_dim", 4096, MM_MAX_WIDTH);
    model->decoder.intermediate_size = size(binder, "decoder_ffn_dim", 4096, MM_MAX_WIDTH);
    set_heads(&model->encoder, model->hidden_size,
              size(binder, "encoder_attention_heads", 16, MM_MAX_WIDTH), binder);
    set_heads(&model->decoder, model->hidden_size,
              size(binder, "decoder_attention_heads", 16, MM_MAX_WIDTH), binder);
    if (!binder->status)
        binder->status =
            mm_config_get_bool(&scaled, binder->config, "scale_embedding", false, binder->error);
    if (scaled)
        model->encoder.embed.scale = (float)sqrt((double)model->hidden_size);
}

static void bind_embeddings(const mm_seq2seq *model, mm_binder *binder, mm_embed_tables *embed,
                            const char *positions, const char *norm) {
    const variant *kind = variant_of(binder);
    embed->positions = // [max_position_embeddings + offset, d_model]
        mm_bind_table(binder, model->max_positions + kind->position_offset, model->hidden_size,
                      positions);
    embed->position_offset = kind->position_offset;
    if (kind->has_embedding_norm) // [d_model]
        embed->norm = mm_bind_norm(binder, model->hidden_size, model->epsilon, "%s", norm);
}

static void bind_layer(const mm_seq2seq *model, mm_binder *binder, mm_seq2seq_layer *layer,
                       const char *stack, int64_t wide, int i) {
    static const char *const qkv[3] = {"q_proj", "k_proj", "v_proj"};
    const int64_t hidden = model->hidden_size;
    // q_proj, k_proj, v_proj: [d_model, d_model] each
    layer->qkv = mm_bind_qkv(binder, hidden, hidden, qkv, "%s.layers.%d.self_attn.", stack, i);
    layer->output = // [d_model, d_model]
        mm_bind_linear(binder, hidden, hidden, "%s.layers.%d.self_attn.out_proj", stack, i);
    layer->self_norm = // [d_model]
        mm_bind_norm(binder, hidden, model->epsilon, "%s.layers.%d.self_attn_layer_norm", stack, i);
    layer->up = // [ffn_dim, d_model]
        mm_bind_linear(binder, wide, hidden, "%s.layers.%d.fc1", stack, i);
    layer->down = // [d_model, ffn_dim]
        mm_bind_linear(binder, hidden, wide, "%s.layers.%d.fc2", stack, i);
    layer->feed_forward_norm = // [d_model]
        mm_bind_norm(binder, hidden, model->epsilon, "%s.layers.%d.final_layer_norm", stack, i);
}

static void bind_cross_attention(const mm_seq2seq *model, mm_binder *binder,
                                 mm_seq2seq_layer *layer, int i) {
    static const char *const kv[2] = {"k_proj", "v_proj"};
    const int64_t hidden = model->hidden_size;
#define CROSS "decoder.layers.%d.encoder_attn."
    layer->cross_q = // [d_model, d_model], as k_proj, v_proj and out_proj
        mm_bind_linear(binder, hidden, hidden, CROSS "q_proj", i);
    layer->cross_kv = mm_bind_kv(binder, hidden, hidden, kv, CROSS, i);
    layer->cross_out = mm_bind_linear(binder, hidden, hidden, CROSS "out_proj", i);
#undef CROSS
    layer->cross_norm = // [d_model]
        mm_bind_norm(binder, hidden, model->epsilon, "decoder.layers.%d.encoder_attn_layer_norm",
                     i);
}

static void bind_encoder(mm_seq2seq *model, mm_binder *binder) {
    mm_seq2seq_stack *encoder = &model->encoder;
    encoder->embed.words = // [vocab_size, d_model]
        mm_bind_table(binder, model->vocab_size, model->hidden_size, "shared");
    model->decoder.embed = encoder->embed;
    bind_embeddings(model, binder, &encoder->embed, "encoder.embed_positions",
                    "encoder.layernorm_embedding");
    for (int i = 0; i < encoder->layer_count && !binder->status; i++)
        bind_layer(model, binder, &encoder->layers[i], "encoder", encoder->intermediate_size, i);
    if (model->is_pre_norm) // [d_model]
        encoder->final_norm =
            mm_bind_norm(binder, model->hidden_size, model->epsilon, "encoder.layer_norm");
}

static void bind_decoder(mm_seq2seq *model, mm_binder *binder) {
    mm_seq2seq_stack *decoder = &model->decoder;
    bind_embeddings(model, binder, &decoder->embed, "decoder.embed_positions",
                    "decoder.layernorm_embedding");
    for (int i = 0; i < decoder->layer_count && !binder->status; i++) {
        bind_layer(model, binder, &decoder->layers[i], "decoder", decoder->intermediate_size, i);
        bind_cross_attention(model, binder, &decoder->layers[i], i);
    }
    if (model->is_pre_norm) // [d_model]
        decoder->final_norm =
            mm_bind_norm(binder, model->hidden_size, model->epsilon, "decoder.layer_norm");
    // The shared table, unless the file has a matrix of its own: [vocab_size, d_model].
    const char *const base = binder->prefix;
    const bool own = mm_checkpoint_find(binder->checkpoint, "lm_head.weight") != NULL;
    binder->prefix = own ? "" : base;
    const mm_tensor *weight =
        mm_bind_tensor(binder, 2, (int64_t[]){model->vocab_size, model->hidden_size},
                       own ? "lm_head.weight" : "shared.weight");
    binder->prefix = "";
    const mm_tensor *bias = NULL; // [1, vocab_size]
    if (mm_checkpoint_find(binder->checkpoint, "final_logits_bias"))
        bias = mm_bind_tensor(binder, 2, (int64_t[]){1, model->vocab_size}, "final_logits_bias");
    binder->prefix = base;
    if (!binder->status)
        binder->status = mm_weights_add_matrix(&model->logits, binder->weights, 1, &weight, &bias,
                                               binder->error);
}

static mm_status bind(void **state, mm_model_info *info, const mm_config *config,
                      const mm_checkpoint *checkpoint, mm_weights *weights, mm_error *error) {
    static const mm_seq2seq_parts parts = {read_config, bind_encoder, bind_decoder};
    static const char *const prefixes[] = {"model.", "", NULL};
    mm_binder binder = mm_binder_start(config, checkpoint, weights, error);
    mm_bind_prefix(&binder, prefixes, "shared.weight");
    return mm_seq2seq_bind(state, info, &parts, &binder);
}

const mm_model_family mm_family_bart = {
    .name = "bart",
    .model_types = (const char *const[]){"bart", "mbart", "pegasus", NULL},
    .decoder_tensors = (const char *const[]){"model.decoder.layers.0.fc1.weight",
                                             "decoder.layers.0.fc1.weight", NULL},
    .bind = bind,
    .free = mm_seq2seq_free,
    .start = mm_seq2seq_start,
    .step = mm_seq2seq_step,
};
