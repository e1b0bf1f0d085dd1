// SPDX-License-Identifier: Apache-2.0
#include "manager/queue.h"

#include "manager/state.h"

#include <math.h>

// ---- Lists -------------------------------------------------------------------------------------

void mm_job_list_push(mm_job_list *list, mm_job *job) {
    job->next = NULL;
    job->before = list->last;
    *(list->last ? &list->last->next : &list->first) = job;
    list->last = job;
    list->count++;
}

mm_job *mm_job_list_pop(mm_job_list *list) {
    mm_job *job = list->first;
    if (job)
        mm_job_list_remove(list, job);
    return job;
}

void mm_job_list_remove(mm_job_list *list, mm_job *job) {
    *(job->before ? &job->before->next : &list->first) = job->next;
    *(job->next ? &job->next->before : &list->last) = job->before;
    job->next = job->before = NULL;
    list->count--;
}

// ---- A deployment's queue ----------------------------------------------------------------------

static mm_job_list *list_of(mm_queue *queue, const mm_job *job) {
    return job->is_bulk ? &queue->bulk : &queue->interactive;
}

size_t mm_queue_count(const mm_queue *queue) {
    return queue->interactive.count + queue->bulk.count;
}

mm_job *mm_queue_first(const mm_queue *queue) {
    bool is_bulk_turn = queue->bulk.first && queue->turns_passed >= MM_QUEUE_BULK_TURN;
    return queue->interactive.first && !is_bulk_turn ? queue->interactive.first : queue->bulk.first;
}

void mm_queue_push(mm_queue *queue, mm_job *job) {
    mm_job_list_push(list_of(queue, job), job);
}

void mm_queue_put_back(mm_queue *queue, mm_job *job) {
    mm_job_list *list = list_of(queue, job);
    job->before = NULL;
    job->next = list->first;
    *(list->first ? &list->first->before : &list->last) = job;
    list->first = job;
    list->count++;
}

void mm_queue_remove(mm_queue *queue, mm_job *job) {
    mm_job_list_remove(list_of(queue, job), job);
    if (!queue->bulk.first)
        queue->turns_passed = 0;
}

size_t mm_queue_take(mm_queue *queue, mm_job **out, size_t most, size_t room) {
    mm_job *first = mm_queue_first(queue);
    size_t count = 0, rows = 0;
    if (!first)
        return 0;
    mm_job_list *list = list_of(queue, first);
    queue->turns_passed = first->is_bulk ? 0 : queue->turns_passed + (queue->bulk.first != NULL);
    for (mm_job *job = first; job && count < most; job = list->first) {
        if (count > 0 && (job->kind != first->kind || rows + job->kind->rows(job) > room ||
                          !job->kind->goes_with(first, job)))
            break;
        rows += job->kind->rows(job);
        mm_queue_remove(queue, job);
        out[count++] = job;
    }
    return count;
}

void mm_queue_lift(mm_queue *queue, mm_job *job) {
    if (!job->is_bulk)
        return;
    bool is_queued = job->state == MM_JOB_QUEUED;
    if (is_queued)
        mm_queue_remove(queue, job);
    job->is_bulk = false;
    if (is_queued)
        mm_queue_push(queue, job);
}

// ---- How fast it is served ---------------------------------------------------------------------

static const double memory_s = 60;

void mm_service_rate_begin(mm_service_rate *rate, int64_t now_ns) {
    if (rate->running++ == 0)
        rate->since_ns = now_ns;
}

void mm_service_rate_end(mm_service_rate *rate, int64_t now_ns, bool is_through) {
    rate->seconds += (double)(now_ns - rate->since_ns) * 1e-9;
    rate->since_ns = now_ns;
    rate->jobs += is_through;
    rate->running--;
    if (rate->seconds > memory_s) {
        rate->seconds /= 2;
        rate->jobs /= 2;
    }
}

int64_t mm_service_rate_seconds(const mm_service_rate *rate, size_t jobs, int64_t now_ns) {
    double seconds = rate->seconds, done = rate->jobs;
    if (rate->running > 0)
        seconds += (double)(now_ns - rate->since_ns) * 1e-9;
    if (done == 0) // the first ones are still at it: they need that long at least
        done = (double)rate->running;
    double needed = done > 0 ? ceil((double)jobs * seconds / done) : 1;
    return (int64_t)fmin(fmax(needed, 1), 3600);
}
