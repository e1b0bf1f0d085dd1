// SPDX-License-Identifier: Apache-2.0
// The manager's state: deployments (a model on a device), workers, jobs, and the lock over them.
//
// One lock, manager->lock, guards every field marked (L). It is held for moments only, never while
// a model loads, a text is tokenised, a batch runs or an answer is delivered. lock_ranks.h says
// which others are taken under it. Functions named ..._locked want it held.
//
// A job's way: STARTING (name resolved) -> FETCHING (downloaded) -> STARTING -> WAITING (model
// loads) -> PREPARING (tokenised) -> QUEUED -> RUNNING (on a worker) -> DONE. Bulk work that makes
// way for other work is QUEUED again before it is RUNNING again. Where other jobs
// compute some of its texts it is AWAITING them before or instead of that, then PREPARING again;
// what the cache answers whole goes from STARTING straight to DONE. It may become DONE
// from any state: timeout, cancel, release, shutdown. A job that is `owned` is in the hands of a
// thread, which lets go of the deployment itself when it finds the job DONE; who finishes a job
// that is not owned does it.
#ifndef MM_MANAGER_STATE_H
#define MM_MANAGER_STATE_H

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "hub/hub_client.h"
#include "manager/cool_down.h"
#include "manager/deployment_state.h"
#include "manager/devices.h"
#include "manager/embedding_cache.h"
#include "manager/events.h"
#include "manager/lock_ranks.h"
#include "manager/memory_need.h"
#include "manager/memory_plan.h"
#include "manager/placement.h"
#include "manager/queue.h"
#include "manager/request.h"
#include "manager/result.h"
#include "manager/settings.h"
#include "manager/task_kind.h"
#include "tasks/task_model.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/stat.h>

typedef struct mm_fetch mm_fetch;             // fetch.h
typedef struct mm_fingerprint mm_fingerprint; // fingerprints.c
typedef struct mm_workplace mm_workplace;     // worker.c

// ---- Jobs --------------------------------------------------------------------------------------

typedef enum mm_job_state {
    MM_JOB_STARTING,
    MM_JOB_FETCHING,
    MM_JOB_WAITING,
    MM_JOB_PREPARING,
    MM_JOB_QUEUED,
    MM_JOB_RUNNING,
    MM_JOB_AWAITING,
    MM_JOB_DONE,
} mm_job_state;

struct mm_job {
    atomic_int references; // the handle, the way through the manager, the owning thread
    atomic_bool done;      // state is DONE; lets mm_job_cancel come late
    mm_manager *manager;
    const mm_request *request;  // not touched once RUNNING
    mm_request *own_request;    // a submitted job's copy, else NULL
    const mm_task_kind *kind;   // of its task_type
    mm_token_callback on_token; // or NULL; called on a worker, never behind `callback`
    mm_task_callback callback;  // NULL for mm_task, which waits for `wake`
    void *payload;
    bool is_blocking; // mm_task: its thread does the steps that a service thread does else

    mm_job_state state;           // (L)
    bool owned;                   // (L)
    bool in_service;              // (L) linked in the service list
    bool is_bulk;                 // (L) its priority
    bool expires;                 // (L) keep_alive 0: release what is idle when this is done
    mm_status status;             // (L) set with DONE
    mm_error error;               // (L)
    mm_deployment *deployment;    // (L) counted in its users
    mm_fetch *fetch;              // (L) while FETCHING
    int64_t deadline_ns;          // (L) of timeout_ms; INT64_MAX = none
    int64_t queue_deadline_ns;    // (L) while QUEUED
    long awaited;                 // (L) texts that other jobs compute for it
    mm_job *previous, *following; // (L) manager->jobs
    mm_job *next, *before;        // (L) service list, waiting list or a queue: in one at a time
    sem_t wake;                   // mm_task only: posted when the state changed

    // The owner's.
    int64_t started_ns, queued_ns, running_ns;
    int64_t waiting_ns;  // 0: the model was there already
    int64_t fetching_ns; // since then it waited for a download; 0: it did not
    double download_ms;
    bool device_fallback;
    void *work;      // the kind's own: what it prepared for a worker
    bool needs_run;  // the kind has work for a worker
    bool needs_more; // and is to prepare again when what it awaits has come
    mm_result *result;
};

// ---- Deployments -------------------------------------------------------------------------------

typedef enum mm_worker_state {
    MM_WORKER_ON,
    MM_WORKER_LEAVING, // ends before its next batch
    MM_WORKER_GONE,    // ended or about to, needs the lock no more
} mm_worker_state;

// A deployment's model on one device: weights that are loaded there once, for all workers there.
struct mm_replica {
    mm_deployment *deployment; // fixed
    mm_device *device;         // fixed
    mm_task_model *model;      // (L) while loaded; whoever counts in `users` may read it
    mm_memory_need need;       // (L) what loading it takes
    size_t planned_bytes;      // (L) of the device's budget: that, and what workers claimed
    bool is_loading;           // (L) they are not taken yet
    bool has_failed;           // (L) loading here, for the deployment as it is
    mm_replica *reserving;     // (L) the next of device->reserving
};

struct mm_worker {
    mm_deployment *deployment;
    mm_replica *replica; // it runs on; fixed while its thread runs
    mm_workplace *own;   // its thread's alone
    int index;
    pthread_t thread;
    bool to_join;          // (L) thread was started and not joined yet
    mm_worker_state state; // (L)
    bool is_fit;           // (L) its session is made: it can be given a turn
    bool is_called;        // (L) it was given a turn and has not taken it yet
    size_t running;        // (L) jobs
    size_t claimed_bytes;  // (L) for them, beyond what was promised to the model
    uint64_t rows_taken;   // (L) all its work so far
    pthread_cond_t wake;   // it waits here
};

struct mm_deployment {
    // Fixed.
    mm_manager *manager;
    mm_hub_model model;
    char *asked;          // the name it was first asked for by
    char *asked_revision; // or NULL
    mm_target target;     // its is_auto: (L)
    mm_replica *replicas; // [replica_count], one for each device of the target
    int replica_count;
    bool is_pinned;

    mm_deployment *next;       // (L) manager->deployments
    mm_deployment_state state; // (L) changed by mm_deployment_become_locked alone
    bool abandoned;            // (L) LOADING for nobody: release came
    mm_task_model *loaded;     // (L) the first replica's, while READY and DRAINING
    double keep_alive;         // (L) minutes; negative = never
    int wanted_workers;        // (L) when READY: those that are ON
    mm_worker **workers;       // (L) the list; [worker_slots]
    int worker_slots;          // (L)
    int next_worker;           // (L) whose turn it is with round_robin
    size_t called;             // (L) workers that are called: so many jobs are spoken for
    size_t users;              // (L) jobs that hold it
    mm_job_list waiting;       // (L) for the load
    mm_queue queue;            // (L)
    mm_service_rate rate;      // (L)
    pthread_t loader;          // (L)
    bool has_loader;           // (L) to be joined
    bool growing;              // (L) READY, and the loader loads further replicas
    int64_t last_used_ns;      // (L)
    uint64_t loads, hits;      // (L)
    double load_seconds;       // (L) what the last load took
    mm_replica *drained_for;   // (L) that one's load wants this one's memory: new jobs wait
    mm_cool_down cool_down;    // (L) while FAILED, and of the failures before a load
    pthread_cond_t changed;    // state or users changed
};

// ---- The manager -------------------------------------------------------------------------------

enum { MM_SERVICE_MAX = 8 };

struct mm_manager {
    // Fixed.
    mm_clock *clock; // of everything that is decided by time
    mm_settings *settings;
    mm_log log;
    int cpu_threads;
    mm_devices devices;
    mm_pull_callback progress; // may be NULL
    void *progress_payload;
    mm_embedding_cache *cache; // or NULL: switched off
    char *hub_cache;
    mm_hub_places places;
    mm_hub_access access;

    mm_mutex lock;
    bool closing;                 // (L) refuses new work
    bool ending;                  // (L) and what has begun goes no further
    int64_t shutdown_ns;          // (L) closing becomes ending; INT64_MAX: not by itself
    size_t cut_off;               // (L) jobs that did not end in time
    size_t calls;                 // (L) public calls under way
    pthread_cond_t calls_done;    // calls == 0, or a service thread has nothing to do
    bool warned_fallback;         // (L)
    mm_deployment *deployments;   // (L)
    pthread_cond_t memory_wake;   // a model became idle or left, or a load is no longer wanted
    mm_fetch *fetches;            // (L)
    mm_fingerprint *fingerprints; // (L) of models that were loaded once
    mm_job *jobs;                 // (L) all that are not DONE

    mm_events events;

    // Service threads start, prepare and deliver submitted jobs.
    mm_job_list service;                       // (L)
    pthread_cond_t service_wake;               // work came, or the end
    pthread_t service_threads[MM_SERVICE_MAX]; // (L)
    int service_count, service_idle;           // (L)
    bool service_stop;                         // (L)

    // The timer thread: deadlines of jobs, idle deployments.
    pthread_t timer;
    bool timer_started, timer_stop; // (L)
    int64_t timer_next_ns;          // (L) when it wakes by itself
    pthread_cond_t timer_wake;
};

// manager.c
// What a manager has around it; all of it has to outlive the manager.
typedef struct mm_surroundings {
    mm_clock *clock;
    const mm_gpu_source *gpus; // NULL: none
} mm_surroundings;
// As mm_manager_create, elsewhere than on this machine as it is.
mm_status mm_manager_create_in(mm_manager **out, const mm_manager_options *options,
                               const mm_surroundings *surroundings, mm_error *error);
int64_t mm_manager_now(const mm_manager *manager);                // by its clock
mm_status mm_manager_enter(mm_manager *manager, mm_error *error); // DISABLED, SHUTTING_DOWN
void mm_manager_leave(mm_manager *manager);

// job.c
void mm_job_retain(mm_job *job);
void mm_job_release(mm_job *job); // drops one reference
// A job that ran and is not owned any more is its worker's, which calls mm_job_wake afterwards.
void mm_job_finish_locked(mm_job *job, mm_status status, const mm_error *error);
// Without the lock: the caller that wakes up wants it at once, and often on the worker's processor.
void mm_job_wake(mm_job *job);
void mm_job_fail_locked(mm_job *job, mm_status status, const char *message);
// The owner lets go of the deployment and ceases to own.
void mm_job_detach_locked(mm_job *job);
// The model is loaded: the next step may be done.
void mm_job_resume_locked(mm_job *job);
// The download is over: from the start again.
void mm_job_restart_locked(mm_job *job);
// So many texts more are computed by other jobs, each of which wakes it. By the owner.
void mm_job_await(mm_job *job, long texts);
// The owner has nothing to do before they are: ceases to own. Resumes at once when they are
// already.
void mm_job_rest_locked(mm_job *job);
// Who waited for texts: resumes those that need wait no longer, and drops a reference for each.
void mm_jobs_wake_locked(mm_cache_waiter *waiters);
void mm_job_deliver(mm_job *job); // calls back
// The steps of a job, by the thread that owns it (steps.c).
void mm_job_start(mm_job *job);
void mm_job_prepare(mm_job *job);

// deployment.c
// Finds or creates the one the job needs and attaches the job, starting a load if need be.
mm_status mm_deployment_attach(mm_job *job, mm_hub_model *model, const mm_target *target,
                               mm_error *error);
// One that is READY and was asked for by that name first, or NULL.
mm_deployment *mm_deployment_ready_locked(const mm_manager *manager, const char *name,
                                          const char *revision, const mm_target *target);
// The dtype that one of the model has which was asked for in its files' own; false: there is none.
bool mm_deployment_dtype(mm_manager *manager, const mm_hub_model *model, mm_target *target);
// What a request says of the model as such, where the model is loaded but not needed.
mm_status mm_deployment_apply_locked(mm_manager *manager, const mm_hub_model *model,
                                     const mm_target *target, const mm_request *request,
                                     mm_error *error);
// Attaches to one already known by that Hub name; false when there is none.
bool mm_deployment_attach_known(mm_job *job, const char *name, const char *revision,
                                const mm_target *target, mm_status *status, mm_error *error);
// Ends loads, queue and workers and frees the model; the lock is let go of meanwhile. Waiting jobs
// are answered with `status`. Returns the bytes freed.
size_t mm_deployment_close_locked(mm_deployment *deployment, mm_status status, const char *message,
                                  int *workers_stopped);
// From READY or DRAINING, with no work under way, to ABSENT; the lock is let go of meanwhile. Jobs
// that wait have it loaded again. Returns the bytes freed.
size_t mm_deployment_unload_locked(mm_deployment *deployment, int *workers_stopped);
// Answers all jobs that wait or are queued.
void mm_deployment_fail_jobs_locked(mm_deployment *deployment, const mm_error *error);
// Has the jobs that wait go on with a READY deployment.
void mm_deployment_resume_locked(mm_deployment *deployment);
void mm_deployment_free(mm_deployment *deployment);
// `real` is the path of a directory that exists, else NULL.
bool mm_deployment_goes_by(const mm_deployment *deployment, mm_name_kind kind, const char *name,
                           const char *real);
// When it is released or, FAILED, forgotten; INT64_MAX while in use or kept for ever.
int64_t mm_deployment_expiry_locked(const mm_deployment *deployment);
// Releases idle deployments whose keep_alive is over; with `zero_only` only those that have none.
void mm_manager_expire(mm_manager *manager, bool zero_only);

// load.c
void mm_loader_start_locked(mm_deployment *deployment);
// READY: loads further replicas if more are wanted and there is where.
void mm_loader_grow_locked(mm_deployment *deployment);
// READY, and nowhere left to run: answers all who wait, with `why` or what is usual (NULL).
void mm_loader_give_up_locked(mm_deployment *deployment, const mm_error *why);

// fingerprints.c
// What a directory was like: which it is, and names, sizes and times of its files and those of its
// sub-directories.
typedef struct mm_stamp {
    dev_t device;
    ino_t inode;
    mm_cache_key files;
} mm_stamp;
bool mm_directory_stamp(mm_stamp *out, const char *directory);
// Remembers the fingerprint of a model that was loaded, for the files that make up `stamp`.
void mm_fingerprint_note_locked(mm_manager *manager, const mm_hub_model *model,
                                const mm_target *target, const mm_stamp *stamp,
                                const char *fingerprint);
// The fingerprint that was noted, if the model's files are still the same. Reads the directory.
bool mm_fingerprint_recall(char out[MM_FINGERPRINT_DIGITS + 1], mm_manager *manager,
                           const mm_hub_model *model, const mm_target *target);
// Whether the model that was loaded last came from this very directory, whatever is in it by now.
bool mm_fingerprint_is_from_locked(const mm_manager *manager, const mm_hub_model *model,
                                   const mm_target *target, const struct stat *directory);
void mm_fingerprints_free(mm_manager *manager);

// memory_budget.c
// Promises `bytes` of its device's budget to a replica that loads, when room is there or was made:
// idle models go, busy ones once their work is done, and loads come in turn. Lets go of the lock
// meanwhile. OUT_OF_MEMORY with numbers when it can never fit; RELEASED when it was abandoned.
mm_status mm_memory_reserve_locked(mm_replica *replica, size_t bytes, mm_error *error);
void mm_memory_return_locked(mm_replica *replica); // the promise ends
// Room for `bytes` more of a device at once, by releasing idle models; false when these are not
// enough. Lets go of the lock meanwhile. For a replica that is in use.
bool mm_memory_make_room_locked(mm_replica *replica, size_t bytes);
size_t mm_device_free_locked(const mm_device *device);     // of the budget
size_t mm_memory_pinned_locked(const mm_replica *replica); // of the budget, to other models
// What would become of a wish for `bytes` more for `own`, or for a model without memory there
// (NULL): with MM_MEMORY_WAITS those are chosen too that work now. Appends the names of the chosen
// as members of a JSON list; false when memory is out.
bool mm_memory_preview_locked(mm_memory_plan *out, mm_buffer *names, const mm_manager *manager,
                              const mm_device *device, const mm_replica *own, size_t bytes);
// After a device refused memory: releases what is idle there and may go; false when nothing was.
bool mm_memory_evict_idle(mm_manager *manager, const mm_device *device);
void mm_memory_loaded_locked(mm_replica *replica); // what was promised has been taken

// worker.c
// As many as `count`, or as the replicas may have, growing if there are devices for more. False:
// none could be started.
bool mm_workers_set_locked(mm_deployment *deployment, int count);
void mm_workers_stop_locked(mm_deployment *deployment); // all LEAVING
void mm_workers_join(mm_deployment *deployment);        // without the lock, after stopping
void mm_workers_free(mm_deployment *deployment);        // after joining
int mm_workers_on_locked(const mm_deployment *deployment);
int mm_workers_of_locked(const mm_replica *replica);     // ON, there
void mm_workers_leave_locked(const mm_replica *replica); // all that are there
void mm_workers_wake_locked(mm_deployment *deployment);  // their deployment has changed

// refusals.c
size_t mm_deployment_queued_locked(const mm_deployment *deployment); // that wait for load or worker
// QUEUE_FULL when one more would be too many.
mm_status mm_deployment_room_locked(const mm_deployment *deployment, mm_error *error);
mm_status mm_download_room_locked(const mm_manager *manager, const char *name, size_t queued,
                                  mm_error *error);
void mm_job_queue_timeout_locked(mm_job *job); // answers a QUEUED job

// turns.c
// A job was queued or has become nobody's: gives an idle worker a turn, if there is one.
void mm_turn_give_locked(mm_deployment *deployment);
void mm_turn_give_up_locked(mm_worker *worker); // a worker that was called, if it was
// How many jobs are there for a worker that asks: those that are not spoken for by others.
size_t mm_turn_jobs_locked(const mm_worker *worker);

// shutdown.c
// Ends what has not ended in time; returns when that will be.
int64_t mm_shutdown_due_locked(mm_manager *manager, int64_t now);

// service.c
void mm_service_push_locked(mm_job *job);
void mm_service_join(mm_manager *manager); // when nothing more comes

// timer.c
bool mm_timer_start(mm_manager *manager);
void mm_timer_join(mm_manager *manager);
void mm_timer_schedule_locked(mm_manager *manager, int64_t when_ns); // wake no later than that

#endif
