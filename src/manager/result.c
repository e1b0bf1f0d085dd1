// SPDX-License-Identifier: Apache-2.0
#include "manager/result.h"

#include "base/memory.h"

void mm_result_free(mm_result *result) {
    if (!result)
        return;
    mm_free(result->vectors);
    mm_free(result->tokens);
    mm_free(result->truncated);
    mm_free(result->cached);
    mm_free(result->ids);
    mm_free(result->starts);
    mm_free(result->prompt);
    mm_generated_free(&result->generated);
    mm_buffer_free(&result->text);
    mm_free(result->text_ends);
    mm_free(result->model_name);
    mm_free(result->revision);
    mm_free(result->fingerprint);
    mm_free(result->id);
    mm_free(result);
}

mm_status mm_result_make_rows(mm_result *result, size_t dimension, mm_error *error) {
    size_t values;
    result->dimension = dimension;
    if (!mm_size_mul(&values, result->count, dimension))
        return mm_fail_memory(error, "the vectors");
    result->vectors = mm_array_realloc(NULL, values, sizeof(*result->vectors));
    result->tokens = mm_calloc(result->count, sizeof(*result->tokens));
    result->truncated = mm_calloc(result->count, sizeof(*result->truncated));
    result->cached = mm_calloc(result->count, sizeof(*result->cached));
    bool ok = result->vectors && result->tokens && result->truncated && result->cached;
    return ok ? MM_STATUS_OK : mm_fail_memory(error, "the vectors");
}

size_t mm_result_count(const mm_result *result) {
    return result->count;
}

size_t mm_result_dimension(const mm_result *result) {
    return result->dimension;
}

const float *mm_result_vectors(const mm_result *result) {
    return result->vectors;
}

size_t mm_result_tokens(const mm_result *result, size_t index) {
    return index < result->count ? (size_t)result->tokens[index] : 0;
}

bool mm_result_truncated(const mm_result *result, size_t index) {
    return index < result->count && result->truncated[index];
}

bool mm_result_cached(const mm_result *result, size_t index) {
    return index < result->count && result->cached && result->cached[index];
}

const int32_t *mm_result_ids(const mm_result *result, size_t index, size_t *count) {
    bool there = result->ids && index < result->count;
    *count = there ? result->starts[index + 1] - result->starts[index] : 0;
    return there ? result->ids + result->starts[index] : NULL;
}

size_t mm_result_sequences(const mm_result *result) {
    return result->generated.count;
}

const char *mm_result_generated_text(const mm_result *result, size_t index, size_t *length) {
    bool there = index < result->generated.count;
    size_t start = there && index > 0 ? result->text_ends[index - 1] : 0;
    if (length)
        *length = there ? result->text_ends[index] - start - 1 : 0;
    return there ? result->text.data + start : NULL;
}

const int32_t *mm_result_output_ids(const mm_result *result, size_t index, size_t *count) {
    const mm_generated *generated = &result->generated;
    bool there = index < generated->count;
    *count = there ? generated->starts[index + 1] - generated->starts[index] : 0;
    return there ? generated->ids + generated->starts[index] : NULL;
}

const char *mm_result_finish_reason(const mm_result *result, size_t index) {
    if (index >= result->generated.count)
        return NULL;
    return result->generated.stopped[index] ? "stop" : "length";
}

bool mm_result_score(float *out, const mm_result *result, size_t index) {
    bool there = result->generated.scores && index < result->generated.count;
    *out = there ? result->generated.scores[index] : 0;
    return there;
}

const char *mm_result_prompt(const mm_result *result) {
    return result->prompt;
}

const char *mm_result_device(const mm_result *result) {
    return result->device;
}

const char *mm_result_dtype(const mm_result *result) {
    return result->dtype;
}

const char *mm_result_fingerprint(const mm_result *result) {
    return result->fingerprint;
}

void mm_result_timing(const mm_result *result, mm_timing *out) {
    *out = result->timing;
}

bool mm_result_preloaded(const mm_result *result) {
    return result->preloaded;
}
