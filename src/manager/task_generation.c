// SPDX-License-Identifier: Apache-2.0
// The task "text_generation": requests to texts.
#include "base/memory.h"
#include "manager/json_text.h"
#include "manager/memory_claims.h"
#include "manager/token_stream.h"

#include <string.h>

static mm_status check(const mm_task_model *model, mm_error *error) {
    const mm_generator *generator;
    return mm_task_model_generator(&generator, model, error);
}

static const mm_generator *generator_of(const mm_task_model *model) {
    const mm_generator *generator;
    (void)mm_task_model_generator(&generator, model, NULL); // checked when the job was prepared
    return generator;
}

// A job's work.
typedef struct generation_work {
    mm_generation_job job;
    mm_token_stream *stream; // with on_token
    const mm_task_run *run;  // while it runs
    mm_error stream_error;
} generation_work;

static generation_work *work_of(const mm_job *job) {
    return job->work;
}

static size_t texts_of(const mm_generation_job *job) {
    return job->count * (size_t)job->settings.num_return_sequences;
}

// ---- Preparing ---------------------------------------------------------------------------------

static mm_status tokenize(mm_generation_job *work, const mm_generator *generator,
                          const mm_request *request, mm_error *error) {
    json_t *arguments = NULL;
    mm_task_data data;
    *work = (mm_generation_job){0};
    mm_status status = mm_task_data_make(&data, request, error);
    if (status)
        return status;
    status = mm_request_generate_arguments(&arguments, request, error);
    const mm_generation_options options = {
        .parameters = arguments,
        .task = mm_request_text(request, MM_PARAM_TASK, NULL),
        .truncate = mm_task_truncate(request),
    };
    if (!status)
        status =
            data.has_ids
                ? mm_generation_job_from_ids(work, generator, (const int32_t *const *)data.items,
                                             data.lengths, data.count, &options, error)
                : mm_generation_job_create(work, generator, (const char *const *)data.items,
                                           data.lengths, data.count, &options, error);
    json_decref(arguments);
    mm_task_data_free(&data);
    return status;
}

static void free_work(void *memory) {
    generation_work *work = memory;
    if (work) {
        mm_generation_job_free(&work->job);
        mm_token_stream_free(work->stream);
    }
    mm_free(work);
}

// What the Result says of the inputs. The work keeps its ids, which the worker reads.
static mm_status describe_inputs(mm_result *result, const mm_generation_job *work,
                                 mm_error *error) {
    const size_t count = work->count;
    result->count = count;
    result->tokens = mm_calloc(count + 1, sizeof(*result->tokens));
    result->truncated = mm_calloc(count + 1, sizeof(*result->truncated));
    if (!result->tokens || !result->truncated)
        return mm_fail_memory(error, "a result");
    for (size_t i = 0; i < count; i++) {
        result->tokens[i] = (int32_t)(work->starts[i + 1] - work->starts[i]);
        result->truncated[i] = work->truncated[i];
    }
    if (!result->returns_ids)
        return MM_STATUS_OK;
    const size_t rows = work->starts[count];
    result->starts = mm_array_realloc(NULL, count + 1, sizeof(*result->starts));
    result->ids = mm_array_realloc(NULL, rows + 1, sizeof(*result->ids));
    if (!result->starts || !result->ids)
        return mm_fail_memory(error, "a result");
    memcpy(result->starts, work->starts, (count + 1) * sizeof(*result->starts));
    if (rows > 0)
        memcpy(result->ids, work->ids, rows * sizeof(*result->ids));
    return MM_STATUS_OK;
}

static mm_status cache_bytes(size_t *out, const mm_task_model *model, const mm_request *request,
                             mm_error *error) {
    mm_generation_job work;
    mm_status status = tokenize(&work, generator_of(model), request, error);
    if (!status)
        *out = mm_generation_job_bytes(generator_of(model), &work).least;
    mm_generation_job_free(&work);
    return status;
}

static mm_status prepare(mm_job *job, mm_error *error) {
    const mm_generator *generator;
    mm_status status = mm_task_model_generator(&generator, job->deployment->loaded, error);
    if (status)
        return status;
    generation_work *owner = job->work = mm_calloc(1, sizeof(*owner));
    if (!owner)
        return mm_fail_memory(error, "a job");
    mm_generation_job *work = &owner->job;
    status = tokenize(work, generator, job->request, error);
    if (!status)
        status = mm_memory_admit(job, mm_generation_job_bytes(generator, work).least, error);
    if (!status)
        status = describe_inputs(job->result, work, error);
    if (!status && job->on_token)
        status = mm_token_stream_create(
            &owner->stream, mm_generator_tokenizer(generator), &work->settings.stop,
            (int32_t)work->settings.decoder_start_token_id, texts_of(work), error);
    job->result->is_scalar = !status && job->request->is_single && work->count == 1 &&
                             work->settings.num_return_sequences == 1;
    job->needs_run = work->count > 0;
    return status;
}

// ---- Running -----------------------------------------------------------------------------------

static size_t rows(const mm_job *job) {
    const mm_generation_job *work = &work_of(job)->job;
    return work->starts[work->count];
}

// Settings are each job's own, so all go together.
static bool goes_with(const mm_job *first, const mm_job *job) {
    (void)first;
    (void)job;
    return true;
}

static mm_status append_text(mm_result *result, const mm_generator *generator,
                             const mm_generation_job *work, size_t index, mm_error *error) {
    char *text = NULL;
    size_t length = 0;
    mm_status status =
        mm_generated_text(&text, &length, generator, work, &result->generated, index, error);
    if (!status &&
        !(mm_buffer_append(&result->text, text, length) && mm_buffer_putc(&result->text, '\0')))
        status = mm_fail_memory(error, "generated text");
    result->text_ends[index] = result->text.length;
    mm_free(text);
    return status;
}

static mm_status decode_all(mm_result *result, const mm_generator *generator,
                            const mm_generation_job *work, mm_error *error) {
    mm_buffer_init(&result->text, SIZE_MAX / 2);
    result->text_ends = mm_calloc(result->generated.count + 1, sizeof(*result->text_ends));
    if (!result->text_ends)
        return mm_fail_memory(error, "generated text");
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < result->generated.count && !status; i++)
        status = append_text(result, generator, work, i, error);
    return status;
}

static bool on_token(void *context, size_t sequence, int32_t id, bool is_last) {
    mm_job *job = context;
    generation_work *work = work_of(job);
    mm_token token = {
        .struct_size = sizeof(token), .sequence = sequence, .id = id, .is_last = is_last};
    if (mm_token_stream_push(work->stream, sequence, id, &token.text, &token.length,
                             &work->stream_error))
        return false;
    return job->on_token(job, &token, job->payload);
}

// What was kept, because a further token might have changed it.
static mm_status tell_rest(mm_job *job, mm_error *error) {
    generation_work *work = work_of(job);
    bool goes_on = true;
    for (size_t i = 0; i < texts_of(&work->job) && goes_on; i++) {
        const size_t *ends = job->result->text_ends, start = i > 0 ? ends[i - 1] : 0;
        mm_token rest = {.struct_size = sizeof(rest),
                         .sequence = i,
                         .id = -1,
                         .text = job->result->text.data + start,
                         .length = ends[i] - 1 - start}; // without the NUL
        mm_token_stream_finish(work->stream, i, &rest.text, &rest.length);
        if (rest.length > 0)
            goes_on = job->on_token(job, &rest, job->payload);
    }
    return goes_on ? MM_STATUS_OK
                   : mm_fail(error, MM_STATUS_CANCELLED, "cancelled by the receiver of its tokens");
}

static void on_done(void *context, mm_status status, const mm_error *failure,
                    mm_generated *generated) {
    mm_job *job = context;
    generation_work *work = work_of(job);
    mm_error error = {0};
    if (status) {
        error = work->stream_error.status ? work->stream_error : *failure;
        status = error.status;
    } else {
        job->result->generated = *generated;
        status = decode_all(job->result, generator_of(work->run->model), &work->job, &error);
        if (!status && job->on_token)
            status = tell_rest(job, &error);
    }
    mm_task_run_done(work->run, job, status, &error);
}

static void add(mm_generation_batch *batch, const mm_task_run *run, mm_job *job) {
    generation_work *work = work_of(job);
    mm_error error = {0};
    // Whoever is answered already, by a deadline or a cancel, is not generated for any longer.
    const mm_generation_events events = {
        .context = job,
        .on_token = job->on_token ? on_token : NULL,
        .cancelled = &job->done,
    };
    work->run = run;
    mm_status status = mm_generation_batch_add(batch, &work->job, &events, on_done, &error);
    if (status)
        mm_task_run_done(run, job, status, &error);
}

// Jobs that come meanwhile join between two steps.
static void run_all(const mm_task_run *run) {
    mm_generation_batch *batch;
    mm_error error = {0};
    const mm_generation_memory memory = mm_memory_claims(run->worker);
    mm_status status =
        mm_generation_batch_create(&batch, generator_of(run->model), run->session, &memory, &error);
    for (size_t i = 0; i < run->count; i++) {
        if (status)
            mm_task_run_done(run, run->jobs[i], status, &error);
        else
            add(batch, run, run->jobs[i]);
    }
    while (batch && mm_generation_batch_jobs(batch) > 0) {
        mm_job *job;
        mm_generation_batch_step(batch);
        while (mm_generation_batch_has_room(batch) && (job = mm_task_run_more(run)) != NULL)
            add(batch, run, job);
    }
    mm_generation_batch_free(batch);
}

// ---- The Result --------------------------------------------------------------------------------

// One value for each text: a list, or without lists the only one.
typedef bool (*put_value)(mm_buffer *out, const mm_result *result, size_t index);

static bool put_all(mm_buffer *out, const char *name, const mm_result *result, size_t count,
                    put_value put) {
    bool ok = mm_buffer_puts(out, name) && mm_buffer_puts(out, result->is_scalar ? "" : "[");
    for (size_t i = 0; i < count && ok; i++)
        ok = mm_buffer_puts(out, i ? ", " : "") && put(out, result, i);
    return ok && mm_buffer_puts(out, result->is_scalar ? "" : "]");
}

static bool put_text(mm_buffer *out, const mm_result *result, size_t index) {
    size_t length;
    const char *text = mm_result_generated_text(result, index, &length);
    return mm_json_put_string(out, text, length);
}

static bool put_reason(mm_buffer *out, const mm_result *result, size_t index) {
    return mm_buffer_printf(out, "\"%s\"", mm_result_finish_reason(result, index));
}

static bool put_input_tokens(mm_buffer *out, const mm_result *result, size_t index) {
    return mm_json_put_integer(out, result->tokens[index]);
}

static bool put_output_tokens(mm_buffer *out, const mm_result *result, size_t index) {
    size_t count;
    (void)mm_result_output_ids(result, index, &count);
    return mm_json_put_integer(out, (int64_t)count);
}

static bool put_truncated(mm_buffer *out, const mm_result *result, size_t index) {
    return mm_buffer_puts(out, result->truncated[index] ? "true" : "false");
}

static bool put_score(mm_buffer *out, const mm_result *result, size_t index) {
    return mm_json_put_float(out, result->generated.scores[index]);
}

static bool put_input_ids(mm_buffer *out, const mm_result *result, size_t index) {
    size_t count;
    const int32_t *ids = mm_result_ids(result, index, &count);
    return mm_json_put_integers(out, ids, count);
}

static bool put_output_ids(mm_buffer *out, const mm_result *result, size_t index) {
    size_t count;
    const int32_t *ids = mm_result_output_ids(result, index, &count);
    return mm_json_put_integers(out, ids, count);
}

static bool write(mm_buffer *out, const mm_result *result) {
    const size_t inputs = result->count, texts = result->generated.count;
    return put_all(out, "\"generated_text\": ", result, texts, put_text) &&
           put_all(out, ", \"finish_reason\": ", result, texts, put_reason) &&
           put_all(out, ", \"input_tokens\": ", result, inputs, put_input_tokens) &&
           put_all(out, ", \"output_tokens\": ", result, texts, put_output_tokens) &&
           put_all(out, ", \"truncated\": ", result, inputs, put_truncated) &&
           (!result->generated.scores ||
            put_all(out, ", \"scores\": ", result, texts, put_score)) &&
           (!result->returns_ids ||
            (put_all(out, ", \"input_ids\": ", result, inputs, put_input_ids) &&
             put_all(out, ", \"output_ids\": ", result, texts, put_output_ids)));
}

const mm_task_kind mm_task_text_generation = {
    .name = "text_generation",
    .bit = MM_TASK_TEXT_GENERATION,
    .check = check,
    .prepare = prepare,
    .cache_bytes = cache_bytes,
    .rows = rows,
    .goes_with = goes_with,
    .run = run_all,
    .free_work = free_work,
    .write = write,
};
