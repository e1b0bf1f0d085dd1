// SPDX-License-Identifier: Apache-2.0
// BART, and with norms in other places or computed positions mBART, Pegasus, Marian and M2M100
// (NLLB).
//
//     source ids -> shared table + positions -> norm
//         -> [ q, k, v -> attention -> out_proj (+) norm -> fc1 -> act -> fc2 (+) norm ] x layers
//     ids -> shared table + positions -> norm
//         -> [ q, k, v -> attention to the past -> out_proj (+) norm
//              -> q, k, v of the source -> attention to the source -> out_proj (+) norm
//              -> fc1 -> act -> fc2 (+) norm ] x decoder layers -> shared table + final_logits_bias
//
// (+) adds what went into the block. mBART, Pegasus and M2M100 have each norm in front of its block
// and one behind the stack. Marian may have a vocabulary for each stack.
#include "models/families.h"

#include "models/bind.h"
#include "models/seq2seq_block.h"
#include "models/sinusoid.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef enum position_kind {
    LEARNED,
    SINUSOID,       // computed where the file has no table
    PADDED_SINUSOID // always computed; padding has a row, and the others count from behind it
} position_kind;

// What the modelling and configuration files of the kin have in place of configuration keys.
typedef struct variant {
    const char *model_type;
    bool is_pre_norm; // and a norm behind the stack
    bool has_embedding_norm;
    bool may_split; // share_encoder_decoder_embeddings is looked at
    position_kind positions;
    int32_t position_offset; // rows of a learned position table before position 0
    bool scale_embedding;    // when the config does not say
    const char *activation;  // the same
} variant;

static const variant variants[] = {
    {"bart", false, true, false, LEARNED, 2, false, "gelu"},
    {"mbart", true, true, false, LEARNED, 2, false, "gelu"},
    {"pegasus", true, false, false, SINUSOID, 0, false, "gelu"},
    {"marian", false, false, true, SINUSOID, 0, false, "gelu"},
    {"m2m_100", true, false, false, PADDED_SINUSOID, 0, true, "relu"},
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

static bool read_flag(mm_binder *binder, const char *key, bool fallback) {
    bool value = fallback;
    if (!binder->status)
        binder->status = mm_config_get_bool(&value, binder->config, key, fallback, binder->error);
    return value;
}

static bool is_split(mm_binder *binder) {
    return variant_of(binder)->may_split &&
           !read_flag(binder, "share_encoder_decoder_embeddings", true);
}

static void read_config(mm_seq2seq *model, mm_binder *binder) {
    const variant *kind = variant_of(binder);
    model->vocab_size = size(binder, "vocab_size", 50265, MM_MAX_VOCABULARY);
    if (is_split(binder))
        model->output_vocab_size =
            size(binder, "decoder_vocab_size", model->vocab_size, MM_MAX_VOCABULARY);
    model->hidden_size = size(binder, "d_model", 1024, MM_MAX_WIDTH);
    model->max_positions = size(binder, "max_position_embeddings", 1024, MM_MAX_POSITIONS);
    model->epsilon = 1e-5;
    model->function = mm_bind_function(binder, "activation_function", kind->activation);
    model->is_pre_norm = kind->is_pre_norm;
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
    if (read_flag(binder, "scale_embedding", kind->scale_embedding))
        model->encoder.embed.scale = (float)sqrt((double)model->hidden_size);
    model->decoder.embed.scale = model->encoder.embed.scale;
}

// Whether the file has prefix + NAME.weight.
static bool has_weight(const mm_binder *binder, const char *prefix, const char *name) {
    char full[128];
    (void)snprintf(full, sizeof full, "%s%s.weight", prefix, name);
    return mm_checkpoint_find(binder->checkpoint, full) != NULL;
}

// Tied tensors are in a file once, under the name that whoever wrote it kept.
static const char *name_of_words(const mm_binder *binder, const char *own) {
    return has_weight(binder, binder->prefix, "shared") ? "shared" : own;
}

static void bind_padded_positions(const mm_seq2seq *model, mm_binder *binder,
                                  mm_embed_tables *embed) {
    int64_t padding = 1;
    if (!binder->status)
        binder->status =
            mm_config_get_size(&padding, binder->config, (const char *[]){"pad_token_id", NULL},
                               false, 1, 0, model->vocab_size - 1, binder->error);
    if (model->hidden_size < 4)
        mm_binder_fail(binder, MM_STATUS_MODEL_CORRUPT,
                       "\"d_model\" is %lld, too small for positions by sines and cosines",
                       (long long)model->hidden_size);
    embed->position_offset = (int32_t)padding + 1;
    embed->skip_padding = true;
    embed->positions = // [pad_token_id + 1 + max_position_embeddings, d_model]
        mm_bind_computed_table(binder, model->max_positions + embed->position_offset,
                               model->hidden_size, mm_sinusoid_fill_padded, padding);
}

static void bind_positions(const mm_seq2seq *model, mm_binder *binder, mm_embed_tables *embed,
                           const char *name) {
    const variant *kind = variant_of(binder);
    const int64_t rows = model->max_positions + kind->position_offset;
    embed->position_offset = kind->position_offset;
    if (kind->positions == PADDED_SINUSOID)
        bind_padded_positions(model, binder, embed);
    else if (kind->positions == SINUSOID && !has_weight(binder, binder->prefix, name))
        embed->positions = // [max_position_embeddings, d_model]
            mm_bind_computed_table(binder, rows, model->hidden_size, mm_sinusoid_fill, 0);
    else
        embed->positions = // [max_position_embeddings + offset, d_model]
            mm_bind_table(binder, rows, model->hidden_size, name);
}

static void bind_embeddings(const mm_seq2seq *model, mm_binder *binder, mm_embed_tables *embed,
                            const char *positions, const char *norm) {
    bind_positions(model, binder, embed, positions);
    if (variant_of(binder)->has_embedding_norm) // [d_model]
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
        mm_bind_table(binder, model->vocab_size, model->hidden_size,
                      name_of_words(binder, "encoder.embed_tokens"));
    bind_embeddings(model, binder, &encoder->embed, "encoder.embed_positions",
                    "encoder.layernorm_embedding");
    for (int i = 0; i < encoder->layer_count && !binder->status; i++)
        bind_layer(model, binder, &encoder->layers[i], "encoder", encoder->intermediate_size, i);
    if (model->is_pre_norm) // [d_model]
        encoder->final_norm =
            mm_bind_norm(binder, model->hidden_size, model->epsilon, "encoder.layer_norm");
}

// The decoder's table, unless the file has a matrix of its own.
static void bind_logits(mm_seq2seq *model, mm_binder *binder, const char *words) {
    const char *const base = binder->prefix;
    const bool own = has_weight(binder, "", "lm_head");
    char name[64];
    (void)snprintf(name, sizeof name, "%s.weight", own ? "lm_head" : words);
    binder->prefix = own ? "" : base;
    const mm_tensor *weight = // [output_vocab_size, d_model]
        mm_bind_tensor(binder, 2, (int64_t[]){model->output_vocab_size, model->hidden_size}, name);
    binder->prefix = "";
    const mm_tensor *bias = NULL; // [1, output_vocab_size]
    if (mm_checkpoint_find(binder->checkpoint, "final_logits_bias"))
        bias = mm_bind_tensor(binder, 2, (int64_t[]){1, model->output_vocab_size},
                              "final_logits_bias");
    binder->prefix = base;
    if (!binder->status)
        binder->status = mm_weights_add_matrix(&model->logits, binder->weights, 1, &weight, &bias,
                                               binder->error);
}

static void bind_decoder(mm_seq2seq *model, mm_binder *binder) {
    mm_seq2seq_stack *decoder = &model->decoder;
    const bool split = is_split(binder);
    const char *const words =
        split ? "decoder.embed_tokens" : name_of_words(binder, "encoder.embed_tokens");
    decoder->embed.words = model->encoder.embed.words;
    if (split) // [decoder_vocab_size, d_model]
        decoder->embed.words =
            mm_bind_table(binder, model->output_vocab_size, model->hidden_size, words);
    bind_embeddings(model, binder, &decoder->embed, "decoder.embed_positions",
                    "decoder.layernorm_embedding");
    for (int i = 0; i < decoder->layer_count && !binder->status; i++) {
        bind_layer(model, binder, &decoder->layers[i], "decoder", decoder->intermediate_size, i);
        bind_cross_attention(model, binder, &decoder->layers[i], i);
    }
    if (model->is_pre_norm) // [d_model]
        decoder->final_norm =
            mm_bind_norm(binder, model->hidden_size, model->epsilon, "decoder.layer_norm");
    bind_logits(model, binder, words);
}

static mm_status bind(void **state, mm_model_info *info, const mm_config *config,
                      const mm_checkpoint *checkpoint, mm_weights *weights, mm_error *error) {
    static const mm_seq2seq_parts parts = {read_config, bind_encoder, bind_decoder};
    static const char *const prefixes[] = {"model.", "", NULL};
    mm_binder binder = mm_binder_start(config, checkpoint, weights, error);
    mm_bind_prefix(&binder, prefixes, "encoder.layers.0.fc1.weight");
    return mm_seq2seq_bind(state, info, &parts, &binder);
}

const mm_model_family mm_family_bart = {
    .name = "bart",
    .model_types = (const char *const[]){"bart", "mbart", "pegasus", "marian", "m2m_100", NULL},
    .decoder_tensors = (const char *const[]){"model.decoder.layers.0.fc1.weight",
                                             "decoder.layers.0.fc1.weight", NULL},
    .bind = bind,
    .free = mm_seq2seq_free,
    .start = mm_seq2seq_start,
    .step = mm_seq2seq_step,
};
