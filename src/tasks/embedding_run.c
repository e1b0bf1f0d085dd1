// SPDX-License-Identifier: Apache-2.0
// From token ids to vectors, on a worker. Sequences are sorted by length, longest first, and packed
// into batches without padding:
//
//     order    [count]                 which text stands where in the sorted row of sequences
//     ids      [all tokens]            the tokens in that order
//     starts   one list per batch      where its sequences begin, and where the last one ends
//     batches  [batch_count]           slices of the above
//     staging  [count, model columns]  the vectors as the device gives them, in that order
//
// All of it is allocated before the first batch runs; a batch then finishes its own texts, down to
// the caller's rows.
#include "tasks/embedder.h"

#include "base/memory.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { LARGE_STAGING = 1 << 18 }; // bytes

typedef struct planned_batch {
    mm_batch batch;
    size_t first; // its first sequence's place in the order
} planned_batch;

typedef struct run_plan {
    const mm_embedder *embedder;
    const mm_embedding_job *job;
    float *vectors;
    size_t count; // sequences with at least one token
    size_t *order;
    int32_t *ids;
    int32_t *starts;
    int32_t *skip;
    planned_batch *batches;
    size_t batch_count;
    float *staging;
    size_t staging_bytes;
    atomic_size_t bad_batch; // the first that gave something not finite, SIZE_MAX: none
} run_plan;

// ---- Planning ----------------------------------------------------------------------------------

// A batch is closed once it holds enough rows, or when the next sequence would make it much more
// than enough.
static int64_t rows_enough(const mm_embedder *embedder) {
    int32_t rows = mm_backend_batch_rows(embedder->backend);
    return rows > 0 ? rows : 1;
}

static int64_t rows_at_most(const mm_embedder *embedder) {
    const int64_t enough = rows_enough(embedder);
    const int64_t longest = (int64_t)embedder->max_length;
    return enough + enough / 2 > longest ? enough + enough / 2 : longest;
}

mm_session_size mm_embedder_session_size(const mm_embedder *embedder) {
    // A batch of one-token texts has as many vectors as rows.
    return (mm_session_size){
        .rows = rows_at_most(embedder),
        .row_floats = mm_embedder_model(embedder)->row_floats + embedder->modules.floats,
    };
}

mm_status mm_embedder_prepare_session(const mm_embedder *embedder, mm_session *session,
                                      mm_error *error) {
    const mm_session_size size = mm_embedder_session_size(embedder);
    return mm_session_reserve(session, embedder->weights, size.rows, size.row_floats, error);
}

// Sorts by counting: stable, linear, and lengths are small numbers.
static mm_status sort_by_length(run_plan *plan, mm_error *error) {
    const mm_embedding_job *job = plan->job;
    const size_t longest = plan->embedder->max_length;
    size_t *places = mm_calloc(longest + 2, sizeof *places);
    if (!places)
        return mm_fail_memory(error, "the sorting of a request");
    for (size_t i = 0; i < job->count; i++)
        places[longest - (size_t)job->tokens[i] + 1]++;
    for (size_t i = 1; i <= longest; i++)
        places[i] += places[i - 1];
    for (size_t i = 0; i < job->count; i++)
        plan->order[places[longest - (size_t)job->tokens[i]]++] = i;
    mm_free(places);
    plan->count = job->count;
    while (plan->count > 0 && job->tokens[plan->order[plan->count - 1]] == 0)
        plan->count--;
    return MM_STATUS_OK;
}

// Batches get smaller towards the end, so that threads that run one each finish at about the same
// time; a quarter of a full one still runs near full speed.
static int64_t rows_of_next_batch(const mm_embedder *embedder, int64_t left) {
    const int64_t full = rows_enough(embedder);
    const int64_t least = full / 4 > 0 ? full / 4 : 1;
    const int64_t share = left / 4;
    return share > full ? full : share < least ? least : share;
}

// Cuts the sorted row into batches. Long sequences come first, so the batches with most attention
// work do too.
static void fill_batches(run_plan *plan) {
    const mm_embedding_job *job = plan->job;
    int64_t left = (int64_t)(job->starts[job->count] - job->starts[0]); // rows not in a batch yet
    const int64_t most = rows_at_most(plan->embedder);
    int32_t *ids = plan->ids;
    int32_t *starts = plan->starts;
    for (size_t i = 0; i < plan->count;) {
        planned_batch *planned = &plan->batches[plan->batch_count++];
        planned->first = i;
        planned->batch = (mm_batch){.ids = ids, .starts = starts, .skip = plan->skip + i};
        const int64_t enough = rows_of_next_batch(plan->embedder, left);
        int32_t rows = 0;
        starts[0] = 0;
        while (i < plan->count && rows < enough) {
            const size_t text = plan->order[i];
            const int32_t length = job->tokens[text];
            if (rows > 0 && rows + length > most)
                break;
            memcpy(ids, job->ids + job->starts[text], (size_t)length * sizeof *ids);
            ids += length;
            rows += length;
            plan->skip[i] = job->skip < length ? job->skip : length;
            *++starts = rows;
            i++;
        }
        starts++;
        left -= rows;
        planned->batch.rows = rows;
        planned->batch.sequences = (int32_t)(i - planned->first);
    }
    if (job->skip == 0) {
        for (size_t i = 0; i < plan->batch_count; i++)
            plan->batches[i].batch.skip = NULL;
    }
}

// Only what is large goes back to the system at once: the end of a mapping stops all threads of the
// process for a moment, which one text is not worth.
static bool is_staging_large(const run_plan *plan) {
    return plan->staging_bytes >= LARGE_STAGING;
}

static mm_status make_staging(run_plan *plan, mm_error *error) {
    size_t values;
    if (mm_size_mul(&values, plan->count, (size_t)plan->embedder->modules.dimension) &&
        mm_size_mul(&plan->staging_bytes, values, sizeof *plan->staging))
        plan->staging = is_staging_large(plan) ? mm_pages_alloc(plan->staging_bytes)
                                               : mm_malloc(plan->staging_bytes + 1);
    return plan->staging ? MM_STATUS_OK : mm_fail_memory(error, "the vectors of a request");
}

static void free_plan(run_plan *plan) {
    mm_free(plan->order);
    mm_free(plan->ids);
    mm_free(plan->starts);
    mm_free(plan->skip);
    mm_free(plan->batches);
    if (is_staging_large(plan))
        mm_pages_free(plan->staging, plan->staging_bytes);
    else
        mm_free(plan->staging);
}

static mm_status make_plan(run_plan *plan, mm_error *error) {
    const size_t count = plan->job->count;
    plan->order = mm_array_realloc(NULL, count, sizeof *plan->order);
    if (!plan->order)
        return mm_fail_memory(error, "the order of a request");
    mm_status status = sort_by_length(plan, error);
    if (status)
        return status;
    // At worst each sequence is a batch of its own, with two entries in `starts`.
    plan->ids =
        mm_array_realloc(NULL, plan->job->starts[count] - plan->job->starts[0], sizeof *plan->ids);
    plan->starts = mm_array_realloc(NULL, count, 2 * sizeof *plan->starts);
    plan->skip = mm_array_realloc(NULL, count, sizeof *plan->skip);
    plan->batches = mm_array_realloc(NULL, count, sizeof *plan->batches);
    if (!plan->ids || !plan->starts || !plan->skip || !plan->batches)
        return mm_fail_memory(error, "the batches of a request");
    status = make_staging(plan, error);
    if (!status)
        fill_batches(plan);
    return status;
}

// ---- Running -----------------------------------------------------------------------------------

// The modules behind the transformer: one vector a sequence.
static mm_activation run_modules(const mm_modules *modules, mm_lane *lane, const mm_batch *batch,
                                 const mm_activation *tokens) {
    mm_activation x = {0};
    for (size_t i = 1; i < modules->count; i++) {
        const mm_module *module = &modules->items[i];
        switch (module->kind) {
        case MM_MODULE_TRANSFORMER:
        case MM_MODULE_DROPOUT:
            break;
        case MM_MODULE_POOLING:
            x = mm_lane_activation(lane, batch->sequences, module->columns);
            for (size_t p = 0; p < modules->pooling_count; p++)
                mm_pool(lane, &x, (int64_t)p * tokens->columns, tokens, batch,
                        modules->poolings[p]);
            break;
        case MM_MODULE_DENSE: {
            mm_activation out = mm_lane_activation(lane, batch->sequences, module->columns);
            mm_epilogue epilogue = {.function = module->function};
            mm_activation added = x;
            if (module->residual) {
                added = mm_lane_activation(lane, batch->sequences, module->columns);
                mm_linear(lane, &added, &x, module->residual, &(mm_epilogue){0});
            }
            if (module->use_residual)
                epilogue.residual = &added;
            mm_linear(lane, &out, &x, module->matrix, &epilogue);
            x = out;
            break;
        }
        case MM_MODULE_LAYER_NORM:
            mm_normalize_layer(lane, &x, &x, module->norm);
            break;
        case MM_MODULE_NORMALIZE:
            mm_normalize_l2(lane, &x);
            break;
        }
    }
    return x;
}

// Copies a vector to the caller's row, cut and normalised as asked; false if it is not finite.
static bool finish_vector(float *out, const float *vector, int64_t dimension, bool normalize) {
    bool finite = true;
    for (int64_t i = 0; i < dimension; i++) {
        finite &= isfinite(vector[i]) != 0;
        out[i] = vector[i];
    }
    if (!normalize)
        return finite;
    double square = 0.0;
    for (int64_t i = 0; i < dimension; i++)
        square += (double)vector[i] * (double)vector[i];
    const double norm = fmax(sqrt(square), 1e-12);
    for (int64_t i = 0; i < dimension; i++)
        out[i] = (float)((double)vector[i] / norm);
    return finite;
}

// The smallest index wins, whichever lane is first: the error must not depend on timing.
static void note_bad(run_plan *plan, size_t index) {
    size_t seen = atomic_load(&plan->bad_batch);
    while (index < seen && !atomic_compare_exchange_weak(&plan->bad_batch, &seen, index)) {
    }
}

// A lane's work; nothing here allocates.
static void run_batch(mm_lane *lane, size_t index, void *payload) {
    run_plan *plan = payload;
    const planned_batch *planned = &plan->batches[index];
    const mm_embedding_job *job = plan->job;
    const mm_modules *modules = &plan->embedder->modules;
    mm_activation tokens = mm_model_encode(plan->embedder->model, lane, &planned->batch);
    mm_activation x = run_modules(modules, lane, &planned->batch, &tokens);
    float *staged = plan->staging + planned->first * (size_t)modules->dimension;
    mm_download(lane, staged, &x);
    bool finite = true;
    for (int32_t i = 0; i < planned->batch.sequences; i++) {
        const size_t text = plan->order[planned->first + (size_t)i];
        finite &= finish_vector(plan->vectors + text * (size_t)job->dimension,
                                staged + (size_t)i * (size_t)modules->dimension, job->dimension,
                                job->options.normalize);
    }
    if (!finite)
        note_bad(plan, index);
}

// Runs the batch again to find the layer where the numbers break.
static mm_status explain_bad(run_plan *plan, mm_session *session, mm_error *error) {
    const planned_batch *bad = &plan->batches[atomic_load(&plan->bad_batch)];
    const char *dtype = mm_compute_dtype_name(plan->embedder->dtype);
    plan->batches[0] = *bad;
    mm_session_watch(session, true);
    mm_status status = mm_session_run(session, 1, run_batch, plan, error);
    int layer = mm_session_first_bad_layer(session);
    mm_session_watch(session, false);
    if (status)
        return status;
    if (layer != MM_NO_LAYER) { // -1 is the embedding layer
        status = mm_fail(error, MM_STATUS_INTERNAL,
                         "the output of layer %d is not finite in %s, although the weights are",
                         layer, dtype);
        mm_error_details(error, "{\"layer\": %d, \"dtype\": \"%s\"}", layer, dtype);
        return status;
    }
    status = mm_fail(error, MM_STATUS_INTERNAL,
                     "the vector of a text is not finite in %s, although all layers are", dtype);
    mm_error_details(error, "{\"layer\": null, \"dtype\": \"%s\"}", dtype);
    return status;
}

mm_status mm_embedder_run(const mm_embedder *embedder, mm_session *session,
                          const mm_embedding_job *job, float *vectors, mm_error *error) {
    if (!embedder->loaded)
        return mm_fail(error, MM_STATUS_INTERNAL, "a model was run before it was loaded");
    if (job->count == 0)
        return MM_STATUS_OK;
    run_plan plan = {.embedder = embedder, .job = job, .vectors = vectors};
    atomic_init(&plan.bad_batch, SIZE_MAX);
    mm_status status = make_plan(&plan, error);
    if (status)
        goto done;
    for (size_t i = plan.count; i < job->count; i++) // no token: no direction
        memset(vectors + plan.order[i] * (size_t)job->dimension, 0,
               (size_t)job->dimension * sizeof *vectors);
    if (plan.batch_count > 0)
        status = mm_session_run(session, plan.batch_count, run_batch, &plan, error);
    mm_weights_settle(embedder->weights);
    if (!status && atomic_load(&plan.bad_batch) != SIZE_MAX)
        status = explain_bad(&plan, session, error);
done:
    free_plan(&plan);
    return status;
}
