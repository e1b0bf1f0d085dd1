// SPDX-License-Identifier: Apache-2.0
#include "manager/events.h"

#include "base/memory.h"
#include "manager/state.h"

#include <string.h>

struct mm_event {
    mm_event *next;
    mm_deployment_event shown; // its texts lie behind, its error here
    mm_error error;
    char texts[];
};

static size_t size_of(const char *text) {
    return text ? strlen(text) + 1 : 0;
}

static const char *put(char **at, const char *text) {
    if (!text)
        return NULL;
    size_t size = size_of(text);
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

static mm_event *copy(const mm_deployment_event *event) {
    size_t texts = size_of(event->model_name) + size_of(event->revision) + size_of(event->device) +
                   size_of(event->dtype);
    mm_event *out = mm_malloc(sizeof(*out) + texts);
    if (!out)
        return NULL;
    char *at = out->texts;
    out->next = NULL;
    out->shown = *event;
    out->shown.model_name = put(&at, event->model_name);
    out->shown.revision = put(&at, event->revision);
    out->shown.device = put(&at, event->device);
    out->shown.dtype = put(&at, event->dtype);
    if (event->error) {
        out->error = *event->error;
        out->shown.error = &out->error;
    }
    return out;
}

void mm_events_put_locked(mm_manager *manager, const mm_deployment_event *event) {
    mm_events *events = &manager->events;
    if (!events->callback)
        return;
    mm_event *item = copy(event);
    if (!item) {
        events->missed++;
        return;
    }
    item->shown.missed = events->missed;
    events->missed = 0;
    if (events->last)
        events->last->next = item;
    else
        events->first = item;
    events->last = item;
    pthread_cond_signal(&events->wake);
}

static void tell_locked(mm_manager *manager) {
    mm_events *events = &manager->events;
    mm_event *item = events->first;
    events->first = item->next;
    if (!events->first)
        events->last = NULL;
    mm_mutex_unlock(&manager->lock);
    events->callback(&item->shown, events->payload);
    mm_free(item);
    mm_mutex_lock(&manager->lock);
}

static void *events_main(void *argument) {
    mm_manager *manager = argument;
    mm_events *events = &manager->events;
    mm_mutex_lock(&manager->lock);
    while (events->first || !events->stop) {
        if (events->first)
            tell_locked(manager);
        else
            mm_condition_wait(&events->wake, &manager->lock);
    }
    mm_mutex_unlock(&manager->lock);
    return NULL;
}

mm_status mm_events_start(mm_manager *manager, mm_event_callback callback, void *payload,
                          mm_error *error) {
    mm_events *events = &manager->events;
    if (!callback)
        return MM_STATUS_OK;
    events->callback = callback;
    events->payload = payload;
    mm_condition_init(&events->wake);
    events->started = mm_thread_start(&events->thread, events_main, manager);
    if (events->started)
        return MM_STATUS_OK;
    events->callback = NULL;
    pthread_cond_destroy(&events->wake);
    return mm_fail(error, MM_STATUS_OUT_OF_MEMORY, "cannot start a thread");
}

void mm_events_join(mm_manager *manager) {
    mm_events *events = &manager->events;
    if (!events->started)
        return;
    mm_mutex_lock(&manager->lock);
    events->stop = true;
    pthread_cond_signal(&events->wake);
    mm_mutex_unlock(&manager->lock);
    pthread_join(events->thread, NULL);
    pthread_cond_destroy(&events->wake);
    events->started = false;
}
