// SPDX-License-Identifier: Apache-2.0
// Embedding tables are half of a small model's file, and a query needs a few of their rows. So the
// large ones stay in the checkpoint's map at first: packing only checks their values, and the
// first answer does not wait for fresh pages to copy them to. Then they settle: a thread of the
// weights copies them, turns the look-ups to the copies, waits for the look-ups that began before,
// and frees the checkpoint, on which nothing depends from there on.
#include "base/clock.h"
#include "compute/cpu/cpu.h"

#include <string.h>
#include <unistd.h>

enum {
    LARGE_TABLE = 1 << 20,  // bytes; smaller ones are copied while packing
    COPY_BYTES = 256 << 10, // between two looks at `stop`
    SETTLED = 1 << 30,      // in `readers`
    COPY_NICE = 10,         // gives way to forward passes, yet ends when they never do
};

// A model that is loaded ahead of its first request does not hold its files for longer.
static const int64_t longest_wait_ns = 1000000000;

void mm_cpu_settling_init(mm_settling *settling) {
    atomic_init(&settling->readers, SETTLED);
    pthread_mutex_init(&settling->mutex, NULL);
    mm_condition_init(&settling->wake);
}

bool mm_cpu_table_may_wait(const mm_table *table) {
    const mm_tensor *source = table->source;
    if (!source)
        return false;
    size_t width = mm_dtype_bits(source->dtype) / 8; // kernels want aligned elements
    return table->dtype == source->dtype && source->bytes > LARGE_TABLE &&
           (uintptr_t)source->data % width == 0;
}

// ---- Look-ups ----------------------------------------------------------------------------------
// One word counts those that may read the map and says when it is over. Whoever joins before the
// thread says so is waited for; whoever joins after it sees the copies, since both change the same
// word.

bool mm_cpu_settling_enter(mm_settling *settling) {
    if (atomic_load_explicit(&settling->readers, memory_order_acquire) & SETTLED)
        return false;
    atomic_fetch_add_explicit(&settling->readers, 1, memory_order_acquire);
    return true;
}

void mm_cpu_settling_leave(mm_settling *settling) {
    if (atomic_fetch_sub_explicit(&settling->readers, 1, memory_order_release) != SETTLED + 1)
        return;
    pthread_mutex_lock(&settling->mutex);
    pthread_cond_signal(&settling->wake);
    pthread_mutex_unlock(&settling->mutex);
}

// ---- The thread --------------------------------------------------------------------------------

// False when the weights are freed first.
static bool wait_for_call(mm_settling *settling) {
    const int64_t deadline = mm_clock_now_ns() + longest_wait_ns;
    const struct timespec until = {.tv_sec = deadline / 1000000000,
                                   .tv_nsec = deadline % 1000000000};
    int waited = 0;
    pthread_mutex_lock(&settling->mutex);
    while (!settling->called && !atomic_load(&settling->stop) && waited == 0)
        waited = pthread_cond_timedwait(&settling->wake, &settling->mutex, &until);
    pthread_mutex_unlock(&settling->mutex);
    return !atomic_load(&settling->stop);
}

static bool copy_table(mm_table *table, const atomic_bool *stop) {
    const char *source = table->source->data;
    const size_t bytes = table->source->bytes;
    for (size_t at = 0; at < bytes; at += COPY_BYTES) {
        if (atomic_load(stop))
            return false;
        memcpy(table->values + at, source + at, bytes - at < COPY_BYTES ? bytes - at : COPY_BYTES);
    }
    atomic_store_explicit(&table->data, table->values, memory_order_release);
    return true;
}

static void settle(mm_weights *weights) {
    mm_settling *settling = &weights->settling;
    for (mm_table *table = weights->tables; table; table = table->next) {
        if (table->waits && !copy_table(table, &settling->stop))
            return;
    }
    atomic_fetch_or_explicit(&settling->readers, SETTLED, memory_order_acq_rel);
    pthread_mutex_lock(&settling->mutex);
    while (atomic_load_explicit(&settling->readers, memory_order_acquire) != SETTLED)
        pthread_cond_wait(&settling->wake, &settling->mutex);
    pthread_mutex_unlock(&settling->mutex);
    mm_checkpoint_free(settling->checkpoint);
    settling->checkpoint = NULL;
}

static void *settling_main(void *argument) {
    mm_weights *weights = argument;
    (void)nice(COPY_NICE); // on Linux the thread's own; a hint only
    if (wait_for_call(&weights->settling))
        settle(weights);
    return NULL;
}

void mm_cpu_settling_start(mm_weights *weights, mm_checkpoint *checkpoint) {
    mm_settling *settling = &weights->settling;
    bool waits = false;
    for (const mm_table *table = weights->tables; table; table = table->next)
        waits |= table->waits;
    if (!waits) {
        mm_checkpoint_free(checkpoint);
        return;
    }
    settling->checkpoint = checkpoint;
    atomic_store(&settling->readers, 0);
    settling->started = mm_thread_start(&settling->thread, settling_main, weights);
    if (!settling->started)
        settle(weights); // at once, then
}

void mm_cpu_weights_settle(mm_weights *weights) {
    mm_settling *settling = &weights->settling;
    if (atomic_load_explicit(&settling->readers, memory_order_relaxed) & SETTLED)
        return;
    pthread_mutex_lock(&settling->mutex);
    settling->called = true;
    pthread_cond_signal(&settling->wake);
    pthread_mutex_unlock(&settling->mutex);
}

void mm_cpu_settling_end(mm_settling *settling) {
    if (settling->started) {
        pthread_mutex_lock(&settling->mutex);
        atomic_store(&settling->stop, true);
        pthread_cond_signal(&settling->wake);
        pthread_mutex_unlock(&settling->mutex);
        pthread_join(settling->thread, NULL);
    }
    mm_checkpoint_free(settling->checkpoint);
    pthread_cond_destroy(&settling->wake);
    pthread_mutex_destroy(&settling->mutex);
}
