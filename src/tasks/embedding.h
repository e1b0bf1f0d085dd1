// SPDX-License-Identifier: Apache-2.0
// Embeddings as sentence-transformers computes them: a repository's chain of modules
// (modules.json: Transformer, Pooling, Dense, LayerNorm, Normalize) over a bound model.
//
// An mm_embedder is immutable once opened: any thread may tokenise with it, and workers run it at
// the same time, each with a session of its own.
#ifndef MM_TASKS_EMBEDDING_H
#define MM_TASKS_EMBEDDING_H

#include "compute/backend.h"
#include "models/model.h"
#include "tasks/truncate.h"
#include "text/tokenizer.h"

typedef struct mm_embedder mm_embedder;

enum { MM_FINGERPRINT_DIGITS = 64 }; // hexadecimal, of a SHA-256

// Opens everything and binds the weights without packing them: tokenizer, model, modules, prompts.
// `model_name` is the Hub id (for the built-in prompts by role), or NULL for a directory.
mm_status mm_embedder_open(mm_embedder **out, const char *directory, const char *model_name,
                           mm_backend *backend, mm_compute_dtype dtype, mm_error *error);
// Packs the weights. Once; before any run. Unless all are packed, the files stay open until that is
// made up for, which the first run has begun in the background.
mm_status mm_embedder_load(mm_embedder *embedder, mm_packing packing, int threads, mm_error *error);
void mm_embedder_free(mm_embedder *embedder); // accepts NULL

const mm_model_info *mm_embedder_model(const mm_embedder *embedder);
const mm_tokenizer *mm_embedder_tokenizer(const mm_embedder *embedder);
int64_t mm_embedder_dimension(const mm_embedder *embedder);   // before `dimensions` cuts it
size_t mm_embedder_max_length(const mm_embedder *embedder);   // tokens, special ones included
size_t mm_embedder_weight_bytes(const mm_embedder *embedder); // known after opening
int64_t mm_embedder_parameters(const mm_embedder *embedder);
size_t mm_embedder_file_bytes(const mm_embedder *embedder);
// 64 hexadecimal digits: SHA-256 over weights (headers and samples), tokenizer, modules, dtype and
// engine version.
const char *mm_embedder_fingerprint(const mm_embedder *embedder);

typedef enum mm_input_role { MM_ROLE_NONE, MM_ROLE_QUERY, MM_ROLE_DOCUMENT } mm_input_role;

typedef struct mm_embedding_options { // zero = the repository's own
    const char *prompt;               // literal; wins over prompt_name, which wins over input_role
    const char *prompt_name;          // INVALID_PARAMETER when the repository has no such prompt
    mm_input_role input_role;
    mm_truncate truncate;
    int64_t max_length; // 0 = the model's; above the model's: INVALID_PARAMETER
    int64_t dimensions; // 0 = the repository's truncate_dim, else all
    bool normalize;     // L2-normalise the final vector, after `dimensions`
} mm_embedding_options;

// Texts turned into token ids, ready for any worker. Belongs to one thread at a time.
typedef struct mm_embedding_job {
    size_t count;
    int64_t dimension;            // of the vectors this job gives
    const char *prompt;           // used in front of each text, or NULL; owned by the job
    int32_t *ids;                 // all sequences one behind the other
    size_t *starts;               // [count + 1] in ids; in a part of a job the first is not 0
    int32_t *tokens;              // [count] after truncation
    bool *truncated;              // [count]
    int32_t skip;                 // prompt tokens that pooling leaves out
    mm_embedding_options options; // the strings in it are not kept (NULL)
    char *owned_prompt;
} mm_embedding_job;

// `texts` are `lengths` bytes long, may hold U+0000 and must be UTF-8 (else INVALID_REQUEST with
// details.index). INPUT_TOO_LONG (details.index) with MM_TRUNCATE_ERROR.
mm_status mm_embedding_job_create(mm_embedding_job *out, const mm_embedder *embedder,
                                  const char *const *texts, const size_t *lengths, size_t count,
                                  const mm_embedding_options *options, mm_error *error);
// The same from token ids that are used as they are (no special tokens are added, no prompt).
mm_status mm_embedding_job_from_ids(mm_embedding_job *out, const mm_embedder *embedder,
                                    const int32_t *const *ids, const size_t *lengths, size_t count,
                                    const mm_embedding_options *options, mm_error *error);
void mm_embedding_job_free(mm_embedding_job *job); // leaves a zeroed one

// Makes the session big enough for any job of this embedder.
mm_status mm_embedder_prepare_session(const mm_embedder *embedder, mm_session *session,
                                      mm_error *error);
// vectors [count, dimension], in the order of the texts. INTERNAL with layer and dtype in details
// when a value is not finite.
mm_status mm_embedder_run(const mm_embedder *embedder, mm_session *session,
                          const mm_embedding_job *job, float *vectors, mm_error *error);

#endif
