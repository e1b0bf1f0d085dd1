// SPDX-License-Identifier: Apache-2.0
#include "models/bind.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 256 }; // longest tensor name any family asks for is below 100 bytes

void mm_binder_fail(mm_binder *binder, mm_status status, const char *format, ...) {
    if (binder->status)
        return;
    char message[sizeof binder->error->message];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    binder->status =
        mm_fail(binder->error, status, "%s: %s", mm_config_path(binder->config), message);
}

int64_t mm_bind_size(mm_binder *binder, const char *const *keys, int64_t fallback,
                     int64_t maximum) {
    int64_t value = fallback;
    if (!binder->status)
        binder->status = mm_config_get_size(&value, binder->config, keys, false, fallback, 1,
                                            maximum, binder->error);
    return binder->status ? fallback : value;
}

double mm_bind_epsilon(mm_binder *binder, const char *key, double fallback) {
    double value = fallback;
    if (!binder->status)
        binder->status =
            mm_config_get_number(&value, binder->config, key, fallback, 0.0, 1.0, binder->error);
    return binder->status ? fallback : value;
}

// transformers activations.py, ACT2CLS; its several spellings of one function together.
static const struct {
    const char *name;
    mm_function function;
} functions[] = {
    {"gelu", MM_FUNCTION_GELU},
    {"gelu_python", MM_FUNCTION_GELU},
    {"gelu_new", MM_FUNCTION_GELU_TANH},
    {"gelu_fast", MM_FUNCTION_GELU_TANH},
    {"gelu_accurate", MM_FUNCTION_GELU_TANH},
    {"gelu_pytorch_tanh", MM_FUNCTION_GELU_TANH},
    {"gelu_python_tanh", MM_FUNCTION_GELU_TANH},
    {"relu", MM_FUNCTION_RELU},
    {"silu", MM_FUNCTION_SILU},
    {"swish", MM_FUNCTION_SILU},
    {"tanh", MM_FUNCTION_TANH},
    {"sigmoid", MM_FUNCTION_SIGMOID},
    {"linear", MM_FUNCTION_NONE},
};

mm_function mm_bind_function(mm_binder *binder, const char *key, const char *fallback) {
    const char *name = fallback;
    if (!binder->status)
        binder->status = mm_config_get_string(&name, binder->config, key, fallback, binder->error);
    return mm_bind_function_named(binder, key, name);
}

mm_function mm_bind_function_named(mm_binder *binder, const char *key, const char *name) {
    if (binder->status)
        return MM_FUNCTION_NONE;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strcmp(functions[i].name, name) == 0)
            return functions[i].function;
    }
    mm_binder_fail(binder, MM_STATUS_MODEL_UNSUPPORTED,
                   "\"%s\" is \"%s\", an activation function that is not built in", key, name);
    return MM_FUNCTION_NONE;
}

void mm_bind_refuse_flag(mm_binder *binder, const char *key) {
    bool value = false;
    if (!binder->status)
        binder->status = mm_config_get_bool(&value, binder->config, key, false, binder->error);
    if (value)
        mm_binder_fail(binder, MM_STATUS_MODEL_UNSUPPORTED, "\"%s\": true is not supported", key);
}

void mm_bind_require_text(mm_binder *binder, const char *key, const char *only) {
    const char *value = only;
    if (!binder->status)
        binder->status = mm_config_get_string(&value, binder->config, key, only, binder->error);
    if (!binder->status && strcmp(value, only) != 0)
        mm_binder_fail(binder, MM_STATUS_MODEL_UNSUPPORTED,
                       "\"%s\" is \"%s\", only \"%s\" is supported", key, value, only);
}

// Names are cut at NAME_SIZE, which no family's reach.
static void join_name(char out[NAME_SIZE], const char *a, const char *b, const char *c) {
    const char *const parts[] = {a, b, c};
    size_t length = 0;
    for (int i = 0; i < 3; i++) {
        for (const char *from = parts[i]; *from && length < NAME_SIZE - 1; from++)
            out[length++] = *from;
    }
    out[length] = '\0';
}

void mm_bind_prefix(mm_binder *binder, const char *const *prefixes, const char *probe) {
    for (; *prefixes; prefixes++) {
        char name[NAME_SIZE];
        join_name(name, *prefixes, probe, "");
        if (mm_checkpoint_find(binder->checkpoint, name)) {
            binder->prefix = *prefixes;
            return;
        }
    }
}

const mm_tensor *mm_bind_tensor(mm_binder *binder, int rank, const int64_t *shape,
                                const char *name) {
    if (binder->status)
        return NULL;
    char full[NAME_SIZE];
    join_name(full, binder->prefix, name, "");
    const mm_tensor *tensor = NULL;
    binder->status =
        mm_checkpoint_get(&tensor, binder->checkpoint, full, rank, shape, binder->error);
    return binder->status ? NULL : tensor;
}

const mm_table *mm_bind_table(mm_binder *binder, int64_t rows, int64_t columns, const char *name) {
    char full[NAME_SIZE];
    join_name(full, name, ".weight", "");
    const mm_tensor *tensor = mm_bind_tensor(binder, 2, (int64_t[]){rows, columns}, full);
    const mm_table *table = NULL;
    if (!binder->status)
        binder->status = mm_weights_add_table(&table, binder->weights, tensor, binder->error);
    return binder->status ? NULL : table;
}

const mm_table *mm_bind_computed_table(mm_binder *binder, int64_t rows, int64_t columns,
                                       mm_table_fill fill, int64_t parameter) {
    const mm_table *table = NULL;
    if (!binder->status)
        binder->status = mm_weights_add_computed_table(&table, binder->weights, rows, columns, fill,
                                                       parameter, binder->error);
    return binder->status ? NULL : table;
}

// Weight and bias of `parts` linear layers, stacked into one matrix.
static const mm_matrix *bind_matrix(mm_binder *binder, int64_t out, int64_t in, const char *stem,
                                    const char *const *names, int parts) {
    const mm_tensor *weight[3] = {NULL};
    const mm_tensor *bias[3] = {NULL};
    for (int i = 0; i < parts; i++) {
        char layer[NAME_SIZE];
        char full[NAME_SIZE];
        join_name(layer, stem, names[i], "");
        join_name(full, layer, ".weight", "");
        weight[i] = mm_bind_tensor(binder, 2, (int64_t[]){out, in}, full);
        join_name(full, layer, ".bias", "");
        if (!binder->no_bias)
            bias[i] = mm_bind_tensor(binder, 1, &out, full);
    }
    const mm_matrix *matrix = NULL;
    if (!binder->status)
        binder->status =
            mm_weights_add_matrix(&matrix, binder->weights, parts, weight, bias, binder->error);
    return binder->status ? NULL : matrix;
}

const mm_matrix *mm_bind_linear(mm_binder *binder, int64_t out, int64_t in, const char *format,
                                ...) {
    char stem[NAME_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(stem, sizeof stem, format, arguments);
    va_end(arguments);
    return bind_matrix(binder, out, in, stem, &(const char *){""}, 1);
}

const mm_matrix *mm_bind_qkv(mm_binder *binder, int64_t out, int64_t in, const char *const names[3],
                             const char *format, ...) {
    char stem[NAME_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(stem, sizeof stem, format, arguments);
    va_end(arguments);
    return bind_matrix(binder, out, in, stem, names, 3);
}

const mm_matrix *mm_bind_kv(mm_binder *binder, int64_t out, int64_t in, const char *const names[2],
                            const char *format, ...) {
    char stem[NAME_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(stem, sizeof stem, format, arguments);
    va_end(arguments);
    return bind_matrix(binder, out, in, stem, names, 2);
}

const mm_norm *mm_bind_rms_norm(mm_binder *binder, int64_t size, double epsilon, const char *format,
                                ...) {
    char stem[NAME_SIZE];
    char full[NAME_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(stem, sizeof stem, format, arguments);
    va_end(arguments);
    join_name(full, stem, ".weight", "");
    const mm_tensor *weight = mm_bind_tensor(binder, 1, &size, full);
    const mm_norm *norm = NULL;
    if (!binder->status)
        binder->status =
            mm_weights_add_rms_norm(&norm, binder->weights, weight, epsilon, binder->error);
    return binder->status ? NULL : norm;
}

const mm_norm *mm_bind_norm(mm_binder *binder, int64_t size, double epsilon, const char *format,
                            ...) {
    char stem[NAME_SIZE];
    char full[NAME_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(stem, sizeof stem, format, arguments);
    va_end(arguments);
    // Files from before 2019 (google-bert/bert-base-*) keep TensorFlow's names.
    join_name(full, binder->prefix, stem, ".gamma");
    bool old = mm_checkpoint_find(binder->checkpoint, full) != NULL;
    join_name(full, stem, old ? ".gamma" : ".weight", "");
    const mm_tensor *weight = mm_bind_tensor(binder, 1, &size, full);
    join_name(full, stem, old ? ".beta" : ".bias", "");
    const mm_tensor *bias = mm_bind_tensor(binder, 1, &size, full);
    const mm_norm *norm = NULL;
    if (!binder->status)
        binder->status =
            mm_weights_add_norm(&norm, binder->weights, weight, bias, epsilon, binder->error);
    return binder->status ? NULL : norm;
}
