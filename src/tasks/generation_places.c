// SPDX-License-Identifier: Apache-2.0
// The memory of a batch: which cache rows belong to which source, and what grows with them. Caches
// are as large as a batch of sources like the first needs, or as what was granted allows; they
// change only while nothing is in them, so a source that needs more waits until the batch is empty.
#include "tasks/generation_batch.h"

#include "base/memory.h"

#include <string.h>

void mm_batch_clear_place(mm_batch_place *place) {
    for (int32_t i = 0; i < place->search_count && place->searches; i++)
        mm_search_free(&place->searches[i]);
    mm_free(place->searches);
    *place = (mm_batch_place){0};
}

static void free_step(mm_generation_batch *batch) {
    mm_free(batch->lists);
    mm_free(batch->log_softmax);
    mm_pages_free(batch->logits, batch->logits ? batch->logits_bytes : 0);
    batch->lists = NULL;
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

static void give_back(mm_generation_batch *batch) {
    size_t granted;
    if (batch->memory.claim)
        (void)batch->memory.claim(batch->memory.context, &granted, 0, 0, NULL);
}

void mm_batch_free_memory(mm_generation_batch *batch) {
    for (int i = 0; i < MM_BATCH_ROWS; i++)
        mm_batch_clear_place(&batch->places[i]);
    free_step(batch);
    free_caches(batch);
    give_back(batch);
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
static mm_status make_step(mm_generation_batch *batch, int32_t wanted, mm_error *error) {
    free_step(batch);
    const size_t width = (size_t)wanted;
    int32_t **const arrays[] = {&batch->ids,          &batch->positions,  &batch->rows,
                                &batch->past_first,   &batch->past_count, &batch->source_first,
                                &batch->source_count, &batch->step_starts};
    const size_t count = sizeof arrays / sizeof arrays[0];
    _Static_assert(sizeof arrays / sizeof arrays[0] == MM_STEP_LISTS, "all of them are counted");
    size_t values;
    batch->lists = mm_calloc(count * width + 1, sizeof *batch->lists);
    batch->log_softmax = mm_calloc(width, sizeof *batch->log_softmax);
    if (!batch->lists || !batch->log_softmax ||
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
        *arrays[i] = batch->lists + i * width;
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
    batch->read_ids = mm_array_realloc(NULL, (size_t)rows,
                                       MM_CROSS_LISTS * sizeof *batch->read_ids); // and read_rows
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

static mm_status make_memory(mm_generation_batch *batch, const mm_batch_size *size,
                             mm_error *error) {
    free_caches(batch);
    mm_status status = make_cross(batch, size->cross, error);
    if (!status)
        status = make_own(batch, size->own, error);
    if (!status && batch->width != size->width)
        status = make_step(batch, size->width, error);
    if (status)
        free_caches(batch);
    return status;
}

// How many sources like this there can be at a time in what is granted.
static mm_status claim_places(int32_t *places, mm_generation_batch *batch,
                              const mm_source_need *need, mm_error *error) {
    const mm_generator *generator = batch->generator;
    const mm_generation_memory *memory = &batch->memory;
    mm_batch_size size = mm_batch_size_for(generator, need, 1);
    const size_t least = mm_batch_bytes(generator, &size);
    size_t granted = SIZE_MAX;
    int32_t most = mm_batch_places(need);
    size = mm_batch_size_for(generator, need, most);
    mm_status status = MM_STATUS_OK;
    *places = 0;
    if (memory->claim)
        status = memory->claim(memory->context, &granted, least, mm_batch_bytes(generator, &size),
                               error);
    if (status)
        return status;
    for (; most > 1 && mm_batch_bytes(generator, &size) > granted; most--)
        size = mm_batch_size_for(generator, need, most - 1);
    *places = most;
    return MM_STATUS_OK;
}

// Memory for a batch of sources like this one, or where the system does not allow that, for it
// alone. The batch is empty.
static mm_status make_room(mm_generation_batch *batch, const mm_source_need *need,
                           mm_error *error) {
    int32_t places;
    free_caches(batch);
    free_step(batch);
    mm_status status = claim_places(&places, batch, need, error);
    if (!status) {
        mm_batch_size size = mm_batch_size_for(batch->generator, need, places);
        status = make_memory(batch, &size, error);
    }
    if (status && places > 1) {
        const mm_batch_size size = mm_batch_size_for(batch->generator, need, 1);
        status = make_memory(batch, &size, error);
    }
    if (status)
        mm_error_prefix(error, "%lld tokens of a source, %d hypotheses and max_length %lld",
                        (long long)need->cross, need->width, (long long)(need->own / need->width));
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
                           const mm_source_need *need, mm_error *error) {
    const bool alone = width_used(batch) == 0;
    if (alone && (need->cross > batch->cross_rows || need->own > batch->own_rows ||
                  need->width > batch->width)) {
        mm_status status = make_room(batch, need, error);
        if (status)
            return status;
    }
    mm_row_range taken = {0};
    *found = find_rows(&taken, batch, cross_of, batch->cross_rows, need->cross);
    place->cross = taken;
    if (*found)
        *found = find_rows(&taken, batch, own_of, batch->own_rows, need->own);
    place->own = taken;
    return MM_STATUS_OK;
}

static mm_status fill_place(bool *placed, mm_batch_place *to, mm_generation_batch *batch,
                            mm_batch_entry *entry, const mm_source_need *need, mm_error *error) {
    mm_batch_place place = {.entry = entry,
                            .source = entry->next,
                            .search_count = need->searches,
                            .width = need->width};
    mm_status status = take_rows(placed, &place, batch, need, error);
    if (!status && *placed)
        status = make_searches(&place, batch, error);
    if (status || !*placed) {
        mm_batch_clear_place(&place);
        *placed = false;
        return status;
    }
    *to = place;
    entry->next++;
    return MM_STATUS_OK;
}

mm_status mm_batch_place_source(bool *placed, mm_generation_batch *batch, mm_batch_entry *entry,
                                mm_error *error) {
    const mm_generation_job *job = entry->job;
    const mm_generation_memory *memory = &batch->memory;
    const mm_source_need need =
        mm_source_need_of(&job->settings, job->starts[entry->next + 1] - job->starts[entry->next]);
    mm_batch_place *to = free_place(batch);
    *placed = false;
    if (!to || !mm_batch_fits(batch, need.width))
        return MM_STATUS_OK;
    if (need.own > INT32_MAX / mm_batch_places(&need))
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "max_length comes to %lld: with %d hypotheses at a time that is too long",
                       (long long)job->settings.max_length, need.width);
    mm_status status = fill_place(placed, to, batch, entry, &need, error);
    if (status == MM_STATUS_OUT_OF_MEMORY && memory->relieve && memory->relieve(memory->context))
        status = fill_place(placed, to, batch, entry, &need, error);
    return status;
}
