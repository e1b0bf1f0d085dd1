// SPDX-License-Identifier: Apache-2.0
// One job alone, from beginning to end, and what comes of it.
#include "tasks/generator.h"

#include "base/memory.h"
#include "tasks/stop_texts.h"
#include "text/clean_up.h"

#include <string.h>

int64_t mm_generator_rows_read(const mm_generator *generator) {
    const int64_t enough = mm_backend_batch_rows(generator->backend);
    const int64_t longest = (int64_t)generator->max_length;
    return enough > longest ? enough : longest;
}

mm_session_size mm_generator_session_size(const mm_generator *generator) {
    const mm_model_info *info = mm_generator_model(generator);
    const int64_t rows = mm_generator_rows_read(generator);
    // A step may have more rows than the sources, but never more than a wide search has beams.
    return (mm_session_size){
        .rows = rows > MM_HYPOTHESES_MAX ? rows : MM_HYPOTHESES_MAX,
        .row_floats = info->row_floats > info->step_floats ? info->row_floats : info->step_floats,
    };
}

mm_status mm_generator_prepare_session(const mm_generator *generator, mm_session *session,
                                       mm_error *error) {
    const mm_session_size size = mm_generator_session_size(generator);
    return mm_session_reserve(session, generator->weights, size.rows, size.row_floats, error);
}

typedef struct outcome {
    mm_generation_events events; // the caller's
    mm_generated *result;
    mm_error *error;
    mm_status status;
} outcome;

static bool pass_token(void *context, size_t sequence, int32_t id, bool is_last) {
    const outcome *out = context;
    return out->events.on_token(out->events.context, sequence, id, is_last);
}

static void take_outcome(void *context, mm_status status, const mm_error *error,
                         mm_generated *result) {
    outcome *out = context;
    out->status = status;
    if (status && out->error)
        *out->error = *error;
    *out->result = *result;
}

mm_status mm_generator_run(const mm_generator *generator, mm_session *session,
                           const mm_generation_job *job, const mm_generation_events *events,
                           mm_generated *out, mm_error *error) {
    mm_generation_batch *batch;
    outcome found = {.result = out, .error = error};
    mm_generation_events own = {.context = &found};
    *out = (mm_generated){0};
    if (events) {
        found.events = *events;
        own.on_token = events->on_token ? pass_token : NULL;
        own.cancelled = events->cancelled;
    }
    mm_status status = mm_generation_batch_create(&batch, generator, session, NULL, error);
    if (status)
        return status;
    status = mm_generation_batch_add(batch, job, &own, take_outcome, error);
    while (!status && mm_generation_batch_jobs(batch) > 0)
        mm_generation_batch_step(batch);
    mm_generation_batch_free(batch);
    return status ? status : found.status;
}

mm_status mm_generated_text(char **out, size_t *length, const mm_generator *generator,
                            const mm_generation_job *job, const mm_generated *generated, size_t i,
                            mm_error *error) {
    const mm_text_list *stop = &job->settings.stop;
    const size_t count = generated->starts[i + 1] - generated->starts[i];
    mm_stop_reader reader = {.tokenizer = generator->tokenizer};
    mm_status status = MM_STATUS_OK;
    int32_t *ids = mm_array_realloc(NULL, count + 1, sizeof *ids);
    if (!ids)
        return mm_fail_memory(error, "generated text");
    ids[0] = (int32_t)job->settings.decoder_start_token_id;
    if (count > 0)
        memcpy(ids + 1, generated->ids + generated->starts[i], count * sizeof *ids);
    if (stop->count > 0)
        status = mm_stop_reader_create(&reader, generator->tokenizer, error);
    if (!status)
        status = mm_stop_texts_decode(out, length, &reader, stop, ids, count + 1, error);
    mm_stop_reader_free(&reader);
    mm_free(ids);
    if (!status && mm_tokenizer_cleans_up(generator->tokenizer)) {
        mm_clean_up_text(*out, length);
        (*out)[*length] = '\0';
    }
    return status;
}

void mm_generated_free(mm_generated *generated) {
    mm_free(generated->ids);
    mm_free(generated->starts);
    mm_free(generated->stopped);
    mm_free(generated->scores);
    *generated = (mm_generated){0};
}
