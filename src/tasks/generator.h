// SPDX-License-Identifier: Apache-2.0
// The inside of an mm_generator, shared by the files of tasks/ only:
//
//     generator.c            opens and loads the whole
//     generation_job.c       texts to token ids, on a caller's thread
//     generation_settings.c  the parameters, from files and calls, and what must hold among them
//     generation_parameters.c  their names, and what each may be
//     generation_run.c       token ids to token ids, on a worker: one job from beginning to end
//     generation_batch.c     many jobs, step by step
//     generation_places.c    the memory that they share
//     generation_memory.c    how much that is
//     search.c               which hypotheses go on
//     logits_processors.c    what is done to their scores
//     sampling.c             which of them may be drawn, with numbers of random.c
//     stop_texts.c           whether a text is finished by what it says
#ifndef MM_TASKS_GENERATOR_H
#define MM_TASKS_GENERATOR_H

#include "tasks/embedder.h"
#include "tasks/generation.h"

struct mm_generator {
    mm_backend *backend; // the caller's
    mm_compute_dtype dtype;
    mm_tokenizer *tokenizer;
    mm_checkpoint *checkpoint; // until the weights are packed
    mm_weights *weights;
    mm_model *model;
    mm_generation_settings settings; // the model's own
    json_t *tasks;                   // the config's task_specific_params, or NULL
    size_t max_length;               // of a source
    bool loaded;
    // Its tokenizer, weights and model are the embedder's beside which it was opened; else NULL.
    const mm_embedder *host;
    char fingerprint[MM_FINGERPRINT_DIGITS + 1];
};

// Longer than any model writes; a session's attention has room for it.
enum { MM_LONGEST_OUTPUT = 1 << 16 };
// Tokens of sources that are read together at most; one source never has more.
int64_t mm_generator_rows_read(const mm_generator *generator);

mm_session_size mm_generator_session_size(const mm_generator *generator);

bool mm_generator_is_loaded(const mm_generator *generator);
// Everything but the tokenizer.
mm_status mm_generator_open_model(mm_generator **out, const char *directory, mm_backend *backend,
                                  mm_compute_dtype dtype, mm_error *error);
// A generator for the model that an embedder holds, which must be able to generate and must live
// longer. It is loaded with the embedder.
mm_status mm_generator_open_beside(mm_generator **out, const char *directory,
                                   const mm_embedder *embedder, mm_error *error);

#endif
