// SPDX-License-Identifier: Apache-2.0
// Steps of a batch: sources that got a place are read together, then every hypothesis of every
// search that is not done is one row of a step. A job that fails takes nobody with it.
#include "tasks/generation_batch.h"

#include "base/memory.h"

#include <float.h>
#include <math.h>
#include <string.h>

// ---- Jobs come ---------------------------------------------------------------------------------

mm_status mm_generation_batch_create(mm_generation_batch **out, const mm_generator *generator,
                                     mm_session *session, const mm_generation_memory *memory,
                                     mm_error *error) {
    *out = NULL;
    if (!mm_generator_is_loaded(generator))
        return mm_fail(error, MM_STATUS_INTERNAL, "a model was run before it was loaded");
    mm_generation_batch *batch = mm_calloc(1, sizeof *batch);
    if (!batch)
        return mm_fail_memory(error, "a batch");
    batch->generator = generator;
    batch->session = session;
    if (memory)
        batch->memory = *memory;
    mm_status status =
        mm_search_scratch_create(&batch->scratch, generator->tokenizer,
                                 (size_t)mm_generator_model(generator)->output_vocab_size, error);
    if (status) {
        mm_free(batch);
        return status;
    }
    *out = batch;
    return MM_STATUS_OK;
}

static size_t sequences_of(const mm_generation_job *job) {
    return job->count * (size_t)job->settings.num_return_sequences;
}

static void free_entry(mm_batch_entry *entry) {
    for (size_t i = 0; entry->sequences && i < sequences_of(entry->job); i++)
        mm_free(entry->sequences[i].ids);
    mm_free(entry->sequences);
    mm_free(entry);
}

mm_status mm_generation_batch_add(mm_generation_batch *batch, const mm_generation_job *job,
                                  const mm_generation_events *events, mm_generation_done done,
                                  mm_error *error) {
    mm_batch_entry *entry = mm_calloc(1, sizeof *entry);
    size_t count;
    if (!entry)
        return mm_fail_memory(error, "a request in a batch");
    *entry = (mm_batch_entry){.job = job, .done = done};
    if (events)
        entry->events = *events;
    if (mm_size_mul(&count, job->count, (size_t)job->settings.num_return_sequences) &&
        count < SIZE_MAX)
        entry->sequences = mm_calloc(count + 1, sizeof *entry->sequences);
    if (!entry->sequences) {
        free_entry(entry);
        return mm_fail_memory(error, "the sequences of a request");
    }
    mm_batch_entry **last = &batch->entries;
    while (*last)
        last = &(*last)->behind;
    *last = entry;
    return MM_STATUS_OK;
}

size_t mm_generation_batch_jobs(const mm_generation_batch *batch) {
    size_t count = 0;
    for (const mm_batch_entry *entry = batch->entries; entry; entry = entry->behind)
        count++;
    return count;
}

bool mm_generation_batch_has_room(const mm_generation_batch *batch) {
    for (const mm_batch_entry *entry = batch->entries; entry; entry = entry->behind) {
        if (entry->next < entry->job->count)
            return false;
    }
    return mm_batch_fits(batch, 1);
}

// ---- Jobs go -----------------------------------------------------------------------------------

static mm_status pack(mm_generated *out, const mm_batch_entry *entry, mm_error *error) {
    const size_t count = sequences_of(entry->job);
    const bool scored = entry->job->settings.num_beams > 1;
    size_t total = 0;
    *out = (mm_generated){.count = count};
    out->starts = mm_calloc(count + 1, sizeof *out->starts);
    out->stopped = mm_calloc(count + 1, sizeof *out->stopped);
    if (scored)
        out->scores = mm_calloc(count + 1, sizeof *out->scores);
    for (size_t i = 0; i < count; i++)
        total += entry->sequences[i].count;
    out->ids = mm_array_realloc(NULL, total + 1, sizeof *out->ids);
    if (!out->starts || !out->stopped || (scored && !out->scores) || !out->ids) {
        mm_generated_free(out);
        return mm_fail_memory(error, "generated ids");
    }
    total = 0;
    for (size_t i = 0; i < count; i++) {
        const mm_sequence *sequence = &entry->sequences[i];
        if (sequence->count > 0)
            memcpy(out->ids + total, sequence->ids, sequence->count * sizeof *out->ids);
        total += sequence->count;
        out->starts[i + 1] = total;
        out->stopped[i] = sequence->stopped;
        if (scored)
            out->scores[i] = sequence->score;
    }
    return MM_STATUS_OK;
}

// Takes the entry out of the batch and tells its caller.
static void finish(mm_generation_batch *batch, mm_batch_entry **link) {
    mm_batch_entry *entry = *link;
    mm_generated result = {0};
    *link = entry->behind;
    for (int i = 0; i < MM_BATCH_ROWS; i++) {
        if (batch->places[i].entry == entry)
            mm_batch_clear_place(&batch->places[i]);
    }
    if (!entry->status)
        entry->status = pack(&result, entry, &entry->error);
    // The job may be gone when its caller has been told.
    const mm_batch_entry told = {.events = entry->events,
                                 .done = entry->done,
                                 .status = entry->status,
                                 .error = entry->error};
    free_entry(entry);
    told.done(told.events.context, told.status, &told.error, &result);
}

void mm_generation_batch_free(mm_generation_batch *batch) {
    if (!batch)
        return;
    while (batch->entries) {
        mm_batch_entry *entry = batch->entries;
        if (!entry->status)
            entry->status = mm_fail(&entry->error, MM_STATUS_CANCELLED,
                                    "the batch was given up before the text was finished");
        finish(batch, &batch->entries);
    }
    mm_batch_free_memory(batch);
    mm_search_scratch_free(&batch->scratch);
    mm_free(batch);
}

static void cancel(mm_batch_entry *entry) {
    if (!entry->status)
        entry->status =
            mm_fail(&entry->error, MM_STATUS_CANCELLED, "cancelled while the text was generated");
}

// All that are finished, failed or cancelled go.
static void dismiss(mm_generation_batch *batch) {
    for (mm_batch_entry **link = &batch->entries; *link;) {
        mm_batch_entry *entry = *link;
        if (entry->events.cancelled && atomic_load(entry->events.cancelled))
            cancel(entry);
        if (entry->status || entry->finished == entry->job->count)
            finish(batch, link);
        else
            link = &entry->behind;
    }
}

// ---- Reading sources ---------------------------------------------------------------------------

static void run_start(mm_lane *lane, size_t index, void *payload) {
    (void)index;
    mm_generation_batch *batch = payload;
    mm_model_start(batch->generator->model, lane, &batch->source, batch->cross, batch->read_rows);
}

static void append_source(mm_generation_batch *batch, const mm_batch_place *place) {
    const mm_generation_job *job = place->entry->job;
    mm_batch *source = &batch->source;
    memcpy(batch->read_ids + source->rows, job->ids + job->starts[place->source],
           (size_t)place->cross.count * sizeof *batch->read_ids);
    for (int32_t i = 0; i < place->cross.count; i++)
        batch->read_rows[source->rows + i] = place->cross.first + i;
    source->rows += place->cross.count;
    batch->read_starts[++source->sequences] = source->rows;
}

// Reads as many of the new sources as go into one batch; returns whether there were any.
static bool read_some(mm_generation_batch *batch) {
    const int64_t most = mm_generator_rows_read(batch->generator);
    mm_error error = {0};
    bool reading[MM_BATCH_ROWS] = {false};
    batch->source = (mm_batch){.ids = batch->read_ids, .starts = batch->read_starts};
    for (int i = 0; i < MM_BATCH_ROWS; i++) {
        mm_batch_place *place = &batch->places[i];
        if (!place->entry || place->is_read || place->entry->status ||
            (batch->source.rows > 0 && batch->source.rows + place->cross.count > most))
            continue;
        reading[i] = place->is_read = true;
        append_source(batch, place);
    }
    if (batch->source.rows == 0)
        return false;
    mm_status status = mm_session_run(batch->session, 1, run_start, batch, &error);
    for (int i = 0; i < MM_BATCH_ROWS && status; i++) {
        if (reading[i]) {
            batch->places[i].entry->status = status;
            batch->places[i].entry->error = error;
        }
    }
    return true;
}

// In the order they came; nobody overtakes, so a large source gets its turn.
static void let_in(mm_generation_batch *batch) {
    bool placed = true;
    for (mm_batch_entry *entry = batch->entries; entry && placed; entry = entry->behind) {
        while (placed && !entry->status && entry->next < entry->job->count)
            entry->status = mm_batch_place_source(&placed, batch, entry, &entry->error);
    }
    while (read_some(batch))
        ;
}

// ---- Steps -------------------------------------------------------------------------------------

static void run_step(mm_lane *lane, size_t index, void *payload) {
    (void)index;
    mm_generation_batch *batch = payload;
    mm_model_step(batch->generator->model, lane, &batch->step, batch->own, batch->cross,
                  batch->logits);
}

typedef struct step_end {
    int32_t row, listed;
} step_end;

static void append_search(mm_generation_batch *batch, step_end *at, const mm_batch_place *place,
                          int32_t index) {
    mm_search *search = &place->searches[index];
    const int32_t width = mm_search_width(search), last = search->length - 1;
    const int32_t max_length = (int32_t)search->settings->max_length;
    for (int32_t i = 0; i < width; i++) {
        mm_hypothesis *hypothesis = &search->running[i];
        const int32_t row = at->row++;
        hypothesis->rows[last] = place->own.first + (index * max_length + last) * search->beams + i;
        batch->ids[row] = hypothesis->ids[last];
        batch->positions[row] = last;
        batch->rows[row] = hypothesis->rows[last];
        batch->past_first[row] = at->listed;
        batch->past_count[row] = search->length;
        memcpy(batch->list + at->listed, hypothesis->rows,
               (size_t)search->length * sizeof *batch->list);
        at->listed += search->length;
        batch->source_first[row] = place->cross.first;
        batch->source_count[row] = place->cross.count;
        batch->log_softmax[row] = mm_search_wants_log_softmax(search);
    }
}

// One row for each hypothesis that goes on; returns how many there are.
static int32_t fill_step(mm_generation_batch *batch) {
    step_end at = {0, 0};
    for (int p = 0; p < MM_BATCH_ROWS; p++) {
        const mm_batch_place *place = &batch->places[p];
        for (int32_t i = 0; place->entry && i < place->search_count; i++)
            append_search(batch, &at, place, i);
    }
    batch->step = (mm_step){.batch = {.rows = at.row,
                                      .sequences = at.row,
                                      .ids = batch->ids,
                                      .starts = batch->step_starts,
                                      .positions = batch->positions},
                            .rows = batch->rows,
                            .past = {batch->past_first, batch->past_count, batch->list},
                            .source = {batch->source_first, batch->source_count, NULL},
                            .log_softmax = batch->log_softmax};
    return at.row;
}

// A NaN would choose no token at all.
static bool all_finite(const float *values, size_t count) {
    enum { BLOCK = 64 };
    size_t i = 0;
    int bad = 0;
    for (; i + BLOCK <= count; i += BLOCK)
        for (size_t k = 0; k < BLOCK; k++)
            bad |= !(fabsf(values[i + k]) <= FLT_MAX);
    for (; i < count; i++)
        bad |= !(fabsf(values[i]) <= FLT_MAX);
    return bad == 0;
}

// `is_whole`: the sequence ends with them.
static void tell(mm_batch_entry *entry, size_t sequence, const int32_t *ids, int32_t count,
                 bool is_whole) {
    const mm_generation_events *events = &entry->events;
    for (int32_t i = 0; events->on_token && !entry->status && i < count; i++) {
        if (!events->on_token(events->context, sequence, ids[i], is_whole && i == count - 1))
            cancel(entry);
    }
}

static mm_status keep(mm_batch_entry *entry, size_t sequence, const mm_hypothesis *found) {
    mm_sequence *out = &entry->sequences[sequence];
    out->count = (size_t)found->length - 1;
    out->score = found->score;
    out->stopped = found->stopped;
    if (out->count == 0)
        return MM_STATUS_OK;
    out->ids = mm_array_realloc(NULL, out->count, sizeof *out->ids);
    if (!out->ids)
        return mm_fail_memory(&entry->error, "generated ids");
    memcpy(out->ids, found->ids + 1, out->count * sizeof *out->ids);
    return MM_STATUS_OK;
}

// Hands on what became certain with the last step of a search.
static void hand_on(mm_batch_place *place, int32_t index) {
    mm_batch_entry *entry = place->entry;
    const mm_search *search = &place->searches[index];
    const int64_t returned = entry->job->settings.num_return_sequences;
    const size_t first = place->source * (size_t)returned + (size_t)index;
    if (search->beams == 1) {
        tell(entry, first, search->running[0].ids + search->length - 1, 1, search->done);
        if (search->done && !entry->status)
            entry->status = keep(entry, first, mm_search_result(search, 0));
        return;
    }
    for (int32_t i = 0; search->done && i < returned && !entry->status; i++) {
        const mm_hypothesis *found = mm_search_result(search, i);
        entry->status = keep(entry, first + (size_t)i, found);
        tell(entry, first + (size_t)i, found->ids + 1, found->length - 1, true);
    }
}

static void refuse_logits(mm_batch_entry *entry, mm_compute_dtype dtype) {
    const char *name = mm_compute_dtype_name(dtype);
    entry->status =
        mm_fail(&entry->error, MM_STATUS_INTERNAL,
                "the logits of a step are not finite in %s, although the weights are", name);
    mm_error_details(&entry->error, "{\"layer\": null, \"dtype\": \"%s\"}", name);
}

static float *advance(mm_generation_batch *batch, mm_batch_place *place, float *logits) {
    const size_t vocab_size = (size_t)mm_generator_model(batch->generator)->output_vocab_size;
    mm_batch_entry *entry = place->entry;
    bool done = true;
    for (int32_t i = 0; i < place->search_count; i++) {
        mm_search *search = &place->searches[i];
        const size_t values = (size_t)mm_search_width(search) * vocab_size;
        if (values > 0 && !entry->status && !all_finite(logits, values))
            refuse_logits(entry, batch->generator->dtype);
        if (values > 0 && !entry->status) {
            entry->status = mm_search_advance(search, logits, &entry->error);
            if (!entry->status)
                hand_on(place, i);
        }
        done = done && search->done;
        logits += values;
    }
    if (done && !entry->status) {
        entry->finished++;
        mm_batch_clear_place(place);
    }
    return logits;
}

void mm_generation_batch_step(mm_generation_batch *batch) {
    mm_error error = {0};
    dismiss(batch);
    let_in(batch);
    dismiss(batch); // what could not get in
    if (fill_step(batch) == 0)
        return;
    mm_status status = mm_session_run(batch->session, 1, run_step, batch, &error);
    float *logits = batch->logits;
    for (int i = 0; i < MM_BATCH_ROWS; i++) {
        mm_batch_entry *entry = batch->places[i].entry;
        if (entry && status) {
            entry->status = status;
            entry->error = error;
        } else if (entry) {
            logits = advance(batch, &batch->places[i], logits);
        }
    }
    mm_weights_settle(batch->generator->weights);
    dismiss(batch);
}
