// SPDX-License-Identifier: Apache-2.0
#include "compute/cpu/cpu.h"

typedef struct attention_arguments {
    mm_activation out, qkv;
    const mm_batch *batch;
    const mm_attention_options *options;
} attention_arguments;

// One head of one sequence is the unit of work.
static void attention_step(mm_lane *lane, int member, const void *arguments) {
    const attention_arguments *a = arguments;
    const mm_attention_options *options = a->options;
    const mm_kernels *kernels = lane->session->backend->kernels;
    void (*attention)(const mm_attention_head *) =
        lane->session->dtype == MM_COMPUTE_BF16 ? kernels->attention_bf16 : kernels->attention;
    int64_t heads = options->heads, head_dim = options->head_dim, width = heads * head_dim;
    const mm_relative *relative = options->bias;
    int64_t units = (int64_t)a->batch->sequences * heads;
    for (int64_t unit = member; unit < units; unit += lane->members) {
        int64_t sequence = unit / heads, head = unit % heads;
        int64_t start = a->batch->starts[sequence];
        const float *q = (const float *)a->qkv.data + start * a->qkv.columns + head * head_dim;
        mm_attention_head work = {
            .q = q,
            .k = q + width,
            .v = q + 2 * width,
            .stride = (size_t)a->qkv.columns,
            .out = (float *)a->out.data + start * a->out.columns + head * head_dim,
            .out_stride = (size_t)a->out.columns,
            .rows = (size_t)(a->batch->starts[sequence + 1] - start),
            .head_dim = (size_t)head_dim,
            .scale = options->scale,
            .scratch = mm_cpu_member_of(lane, member)->attention,
        };
        if (relative) {
            int64_t middle = relative->max_length - 1;
            work.bias = relative->values + head * (2 * relative->max_length - 1) + middle;
        }
        attention(&work);
    }
}

void mm_cpu_attention(mm_lane *lane, mm_activation *out, const mm_activation *qkv,
                      const mm_batch *batch, const mm_attention_options *options) {
    attention_arguments arguments = {*out, *qkv, batch, options};
    mm_cpu_lane_run(lane, attention_step, &arguments);
}
