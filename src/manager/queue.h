// SPDX-License-Identifier: Apache-2.0
// What waits: lists of jobs, and a deployment's queue with its two priorities. Plain data without a
// lock of its own: manager->lock guards all of it. Nothing here allocates, and each operation but
// the taking of a batch costs the same however many jobs wait.
#ifndef MM_MANAGER_QUEUE_H
#define MM_MANAGER_QUEUE_H

#include "modelmanager/modelmanager.h"

#include <stdint.h>

// Linked through the jobs, so a job is in one list at a time.
typedef struct mm_job_list {
    mm_job *first, *last;
    size_t count;
} mm_job_list;

void mm_job_list_push(mm_job_list *list, mm_job *job);
mm_job *mm_job_list_pop(mm_job_list *list);              // NULL when empty
void mm_job_list_remove(mm_job_list *list, mm_job *job); // which is in this list

// Interactive work goes first, except that bulk work which waits gets a turn after so many of
// interactive work.
enum { MM_QUEUE_BULK_TURN = 4 };

typedef struct mm_queue {
    mm_job_list interactive, bulk;
    int turns_passed; // of interactive work while bulk work waited
} mm_queue;

size_t mm_queue_count(const mm_queue *queue);
mm_job *mm_queue_first(const mm_queue *queue); // whose turn it is, or NULL
void mm_queue_push(mm_queue *queue, mm_job *job);
void mm_queue_put_back(mm_queue *queue, mm_job *job); // in front of all others of its priority
void mm_queue_remove(mm_queue *queue, mm_job *job);
// Takes one turn: the first job, and those behind it of the same priority that go with it while
// their rows together fit into `room`; the first one goes whatever its size. Returns how many, at
// most `most`.
size_t mm_queue_take(mm_queue *queue, mm_job **out, size_t most, size_t room);
// Work that interactive work waits for ceases to be bulk, wherever it is on its way.
void mm_queue_lift(mm_queue *queue, mm_job *job);

// How fast a deployment answers, measured while any job runs; what lies more than some minutes of
// work back counts little.
typedef struct mm_service_rate {
    size_t running;
    int64_t since_ns;     // while any runs: what went before is counted
    double seconds, jobs; // so many jobs in that time
} mm_service_rate;

void mm_service_rate_begin(mm_service_rate *rate, int64_t now_ns); // a job begins to run
void mm_service_rate_end(mm_service_rate *rate, int64_t now_ns, bool is_through);
// How long so many jobs will take, in whole seconds from 1 to 3600; 1 where nothing is known.
int64_t mm_service_rate_seconds(const mm_service_rate *rate, size_t jobs, int64_t now_ns);

#endif
