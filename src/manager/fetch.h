// SPDX-License-Identifier: Apache-2.0
// Downloads that requests wait for.
#ifndef MM_MANAGER_FETCH_H
#define MM_MANAGER_FETCH_H

#include "manager/state.h"

struct mm_fetch {
    // Fixed.
    mm_manager *manager;
    char *name;
    char *revision; // or NULL

    atomic_bool cancelled;
    mm_fetch *next;            // (L) manager->fetches
    mm_deployment_state state; // (L) RESOLVING, then ABSENT or FAILED
    mm_job_list waiting;       // (L)
    pthread_t thread;          // (L)
    bool has_thread;           // (L) to be joined
    bool ended;                // (L) the thread has taken the lock for the last time
    int64_t begun_ns;          // (L)
    mm_cool_down cool_down;    // (L) while FAILED, and of the failures before
};

// Has the job wait for the download of a Hub name, starting it if need be.
mm_status mm_fetch_attach(mm_job *job, const char *name, const char *revision, mm_error *error);
void mm_fetch_leave_locked(mm_job *job); // the last one to leave ends the download
// Answers all that wait for a download of that name with RELEASED; false when there is none.
bool mm_fetch_release_locked(mm_manager *manager, const char *name);
// Is under way, or failed not long ago.
bool mm_fetch_is_news_locked(const mm_fetch *fetch);
void mm_fetches_free(mm_manager *manager); // without the lock, when nothing more comes

#endif
