// SPDX-License-Identifier: Apache-2.0
// The encoder stack that BERT, ELECTRA, RoBERTa, DistilBERT, MPNet and ALBERT have in common; they
// differ in names, embeddings, score bias and in whether layers share weights.
//
//     x = norm(x + output(attention(qkv(x))))      once per layer,
//     x = norm(x + down(act(up(x))))               "post-norm"
#ifndef MM_MODELS_ENCODER_BLOCK_H
#define MM_MODELS_ENCODER_BLOCK_H

#include "models/bind.h"
#include "models/model.h"

typedef struct mm_encoder_layer {
    const mm_matrix *qkv;          // queries, keys, values: [3 * hidden, hidden], bias [3 * hidden]
    const mm_matrix *output;       // [hidden, hidden], bias [hidden]
    const mm_norm *attention_norm; // [hidden]
    const mm_matrix *up;           // [intermediate, hidden], bias [intermediate]
    const mm_matrix *down;         // [hidden, intermediate], bias [hidden]
    const mm_norm *feed_forward_norm; // [hidden]
} mm_encoder_layer;

typedef struct mm_encoder {
    int64_t hidden_size;
    int64_t embedding_size; // of the tables; 0 = hidden_size
    int64_t intermediate_size;
    int64_t layer_count;
    int64_t heads;
    int64_t vocab_size;
    int64_t position_rows;
    int64_t type_rows;
    double epsilon;
    mm_function function;
    mm_embed_tables embed;
    const mm_matrix *projection; // [hidden, embedding], bias [hidden]; NULL when the sizes agree
    const mm_relative *bias;     // added to the attention scores of every layer, or NULL
    mm_encoder_layer *layers;    // [layer_count]
} mm_encoder;

// A family's own part: what its config says, and which tensors there are.
typedef struct mm_encoder_parts {
    void (*read_config)(mm_encoder *encoder, mm_binder *binder);
    void (*bind_weights)(mm_encoder *encoder, mm_binder *binder);
} mm_encoder_parts;

// The family functions of model.h, with an mm_encoder as state.
mm_status mm_encoder_bind(void **state, mm_model_info *info, const mm_encoder_parts *parts,
                          mm_binder *binder);
void mm_encoder_free(void *state); // accepts NULL
mm_activation mm_encoder_run(const void *state, mm_lane *lane, const mm_batch *batch);

#endif
