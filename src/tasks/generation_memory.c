// SPDX-License-Identifier: Apache-2.0
// How much memory a batch takes, known from the lengths and the settings alone.
#include "tasks/generation_batch.h"

#include "base/memory.h"

enum { BATCHES_READ = 4 }; // of sources, whose keys and values the cross cache has room for

mm_source_need mm_source_need_of(const mm_generation_settings *settings, size_t tokens) {
    // One beam gives one text: several are searched for, each by chance.
    const int64_t searches = settings->num_beams == 1 ? settings->num_return_sequences : 1;
    const int64_t width = settings->num_beams * searches;
    return (mm_source_need){.cross = (int64_t)tokens,
                            .own = width * settings->max_length,
                            .searches = (int32_t)searches,
                            .width = (int32_t)width,
                            .search_bytes =
                                mm_size_product((size_t)searches, mm_search_bytes(settings))};
}

int32_t mm_batch_places(const mm_source_need *need) {
    return need->width < MM_BATCH_ROWS ? MM_BATCH_ROWS / need->width : 1;
}

mm_batch_size mm_batch_size_for(const mm_generator *generator, const mm_source_need *need,
                                int32_t places) {
    // Sources come and go at different times, so a full batch has room for more of them.
    const int64_t read = BATCHES_READ * mm_generator_rows_read(generator);
    const bool is_full = places == mm_batch_places(need) && places > 1;
    const int64_t cross = is_full || need->cross * places > read ? read : need->cross * places;
    return (mm_batch_size){
        .cross = cross > need->cross ? cross : need->cross,
        .own = need->own * places,
        .width = need->width > MM_BATCH_ROWS ? need->width : MM_BATCH_ROWS,
        .search_bytes = mm_size_product(need->search_bytes, (size_t)places),
    };
}

static size_t cache_bytes(const mm_generator *generator, int64_t rows, size_t lists) {
    const mm_model_info *info = mm_generator_model(generator);
    return mm_size_sum(
        mm_cache_bytes(generator->backend, info->decoder_layers, rows, info->cache_columns),
        mm_size_product((size_t)rows, lists * sizeof(int32_t)));
}

size_t mm_batch_bytes(const mm_generator *generator, const mm_batch_size *size) {
    const size_t vocab_size = (size_t)mm_generator_model(generator)->output_vocab_size;
    const size_t width = (size_t)size->width;
    const size_t logits = mm_size_product(mm_size_product(width, vocab_size), sizeof(float));
    const size_t step = (MM_STEP_LISTS * width + 1) * sizeof(int32_t) + width * sizeof(bool);
    const size_t caches = mm_size_sum(cache_bytes(generator, size->cross, MM_CROSS_LISTS),
                                      cache_bytes(generator, size->own, MM_OWN_LISTS));
    return mm_size_sum(mm_size_sum(caches, size->search_bytes),
                       mm_size_sum(logits, step + mm_search_scratch_bytes(vocab_size)));
}

static mm_generation_bytes bytes_for(const mm_generator *generator, const mm_source_need *need) {
    const mm_batch_size alone = mm_batch_size_for(generator, need, 1);
    const mm_batch_size full = mm_batch_size_for(generator, need, mm_batch_places(need));
    return (mm_generation_bytes){mm_batch_bytes(generator, &alone),
                                 mm_batch_bytes(generator, &full)};
}

mm_generation_bytes mm_generation_job_bytes(const mm_generator *generator,
                                            const mm_generation_job *job) {
    size_t longest = job->count > 0 ? 0 : generator->max_length;
    for (size_t i = 0; i < job->count; i++) {
        const size_t tokens = job->starts[i + 1] - job->starts[i];
        longest = tokens > longest ? tokens : longest;
    }
    const mm_source_need need = mm_source_need_of(&job->settings, longest);
    return bytes_for(generator, &need);
}

mm_status mm_generator_bytes(mm_generation_bytes *out, const mm_generator *generator,
                             mm_error *error) {
    mm_generation_job nothing;
    mm_status status = mm_generation_job_from_ids(&nothing, generator, NULL, NULL, 0, NULL, error);
    if (!status)
        *out = mm_generation_job_bytes(generator, &nothing);
    mm_generation_job_free(&nothing);
    return status;
}
