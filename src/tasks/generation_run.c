// SPDX-License-Identifier: Apache-2.0
// Sources go through the model in groups: encoded together, then decoded in step, one row for each
// hypothesis of each search that is not done. A group has
//
//     cross cache  the keys and values of its sources, row by row as they stand in the batch
//     own cache    those of its hypotheses: search s keeps what its step t computes for hypothesis
//                  i in row (s * max_length + t) * beams + i
//
// A hypothesis knows the cache rows of its ids; one that forks or dies moves nothing. All is
// allocated before the first step.
#include "tasks/generator.h"

#include "base/memory.h"
#include "tasks/logits_processors.h"
#include "tasks/search.h"

#include <math.h>
#include <string.h>

enum { GROUP_ROWS = 32 }; // hypotheses that are decoded together, if one source does not have more

typedef struct group {
    const mm_generator *generator;
    mm_search *searches; // [count]
    size_t first, count; // sources of the job
    mm_batch source;
    int32_t *starts; // [count + 1] of the sources
    mm_cache *cross, *own;
    int32_t width; // rows of a step at most
    mm_step step;
    int32_t *ids, *positions, *rows, *step_starts; // [width]; step_starts one more
    int32_t *past_first, *past_count, *source_first, *source_count;
    int32_t *list; // [width * max_length]
    int32_t *memory;
    float *logits; // [width * vocab_size]
    size_t logits_bytes;
} group;

static int64_t source_rows_at_most(const mm_generator *generator) {
    const int64_t enough = mm_backend_batch_rows(generator->backend);
    const int64_t longest = (int64_t)generator->max_length;
    return enough > longest ? enough : longest;
}

mm_status mm_generator_prepare_session(const mm_generator *generator, mm_session *session,
                                       mm_error *error) {
    const mm_model_info *info = mm_generator_model(generator);
    const int64_t rows = source_rows_at_most(generator);
    // A step may have more rows than the sources, but never more than a wide search has beams.
    const int64_t width = rows > 256 ? rows : 256;
    const int64_t floats =
        info->row_floats > info->step_floats ? info->row_floats : info->step_floats;
    return mm_session_reserve(session, generator->weights, width, floats, error);
}

// ---- A group -----------------------------------------------------------------------------------

// How many sources from `first` on are decoded together.
static size_t choose_count(const mm_generator *generator, const mm_generation_job *job,
                           size_t first) {
    const int64_t most = source_rows_at_most(generator);
    size_t count = 0;
    int64_t rows = 0;
    while (first + count < job->count) {
        const size_t next = first + count;
        rows += (int64_t)(job->starts[next + 1] - job->starts[next]);
        if (count > 0 &&
            (rows > most || (int64_t)(count + 1) * job->settings.num_beams > GROUP_ROWS))
            break;
        count++;
    }
    return count;
}

static void free_group(group *g) {
    for (size_t i = 0; i < g->count && g->searches; i++)
        mm_search_free(&g->searches[i]);
    mm_free(g->searches);
    mm_free(g->starts);
    mm_free(g->memory);
    mm_pages_free(g->logits, g->logits ? g->logits_bytes : 0);
    mm_cache_free(g->cross);
    mm_cache_free(g->own);
}

// The arrays of a step, cut from one piece.
static bool place_arrays(group *g, int64_t max_length) {
    const size_t width = (size_t)g->width;
    int32_t **const arrays[] = {&g->ids,        &g->positions,    &g->rows,        &g->past_first,
                                &g->past_count, &g->source_first, &g->source_count};
    const size_t count = sizeof arrays / sizeof arrays[0];
    size_t list, total;
    if (!mm_size_mul(&list, width, (size_t)max_length) ||
        !mm_size_add(&total, list, (count + 1) * width + 1))
        return false;
    g->memory = mm_calloc(total, sizeof *g->memory);
    if (!g->memory)
        return false;
    for (size_t i = 0; i < count; i++)
        *arrays[i] = g->memory + i * width;
    g->step_starts = g->memory + count * width;
    g->list = g->step_starts + width + 1;
    for (size_t i = 0; i <= width; i++)
        g->step_starts[i] = (int32_t)i;
    return true;
}

static mm_status make_searches(group *g, const mm_generation_job *job, mm_error *error) {
    const size_t vocab_size = (size_t)mm_generator_model(g->generator)->vocab_size;
    g->searches = mm_calloc(g->count, sizeof *g->searches);
    g->starts = mm_calloc(g->count + 1, sizeof *g->starts);
    if (!g->searches || !g->starts)
        return mm_fail_memory(error, "the searches of a request");
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < g->count && !status; i++) {
        const size_t from = job->starts[g->first + i], to = job->starts[g->first + i + 1];
        g->starts[i + 1] = g->starts[i] + (int32_t)(to - from);
        status = mm_search_init(&g->searches[i], &job->settings, job->ids + from, to - from,
                                vocab_size, error);
    }
    g->source = (mm_batch){.rows = g->starts[g->count],
                           .sequences = (int32_t)g->count,
                           .ids = job->ids + job->starts[g->first],
                           .starts = g->starts};
    return status;
}

static mm_status make_group(group *g, const mm_generation_job *job, mm_error *error) {
    const mm_model_info *info = mm_generator_model(g->generator);
    const mm_generation_settings *settings = &job->settings;
    mm_status status = make_searches(g, job, error);
    if (status)
        return status;
    g->width = (int32_t)((int64_t)g->count * settings->num_beams);
    if (g->width > INT32_MAX / settings->max_length)
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "max_length comes to %lld: with %d beams at a time that is too long",
                       (long long)settings->max_length, g->width);
    size_t values;
    if (!place_arrays(g, settings->max_length) ||
        !mm_size_mul(&values, (size_t)g->width, (size_t)info->vocab_size) ||
        !mm_size_mul(&g->logits_bytes, values, sizeof *g->logits))
        return mm_fail_memory(error, "the steps of a request");
    g->logits = mm_pages_alloc(g->logits_bytes);
    if (!g->logits)
        return mm_fail_memory(error, "the logits of a request");
    status = mm_cache_create(&g->cross, g->generator->backend, info->decoder_layers, g->source.rows,
                             info->cache_columns, error);
    if (!status)
        status = mm_cache_create(&g->own, g->generator->backend, info->decoder_layers,
                                 g->width * settings->max_length, info->cache_columns, error);
    return status;
}

// ---- Steps -------------------------------------------------------------------------------------

static void run_start(mm_lane *lane, size_t index, void *payload) {
    (void)index;
    group *g = payload;
    mm_model_start(g->generator->model, lane, &g->source, g->cross);
}

static void run_step(mm_lane *lane, size_t index, void *payload) {
    (void)index;
    group *g = payload;
    mm_model_step(g->generator->model, lane, &g->step, g->own, g->cross, g->logits);
}

// One row for each hypothesis that goes on; returns how many there are.
static int32_t fill_step(group *g) {
    int32_t row = 0;
    for (size_t s = 0; s < g->count; s++) {
        mm_search *search = &g->searches[s];
        const int32_t width = mm_search_width(search), last = search->length - 1;
        const int32_t max_length = (int32_t)search->settings->max_length;
        for (int32_t i = 0; i < width; i++, row++) {
            mm_hypothesis *hypothesis = &search->running[i];
            hypothesis->rows[last] = ((int32_t)s * max_length + last) * search->beams + i;
            g->ids[row] = hypothesis->ids[last];
            g->positions[row] = last;
            g->rows[row] = hypothesis->rows[last];
            g->past_first[row] = row * max_length;
            g->past_count[row] = search->length;
            memcpy(g->list + (size_t)row * (size_t)max_length, hypothesis->rows,
                   (size_t)search->length * sizeof *g->list);
            g->source_first[row] = g->starts[s];
            g->source_count[row] = g->starts[s + 1] - g->starts[s];
        }
    }
    g->step = (mm_step){.batch = {.rows = row,
                                  .sequences = row,
                                  .ids = g->ids,
                                  .starts = g->step_starts,
                                  .positions = g->positions},
                        .rows = g->rows,
                        .past = {g->past_first, g->past_count, g->list},
                        .source = {g->source_first, g->source_count, NULL}};
    return row;
}

// A NaN would choose no token at all.
static bool all_finite(const float *values, size_t count) {
    bool finite = true;
    for (size_t i = 0; i < count; i++)
        finite &= isfinite(values[i]) != 0;
    return finite;
}

static mm_status run_group(group *g, mm_session *session, mm_error *error) {
    const size_t vocab_size = (size_t)mm_generator_model(g->generator)->vocab_size;
    mm_status status = mm_session_run(session, 1, run_start, g, error);
    int32_t rows;
    while (!status && (rows = fill_step(g)) > 0) {
        status = mm_session_run(session, 1, run_step, g, error);
        if (status)
            break;
        if (!all_finite(g->logits, (size_t)rows * vocab_size))
            return mm_fail(error, MM_STATUS_INTERNAL,
                           "the logits of a step are not finite, although the weights are");
        float *logits = g->logits;
        for (size_t s = 0; s < g->count; s++) {
            const int32_t width = mm_search_width(&g->searches[s]);
            if (width > 0)
                mm_search_advance(&g->searches[s], logits);
            logits += (size_t)width * vocab_size;
        }
    }
    mm_weights_settle(g->generator->weights);
    return status;
}

// ---- Results -----------------------------------------------------------------------------------

static mm_status append_result(mm_generated *out, const mm_hypothesis *hypothesis,
                               const mm_generation_settings *settings, mm_error *error) {
    const size_t start = out->starts[out->count], length = (size_t)hypothesis->length - 1;
    int32_t *grown = mm_array_realloc(out->ids, start + length + 1, sizeof *grown);
    if (!grown)
        return mm_fail_memory(error, "generated ids");
    out->ids = grown;
    memcpy(grown + start, hypothesis->ids + 1, length * sizeof *grown);
    out->stopped[out->count] =
        length > 0 && mm_ends_text(settings, hypothesis->ids[hypothesis->length - 1]);
    if (out->scores)
        out->scores[out->count] = hypothesis->score;
    out->starts[++out->count] = start + length;
    return MM_STATUS_OK;
}

static mm_status make_room(mm_generated *out, const mm_generation_job *job, mm_error *error) {
    size_t count;
    if (!mm_size_mul(&count, job->count, (size_t)job->settings.num_return_sequences))
        return mm_fail_memory(error, "generated ids");
    out->starts = mm_calloc(count + 1, sizeof *out->starts);
    out->stopped = mm_calloc(count + 1, sizeof *out->stopped);
    const bool scored = job->settings.num_beams > 1;
    if (scored)
        out->scores = mm_calloc(count + 1, sizeof *out->scores);
    return out->starts && out->stopped && (out->scores || !scored)
               ? MM_STATUS_OK
               : mm_fail_memory(error, "generated ids");
}

mm_status mm_generator_run(const mm_generator *generator, mm_session *session,
                           const mm_generation_job *job, mm_generated *out, mm_error *error) {
    *out = (mm_generated){0};
    if (!generator->loaded)
        return mm_fail(error, MM_STATUS_INTERNAL, "a model was run before it was loaded");
    mm_status status = make_room(out, job, error);
    for (size_t first = 0; first < job->count && !status;) {
        group g = {.generator = generator, .first = first};
        g.count = choose_count(generator, job, first);
        status = make_group(&g, job, error);
        if (!status)
            status = run_group(&g, session, error);
        for (size_t s = 0; s < g.count && !status; s++) {
            for (int32_t i = 0; i < job->settings.num_return_sequences && !status; i++)
                status =
                    append_result(out, mm_search_result(&g.searches[s], i), &job->settings, error);
        }
        first += g.count;
        free_group(&g);
    }
    if (status)
        mm_generated_free(out);
    return status;
}

void mm_generated_free(mm_generated *generated) {
    mm_free(generated->ids);
    mm_free(generated->starts);
    mm_free(generated->stopped);
    mm_free(generated->scores);
    *generated = (mm_generated){0};
}
