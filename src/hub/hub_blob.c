// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_blob.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "hub/hub_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_POLL_MS = 50 };

// ---- The lock ----------------------------------------------------------------------------------

static bool same_file(int file, const char *path) {
    struct stat own, named;
    return fstat(file, &own) == 0 && stat(path, &named) == 0 && own.st_ino == named.st_ino &&
           own.st_dev == named.st_dev;
}

// *out = -1 where the file system has no locks: then there is none, as in the Python library.
static mm_status take_lock(int *out, const mm_hub_client *client, const char *path,
                           mm_error *error) {
    for (;;) {
        int file = *out = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0664);
        if (file < 0)
            return mm_hub_layout_fail(error, "be opened", path, errno);
        while (flock(file, LOCK_EX | LOCK_NB) != 0) {
            int reason = errno;
            if (reason == EINTR)
                continue;
            if (reason != EWOULDBLOCK || mm_hub_client_cancelled(client)) {
                (void)close(file);
                *out = -1;
                return reason == EWOULDBLOCK ? mm_hub_client_fail_cancelled(error) : MM_STATUS_OK;
            }
            const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000};
            (void)nanosleep(&pause, NULL);
        }
        if (same_file(file, path))
            return MM_STATUS_OK;
        (void)close(file); // somebody removed it meanwhile
    }
}

static void drop_lock(int file) {
    if (file >= 0)
        (void)close(file);
}

// ---- Getting it --------------------------------------------------------------------------------

// What a stream over one connection writes to.
typedef struct sink {
    mm_hub_arrival *arrival;
    mm_hub_flow *flow;
} sink;

static bool take_bytes(void *payload, const void *bytes, size_t length) {
    sink *self = payload;
    bool taken = mm_hub_arrival_append(self->arrival, bytes, length);
    atomic_store(&self->flow->have, self->arrival->have);
    return taken;
}

static bool take_anew(void *payload) {
    sink *self = payload;
    atomic_store(&self->flow->have, 0);
    return mm_hub_arrival_restart(self->arrival);
}

static mm_status get_rest(mm_hub_arrival *arrival, mm_hub_client *client, const char *url,
                          mm_hub_flow *flow, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    if (mm_hub_parts_pay(arrival))
        status = mm_hub_parts_get(arrival, client, url, flow, error);
    sink target = {.arrival = arrival, .flow = flow};
    mm_hub_stream stream = {.url = url,
                            .file = arrival->file,
                            .at = arrival->have,
                            .end = arrival->file->size,
                            .take = take_bytes,
                            .restart = take_anew,
                            .payload = &target,
                            .downloaded = &flow->downloaded};
    if (!status)
        status = mm_hub_stream_get(&stream, client, error);
    mm_hub_stream_close(&stream);
    if (!status && arrival->write_error)
        status = mm_hub_arrival_fail(arrival, error);
    return status;
}

// Twice: a wrong hash may be the fault of what an earlier download left.
static mm_status get_verified(mm_hub_arrival *arrival, mm_hub_client *client, const char *url,
                              mm_hub_flow *flow, mm_error *error) {
    const mm_hub_file *file = arrival->file;
    for (int round = 0;; round++) {
        mm_status status = get_rest(arrival, client, url, flow, error);
        if (status || mm_hub_arrival_matches(arrival))
            return status;
        atomic_store(&flow->have, 0);
        if (!mm_hub_arrival_restart(arrival))
            return mm_hub_arrival_fail(arrival, error);
        if (round == 1)
            return mm_fail(error, MM_STATUS_DOWNLOAD_FAILED,
                           "%.100s of %.100s: its content is not what the Hub's list says (%s "
                           "%.64s); it was thrown away",
                           file->path, client->name, file->is_lfs ? "SHA-256" : "git SHA-1",
                           file->etag);
    }
}

static mm_status receive(mm_hub_client *client, const mm_hub_layout *layout, const char *commit,
                         const mm_hub_file *file, const char *incomplete, const char *blob,
                         mm_hub_flow *flow, mm_error *error) {
    mm_hub_arrival arrival;
    char *url = mm_hub_client_file_url(client, commit, file->path);
    mm_status status = mm_hub_arrival_open(&arrival, incomplete, file, client, error);
    if (!status && !url)
        status = mm_fail_memory(error, "a download");
    if (!status)
        status = mm_hub_layout_check_space(layout, file->size - arrival.have, error);
    atomic_store(&flow->have, arrival.have);
    if (!status)
        status = get_verified(&arrival, client, url, flow, error);
    if (!status)
        status = mm_hub_arrival_finish(&arrival, blob, error);
    if (!status)
        mm_hub_layout_sync(layout->blobs);
    mm_hub_arrival_close(&arrival);
    mm_free(url);
    return status;
}

// DIRECTORY/ETAG and what follows; NULL when memory is out.
static char *etag_path(const char *directory, const char *etag, const char *ending) {
    mm_buffer text;
    mm_buffer_init(&text, 16384);
    char *path = mm_buffer_printf(&text, "%s/%s%s", directory, etag, ending)
                     ? mm_buffer_detach(&text)
                     : NULL;
    mm_buffer_free(&text);
    return path;
}

static bool is_whole(const char *path, const mm_hub_file *file) {
    struct stat info;
    return path && stat(path, &info) == 0 && S_ISREG(info.st_mode) &&
           (uint64_t)info.st_size == file->size;
}

static bool is_whole_itself(const char *path, const mm_hub_file *file) {
    struct stat info;
    return path && lstat(path, &info) == 0 && S_ISREG(info.st_mode) &&
           (uint64_t)info.st_size == file->size;
}

bool mm_hub_blob_present(const mm_hub_layout *layout, const char *commit, const mm_hub_file *file) {
    char *blob = etag_path(layout->blobs, file->etag, "");
    char *pointer = mm_hub_layout_pointer(layout, commit, file->path);
    bool present = is_whole(blob, file) || is_whole_itself(pointer, file);
    mm_free(pointer);
    mm_free(blob);
    return present;
}

uint64_t mm_hub_blob_missing(const mm_hub_layout *layout, const char *commit,
                             const mm_hub_file *file) {
    if (mm_hub_blob_present(layout, commit, file))
        return 0;
    struct stat info;
    char *incomplete = etag_path(layout->blobs, file->etag, ".incomplete");
    bool begun = incomplete && lstat(incomplete, &info) == 0 && S_ISREG(info.st_mode) &&
                 (uint64_t)info.st_size <= file->size;
    mm_free(incomplete);
    return begun ? file->size - (uint64_t)info.st_size : file->size;
}

static mm_status fetch_locked(mm_hub_client *client, const mm_hub_layout *layout,
                              const char *commit, const mm_hub_file *file, bool is_locked,
                              mm_hub_flow *flow, mm_error *error) {
    char ending[32] = ".incomplete";
    if (!is_locked) // everybody writes a file of their own
        (void)snprintf(ending, sizeof(ending), ".%08x.incomplete", (unsigned)gettid());
    char *blob = etag_path(layout->blobs, file->etag, "");
    char *incomplete = etag_path(layout->blobs, file->etag, ending);
    mm_status status = MM_STATUS_OK;
    if (!blob || !incomplete)
        status = mm_fail_memory(error, "a path");
    else if (!mm_hub_blob_present(layout, commit, file)) // nobody has got it meanwhile
        status = receive(client, layout, commit, file, incomplete, blob, flow, error);
    mm_free(incomplete);
    mm_free(blob);
    return status;
}

mm_status mm_hub_blob_fetch(mm_hub_client *client, const mm_hub_layout *layout, const char *commit,
                            const mm_hub_file *file, mm_hub_flow *flow, mm_error *error) {
    mm_status status = MM_STATUS_OK;
    if (!mm_hub_blob_present(layout, commit, file)) {
        int lock = -1;
        char *path = etag_path(layout->locks, file->etag, ".lock");
        status = path ? take_lock(&lock, client, path, error) : mm_fail_memory(error, "a path");
        if (!status)
            status = fetch_locked(client, layout, commit, file, lock >= 0, flow, error);
        drop_lock(lock);
        mm_free(path);
    }
    if (!status)
        atomic_store(&flow->have, file->size);
    return status;
}
