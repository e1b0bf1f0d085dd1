// SPDX-License-Identifier: Apache-2.0
// HTTP as the Hub needs it: GET with ranges, redirects by our own rules, every size bounded. The
// only user of libcurl.
#ifndef MM_HUB_HUB_HTTP_H
#define MM_HUB_HUB_HTTP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum mm_http_header {
    MM_HTTP_LOCATION,
    MM_HTTP_LINK,
    MM_HTTP_REPO_COMMIT,
    MM_HTTP_ERROR_CODE,
    MM_HTTP_ERROR_MESSAGE,
    MM_HTTP_RETRY_AFTER,
    MM_HTTP_RATE_LIMIT,
    MM_HTTP_CONTENT_RANGE,
    MM_HTTP_CONTENT_ENCODING,
    MM_HTTP_REQUEST_ID,
    MM_HTTP_HEADER_COUNT,
} mm_http_header;

typedef enum mm_http_outcome {
    MM_HTTP_ANSWERED,    // `status` says how, success or not
    MM_HTTP_UNREACHABLE, // no connection came about
    MM_HTTP_UNTRUSTED,   // its certificate
    MM_HTTP_BROKEN,      // it broke, or nothing came for too long
    MM_HTTP_REFUSED,     // an answer that we do not accept, such as a redirect to file://
    MM_HTTP_STOPPED,     // the sink wanted no more
    MM_HTTP_CANCELLED,
    MM_HTTP_NO_MEMORY,
} mm_http_outcome;

typedef struct mm_http_response {
    int status;                          // of the last answer
    char *headers[MM_HTTP_HEADER_COUNT]; // its own; NULL = not sent
    char *body;                          // of what is no success, cut to some size; or NULL
    bool at_home;                        // came from the host that was asked, not from a redirect
    char *location;                      // unless at home: the address it came from, a secret
    char cause[256];                     // unless answered: what happened, without secrets
} mm_http_response;

// Takes body bytes of a successful answer; the status and headers are in `response` by then. False
// stops the transfer.
typedef bool (*mm_http_sink)(void *payload, const mm_http_response *response, const void *bytes,
                             size_t length);

typedef struct mm_http_request {
    const char *url;
    const char *token; // goes to the host, port and scheme of `url` only; NULL = none
    const char *start; // a location that an earlier answer to `url` came from; NULL = `url`
    uint64_t from, to; // the first byte and that behind the last; to 0 = all the rest
    mm_http_sink sink;
    void *payload;
    long connect_seconds, idle_seconds;
    const char *ca_file, *ca_folder;  // certificates to trust in place of the system's; or NULL
    bool (*cancelled)(void *payload); // asked several times a second; may be NULL
    void *cancel_payload;
} mm_http_request;

// Open connections, for one thread at a time.
typedef struct mm_http mm_http;

mm_status mm_http_create(mm_http **out, mm_error *error);
void mm_http_free(mm_http *http); // accepts NULL
// Follows redirects. The response is overwritten; mm_http_response_free it in any case.
mm_http_outcome mm_http_get(mm_http_response *response, mm_http *http,
                            const mm_http_request *request);
void mm_http_response_free(mm_http_response *response); // leaves a zeroed one
// Whether two URLs have scheme, host and port in common.
bool mm_http_same_origin(const char *a, const char *b);

#endif
