// SPDX-License-Identifier: Apache-2.0
// The task "embedding": requests to vectors.
#include "base/memory.h"
#include "manager/json_text.h"
#include "manager/memory_claims.h"
#include "manager/recall.h"

#include <string.h>

enum { PART = 16 }; // of a job, in rooms of the device

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

// The task's part of a job.
typedef struct embedding_work {
    mm_recall recall;
    mm_embedding_job job; // of the texts that this one computes
    size_t *indices;      // [job.count] which of the request's these are
    size_t done;          // so many of them have their vectors
} embedding_work;

static mm_status create(mm_embedding_job *out, const mm_embedder *embedder,
                        const mm_task_data *data, size_t count, const mm_request *request,
                        mm_error *error) {
    mm_embedding_options options;
    read_options(&options, request);
    return data->has_ids
               ? mm_embedding_job_from_ids(out, embedder, (const int32_t *const *)data->items,
                                           data->lengths, count, &options, error)
               : mm_embedding_job_create(out, embedder, (const char *const *)data->items,
                                         data->lengths, count, &options, error);
}

// Makes tokens of `count` of the texts, those at work->indices.
static mm_status tokenize(embedding_work *work, size_t count, const mm_embedder *embedder,
                          const mm_request *request, mm_error *error) {
    mm_task_data data;
    mm_status status = mm_task_data_make(&data, request, error);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        data.items[i] = data.items[work->indices[i]];
        data.lengths[i] = data.lengths[work->indices[i]];
    }
    mm_embedding_job_free(&work->job);
    status = create(&work->job, embedder, &data, count, request, error);
    bool is_part = count < data.count;
    mm_task_data_free(&data);
    if (!status || !is_part)
        return status;
    // The error has to name the text by its place in the request.
    if (mm_task_data_make(&data, request, error) == MM_STATUS_OK &&
        create(&work->job, embedder, &data, data.count, request, error) == MM_STATUS_OK)
        mm_embedding_job_free(&work->job);
    mm_task_data_free(&data);
    return status;
}

static void free_work(void *memory) {
    embedding_work *work = memory;
    if (!work)
        return;
    mm_recall_free(&work->recall);
    mm_embedding_job_free(&work->job);
    mm_free(work->indices);
    mm_free(work);
}

static mm_status begin(mm_job *job, const mm_embedder *embedder, mm_error *error) {
    embedding_work *work = job->work = mm_calloc(1, sizeof(*work));
    if (!work)
        return mm_fail_memory(error, "a job");
    mm_result *result = job->result;
    mm_status status = mm_recall_create(&work->recall, mm_recall_cache_for(job),
                                        result->fingerprint, job->request, error);
    if (!status)
        status = tokenize(work, 0, embedder, job->request, error); // what all texts have in common
    if (status)
        return status;
    result->count = work->recall.count;
    work->indices = mm_calloc(result->count + 1, sizeof(*work->indices));
    const char *prompt = work->job.prompt;
    if (!work->indices || (prompt && !(result->prompt = mm_strdup(prompt))))
        return mm_fail_memory(error, "a result");
    return mm_result_make_rows(result, (size_t)work->job.dimension, error);
}

static mm_status prepare(mm_job *job, mm_error *error) {
    const mm_embedder *embedder;
    mm_status status = mm_task_model_embedder(&embedder, job->deployment->loaded, error);
    if (!status && !job->work)
        status = begin(job, embedder, error);
    if (status)
        return status;
    embedding_work *work = job->work;
    size_t unknown = mm_recall_ask(&work->recall, job);
    size_t own = mm_recall_own(&work->recall, work->indices);
    work->done = 0;
    job->needs_run = own > 0;
    job->needs_more = unknown > 0;
    return own > 0 ? tokenize(work, own, embedder, job->request, error) : MM_STATUS_OK;
}

static void abandon_locked(mm_job *job) {
    embedding_work *work = job->work;
    if (work)
        mm_recall_abandon_locked(&work->recall);
}

// ---- Running -----------------------------------------------------------------------------------

static const mm_embedding_job *work_of(const mm_job *job) {
    const embedding_work *work = job->work;
    return &work->job;
}

static size_t rows(const mm_job *job) {
    const embedding_work *work = job->work;
    return work->job.starts[work->job.count] - work->job.starts[work->done];
}

static bool has_begun(const mm_job *job) {
    const embedding_work *work = job->work;
    return work->done > 0;
}

static bool goes_with(const mm_job *first, const mm_job *job) {
    const mm_embedding_job *a = work_of(first), *b = work_of(job);
    return !has_begun(first) && !has_begun(job) && a->dimension == b->dimension &&
           a->skip == b->skip && a->options.normalize == b->options.normalize;
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

// Puts the vectors of the next texts of the work, up to `end`, and what else it has of them into
// the Result, and lets others have them.
static void deliver(mm_job *job, size_t end, const float *vectors) {
    embedding_work *work = job->work;
    mm_result *result = job->result;
    const size_t dimension = result->dimension;
    for (; work->done < end; work->done++, vectors += dimension) {
        const size_t index = work->indices[work->done];
        float *place = result->vectors + index * dimension;
        result->tokens[index] = work->job.tokens[work->done];
        result->truncated[index] = work->job.truncated[work->done];
        if (vectors != place)
            memcpy(place, vectors, dimension * sizeof(*vectors));
        mm_recall_publish(&work->recall, job, index);
    }
    if (!result->returns_ids || end < work->job.count)
        return;
    result->ids = work->job.ids; // the cache has no ids: all texts are this job's
    result->starts = work->job.starts;
    work->job.ids = NULL;
    work->job.starts = NULL;
}

static bool run_merged(const mm_task_run *run) {
    mm_embedding_job all;
    float *vectors = NULL;
    mm_status status = merge(&all, &vectors, run, NULL);
    if (!status)
        status = mm_embedder_run(embedder_of(run->model), run->session, &all, vectors, NULL);
    const float *from = vectors;
    for (size_t i = 0; i < run->count && !status; i++) {
        const size_t count = work_of(run->jobs[i])->count;
        deliver(run->jobs[i], count, from);
        from += count * (size_t)all.dimension;
    }
    mm_free(all.ids);
    mm_free(all.starts);
    mm_free(all.tokens);
    mm_free(vectors);
    return status == MM_STATUS_OK;
}

// Where the part ends that is run next: large work is left now and then for who is in more haste,
// and for a look whether it is still wanted.
static size_t part_end(const embedding_work *work, size_t room) {
    const size_t *starts = work->job.starts;
    size_t end = work->done + 1;
    while (end < work->job.count && starts[end + 1] - starts[work->done] <= PART * room)
        end++;
    return end;
}

static mm_status run_part(const mm_task_run *run, mm_job *job, size_t end, mm_error *error) {
    const embedding_work *work = job->work;
    mm_result *result = job->result;
    mm_embedding_job part = work->job;
    part.count = end - work->done;
    part.starts += work->done;
    part.tokens += work->done;
    float *vectors = result->vectors + work->done * result->dimension;
    const bool is_all = work->job.count == result->count; // else places are not side by side
    if (!is_all)
        vectors = mm_array_realloc(NULL, part.count * result->dimension, sizeof(*vectors));
    if (!vectors)
        return mm_fail_memory(error, "the vectors");
    mm_status status =
        mm_embedder_run(embedder_of(run->model), run->session, &part, vectors, error);
    if (!status)
        deliver(job, end, vectors);
    if (!is_all)
        mm_free(vectors);
    return status;
}

static void run_one(const mm_task_run *run, mm_job *job) {
    const embedding_work *work = job->work;
    mm_error error = {0};
    mm_status status = MM_STATUS_OK;
    while (!status && work->done < work->job.count && !atomic_load(&job->done)) {
        const size_t end = part_end(work, run->room);
        status = run_part(run, job, end, &error);
        if (status == MM_STATUS_OUT_OF_MEMORY && mm_memory_relieve(run->worker))
            status = run_part(run, job, end, &error);
        if (!status && work->done < work->job.count && mm_task_run_pause(run, job))
            return;
    }
    mm_task_run_done(run, job, status, &error);
}

static void run_all(const mm_task_run *run) {
    // What fails together is run one by one, so that each gets its own answer.
    bool merged = run->count > 1 && run_merged(run);
    for (size_t i = 0; i < run->count; i++) {
        if (merged)
            mm_task_run_done(run, run->jobs[i], MM_STATUS_OK, NULL);
        else
            run_one(run, run->jobs[i]);
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
         put_flags(out, ", \"cached\": ", result->cached, result->count) &&
         mm_buffer_puts(out, ", \"prompt\": ") && mm_json_put_string_or_null(out, result->prompt);
    return ok && (!result->returns_ids ||
                  (mm_buffer_puts(out, ", \"input_ids\": ") &&
                   mm_json_put_integer_lists(out, result->ids, result->starts, result->count)));
}

const mm_task_kind mm_task_embedding = {
    .name = "embedding",
    .bit = MM_TASK_EMBEDDING,
    .check = check,
    .recall = mm_recall_answer,
    .prepare = prepare,
    .rows = rows,
    .goes_with = goes_with,
    .run = run_all,
    .abandon_locked = abandon_locked,
    .free_work = free_work,
    .write = write,
};
