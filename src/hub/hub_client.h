// SPDX-License-Identifier: Apache-2.0
// Talking to the Hub about one repository: what its revisions are and which files they hold, with
// retries, and with errors that say what to do.
#ifndef MM_HUB_HUB_CLIENT_H
#define MM_HUB_HUB_CLIENT_H

#include "base/log.h"
#include "hub/hub_access.h"
#include "hub/hub_http.h"
#include "hub/hub_tree.h"

#include <stdatomic.h>

// How a download goes on. Strings are borrowed for the call.
typedef struct mm_hub_progress {
    const char *file;
    uint64_t file_bytes, file_size;
    uint64_t bytes, size; // of all files known to be needed so far
    size_t files_done, files;
} mm_hub_progress;

// Who waits for a download. Called from the thread that downloads, several times a second.
typedef struct mm_hub_watch {
    bool (*cancelled)(void *payload);                                 // may be NULL
    void (*progress)(const mm_hub_progress *progress, void *payload); // may be NULL
    void *payload;
    const mm_log *log; // may be NULL
} mm_hub_watch;

// Belongs to one thread.
typedef struct mm_hub_client {
    const mm_hub_access *access;
    const mm_hub_watch *watch;
    char *token; // or NULL
    mm_http *http;
    const char *name, *revision; // of the repository that is being asked about; borrowed
    atomic_int *spare;           // connections that a large file may open besides; or NULL
} mm_hub_client;

// With `token`, or when that is NULL the one `access` leads to.
mm_status mm_hub_client_open(mm_hub_client *out, const mm_hub_access *access, const char *token,
                             const mm_hub_watch *watch, mm_error *error);
// One more connection, for another thread: to the same repository and with the same token.
mm_status mm_hub_client_share(mm_hub_client *out, const mm_hub_client *client,
                              const mm_hub_watch *watch, mm_error *error);
void mm_hub_client_close(mm_hub_client *client);

// The commit of client->revision. MODEL_NOT_FOUND, MODEL_ACCESS_DENIED, DOWNLOAD_FAILED, OFFLINE.
mm_status mm_hub_client_resolve(char commit[41], mm_hub_client *client, mm_error *error);
// All files of the commit, sorted.
mm_status mm_hub_client_list(mm_hub_tree *out, mm_hub_client *client, const char *commit,
                             mm_error *error);
// What the Hub knows of the token's owner; the caller releases *out. MODEL_ACCESS_DENIED when it
// does not know the token.
mm_status mm_hub_client_account(json_t **out, mm_hub_client *client, mm_error *error);
// Where a file's bytes are to be had; the caller frees. NULL when memory is out.
char *mm_hub_client_file_url(const mm_hub_client *client, const char *commit, const char *path);

// For those who make requests of their own (hub_stream.c):
// A request for `url` with all but range and sink.
mm_http_request mm_hub_client_request(const mm_hub_client *client, const char *url);
bool mm_hub_client_cancelled(const mm_hub_client *client);
mm_status mm_hub_client_fail_cancelled(mm_error *error);
// Whether asking again may help.
bool mm_hub_client_retryable(mm_http_outcome outcome, const mm_http_response *response);
// Waits before try number `attempt` + 1; false when the waiting was cancelled.
bool mm_hub_client_wait(const mm_hub_client *client, const mm_http_response *response, int attempt);
// What an answer that is no success means, or the lack of one; `what` is what was asked for.
mm_status mm_hub_client_fail(const mm_hub_client *client, mm_http_outcome outcome,
                             const mm_http_response *response, const char *what, mm_error *error);
enum { MM_HUB_TRIES = 5 };

#endif
