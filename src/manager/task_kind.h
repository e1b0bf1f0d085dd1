// SPDX-License-Identifier: Apache-2.0
// What tasks differ in. A job goes its way through the manager without anybody asking which task it
// is for; at each point where that matters its row of the table is called.
#ifndef MM_MANAGER_TASK_KIND_H
#define MM_MANAGER_TASK_KIND_H

#include "manager/request.h"
#include "manager/result.h"
#include "tasks/task_model.h"

typedef struct mm_worker mm_worker;
// Jobs of one kind that a worker's thread runs together.
typedef struct mm_task_run {
    const mm_task_kind *kind;
    const mm_task_model *model;
    mm_session *session;
    mm_job *const *jobs; // [count] to begin with
    size_t count;
    size_t room; // rows that keep the device busy once
    mm_worker *worker;
} mm_task_run;

struct mm_task_kind {
    const char *name; // its task_type
    unsigned bit;     // MM_TASK_...
    // INVALID_TASK_TYPE when the model does not do it.
    mm_status (*check)(const mm_task_model *model, mm_error *error);
    // Without the model: fills a Result that names it already when its answer is known, or leaves
    // it; false then. NULL: no answer is kept.
    bool (*recall)(mm_job *job);
    // On the caller's side, with the model loaded: makes tokens and settings of the request, as the
    // job's work, and fills in what the Result says of them. Sets needs_run and needs_more; with
    // needs_more it is called again.
    mm_status (*prepare)(mm_job *job, mm_error *error);
    // Memory that a worker needs for such a request beside its session; NULL: none to speak of. A
    // request without data is one of the longest text.
    mm_status (*cache_bytes)(size_t *out, const mm_task_model *model, const mm_request *request,
                             mm_error *error);
    // What a job costs, in tokens that are still to be read, and whether it may run together with a
    // first one.
    size_t (*rows)(const mm_job *job);
    bool (*goes_with)(const mm_job *first, const mm_job *job);
    // On a worker: fills each job's Result and hands it back by mm_task_run_done. Looks at
    // job->done now and then, and lets go of a job that is answered already, by a deadline or a
    // cancel.
    void (*run)(const mm_task_run *run);
    // The job ends or has ended: gives up what others wait for. May be NULL.
    void (*abandon_locked)(mm_job *job);
    void (*free_work)(void *work); // accepts NULL
    // Appends the Result's own fields, without a comma behind; false when memory is out.
    bool (*write)(mm_buffer *out, const mm_result *result);
};

extern const mm_task_kind mm_task_embedding;
extern const mm_task_kind mm_task_text_generation;

const mm_task_kind *mm_task_kind_find(const char *name); // NULL when there is none
// The names that a model does, as a JSON list.
bool mm_task_kinds_write(mm_buffer *out, const mm_task_model *model);

// worker.c
// The run is through with a job, which is not its any more; exactly once for each.
void mm_task_run_done(const mm_task_run *run, mm_job *job, mm_status status, const mm_error *error);
// Between two parts of a job: puts bulk work for which others wait back to the front of its queue,
// in place of mm_task_run_done, and returns true; the kind's `run` goes on with it later.
bool mm_task_run_pause(const mm_task_run *run, mm_job *job);
// One more job of the kind from the front of the queue, to join the run; NULL when there is none.
mm_job *mm_task_run_more(const mm_task_run *run);

// A request's texts or id lists one by one, as tasks/ wants them. Borrows from the request.
typedef struct mm_task_data {
    size_t count;
    bool has_ids;
    const void **items; // const char * or const int32_t *
    size_t *lengths;
} mm_task_data;
mm_status mm_task_data_make(mm_task_data *out, const mm_request *request, mm_error *error);
void mm_task_data_free(mm_task_data *data);
mm_truncate mm_task_truncate(const mm_request *request); // its parameter `truncate`

#endif
