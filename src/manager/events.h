// SPDX-License-Identifier: Apache-2.0
// Tells the host program of changes, in their order, on a thread of its own and without the lock.
#ifndef MM_MANAGER_EVENTS_H
#define MM_MANAGER_EVENTS_H

#include "base/error.h"
#include "modelmanager/modelmanager.h"

#include <pthread.h>

typedef struct mm_event mm_event; // one that is still to be told

typedef struct mm_events {
    mm_event_callback callback; // fixed; NULL: nobody listens, and there is no thread
    void *payload;
    mm_event *first, *last; // (L)
    size_t missed;          // (L) since the last one that there was memory for
    bool stop;              // (L)
    bool started;
    pthread_t thread;
    pthread_cond_t wake;
} mm_events;

mm_status mm_events_start(mm_manager *manager, mm_event_callback callback, void *payload,
                          mm_error *error);
// Copies what it is given.
void mm_events_put_locked(mm_manager *manager, const mm_deployment_event *event);
// Tells the rest and ends the thread; when nothing more comes. Accepts what was not started.
void mm_events_join(mm_manager *manager);

#endif
