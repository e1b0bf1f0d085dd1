// SPDX-License-Identifier: Apache-2.0
// Text generation as transformers' generate() does it, with encoder-decoder models.
//
// An mm_generator is immutable once loaded: any thread may tokenise with it, and workers run it at
// the same time, each with a session of its own.
#ifndef MM_TASKS_GENERATION_H
#define MM_TASKS_GENERATION_H

#include "compute/backend.h"
#include "models/model.h"
#include "tasks/generation_settings.h"
#include "tasks/truncate.h"
#include "text/tokenizer.h"

#include <stdatomic.h>

typedef struct mm_generator mm_generator;

// Opens everything and binds the weights without packing them.
mm_status mm_generator_open(mm_generator **out, const char *directory, mm_backend *backend,
                            mm_compute_dtype dtype, mm_error *error);
// Packs the weights and closes the checkpoint. Once; before any run.
mm_status mm_generator_load(mm_generator *generator, mm_packing packing, int threads,
                            mm_error *error);
void mm_generator_free(mm_generator *generator); // accepts NULL

const mm_model_info *mm_generator_model(const mm_generator *generator);
const mm_tokenizer *mm_generator_tokenizer(const mm_generator *generator);
size_t mm_generator_max_length(const mm_generator *generator); // tokens of a source

// Sources as token ids, and how to answer them. Belongs to one thread at a time.
typedef struct mm_generation_job {
    size_t count;
    int32_t *ids;   // all sources one behind the other
    size_t *starts; // [count + 1]
    bool *truncated;
    uint64_t *seeds;                 // [count] with do_sample: the call's, else each text's own
    mm_generation_settings settings; // resolved
} mm_generation_job;

typedef struct mm_generation_options { // zero = the model's own
    // An object of generate()'s arguments, or NULL. Ours are `stop`, another name of stop_strings,
    // and `seed`: the same one, with the same text and parameters, gives the same answer wherever
    // the text stands in whichever request.
    const json_t *parameters;
    const char *task; // an entry of the model's task_specific_params: parameters that those of the
                      // call go before, and a prefix for texts; or NULL
    mm_truncate truncate;
} mm_generation_options;

// `texts` are `lengths` bytes long and must be UTF-8 (else INVALID_REQUEST with details.index).
// INPUT_TOO_LONG (details.index) with MM_TRUNCATE_ERROR. `options` may be NULL.
mm_status mm_generation_job_create(mm_generation_job *out, const mm_generator *generator,
                                   const char *const *texts, const size_t *lengths, size_t count,
                                   const mm_generation_options *options, mm_error *error);
// The same from token ids that are used as they are.
mm_status mm_generation_job_from_ids(mm_generation_job *out, const mm_generator *generator,
                                     const int32_t *const *ids, const size_t *lengths, size_t count,
                                     const mm_generation_options *options, mm_error *error);
void mm_generation_job_free(mm_generation_job *job); // leaves a zeroed one

// num_return_sequences texts for each source, source by source, best first.
typedef struct mm_generated {
    size_t count;
    int32_t *ids;   // without the start token and padding, end token included
    size_t *starts; // [count + 1]
    bool *stopped;  // by an end token or a stop text, else by the length
    float *scores;  // of a beam search, else NULL
} mm_generated;
void mm_generated_free(mm_generated *generated); // leaves a zeroed one
// Sequence i as text, the caller's to mm_free: without special tokens, up to the first stop text,
// cleaned up as the tokenizer says. As in the reference the start token is read too; not every
// model's is a special one.
mm_status mm_generated_text(char **out, size_t *length, const mm_generator *generator,
                            const mm_generation_job *job, const mm_generated *generated, size_t i,
                            mm_error *error);

// What a caller wants to hear while its job runs; all of it is optional. The functions are called
// on the thread that runs the model, and delay every text that is decoded there.
typedef struct mm_generation_events {
    void *context;
    // One id of one sequence (source * num_return_sequences + i), each sequence's in order: at once
    // when there is one beam, else when the source's search is over. False cancels the job.
    // `is_last`: no more of this sequence.
    bool (*on_token)(void *context, size_t sequence, int32_t id, bool is_last);
    const atomic_bool *cancelled; // looked at before every step; true cancels the job
} mm_generation_events;

// Makes the session big enough for any job of this generator.
mm_status mm_generator_prepare_session(const mm_generator *generator, mm_session *session,
                                       mm_error *error);
// One job from beginning to end. `events` may be NULL. CANCELLED when they say so.
mm_status mm_generator_run(const mm_generator *generator, mm_session *session,
                           const mm_generation_job *job, const mm_generation_events *events,
                           mm_generated *out, mm_error *error);

// ---- Memory ------------------------------------------------------------------------------------
// What generating takes beside weights and session: the caches of keys and values, logits, the
// state of searches. All of it is known from lengths and settings, before anything is taken.

typedef struct mm_generation_bytes {
    size_t least;  // for one source; SIZE_MAX: more than can be counted
    size_t wanted; // for a full batch of such sources
} mm_generation_bytes;
// For the job's largest source, or for the longest there can be when the job has none.
mm_generation_bytes mm_generation_job_bytes(const mm_generator *generator,
                                            const mm_generation_job *job);
// The same for the longest source with the model's own settings.
mm_status mm_generator_bytes(mm_generation_bytes *out, const mm_generator *generator,
                             mm_error *error);

// Who grants a batch its memory; both are called on the batch's thread. Zero: nobody counts.
typedef struct mm_generation_memory {
    void *context;
    // From now on the batch may have *granted bytes, from `least` to `wanted`, in place of what it
    // had; else OUT_OF_MEMORY, and it has none. least 0 gives back what it had.
    mm_status (*claim)(void *context, size_t *granted, size_t least, size_t wanted,
                       mm_error *error);
    // The system refused memory. True when others gave some back, so that trying again makes sense.
    bool (*relieve)(void *context);
} mm_generation_memory;

// ---- Many jobs at a time -----------------------------------------------------------------------
// A worker's batch: jobs join it between two steps and leave it when they are finished, in whatever
// order, and each gets bit for bit what it would get alone. It belongs to the thread that runs the
// session, and keeps its caches of keys and values until it is freed.

typedef struct mm_generation_batch mm_generation_batch;

// What becomes of a job: *result on MM_STATUS_OK is the receiver's to free, else *error says why.
// May not touch the batch.
typedef void (*mm_generation_done)(void *context, mm_status status, const mm_error *error,
                                   mm_generated *result);

// Borrows generator and session, the latter prepared by mm_generator_prepare_session. `memory` is
// copied; NULL: nobody counts.
mm_status mm_generation_batch_create(mm_generation_batch **out, const mm_generator *generator,
                                     mm_session *session, const mm_generation_memory *memory,
                                     mm_error *error);
// Accepts NULL. Jobs still in it end as CANCELLED.
void mm_generation_batch_free(mm_generation_batch *batch);
// The job waits for free places behind those that came before it, and for the memory that theirs
// take; one that is granted none alone ends as OUT_OF_MEMORY. It and what the events point to
// must live until `done` was called with the events' context, which happens within a later
// mm_generation_batch_step, exactly once unless this function fails. `events` is copied.
mm_status mm_generation_batch_add(mm_generation_batch *batch, const mm_generation_job *job,
                                  const mm_generation_events *events, mm_generation_done done,
                                  mm_error *error);
size_t mm_generation_batch_jobs(const mm_generation_batch *batch); // not done yet
// Whether all that was added has its place and there are more of them.
bool mm_generation_batch_has_room(const mm_generation_batch *batch);
// Lets waiting sources in, then one token for each text that is not finished.
void mm_generation_batch_step(mm_generation_batch *batch);

#endif
