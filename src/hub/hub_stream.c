// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_stream.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool refuse(mm_hub_stream *self, const char *problem) {
    self->problem = problem;
    return false;
}

static bool is_compressed(const mm_http_response *response) {
    const char *encoding = response->headers[MM_HTTP_CONTENT_ENCODING];
    return encoding && *encoding && strcasecmp(encoding, "identity") != 0;
}

// The first byte of an answer: is it the one that is wanted?
static bool begin_body(mm_hub_stream *self, const mm_http_response *response) {
    const char *range = response->headers[MM_HTTP_CONTENT_RANGE];
    self->began = true;
    if (response->status == 206) {
        if (is_compressed(response)) { // a part of the compressed file: of no use
            self->lacks_ranges = true;
            return refuse(self, "parts of it come compressed, which was not asked for");
        }
        unsigned long long start = 0;
        char *end = NULL;
        if (range && strncasecmp(range, "bytes ", 6) == 0)
            start = strtoull(range + 6, &end, 10);
        if (end && end != range + 6 && start == self->at)
            return true;
        return refuse(self, "another part of the file came than was asked for");
    }
    // The whole file, although only a part was wanted.
    if (self->at == 0 && self->end == self->file->size)
        return true;
    self->lacks_ranges = true;
    if (self->restart && self->restart(self->payload)) {
        self->at = 0;
        return true;
    }
    self->refused = self->restart != NULL;
    return false;
}

static bool take_body(void *payload, const mm_http_response *response, const void *bytes,
                      size_t length) {
    mm_hub_stream *self = payload;
    if (!self->began && !begin_body(self, response))
        return false;
    bool excess = length > self->end - self->at;
    if (excess && self->end == self->file->size)
        return refuse(self, "it is longer than the Hub's list says");
    if (excess) // the server gives more than was asked for
        length = (size_t)(self->end - self->at);
    if (!self->take(self->payload, bytes, length)) {
        self->refused = true;
        return false;
    }
    self->at += length;
    (void)atomic_fetch_add(self->downloaded, length);
    return !excess;
}

static mm_status fail_stream(const mm_hub_stream *self, const mm_hub_client *client,
                             mm_http_outcome outcome, const mm_http_response *response,
                             uint64_t best, mm_error *error) {
    const mm_hub_file *file = self->file;
    if (self->problem)
        return mm_fail(error, MM_STATUS_DOWNLOAD_FAILED, "%.100s of %.100s: %s", file->path,
                       client->name, self->problem);
    if (outcome == MM_HTTP_ANSWERED && (response->status < 300 || response->status == 416))
        return mm_fail(error, MM_STATUS_DOWNLOAD_FAILED,
                       "%.100s of %.100s: only %llu of %llu bytes came, several times", file->path,
                       client->name, (unsigned long long)best, (unsigned long long)file->size);
    return mm_hub_client_fail(client, outcome, response, file->path, error);
}

// A location is kept while it serves: the next request then begins there.
static void keep_location(mm_hub_stream *self, mm_http_outcome outcome,
                          mm_http_response *response) {
    mm_free(self->location);
    self->location = NULL;
    bool served = outcome == MM_HTTP_STOPPED || outcome == MM_HTTP_BROKEN ||
                  (outcome == MM_HTTP_ANSWERED && response->status < 300);
    if (!served || !self->began)
        return;
    self->location = response->location;
    response->location = NULL;
}

// Whether asking again may help. 416: what is here is not of this file; compressed parts: only
// the whole is of use. Both begin anew.
static bool can_go_on(mm_hub_stream *self, mm_http_outcome outcome,
                      const mm_http_response *response, bool was_location) {
    bool bad_range = outcome == MM_HTTP_ANSWERED && response->status == 416;
    if (bad_range || (self->problem && self->lacks_ranges)) {
        if (!self->restart)
            return false;
        self->refused = !self->restart(self->payload);
        self->at = 0;
        self->problem = NULL;
        return true;
    }
    bool cut = outcome == MM_HTTP_ANSWERED && response->status < 300;
    return cut || (was_location && outcome == MM_HTTP_ANSWERED) ||
           mm_hub_client_retryable(outcome, response);
}

mm_status mm_hub_stream_get(mm_hub_stream *self, mm_hub_client *client, mm_error *error) {
    mm_http_response response = {0};
    mm_status status = MM_STATUS_OK;
    uint64_t best = self->at;
    for (int attempt = 1; self->at < self->end && !status; attempt++) {
        mm_http_request request = mm_hub_client_request(client, self->url);
        bool was_location = self->location != NULL;
        request.start = self->location;
        request.from = self->at;
        request.to = self->end < self->file->size ? self->end : 0;
        request.sink = take_body;
        request.payload = self;
        self->began = false;
        self->problem = NULL;
        mm_http_outcome outcome = mm_http_get(&response, client->http, &request);
        keep_location(self, outcome, &response);
        if (self->refused || (self->lacks_ranges && !self->restart) ||
            (self->at == self->end && !self->problem))
            break;
        if (self->at > best) { // what comes again after a restart does not count
            best = self->at;
            attempt = 1;
        }
        bool again = can_go_on(self, outcome, &response, was_location) && attempt < MM_HUB_TRIES;
        if (self->refused)
            break;
        if (!again)
            status = fail_stream(self, client, outcome, &response, best, error);
        else if (!mm_hub_client_wait(client, &response, attempt))
            status = mm_hub_client_fail_cancelled(error);
    }
    mm_http_response_free(&response);
    return status;
}

void mm_hub_stream_close(mm_hub_stream *self) {
    mm_free(self->location);
    self->location = NULL;
}
