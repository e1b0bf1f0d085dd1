// SPDX-License-Identifier: Apache-2.0
// The inside of an mm_generation_batch, shared by the files of tasks/ only.
//
//     entry    a job in the batch, with the sequences it has so far
//     place    one of its sources while it is decoded: its searches, and its rows of two caches
//
//     cross cache  the keys and values of the sources: `cross` rows for each place
//     own cache    those of the hypotheses: `own` rows for each place. Search s keeps what its step
//                  t computes for hypothesis i in the place's row (s * max_length + t) * beams + i
//
// A hypothesis knows the cache rows of its ids; one that forks or dies moves nothing. All that a
// source needs is allocated when it gets its place, before its first step, out of what was granted
// when the caches were made: whoever does not fit into them waits until they are empty.
#ifndef MM_TASKS_GENERATION_BATCH_H
#define MM_TASKS_GENERATION_BATCH_H

#include "tasks/generator.h"
#include "tasks/search.h"

// Hypotheses that are decoded together, if one source does not have more by itself.
enum { MM_BATCH_ROWS = 32 };
// Lists of numbers beside the arrays of values: for a row of a step, and for a row of a cache.
enum { MM_STEP_LISTS = 8, MM_CROSS_LISTS = 2, MM_OWN_LISTS = 1 };

typedef struct mm_sequence {
    int32_t *ids; // without the start token
    size_t count;
    bool stopped;
    float score;
} mm_sequence;

typedef struct mm_batch_entry {
    const mm_generation_job *job; // the caller's
    mm_generation_events events;
    mm_generation_done done;
    size_t next;            // first source that had no place yet
    size_t finished;        // sources
    mm_sequence *sequences; // [count * num_return_sequences]
    mm_status status;       // after a failure it leaves the batch
    mm_error error;
    struct mm_batch_entry *behind;
} mm_batch_entry;

typedef struct mm_row_range {
    int32_t first, count;
} mm_row_range;

typedef struct mm_batch_place {
    mm_batch_entry *entry; // NULL: free
    size_t source;         // of its job
    bool is_read;          // by the encoder
    mm_row_range cross, own;
    mm_search *searches; // [search_count]
    int32_t search_count;
    int32_t width; // rows of a step at most
} mm_batch_place;

// What one source asks of a batch.
typedef struct mm_source_need {
    int64_t cross, own; // rows of the caches
    int32_t searches;
    int32_t width; // rows of a step at most
    size_t search_bytes;
} mm_source_need;

// What a batch's memory is made for.
typedef struct mm_batch_size {
    int64_t cross, own;
    int32_t width;
    size_t search_bytes;
} mm_batch_size;

struct mm_generation_batch {
    const mm_generator *generator;
    mm_session *session;
    mm_generation_memory memory;
    mm_batch_entry *entries; // in the order they came
    mm_batch_place places[MM_BATCH_ROWS];
    mm_cache *cross, *own;
    int64_t cross_rows, own_rows; // of the caches
    mm_search_scratch scratch;
    // The step being made, [width] each, and one start more.
    int32_t width;
    mm_batch source;
    mm_step step;
    int32_t *ids, *positions, *rows, *step_starts;
    int32_t *past_first, *past_count, *source_first, *source_count;
    int32_t *lists; // all of these
    bool *log_softmax;
    int32_t *list; // [own_rows] cache rows of all hypotheses
    float *logits; // [width * output_vocab_size]
    size_t logits_bytes;
    // The sources being read.
    int32_t *read_ids, *read_rows; // [cross_rows]
    int32_t read_starts[MM_BATCH_ROWS + 1];
};

// Gives entry's next source a place, with everything it needs. *placed false: there is none now.
mm_status mm_batch_place_source(bool *placed, mm_generation_batch *batch, mm_batch_entry *entry,
                                mm_error *error);
void mm_batch_clear_place(mm_batch_place *place);
// Whether a place with `width` rows a step would get in.
bool mm_batch_fits(const mm_generation_batch *batch, int32_t width);
void mm_batch_free_memory(mm_generation_batch *batch);

// generation_memory.c
mm_source_need mm_source_need_of(const mm_generation_settings *settings, size_t tokens);
int32_t mm_batch_places(const mm_source_need *need); // for sources like this in a full batch
mm_batch_size mm_batch_size_for(const mm_generator *generator, const mm_source_need *need,
                                int32_t places);
size_t mm_batch_bytes(const mm_generator *generator, const mm_batch_size *size);

#endif
