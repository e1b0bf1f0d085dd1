// SPDX-License-Identifier: Apache-2.0
// Redirects are followed by hand, because libcurl's own following knows nothing of which hosts may
// see the token, and because a signed address must never get into a message.
#include "hub/hub_http.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    MAX_REDIRECTS = 10,
    MAX_HEADER_BYTES = 256 << 10,
    MAX_ERROR_BODY = 16 << 10,
    MAX_URL = 16 << 10,
    POLL_MS = 100,
};

// The connections are the multi handle's. Each transfer has an easy handle of its own: up to 8.1.0
// libcurl goes through a dangling pointer when a handle is used again and the first header of the
// second answer begins with a blank (curl issue 11101).
struct mm_http {
    CURLM *multi;
};

// What the callbacks of one transfer work on.
typedef struct transfer {
    mm_http_response *response;
    const mm_http_request *request;
    mm_buffer body;
    size_t header_bytes;
    bool stopped, no_memory, too_long;
    bool enough; // of what an error says
} transfer;

static const char *const header_names[MM_HTTP_HEADER_COUNT] = {
    "location",    "link",      "x-repo-commit", "x-error-code",     "x-error-message",
    "retry-after", "ratelimit", "content-range", "content-encoding", "x-request-id",
};

static pthread_once_t init_once = PTHREAD_ONCE_INIT;
static CURLcode init_result;

static void init_curl(void) {
    init_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

mm_status mm_http_create(mm_http **out, mm_error *error) {
    *out = NULL;
    pthread_once(&init_once, init_curl);
    mm_http *http = init_result ? NULL : mm_calloc(1, sizeof(*http));
    if (http && (http->multi = curl_multi_init()) != NULL) {
        *out = http;
        return MM_STATUS_OK;
    }
    mm_http_free(http);
    return mm_fail_memory(error, "a connection to the Hub");
}

void mm_http_free(mm_http *http) {
    if (!http)
        return;
    (void)curl_multi_cleanup(http->multi);
    mm_free(http);
}

static void clear_headers(mm_http_response *response) {
    for (size_t i = 0; i < MM_HTTP_HEADER_COUNT; i++) {
        mm_free(response->headers[i]);
        response->headers[i] = NULL;
    }
}

void mm_http_response_free(mm_http_response *response) {
    clear_headers(response);
    mm_free(response->body);
    mm_free(response->location);
    *response = (mm_http_response){0};
}

// ---- URLs --------------------------------------------------------------------------------------

static char *url_part(CURLU *url, CURLUPart part, unsigned flags) {
    char *text = NULL;
    return curl_url_get(url, part, &text, flags) ? NULL : text;
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part) {
    char *left = url_part(a, part, CURLU_DEFAULT_PORT);
    char *right = url_part(b, part, CURLU_DEFAULT_PORT);
    bool same = left && right && strcasecmp(left, right) == 0;
    curl_free(left);
    curl_free(right);
    return same;
}

bool mm_http_same_origin(const char *a, const char *b) {
    CURLU *left = curl_url(), *right = curl_url();
    bool same = left && right && !curl_url_set(left, CURLUPART_URL, a, 0) &&
                !curl_url_set(right, CURLUPART_URL, b, 0) &&
                same_part(left, right, CURLUPART_SCHEME) &&
                same_part(left, right, CURLUPART_HOST) && same_part(left, right, CURLUPART_PORT);
    curl_url_cleanup(left);
    curl_url_cleanup(right);
    return same;
}

static bool is_scheme(CURLU *url, const char *name) {
    char *scheme = url_part(url, CURLUPART_SCHEME, 0);
    bool is = scheme && strcasecmp(scheme, name) == 0;
    curl_free(scheme);
    return is;
}

// The redirect's target, seen from `url`; REFUSED with a cause when we do not go there.
static mm_http_outcome redirect_target(char **out, mm_http_response *response, const char *url) {
    const char *location = response->headers[MM_HTTP_LOCATION];
    CURLU *parsed = curl_url();
    char *target = NULL;
    bool was_https = false;
    const char *problem = "without an address";
    if (parsed && location && !curl_url_set(parsed, CURLUPART_URL, url, 0)) {
        was_https = is_scheme(parsed, "https");
        problem = "to an address that is none";
        if (!curl_url_set(parsed, CURLUPART_URL, location, CURLU_NON_SUPPORT_SCHEME)) {
            bool https = is_scheme(parsed, "https");
            if (!https && !is_scheme(parsed, "http"))
                problem = "to an address that is neither http nor https";
            else if (was_https && !https)
                problem = "from https to plain http";
            else
                target = url_part(parsed, CURLUPART_URL, 0);
        }
    }
    curl_url_cleanup(parsed);
    mm_http_outcome outcome = MM_HTTP_ANSWERED;
    if (!target || strlen(target) >= MAX_URL) {
        outcome = MM_HTTP_REFUSED;
        (void)snprintf(response->cause, sizeof(response->cause), "the server redirects %s",
                       target ? "to an address that is too long" : problem);
    } else if (!(*out = mm_strdup(target))) {
        outcome = MM_HTTP_NO_MEMORY;
    }
    curl_free(target);
    return outcome;
}

// ---- One transfer ------------------------------------------------------------------------------

static void keep_header(transfer *self, const char *line, size_t length) {
    const char *colon = memchr(line, ':', length);
    if (!colon)
        return;
    const char *value = colon + 1, *end = line + length;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    for (size_t i = 0; i < MM_HTTP_HEADER_COUNT; i++) {
        if (strlen(header_names[i]) != (size_t)(colon - line) ||
            strncasecmp(header_names[i], line, (size_t)(colon - line)) != 0)
            continue;
        mm_free(self->response->headers[i]);
        self->response->headers[i] = mm_strndup(value, (size_t)(end - value));
        self->no_memory |= !self->response->headers[i];
    }
}

// "HTTP/1.1 200 OK"; 0 when it is not like that.
static int parse_status(const char *line, size_t length) {
    const char *space = memchr(line, ' ', length);
    size_t left = space ? length - (size_t)(space + 1 - line) : 0;
    int status = 0;
    for (size_t i = 0; i < 3; i++) {
        if (i >= left || space[1 + i] < '0' || space[1 + i] > '9')
            return 0;
        status = status * 10 + (space[1 + i] - '0');
    }
    return status;
}

static size_t on_header(char *line, size_t size, size_t count, void *payload) {
    transfer *self = payload;
    size_t length = size * count;
    self->header_bytes += length;
    self->too_long |= self->header_bytes > MAX_HEADER_BYTES;
    if (length > 5 && strncmp(line, "HTTP/", 5) == 0) {
        clear_headers(self->response); // of an interim answer, or a proxy's
        self->response->status = parse_status(line, length);
    } else {
        keep_header(self, line, length);
    }
    return self->no_memory || self->too_long ? 0 : length;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *payload) {
    transfer *self = payload;
    size_t length = size * count;
    int status = self->response->status;
    if (status >= 200 && status < 300) {
        self->stopped = !self->request->sink(self->request->payload, self->response, bytes, length);
        return self->stopped ? 0 : length;
    }
    size_t room = MAX_ERROR_BODY - self->body.length;
    self->no_memory |= !mm_buffer_append(&self->body, bytes, length < room ? length : room);
    self->enough = length > room;
    return self->no_memory || self->enough ? 0 : length;
}

// *out NULL when there are none. False when memory is out.
static bool make_headers(struct curl_slist **out, const mm_http_request *request, bool with_token) {
    *out = NULL;
    if (!with_token || !request->token)
        return true;
    mm_buffer line;
    mm_buffer_init(&line, MAX_URL);
    if (mm_buffer_printf(&line, "Authorization: Bearer %s", request->token))
        *out = curl_slist_append(NULL, line.data);
    if (line.data)
        explicit_bzero(line.data, line.length);
    mm_buffer_free(&line);
    return *out != NULL;
}

// An Accept-Encoding that libcurl knows of makes it decode what comes compressed all the same.
static bool set_range(CURL *easy, const mm_http_request *request) {
    char range[48];
    if (request->to > 0)
        (void)snprintf(range, sizeof(range), "%llu-%llu", (unsigned long long)request->from,
                       (unsigned long long)request->to - 1);
    else
        (void)snprintf(range, sizeof(range), "%llu-", (unsigned long long)request->from);
    return !curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "identity") &&
           ((request->from == 0 && request->to == 0) ||
            !curl_easy_setopt(easy, CURLOPT_RANGE, range));
}

static bool set_options(CURL *easy, transfer *self, const char *url, struct curl_slist *headers) {
    const mm_http_request *request = self->request;
    return !curl_easy_setopt(easy, CURLOPT_URL, url) &&
           !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") &&
           !curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) &&
           !curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) &&
           !curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) &&
           !curl_easy_setopt(easy, CURLOPT_USERAGENT, "model-manager/" MM_VERSION_TEXT) &&
           !curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, request->connect_seconds) &&
           !curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L) &&
           !curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, request->idle_seconds) &&
           !curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10) &&
           !curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) &&
           !curl_easy_setopt(easy, CURLOPT_HEADERDATA, self) &&
           !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) &&
           !curl_easy_setopt(easy, CURLOPT_WRITEDATA, self) &&
           (!request->ca_file || !curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file)) &&
           (!request->ca_folder || !curl_easy_setopt(easy, CURLOPT_CAPATH, request->ca_folder)) &&
           set_range(easy, request);
}

static mm_http_outcome outcome_of(CURLcode code) {
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return MM_HTTP_NO_MEMORY;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return MM_HTTP_UNREACHABLE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return MM_HTTP_UNTRUSTED;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_WEIRD_SERVER_REPLY:
        return MM_HTTP_REFUSED;
    default:
        return MM_HTTP_BROKEN;
    }
}

// Runs until done or cancelled; polling by hand keeps cancelling prompt.
static mm_http_outcome drive(mm_http *http, CURL *easy, transfer *self) {
    const mm_http_request *request = self->request;
    if (curl_multi_add_handle(http->multi, easy))
        return MM_HTTP_NO_MEMORY;
    mm_http_outcome outcome = MM_HTTP_BROKEN;
    const char *cause = "the transfer failed";
    for (bool done = false; !done;) {
        int running = 0, left;
        if (request->cancelled && request->cancelled(request->cancel_payload)) {
            outcome = MM_HTTP_CANCELLED;
            break;
        }
        if (curl_multi_perform(http->multi, &running) ||
            (running && curl_multi_poll(http->multi, NULL, 0, POLL_MS, NULL)))
            break;
        const CURLMsg *message;
        while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
            done = true;
            CURLcode code = message->data.result;
            cause = curl_easy_strerror(code);
            outcome = code ? outcome_of(code) : MM_HTTP_ANSWERED;
        }
        done |= running == 0;
    }
    (void)curl_multi_remove_handle(http->multi, easy);
    if (self->no_memory)
        return MM_HTTP_NO_MEMORY;
    if (self->too_long) {
        cause = "its headers are too long";
        outcome = MM_HTTP_REFUSED;
    }
    if (self->stopped)
        return MM_HTTP_STOPPED;
    if (self->enough)
        return MM_HTTP_ANSWERED;
    if (outcome != MM_HTTP_ANSWERED)
        (void)snprintf(self->response->cause, sizeof(self->response->cause), "%s", cause);
    return outcome;
}

static mm_http_outcome transfer_once(mm_http_response *response, mm_http *http,
                                     const mm_http_request *request, const char *url,
                                     bool with_token) {
    transfer self = {.response = response, .request = request};
    mm_http_response_free(response);
    mm_buffer_init(&self.body, MAX_ERROR_BODY);
    mm_http_outcome outcome = MM_HTTP_NO_MEMORY;
    struct curl_slist *headers;
    CURL *easy = curl_easy_init();
    if (make_headers(&headers, request, with_token) && easy &&
        set_options(easy, &self, url, headers))
        outcome = drive(http, easy, &self);
    curl_easy_cleanup(easy);
    if (self.body.length > 0)
        response->body = mm_buffer_detach(&self.body);
    mm_buffer_free(&self.body);
    curl_slist_free_all(headers);
    return outcome;
}

static bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

mm_http_outcome mm_http_get(mm_http_response *response, mm_http *http,
                            const mm_http_request *request) {
    mm_http_response_free(response);
    char *url = mm_strdup(request->start ? request->start : request->url);
    mm_http_outcome outcome = url ? MM_HTTP_ANSWERED : MM_HTTP_NO_MEMORY;
    for (int hop = 0; !outcome; hop++) {
        bool at_home = mm_http_same_origin(request->url, url);
        outcome = transfer_once(response, http, request, url, at_home);
        response->at_home = at_home;
        if (outcome || !is_redirect(response->status)) {
            response->location = at_home ? NULL : url;
            url = at_home ? url : NULL;
            break;
        }
        char *next = NULL;
        if (hop < MAX_REDIRECTS) {
            outcome = redirect_target(&next, response, url);
        } else {
            outcome = MM_HTTP_REFUSED;
            (void)snprintf(response->cause, sizeof(response->cause),
                           "the server redirects more than %d times", MAX_REDIRECTS);
        }
        mm_free(url);
        url = next;
    }
    mm_free(url);
    return outcome;
}
