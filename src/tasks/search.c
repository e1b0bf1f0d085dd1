// SPDX-License-Identifier: Apache-2.0
// transformers generation/utils.py, GenerationMixin._sample without sampling and _beam_search. The
// latter's arithmetic is kept as it is, float32 and sums with -1e9 included, so that the same
// hypotheses win.
#include "tasks/search.h"

#include "base/memory.h"
#include "tasks/logits_processors.h"

#include <math.h>
#include <string.h>

static const float pushed_down = -1e9f;
enum { SCORES_MAX = 2048 }; // finished ones and candidates of a step

// ---- Memory ------------------------------------------------------------------------------------

static void place(mm_hypothesis *list, const mm_search *search, int32_t **cursor) {
    for (int32_t i = 0; i < search->beams; i++) {
        list[i].ids = *cursor;
        list[i].rows = *cursor + search->settings->max_length;
        *cursor += 2 * search->settings->max_length;
    }
}

mm_status mm_search_scratch_create(mm_search_scratch *out, size_t vocab_size, mm_error *error) {
    *out = (mm_search_scratch){.vocab_size = vocab_size};
    out->seen = mm_calloc(vocab_size, sizeof *out->seen);
    return out->seen ? MM_STATUS_OK : mm_fail_memory(error, "a search");
}

void mm_search_scratch_free(mm_search_scratch *scratch) {
    mm_free(scratch->seen);
    *scratch = (mm_search_scratch){0};
}

mm_status mm_search_init(mm_search *out, mm_search_scratch *scratch,
                         const mm_generation_settings *settings, const int32_t *source,
                         size_t source_count, mm_error *error) {
    const size_t vocab_size = scratch->vocab_size;
    *out = (mm_search){.settings = settings,
                       .source = source,
                       .source_count = source_count,
                       .scratch = scratch,
                       .vocab_size = vocab_size,
                       .beams = (int32_t)settings->num_beams,
                       .can_improve = true};
    const size_t beams = (size_t)out->beams, ends = settings->eos_token_id.count;
    const size_t kept = (ends > 1 ? 1 + ends : 2) * beams;
    if (beams + kept > SCORES_MAX)
        return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                       "num_beams is %zu; with %zu end tokens that are too many", beams, ends);
    out->candidates_kept = (int32_t)(kept < beams * vocab_size ? kept : beams * vocab_size);
    size_t ids;
    out->hypotheses = out->running = mm_calloc(3 * beams, sizeof *out->running);
    out->candidates = mm_calloc(kept, sizeof *out->candidates);
    if (mm_size_mul(&ids, 6 * beams, (size_t)settings->max_length))
        out->memory = mm_calloc(ids, sizeof *out->memory);
    if (!out->running || !out->candidates || !out->memory) {
        mm_search_free(out);
        return mm_fail_memory(error, "a search");
    }
    out->finished = out->running + beams;
    out->spare = out->finished + beams;
    int32_t *cursor = out->memory;
    place(out->running, out, &cursor);
    place(out->finished, out, &cursor);
    place(out->spare, out, &cursor);
    out->length = 1;
    for (size_t i = 0; i < beams; i++) {
        out->running[i].ids[0] = out->finished[i].ids[0] =
            (int32_t)settings->decoder_start_token_id;
        out->running[i].length = out->finished[i].length = 1;
        out->running[i].score = i == 0 ? 0 : pushed_down;
        out->finished[i].score = pushed_down;
    }
    return MM_STATUS_OK;
}

void mm_search_free(mm_search *search) {
    mm_free(search->hypotheses);
    mm_free(search->candidates);
    mm_free(search->memory);
    *search = (mm_search){0};
}

int32_t mm_search_width(const mm_search *search) {
    return search->done ? 0 : search->beams;
}

static void process(const mm_search *search, const mm_hypothesis *hypothesis, float *scores) {
    const mm_score_context context = {
        .settings = search->settings,
        .source = search->source,
        .source_count = search->source_count,
        .ids = hypothesis->ids,
        .count = (size_t)search->length,
        .vocab_size = search->vocab_size,
        .seen = search->scratch->seen,
    };
    mm_process_scores(scores, &context);
}

static bool fills_up(const mm_search *search) {
    return search->length + 1 >= search->settings->max_length;
}

// ---- Greedy ------------------------------------------------------------------------------------

static void advance_greedy(mm_search *search, float *logits) {
    mm_hypothesis *only = &search->running[0];
    process(search, only, logits);
    size_t best = 0;
    for (size_t i = 1; i < search->vocab_size; i++)
        best = logits[i] > logits[best] ? i : best;
    only->ids[search->length] = (int32_t)best;
    only->stopped = mm_ends_text(search->settings, (int32_t)best);
    search->done = only->stopped || fills_up(search);
    only->length = ++search->length;
    if (search->done) {
        search->finished[0] = *only;
        search->finished[0].ended = true;
    }
}

// ---- Beams -------------------------------------------------------------------------------------

static void log_softmax(float *scores, size_t count) {
    float largest = -INFINITY;
    for (size_t i = 0; i < count; i++)
        largest = scores[i] > largest ? scores[i] : largest;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += exp((double)(scores[i] - largest));
    const double total = log(sum);
    for (size_t i = 0; i < count; i++)
        scores[i] = (float)((double)scores[i] - (double)largest - total);
}

// The best continuations of all beams, best first; of equal ones the earlier.
static int32_t collect(mm_search *search, const float *scores) {
    mm_candidate *list = search->candidates;
    const int32_t most = search->candidates_kept;
    int32_t count = 0;
    for (int32_t beam = 0; beam < search->beams; beam++) {
        const float *row = scores + (size_t)beam * search->vocab_size;
        for (size_t id = 0; id < search->vocab_size; id++) {
            if (count == most && !(row[id] > list[most - 1].score))
                continue;
            int32_t at = count < most ? count++ : most - 1;
            for (; at > 0 && row[id] > list[at - 1].score; at--)
                list[at] = list[at - 1];
            list[at] = (mm_candidate){.score = row[id], .beam = beam, .id = (int32_t)id};
        }
    }
    for (int32_t i = 0; i < count; i++) {
        list[i].stops = mm_ends_text(search->settings, list[i].id);
        list[i].ends = list[i].stops || fills_up(search);
    }
    return count;
}

static void extend(mm_hypothesis *out, const mm_search *search, const mm_candidate *candidate,
                   float score) {
    const mm_hypothesis *from = &search->running[candidate->beam];
    const size_t bytes = (size_t)search->length * sizeof *from->ids;
    memcpy(out->ids, from->ids, bytes);
    memcpy(out->rows, from->rows, bytes);
    out->ids[search->length] = candidate->id;
    out->length = search->length + 1;
    out->score = score;
    out->stopped = candidate->stops;
}

static void exchange(mm_hypothesis **a, mm_hypothesis **b) {
    mm_hypothesis *held = *a;
    *a = *b;
    *b = held;
}

// The best among `count` scores that are not taken yet, the earlier of equal ones.
static int32_t take_best(float *scores, bool *taken, int32_t count) {
    int32_t best = -1;
    for (int32_t i = 0; i < count; i++) {
        if (!taken[i] && (best < 0 || scores[i] > scores[best]))
            best = i;
    }
    taken[best] = true;
    return best;
}

// Merges what just ended with what ended before (_update_finished_beams).
static void update_finished(mm_search *search, int32_t count) {
    const mm_generation_settings *s = search->settings;
    const int32_t beams = search->beams;
    float scores[SCORES_MAX];
    bool taken[SCORES_MAX] = {false};
    bool full = s->early_stopping == MM_STOP_EARLY;
    for (int32_t i = 0; i < beams; i++) {
        full = full && search->finished[i].ended;
        scores[i] = search->finished[i].score;
    }
    const float divisor = (float)pow((double)search->length, s->length_penalty);
    for (int32_t i = 0; i < count; i++) {
        const bool counts = search->candidates[i].ends && i < beams;
        float score = search->candidates[i].score / divisor;
        score += full ? pushed_down : 0;
        score += search->can_improve ? 0 : pushed_down;
        score += counts ? 0 : pushed_down;
        scores[beams + i] = score;
    }
    for (int32_t i = 0; i < beams; i++) {
        const int32_t best = take_best(scores, taken, beams + count);
        mm_hypothesis *out = &search->spare[i];
        if (best < beams) {
            const mm_hypothesis *kept = &search->finished[best];
            memcpy(out->ids, kept->ids, (size_t)kept->length * sizeof *kept->ids);
            out->length = kept->length;
            out->score = kept->score;
            out->ended = kept->ended;
            out->stopped = kept->stopped;
        } else {
            extend(out, search, &search->candidates[best - beams], scores[best]);
            out->ended = search->candidates[best - beams].ends && best - beams < beams;
        }
    }
    exchange(&search->finished, &search->spare);
}

static void update_running(mm_search *search, int32_t count) {
    float scores[SCORES_MAX];
    bool taken[SCORES_MAX] = {false};
    for (int32_t i = 0; i < count; i++)
        scores[i] = search->candidates[i].score + (search->candidates[i].ends ? pushed_down : 0);
    for (int32_t i = 0; i < search->beams; i++) {
        const int32_t best = take_best(scores, taken, count);
        extend(&search->spare[i], search, &search->candidates[best], scores[best]);
    }
    exchange(&search->running, &search->spare);
}

// Whether running beams could still beat a finished one (_check_early_stop_heuristic).
static bool can_improve(const mm_search *search) {
    const mm_generation_settings *s = search->settings;
    const bool never = s->early_stopping == MM_STOP_NEVER && s->length_penalty > 0;
    const double length = (double)(never ? s->max_length : search->length) - 1;
    const float best = search->running[0].score / (float)pow(length, s->length_penalty);
    float worst = search->finished[0].score;
    bool all_ended = true;
    for (int32_t i = 0; i < search->beams; i++) {
        worst = fminf(worst, search->finished[i].score);
        all_ended = all_ended && search->finished[i].ended;
    }
    return best > (all_ended ? worst : pushed_down);
}

static bool is_over(const mm_search *search, int32_t count) {
    bool all_ended = search->settings->early_stopping == MM_STOP_EARLY, all_end = true;
    for (int32_t i = 0; i < search->beams; i++)
        all_ended = all_ended && search->finished[i].ended;
    for (int32_t i = 0; i < count; i++)
        all_end = all_end && search->candidates[i].ends;
    return !search->can_improve || all_ended || all_end;
}

static void advance_beams(mm_search *search, float *logits) {
    for (int32_t i = 0; i < search->beams; i++) {
        float *scores = logits + (size_t)i * search->vocab_size;
        log_softmax(scores, search->vocab_size);
        process(search, &search->running[i], scores);
        for (size_t id = 0; id < search->vocab_size; id++)
            scores[id] += search->running[i].score;
    }
    const int32_t count = collect(search, logits);
    update_finished(search, count); // the candidates refer to the hypotheses still running
    update_running(search, count);
    search->length++;
    search->can_improve = search->can_improve && can_improve(search);
    search->done = is_over(search, count);
}

mm_status mm_search_advance(mm_search *search, float *logits, mm_error *error) {
    (void)error;
    if (search->beams == 1)
        advance_greedy(search, logits);
    else
        advance_beams(search, logits);
    return MM_STATUS_OK;
}

const mm_hypothesis *mm_search_result(const mm_search *search, int32_t i) {
    return &search->finished[i];
}
