// SPDX-License-Identifier: Apache-2.0
#include "compute/peak.h"

#include "base/clock.h"
#include "base/memory.h"
#include "compute/cpu/cpu.h"

#include <string.h>

enum { SIDE = 1024, PANEL = 256, REPEATS = 12, PRODUCTS = 40, READ_REPEATS = 4 };

static const size_t read_bytes = (size_t)128 << 20; // a thread; far beyond the caches

typedef struct peak_member {
    mm_product_caller *caller;
    char *weights, *x, *read;
    float *out;
    uint64_t sum;
    mm_error error;
} peak_member;

typedef struct peak {
    const mm_product_shape *shape;
    peak_member *members;
    int threads;
} peak;

static void product_step(void *payload, int member) {
    const peak *work = payload;
    peak_member *own = &work->members[member];
    int before = mm_product_thread_enter();
    size_t panel_bytes = mm_product_packed_bytes(work->shape);
    for (int i = 0; i < PRODUCTS * (SIDE / PANEL) && !own->error.status; i++)
        (void)mm_product_run(own->caller, work->shape, MM_PRODUCT_MAX_ROWS, own->out, own->x,
                             own->weights + (size_t)(i % (SIDE / PANEL)) * panel_bytes,
                             &own->error);
    mm_product_thread_leave(before);
}

static void read_step(void *payload, int member) {
    const peak *work = payload;
    peak_member *own = &work->members[member];
    uint64_t sum[8] = {0};
    for (size_t i = 0; i < read_bytes; i += sizeof(sum)) {
        uint64_t words[8];
        memcpy(words, own->read + i, sizeof(words));
        for (int lane = 0; lane < 8; lane++)
            sum[lane] += words[lane];
    }
    own->sum += sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];
}

// The best of several runs, in units of `work` a second.
static double best_rate(mm_team *team, mm_team_function step, peak *work, int repeats,
                        double amount) {
    double best = 0;
    for (int i = 0; i <= repeats; i++) {
        int64_t start = mm_clock_now_ns();
        mm_team_run(team, step, work);
        double seconds = (double)(mm_clock_now_ns() - start) * 1e-9;
        if (i > 0 && amount / seconds > best) // the first run makes pages and primitives
            best = amount / seconds;
    }
    return best;
}

static mm_status members_create(peak *work, mm_products *products, mm_error *error) {
    work->members = mm_calloc((size_t)work->threads, sizeof(*work->members));
    if (!work->members)
        return mm_fail_memory(error, "a measurement");
    for (int i = 0; i < work->threads; i++) {
        peak_member *own = &work->members[i];
        mm_status status = mm_product_caller_create(&own->caller, products, error);
        if (status)
            return status;
        own->weights = mm_pages_alloc(SIDE * SIDE * sizeof(float));
        own->x = mm_pages_alloc(MM_PRODUCT_MAX_ROWS * SIDE * sizeof(float));
        own->out = mm_pages_alloc(MM_PRODUCT_MAX_ROWS * SIDE * sizeof(float));
        own->read = mm_pages_alloc(read_bytes);
        if (!own->weights || !own->x || !own->out || !own->read)
            return mm_fail_memory(error, "a measurement");
        // Every page its own: untouched ones are one page of zeros, which fools the caches.
        memset(own->weights, 0x3F, SIDE * SIDE * sizeof(float)); // 0.75, as float and as bf16
        memset(own->x, 0x3F, MM_PRODUCT_MAX_ROWS * SIDE * sizeof(float));
        memset(own->read, 1, read_bytes);
    }
    return MM_STATUS_OK;
}

static void members_free(peak *work) {
    for (int i = 0; i < work->threads && work->members; i++) {
        peak_member *own = &work->members[i];
        mm_product_caller_free(own->caller);
        mm_pages_free(own->weights, SIDE * SIDE * sizeof(float));
        mm_pages_free(own->x, MM_PRODUCT_MAX_ROWS * SIDE * sizeof(float));
        mm_pages_free(own->out, MM_PRODUCT_MAX_ROWS * SIDE * sizeof(float));
        mm_pages_free(own->read, read_bytes);
    }
    mm_free(work->members);
}

static mm_status product_rate(double *out, peak *work, mm_team *team, mm_products *products,
                              mm_compute_dtype dtype, mm_error *error) {
    mm_status status = mm_products_shape(&work->shape, products, PANEL, SIDE, dtype, error);
    if (status)
        return status;
    double operations = 2.0 * SIDE * SIDE * MM_PRODUCT_MAX_ROWS * PRODUCTS * work->threads;
    *out = best_rate(team, product_step, work, REPEATS, operations) * 1e-9;
    for (int i = 0; i < work->threads && !status; i++) {
        status = work->members[i].error.status;
        if (status && error)
            *error = work->members[i].error;
    }
    return status;
}

mm_status mm_cpu_measure_peak(double *f32_gflops, double *bf16_gflops, double *read_gbps,
                              int threads, mm_error *error) {
    *f32_gflops = *bf16_gflops = *read_gbps = 0;
    peak work = {.threads = threads};
    mm_products *products = NULL;
    mm_team *team = NULL;
    mm_status status = mm_products_create(&products, error);
    if (!status)
        status = members_create(&work, products, error);
    if (!status)
        status = mm_team_create(&team, threads, error);
    if (!status)
        status = product_rate(f32_gflops, &work, team, products, MM_COMPUTE_F32, error);
    if (!status && mm_kernels_select()->attention_bf16)
        status = product_rate(bf16_gflops, &work, team, products, MM_COMPUTE_BF16, error);
    if (!status)
        *read_gbps =
            best_rate(team, read_step, &work, READ_REPEATS, (double)read_bytes * threads) * 1e-9;
    mm_team_free(team);
    members_free(&work);
    mm_products_free(products);
    return status;
}
