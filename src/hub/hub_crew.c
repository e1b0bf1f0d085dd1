// SPDX-License-Identifier: Apache-2.0
// The largest files first: what is small then fills the gaps, and none of them is the last alone.
#include "hub/hub_crew.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"

#include <stdlib.h>

enum { HANDS = 4, SPARE_CONNECTIONS = 4 };
static const int64_t look_every_ns = 100000000;

typedef struct crew crew;

// One thread, with a connection of its own.
typedef struct hand {
    crew *crew;
    mm_hub_client client;
    const mm_hub_file *file; // (L) that it fetches; NULL = none
    mm_hub_flow flow;        // of that file
    pthread_t thread;
} hand;

struct crew {
    // Fixed.
    mm_hub_client *client;
    const mm_hub_layout *layout;
    const char *commit;
    const mm_hub_file **files; // [count], the largest first
    size_t count;
    mm_hub_watch watch; // of the hands

    atomic_bool stopped; // no more of it
    atomic_int spare;
    pthread_mutex_t lock;
    pthread_cond_t changed; // a file is done, a hand has ended
    size_t next;            // (L)
    size_t done;            // (L)
    size_t working;         // (L) hands that have not ended
    uint64_t bytes;         // (L) of the files that are done
    uint64_t downloaded;    // (L)
    mm_status status;       // (L) of the first failure
    mm_error error;         // (L)
};

static bool is_stopped(void *payload) {
    const crew *self = payload;
    return atomic_load(&self->stopped);
}

// ---- A hand ------------------------------------------------------------------------------------

static bool take_file_locked(hand *self) {
    crew *team = self->crew;
    if (team->next == team->count || atomic_load(&team->stopped))
        return false;
    atomic_store(&self->flow.have, 0);
    atomic_store(&self->flow.downloaded, 0);
    self->file = team->files[team->next++];
    return true;
}

static void *hand_main(void *payload) {
    hand *self = payload;
    crew *team = self->crew;
    mm_error error = {0};
    pthread_mutex_lock(&team->lock);
    while (take_file_locked(self)) {
        pthread_mutex_unlock(&team->lock);
        mm_status status = mm_hub_blob_fetch(&self->client, team->layout, team->commit, self->file,
                                             &self->flow, &error);
        pthread_mutex_lock(&team->lock);
        team->downloaded += atomic_load(&self->flow.downloaded);
        if (status && !atomic_exchange(&team->stopped, true)) {
            team->status = status;
            team->error = error;
        }
        if (!status) {
            team->done++;
            team->bytes += self->file->size;
        }
        self->file = NULL;
        pthread_cond_signal(&team->changed);
    }
    team->working--;
    pthread_cond_signal(&team->changed);
    pthread_mutex_unlock(&team->lock);
    return NULL;
}

// ---- The crew ----------------------------------------------------------------------------------

static int compare_sizes(const void *left, const void *right) {
    const mm_hub_file *const *a = left, *const *b = right;
    return (*a)->size < (*b)->size ? 1 : (*a)->size > (*b)->size ? -1 : 0;
}

static mm_status choose(crew *self, const mm_hub_tree *tree, mm_error *error) {
    self->files = mm_array_realloc(NULL, tree->count + 1, sizeof(mm_hub_file *));
    if (!self->files)
        return mm_fail_memory(error, "a download");
    for (size_t i = 0; i < tree->count; i++) {
        const mm_hub_file *file = &tree->files[i];
        if (!file->is_wanted)
            continue;
        if (mm_hub_blob_present(self->layout, self->commit, file)) {
            self->done++;
            self->bytes += file->size;
        } else {
            self->files[self->count++] = file;
        }
    }
    qsort(self->files, self->count, sizeof(mm_hub_file *), compare_sizes);
    return MM_STATUS_OK;
}

// Shows the largest of the files that are on their way.
static void show_locked(const crew *self, const hand *hands, mm_hub_progress *progress) {
    const mm_hub_watch *watch = self->client->watch;
    const mm_hub_file *shown = NULL;
    progress->bytes = self->bytes;
    progress->files_done = self->done;
    for (size_t i = 0; i < HANDS; i++) {
        const mm_hub_file *file = hands[i].file;
        if (!file)
            continue;
        uint64_t have = atomic_load(&hands[i].flow.have);
        progress->bytes += have;
        if (shown && shown->size >= file->size)
            continue;
        shown = file;
        progress->file = file->path;
        progress->file_size = file->size;
        progress->file_bytes = have;
    }
    if (!shown)
        progress->file_bytes = progress->file_size;
    if (watch->progress && progress->file)
        watch->progress(progress, watch->payload);
}

static void supervise(crew *self, const hand *hands, mm_hub_progress *progress) {
    enum { NANOSECONDS = 1000000000 };
    pthread_mutex_lock(&self->lock);
    while (self->working > 0) {
        int64_t next = mm_clock_now_ns() + look_every_ns;
        struct timespec until = {.tv_sec = next / NANOSECONDS, .tv_nsec = next % NANOSECONDS};
        (void)pthread_cond_timedwait(&self->changed, &self->lock, &until);
        show_locked(self, hands, progress);
        if (mm_hub_client_cancelled(self->client) && !atomic_exchange(&self->stopped, true))
            self->status = mm_hub_client_fail_cancelled(&self->error);
    }
    show_locked(self, hands, progress);
    pthread_mutex_unlock(&self->lock);
}

static mm_status work(crew *self, mm_hub_progress *progress, mm_error *error) {
    hand hands[HANDS] = {0};
    size_t started = 0;
    mm_status status = MM_STATUS_OK;
    self->watch =
        (mm_hub_watch){.cancelled = is_stopped, .payload = self, .log = self->client->watch->log};
    pthread_mutex_lock(&self->lock);
    for (; started < HANDS && started < self->count && !status; started += status ? 0 : 1) {
        hand *new = &hands[started];
        new->crew = self;
        status = mm_hub_client_share(&new->client, self->client, &self->watch, error);
        new->client.spare = &self->spare;
        if (!status && !mm_thread_start(&new->thread, hand_main, new))
            status = mm_fail(error, MM_STATUS_OUT_OF_MEMORY,
                             "cannot start a thread to download; raise the limit on processes");
        if (status)
            mm_hub_client_close(&new->client);
    }
    self->working = started;
    pthread_mutex_unlock(&self->lock);
    if (started > 0 || !status) { // fewer do as well
        supervise(self, hands, progress);
        status = self->status;
        if (status && error)
            *error = self->error;
    }
    for (size_t i = 0; i < started; i++) {
        (void)pthread_join(hands[i].thread, NULL);
        mm_hub_client_close(&hands[i].client);
    }
    return status;
}

mm_status mm_hub_crew_fetch(mm_hub_client *client, const mm_hub_layout *layout, const char *commit,
                            const mm_hub_tree *tree, mm_hub_progress *progress,
                            uint64_t *downloaded, mm_error *error) {
    crew self = {
        .client = client, .layout = layout, .commit = commit, .lock = PTHREAD_MUTEX_INITIALIZER};
    atomic_init(&self.spare, SPARE_CONNECTIONS);
    mm_condition_init(&self.changed);
    mm_status status = choose(&self, tree, error);
    if (!status)
        status = work(&self, progress, error);
    *downloaded += self.downloaded;
    pthread_cond_destroy(&self.changed);
    mm_free(self.files);
    return status;
}
