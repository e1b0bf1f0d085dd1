// SPDX-License-Identifier: Apache-2.0
// What the files of the CPU backend share: the concrete objects behind the handles of backend.h.
//
// A session's threads form a team. While many batches are left, each thread runs whole batches on a
// lane of its own; the last few are run by all threads together on one lane. A lane of several
// threads splits a product by weight panels, so that each weight is read once.
#ifndef MM_COMPUTE_CPU_CPU_H
#define MM_COMPUTE_CPU_CPU_H

#include "base/team.h"
#include "base/thread.h"
#include "compute/backend_ops.h"
#include "compute/cpu/kernels.h"
#include "compute/cpu/product.h"

#include <stdatomic.h>

enum { MM_CPU_TILE = MM_PRODUCT_MAX_ROWS }; // rows that go through a product together

struct mm_backend {
    const mm_backend_ops *ops;
    const mm_kernels *kernels;
    mm_products *products;
    size_t large; // bytes of packed matrices above which they may wait; tests lower it
};

// ---- Weights (cpu_weights.c) ----

// Where a panel is looked for. One thread takes it from the file to its place.
typedef enum mm_panel_state { MM_PANEL_IN_FILE, MM_PANEL_MOVES, MM_PANEL_IN_PLACE } mm_panel_state;

struct mm_matrix {
    struct mm_matrix *next;
    int64_t out_features, in_features;
    int parts;
    const mm_tensor *weight[4], *bias[4]; // sources; valid until packed, or settled if it waits
    int panels;
    int64_t panel_columns; // of every panel but the last, which has what is left
    const mm_product_shape *shape, *last_shape;
    size_t panel_bytes;           // packed, rounded up to 64
    char *packed;                 // panels one behind the other
    float *bias_values;           // [out_features]
    bool waits;                   // for settling; else it is packed with all others
    struct mm_settling *settling; // the weights' own
    atomic_uchar states[];        // [panels] of mm_panel_state
};

struct mm_table {
    struct mm_table *next;
    const mm_tensor *source; // NULL when the rows are computed
    mm_table_fill fill;      // then
    int64_t parameter;       // of fill
    int64_t rows, columns;
    mm_dtype dtype; // F32, F16 or BF16
    size_t row_bytes;
    char *values;                 // its place in the weights' memory
    bool waits;                   // for settling; else it is copied while packing
    _Atomic(const char *) data;   // what look-ups read: source->data while it waits, then values
    struct mm_settling *settling; // the weights' own
};

struct mm_norm {
    struct mm_norm *next;
    const mm_tensor *weight, *bias;
    int64_t columns;
    bool is_rms; // else layer normalisation
    mm_layer_norm values;
};

struct mm_relative {
    struct mm_relative *next;
    const mm_tensor *source;
    int64_t buckets, heads, max_distance, max_length;
    bool bidirectional;
    float *values; // [heads][2 * max_length - 1], the middle is distance 0
};

// What a thread needs to pack panels, beside a place to pack to.
typedef struct mm_cpu_packer {
    mm_product_caller *caller;
    float *staging;
    size_t staging_bytes;
} mm_cpu_packer;

// The way of large tables and matrices from the checkpoint's map to the weights' memory.
typedef struct mm_settling {
    mm_checkpoint *checkpoint; // the thread's, NULL once all is in its place
    mm_cpu_packer packer;      // the thread's
    atomic_uint readers;       // operations that may read the map, and whether it is over
    bool started;
    pthread_t thread;
    atomic_bool stop, called;
    atomic_uint asked;     // for panels in files, since `called`
    pthread_mutex_t mutex; // for waiting: for `stop` and `called`, for readers, for a panel
    pthread_cond_t wake;
} mm_settling;

struct mm_weights {
    const mm_backend_ops *ops;
    mm_backend *backend;
    mm_compute_dtype dtype;
    struct mm_matrix *matrices;
    struct mm_table *tables;
    struct mm_norm *norms;
    struct mm_relative *relatives;
    size_t bytes;            // of the one region that holds all
    int64_t max_in, max_out; // over the matrices
    size_t panel_floats;     // of the rows that are packed at a time, at most
    size_t panel_bytes;      // of the largest panel, packed
    size_t scratchpad_bytes; // of a product, at most
    char *memory;            // NULL until packed
    mm_settling settling;
};

static inline const mm_product_shape *mm_matrix_shape(const mm_matrix *matrix, int panel) {
    return panel == matrix->panels - 1 ? matrix->last_shape : matrix->shape;
}

static inline int64_t mm_matrix_columns(const mm_matrix *matrix, int panel) {
    int64_t left = matrix->out_features - panel * matrix->panel_columns;
    return left < matrix->panel_columns ? left : matrix->panel_columns;
}

extern const mm_backend_ops mm_cpu_ops;

mm_status mm_cpu_weights_create(mm_weights **out, mm_backend *backend, mm_compute_dtype dtype,
                                mm_error *error);
void mm_cpu_weights_free(mm_weights *weights);
mm_status mm_cpu_add_matrix(const mm_matrix **out, mm_weights *weights, int parts,
                            const mm_tensor *const *weight, const mm_tensor *const *bias,
                            mm_error *error);
mm_status mm_cpu_add_table(const mm_table **out, mm_weights *weights, const mm_tensor *tensor,
                           mm_error *error);
mm_status mm_cpu_add_computed_table(const mm_table **out, mm_weights *weights, int64_t rows,
                                    int64_t columns, mm_table_fill fill, int64_t parameter,
                                    mm_error *error);
mm_status mm_cpu_add_norm(const mm_norm **out, mm_weights *weights, const mm_tensor *weight,
                          const mm_tensor *bias, double epsilon, mm_error *error);
mm_status mm_cpu_add_rms_norm(const mm_norm **out, mm_weights *weights, const mm_tensor *weight,
                              double epsilon, mm_error *error);
mm_status mm_cpu_add_relative(const mm_relative **out, mm_weights *weights, const mm_tensor *tensor,
                              int64_t buckets, int64_t max_distance, int64_t max_length,
                              bool bidirectional, mm_error *error);
size_t mm_cpu_weights_bytes(const mm_weights *weights);
mm_status mm_cpu_weights_pack(mm_weights *weights, mm_checkpoint *checkpoint, mm_packing how,
                              int threads, mm_error *error);

// ---- Panels (cpu_panels.c) ----

// `floats` for staging; on failure there is something to free nevertheless.
mm_status mm_cpu_packer_create(mm_cpu_packer *out, mm_backend *backend, int64_t floats,
                               mm_error *error);
void mm_cpu_packer_free(mm_cpu_packer *packer); // accepts a zeroed one
// Values of a tensor as float32; MODEL_CORRUPT naming it when one is NaN or infinite.
mm_status mm_cpu_load_values(float *out, const mm_tensor *tensor, int64_t start, int64_t count,
                             mm_error *error);
// The same check where the values lie: F32, F16 or BF16.
mm_status mm_cpu_check_values(const mm_tensor *tensor, int64_t start, int64_t count,
                              mm_error *error);
mm_status mm_cpu_check_panel(const mm_matrix *matrix, int panel, mm_error *error);
// Checks too; `packed` is a scratch of mm_weights.panel_bytes.
mm_status mm_cpu_pack_panel(const mm_matrix *matrix, int panel, void *packed,
                            mm_product_caller *caller, float *staging, mm_error *error);
// The same into the panel's place, where everybody looks for it afterwards; for whoever has taken
// MM_PANEL_MOVES. When it fails the panel is in the file still.
mm_status mm_cpu_place_panel(mm_matrix *matrix, int panel, mm_product_caller *caller,
                             float *staging, mm_error *error);
static inline char *mm_cpu_place_of(const mm_matrix *matrix, int panel) {
    return matrix->packed + (size_t)panel * matrix->panel_bytes;
}

// ---- Large weights (cpu_settling.c) ----

void mm_cpu_choose_waiting(mm_weights *weights, const mm_checkpoint *checkpoint, mm_packing how);
void mm_cpu_settling_init(mm_settling *settling);
// Takes the checkpoint over, and the packer; what waits is looked up in it from here on.
void mm_cpu_settling_start(mm_weights *weights, mm_checkpoint *checkpoint, mm_cpu_packer *packer);
void mm_cpu_settling_end(mm_settling *settling); // joins the thread
void mm_cpu_weights_settle(mm_weights *weights);
// Around operations with any of the weights; leave when enter returned true.
bool mm_cpu_settling_enter(mm_settling *settling);
void mm_cpu_settling_leave(mm_settling *settling);
bool mm_cpu_settled(const mm_settling *settling); // then it stays so
// Inside an operation: the packed panel, in its place or in the member's scratch until the next
// call. `again` says that the pass needs it more than once. NULL: the lane has failed.
const void *mm_cpu_panel(mm_lane *lane, int member, const mm_matrix *matrix, int panel, bool again);

// ---- Sessions and lanes (cpu_session.c) ----

// What one thread needs for itself while it works on any lane.
typedef struct mm_cpu_member {
    mm_product_caller *caller;
    float *panel;      // [MM_CPU_TILE, widest panel]: a product's result
    float *gate_panel; // the same for the gate of a gated feed-forward
    void *attention;   // scratch of an attention kernel
    float *staging;    // a panel's rows, and
    void *packed;      // the panel, while it is not in its place; NULL once all are
} mm_cpu_member;

struct mm_lane {
    const mm_backend_ops *ops;
    mm_session *session;
    int first, members; // which of the session's members work on it
    char *arena;        // activations of the current batch
    size_t arena_used, arena_bytes;
    void *cast;         // [MM_CPU_TILE, max_in] bf16: a tile of a product's input
    float *inner;       // [MM_CPU_TILE, max_out] f32 or bf16: between the halves of a feed-forward
    float *tile;        // [MM_CPU_TILE, max_out]: results that wait for residual and norm
    atomic_flag failed; // the first failure of a batch takes it and writes `error`
    mm_error error;
};

struct mm_session {
    const mm_backend_ops *ops;
    mm_backend *backend;
    mm_compute_dtype dtype;
    mm_team *team;
    int threads;
    mm_cpu_member *members; // [threads]
    mm_lane *lanes;         // [threads + 1]; the last is the team's, on the first one's memory
    char *memory;           // scratch and arenas of all
    size_t memory_bytes;
    int64_t rows, row_floats, max_in, max_out; // what memory is laid out for
    const mm_settling *settling;               // of weights that had not settled, or NULL, and
    char *panels;                              // the members' memory for it
    size_t panels_bytes;
    bool watch;
    int first_bad_layer;
};

mm_status mm_cpu_session_create(mm_session **out, mm_backend *backend, int threads,
                                mm_error *error);
void mm_cpu_session_free(mm_session *session);
mm_status mm_cpu_session_reserve(mm_session *session, const mm_weights *weights, int64_t rows,
                                 int64_t row_floats, mm_error *error);
size_t mm_cpu_session_bytes(const mm_weights *weights, int threads, int64_t rows,
                            int64_t row_floats);
mm_status mm_cpu_session_run(mm_session *session, size_t count, mm_batch_function function,
                             void *payload, mm_error *error);
void mm_cpu_session_watch(mm_session *session, bool on);
int mm_cpu_session_first_bad_layer(const mm_session *session);
void mm_cpu_lane_fail(mm_lane *lane, mm_status status, const char *message);
mm_activation mm_cpu_lane_activation(mm_lane *lane, int64_t rows, int64_t columns);
void mm_cpu_lane_layer(mm_lane *lane, int layer, const mm_activation *x);

// A step of an operation: called once for each member of the lane, 0 <= member < lane->members.
typedef void (*mm_cpu_step)(mm_lane *lane, int member, const void *arguments);
// Runs a step on the lane's threads; does nothing once the lane has failed.
void mm_cpu_lane_run(mm_lane *lane, mm_cpu_step step, const void *arguments);
void mm_cpu_lane_barrier(mm_lane *lane); // inside a step, by every member
static inline mm_cpu_member *mm_cpu_member_of(mm_lane *lane, int member) {
    return &lane->session->members[lane->first + member];
}

// ---- Operations (cpu_linear.c, cpu_attention.c, cpu_decode.c, cpu_rows.c) ----

// out = norm(x + residual); residual may be NULL, out may be x or residual.
static inline void mm_cpu_norm_row(const mm_lane *lane, float *out, const float *x,
                                   const float *residual, const mm_norm *norm) {
    const mm_kernels *kernels = lane->session->backend->kernels;
    (norm->is_rms ? kernels->rms_norm : kernels->layer_norm)(out, x, residual, &norm->values,
                                                             (size_t)norm->columns);
}

void mm_cpu_embed(mm_lane *lane, mm_activation *out, const mm_batch *batch,
                  const mm_embed_tables *tables);
void mm_cpu_linear(mm_lane *lane, mm_activation *out, const mm_activation *in,
                   const mm_matrix *matrix, const mm_epilogue *epilogue);
void mm_cpu_feed_forward(mm_lane *lane, mm_activation *out, const mm_activation *in,
                         const mm_matrix *up, const mm_matrix *gate, const mm_matrix *down,
                         mm_function function, const mm_epilogue *epilogue);
void mm_cpu_attention(mm_lane *lane, mm_activation *out, const mm_activation *qkv,
                      const mm_batch *batch, const mm_attention_options *options);
void mm_cpu_normalize_layer(mm_lane *lane, mm_activation *out, const mm_activation *in,
                            const mm_norm *norm);
mm_status mm_cpu_cache_create(mm_cache **out, mm_backend *backend, int64_t layers, int64_t rows,
                              int64_t columns, mm_error *error);
void mm_cpu_cache_free(mm_cache *cache);
size_t mm_cpu_cache_bytes(int64_t layers, int64_t rows, int64_t columns);
void mm_cpu_cache_write(mm_lane *lane, mm_cache *cache, int64_t layer, const mm_activation *x,
                        int64_t column, const int32_t *rows);
void mm_cpu_attention_cached(mm_lane *lane, mm_activation *out, const mm_activation *q,
                             const mm_cache *cache, int64_t layer, const mm_reach *reach,
                             const mm_attention_options *options);
void mm_cpu_logits(mm_lane *lane, float *out, const mm_activation *x, const mm_matrix *matrix,
                   float scale, const bool *log_softmax);
void mm_cpu_pool(mm_lane *lane, mm_activation *out, int64_t column, const mm_activation *x,
                 const mm_batch *batch, mm_pooling pooling);
void mm_cpu_normalize_l2(mm_lane *lane, mm_activation *x);
void mm_cpu_download(mm_lane *lane, float *out, const mm_activation *x);

#endif
