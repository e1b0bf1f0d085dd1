// SPDX-License-Identifier: Apache-2.0
#include "text/added_tokens.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void free_set(mm_added_set *set) {
    for (size_t i = 0; i < set->count; i++)
        mm_free(set->patterns[i].bytes);
    mm_free(set->patterns);
    *set = (mm_added_set){0};
}

void mm_added_tokens_free(mm_added_tokens *tokens) {
    for (size_t i = 0; i < tokens->count; i++) {
        mm_free(tokens->items[i].owned);
        mm_free(tokens->items[i].shown);
    }
    mm_free(tokens->items);
    mm_vocabulary_free(&tokens->ids);
    mm_free(tokens->by_id);
    free_set(&tokens->raw);
    free_set(&tokens->normalized);
    *tokens = (mm_added_tokens){0};
}

bool mm_added_tokens_find(const mm_added_tokens *tokens, const char *content, size_t length,
                          uint32_t *id) {
    uint32_t index;
    if (!mm_vocabulary_find(&tokens->ids, content, length, &index))
        return false;
    *id = tokens->items[index].id;
    return true;
}

static uint32_t free_id(const mm_added_tokens *tokens, const mm_vocabulary *vocabulary) {
    uint32_t size = (uint32_t)(vocabulary->count + vocabulary->repeated);
    if (tokens->count && (tokens->largest_id >= size || size == 0))
        return tokens->largest_id + 1;
    return size;
}

static bool same_flags(const mm_added_token *a, const mm_added_token *b) {
    return a->single_word == b->single_word && a->lstrip == b->lstrip && a->rstrip == b->rstrip &&
           a->normalized == b->normalized && a->special == b->special;
}

static mm_status append(mm_added_tokens *tokens, mm_added_token token, mm_error *error) {
    if (tokens->count == tokens->capacity) {
        size_t capacity = tokens->capacity * 2 + 8;
        mm_added_token *items = mm_array_realloc(tokens->items, capacity, sizeof(*items));
        if (!items)
            return mm_fail_memory(error, "added tokens");
        tokens->items = items;
        tokens->capacity = capacity;
    }
    char *content = mm_strndup(token.content, token.length);
    if (!content ||
        !mm_vocabulary_add(&tokens->ids, content, token.length, (uint32_t)tokens->count)) {
        mm_free(content);
        return mm_fail_memory(error, "added tokens");
    }
    token.content = token.owned = content;
    token.shown = NULL;
    tokens->items[tokens->count++] = token;
    if (token.id > tokens->largest_id)
        tokens->largest_id = token.id;
    return MM_STATUS_OK;
}

// Of several tokens of one content only one makes a pattern.
static void forget_patterns(mm_added_tokens *tokens, const mm_added_token *same) {
    for (size_t i = 0; i < tokens->count; i++) {
        mm_added_token *token = &tokens->items[i];
        if (token->length == same->length &&
            memcmp(token->content, same->content, same->length) == 0)
            token->is_matched = false;
    }
}

mm_status mm_added_tokens_add(mm_added_tokens *tokens, const mm_added_token *token,
                              const mm_vocabulary *vocabulary, mm_error *error) {
    if (token->length == 0)
        return MM_STATUS_OK;
    mm_added_token copy = *token;
    mm_added_token *known = NULL;
    uint32_t index;
    if (mm_vocabulary_find(&tokens->ids, token->content, token->length, &index))
        known = &tokens->items[index];
    if (known && same_flags(known, token))
        return MM_STATUS_OK;
    if (known)
        copy.id = known->id;
    else if (!mm_vocabulary_find(vocabulary, token->content, token->length, &copy.id))
        copy.id = free_id(tokens, vocabulary);
    copy.is_special = token->special || (known && known->is_special);
    copy.shows_normalized = token->normalized || (known && known->shows_normalized);
    copy.is_matched = true;
    if (known)
        forget_patterns(tokens, token);
    return append(tokens, copy, error);
}

bool mm_added_tokens_has(const mm_added_tokens *tokens, const char *content, size_t length) {
    uint32_t index;
    return mm_vocabulary_find(&tokens->ids, content, length, &index);
}

// The reference library goes by what it shows, so a special token whose normalized content is
// another text is not skipped.
bool mm_added_tokens_skips(const mm_added_tokens *tokens, const mm_added_token *token) {
    uint32_t index;
    return mm_vocabulary_find(&tokens->ids, token->shown, token->shown_length, &index) &&
           tokens->items[index].is_special;
}

static int compare_patterns(const void *left, const void *right) {
    const mm_added_pattern *a = left, *b = right;
    size_t common = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->bytes, b->bytes, common);
    if (order != 0)
        return order;
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return a->token < b->token ? -1 : a->token > b->token;
}

// Sorts, keeps the first of equal patterns and notes where each first byte begins.
static void index_set(mm_added_set *set) {
    qsort(set->patterns, set->count, sizeof(*set->patterns), compare_patterns);
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++) {
        mm_added_pattern *pattern = &set->patterns[i];
        mm_added_pattern *last = kept ? &set->patterns[kept - 1] : NULL;
        if (last && last->length == pattern->length &&
            memcmp(last->bytes, pattern->bytes, last->length) == 0)
            mm_free(pattern->bytes);
        else
            set->patterns[kept++] = *pattern;
    }
    set->count = kept;
    for (unsigned byte = 0, at = 0; byte <= 256; byte++) {
        while (at < kept && (unsigned char)set->patterns[at].bytes[0] < byte)
            at++;
        set->buckets[byte] = at;
    }
    set->only_first = -1;
    if (kept && set->patterns[0].bytes[0] == set->patterns[kept - 1].bytes[0])
        set->only_first = (unsigned char)set->patterns[0].bytes[0];
}

static mm_status show_all(mm_added_tokens *tokens, const mm_stage_list *normalizers,
                          mm_error *error) {
    mm_rewrite rewrite = {0};
    bool ok = true;
    for (size_t i = 0; i < tokens->count && ok; i++) {
        mm_added_token *token = &tokens->items[i];
        mm_rewrite_begin(&rewrite, token->content, token->length, 0, false);
        if (token->shows_normalized)
            mm_normalizer_run(normalizers, &rewrite);
        char *shown =
            rewrite.failed ? NULL : mm_strndup(rewrite.length ? rewrite.text : "", rewrite.length);
        ok = shown != NULL;
        if (ok) {
            mm_free(token->shown);
            token->shown = shown;
            token->shown_length = rewrite.length;
        }
    }
    mm_status status = ok ? MM_STATUS_OK : mm_rewrite_error(&rewrite, "added tokens", error);
    mm_rewrite_free(&rewrite);
    return status;
}

// Special tokens come first in the reference library's lists, which matters when two tokens have
// the same normalized content.
static mm_status make_set(mm_added_set *set, const mm_added_tokens *tokens, bool normalized,
                          mm_error *error) {
    if (tokens->count == 0)
        return MM_STATUS_OK;
    set->patterns = mm_calloc(tokens->count, sizeof(*set->patterns));
    if (!set->patterns)
        return mm_fail_memory(error, "added tokens");
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < tokens->count; i++) {
            const mm_added_token *token = &tokens->items[i];
            size_t length = normalized ? token->shown_length : token->length;
            if (!token->is_matched || token->normalized != normalized ||
                token->is_special != (pass == 0) || length == 0)
                continue;
            char *bytes = mm_strndup(normalized ? token->shown : token->content, length);
            if (!bytes)
                return mm_fail_memory(error, "added tokens");
            set->patterns[set->count++] =
                (mm_added_pattern){bytes, length, (pass == 0 ? 0 : tokens->count) + i};
        }
    }
    index_set(set);
    for (size_t i = 0; i < set->count; i++)
        set->patterns[i].token %= tokens->count;
    return MM_STATUS_OK;
}

static int compare_by_id(const void *left, const void *right, void *payload) {
    const mm_added_token *items = payload;
    const size_t *a = left, *b = right;
    if (items[*a].id != items[*b].id)
        return items[*a].id < items[*b].id ? -1 : 1;
    return *a < *b ? -1 : *a > *b;
}

mm_status mm_added_tokens_prepare(mm_added_tokens *tokens, const mm_stage_list *normalizers,
                                  mm_error *error) {
    free_set(&tokens->raw);
    free_set(&tokens->normalized);
    mm_free(tokens->by_id);
    tokens->by_id = mm_calloc(tokens->count, sizeof(*tokens->by_id));
    if (!tokens->by_id)
        return mm_fail_memory(error, "added tokens");
    for (size_t i = 0; i < tokens->count; i++)
        tokens->by_id[i] = i;
    if (tokens->count)
        qsort_r(tokens->by_id, tokens->count, sizeof(*tokens->by_id), compare_by_id, tokens->items);
    mm_status status = show_all(tokens, normalizers, error);
    if (!status)
        status = make_set(&tokens->raw, tokens, false, error);
    if (!status)
        status = make_set(&tokens->normalized, tokens, true, error);
    return status;
}

const mm_added_token *mm_added_tokens_by_id(const mm_added_tokens *tokens, uint32_t id) {
    size_t low = 0, high = tokens->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tokens->items[tokens->by_id[middle]].id <= id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || tokens->items[tokens->by_id[low - 1]].id != id)
        return NULL;
    return &tokens->items[tokens->by_id[low - 1]];
}

// The longest pattern that begins the text, or NULL: the sorted patterns are narrowed byte by byte.
static const mm_added_pattern *longest(const mm_added_set *set, const char *text, size_t length) {
    unsigned char first = (unsigned char)text[0];
    size_t low = set->buckets[first], high = set->buckets[first + 1], depth = 1;
    const mm_added_pattern *best = NULL;
    while (low < high) {
        if (set->patterns[low].length == depth)
            best = &set->patterns[low++];
        if (depth == length)
            break;
        unsigned char byte = (unsigned char)text[depth];
        size_t bound = high;
        while (low < bound) { // the first that has at least this byte there
            size_t middle = low + (bound - low) / 2;
            if ((unsigned char)set->patterns[middle].bytes[depth] < byte)
                low = middle + 1;
            else
                bound = middle;
        }
        bound = low;
        while (bound < high) { // the first that has more
            size_t middle = bound + (high - bound) / 2;
            if ((unsigned char)set->patterns[middle].bytes[depth] <= byte)
                bound = middle + 1;
            else
                high = middle;
        }
        depth++;
    }
    return best;
}

static bool word_at(const char *text, size_t at, size_t length, bool before) {
    if (before ? at == 0 : at == length)
        return false;
    return mm_unicode_is_word(before ? mm_unicode_previous(text, &at) : mm_unicode_next(text, &at));
}

// Applies the flags of the token whose pattern was found; false when it does not count.
static bool accept(mm_added_cutter *cutter, const mm_added_token *token, size_t start, size_t end) {
    const char *text = cutter->text;
    if (token->single_word &&
        (word_at(text, start, cutter->length, true) || word_at(text, end, cutter->length, false)))
        return false;
    while (token->lstrip && start > cutter->done) {
        size_t before = start;
        if (!mm_unicode_is_space(mm_unicode_previous(text, &before)))
            break;
        start = before;
    }
    if (token->lstrip && start < cutter->done) // the token before may have swallowed blanks of ours
        start = cutter->done;
    while (token->rstrip && end < cutter->length) {
        size_t after = end;
        if (!mm_unicode_is_space(mm_unicode_next(text, &after)))
            break;
        end = after;
    }
    cutter->pending = token;
    cutter->pending_start = start;
    cutter->pending_end = end;
    return true;
}

static const char *candidate(const mm_added_set *set, const char *from, const char *end) {
    if (set->only_first >= 0)
        return memchr(from, set->only_first, (size_t)(end - from));
    while (from < end &&
           set->buckets[(unsigned char)*from] == set->buckets[(unsigned char)*from + 1])
        from++;
    return from < end ? from : NULL;
}

static bool find_next(mm_added_cutter *cutter) {
    const char *end = cutter->text + cutter->length;
    while (cutter->set->count && cutter->at < cutter->length) {
        const char *from = candidate(cutter->set, cutter->text + cutter->at, end);
        if (!from)
            break;
        const mm_added_pattern *found = longest(cutter->set, from, (size_t)(end - from));
        size_t start = (size_t)(from - cutter->text);
        cutter->at = start + (found ? found->length : 1);
        if (!found)
            continue;
        const mm_added_token *token = &cutter->tokens->items[found->token];
        // The flags that count are those of the last token that has this id.
        token = mm_added_tokens_by_id(cutter->tokens, token->id);
        if (accept(cutter, token, start, start + found->length))
            return true;
    }
    return false;
}

bool mm_added_next(mm_added_cutter *cutter, mm_added_part *part) {
    if (!cutter->pending && cutter->done < cutter->length && !find_next(cutter)) {
        *part = (mm_added_part){NULL, cutter->done, cutter->length};
        cutter->done = cutter->length;
        return true;
    }
    if (!cutter->pending)
        return false;
    if (cutter->done < cutter->pending_start) {
        *part = (mm_added_part){NULL, cutter->done, cutter->pending_start};
        cutter->done = cutter->pending_start;
        return true;
    }
    *part = (mm_added_part){cutter->pending, cutter->pending_start, cutter->pending_end};
    cutter->done = cutter->pending_end;
    cutter->pending = NULL;
    return true;
}
