// SPDX-License-Identifier: Apache-2.0
// The encoder-decoder that T5, BART and their kin have in common; they differ in names, in where
// norms stand, in position tables or score bias, and in what follows the last layer.
//
//     encoder:  x = embed(source), then once a layer          decoder: the same, and between the
//     two
//               x = x + output(attention(qkv(x)))                      x = x + output(attention(
//               x = x + down(act(up(x)))                                   q(x), kv(encoder's x)))
//
// "Pre-norm" puts a norm in front of each of these and one behind the stack, "post-norm" one behind
// each sum. The decoder goes one token a step; keys and values of its own earlier tokens and of the
// source come from two caches.
#ifndef MM_MODELS_SEQ2SEQ_BLOCK_H
#define MM_MODELS_SEQ2SEQ_BLOCK_H

#include "models/bind.h"
#include "models/model.h"

typedef struct mm_seq2seq_layer {
    const mm_norm *self_norm;         // [hidden]
    const mm_matrix *qkv;             // [3 * inner, hidden]
    const mm_matrix *output;          // [hidden, inner]
    const mm_norm *cross_norm;        // decoder only, as the next three: [hidden]
    const mm_matrix *cross_q;         // [inner, hidden]
    const mm_matrix *cross_kv;        // [2 * inner, hidden]
    const mm_matrix *cross_out;       // [hidden, inner]
    const mm_norm *feed_forward_norm; // [hidden]
    const mm_matrix *up;              // [intermediate, hidden]
    const mm_matrix *gate;            // the same, or NULL
    const mm_matrix *down;            // [hidden, intermediate]
} mm_seq2seq_layer;

typedef struct mm_seq2seq_stack {
    int64_t layer_count;
    int64_t heads;
    int64_t head_dim; // inner = heads * head_dim
    int64_t intermediate_size;
    mm_embed_tables embed;
    const mm_relative *bias;   // added to the scores of every layer's self-attention, or NULL
    const mm_norm *final_norm; // or NULL
    mm_seq2seq_layer *layers;  // [layer_count]
} mm_seq2seq_stack;

typedef struct mm_seq2seq {
    int64_t hidden_size;
    int64_t vocab_size;        // of the encoder
    int64_t output_vocab_size; // of the decoder; 0 = vocab_size
    int64_t max_positions;     // of either stack
    double epsilon;
    bool is_pre_norm;
    bool is_scaled; // attention scores by 1 / sqrt(head_dim)
    mm_function function;
    mm_seq2seq_stack encoder;
    mm_seq2seq_stack decoder; // without layers when it was not asked for
    const mm_matrix *logits;  // [output_vocab_size, hidden]
    float logit_scale;
} mm_seq2seq;

// A family's own part: what its config says, and which tensors there are.
typedef struct mm_seq2seq_parts {
    void (*read_config)(mm_seq2seq *model, mm_binder *binder);
    void (*bind_encoder)(mm_seq2seq *model, mm_binder *binder);
    void (*bind_decoder)(mm_seq2seq *model, mm_binder *binder); // its logits too
} mm_seq2seq_parts;

// The family functions of model.h, with an mm_seq2seq as state.
mm_status mm_seq2seq_bind(void **state, mm_model_info *info, const mm_seq2seq_parts *parts,
                          mm_binder *binder);
void mm_seq2seq_free(void *state); // accepts NULL
mm_activation mm_seq2seq_encode(const void *state, mm_lane *lane, const mm_batch *batch);
void mm_seq2seq_start(const void *state, mm_lane *lane, const mm_batch *source, mm_cache *cross,
                      const int32_t *rows);
void mm_seq2seq_step(const void *state, mm_lane *lane, const mm_step *step, mm_cache *own,
                     const mm_cache *cross, float *logits);

#endif
