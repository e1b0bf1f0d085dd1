// SPDX-License-Identifier: Apache-2.0
// A model, loaded once for all the tasks it can do. An encoder-decoder with a decoder in its files
// embeds (where its family does) and generates with the same weights and tokenizer.
//
// Immutable once loaded, as the embedder and the generator in it are.
#ifndef MM_TASKS_TASK_MODEL_H
#define MM_TASKS_TASK_MODEL_H

#include "tasks/embedding.h"
#include "tasks/generation.h"

typedef struct mm_task_model mm_task_model;

// Opens everything and binds the weights without packing them. `model_name` as for
// mm_embedder_open. Fails when there is no task that the model could do.
mm_status mm_task_model_open(mm_task_model **out, const char *directory, const char *model_name,
                             mm_backend *backend, mm_compute_dtype dtype, mm_error *error);
// Packs the weights. Once; before any run.
mm_status mm_task_model_load(mm_task_model *model, mm_packing packing, int threads,
                             mm_error *error);
void mm_task_model_free(mm_task_model *model); // accepts NULL

// Borrowed. INVALID_TASK_TYPE for what the model does not do, naming what it does; what is wrong
// with the files of one task does not keep the other from working.
mm_status mm_task_model_embedder(const mm_embedder **out, const mm_task_model *model,
                                 mm_error *error);
mm_status mm_task_model_generator(const mm_generator **out, const mm_task_model *model,
                                  mm_error *error);

// Makes the session big enough for any job of any task.
mm_status mm_task_model_prepare_session(const mm_task_model *model, mm_session *session,
                                        mm_error *error);
// Device memory of such a session with `threads` threads when texts use all of it; known after
// opening. SIZE_MAX: more than can be counted.
size_t mm_task_model_session_bytes(const mm_task_model *model, int threads);
// What one text takes for generation beside the session, as the model's own settings have it; 0
// when it generates nothing.
mm_status mm_task_model_cache_bytes(size_t *out, const mm_task_model *model, mm_error *error);
const mm_model_info *mm_task_model_info(const mm_task_model *model);
const mm_tokenizer *mm_task_model_tokenizer(const mm_task_model *model);
size_t mm_task_model_max_length(const mm_task_model *model);   // of a text, in tokens
size_t mm_task_model_weight_bytes(const mm_task_model *model); // known after opening
const char *mm_task_model_fingerprint(const mm_task_model *model);

#endif
