// SPDX-License-Identifier: Apache-2.0
#include "toy.h"

#include "scratch.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { MAX_TENSORS = 64, NAME_SIZE = 128, DATA_MAX = 3 << 20 };

typedef struct toy_file {
    struct {
        char name[NAME_SIZE];
        int64_t shape[2];
        int rank;
        size_t begin, end;
    } tensors[MAX_TENSORS];
    int count;
    size_t values;
    uint32_t seed;
    const toy_options *options;
    float data[DATA_MAX / sizeof(float)];
} toy_file;

static float next_value(toy_file *file) {
    file->seed = file->seed * 1664525U + 1013904223U;
    return (float)(file->seed >> 8) / 16777216.0F - 0.5F;
}

static bool same(const char *a, const char *b) {
    return a && strcmp(a, b) == 0;
}

// rank 1: `columns` is 0.
static void add(toy_file *file, const char *name, int64_t rows, int64_t columns, float around) {
    const toy_options *options = file->options;
    if (same(options->leave_out, name) || file->count == MAX_TENSORS)
        return;
    rows += same(options->reshape, name);
    const size_t values = (size_t)(rows * (columns ? columns : 1));
    if (values > sizeof file->data / sizeof *file->data - file->values)
        return;
    int index = file->count++;
    snprintf(file->tensors[index].name, NAME_SIZE, "%s%s", options->prefix ? options->prefix : "",
             name);
    file->tensors[index].rank = columns ? 2 : 1;
    file->tensors[index].shape[0] = rows;
    file->tensors[index].shape[1] = columns;
    file->tensors[index].begin = file->values * sizeof(float);
    for (size_t i = 0; i < values; i++) {
        float value = around + next_value(file);
        file->data[file->values + i] = same(options->overflow, name) ? 3e38F : value;
    }
    if (same(options->poison, name))
        file->data[file->values + values / 2] = NAN;
    file->values += values;
    file->tensors[index].end = file->values * sizeof(float);
}

static void add_linear(toy_file *file, const char *stem, int64_t out, int64_t in) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s.weight", stem);
    add(file, name, out, in, 0.0F);
    snprintf(name, sizeof name, "%s.bias", stem);
    add(file, name, out, 0, 0.0F);
}

static void add_norm(toy_file *file, const char *stem) {
    char name[NAME_SIZE];
    bool old = file->options->old_norm_names;
    snprintf(name, sizeof name, "%s.%s", stem, old ? "gamma" : "weight");
    add(file, name, TOY_HIDDEN, 0, 1.0F);
    snprintf(name, sizeof name, "%s.%s", stem, old ? "beta" : "bias");
    add(file, name, TOY_HIDDEN, 0, 0.0F);
}

static bool write_safetensors(const toy_file *file, const char *path) {
    char header[MAX_TENSORS * 256];
    size_t length = 0;
    for (int i = 0; i < file->count; i++) {
        char shape[64];
        snprintf(shape, sizeof shape, file->tensors[i].rank == 2 ? "%lld, %lld" : "%lld",
                 (long long)file->tensors[i].shape[0], (long long)file->tensors[i].shape[1]);
        length += (size_t)snprintf(
            header + length, sizeof header - length,
            "%s\"%s\": {\"dtype\": \"F32\", \"shape\": [%s], \"data_offsets\": [%zu, %zu]}",
            i ? ", " : "{", file->tensors[i].name, shape, file->tensors[i].begin,
            file->tensors[i].end);
    }
    header[length++] = '}';
    while (file->options->aligned && length % sizeof(uint64_t) != 0)
        header[length++] = ' ';
    const uint64_t prefix = length;
    FILE *out = fopen(path, "wb");
    if (!out)
        return false;
    bool ok = fwrite(&prefix, sizeof prefix, 1, out) == 1 && fwrite(header, length, 1, out) == 1 &&
              fwrite(file->data, sizeof(float), file->values, out) == file->values;
    return fclose(out) == 0 && ok;
}

// The names of the parts of a layer, by family: queries, keys, values, output, its norm, up, down,
// its norm.
static const char *const bert_parts[] = {"attention.self.query",
                                         "attention.self.key",
                                         "attention.self.value",
                                         "attention.output.dense",
                                         "attention.output.LayerNorm",
                                         "intermediate.dense",
                                         "output.dense",
                                         "output.LayerNorm"};
static const char *const distilbert_parts[] = {
    "attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin",
    "sa_layer_norm",   "ffn.lin1",        "ffn.lin2",        "output_layer_norm"};
static const char *const mpnet_parts[] = {
    "attention.attn.q",    "attention.attn.k",   "attention.attn.v", "attention.attn.o",
    "attention.LayerNorm", "intermediate.dense", "output.dense",     "output.LayerNorm"};

static void add_model(toy_file *file, const char *model_type) {
    const bool distil = strcmp(model_type, "distilbert") == 0;
    const bool mpnet = strcmp(model_type, "mpnet") == 0;
    const char *const *parts = distil ? distilbert_parts : mpnet ? mpnet_parts : bert_parts;
    const int offset = mpnet || strcmp(model_type, "roberta") == 0 ? 2 : 0;
    const int rows = file->options->vocabulary_rows;
    add(file, "embeddings.word_embeddings.weight", rows ? rows : TOY_VOCABULARY, TOY_HIDDEN, 0.0F);
    add(file, "embeddings.position_embeddings.weight", TOY_POSITIONS + offset, TOY_HIDDEN, 0.0F);
    if (!distil && !mpnet)
        add(file, "embeddings.token_type_embeddings.weight", 2, TOY_HIDDEN, 0.0F);
    add_norm(file, "embeddings.LayerNorm");
    if (mpnet)
        add(file, "encoder.relative_attention_bias.weight", 32, TOY_HEADS, 0.0F);
    for (int layer = 0; layer < TOY_LAYERS; layer++) {
        for (int i = 0; i < 8; i++) {
            char stem[NAME_SIZE / 2];
            snprintf(stem, sizeof stem, "%s.layer.%d.%s", distil ? "transformer" : "encoder", layer,
                     parts[i]);
            if (i == 4 || i == 7)
                add_norm(file, stem);
            else
                add_linear(file, stem, i == 5 ? TOY_INTERMEDIATE : TOY_HIDDEN,
                           i == 6 ? TOY_INTERMEDIATE : TOY_HIDDEN);
        }
    }
}

static bool write_config(const char *name, const toy_options *options, const char *model_type) {
    const bool distil = strcmp(model_type, "distilbert") == 0;
    const bool shifted = strcmp(model_type, "mpnet") == 0 || strcmp(model_type, "roberta") == 0;
    const char *more = options->config_more;
    char text[1024];
    snprintf(text, sizeof text,
             "{\"model_type\": \"%s\", \"%s\": %d, \"%s\": %d, \"%s\": %d, \"%s\": %d, "
             "\"vocab_size\": %d, \"max_position_embeddings\": %d%s%s}\n",
             model_type, distil ? "dim" : "hidden_size", TOY_HIDDEN,
             distil ? "n_heads" : "num_attention_heads", TOY_HEADS,
             distil ? "n_layers" : "num_hidden_layers", TOY_LAYERS,
             distil ? "hidden_dim" : "intermediate_size", TOY_INTERMEDIATE,
             options->vocabulary_rows ? options->vocabulary_rows : TOY_VOCABULARY,
             TOY_POSITIONS + (shifted ? 2 : 0), more ? ", " : "", more ? more : "");
    return toy_write_text(name, "config.json", text);
}

// 5 special tokens, 26 letters, the same as continuations, 7 words: TOY_VOCABULARY entries.
static bool write_tokenizer(const char *name) {
    static const char *const words[] = {"hello", "world", "query", "passage", ":", ",", "."};
    char text[4096] = "{\"version\": \"1.0\", \"added_tokens\": [";
    static const char *const special[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    size_t length = strlen(text);
    for (int i = 0; i < 5; i++)
        length += (size_t)snprintf(
            text + length, sizeof text - length,
            "%s{\"id\": %d, \"content\": \"%s\", \"single_word\": false, \"lstrip\": false, "
            "\"rstrip\": false, \"normalized\": false, \"special\": true}",
            i ? ", " : "", i, special[i]);
    length += (size_t)snprintf(
        text + length, sizeof text - length,
        "], \"normalizer\": {\"type\": \"BertNormalizer\", \"clean_text\": true, "
        "\"handle_chinese_chars\": true, \"strip_accents\": null, \"lowercase\": true}, "
        "\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, \"post_processor\": {\"type\": "
        "\"BertProcessing\", \"sep\": [\"[SEP]\", 3], \"cls\": [\"[CLS]\", 2]}, "
        "\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
        "\"continuing_subword_prefix\": \"##\", \"max_input_chars_per_word\": 100, \"vocab\": {");
    for (int i = 0; i < 5; i++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "\"%s\": %d, ", special[i], i);
    for (int i = 0; i < 52; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "\"%s%c\": %d, ",
                                   i < 26 ? "" : "##", 'a' + i % 26, 5 + i);
    for (int i = 0; i < 7; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s\"%s\": %d",
                                   i ? ", " : "", words[i], 57 + i);
    snprintf(text + length, sizeof text - length, "}}}\n");
    return toy_write_text(name, "tokenizer.json", text);
}

const char *toy_write(const char *name, const toy_options *options) {
    static toy_file file;
    static char folder[1024];
    static const toy_options none;
    memset(&file, 0, offsetof(toy_file, data));
    file.options = options ? options : &none;
    file.seed = 12345;
    const char *model_type = file.options->model_type ? file.options->model_type : "bert";
    add_model(&file, model_type);
    char path[256];
    snprintf(path, sizeof path, "%s/model.safetensors", name);
    if (!write_config(name, file.options, model_type) || !write_tokenizer(name) ||
        !write_safetensors(&file, scratch_path(path)))
        return NULL;
    snprintf(folder, sizeof folder, "%s", scratch_path(name));
    return folder;
}

bool toy_write_text(const char *name, const char *file, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", name, file);
    return scratch_write(path, text, strlen(text)) != NULL;
}

bool toy_write_layer(const char *name, const char *file, const char *weight, const char *bias,
                     int64_t rows, int64_t columns) {
    static toy_file layer;
    static const toy_options none;
    memset(&layer, 0, offsetof(toy_file, data));
    layer.options = &none;
    layer.seed = 99;
    if (weight)
        add(&layer, weight, rows, columns, 0.5F);
    if (bias)
        add(&layer, bias, rows, 0, 0.0F);
    char path[256];
    snprintf(path, sizeof path, "%s/%s", name, file);
    return write_safetensors(&layer, scratch_path(path));
}
