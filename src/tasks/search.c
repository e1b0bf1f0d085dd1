// SPDX-License-Identifier: Apache-2.0
// transformers generation/utils.py, GenerationMixin._sample and _beam_search. The latter's
// arithmetic is kept as it is, float32 and sums with -1e9 included, so that the same hypotheses
// win. What is drawn is drawn with our own numbers: torch's cannot be had without torch.
#include "tasks/search.h"

#include "base/memory.h"
#include "tasks/logits_processors.h"
#include "tasks/random.h"

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

mm_status mm_search_scratch_create(mm_search_scratch *out, const mm_tokenizer *tokenizer,
                                   size_t vocab_size, mm_error *error) {
    *out = (mm_search_scratch){.vocab_size = vocab_size, .tokenizer = tokenizer};
    out->seen = mm_calloc(vocab_size, sizeof *out->seen);
    return out->seen ? MM_STATUS_OK : mm_fail_memory(error, "a search");
}

size_t mm_search_scratch_bytes(size_t vocab_size) {
    return vocab_size * (sizeof(bool) + sizeof(mm_choice) + sizeof(float));
}

void mm_search_scratch_free(mm_search_scratch *scratch) {
    mm_free(scratch->seen);
    mm_free(scratch->choices);
    mm_free(scratch->heap);
    mm_stop_reader_free(&scratch->reader);
    *scratch = (mm_search_scratch){0};
}

static mm_status reserve_choices(mm_search_scratch *scratch, mm_error *error) {
    if (!scratch->choices)
        scratch->choices = mm_calloc(scratch->vocab_size, sizeof *scratch->choices);
    if (!scratch->heap)
        scratch->heap = mm_calloc(scratch->vocab_size, sizeof *scratch->heap);
    return scratch->choices && scratch->heap ? MM_STATUS_OK : mm_fail_memory(error, "sampling");
}

// Candidates of a step that are looked at: so many that beams are left when all others end.
static size_t candidates_for(const mm_generation_settings *settings) {
    const size_t ends = settings->eos_token_id.count;
    return (ends > 1 ? 1 + ends : 2) * (size_t)settings->num_beams;
}

size_t mm_search_bytes(const mm_generation_settings *settings) {
    const size_t beams = (size_t)settings->num_beams;
    size_t ids, bytes;
    return mm_size_mul(&ids, 6 * beams * sizeof(int32_t), (size_t)settings->max_length) &&
                   mm_size_add(&bytes, ids,
                               sizeof(mm_search) + 3 * beams * sizeof(mm_hypothesis) +
                                   candidates_for(settings) * sizeof(mm_candidate))
               ? bytes
               : SIZE_MAX;
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
    const size_t kept = candidates_for(settings);
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
    mm_status status = settings->do_sample ? reserve_choices(scratch, error) : MM_STATUS_OK;
    if (!status && settings->stop.count > 0 && !scratch->reader.ids)
        status = mm_stop_reader_create(&scratch->reader, scratch->tokenizer, error);
    if (status) {
        mm_search_free(out);
        return status;
    }
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

bool mm_search_wants_log_softmax(const mm_search *search) {
    return search->beams > 1;
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

// Whether the ids say a stop text now that `id` is behind those of the hypothesis.
static mm_status says_stop(bool *out, const mm_search *search, const mm_hypothesis *hypothesis,
                           int32_t id, mm_error *error) {
    *out = false;
    if (search->settings->stop.count == 0)
        return MM_STATUS_OK;
    hypothesis->ids[search->length] = id; // behind the end, so nobody's yet
    return mm_stop_texts_reached(out, &search->scratch->reader, &search->settings->stop,
                                 hypothesis->ids + 1, (size_t)search->length, error);
}

// Where chance is taken from: one number for each beam and id of a step.
static double chance(const mm_search *search, int32_t beam, int32_t id) {
    const uint32_t counter[4] = {(uint32_t)id, (uint32_t)search->length, search->sequence,
                                 (uint32_t)beam};
    return mm_random_uniform(search->seed, counter);
}

static mm_status nothing_left(mm_error *error) {
    return mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                   "the parameters leave no token to choose from: every one is suppressed, or "
                   "repeats what may not be repeated");
}

// ---- One hypothesis ----------------------------------------------------------------------------

static int32_t largest(const float *scores, size_t count) {
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        best = scores[i] > scores[best] ? i : best;
    return (int32_t)best;
}

static mm_status advance_one(mm_search *search, float *logits, mm_error *error) {
    mm_hypothesis *only = &search->running[0];
    int32_t id;
    process(search, only, logits);
    if (search->settings->do_sample) {
        mm_search_scratch *scratch = search->scratch;
        const size_t count = mm_sampling_warp(scratch->choices, logits, scratch->heap,
                                              search->vocab_size, search->settings);
        if (count == 0)
            return nothing_left(error);
        id = mm_sampling_draw(scratch->choices, count, chance(search, 0, 0));
    } else {
        id = largest(logits, search->vocab_size);
    }
    mm_status status = says_stop(&only->stopped, search, only, id, error);
    if (status)
        return status;
    only->ids[search->length] = id;
    only->stopped = only->stopped || mm_ends_text(search->settings, id);
    search->done = only->stopped || fills_up(search);
    only->length = ++search->length;
    if (search->done) {
        search->finished[0] = *only;
        search->finished[0].ended = true;
    }
    return MM_STATUS_OK;
}

// ---- Beams -------------------------------------------------------------------------------------

// The log-probabilities of what processors have left.
static void renormalize(float *scores, size_t count) {
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

// Keeps the candidates with the largest keys, largest first; of equal ones the earlier.
static void offer(mm_search *search, int32_t *count, const mm_candidate *candidate) {
    mm_candidate *list = search->candidates;
    const int32_t most = search->candidates_kept;
    if (*count == most && !(candidate->key > list[most - 1].key))
        return;
    int32_t at = *count < most ? (*count)++ : most - 1;
    for (; at > 0 && candidate->key > list[at - 1].key; at--)
        list[at] = list[at - 1];
    list[at] = *candidate;
}

enum { BLOCK = 64 };

// Whether any of so many is above `least`; hardly ever, once there are candidates.
static bool any_above(const float row[BLOCK], float before, float least) {
    int found = 0;
    for (int i = 0; i < BLOCK; i++)
        found |= row[i] + before > least;
    return found != 0;
}

// The best continuations of all beams.
static int32_t collect(mm_search *search, const float *scores) {
    const mm_candidate *last = &search->candidates[search->candidates_kept - 1];
    const size_t vocab_size = search->vocab_size;
    int32_t count = 0;
    for (int32_t beam = 0; beam < search->beams; beam++) {
        const float *row = scores + (size_t)beam * vocab_size;
        const float before = search->running[beam].score;
        for (size_t id = 0; id < vocab_size;) {
            if (count == search->candidates_kept && id + BLOCK <= vocab_size &&
                !any_above(row + id, before, last->score)) {
                id += BLOCK;
                continue;
            }
            for (size_t end = id + BLOCK; id < end && id < vocab_size; id++) {
                const float score = row[id] + before;
                if (count < search->candidates_kept || score > last->score)
                    offer(search, &count,
                          &(mm_candidate){
                              .score = score, .key = score, .beam = beam, .id = (int32_t)id});
            }
        }
    }
    return count;
}

static void sort_by_score(mm_candidate *list, int32_t count) {
    for (int32_t i = 1; i < count; i++) {
        const mm_candidate held = list[i];
        int32_t at = i;
        for (; at > 0 && held.score > list[at - 1].score; at--)
            list[at] = list[at - 1];
        list[at] = held;
    }
}

// Drawn without replacement from the softmax of all scores: those that are largest after each got a
// Gumbel-distributed number added (Kool, van Hoof and Welling, "Stochastic beams and where to find
// them", ICML 2019).
static int32_t draw(mm_search *search, float *scores) {
    mm_search_scratch *scratch = search->scratch;
    int32_t count = 0;
    for (int32_t beam = 0; beam < search->beams; beam++) {
        const float before = search->running[beam].score;
        const size_t choices =
            mm_sampling_warp(scratch->choices, scores + (size_t)beam * search->vocab_size,
                             scratch->heap, search->vocab_size, search->settings);
        if (search->settings->renormalize_logits)
            mm_sampling_normalize(scratch->choices, choices);
        for (size_t i = 0; i < choices; i++) {
            const mm_choice *choice = &scratch->choices[i];
            const float score = choice->score + before;
            const double gumbel = -log(-log(chance(search, beam, choice->id)));
            offer(
                search, &count,
                &(mm_candidate){
                    .score = score, .key = (double)score + gumbel, .beam = beam, .id = choice->id});
        }
    }
    sort_by_score(search->candidates, count);
    return count;
}

static mm_status mark_ends(mm_search *search, int32_t count, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (int32_t i = 0; i < count && !status; i++) {
        mm_candidate *candidate = &search->candidates[i];
        status = says_stop(&candidate->stops, search, &search->running[candidate->beam],
                           candidate->id, error);
        candidate->stops = candidate->stops || mm_ends_text(search->settings, candidate->id);
        candidate->ends = candidate->stops || fills_up(search);
    }
    return status;
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

static mm_status advance_beams(mm_search *search, float *scores, mm_error *error) {
    const mm_generation_settings *s = search->settings;
    for (int32_t i = 0; i < search->beams; i++) {
        float *row = scores + (size_t)i * search->vocab_size;
        process(search, &search->running[i], row);
        if (s->renormalize_logits && !s->do_sample)
            renormalize(row, search->vocab_size);
    }
    const int32_t count = s->do_sample ? draw(search, scores) : collect(search, scores);
    if (count < search->beams)
        return nothing_left(error);
    mm_status status = mark_ends(search, count, error);
    if (status)
        return status;
    update_finished(search, count); // the candidates refer to the hypotheses still running
    update_running(search, count);
    search->length++;
    search->can_improve = search->can_improve && can_improve(search);
    search->done = is_over(search, count);
    return MM_STATUS_OK;
}

mm_status mm_search_advance(mm_search *search, float *scores, mm_error *error) {
    return search->beams == 1 ? advance_one(search, scores, error)
                              : advance_beams(search, scores, error);
}

const mm_hypothesis *mm_search_result(const mm_search *search, int32_t i) {
    return &search->finished[i];
}
