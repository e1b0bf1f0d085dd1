// SPDX-License-Identifier: Apache-2.0
// Fresh memory is the dearest part of a start, and the first answer can do without most of it. So
// what is large stays in the checkpoint's map at first: packing only checks its values. Embedding
// tables are looked up there, since a query needs a few of their rows; a panel of a matrix is
// packed into a scratch whenever a product needs it. Then all of it settles: a thread of the
// weights copies the tables and packs the panels into their places, turns everybody to those, waits
// for the operations that began before, and frees the checkpoint, on which nothing depends from
// there on.
#include "base/clock.h"
#include "compute/cpu/cpu.h"

#include <string.h>
#include <unistd.h>

enum {
    LARGE_TABLE = 1 << 20,  // bytes; smaller ones are copied while packing
    COPY_BYTES = 256 << 10, // between two looks at `stop`
    SETTLED = 1 << 30,      // in `readers`
    SETTLING_NICE = 10,     // gives way to forward passes, yet ends when they never do
    SHARE = 4,              // of the panels that a pass finds in files it settles one in so many
};

// A model that is loaded ahead of its first request does not hold its files for longer.
static const int64_t longest_wait_ns = 1000000000;

void mm_cpu_settling_init(mm_settling *settling) {
    atomic_init(&settling->readers, SETTLED);
    pthread_mutex_init(&settling->mutex, NULL);
    mm_condition_init(&settling->wake);
}

// ---- What waits --------------------------------------------------------------------------------

static bool table_may_wait(const mm_table *table) {
    const mm_tensor *source = table->source;
    if (!source)
        return false;
    size_t width = mm_dtype_bits(source->dtype) / 8; // kernels want aligned elements
    return table->dtype == source->dtype && source->bytes > LARGE_TABLE &&
           (uintptr_t)source->data % width == 0;
}

// Of tensors that can be checked where they lie, in the files that stay open.
static bool matrix_may_wait(const mm_matrix *matrix, const mm_checkpoint *checkpoint) {
    for (int i = 0; i < matrix->parts; i++) {
        const mm_tensor *tensor = matrix->weight[i];
        bool plain = tensor->dtype == MM_DTYPE_F32 || tensor->dtype == MM_DTYPE_F16 ||
                     tensor->dtype == MM_DTYPE_BF16;
        if (!plain || mm_checkpoint_find(checkpoint, tensor->name) != tensor)
            return false;
    }
    return true;
}

void mm_cpu_choose_waiting(mm_weights *weights, const mm_checkpoint *checkpoint, mm_packing how) {
    size_t bytes = 0;
    for (mm_table *table = weights->tables; table; table = table->next)
        table->waits = checkpoint && how != MM_PACK_ALL && table_may_wait(table);
    for (mm_matrix *matrix = weights->matrices; matrix; matrix = matrix->next) {
        matrix->waits = checkpoint && how == MM_PACK_ON_NEED && matrix_may_wait(matrix, checkpoint);
        bytes += matrix->waits ? (size_t)matrix->panels * matrix->panel_bytes : 0;
    }
    for (mm_matrix *matrix = weights->matrices; matrix; matrix = matrix->next)
        matrix->waits = matrix->waits && bytes > weights->backend->large;
}

// ---- Whoever looks -----------------------------------------------------------------------------
// One word counts those that may read the map and says when it is over. Whoever joins before the
// thread says so is waited for; whoever joins after it sees the copies, since both change the same
// word.

bool mm_cpu_settled(const mm_settling *settling) {
    return (atomic_load_explicit(&settling->readers, memory_order_acquire) & SETTLED) != 0;
}

bool mm_cpu_settling_enter(mm_settling *settling) {
    if (mm_cpu_settled(settling))
        return false;
    atomic_fetch_add_explicit(&settling->readers, 1, memory_order_acquire);
    return true;
}

static void wake(mm_settling *settling) {
    pthread_mutex_lock(&settling->mutex);
    pthread_cond_signal(&settling->wake);
    pthread_mutex_unlock(&settling->mutex);
}

void mm_cpu_settling_leave(mm_settling *settling) {
    if (atomic_fetch_sub_explicit(&settling->readers, 1, memory_order_release) == SETTLED + 1)
        wake(settling);
}

static bool take_panel(mm_matrix *matrix, int panel) {
    unsigned char state = MM_PANEL_IN_FILE;
    return atomic_compare_exchange_strong_explicit(&matrix->states[panel], &state, MM_PANEL_MOVES,
                                                   memory_order_acquire, memory_order_acquire);
}

static mm_panel_state state_of(const mm_matrix *matrix, int panel) {
    return (mm_panel_state)atomic_load_explicit(&matrix->states[panel], memory_order_acquire);
}

// A pass leaves a panel in its place that it needs more than once. The first pass settles no
// others, later ones some: they may keep the processors from the thread, but none should do all of
// its work.
static bool should_settle(mm_settling *settling, bool again) {
    return again ||
           (atomic_load_explicit(&settling->called, memory_order_relaxed) &&
            atomic_fetch_add_explicit(&settling->asked, 1, memory_order_relaxed) % SHARE == 0);
}

const void *mm_cpu_panel(mm_lane *lane, int member, const mm_matrix *matrix, int panel,
                         bool again) {
    if (state_of(matrix, panel) == MM_PANEL_IN_PLACE)
        return mm_cpu_place_of(matrix, panel);
    const mm_cpu_member *own = mm_cpu_member_of(lane, member);
    mm_matrix *owned = (mm_matrix *)(uintptr_t)matrix; // the states are for whoever packs
    mm_error error = {0};
    mm_status status;
    const void *packed = own->packed;
    if (should_settle(matrix->settling, again) && take_panel(owned, panel)) {
        packed = mm_cpu_place_of(matrix, panel);
        status = mm_cpu_place_panel(owned, panel, own->caller, own->staging, &error);
        wake(matrix->settling);
    } else {
        status = mm_cpu_pack_panel(matrix, panel, own->packed, own->caller, own->staging, &error);
    }
    if (status)
        mm_cpu_lane_fail(lane, error.status, error.message);
    return status ? NULL : packed;
}

// ---- The thread --------------------------------------------------------------------------------

// False when the weights are freed first.
static bool wait_for_call(mm_settling *settling) {
    const int64_t deadline = mm_clock_now_ns() + longest_wait_ns;
    const struct timespec until = {.tv_sec = deadline / 1000000000,
                                   .tv_nsec = deadline % 1000000000};
    int waited = 0;
    pthread_mutex_lock(&settling->mutex);
    while (!atomic_load(&settling->called) && !atomic_load(&settling->stop) && waited == 0)
        waited = pthread_cond_timedwait(&settling->wake, &settling->mutex, &until);
    atomic_store(&settling->called, true);
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

static bool copy_tables(mm_weights *weights) {
    for (mm_table *table = weights->tables; table; table = table->next) {
        if (table->waits && !copy_table(table, &weights->settling.stop))
            return false;
    }
    return true;
}

// Waits while a forward pass has the panel in its hands. Whether it is in its place at the end.
static bool settle_panel(mm_matrix *matrix, int panel) {
    mm_settling *settling = matrix->settling;
    if (take_panel(matrix, panel)) // a failure is for whoever needs the panel
        (void)mm_cpu_place_panel(matrix, panel, settling->packer.caller, settling->packer.staging,
                                 NULL);
    pthread_mutex_lock(&settling->mutex);
    while (state_of(matrix, panel) == MM_PANEL_MOVES && !atomic_load(&settling->stop))
        pthread_cond_wait(&settling->wake, &settling->mutex);
    pthread_mutex_unlock(&settling->mutex);
    return state_of(matrix, panel) == MM_PANEL_IN_PLACE;
}

// Whether all are in their places; not when one cannot be packed, or is not to be any more.
static bool settle_matrices(mm_weights *weights) {
    const mm_settling *settling = &weights->settling;
    bool all = true;
    for (mm_matrix *matrix = weights->matrices; matrix; matrix = matrix->next) {
        for (int panel = 0; panel < matrix->panels && matrix->waits; panel++) {
            if (atomic_load(&settling->stop))
                return false;
            all &= settle_panel(matrix, panel);
        }
        if (matrix->waits) // so that the files do not take memory beside what is packed
            mm_checkpoint_rest(settling->checkpoint);
    }
    return all;
}

static void settle(mm_weights *weights) {
    mm_settling *settling = &weights->settling;
    const int threads = mm_product_thread_enter();
    mm_checkpoint_rest(settling->checkpoint);
    const bool all = copy_tables(weights) && settle_matrices(weights);
    mm_product_thread_leave(threads);
    if (!all)
        return; // as it was
    atomic_fetch_or_explicit(&settling->readers, SETTLED, memory_order_acq_rel);
    pthread_mutex_lock(&settling->mutex);
    while (atomic_load_explicit(&settling->readers, memory_order_acquire) != SETTLED)
        pthread_cond_wait(&settling->wake, &settling->mutex);
    pthread_mutex_unlock(&settling->mutex);
    mm_cpu_packer_free(&settling->packer);
    mm_checkpoint_free(settling->checkpoint);
    settling->checkpoint = NULL;
}

static void *settling_main(void *argument) {
    mm_weights *weights = argument;
    (void)nice(SETTLING_NICE); // on Linux the thread's own; a hint only
    if (wait_for_call(&weights->settling))
        settle(weights);
    return NULL;
}

static bool any_table_waits(const mm_weights *weights) {
    const mm_table *table = weights->tables;
    while (table && !table->waits)
        table = table->next;
    return table != NULL;
}

static bool any_matrix_waits(const mm_weights *weights) {
    const mm_matrix *matrix = weights->matrices;
    while (matrix && !matrix->waits)
        matrix = matrix->next;
    return matrix != NULL;
}

void mm_cpu_settling_start(mm_weights *weights, mm_checkpoint *checkpoint, mm_cpu_packer *packer) {
    mm_settling *settling = &weights->settling;
    const bool matrices = any_matrix_waits(weights);
    if (!matrices && !any_table_waits(weights)) {
        mm_checkpoint_free(checkpoint);
        return;
    }
    if (!matrices) // of what is packed nothing is looked at again
        mm_checkpoint_rest(checkpoint);
    settling->checkpoint = checkpoint;
    settling->packer = *packer;
    *packer = (mm_cpu_packer){0};
    atomic_store(&settling->readers, 0);
    settling->started = mm_thread_start(&settling->thread, settling_main, weights);
    if (!settling->started)
        settle(weights); // at once, then
}

void mm_cpu_weights_settle(mm_weights *weights) {
    mm_settling *settling = &weights->settling;
    if (mm_cpu_settled(settling) || atomic_load(&settling->called))
        return;
    pthread_mutex_lock(&settling->mutex);
    atomic_store(&settling->called, true);
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
    mm_cpu_packer_free(&settling->packer);
    mm_checkpoint_free(settling->checkpoint);
    pthread_cond_destroy(&settling->wake);
    pthread_mutex_destroy(&settling->mutex);
}
