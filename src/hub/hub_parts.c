// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_parts.h"

#include "base/memory.h"
#include "base/thread.h"
#include "hub/hub_stream.h"

#include <string.h>

enum { PIECE = 8 << 20, PAYS_FROM = 4 * PIECE, HELPERS = 3 };

// What the connections of one file share.
typedef struct parts {
    mm_hub_arrival *arrival; // whose turn it is writes
    const char *url;
    mm_hub_flow *flow;
    mm_hub_client *client; // of the thread that began
    atomic_bool stopped;   // no more of it: a failure, or somebody cancelled
    pthread_mutex_t lock;
    pthread_cond_t turn;
    uint64_t next;    // (L) where the next piece begins
    uint64_t written; // (L) up to there the file is
    mm_status status; // (L) of the first failure
    mm_error error;   // (L)
} parts;

// One connection and its piece.
typedef struct lane {
    parts *shared;
    mm_hub_client client;
    mm_hub_watch watch;
    mm_hub_stream stream;
    unsigned char *bytes; // [PIECE]
    size_t filled;
    pthread_t thread;
} lane;

static bool lane_cancelled(void *payload) {
    const parts *shared = payload;
    return atomic_load(&shared->stopped) || mm_hub_client_cancelled(shared->client);
}

static bool take_piece(void *payload, const void *bytes, size_t length) {
    lane *self = payload;
    memcpy(self->bytes + self->filled, bytes, length); // the stream never gives more than it should
    self->filled += length;
    (void)atomic_fetch_add(&self->shared->flow->have, length);
    return true;
}

static void stop(parts *shared, mm_status status, const mm_error *error) {
    pthread_mutex_lock(&shared->lock);
    if (!atomic_exchange(&shared->stopped, true)) {
        shared->status = status;
        shared->error = *error;
    }
    pthread_cond_broadcast(&shared->turn);
    pthread_mutex_unlock(&shared->lock);
}

// False when there is none left.
static bool take_next(parts *shared, uint64_t *begin, uint64_t *end) {
    uint64_t size = shared->arrival->file->size;
    pthread_mutex_lock(&shared->lock);
    *begin = shared->next;
    *end = size - *begin < PIECE ? size : *begin + PIECE;
    shared->next = *end;
    pthread_mutex_unlock(&shared->lock);
    return *begin < size && !atomic_load(&shared->stopped);
}

// Waits until all before it is written. False when it will never be.
static bool write_piece(lane *self, uint64_t begin, mm_error *error) {
    parts *shared = self->shared;
    pthread_mutex_lock(&shared->lock);
    while (shared->written != begin && !atomic_load(&shared->stopped))
        pthread_cond_wait(&shared->turn, &shared->lock);
    pthread_mutex_unlock(&shared->lock);
    if (atomic_load(&shared->stopped))
        return false;
    if (!mm_hub_arrival_append(shared->arrival, self->bytes, self->filled)) {
        mm_status status = mm_hub_arrival_fail(shared->arrival, error);
        stop(shared, status, error);
        return false;
    }
    pthread_mutex_lock(&shared->lock);
    shared->written = begin + self->filled;
    pthread_cond_broadcast(&shared->turn);
    pthread_mutex_unlock(&shared->lock);
    return true;
}

static void lane_run(lane *self) {
    parts *shared = self->shared;
    mm_error error = {0};
    uint64_t begin, end;
    while (take_next(shared, &begin, &end)) {
        self->filled = 0;
        self->stream.at = begin;
        self->stream.end = end;
        mm_status status = mm_hub_stream_get(&self->stream, &self->client, &error);
        if (status || self->stream.at < end) { // whole files only: nobody's failure
            stop(shared, status, &error);
            return;
        }
        if (!write_piece(self, begin, &error))
            return;
    }
}

static void *lane_main(void *payload) {
    lane_run(payload);
    return NULL;
}

static mm_status lane_open(lane *out, parts *shared, mm_error *error) {
    *out = (lane){.shared = shared};
    out->watch = (mm_hub_watch){
        .cancelled = lane_cancelled, .payload = shared, .log = shared->client->watch->log};
    out->stream = (mm_hub_stream){.url = shared->url,
                                  .file = shared->arrival->file,
                                  .take = take_piece,
                                  .payload = out,
                                  .downloaded = &shared->flow->downloaded};
    out->bytes = mm_malloc(PIECE);
    return out->bytes ? mm_hub_client_share(&out->client, shared->client, &out->watch, error)
                      : mm_fail_memory(error, "a piece of a download");
}

static void lane_close(lane *self) {
    mm_hub_stream_close(&self->stream);
    mm_hub_client_close(&self->client);
    mm_free(self->bytes);
}

static bool take_spare(atomic_int *spare) {
    if (!spare)
        return false;
    if (atomic_fetch_sub(spare, 1) > 0)
        return true;
    (void)atomic_fetch_add(spare, 1);
    return false;
}

bool mm_hub_parts_pay(const mm_hub_arrival *arrival) {
    return arrival->file->size - arrival->have >= PAYS_FROM;
}

mm_status mm_hub_parts_get(mm_hub_arrival *arrival, mm_hub_client *client, const char *url,
                           mm_hub_flow *flow, mm_error *error) {
    parts shared = {.arrival = arrival,
                    .url = url,
                    .flow = flow,
                    .client = client,
                    .lock = PTHREAD_MUTEX_INITIALIZER,
                    .turn = PTHREAD_COND_INITIALIZER,
                    .next = arrival->have,
                    .written = arrival->have};
    lane lanes[1 + HELPERS]; // the first is this thread's
    mm_status status = lane_open(&lanes[0], &shared, error);
    size_t count = 1;
    while (!status && count <= HELPERS && take_spare(client->spare)) {
        lane *more = &lanes[count];
        if (lane_open(more, &shared, NULL) == MM_STATUS_OK &&
            mm_thread_start(&more->thread, lane_main, more)) {
            count++;
            continue;
        }
        lane_close(more); // fewer do as well
        (void)atomic_fetch_add(client->spare, 1);
        break;
    }
    if (!status)
        lane_run(&lanes[0]);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            (void)pthread_join(lanes[i].thread, NULL);
            (void)atomic_fetch_add(client->spare, 1);
        }
        lane_close(&lanes[i]);
    }
    if (!status && shared.status) {
        status = shared.status;
        if (error)
            *error = shared.error;
    }
    atomic_store(&flow->have, arrival->have);
    return status;
}
