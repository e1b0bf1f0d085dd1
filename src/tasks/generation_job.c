// SPDX-License-Identifier: Apache-2.0
// From texts and parameters to a job. All of it runs on the caller's thread, and whatever is wrong
// with a request is said here, before anything is computed.
#include "tasks/generator.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "tasks/random.h"

#include <string.h>

// An entry of task_specific_params; NULL with MM_STATUS_OK when none is asked for.
static mm_status find_task(const json_t **out, const mm_generator *generator, const char *task,
                           mm_error *error) {
    *out = NULL;
    if (!task)
        return MM_STATUS_OK;
    *out = json_object_get(generator->tasks, task);
    if (json_is_object(*out))
        return MM_STATUS_OK;
    mm_buffer names;
    mm_buffer_init(&names, 512);
    bool ok = true;
    for (void *at = json_object_iter(generator->tasks); at && ok;
         at = json_object_iter_next(generator->tasks, at))
        ok = mm_buffer_printf(&names, "%s%s", names.length ? ", " : "", json_object_iter_key(at));
    mm_status status = mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                               "task is \"%.64s\"; this model's task_specific_params have %s", task,
                               names.length ? names.data : "no entries");
    mm_error_details(error, "{\"parameter\": \"task\"}");
    mm_buffer_free(&names);
    return status;
}

// Without a seed each text gets one by chance, so that equal texts are not answered equally.
static mm_status choose_seeds(mm_generation_job *job, size_t count, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < count && job->settings.do_sample && !status; i++) {
        job->seeds[i] = (uint64_t)job->settings.seed;
        if (job->settings.seed == MM_NOT_SET)
            status = mm_random_seed(&job->seeds[i], error);
    }
    return status;
}

// The settings, and room for `count` sources.
static mm_status begin_job(mm_generation_job *job, const mm_generator *generator, size_t count,
                           const json_t *task, const mm_generation_options *options,
                           mm_error *error) {
    const mm_model_info *info = mm_generator_model(generator);
    const int64_t positions =
        info->max_positions < MM_LONGEST_OUTPUT ? info->max_positions : MM_LONGEST_OUTPUT;
    *job = (mm_generation_job){0};
    mm_status status = mm_generation_settings_copy(&job->settings, &generator->settings, error);
    if (!status && task)
        status = mm_generation_settings_read(&job->settings, task, MM_FROM_MODEL_CONFIG,
                                             "task_specific_params", error);
    if (!status && options && options->parameters)
        status = mm_generation_settings_read(&job->settings, options->parameters, MM_FROM_CALL,
                                             "the call", error);
    if (!status)
        status =
            mm_generation_settings_resolve(&job->settings, options ? options->parameters : NULL,
                                           info->output_vocab_size, positions, error);
    if (!status && job->settings.stop.count > 0 && !generator->tokenizer)
        status = mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                         "stop has texts, but without a tokenizer none can be found");
    if (status)
        return status;
    job->starts = mm_calloc(count + 1, sizeof *job->starts);
    job->truncated = mm_calloc(count + 1, sizeof *job->truncated);
    job->seeds = mm_calloc(count + 1, sizeof *job->seeds);
    if (!job->starts || !job->truncated || !job->seeds)
        return mm_fail_memory(error, "a request's sources");
    return choose_seeds(job, count, error);
}

static mm_status append_source(mm_generation_job *job, const mm_generator *generator,
                               const int32_t *ids, size_t length, mm_error *error) {
    const size_t index = job->count, start = job->starts[index];
    const mm_model_info *info = mm_generator_model(generator);
    const mm_generation_settings *settings = &job->settings;
    // What the source says bears on scores then, so that both have to have its ids.
    const bool both =
        settings->encoder_repetition_penalty != 1.0 || settings->encoder_no_repeat_ngram_size > 0;
    const int64_t vocab_size = both && info->output_vocab_size < info->vocab_size
                                   ? info->output_vocab_size
                                   : info->vocab_size;
    mm_status status = MM_STATUS_OK;
    if (length == 0)
        status = mm_fail(error, MM_STATUS_INVALID_REQUEST,
                         "text %zu has no tokens; there is nothing to answer", index);
    for (size_t i = 0; i < length && !status; i++) {
        if (ids[i] < 0 || ids[i] >= vocab_size)
            status = mm_fail(error, MM_STATUS_INVALID_REQUEST,
                             "text %zu holds the id %d; the vocabulary has %lld", index, ids[i],
                             (long long)vocab_size);
    }
    if (status) {
        mm_error_details(error, "{\"index\": %zu}", index);
        return status;
    }
    int32_t *grown = mm_array_realloc(job->ids, start + length, sizeof *grown);
    if (!grown)
        return mm_fail_memory(error, "a request's sources");
    memcpy(grown + start, ids, length * sizeof *grown);
    job->ids = grown;
    job->starts[++job->count] = start + length;
    return MM_STATUS_OK;
}

// A text, behind the prefix of its task.
static mm_status add_text(mm_generation_job *job, const mm_generator *generator,
                          mm_encoding *encoding, mm_buffer *text, size_t prefix_length,
                          const mm_encode_options *encode, mm_truncate truncate, mm_error *error) {
    const size_t index = job->count;
    mm_status status = mm_tokenizer_encode(generator->tokenizer, encoding, text->data, text->length,
                                           NULL, 0, encode, error);
    if (status == MM_STATUS_INVALID_REQUEST) {
        size_t offset = 0;
        (void)mm_utf8_valid(text->data, text->length, &offset);
        offset -= offset < prefix_length ? offset : prefix_length;
        (void)mm_fail(error, status, "text %zu is not valid UTF-8 at byte %zu", index, offset);
        mm_error_details(error, "{\"index\": %zu, \"byte\": %zu}", index, offset);
    }
    if (!status && encoding->truncated && truncate == MM_TRUNCATE_ERROR)
        return mm_input_too_long(index, encoding->full_count, generator->max_length, error);
    if (!status)
        job->truncated[index] = encoding->truncated;
    return status ? status : append_source(job, generator, encoding->ids, encoding->count, error);
}

mm_status mm_generation_job_create(mm_generation_job *out, const mm_generator *generator,
                                   const char *const *texts, const size_t *lengths, size_t count,
                                   const mm_generation_options *options, mm_error *error) {
    const mm_truncate truncate = options ? options->truncate : MM_TRUNCATE_ON_RIGHT;
    const mm_encode_options encode = {
        .add_special_tokens = true,
        .truncation = {.max_length = generator->max_length,
                       .side =
                           truncate == MM_TRUNCATE_ON_LEFT ? MM_TRUNCATE_LEFT : MM_TRUNCATE_RIGHT},
    };
    mm_encoding encoding = {0};
    mm_buffer text;
    mm_buffer_init(&text, SIZE_MAX / 2);
    *out = (mm_generation_job){0};
    const json_t *task;
    mm_status status = find_task(&task, generator, options ? options->task : NULL, error);
    if (!status)
        status = begin_job(out, generator, count, task, options, error);
    const json_t *prefix = json_object_get(task, "prefix");
    for (size_t i = 0; i < count && !status; i++) {
        mm_buffer_clear(&text);
        if (!mm_buffer_append(&text, json_string_value(prefix), json_string_length(prefix)) ||
            !mm_buffer_append(&text, texts[i], lengths[i]))
            status = mm_fail_memory(error, "a text behind its prefix");
        else
            status = add_text(out, generator, &encoding, &text, json_string_length(prefix), &encode,
                              truncate, error);
    }
    mm_buffer_free(&text);
    mm_encoding_free(&encoding);
    if (status)
        mm_generation_job_free(out);
    return status;
}

mm_status mm_generation_job_from_ids(mm_generation_job *out, const mm_generator *generator,
                                     const int32_t *const *ids, const size_t *lengths, size_t count,
                                     const mm_generation_options *options, mm_error *error) {
    *out = (mm_generation_job){0};
    const json_t *task;
    mm_status status = find_task(&task, generator, options ? options->task : NULL, error);
    if (!status)
        status = begin_job(out, generator, count, task, options, error);
    for (size_t i = 0; i < count && !status; i++) {
        const int32_t *kept = ids[i];
        size_t length = lengths[i];
        status = mm_truncate_ids(&kept, &length, i, generator->max_length,
                                 options ? options->truncate : MM_TRUNCATE_ON_RIGHT, error);
        if (!status)
            out->truncated[i] = length < lengths[i];
        if (!status)
            status = append_source(out, generator, kept, length, error);
    }
    if (status)
        mm_generation_job_free(out);
    return status;
}

void mm_generation_job_free(mm_generation_job *job) {
    mm_generation_settings_free(&job->settings);
    mm_free(job->ids);
    mm_free(job->starts);
    mm_free(job->truncated);
    mm_free(job->seeds);
    *job = (mm_generation_job){0};
}
