// SPDX-License-Identifier: Apache-2.0
// The search for the text that answers one source: greedy, by sampling, with beams, or with beams
// that are sampled. It sees logits only; who computes them asks for the hypotheses to continue and
// hands the logits in, step by step.
#ifndef MM_TASKS_SEARCH_H
#define MM_TASKS_SEARCH_H

#include "tasks/generation_settings.h"
#include "tasks/sampling.h"
#include "tasks/stop_texts.h"

// A text that the search keeps: `length` ids, start token included.
typedef struct mm_hypothesis {
    int32_t *ids;  // [max_length]
    int32_t *rows; // [max_length] where each id's keys and values are cached; running ones only
    int32_t length;
    float score;
    bool ended;   // finished ones: it counts as an answer
    bool stopped; // by an end token, not by the length
} mm_hypothesis;

typedef struct mm_candidate {
    float score;
    double key; // what decides who is a candidate: the score, or the score and chance
    int32_t beam, id;
    bool ends, stops; // stops: ends by an end token
} mm_candidate;

// What a step needs beyond the search; for searches that one thread advances, one at a time.
typedef struct mm_search_scratch {
    size_t vocab_size;
    const mm_tokenizer *tokenizer; // the caller's; NULL: there are no stop texts
    mm_stop_reader reader;         // once there are some
    bool *seen;                    // [vocab_size], all false between steps
    mm_choice *choices;            // [vocab_size] once something is sampled
    float *heap;                   // likewise
} mm_search_scratch;

mm_status mm_search_scratch_create(mm_search_scratch *out, const mm_tokenizer *tokenizer,
                                   size_t vocab_size, mm_error *error);
size_t mm_search_scratch_bytes(size_t vocab_size);       // at most
void mm_search_scratch_free(mm_search_scratch *scratch); // leaves a zeroed one

typedef struct mm_search {
    const mm_generation_settings *settings; // resolved, the caller's
    const int32_t *source;                  // the caller's
    size_t source_count;
    uint64_t seed;              // with `sequence`, what chance depends on
    uint32_t sequence;          // among those of the source
    mm_search_scratch *scratch; // the caller's
    size_t vocab_size;
    int32_t beams;
    int32_t candidates_kept;
    bool done;
    // Internal: all of it is allocated by mm_search_init.
    int32_t length;            // of every running hypothesis
    mm_hypothesis *hypotheses; // [3 * beams]: the next three lists, which change places
    mm_hypothesis *running;    // [beams]; greedy: the one
    mm_hypothesis *finished;   // [beams], best first
    mm_hypothesis *spare;      // [beams]
    mm_candidate *candidates;
    int32_t *memory;
    bool can_improve;
} mm_search;

// With do_sample, set `seed` and `sequence` afterwards.
mm_status mm_search_init(mm_search *out, mm_search_scratch *scratch,
                         const mm_generation_settings *settings, const int32_t *source,
                         size_t source_count, mm_error *error);
size_t mm_search_bytes(const mm_generation_settings *settings); // SIZE_MAX: cannot be counted
void mm_search_free(mm_search *search);                         // accepts a zeroed one
// Hypotheses whose next token is wanted: beams, and 0 when done. Hypothesis i's last id waits to be
// run; its cache row is for the caller to write into running[i].rows[length - 1].
int32_t mm_search_width(const mm_search *search);
// Whether it wants its scores as log-probabilities, as one with beams does; else they are logits.
bool mm_search_wants_log_softmax(const mm_search *search);
// One step; scores [width, vocab_size] are overwritten.
mm_status mm_search_advance(mm_search *search, float *scores, mm_error *error);
// The i-th best answer, once done.
const mm_hypothesis *mm_search_result(const mm_search *search, int32_t i);

#endif
