// SPDX-License-Identifier: Apache-2.0
// Sessions: a worker's threads, its lanes and their memory. Memory of a session, one region:
//
//   member 0: panel | gate panel | attention      lane 0: cast | inner | tile | arena
//   member 1: ...                                 lane 1: ...
//
// Pages are touched only when used; a session laid out for long texts costs what its texts cost.
// The first text meets weights that have not settled, and small pages, so that it waits for few of
// them.
#include "base/memory.h"
#include "compute/cpu/cpu.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum {
    WIDEST_PANEL = 256,
    ALIGNMENT = 64,
    ARENA_MARGIN = 32 * ALIGNMENT, // what the activations of a batch lose to alignment, at most
};

mm_status mm_cpu_session_create(mm_session **out, mm_backend *backend, int threads,
                                mm_error *error) {
    *out = NULL;
    mm_session *session = mm_calloc(1, sizeof(*session));
    mm_status status = session ? MM_STATUS_OK : mm_fail_memory(error, "a session");
    if (status)
        return status;
    session->ops = backend->ops;
    session->backend = backend;
    session->threads = threads;
    session->first_bad_layer = MM_NO_LAYER;
    session->members = mm_calloc((size_t)threads, sizeof(*session->members));
    session->lanes = mm_calloc((size_t)threads + 1, sizeof(*session->lanes));
    if (!session->members || !session->lanes)
        status = mm_fail_memory(error, "a session");
    for (int i = 0; i < threads && !status; i++)
        status = mm_product_caller_create(&session->members[i].caller, backend->products, error);
    if (!status)
        status = mm_team_create(&session->team, threads, error);
    if (status) {
        mm_cpu_session_free(session);
        return status;
    }
    for (int i = 0; i <= threads; i++) {
        bool team = i == threads;
        mm_lane *lane = &session->lanes[i];
        lane->ops = session->ops;
        lane->session = session;
        lane->first = team ? 0 : i;
        lane->members = team ? threads : 1;
    }
    *out = session;
    return MM_STATUS_OK;
}

static void free_panels(mm_session *session) {
    mm_pages_free(session->panels, session->panels_bytes);
    session->panels = NULL;
    session->panels_bytes = 0;
    session->settling = NULL;
}

void mm_cpu_session_free(mm_session *session) {
    if (!session)
        return;
    mm_team_free(session->team);
    for (int i = 0; i < session->threads && session->members; i++)
        mm_product_caller_free(session->members[i].caller);
    mm_free(session->members);
    mm_free(session->lanes);
    mm_pages_free(session->memory, session->memory_bytes);
    free_panels(session);
    mm_free(session);
}

// ---- Memory
// ---------------------------------------------------------------------------------------

static size_t align(size_t bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void *take(char **cursor, size_t bytes) { // a multiple of the alignment
    void *memory = *cursor;
    *cursor += bytes;
    return memory;
}

// Bytes of the parts that a session has for each of its threads.
typedef struct portion {
    size_t panel, attention; // of a member
    size_t cast, inner;      // of a lane
    size_t arena;
    size_t room; // behind the arena: products may read a whole tile where fewer rows are left
    size_t total;
} portion;

// For `rows` rows of `row_floats` values and matrices up to [max_out, max_in]; false when it is
// more than can be counted.
static bool measure(portion *out, int64_t rows, int64_t row_floats, int64_t max_in,
                    int64_t max_out) {
    const size_t tile = MM_CPU_TILE * sizeof(float), row_bytes = (size_t)row_floats * sizeof(float);
    size_t values;
    *out = (portion){.panel = align(tile * WIDEST_PANEL),
                     .attention = align(mm_attention_scratch_bytes((size_t)rows)),
                     .cast = align(tile / 2 * (size_t)max_in),
                     .inner = align(tile * (size_t)max_out),
                     .room = align(MM_CPU_TILE * row_bytes)};
    if (!mm_size_mul(&values, (size_t)rows, row_bytes) ||
        !mm_size_add(&out->arena, values, ARENA_MARGIN + ALIGNMENT - 1))
        return false;
    out->arena = out->arena / ALIGNMENT * ALIGNMENT;
    const size_t parts[] = {out->panel, out->panel, out->attention, out->cast,
                            out->inner, out->inner, out->arena,     out->room};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!mm_size_add(&out->total, out->total, parts[i]))
            return false;
    }
    return true;
}

// Lays out the session's memory.
static void lay_out(mm_session *session, const portion *each) {
    char *cursor = session->memory;
    for (int i = 0; i < session->threads; i++) {
        mm_cpu_member *member = &session->members[i];
        member->panel = take(&cursor, each->panel);
        member->gate_panel = take(&cursor, each->panel);
        member->attention = take(&cursor, each->attention);
    }
    for (int i = 0; i < session->threads; i++) {
        mm_lane *lane = &session->lanes[i];
        lane->cast = take(&cursor, each->cast);
        lane->inner = take(&cursor, each->inner);
        lane->tile = take(&cursor, each->inner);
        lane->arena_bytes = each->arena;
        lane->arena = take(&cursor, each->arena + each->room);
    }
    // The team works when the single lanes rest.
    const mm_lane *shared = &session->lanes[0];
    mm_lane *team = &session->lanes[session->threads];
    team->cast = shared->cast;
    team->inner = shared->inner;
    team->tile = shared->tile;
    team->arena = shared->arena;
    team->arena_bytes = shared->arena_bytes;
}

// Of a thread that packs panels as it needs them.
static size_t packing_bytes(const mm_weights *weights) {
    return align(weights->panel_floats * sizeof(float)) + align(weights->panel_bytes);
}

size_t mm_cpu_session_bytes(const mm_weights *weights, int threads, int64_t rows,
                            int64_t row_floats) {
    portion each;
    size_t total;
    return measure(&each, rows, row_floats, weights->max_in, weights->max_out) &&
                   mm_size_add(&total, each.total,
                               packing_bytes(weights) + weights->scratchpad_bytes) &&
                   mm_size_mul(&total, total, (size_t)threads)
               ? total
               : SIZE_MAX;
}

// Nothing of a start is hurried any more once all has settled.
static void settle_down(mm_session *session) {
    free_panels(session);
    if (session->memory)
        mm_pages_enlarge(session->memory, session->memory_bytes);
}

// Room for panels in files, until they have settled.
static mm_status reserve_panels(mm_session *session, const mm_weights *weights, mm_error *error) {
    if (mm_cpu_settled(&weights->settling)) {
        if (session->panels)
            settle_down(session);
        return MM_STATUS_OK;
    }
    const size_t staging_bytes = align(weights->panel_floats * sizeof(float));
    const size_t each = packing_bytes(weights);
    free_panels(session);
    session->panels_bytes = each * (size_t)session->threads;
    session->panels = mm_pages_alloc(session->panels_bytes);
    if (!session->panels)
        return mm_fail_memory(error, "weights that are packed on need");
    for (int i = 0; i < session->threads; i++) {
        char *panels = session->panels + (size_t)i * each;
        session->members[i].staging = (float *)(void *)panels;
        session->members[i].packed = panels + staging_bytes;
    }
    session->settling = &weights->settling;
    return MM_STATUS_OK;
}

// After a run: memory for panels is wanted at most while there is one.
static void rest_panels(mm_session *session) {
    if (!session->panels)
        return;
    if (mm_cpu_settled(session->settling))
        settle_down(session);
    else
        mm_pages_rest(session->panels, session->panels_bytes);
}

mm_status mm_cpu_session_reserve(mm_session *session, const mm_weights *weights, int64_t rows,
                                 int64_t row_floats, mm_error *error) {
    mm_status status = reserve_panels(session, weights, error);
    if (status)
        return status;
    session->dtype = weights->dtype;
    bool enough = session->memory && rows <= session->rows && row_floats <= session->row_floats &&
                  weights->max_in <= session->max_in && weights->max_out <= session->max_out;
    if (enough)
        return MM_STATUS_OK;
    session->rows = rows > session->rows ? rows : session->rows;
    session->row_floats = row_floats > session->row_floats ? row_floats : session->row_floats;
    session->max_in = weights->max_in > session->max_in ? weights->max_in : session->max_in;
    session->max_out = weights->max_out > session->max_out ? weights->max_out : session->max_out;
    mm_pages_free(session->memory, session->memory_bytes);
    session->memory = NULL;
    session->memory_bytes = SIZE_MAX;
    portion each;
    if (measure(&each, session->rows, session->row_floats, session->max_in, session->max_out) &&
        mm_size_mul(&session->memory_bytes, each.total, (size_t)session->threads))
        session->memory = session->panels ? mm_pages_alloc_small(session->memory_bytes)
                                          : mm_pages_alloc(session->memory_bytes);
    if (!session->memory) {
        session->rows = 0;
        return mm_fail(error, MM_STATUS_OUT_OF_MEMORY, "no memory for %zu bytes of activations",
                       session->memory_bytes);
    }
    lay_out(session, &each);
    return MM_STATUS_OK;
}

mm_activation mm_cpu_lane_activation(mm_lane *lane, int64_t rows, int64_t columns) {
    mm_activation result = {.rows = rows, .columns = columns};
    size_t bytes = (size_t)(rows * columns) * sizeof(float);
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (lane->error.status)
        return result;
    if (bytes > lane->arena_bytes - lane->arena_used) {
        mm_cpu_lane_fail(lane, MM_STATUS_INTERNAL, "a batch is larger than the session's memory");
        return result;
    }
    result.data = lane->arena + lane->arena_used;
    lane->arena_used += bytes;
    return result;
}

// ---- Running
// --------------------------------------------------------------------------------------

void mm_cpu_lane_fail(mm_lane *lane, mm_status status, const char *message) {
    // Members of a lane may fail at the same time; the error is read when they have joined.
    if (!atomic_flag_test_and_set(&lane->failed))
        (void)mm_fail(&lane->error, status, "%s", message);
}

void mm_cpu_lane_barrier(mm_lane *lane) {
    if (lane->members > 1)
        mm_team_barrier(lane->session->team);
}

typedef struct lane_call {
    mm_lane *lane;
    mm_cpu_step step;
    const void *arguments;
} lane_call;

static void lane_member(void *payload, int member) {
    const lane_call *call = payload;
    call->step(call->lane, member, call->arguments);
}

void mm_cpu_lane_run(mm_lane *lane, mm_cpu_step step, const void *arguments) {
    if (lane->error.status)
        return;
    if (lane->members == 1) {
        step(lane, 0, arguments);
        return;
    }
    lane_call call = {lane, step, arguments};
    mm_team_run(lane->session->team, lane_member, &call);
}

typedef struct batches {
    mm_session *session;
    size_t count; // those that lanes of one thread take
    mm_batch_function function;
    void *payload;
    atomic_size_t next;
} batches;

static void run_one(mm_lane *lane, const batches *work, size_t index) {
    lane->arena_used = 0;
    if (!lane->error.status)
        work->function(lane, index, work->payload);
}

static void run_alone(void *payload, int member) {
    batches *work = payload;
    mm_lane *lane = &work->session->lanes[member];
    size_t index;
    while ((index = atomic_fetch_add(&work->next, 1)) < work->count)
        run_one(lane, work, index);
}

static void enter_threads(void *payload, int member) {
    (void)payload;
    if (member > 0)
        (void)mm_product_thread_enter();
}

mm_status mm_cpu_session_run(mm_session *session, size_t count, mm_batch_function function,
                             void *payload, mm_error *error) {
    int before = mm_product_thread_enter();
    mm_team_run(session->team, enter_threads, NULL);
    size_t threads = (size_t)session->threads;
    for (size_t i = 0; i <= threads; i++) {
        session->lanes[i].error = (mm_error){0};
        atomic_flag_clear(&session->lanes[i].failed);
    }
    session->first_bad_layer = MM_NO_LAYER;
    batches work = {.session = session, .function = function, .payload = payload};
    // The last `count % threads` batches would leave threads idle: all of them share those.
    work.count = threads > 1 ? count - count % threads : count;
    if (work.count > 0)
        mm_team_run(session->team, run_alone, &work);
    for (size_t index = work.count; index < count; index++)
        run_one(&session->lanes[threads], &work, index);
    mm_product_thread_leave(before);
    rest_panels(session);
    for (size_t i = 0; i <= threads; i++) {
        if (session->lanes[i].error.status) {
            if (error)
                *error = session->lanes[i].error;
            return session->lanes[i].error.status;
        }
    }
    return MM_STATUS_OK;
}

// ---- Watching
// -------------------------------------------------------------------------------------

void mm_cpu_session_watch(mm_session *session, bool on) {
    session->watch = on;
}

int mm_cpu_session_first_bad_layer(const mm_session *session) {
    return session->first_bad_layer;
}

void mm_cpu_lane_layer(mm_lane *lane, int layer, const mm_activation *x) {
    mm_session *session = lane->session;
    if (!session->watch || lane->error.status)
        return;
    const float *values = x->data;
    for (int64_t i = 0; i < x->rows * x->columns; i++) {
        if (!isfinite(values[i])) {
            if (session->first_bad_layer == MM_NO_LAYER || layer < session->first_bad_layer)
                session->first_bad_layer = layer;
            return;
        }
    }
}
