// SPDX-License-Identifier: Apache-2.0
#include "models/seq2seq_block.h"

#include "base/memory.h"

#include <math.h>

// ---- Binding -----------------------------------------------------------------------------------

static void prepare_stack(mm_seq2seq_stack *stack, mm_binder *binder) {
    if (binder->status)
        return;
    stack->layers = mm_calloc((size_t)stack->layer_count, sizeof *stack->layers);
    if (!stack->layers)
        binder->status = mm_fail_memory(binder->error, "a model's layers");
}

static int64_t inner_of(const mm_seq2seq_stack *stack) {
    return stack->heads * stack->head_dim;
}

static void fill_info(mm_model_info *info, const mm_seq2seq *model) {
    const mm_seq2seq_stack *encoder = &model->encoder, *decoder = &model->decoder;
    info->hidden_size = model->hidden_size;
    info->vocab_size = model->vocab_size;
    info->max_positions = model->max_positions;
    info->layers = encoder->layer_count;
    // x, what a norm makes of it, qkv and context
    info->row_floats = 2 * model->hidden_size + 4 * inner_of(encoder);
    if (info->generates) {
        info->row_floats += 2 * inner_of(decoder); // mm_seq2seq_start
        info->output_vocab_size = model->output_vocab_size;
        info->decoder_layers = decoder->layer_count;
        info->cache_columns = inner_of(decoder);
        info->step_floats = 2 * model->hidden_size + 4 * inner_of(decoder);
    }
}

mm_status mm_seq2seq_bind(void **state, mm_model_info *info, const mm_seq2seq_parts *parts,
                          mm_binder *binder) {
    mm_seq2seq *model = mm_calloc(1, sizeof *model);
    if (!model)
        return mm_fail_memory(binder->error, "a model");
    parts->read_config(model, binder);
    if (model->output_vocab_size == 0)
        model->output_vocab_size = model->vocab_size;
    prepare_stack(&model->encoder, binder);
    parts->bind_encoder(model, binder);
    if (info->generates) {
        prepare_stack(&model->decoder, binder);
        parts->bind_decoder(model, binder);
    }
    if (binder->status) {
        mm_seq2seq_free(model);
        return binder->status;
    }
    fill_info(info, model);
    *state = model;
    return MM_STATUS_OK;
}

void mm_seq2seq_free(void *state) {
    mm_seq2seq *model = state;
    if (model) {
        mm_free(model->encoder.layers);
        mm_free(model->decoder.layers);
    }
    mm_free(model);
}

// ---- What both stacks do -----------------------------------------------------------------------

// A pass of either stack.
typedef struct pass {
    const mm_seq2seq *model;
    const mm_seq2seq_stack *stack;
    mm_lane *lane;
    mm_activation x, normed, context;
} pass;

static pass begin(const mm_seq2seq *model, const mm_seq2seq_stack *stack, mm_lane *lane,
                  const mm_batch *batch) {
    pass p = {.model = model, .stack = stack, .lane = lane};
    p.x = mm_lane_activation(lane, batch->rows, model->hidden_size);
    p.normed = mm_lane_activation(lane, batch->rows, model->hidden_size);
    p.context = mm_lane_activation(lane, batch->rows, inner_of(stack));
    mm_embed(lane, &p.x, batch, &stack->embed);
    return p;
}

static mm_attention_options attention_of(const pass *p, const mm_relative *bias) {
    const double head_dim = (double)p->stack->head_dim;
    return (mm_attention_options){
        .heads = (int32_t)p->stack->heads,
        .head_dim = (int32_t)p->stack->head_dim,
        .scale = p->model->is_scaled ? (float)(1.0 / sqrt(head_dim)) : 1.0f,
        .bias = bias,
    };
}

// What a sublayer reads.
static const mm_activation *enter(pass *p, const mm_norm *norm) {
    if (!p->model->is_pre_norm)
        return &p->x;
    mm_normalize_layer(p->lane, &p->normed, &p->x, norm);
    return &p->normed;
}

// How its result goes back into x.
static mm_epilogue leave(pass *p, const mm_norm *norm) {
    return (mm_epilogue){.residual = &p->x, .norm = p->model->is_pre_norm ? NULL : norm};
}

static void feed_forward(pass *p, const mm_seq2seq_layer *layer) {
    const mm_activation *in = enter(p, layer->feed_forward_norm);
    const mm_epilogue epilogue = leave(p, layer->feed_forward_norm);
    mm_feed_forward(p->lane, &p->x, in, layer->up, layer->gate, layer->down, p->model->function,
                    &epilogue);
}

static void end(pass *p) {
    if (p->stack->final_norm)
        mm_normalize_layer(p->lane, &p->x, &p->x, p->stack->final_norm);
}

// ---- The encoder -------------------------------------------------------------------------------

mm_activation mm_seq2seq_encode(const void *state, mm_lane *lane, const mm_batch *batch) {
    const mm_seq2seq *model = state;
    const mm_seq2seq_stack *stack = &model->encoder;
    pass p = begin(model, stack, lane, batch);
    mm_activation qkv = mm_lane_activation(lane, batch->rows, 3 * inner_of(stack));
    const mm_attention_options attention = attention_of(&p, stack->bias);
    mm_lane_layer(lane, -1, &p.x);
    for (int64_t i = 0; i < stack->layer_count; i++) {
        const mm_seq2seq_layer *layer = &stack->layers[i];
        mm_linear(lane, &qkv, enter(&p, layer->self_norm), layer->qkv, NULL);
        mm_attention(lane, &p.context, &qkv, batch, &attention);
        const mm_epilogue epilogue = leave(&p, layer->self_norm);
        mm_linear(lane, &p.x, &p.context, layer->output, &epilogue);
        feed_forward(&p, layer);
        mm_lane_layer(lane, (int)i, &p.x);
    }
    end(&p);
    return p.x;
}

void mm_seq2seq_start(const void *state, mm_lane *lane, const mm_batch *source, mm_cache *cross,
                      const int32_t *rows) {
    const mm_seq2seq *model = state;
    const mm_seq2seq_stack *stack = &model->decoder;
    mm_activation encoded = mm_seq2seq_encode(model, lane, source);
    mm_activation kv = mm_lane_activation(lane, source->rows, 2 * inner_of(stack));
    for (int64_t i = 0; i < stack->layer_count; i++) {
        mm_linear(lane, &kv, &encoded, stack->layers[i].cross_kv, NULL);
        mm_cache_write(lane, cross, i, &kv, 0, rows);
    }
}

// ---- The decoder -------------------------------------------------------------------------------

void mm_seq2seq_step(const void *state, mm_lane *lane, const mm_step *step, mm_cache *own,
                     const mm_cache *cross, float *logits) {
    const mm_seq2seq *model = state;
    const mm_seq2seq_stack *stack = &model->decoder;
    const int64_t inner = inner_of(stack);
    pass p = begin(model, stack, lane, &step->batch);
    mm_activation qkv = mm_lane_activation(lane, step->batch.rows, 3 * inner);
    mm_activation q = {.data = qkv.data, .rows = qkv.rows, .columns = inner};
    const mm_attention_options self = attention_of(&p, stack->bias);
    const mm_attention_options across = attention_of(&p, NULL);
    mm_lane_layer(lane, -1, &p.x);
    for (int64_t i = 0; i < stack->layer_count; i++) {
        const mm_seq2seq_layer *layer = &stack->layers[i];
        mm_linear(lane, &qkv, enter(&p, layer->self_norm), layer->qkv, NULL);
        mm_cache_write(lane, own, i, &qkv, inner, step->rows);
        mm_attention_cached(lane, &p.context, &qkv, own, i, &step->past, &self);
        mm_epilogue epilogue = leave(&p, layer->self_norm);
        mm_linear(lane, &p.x, &p.context, layer->output, &epilogue);

        mm_linear(lane, &q, enter(&p, layer->cross_norm), layer->cross_q, NULL);
        mm_attention_cached(lane, &p.context, &q, cross, i, &step->source, &across);
        epilogue = leave(&p, layer->cross_norm);
        mm_linear(lane, &p.x, &p.context, layer->cross_out, &epilogue);

        feed_forward(&p, layer);
        mm_lane_layer(lane, (int)i, &p.x);
    }
    end(&p);
    mm_logits(lane, logits, &p.x, model->logits, model->logit_scale, step->log_softmax);
}
