// SPDX-License-Identifier: Apache-2.0
// transformers generation/logits_process.py, in the order of GenerationMixin._get_logits_processor.
#include "tasks/logits_processors.h"

#include <float.h>
#include <math.h>
#include <string.h>

static bool list_has(const mm_id_list *list, int32_t id) {
    for (size_t i = 0; i < list->count; i++) {
        if (list->ids[i] == id)
            return true;
    }
    return false;
}

bool mm_ends_text(const mm_generation_settings *settings, int32_t id) {
    return list_has(&settings->eos_token_id, id);
}

// SequenceBiasLogitsProcessor; a bad word is a bias of minus infinity.
static void bias_sequences(float *scores, const mm_score_context *c,
                           const mm_biased_sequences *sequences, bool forbid) {
    size_t start = 0;
    for (size_t i = 0; i < sequences->count; start = sequences->ends[i++]) {
        const int32_t *ids = sequences->ids + start;
        const size_t before = sequences->ends[i] - start - 1; // ids that must stand there already
        // An end token alone is no bad word.
        if (forbid && before == 0 && mm_ends_text(c->settings, ids[0]))
            continue;
        if (before > c->count || memcmp(ids, c->ids + c->count - before, before * sizeof *ids) != 0)
            continue;
        scores[ids[before]] += forbid ? -INFINITY : (float)sequences->biases[i];
    }
}

// Each of the ids once, however often it stands there.
static void penalize(float *scores, const mm_score_context *c, const int32_t *ids, size_t count,
                     float penalty) {
    for (size_t i = 0; i < count; i++) {
        if (c->seen[ids[i]])
            continue;
        c->seen[ids[i]] = true;
        float *score = &scores[ids[i]];
        *score = *score < 0 ? *score * penalty : *score / penalty;
    }
    for (size_t i = 0; i < count; i++)
        c->seen[ids[i]] = false;
}

// Bans what would complete an n-gram of `text` after the last n - 1 ids of the hypothesis.
static void ban_ngrams(float *scores, const mm_score_context *c, const int32_t *text,
                       size_t text_count, size_t n) {
    if (c->count + 1 < n)
        return;
    const int32_t *last = c->ids + c->count - (n - 1);
    for (size_t i = 0; i + n <= text_count; i++) {
        if (memcmp(text + i, last, (n - 1) * sizeof *last) == 0)
            scores[text[i + n - 1]] = -INFINITY;
    }
}

static void ban(float *scores, const mm_id_list *list) {
    for (size_t i = 0; i < list->count; i++)
        scores[list->ids[i]] = -INFINITY;
}

static void force(float *scores, const mm_score_context *c, const int32_t *ids, size_t count) {
    for (size_t i = 0; i < c->vocab_size; i++)
        scores[i] = -INFINITY;
    for (size_t i = 0; i < count; i++)
        scores[ids[i]] = 0;
}

// InfNanRemoveLogitsProcessor; a NaN never gets here.
static void make_finite(float *scores, size_t count) {
    for (size_t i = 0; i < count; i++)
        scores[i] = fmaxf(-FLT_MAX, fminf(FLT_MAX, scores[i]));
}

static void decay(float *scores, const mm_score_context *c) {
    const mm_generation_settings *s = c->settings;
    const int64_t over = (int64_t)c->count - (s->decay_start + 1);
    if (s->decay_start == MM_NOT_SET || over <= 0)
        return;
    const double factor = pow(s->decay_factor, (double)over) - 1;
    for (size_t i = 0; i < s->eos_token_id.count; i++) {
        float *score = &scores[s->eos_token_id.ids[i]];
        if (isfinite(*score))
            *score += fabsf(*score) * (float)factor;
    }
}

void mm_process_scores(float *scores, const mm_score_context *context) {
    const mm_score_context *c = context;
    const mm_generation_settings *s = c->settings;
    const int64_t length = (int64_t)c->count;
    bias_sequences(scores, c, &s->sequence_bias, false);
    if (s->encoder_repetition_penalty != 1.0)
        penalize(scores, c, c->source, c->source_count,
                 (float)(1.0 / s->encoder_repetition_penalty));
    if (s->repetition_penalty != 1.0)
        penalize(scores, c, c->ids, c->count, (float)s->repetition_penalty);
    if (s->no_repeat_ngram_size > 0)
        ban_ngrams(scores, c, c->ids, c->count, (size_t)s->no_repeat_ngram_size);
    if (s->encoder_no_repeat_ngram_size > 0)
        ban_ngrams(scores, c, c->source, c->source_count, (size_t)s->encoder_no_repeat_ngram_size);
    bias_sequences(scores, c, &s->bad_words, true);
    if (length < s->min_length)
        ban(scores, &s->eos_token_id);
    if (s->forced_bos_token_id != MM_NOT_SET && length == 1)
        force(scores, c, &(int32_t){(int32_t)s->forced_bos_token_id}, 1);
    if (s->forced_eos_token_id.count > 0 && length == s->max_length - 1)
        force(scores, c, s->forced_eos_token_id.ids, s->forced_eos_token_id.count);
    if (s->remove_invalid_values)
        make_finite(scores, c->vocab_size);
    decay(scores, c);
    ban(scores, &s->suppress_tokens);
    if (length == (s->forced_bos_token_id == MM_NOT_SET ? 1 : 2))
        ban(scores, &s->begin_suppress_tokens);
}
