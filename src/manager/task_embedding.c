// SPDX-License-Identifier: Apache-2.0
// The task "embedding": requests to vectors.
#include "base/memory.h"
#include "manager/json_text.h"
#include "manager/state.h"

#include <string.h>

static mm_status check(const mm_task_model *model, mm_error *error) {
    const mm_embedder *embedder;
    return mm_task_model_embedder(&embedder, model, error);
}

static const mm_embedder *embedder_of(const mm_task_model *model) {
    const mm_embedder *embedder;
    (void)mm_task_model_embedder(&embedder, model, NULL); // checked when the job was prepared
    return embedder;
}

// ---- Preparing ---------------------------------------------------------------------------------

static void read_options(mm_embedding_options *out, const mm_request *request) {
    const char *role = mm_request_text(request, MM_PARAM_INPUT_ROLE, "");
    *out = (mm_embedding_options){
        .prompt = mm_request_text(request, MM_PARAM_PROMPT, NULL),
        .prompt_name = mm_request_text(request, MM_PARAM_PROMPT_NAME, NULL),
        .input_role = role[0] == 'q'   ? MM_ROLE_QUERY
                      : role[0] == 'd' ? MM_ROLE_DOCUMENT
                                       : MM_ROLE_NONE,
        .truncate = mm_task_truncate(request),
        .max_length = mm_request_integer(request, MM_PARAM_MAX_LENGTH, 0),
        .dimensions = mm_request_integer(request, MM_PARAM_DIMENSIONS, 0),
        .normalize = mm_request_boolean(request, MM_PARAM_NORMALIZE, false),
    };
}

static mm_status tokenize(mm_embedding_job *work, const mm_embedder *embedder,
                          const mm_request *request, mm_error *error) {
    mm_embedding_options options;
    read_options(&options, request);
    mm_task_data data;
    mm_status status = mm_task_data_make(&data, request, error);
    if (status)
        return status;
    status = data.has_ids
                 ? mm_embedding_job_from_ids(work, embedder, (const int32_t *const *)data.items,
                                             data.lengths, data.count, &options, error)
                 : mm_embedding_job_create(work, embedder, (const char *const *)data.items,
                                           data.lengths, data.count, &options, error);
    mm_task_data_free(&data);
    return status;
}

static void free_work(void *work) {
    if (work)
        mm_embedding_job_free(work);
    mm_free(work);
}

static mm_status prepare(mm_job *job, mm_error *error) {
    const mm_embedder *embedder;
    mm_status status = mm_task_model_embedder(&embedder, job->deployment->loaded, error);
    if (status)
        return status;
    mm_embedding_job *work = job->work = mm_calloc(1, sizeof(*work));
    if (!work)
        return mm_fail_memory(error, "a job");
    status = tokenize(work, embedder, job->request, error);
    if (status)
        return status;
    mm_result *result = job->result;
    result->count = work->count;
    result->dimension = (size_t)work->dimension;
    if (work->prompt && !(result->prompt = mm_strdup(work->prompt)))
        return mm_fail_memory(error, "a result");
    size_t values;
    if (mm_size_mul(&values, result->count, result->dimension))
        result->vectors = mm_array_realloc(NULL, values, sizeof(float));
    return result->vectors ? MM_STATUS_OK : mm_fail_memory(error, "the vectors");
}

// ---- Running -----------------------------------------------------------------------------------

static const mm_embedding_job *work_of(const mm_job *job) {
    return job->work;
}

static size_t rows(const mm_job *job) {
    const mm_embedding_job *work = work_of(job);
    return work->starts[work->count];
}

static bool goes_with(const mm_job *first, const mm_job *job) {
    const mm_embedding_job *a = work_of(first), *b = work_of(job);
    return a->dimension == b->dimension && a->skip == b->skip &&
           a->options.normalize == b->options.normalize;
}

// All sequences of the jobs as one; the arrays are the caller's to free.
static mm_status merge(mm_embedding_job *out, float **vectors, const mm_task_run *run,
                       mm_error *error) {
    size_t count = 0, total = 0;
    for (size_t i = 0; i < run->count; i++) {
        count += work_of(run->jobs[i])->count;
        total += rows(run->jobs[i]);
    }
    *out = *work_of(run->jobs[0]);
    out->count = count;
    out->prompt = NULL;
    out->owned_prompt = NULL;
    out->truncated = NULL; // of no interest here
    out->ids = mm_array_realloc(NULL, total, sizeof(*out->ids));
    out->starts = mm_array_realloc(NULL, count + 1, sizeof(*out->starts));
    out->tokens = mm_array_realloc(NULL, count, sizeof(*out->tokens));
    *vectors = mm_array_realloc(NULL, count * (size_t)out->dimension, sizeof(**vectors));
    if (!out->ids || !out->starts || !out->tokens || !*vectors)
        return mm_fail_memory(error, "a batch of requests");
    size_t at = 0;
    out->starts[0] = 0;
    for (size_t i = 0; i < run->count; i++) {
        const mm_embedding_job *work = work_of(run->jobs[i]);
        memcpy(out->tokens + at, work->tokens, work->count * sizeof(*work->tokens));
        memcpy(out->ids + out->starts[at], work->ids, rows(run->jobs[i]) * sizeof(*work->ids));
        for (size_t k = 1; k <= work->count; k++)
            out->starts[at + k] = out->starts[at] + work->starts[k];
        at += work->count;
    }
    return MM_STATUS_OK;
}

static bool run_merged(const mm_task_run *run) {
    mm_embedding_job all;
    float *vectors = NULL;
    mm_status status = merge(&all, &vectors, run, NULL);
    if (!status)
        status = mm_embedder_run(embedder_of(run->model), run->session, &all, vectors, NULL);
    const float *from = vectors;
    for (size_t i = 0; i < run->count && !status; i++) {
        mm_result *result = run->jobs[i]->result;
        size_t values = result->count * result->dimension;
        memcpy(result->vectors, from, values * sizeof(*from));
        from += values;
    }
    mm_free(all.ids);
    mm_free(all.starts);
    mm_free(all.tokens);
    mm_free(vectors);
    return status == MM_STATUS_OK;
}

// What the work holds and the Result wants.
static void move_tokens(mm_result *result, mm_embedding_job *work) {
    result->tokens = work->tokens;
    result->truncated = work->truncated;
    work->tokens = NULL;
    work->truncated = NULL;
    if (!result->returns_ids)
        return;
    result->ids = work->ids;
    result->starts = work->starts;
    work->ids = NULL;
    work->starts = NULL;
}

static void run_all(const mm_task_run *run) {
    // What fails together is run one by one, so that each gets its own answer.
    bool merged = run->count > 1 && run_merged(run);
    for (size_t i = 0; i < run->count; i++) {
        mm_job *job = run->jobs[i];
        mm_error error = {0};
        mm_status status = merged ? MM_STATUS_OK
                                  : mm_embedder_run(embedder_of(run->model), run->session,
                                                    job->work, job->result->vectors, &error);
        move_tokens(job->result, job->work);
        mm_task_run_done(run, job, status, &error);
    }
}

// ---- The Result --------------------------------------------------------------------------------

static bool put_flags(mm_buffer *out, const char *name, const bool *flags, size_t count) {
    return mm_buffer_puts(out, name) && mm_json_put_booleans(out, flags, count);
}

static bool write(mm_buffer *out, const mm_result *result) {
    bool ok = mm_buffer_puts(out, "\"embeddings\": [");
    for (size_t i = 0; i < result->count && ok; i++)
        ok = mm_buffer_puts(out, i ? "," : "") &&
             mm_json_put_floats(out, result->vectors + i * result->dimension, result->dimension);
    ok = ok && mm_buffer_puts(out, "], \"dimension\": ") &&
         mm_json_put_integer(out, (int64_t)result->dimension) &&
         mm_buffer_puts(out, ", \"tokens\": ") &&
         mm_json_put_integers(out, result->tokens, result->count) &&
         put_flags(out, ", \"truncated\": ", result->truncated, result->count) &&
         put_flags(out, ", \"cached\": ", NULL, result->count) &&
         mm_buffer_puts(out, ", \"prompt\": ") && mm_json_put_string_or_null(out, result->prompt);
    return ok && (!result->returns_ids ||
                  (mm_buffer_puts(out, ", \"input_ids\": ") &&
                   mm_json_put_integer_lists(out, result->ids, result->starts, result->count)));
}

const mm_task_kind mm_task_embedding = {
    .name = "embedding",
    .bit = MM_TASK_EMBEDDING,
    .check = check,
    .prepare = prepare,
    .rows = rows,
    .goes_with = goes_with,
    .run = run_all,
    .free_work = free_work,
    .write = write,
};
