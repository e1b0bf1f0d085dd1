// SPDX-License-Identifier: Apache-2.0
// The reference row kernels: plain C that says what each kernel means. Sums run in double where the
// fast versions keep several partial sums, so that differences to them stay small.
#include "compute/cpu/kernels.h"

#include <math.h>
#include <string.h>

static float from_bf16(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof(value));
    return value;
}

static float from_f16(uint16_t bits) {
    int exponent = bits >> 10 & 31;
    float mantissa = (float)(bits & 1023);
    float value;
    if (exponent == 31)
        value = mantissa != 0 ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexpf(mantissa, -24);
    else
        value = ldexpf(mantissa + 1024, exponent - 25);
    return bits & 0x8000 ? -value : value;
}

static uint16_t round_to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    if (isnan(value))
        return (uint16_t)(bits >> 16 | 64);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static void layer_norm(float *out, const float *x, const float *residual, const mm_layer_norm *norm,
                       size_t columns) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < columns; i++) {
        out[i] = x[i] + (residual ? residual[i] : 0);
        sum += (double)out[i];
    }
    double mean = sum / (double)columns;
    for (size_t i = 0; i < columns; i++)
        squares += ((double)out[i] - mean) * ((double)out[i] - mean);
    float scale = (float)(1.0 / sqrt(squares / (double)columns + (double)norm->epsilon));
    for (size_t i = 0; i < columns; i++)
        out[i] =
            (out[i] - (float)mean) * scale * norm->weight[i] + (norm->bias ? norm->bias[i] : 0);
}

static void rms_norm(float *out, const float *x, const float *residual, const mm_layer_norm *norm,
                     size_t columns) {
    double squares = 0;
    for (size_t i = 0; i < columns; i++) {
        out[i] = x[i] + (residual ? residual[i] : 0);
        squares += (double)out[i] * (double)out[i];
    }
    float scale = (float)(1.0 / sqrt(squares / (double)columns + (double)norm->epsilon));
    for (size_t i = 0; i < columns; i++)
        out[i] = out[i] * scale * norm->weight[i];
}

static void add(float *out, const float *x, const float *residual, size_t columns) {
    for (size_t i = 0; i < columns; i++)
        out[i] = x[i] + residual[i];
}

static void look_up(float *out, const void *row, mm_dtype dtype, size_t columns, bool first) {
    const float *wide = row;
    const uint16_t *half = row;
    for (size_t i = 0; i < columns; i++) {
        float value = dtype == MM_DTYPE_F32   ? wide[i]
                      : dtype == MM_DTYPE_F16 ? from_f16(half[i])
                                              : from_bf16(half[i]);
        out[i] = first ? value : out[i] + value;
    }
}

static float apply(float x, mm_function function) {
    switch (function) {
    case MM_FUNCTION_NONE:
        return x;
    case MM_FUNCTION_GELU:
        return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    case MM_FUNCTION_GELU_TANH:
        return 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case MM_FUNCTION_RELU:
        return x > 0 || isnan(x) ? x : 0;
    case MM_FUNCTION_SILU:
        return x / (1.0f + expf(-x));
    case MM_FUNCTION_TANH:
        return tanhf(x);
    case MM_FUNCTION_SIGMOID:
        return 1.0f / (1.0f + expf(-x));
    }
    return NAN;
}

void mm_finish_c(float *out, const float *x, const float *bias, size_t columns,
                 mm_function function) {
    for (size_t i = 0; i < columns; i++)
        out[i] = apply(x[i] + bias[i], function);
}

static void finish_bf16(uint16_t *out, const float *x, const float *bias, size_t columns,
                        mm_function function) {
    for (size_t i = 0; i < columns; i++)
        out[i] = round_to_bf16(apply(x[i] + bias[i], function));
}

static void multiply(float *out, const float *x, size_t columns) {
    for (size_t i = 0; i < columns; i++)
        out[i] *= x[i];
}

static void to_bf16(uint16_t *out, const float *x, size_t columns) {
    for (size_t i = 0; i < columns; i++)
        out[i] = round_to_bf16(x[i]);
}

static void log_softmax(float *x, float scale, size_t columns) {
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < columns; i++) {
        x[i] *= scale;
        largest = fmax(largest, (double)x[i]);
    }
    for (size_t i = 0; i < columns; i++)
        sum += exp((double)x[i] - largest);
    for (size_t i = 0; i < columns; i++)
        x[i] = (float)((double)x[i] - largest - log(sum));
}

void mm_attention_c(const mm_attention_head *head) {
    float *scores = head->scratch;
    for (size_t i = 0; i < head->rows; i++) {
        const float *q = head->q + i * head->stride;
        float largest = -INFINITY;
        for (size_t j = 0; j < head->rows; j++) {
            double sum = 0;
            for (size_t d = 0; d < head->head_dim; d++)
                sum += (double)q[d] * (double)head->k[j * head->stride + d];
            scores[j] = (float)sum * head->scale;
            if (head->bias)
                scores[j] += head->bias[(ptrdiff_t)j - (ptrdiff_t)i];
            largest = fmaxf(largest, scores[j]);
        }
        double total = 0;
        for (size_t j = 0; j < head->rows; j++) {
            scores[j] = expf(scores[j] - largest);
            total += (double)scores[j];
        }
        for (size_t d = 0; d < head->head_dim; d++) {
            double sum = 0;
            for (size_t j = 0; j < head->rows; j++)
                sum += (double)scores[j] * (double)head->v[j * head->stride + d];
            head->out[i * head->out_stride + d] = (float)(sum / total);
        }
    }
}

// One head of one query.
static void attend(const mm_attention_queries *a, size_t query, size_t head) {
    const size_t first = head * a->head_dim;
    const float *q = a->q + query * a->q_stride + first;
    const float *bias = a->bias ? a->bias + head * a->bias_stride : NULL;
    float *scores = a->scratch, *out = a->out + query * a->out_stride + first;
    float largest = -INFINITY;
    for (size_t j = 0; j < a->count; j++) {
        const float *k = a->k + (a->rows ? (size_t)a->rows[j] : j) * a->stride + first;
        double sum = 0;
        for (size_t d = 0; d < a->head_dim; d++)
            sum += (double)q[d] * (double)k[d];
        scores[j] = (float)sum * a->scale + (bias ? bias[j] : 0);
        largest = fmaxf(largest, scores[j]);
    }
    double total = 0;
    for (size_t j = 0; j < a->count; j++) {
        scores[j] = expf(scores[j] - largest);
        total += (double)scores[j];
    }
    for (size_t d = 0; d < a->head_dim; d++) {
        double sum = 0;
        for (size_t j = 0; j < a->count; j++) {
            const size_t row = a->rows ? (size_t)a->rows[j] : j;
            sum += (double)scores[j] * (double)a->v[row * a->stride + first + d];
        }
        out[d] = (float)(sum / total);
    }
}

static void attention_queries(const mm_attention_queries *queries) {
    for (size_t query = 0; query < queries->queries; query++)
        for (size_t head = 0; head < queries->heads; head++)
            attend(queries, query, head);
}

void mm_kernels_init_c(mm_kernels *kernels) {
    kernels->layer_norm = layer_norm;
    kernels->rms_norm = rms_norm;
    kernels->add = add;
    kernels->look_up = look_up;
    kernels->finish = mm_finish_c;
    kernels->finish_bf16 = finish_bf16;
    kernels->multiply = multiply;
    kernels->to_bf16 = to_bf16;
    kernels->log_softmax = log_softmax;
    kernels->attention = mm_attention_c;
    kernels->attention_bf16 = NULL;
    kernels->attention_queries = attention_queries;
    kernels->block_product = NULL;
}
