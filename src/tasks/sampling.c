// SPDX-License-Identifier: Apache-2.0
// The warpers of transformers generation/logits_process.py, on a list of the tokens that are left:
// what is at minus infinity has no probability, whatever the warper. Probabilities are computed in
// float64; the reference's are float32, which differs only where a cut falls between two
// neighbours that are equal to seven digits.
#include "tasks/sampling.h"

#include <math.h>
#include <string.h>

enum { TOP_H_MOST = 100 }; // TopHLogitsWarper.top_n

// ---- Ordering ----------------------------------------------------------------------------------

// Of equal keys the larger id comes first: what a stable ascending sort puts last.
static bool before(const mm_choice *a, const mm_choice *b) {
    return a->key > b->key || (a->key == b->key && a->id > b->id);
}

static void exchange(mm_choice *a, mm_choice *b) {
    const mm_choice held = *a;
    *a = *b;
    *b = held;
}

static void sink(mm_choice *heap, size_t count, size_t at) {
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &heap[at]))
            return;
        exchange(&heap[at], &heap[child]);
    }
}

static void make_heap(mm_choice *list, size_t count) {
    for (size_t i = count / 2; i > 0; i--)
        sink(list, count, i - 1);
}

// Moves the first of heap [count] to its end, where it leaves the heap of count - 1.
static const mm_choice *pop(mm_choice *heap, size_t count) {
    exchange(&heap[0], &heap[count - 1]);
    sink(heap, count - 1, 0);
    return &heap[count - 1];
}

// The last `kept` of the list, which were popped, become the whole.
static size_t keep_popped(mm_choice *list, size_t count, size_t kept) {
    memmove(list, list + count - kept, kept * sizeof *list);
    return kept;
}

static void order_by_score(mm_choice *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        list[i].key = list[i].score;
    make_heap(list, count);
}

// The k-th largest score, k at least 1; of fewer the smallest. `heap` holds the k largest.
static float nth_score(const mm_choice *list, size_t count, size_t k, float *heap) {
    size_t held = 0;
    k = k < count ? k : count;
    for (size_t i = 0; i < count; i++) {
        size_t at;
        if (held < k) {
            for (at = held++; at > 0 && heap[(at - 1) / 2] > list[i].score; at = (at - 1) / 2)
                heap[at] = heap[(at - 1) / 2];
            heap[at] = list[i].score;
        } else if (list[i].score > heap[0]) {
            size_t child;
            for (at = 0; (child = 2 * at + 1) < k; at = child) {
                child += child + 1 < k && heap[child + 1] < heap[child];
                if (heap[child] >= list[i].score)
                    break;
                heap[at] = heap[child];
            }
            heap[at] = list[i].score;
        }
    }
    return heap[0];
}

// ---- Probabilities -----------------------------------------------------------------------------

// softmax(score) = exp(score - largest) / sum
typedef struct softmax {
    double largest, sum;
} softmax;

static softmax softmax_of(const mm_choice *list, size_t count) {
    softmax s = {-INFINITY, 0};
    for (size_t i = 0; i < count; i++)
        s.largest = fmax(s.largest, (double)list[i].score);
    for (size_t i = 0; i < count; i++)
        s.sum += exp((double)list[i].score - s.largest);
    return s;
}

static double log_probability(const softmax *s, float score) {
    return (double)score - s->largest - log(s->sum);
}

static double probability(const softmax *s, float score) {
    return exp((double)score - s->largest) / s->sum;
}

static double entropy_of(const softmax *s, const mm_choice *list, size_t count) {
    double entropy = 0;
    for (size_t i = 0; i < count; i++)
        entropy -= probability(s, list[i].score) * log_probability(s, list[i].score);
    return entropy;
}

// ---- Warpers -----------------------------------------------------------------------------------
// Each returns how many are left of list [count], count at least 1.

// TopHLogitsWarper: the best, as long as their part of the entropy stays below its share.
static size_t top_h(mm_choice *list, size_t count, double share) {
    const size_t most = count < TOP_H_MOST ? count : TOP_H_MOST;
    order_by_score(list, count);
    for (size_t i = 0; i < most; i++)
        (void)pop(list, count - i);
    count = keep_popped(list, count, most); // worst first
    const softmax s = softmax_of(list, count);
    double terms[TOP_H_MOST], entropy = 0, sum = 0;
    for (size_t i = 0; i < count; i++) {
        const float score = list[count - 1 - i].score;
        terms[i] = -probability(&s, score) * log_probability(&s, score);
        entropy += terms[i];
    }
    size_t kept = 0;
    while (kept < count && (sum += terms[kept]) <= entropy * share)
        kept++;
    return keep_popped(list, count, kept > 0 ? kept : 1);
}

static size_t keep_above(mm_choice *list, size_t count, float least) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].score >= least)
            list[kept++] = list[i];
    }
    return kept;
}

static size_t top_k(mm_choice *list, size_t count, size_t k, float *heap) {
    return k < count ? keep_above(list, count, nth_score(list, count, k, heap)) : count;
}

// TopPLogitsWarper: the best until they have the mass p together.
static size_t top_p(mm_choice *list, size_t count, double p, size_t least) {
    const softmax s = softmax_of(list, count);
    size_t kept = 0;
    double mass = 0;
    order_by_score(list, count);
    while (kept < count && (kept < least || mass < p)) {
        mass += probability(&s, pop(list, count - kept)->score);
        kept++;
    }
    return keep_popped(list, count, kept);
}

// MinPLogitsWarper: the `least` best, and those with a share of the best one's probability.
static size_t min_p(mm_choice *list, size_t count, double share, size_t least) {
    const softmax s = softmax_of(list, count);
    const double cut = share / s.sum; // the best one's is exp(0) / sum
    size_t kept = 0;
    order_by_score(list, count);
    while (kept < count && (kept < least || probability(&s, list[0].score) >= cut)) {
        (void)pop(list, count - kept);
        kept++;
    }
    return keep_popped(list, count, kept);
}

// TypicalLogitsWarper: those whose information is nearest to the entropy, until they have the mass.
static size_t typical_p(mm_choice *list, size_t count, double mass, size_t least) {
    const softmax s = softmax_of(list, count);
    const double entropy = entropy_of(&s, list, count);
    for (size_t i = 0; i < count; i++)
        list[i].key = -(float)fabs(-log_probability(&s, list[i].score) - entropy);
    make_heap(list, count);
    size_t kept = 0;
    double sum = 0;
    float last = 0;
    while (kept < count && (kept < least || sum < mass || list[0].key == last)) {
        const mm_choice *choice = pop(list, count - kept);
        if (sum < mass)
            last = choice->key;
        sum += probability(&s, choice->score);
        kept++;
    }
    return keep_popped(list, count, kept);
}

// Epsilon and eta: of equal ones at the cut of the `least` best, all stay.
static size_t cut_off(mm_choice *list, size_t count, double cut, size_t least, float *heap) {
    const softmax s = softmax_of(list, count);
    const float always = nth_score(list, count, least, heap);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].score >= always || probability(&s, list[i].score) >= cut)
            list[kept++] = list[i];
    }
    return kept;
}

static size_t eta_cutoff(mm_choice *list, size_t count, double epsilon, size_t least, float *heap) {
    const softmax s = softmax_of(list, count);
    const double entropy = entropy_of(&s, list, count);
    return cut_off(list, count, fmin(epsilon, sqrt(epsilon) * exp(-entropy)), least, heap);
}

// ---- All of them -------------------------------------------------------------------------------

// A beam has to keep one token that does not end it.
static size_t least_kept(const mm_generation_settings *s) {
    if (s->num_beams == 1)
        return 1;
    return s->eos_token_id.count > 0 ? s->eos_token_id.count + 1 : 2;
}

size_t mm_sampling_warp(mm_choice *out, float *scores, float *heap, size_t vocab_size,
                        const mm_generation_settings *settings) {
    const mm_generation_settings *s = settings;
    const size_t least = least_kept(s);
    const float temperature = (float)s->temperature;
    size_t n = 0;
    for (size_t i = 0; i < vocab_size; i++) {
        if (scores[i] > -INFINITY)
            out[n++] = (mm_choice){.score = scores[i] / temperature, .id = (int32_t)i};
    }
    if (n == 0)
        return 0;
    if (s->top_h > 0)
        n = top_h(out, n, s->top_h);
    if (s->top_k > 0)
        n = top_k(out, n, (size_t)s->top_k > least ? (size_t)s->top_k : least, heap);
    if (s->top_p < 1)
        n = top_p(out, n, s->top_p, least);
    if (s->min_p > 0)
        n = min_p(out, n, s->min_p, least);
    if (s->typical_p < 1)
        n = typical_p(out, n, s->typical_p, least);
    if (s->epsilon_cutoff > 0 && s->epsilon_cutoff < 1)
        n = cut_off(out, n, s->epsilon_cutoff, least, heap);
    if (s->eta_cutoff > 0 && s->eta_cutoff < 1)
        n = eta_cutoff(out, n, s->eta_cutoff, least, heap);
    return n;
}

int32_t mm_sampling_draw(const mm_choice *list, size_t count, double uniform) {
    const softmax s = softmax_of(list, count);
    double left = uniform * s.sum;
    size_t i = 0;
    while (i + 1 < count && (left -= exp((double)list[i].score - s.largest)) > 0)
        i++;
    return list[i].id;
}

void mm_sampling_normalize(mm_choice *list, size_t count) {
    const softmax s = softmax_of(list, count);
    for (size_t i = 0; i < count; i++)
        list[i].score = (float)log_probability(&s, list[i].score);
}
