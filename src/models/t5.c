// SPDX-License-Identifier: Apache-2.0
// T5 and mT5: v1.0, v1.1, Flan, and as encoders alone sentence-t5 and gtr.
//
//     source ids -> shared table
//         -> [ norm -> q, k, v -> attention with bias -> o (+)
//              norm -> wi -> act -> wo (+) ] x layers -> norm
//     ids -> shared table
//         -> [ norm -> q, k, v -> attention to the past with bias -> o (+)
//              norm -> q, k, v of the source -> attention to the source -> o (+)
//              norm -> wi -> act -> wo (+) ] x decoder layers -> norm -> lm_head
//
// (+) adds what went into the block. Norms are by the root mean square, nothing has a bias, and
// scores are not scaled. wi is one matrix, or wi_0 gating wi_1. The table of score biases by
// distance stands in the first block and serves all of its stack. There is no position table, so
// the length is bounded by what the bias is laid out for.
#include "models/families.h"

#include "models/bind.h"
#include "models/seq2seq_block.h"

#include <math.h>
#include <string.h>

enum { MAX_LENGTH = 1 << 14 };

static bool is_gated(const mm_binder *binder) {
    const char *projection =
        json_string_value(json_object_get(mm_config_json(binder->config), "feed_forward_proj"));
    bool gated = strcmp(mm_config_model_type(binder->config), "mt5") == 0; // when it says nothing
    return projection ? strncmp(projection, "gated-", 6) == 0 : gated;
}

// "relu", "gated-silu"; "gated-gelu" means the tanh form (configuration_t5.py).
static mm_function read_function(mm_binder *binder) {
    const char *name = is_gated(binder) ? "gated-gelu" : "relu";
    if (!binder->status)
        binder->status =
            mm_config_get_string(&name, binder->config, "feed_forward_proj", name, binder->error);
    if (strcmp(name, "gated-gelu") == 0)
        return MM_FUNCTION_GELU_TANH;
    return mm_bind_function_named(binder, "feed_forward_proj",
                                  strncmp(name, "gated-", 6) == 0 ? name + 6 : name);
}

static int64_t size(mm_binder *binder, const char *key, int64_t fallback, int64_t maximum) {
    return mm_bind_size(binder, (const char *[]){key, NULL}, fallback, maximum);
}

static void read_config(mm_seq2seq *model, mm_binder *binder) {
    model->vocab_size = size(binder, "vocab_size", 32128, MM_MAX_VOCABULARY);
    model->hidden_size = size(binder, "d_model", 512, MM_MAX_WIDTH);
    model->max_positions = MAX_LENGTH;
    model->epsilon = mm_bind_epsilon(binder, "layer_norm_epsilon", 1e-6);
    model->function = read_function(binder);
    model->is_pre_norm = true;
    mm_seq2seq_stack *encoder = &model->encoder;
    encoder->layer_count = size(binder, "num_layers", 6, MM_MAX_LAYERS);
    encoder->heads = size(binder, "num_heads", 8, MM_MAX_WIDTH);
    encoder->head_dim = size(binder, "d_kv", 64, MM_MAX_WIDTH);
    encoder->intermediate_size = size(binder, "d_ff", 2048, MM_MAX_WIDTH);
    model->decoder = *encoder;
    model->decoder.layer_count =
        size(binder, "num_decoder_layers", encoder->layer_count, MM_MAX_LAYERS);
}

static const mm_relative *bind_bias(mm_binder *binder, const mm_seq2seq_stack *stack,
                                    const char *name, bool bidirectional) {
    const int64_t buckets = size(binder, "relative_attention_num_buckets", 32, MM_MAX_WIDTH);
    const int64_t distance = size(binder, "relative_attention_max_distance", 128, MM_MAX_POSITIONS);
    if (buckets < 4 || distance <= buckets / 2)
        mm_binder_fail(binder, MM_STATUS_MODEL_CORRUPT,
                       "%lld buckets for distances up to %lld make no sense", (long long)buckets,
                       (long long)distance);
    const mm_relative *bias = NULL;
    const mm_tensor *tensor = mm_bind_tensor(binder, 2, (int64_t[]){buckets, stack->heads}, name);
    if (!binder->status)
        binder->status = mm_weights_add_relative(&bias, binder->weights, tensor, buckets, distance,
                                                 MAX_LENGTH, bidirectional, binder->error);
    return bias;
}

// The feed-forward is sublayer `at` of a block, 1 in the encoder, 2 in the decoder.
static void bind_feed_forward(const mm_seq2seq *model, mm_binder *binder, mm_seq2seq_layer *layer,
                              const char *stack, int i, int at) {
    const int64_t hidden = model->hidden_size, wide = model->encoder.intermediate_size;
    layer->feed_forward_norm = // [d_model]
        mm_bind_rms_norm(binder, hidden, model->epsilon, "%s.block.%d.layer.%d.layer_norm", stack,
                         i, at);
#define DENSE "%s.block.%d.layer.%d.DenseReluDense."
    if (is_gated(binder)) { // [d_ff, d_model]
        layer->gate = mm_bind_linear(binder, wide, hidden, DENSE "wi_0", stack, i, at);
        layer->up = mm_bind_linear(binder, wide, hidden, DENSE "wi_1", stack, i, at);
    } else {
        layer->up = mm_bind_linear(binder, wide, hidden, DENSE "wi", stack, i, at);
    }
    // [d_model, d_ff]
    layer->down = mm_bind_linear(binder, hidden, wide, DENSE "wo", stack, i, at);
#undef DENSE
}

static void bind_self_attention(const mm_seq2seq *model, mm_binder *binder, mm_seq2seq_layer *layer,
                                const char *stack, int i) {
    static const char *const qkv[3] = {"q", "k", "v"};
    const int64_t hidden = model->hidden_size;
    const int64_t inner = model->encoder.heads * model->encoder.head_dim;
    layer->self_norm = // [d_model]
        mm_bind_rms_norm(binder, hidden, model->epsilon, "%s.block.%d.layer.0.layer_norm", stack,
                         i);
    layer->qkv = // [num_heads * d_kv, d_model] each
        mm_bind_qkv(binder, inner, hidden, qkv, "%s.block.%d.layer.0.SelfAttention.", stack, i);
    layer->output = // [d_model, num_heads * d_kv]
        mm_bind_linear(binder, hidden, inner, "%s.block.%d.layer.0.SelfAttention.o", stack, i);
}

static void bind_encoder(mm_seq2seq *model, mm_binder *binder) {
    mm_seq2seq_stack *encoder = &model->encoder;
    binder->no_bias = true;
    const bool shared = mm_checkpoint_find(binder->checkpoint, "shared.weight") != NULL;
    encoder->embed.words = // [vocab_size, d_model]
        mm_bind_table(binder, model->vocab_size, model->hidden_size,
                      shared ? "shared" : "encoder.embed_tokens");
    encoder->bias = // [buckets, num_heads]
        bind_bias(binder, encoder,
                  "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", true);
    for (int i = 0; i < encoder->layer_count && !binder->status; i++) {
        bind_self_attention(model, binder, &encoder->layers[i], "encoder", i);
        bind_feed_forward(model, binder, &encoder->layers[i], "encoder", i, 1);
    }
    encoder->final_norm = // [d_model]
        mm_bind_rms_norm(binder, model->hidden_size, model->epsilon, "encoder.final_layer_norm");
}

// v1.0 has no matrix of its own for the logits and scales them; configuration_t5.py tells by
// tie_word_embeddings, mT5 never scales.
static void bind_logits(mm_seq2seq *model, mm_binder *binder) {
    bool tied = true, scaled = false;
    const char *const name =
        mm_checkpoint_find(binder->checkpoint, "lm_head.weight") ? "lm_head" : "shared";
    model->logits = // [vocab_size, d_model]
        mm_bind_linear(binder, model->vocab_size, model->hidden_size, "%s", name);
    if (!binder->status)
        binder->status =
            mm_config_get_bool(&tied, binder->config, "tie_word_embeddings", true, binder->error);
    if (!binder->status)
        binder->status = mm_config_get_bool(&scaled, binder->config, "scale_decoder_outputs", tied,
                                            binder->error);
    if (strcmp(mm_config_model_type(binder->config), "mt5") == 0)
        scaled = false;
    model->logit_scale = scaled ? (float)(1.0 / sqrt((double)model->hidden_size)) : 1.0f;
}

static void bind_decoder(mm_seq2seq *model, mm_binder *binder) {
    static const char *const kv[2] = {"k", "v"};
    mm_seq2seq_stack *decoder = &model->decoder;
    const int64_t hidden = model->hidden_size, inner = decoder->heads * decoder->head_dim;
    decoder->embed = model->encoder.embed;
    decoder->bias = // [buckets, num_heads]
        bind_bias(binder, decoder,
                  "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", false);
    for (int i = 0; i < decoder->layer_count && !binder->status; i++) {
        mm_seq2seq_layer *layer = &decoder->layers[i];
        bind_self_attention(model, binder, layer, "decoder", i);
        layer->cross_norm = // [d_model]
            mm_bind_rms_norm(binder, hidden, model->epsilon, "decoder.block.%d.layer.1.layer_norm",
                             i);
#define CROSS "decoder.block.%d.layer.1.EncDecAttention."
        layer->cross_q = // [num_heads * d_kv, d_model], as k and v
            mm_bind_linear(binder, inner, hidden, CROSS "q", i);
        layer->cross_kv = mm_bind_kv(binder, inner, hidden, kv, CROSS, i);
        layer->cross_out = // [d_model, num_heads * d_kv]
            mm_bind_linear(binder, hidden, inner, CROSS "o", i);
#undef CROSS
        bind_feed_forward(model, binder, layer, "decoder", i, 2);
    }
    decoder->final_norm = // [d_model]
        mm_bind_rms_norm(binder, hidden, model->epsilon, "decoder.final_layer_norm");
    bind_logits(model, binder);
}

static mm_status bind(void **state, mm_model_info *info, const mm_config *config,
                      const mm_checkpoint *checkpoint, mm_weights *weights, mm_error *error) {
    static const mm_seq2seq_parts parts = {read_config, bind_encoder, bind_decoder};
    mm_binder binder = mm_binder_start(config, checkpoint, weights, error);
    return mm_seq2seq_bind(state, info, &parts, &binder);
}

const mm_model_family mm_family_t5 = {
    .name = "t5",
    .model_types = (const char *const[]){"t5", "mt5", NULL},
    .outgrows_f16 = true,
    .decoder_tensors = (const char *const[]){"decoder.final_layer_norm.weight", NULL},
    .bind = bind,
    .free = mm_seq2seq_free,
    .encode = mm_seq2seq_encode,
    .start = mm_seq2seq_start,
    .step = mm_seq2seq_step,
};
