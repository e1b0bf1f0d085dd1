// SPDX-License-Identifier: Apache-2.0
#include "manager/recall.h"

#include "base/memory.h"
#include "manager/state.h"

#include <string.h>

static mm_status make_keys(mm_recall *recall, const char *fingerprint, const mm_request *request,
                           mm_error *error) {
    mm_cache_keys maker;
    mm_status status = mm_cache_keys_start(&maker, fingerprint, request, error);
    for (size_t i = 0; i < recall->count && !status; i++) {
        if (!mm_cache_keys_make(&recall->keys[i], &maker, request, i))
            status = mm_fail(error, MM_STATUS_INTERNAL, "libcrypto refuses to compute a SHA-256");
    }
    mm_cache_keys_end(&maker);
    return status;
}

mm_status mm_recall_create(mm_recall *out, mm_embedding_cache *cache, const char *fingerprint,
                           const mm_request *request, mm_error *error) {
    const size_t count = request->list_count > 0 ? request->list_count : request->text_count;
    *out = (mm_recall){.cache = cache};
    out->states = mm_calloc(count, sizeof(*out->states));
    if (cache) {
        out->keys = mm_calloc(count, sizeof(*out->keys));
        out->waiters = mm_calloc(count, sizeof(*out->waiters));
    }
    if (!out->states || (cache && (!out->keys || !out->waiters)))
        return mm_fail_memory(error, "a job");
    out->count = count;
    for (size_t i = 0; i < count && !cache; i++)
        out->states[i] = MM_RECALL_ALONE;
    return cache && count > 0 ? make_keys(out, fingerprint, request, error) : MM_STATUS_OK;
}

mm_embedding_cache *mm_recall_cache_for(const mm_job *job) {
    bool wanted = mm_request_boolean(job->request, MM_PARAM_USE_CACHE, true) &&
                  !mm_request_boolean(job->request, MM_PARAM_RETURN_IDS, false);
    return wanted ? job->manager->cache : NULL;
}

void mm_recall_free(mm_recall *recall) {
    mm_free(recall->keys);
    mm_free(recall->waiters);
    mm_free(recall->states);
    *recall = (mm_recall){0};
}

static mm_cached_vector row_of(mm_result *result, size_t index) {
    return (mm_cached_vector){.values = result->vectors + index * result->dimension,
                              .dimension = result->dimension};
}

static void keep_job(void *owner) {
    mm_job_retain(owner);
}

// Interactive work does not wait for a turn of bulk work: what computes its text is in haste now.
static void hasten(const mm_job *job, mm_job *owner) {
    mm_mutex_lock(&job->manager->lock);
    if (!job->is_bulk && owner->deployment)
        mm_queue_lift(&owner->deployment->queue, owner);
    mm_mutex_unlock(&job->manager->lock);
    mm_job_release(owner);
}

static void wake(mm_manager *manager, mm_cache_waiter *waiters) {
    if (!waiters)
        return;
    mm_mutex_lock(&manager->lock);
    mm_jobs_wake_locked(waiters);
    mm_mutex_unlock(&manager->lock);
}

// Claims text `index`, unless the disk has it: then those who came meanwhile may have it too.
static mm_cache_answer ask_one(mm_recall *recall, mm_job *job, size_t index,
                               mm_cached_vector *row) {
    const int64_t now = mm_manager_now(job->manager);
    const mm_cache_key *key = &recall->keys[index];
    mm_cache_waiter *waiter = &recall->waiters[index], *others = NULL;
    *waiter = (mm_cache_waiter){.payload = job, .keep = keep_job};
    mm_job_retain(job); // the waiter's
    mm_cache_answer answer = mm_embedding_cache_claim(recall->cache, key, row, waiter, now);
    if (answer != MM_CACHE_PENDING)
        mm_job_release(job); // no waiter
    if (answer == MM_CACHE_CLAIMED &&
        mm_embedding_cache_restore(recall->cache, key, row, &others, now)) {
        wake(job->manager, others);
        answer = MM_CACHE_HIT;
    }
    return answer;
}

size_t mm_recall_ask(mm_recall *recall, mm_job *job) {
    mm_result *result = job->result;
    size_t awaited = 0;
    for (size_t i = 0; i < recall->count; i++) {
        if (recall->states[i] != MM_RECALL_UNKNOWN)
            continue;
        mm_cached_vector row = row_of(result, i);
        switch (ask_one(recall, job, i, &row)) {
        case MM_CACHE_PENDING:
            hasten(job, recall->waiters[i].owner);
            awaited++;
            break;
        case MM_CACHE_HIT:
            result->tokens[i] = row.tokens;
            result->truncated[i] = row.truncated;
            result->cached[i] = true;
            recall->states[i] = MM_RECALL_DONE;
            break;
        case MM_CACHE_CLAIMED:
            recall->states[i] = MM_RECALL_MINE;
            break;
        case MM_CACHE_FULL:
            recall->states[i] = MM_RECALL_ALONE;
            break;
        }
    }
    if (awaited > 0)
        mm_job_await(job, (long)awaited);
    return awaited;
}

size_t mm_recall_own(const mm_recall *recall, size_t *indices) {
    size_t count = 0;
    for (size_t i = 0; i < recall->count; i++) {
        if (recall->states[i] == MM_RECALL_MINE || recall->states[i] == MM_RECALL_ALONE)
            indices[count++] = i;
    }
    return count;
}

void mm_recall_publish(mm_recall *recall, const mm_job *job, size_t index) {
    mm_result *result = job->result;
    bool is_mine = recall->states[index] == MM_RECALL_MINE;
    recall->states[index] = MM_RECALL_DONE;
    if (!is_mine)
        return;
    mm_cached_vector row = row_of(result, index);
    row.tokens = result->tokens[index];
    row.truncated = result->truncated[index];
    row.prompt = result->prompt;
    mm_cache_waiter *waiters = mm_embedding_cache_publish(recall->cache, &recall->keys[index], &row,
                                                          mm_manager_now(job->manager));
    if (!waiters)
        return;
    mm_mutex_lock(&job->manager->lock);
    mm_jobs_wake_locked(waiters);
    mm_mutex_unlock(&job->manager->lock);
}

void mm_recall_abandon_locked(mm_recall *recall) {
    for (size_t i = 0; i < recall->count; i++) {
        if (recall->states[i] != MM_RECALL_MINE)
            continue;
        recall->states[i] = MM_RECALL_ALONE;
        mm_jobs_wake_locked(mm_embedding_cache_abandon(recall->cache, &recall->keys[i]));
    }
}

// ---- Whole answers -----------------------------------------------------------------------------

static void drop_rows(mm_result *result) {
    mm_free(result->vectors);
    mm_free(result->tokens);
    mm_free(result->truncated);
    mm_free(result->cached);
    mm_free(result->prompt);
    result->vectors = NULL;
    result->tokens = NULL;
    result->truncated = result->cached = NULL;
    result->prompt = NULL;
    result->count = 0;
}

static bool get_all(mm_result *result, mm_embedding_cache *cache, mm_cache_keys *maker,
                    const mm_request *request, int64_t now) {
    for (size_t i = 0; i < result->count; i++) {
        mm_cache_key key;
        mm_cached_vector row = row_of(result, i);
        if (!mm_cache_keys_make(&key, maker, request, i) ||
            !mm_embedding_cache_get(cache, &key, &row, now))
            return false;
        result->tokens[i] = row.tokens;
        result->truncated[i] = row.truncated;
        result->cached[i] = true;
    }
    return true;
}

bool mm_recall_answer(mm_job *job) {
    mm_embedding_cache *cache = mm_recall_cache_for(job);
    const mm_request *request = job->request;
    mm_result *result = job->result;
    const size_t count = request->list_count > 0 ? request->list_count : request->text_count;
    if (!cache || count == 0)
        return false;
    mm_cache_keys maker;
    mm_cache_key first;
    int64_t now = mm_manager_now(job->manager);
    bool done = mm_cache_keys_start(&maker, result->fingerprint, request, NULL) == MM_STATUS_OK &&
                mm_cache_keys_make(&first, &maker, request, 0);
    size_t dimension = done ? mm_embedding_cache_look(cache, &first, &result->prompt, now) : 0;
    result->count = count;
    done = dimension > 0 && mm_result_make_rows(result, dimension, NULL) == MM_STATUS_OK &&
           get_all(result, cache, &maker, request, now);
    mm_cache_keys_end(&maker);
    if (!done)
        drop_rows(result);
    return done;
}
