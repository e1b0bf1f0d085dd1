// SPDX-License-Identifier: Apache-2.0
// The memory of a batch: which cache rows belong to which source, and what grows with them. Caches
// are as large as a batch of sources like the first needs; they change only while nothing is in
// them, so a source that needs more waits until the batch is empty.
#include "tasks/generation_batch.h"

#include "base/memory.h"

#include <string.h>

enum { BATCHES_READ = 4 }; // of sources, whose keys and values the cross cache has room for

void mm_batch_clear_place(mm_batch_place *place) {
    for (int32_t i = 0; i < place->search_count && place->searches; i++)
        mm_search_free(&place->searches[i]);
    mm_free(place->searches);
    *place = (mm_batch_place){0};
}

static void free_step(mm_generation_batch *batch) {
    mm_free(batch->memory);
    mm_free(batch->log_softmax);
    mm_pages_free(batch->logits, batch->logits ? batch->logits_bytes : 0);
    batch->memory = NULL;
    batch->log_softmax = NULL;
    batch->logits = NULL;
    batch->width = 0;
}

static void free_caches(mm_generation_batch *batch) {
    mm_cache_free(batch->cross);
    mm_cache_free(batch->own);
    mm_free(batch->list);
    mm_free(batch->read_ids);
    batch->cross = batch->own = NULL;
    batch->list = batch->read_ids = NULL;
    batch->cross_rows = batch->own_rows = 0;
}

void mm_batch_free_memory(mm_generation_batch *batch) {
    for (int i = 0; i < MM_BATCH_ROWS; i++)
        mm_batch_clear_place(&batch->places[i]);
    free_step(batch);
    free_caches(batch);
}

// ---- Widths ------------------------------------------------------------------------------------

static int32_t width_used(const mm_generation_batch *batch) {
    int32_t width = 0;
    for (int i = 0; i < MM_BATCH_ROWS; i++)
        width += batch->places[i].width;
    return width;
}

bool mm_batch_fits(const mm_generation_batch *batch, int32_t width) {
    const int32_t used = width_used(batch);
    return used == 0 || used + width <= MM_BATCH_ROWS;
}

// The arrays of a step, cut from one piece, and the logits.
static mm_status reserve_width(mm_generation_batch *batch, int32_t wanted, mm_error *error) {
    if (wanted <= batch->width)
        return MM_STATUS_OK;
    free_step(batch);
    const size_t width = (size_t)wanted;
    int32_t **const arrays[] = {&batch->ids,          &batch->positions,  &batch->rows,
                                &batch->past_first,   &batch->past_count, &batch->source_first,
                                &batch->source_count, &batch->step_starts};
    const size_t count = sizeof arrays / sizeof arrays[0];
    size_t values;
    batch->memory = mm_calloc(count * width + 1, sizeof *batch->memory);
    batch->log_softmax = mm_calloc(width, sizeof *batch->log_softmax);
    if (!batch->memory || !batch->log_softmax ||
        !mm_size_mul(&values, width,
                     (size_t)mm_generator_model(batch->generator)->output_vocab_size) ||
        !mm_size_mul(&batch->logits_bytes, values, sizeof *batch->logits))
        return mm_fail_memory(error, "the steps of a batch");
    batch->logits = mm_pages_alloc(batch->logits_bytes);
    if (!batch->logits)
        return mm_fail(error, MM_STATUS_OUT_OF_MEMORY,
                       "no memory for the logits of %d hypotheses at a time: %zu bytes", wanted,
                       batch->logits_bytes);
    for (size_t i = 0; i < count; i++)
        *arrays[i] = batch->memory + i * width;
    for (size_t i = 0; i <= width; i++)
        batch->step_starts[i] = (int32_t)i; // the last of the arrays
    batch->width = wanted;
    return MM_STATUS_OK;
}

// ---- Rows of the caches ------------------------------------------------------------------------

typedef const mm_row_range *(*range_of)(const mm_batch_place *place);

static const mm_row_range *cross_of(const mm_batch_place *place) {
    return &place->cross;
}

static const mm_row_range *own_of(const mm_batch_place *place) {
    return &place->own;
}

// Whether [first, first + count) is free; if not, *next is the end of a range in the way.
static bool is_free(const mm_generation_batch *batch, range_of range, int64_t first, int64_t count,
                    int64_t *next) {
    for (int i = 0; i < MM_BATCH_ROWS; i++) {
        const mm_row_range *taken = range(&batch->places[i]);
        if (taken->count > 0 && first < taken->first + taken->count &&
            taken->first < first + count) {
            *next = taken->first + taken->count;
            return false;
        }
    }
    return true;
}

// The first gap that is large enough.
static bool find_rows(mm_row_range *out, const mm_generation_batch *batch, range_of range,
                      int64_t rows, int64_t count) {
    int64_t first = 0;
    while (first + count <= rows && !is_free(batch, range, first, count, &first))
        ;
    *out = (mm_row_range){(int32_t)first, (int32_t)count};
    return first + count <= rows;
}

static mm_status make_cross(mm_generation_batch *batch, int64_t rows, mm_error *error) {
    const mm_model_info *info = mm_generator_model(batch->generator);
    mm_status status = mm_cache_create(&batch->cross, batch->generator->backend,
                                       info->decoder_layers, rows, info->cache_columns, error);
    if (status)
        return status;
    batch->read_ids =
        mm_array_realloc(NULL, (size_t)rows, 2 * sizeof *batch->read_ids); // and read_rows
    if (!batch->read_ids)
        return mm_fail_memory(error, "the sources of a batch");
    batch->read_rows = batch->read_ids + rows;
    batch->cross_rows = rows;
    return MM_STATUS_OK;
}

static mm_status make_own(mm_generation_batch *batch, int64_t rows, mm_error *error) {
    const mm_model_info *info = mm_generator_model(batch->generator);
    mm_status status = mm_cache_create(&batch->own, batch->generator->backend, info->decoder_layers,
                                       rows, info->cache_columns, error);
    if (status)
        return status;
    batch->list = mm_array_realloc(NULL, (size_t)rows, sizeof *batch->list);
    if (!batch->list)
        return mm_fail_memory(error, "the steps of a batch");
    batch->own_rows = rows;
    return MM_STATUS_OK;
}

// Caches for a batch of sources like this one, or where memory does not allow that, for it alone.
static mm_status make_caches(mm_generation_batch *batch, int64_t cross, int64_t own, int32_t width,
                             mm_error *error) {
    const int64_t read = BATCHES_READ * mm_generator_rows_read(batch->generator);
    const int64_t places = width < MM_BATCH_ROWS ? MM_BATCH_ROWS / width : 1;
    free_caches(batch);
    mm_status status = MM_STATUS_OUT_OF_MEMORY;
    if (own <= INT32_MAX / places && read <= INT32_MAX) {
        status = make_cross(batch, read > cross ? read : cross, NULL);
        if (!status)
            status = make_own(batch, own * places, NULL);
    }
    if (!status)
        return MM_STATUS_OK;
    free_caches(batch);
    status = make_cross(batch, cross, error);
    if (!status)
        status = make_own(batch, own, error);
    if (status) {
        free_caches(batch);
        mm_error_prefix(error, "%lld tokens of a source, %d hypotheses and max_length %lld",
                        (long long)cross, width, (long long)(own / width));
    }
    return status;
}

// ---- Places ------------------------------------------------------------------------------------

static mm_status make_searches(mm_batch_place *place, mm_generation_batch *batch, mm_error *error) {
    const mm_generation_job *job = place->entry->job;
    const size_t start = job->starts[place->source];
    place->searches = mm_calloc((size_t)place->search_count, sizeof *place->searches);
    if (!place->searches)
        return mm_fail_memory(error, "the searches of a request");
    mm_status status = MM_STATUS_OK;
    for (int32_t i = 0; i < place->search_count && !status; i++)
        status = mm_search_init(&place->searches[i], &batch->scratch, &job->settings,
                                job->ids + start, job->starts[place->source + 1] - start, error);
    for (int32_t i = 0; i < place->search_count && !status; i++) {
        place->searches[i].seed = job->seeds[place->source];
        place->searches[i].sequence = (uint32_t)i;
    }
    return status;
}

static mm_batch_place *free_place(mm_generation_batch *batch) {
    for (int i = 0; i < MM_BATCH_ROWS; i++) {
        if (!batch->places[i].entry)
            return &batch->places[i];
    }
    return NULL;
}

// Rows for the place, *found false if there are none as long as others use the caches.
static mm_status take_rows(bool *found, mm_batch_place *place, mm_generation_batch *batch,
                           int64_t cross, int64_t own, mm_error *error) {
    const bool alone = width_used(batch) == 0;
    if (alone && (cross > batch->cross_rows || own > batch->own_rows)) {
        mm_status status = make_caches(batch, cross, own, place->width, error);
        if (status)
            return status;
    }
    mm_row_range taken = {0};
    *found = find_rows(&taken, batch, cross_of, batch->cross_rows, cross);
    place->cross = taken;
    if (*found)
        *found = find_rows(&taken, batch, own_of, batch->own_rows, own);
    place->own = taken;
    return MM_STATUS_OK;
}

mm_status mm_batch_place_source(bool *placed, mm_generation_batch *batch, mm_batch_entry *entry,
                                mm_error *error) {
    const mm_generation_job *job = entry->job;
    const mm_generation_settings *settings = &job->settings;
    // One beam gives one text: several are searched for, each by chance.
    const int64_t searches = settings->num_beams == 1 ? settings->num_return_sequences : 1;
    const int64_t own = settings->num_beams * searches * settings->max_length;
    mm_batch_place place = {.entry = entry,
                            .source = entry->next,
                            .search_count = (int32_t)searches,
                            .width = (int32_t)(settings->num_beams * searches)};
    mm_batch_place *to = free_place(batch);
    *placed = false;
    if (!to || !mm_batch_fits(batch, place.width))
        return MM_STATUS_OK;
    if (own > INT32_MAX)
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "max_length comes to %lld: with %d hypotheses at a time that is too long",
                       (long long)settings->max_length, place.width);
    bool found;
    const int64_t cross = (int64_t)(job->starts[entry->next + 1] - job->starts[entry->next]);
    mm_status status = take_rows(&found, &place, batch, cross, own, error);
    if (status || !found)
        return status;
    status = reserve_width(batch, place.width > MM_BATCH_ROWS ? place.width : MM_BATCH_ROWS, error);
    if (!status)
        status = make_searches(&place, batch, error);
    if (status) {
        mm_batch_clear_place(&place);
        return status;
    }
    *to = place;
    entry->next++;
    *placed = true;
    return MM_STATUS_OK;
}
