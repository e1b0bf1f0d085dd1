// SPDX-License-Identifier: Apache-2.0
// ETAG.incomplete grows under the lock and gets its name only when its size and hash are those that
// the Hub promised, so blobs/ETAG is never a half and never anything else.
#include "hub/hub_blob.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_POLL_MS = 50, CHUNK = 256 << 10 };
static const int64_t progress_every_ns = 100000000;

// One blob on its way.
typedef struct arrival {
    mm_hub_client *client;
    const mm_hub_file *file;
    const char *path; // of the incomplete file
    mm_hub_progress *progress;
    uint64_t before; // progress->bytes without this file
    uint64_t *downloaded;
    int descriptor;
    EVP_MD_CTX *digest;
    uint64_t have;      // bytes written and hashed
    bool began;         // this answer's body
    uint64_t best;      // the most that `have` ever was
    int write_error;    // errno
    const char *excess; // what is wrong with the answer, or NULL
    int64_t shown_ns;
} arrival;

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

// ---- The hash ----------------------------------------------------------------------------------

// SHA-256 of the content, or git's SHA-1 of "blob SIZE\0" and the content.
static bool hash_begin(arrival *self) {
    const EVP_MD *kind = self->file->is_lfs ? EVP_sha256() : EVP_sha1();
    if (!EVP_DigestInit_ex(self->digest, kind, NULL))
        return false;
    char head[32];
    int length = snprintf(head, sizeof(head), "blob %llu", (unsigned long long)self->file->size);
    return self->file->is_lfs || EVP_DigestUpdate(self->digest, head, (size_t)length + 1);
}

static bool hash_matches(const arrival *self) {
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    char text[2 * EVP_MAX_MD_SIZE + 1];
    if (!EVP_DigestFinal_ex(self->digest, sum, &length))
        return false;
    for (unsigned i = 0; i < length; i++)
        (void)snprintf(text + 2 * (size_t)i, 3, "%02x", sum[i]);
    return strcmp(text, self->file->etag) == 0;
}

// ---- The incomplete file -----------------------------------------------------------------------

static void show(arrival *self, bool always) {
    const mm_hub_watch *watch = self->client->watch;
    int64_t now = mm_clock_now_ns();
    self->progress->file_bytes = self->have;
    self->progress->bytes = self->before + self->have;
    if (!watch->progress || (!always && now - self->shown_ns < progress_every_ns))
        return;
    self->shown_ns = now;
    watch->progress(self->progress, watch->payload);
}

static mm_status restart(arrival *self, mm_error *error) {
    self->have = 0;
    if (ftruncate(self->descriptor, 0) != 0 || lseek(self->descriptor, 0, SEEK_SET) != 0)
        return mm_hub_layout_fail(error, "be cut", self->path, errno);
    return hash_begin(self) ? MM_STATUS_OK : mm_fail_memory(error, "a hash");
}

// Hashes what an earlier download left.
static mm_status take_up(arrival *self, mm_error *error) {
    struct stat info;
    if (fstat(self->descriptor, &info) != 0)
        return mm_hub_layout_fail(error, "be read", self->path, errno);
    if (info.st_size == 0 || (uint64_t)info.st_size > self->file->size)
        return restart(self, error);
    unsigned char *chunk = mm_malloc(CHUNK);
    mm_status status = MM_STATUS_OK;
    if (!chunk || !hash_begin(self))
        status = mm_fail_memory(error, "a hash");
    while (!status) {
        ssize_t got = read(self->descriptor, chunk, CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = mm_hub_layout_fail(error, "be read", self->path, errno);
        else if (got > 0 && mm_hub_client_cancelled(self->client))
            status = mm_hub_client_fail_cancelled(error);
        else if (got > 0 && !EVP_DigestUpdate(self->digest, chunk, (size_t)got))
            status = mm_fail_memory(error, "a hash");
        if (got <= 0)
            break;
        self->have += (uint64_t)got;
    }
    mm_free(chunk);
    return status;
}

static bool write_all(int file, const void *bytes, size_t length) {
    for (const char *at = bytes; length > 0;) {
        ssize_t put = write(file, at, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += put;
        length -= (size_t)put;
    }
    return true;
}

// The first byte of an answer: does it go on where we stand?
static bool begin_body(arrival *self, const mm_http_response *response) {
    const char *encoding = response->headers[MM_HTTP_CONTENT_ENCODING];
    const char *range = response->headers[MM_HTTP_CONTENT_RANGE];
    self->began = true;
    if (encoding && strcasecmp(encoding, "identity") != 0) {
        self->excess = "it came compressed, which was not asked for";
        return false;
    }
    if (response->status == 206) {
        unsigned long long start = 0;
        char *end = NULL;
        if (range && strncasecmp(range, "bytes ", 6) == 0)
            start = strtoull(range + 6, &end, 10);
        if (end && end != range + 6 && start == self->have)
            return true;
        self->excess = "another part of the file came than was asked for";
        return false;
    }
    // The whole file, although only its end was wanted.
    if (self->have == 0)
        return true;
    bool restarted = restart(self, NULL) == MM_STATUS_OK;
    self->write_error = restarted ? 0 : EIO;
    return restarted;
}

static bool take_body(void *payload, const mm_http_response *response, const void *bytes,
                      size_t length) {
    arrival *self = payload;
    if (!self->began && !begin_body(self, response))
        return false;
    if (length > self->file->size - self->have) {
        self->excess = "it is longer than the Hub's list says";
        return false;
    }
    if (!write_all(self->descriptor, bytes, length)) {
        self->write_error = errno ? errno : EIO;
        return false;
    }
    if (!EVP_DigestUpdate(self->digest, bytes, length)) {
        self->write_error = ENOMEM;
        return false;
    }
    self->have += length;
    *self->downloaded += length;
    show(self, false);
    return true;
}

// ---- Getting it --------------------------------------------------------------------------------

static mm_status fail_arrival(const arrival *self, mm_http_outcome outcome,
                              const mm_http_response *response, mm_error *error) {
    const mm_hub_client *client = self->client;
    if (self->write_error)
        return mm_hub_layout_fail(error, "be written", self->path, self->write_error);
    if (self->excess)
        return mm_fail(error, MM_STATUS_DOWNLOAD_FAILED, "%.100s of %.100s: %s", self->file->path,
                       client->name, self->excess);
    if (outcome == MM_HTTP_ANSWERED && (response->status < 300 || response->status == 416))
        return mm_fail(error, MM_STATUS_DOWNLOAD_FAILED,
                       "%.100s of %.100s: only %llu of %llu bytes came, several times",
                       self->file->path, client->name, (unsigned long long)self->best,
                       (unsigned long long)self->file->size);
    return mm_hub_client_fail(client, outcome, response, self->file->path, error);
}

// Asks until all bytes are there; tries count from the last that brought any.
static mm_status get_rest(arrival *self, const char *url, mm_error *error) {
    mm_hub_client *client = self->client;
    mm_http_response response = {0};
    mm_status status = MM_STATUS_OK;
    for (int attempt = 1; self->have < self->file->size && !status; attempt++) {
        mm_http_request request = {.url = url,
                                   .token = client->token,
                                   .from = self->have,
                                   .sink = take_body,
                                   .payload = self,
                                   .connect_seconds = client->access->connect_seconds,
                                   .idle_seconds = client->access->idle_seconds,
                                   .cancelled = client->watch->cancelled,
                                   .cancel_payload = client->watch->payload};
        self->began = false;
        mm_http_outcome outcome = mm_http_get(&response, client->http, &request);
        if (self->have == self->file->size && !self->excess && !self->write_error)
            break;
        if (self->have > self->best) { // what comes again after a restart does not count
            self->best = self->have;
            attempt = 1;
        }
        bool cut = outcome == MM_HTTP_ANSWERED && response.status < 300;
        bool bad_range = outcome == MM_HTTP_ANSWERED && response.status == 416;
        if (bad_range)
            status = restart(self, error);
        bool again = (cut || bad_range || mm_hub_client_retryable(outcome, &response)) &&
                     attempt < MM_HUB_TRIES;
        if (!status && !again)
            status = fail_arrival(self, outcome, &response, error);
        else if (!status && !mm_hub_client_wait(client, &response, attempt))
            status = mm_hub_client_fail_cancelled(error);
    }
    mm_http_response_free(&response);
    return status;
}

// Twice: a wrong hash may be the fault of what an earlier download left.
static mm_status get_verified(arrival *self, const char *url, mm_error *error) {
    for (int round = 0;; round++) {
        mm_status status = get_rest(self, url, error);
        if (status)
            return status;
        show(self, true);
        if (hash_matches(self))
            return MM_STATUS_OK;
        status = restart(self, error);
        if (status)
            return status;
        if (round == 1)
            return mm_fail(error, MM_STATUS_DOWNLOAD_FAILED,
                           "%.100s of %.100s: its content is not what the Hub's list says (%s "
                           "%.64s); it was thrown away",
                           self->file->path, self->client->name,
                           self->file->is_lfs ? "SHA-256" : "git SHA-1", self->file->etag);
    }
}

static mm_status receive(arrival *self, const mm_hub_layout *layout, const char *commit,
                         const char *blob, mm_error *error) {
    char *url = mm_hub_client_file_url(self->client, commit, self->file->path);
    self->digest = EVP_MD_CTX_new();
    mm_status status = MM_STATUS_OK;
    self->descriptor = open(self->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (!url || !self->digest)
        status = mm_fail_memory(error, "a download");
    else if (self->descriptor < 0)
        status = mm_hub_layout_fail(error, "be opened", self->path, errno);
    if (!status)
        status = take_up(self, error);
    if (!status)
        status = mm_hub_layout_check_space(layout, self->file->size - self->have, error);
    if (!status)
        status = get_verified(self, url, error);
    if (!status && (fsync(self->descriptor) != 0 || rename(self->path, blob) != 0))
        status = mm_hub_layout_fail(error, "be written", self->path, errno);
    if (!status)
        mm_hub_layout_sync(layout->blobs);
    if (self->descriptor >= 0)
        (void)close(self->descriptor);
    EVP_MD_CTX_free(self->digest);
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

static bool is_whole(const char *blob, const mm_hub_file *file) {
    struct stat info;
    return stat(blob, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size == file->size;
}

bool mm_hub_blob_present(const mm_hub_layout *layout, const mm_hub_file *file) {
    char *blob = etag_path(layout->blobs, file->etag, "");
    bool present = blob && is_whole(blob, file);
    mm_free(blob);
    return present;
}

mm_status mm_hub_blob_fetch(mm_hub_client *client, const mm_hub_layout *layout, const char *commit,
                            const mm_hub_file *file, mm_hub_progress *progress,
                            uint64_t *downloaded, mm_error *error) {
    arrival self = {.client = client,
                    .file = file,
                    .progress = progress,
                    .before = progress->bytes,
                    .downloaded = downloaded,
                    .descriptor = -1};
    char ending[32] = ".incomplete";
    int lock = -1;
    char *blob = etag_path(layout->blobs, file->etag, "");
    char *lock_path = etag_path(layout->locks, file->etag, ".lock");
    char *incomplete = NULL;
    mm_status status = blob && lock_path ? MM_STATUS_OK : mm_fail_memory(error, "a path");
    progress->file = file->path;
    progress->file_size = file->size;
    progress->file_bytes = 0;
    if (!status && !is_whole(blob, file)) {
        status = take_lock(&lock, client, lock_path, error);
        if (!status && lock < 0) // without a lock everybody writes a file of their own
            (void)snprintf(ending, sizeof(ending), ".%08x.incomplete", (unsigned)gettid());
        incomplete = status ? NULL : etag_path(layout->blobs, file->etag, ending);
        if (!status && !incomplete)
            status = mm_fail_memory(error, "a path");
        self.path = incomplete;
        if (!status && !is_whole(blob, file)) // somebody else may have got it meanwhile
            status = receive(&self, layout, commit, blob, error);
        drop_lock(lock);
    }
    if (!status) {
        self.have = file->size;
        progress->files_done++;
        show(&self, true);
    }
    mm_free(incomplete);
    mm_free(lock_path);
    mm_free(blob);
    return status;
}
