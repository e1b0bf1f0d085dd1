// SPDX-License-Identifier: Apache-2.0
// From texts to token ids. All of it runs on the caller's thread, so that a worker finds nothing
// left to do but products.
#include "tasks/embedder.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <limits.h>
#include <string.h>

// What one call works with.
typedef struct job_maker {
    const mm_embedder *embedder;
    mm_embedding_job *job;
    mm_error *error;
    mm_encode_options encode;
    mm_encoding encoding; // reused from text to text
    mm_buffer joined;     // prompt and text, reused likewise
    size_t capacity;      // of job->ids
} job_maker;

// ---- Options -----------------------------------------------------------------------------------

// Below the number of special tokens the tokenizer would not cut at all.
static mm_status check_length(size_t *out, const mm_embedder *embedder,
                              const mm_embedding_options *options, mm_error *error) {
    const size_t special = mm_tokenizer_special_count(embedder->tokenizer, false);
    const int64_t least = special > 0 ? (int64_t)special : 1;
    const int64_t most = (int64_t)embedder->max_length;
    const int64_t length = options->max_length ? options->max_length : most;
    if (length < least || length > most)
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "max_length is %lld, must be from %lld (the special tokens) to %lld (what "
                       "the model takes)",
                       (long long)length, (long long)least, (long long)most);
    *out = (size_t)length;
    return MM_STATUS_OK;
}

// The repository's truncate_dim may be larger than the vector, as in the reference library; a
// caller's `dimensions` may not, because nobody would notice.
static mm_status check_dimensions(int64_t *out, const mm_embedder *embedder,
                                  const mm_embedding_options *options, mm_error *error) {
    const int64_t all = embedder->modules.dimension;
    if (options->dimensions < 0 || options->dimensions > all)
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "dimensions is %lld, must be from 1 to the model's %lld",
                       (long long)options->dimensions, (long long)all);
    *out = all;
    if (options->dimensions)
        *out = options->dimensions;
    else if (embedder->prompts.truncate_dim && embedder->prompts.truncate_dim < all)
        *out = embedder->prompts.truncate_dim;
    return MM_STATUS_OK;
}

// Everything that does not depend on the texts.
static mm_status prepare(job_maker *maker, size_t count, const mm_embedding_options *options) {
    mm_embedding_job *job = maker->job;
    *job = (mm_embedding_job){.count = count};
    if (options)
        job->options = *options;
    job->options.prompt = NULL;
    job->options.prompt_name = NULL;
    mm_status status =
        check_dimensions(&job->dimension, maker->embedder, &job->options, maker->error);
    if (!status)
        status = check_length(&maker->encode.truncation.max_length, maker->embedder, &job->options,
                              maker->error);
    if (status)
        return status;
    maker->encode.add_special_tokens = true;
    maker->encode.truncation.side =
        job->options.truncate == MM_TRUNCATE_ON_LEFT ? MM_TRUNCATE_LEFT : MM_TRUNCATE_RIGHT;
    mm_buffer_init(&maker->joined, SIZE_MAX / 2);
    job->starts = mm_array_realloc(NULL, count < SIZE_MAX ? count + 1 : count, sizeof *job->starts);
    job->tokens = mm_calloc(count, sizeof *job->tokens);
    job->truncated = mm_calloc(count, sizeof *job->truncated);
    if (!job->starts || !job->tokens || !job->truncated)
        return mm_fail_memory(maker->error, "a request's token counts");
    job->starts[0] = 0;
    return MM_STATUS_OK;
}

// ---- Prompts -----------------------------------------------------------------------------------

// How many ids pooling leaves out: those of the prompt alone, less a special one at the end
// (sentence-transformers Transformer._get_prompt_length).
static mm_status measure_prompt(job_maker *maker) {
    const mm_tokenizer *tokenizer = maker->embedder->tokenizer;
    mm_embedding_job *job = maker->job;
    mm_status status =
        mm_tokenizer_encode(tokenizer, &maker->encoding, job->prompt, strlen(job->prompt), NULL, 0,
                            &maker->encode, maker->error);
    size_t count = maker->encoding.count;
    if (status || count == 0)
        return status;
    char *last;
    size_t length;
    status = mm_tokenizer_decode(tokenizer, &last, &length, &maker->encoding.ids[count - 1], 1,
                                 true, maker->error);
    if (status)
        return status;
    mm_free(last);
    job->skip = (int32_t)(length == 0 ? count - 1 : count); // special tokens decode to nothing
    return MM_STATUS_OK;
}

// The job keeps a copy: the caller's options may be gone when the Result names the prompt.
static mm_status set_prompt(job_maker *maker, const mm_embedding_options *options) {
    mm_embedding_job *job = maker->job;
    const char *prompt = NULL;
    mm_status status = mm_prompts_choose(&prompt, &maker->embedder->prompts,
                                         options ? options : &job->options, maker->error);
    if (status || !prompt)
        return status;
    job->owned_prompt = mm_strdup(prompt);
    if (!job->owned_prompt)
        return mm_fail_memory(maker->error, "a prompt");
    job->prompt = job->owned_prompt;
    return maker->embedder->modules.include_prompt ? MM_STATUS_OK : measure_prompt(maker);
}

// ---- Sequences ---------------------------------------------------------------------------------

// The one place where ids are held against the word table; no operation checks them again.
static mm_status check_ids(const job_maker *maker, size_t index, const int32_t *ids, size_t count,
                           mm_status failure) {
    const int64_t rows = mm_embedder_model(maker->embedder)->vocab_size;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] >= 0 && ids[i] < rows)
            continue;
        mm_status status = mm_fail(maker->error, failure,
                                   "text %zu holds the token id %d, but the model's vocabulary "
                                   "has %lld rows",
                                   index, ids[i], (long long)rows);
        mm_error_details(maker->error, "{\"index\": %zu, \"id\": %d}", index, ids[i]);
        return status;
    }
    return MM_STATUS_OK;
}

// Appends to the job; grows by half, so that many texts cost few copies.
static mm_status add_sequence(job_maker *maker, size_t index, const int32_t *ids, size_t count,
                              bool truncated) {
    mm_embedding_job *job = maker->job;
    const size_t start = job->starts[index];
    size_t end;
    if (!mm_size_add(&end, start, count))
        return mm_fail_memory(maker->error, "a request's token ids");
    if (end > maker->capacity) {
        size_t capacity = end + end / 2 + 256;
        int32_t *grown = mm_array_realloc(job->ids, capacity, sizeof *grown);
        if (!grown)
            return mm_fail_memory(maker->error, "a request's token ids");
        job->ids = grown;
        maker->capacity = capacity;
    }
    if (count)
        memcpy(job->ids + start, ids, count * sizeof *ids);
    job->starts[index + 1] = end;
    job->tokens[index] = (int32_t)count;
    job->truncated[index] = truncated;
    return MM_STATUS_OK;
}

// The tokenizer saw prompt and text as one; the error speaks of the caller's text alone.
static mm_status not_utf8(size_t index, const char *text, size_t length, mm_error *error) {
    size_t offset = 0;
    if (mm_utf8_valid(text, length, &offset)) {
        mm_error_prefix(error, "text %zu", index);
        mm_error_details(error, "{\"index\": %zu}", index);
        return MM_STATUS_INVALID_REQUEST;
    }
    mm_status status = mm_fail(error, MM_STATUS_INVALID_REQUEST,
                               "text %zu is not valid UTF-8 at byte %zu", index, offset);
    mm_error_details(error, "{\"index\": %zu, \"byte\": %zu}", index, offset);
    return status;
}

static mm_status add_text(job_maker *maker, size_t index, const char *text, size_t length) {
    const mm_embedding_job *job = maker->job;
    const char *whole = text;
    size_t whole_length = length;
    if (job->prompt) {
        mm_buffer_clear(&maker->joined);
        if (!mm_buffer_puts(&maker->joined, job->prompt) ||
            !mm_buffer_append(&maker->joined, text, length))
            return mm_fail_memory(maker->error, "a text behind its prompt");
        whole = maker->joined.data;
        whole_length = maker->joined.length;
    }
    mm_encoding *encoding = &maker->encoding;
    mm_status status = mm_tokenizer_encode(maker->embedder->tokenizer, encoding, whole,
                                           whole_length, NULL, 0, &maker->encode, maker->error);
    if (status == MM_STATUS_INVALID_REQUEST)
        return not_utf8(index, text, length, maker->error);
    if (!status && encoding->truncated && job->options.truncate == MM_TRUNCATE_ERROR)
        return mm_input_too_long(index, encoding->full_count, maker->encode.truncation.max_length,
                                 maker->error);
    if (!status && encoding->count > maker->encode.truncation.max_length)
        return mm_fail(maker->error, MM_STATUS_INTERNAL,
                       "the tokenizer gave text %zu %zu tokens where %zu are allowed", index,
                       encoding->count, maker->encode.truncation.max_length);
    // The files disagree when a text meets an id that the word table does not have.
    if (!status)
        status = check_ids(maker, index, encoding->ids, encoding->count, MM_STATUS_MODEL_CORRUPT);
    if (!status)
        status = add_sequence(maker, index, encoding->ids, encoding->count, encoding->truncated);
    return status;
}

// Ids are taken as they are; only their number and range are checked.
static mm_status add_ids(job_maker *maker, size_t index, const int32_t *ids, size_t count) {
    const size_t whole = count;
    mm_status status = mm_truncate_ids(&ids, &count, index, maker->encode.truncation.max_length,
                                       maker->job->options.truncate, maker->error);
    if (!status)
        status = check_ids(maker, index, ids, count, MM_STATUS_INVALID_REQUEST);
    return status ? status : add_sequence(maker, index, ids, count, count < whole);
}

// ---- Jobs --------------------------------------------------------------------------------------

// On failure the job is left zeroed, so that freeing it again is harmless.
static mm_status finish(job_maker *maker, mm_status status) {
    mm_encoding_free(&maker->encoding);
    mm_buffer_free(&maker->joined);
    if (status)
        mm_embedding_job_free(maker->job);
    return status;
}

mm_status mm_embedding_job_create(mm_embedding_job *out, const mm_embedder *embedder,
                                  const char *const *texts, const size_t *lengths, size_t count,
                                  const mm_embedding_options *options, mm_error *error) {
    job_maker maker = {.embedder = embedder, .job = out, .error = error};
    mm_status status = prepare(&maker, count, options);
    if (!status)
        status = set_prompt(&maker, options);
    for (size_t i = 0; i < count && !status; i++)
        status = add_text(&maker, i, texts[i], lengths[i]);
    return finish(&maker, status);
}

mm_status mm_embedding_job_from_ids(mm_embedding_job *out, const mm_embedder *embedder,
                                    const int32_t *const *ids, const size_t *lengths, size_t count,
                                    const mm_embedding_options *options, mm_error *error) {
    job_maker maker = {.embedder = embedder, .job = out, .error = error};
    mm_status status = prepare(&maker, count, options);
    for (size_t i = 0; i < count && !status; i++)
        status = add_ids(&maker, i, ids[i], lengths[i]);
    return finish(&maker, status);
}

void mm_embedding_job_free(mm_embedding_job *job) {
    mm_free(job->ids);
    mm_free(job->starts);
    mm_free(job->tokens);
    mm_free(job->truncated);
    mm_free(job->owned_prompt);
    *job = (mm_embedding_job){0};
}
