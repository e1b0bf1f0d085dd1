// SPDX-License-Identifier: Apache-2.0
// What the Hub's answers mean: whether to try again and when, and which error they are.
#include "hub/hub_client.h"

#include "base/clock.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int64_t first_wait_ms = 500, longest_wait_ms = 8000, longest_asked_ms = 310000;
enum { SLICE_MS = 50, MAX_TEXT = 200 };

bool mm_hub_client_cancelled(const mm_hub_client *client) {
    const mm_hub_watch *watch = client->watch;
    return watch->cancelled && watch->cancelled(watch->payload);
}

mm_status mm_hub_client_fail_cancelled(mm_error *error) {
    return mm_fail(
        error, MM_STATUS_CANCELLED,
        "the download was stopped; what has arrived is kept, the next one goes on there");
}

// ---- Again? ------------------------------------------------------------------------------------

bool mm_hub_client_retryable(mm_http_outcome outcome, const mm_http_response *response) {
    if (outcome == MM_HTTP_UNREACHABLE || outcome == MM_HTTP_BROKEN)
        return true;
    if (outcome)
        return false;
    switch (response->status) {
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        return true;
    case 401: // a signed address that has run out
    case 403:
        return !response->at_home;
    default:
        return false;
    }
}

// The milliseconds the server asks for, or -1: Retry-After, or `"resolvers";r=0;t=172`.
static int64_t asked_wait(const mm_http_response *response) {
    const char *after = response->headers[MM_HTTP_RETRY_AFTER];
    const char *rate = response->headers[MM_HTTP_RATE_LIMIT];
    const char *left = rate ? strstr(rate, ";t=") : NULL;
    int64_t seconds = -1, most = longest_asked_ms / 1000;
    if (response->status == 429 && left && strstr(rate, ";r=0")) {
        seconds = strtol(left + 3, NULL, 10);
        seconds += seconds < most; // the rest of the second that is running
    } else if (after && isdigit((unsigned char)after[0])) {
        seconds = strtol(after, NULL, 10);
    }
    if (seconds < 0)
        return -1;
    return seconds > most ? longest_asked_ms : seconds * 1000;
}

// Half of it is chance, so that many clients do not come back together.
static int64_t own_wait(int attempt) {
    int64_t wait = first_wait_ms;
    for (int i = 1; i < attempt && wait < longest_wait_ms; i++)
        wait *= 2;
    if (wait > longest_wait_ms)
        wait = longest_wait_ms;
    uint64_t chance = (uint64_t)mm_clock_now_ns() * 6364136223846793005U >> 33;
    return wait / 2 + (int64_t)(chance % (uint64_t)(wait / 2 + 1));
}

bool mm_hub_client_wait(const mm_hub_client *client, const mm_http_response *response,
                        int attempt) {
    int64_t wait = asked_wait(response);
    if (wait < 0)
        wait = own_wait(attempt);
    if (client->watch->log)
        mm_log_write(client->watch->log, MM_LOG_WARNING, "%s: %s; next try in %lld ms",
                     client->name,
                     response->cause[0]        ? response->cause
                     : response->status < 300  ? "the answer was cut short"
                     : response->status == 429 ? "the Hub limits the rate of requests"
                                               : "the Hub answers with an error",
                     (long long)wait);
    int64_t end = mm_clock_now_ns() + wait * 1000000;
    while (mm_clock_now_ns() < end) {
        if (mm_hub_client_cancelled(client))
            return false;
        const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000};
        (void)nanosleep(&slice, NULL);
    }
    return true;
}

// ---- Errors ------------------------------------------------------------------------------------

// The server's own words, made harmless: one line of printable ASCII. Only memory can fail.
static mm_status server_text(char out[MAX_TEXT], const mm_http_response *response,
                             mm_error *error) {
    const char *text = response->headers[MM_HTTP_ERROR_MESSAGE];
    json_t *object = NULL;
    if (!text && response->body) {
        mm_status status = mm_json_parse(&object, response->body, strlen(response->body),
                                         "an error", MM_STATUS_DOWNLOAD_FAILED, NULL);
        if (status == MM_STATUS_OUT_OF_MEMORY)
            return mm_fail_memory(error, "an answer of the Hub");
        text = json_string_value(json_object_get(object, "error"));
    }
    size_t length = 0;
    for (; text && text[length] && length < MAX_TEXT - 1; length++)
        out[length] = text[length] >= ' ' && text[length] < 0x7F ? text[length] : ' ';
    out[length] = '\0';
    json_decref(object);
    return MM_STATUS_OK;
}

static mm_status denied(const mm_hub_client *client, const mm_http_response *response,
                        const char *code, const char *text, mm_error *error) {
    const char *endpoint = client->access->endpoint;
    const char *where = client->access->token ? "HF_TOKEN" : "the token file";
    if (strcmp(code, "GatedRepo") == 0 && !client->token)
        return mm_fail(error, MM_STATUS_MODEL_ACCESS_DENIED,
                       "%.100s is gated: ask for access at %.100s/%.100s, then set HF_TOKEN to a "
                       "token from %.100s/settings/tokens",
                       client->name, endpoint, client->name, endpoint);
    if (strcmp(code, "GatedRepo") == 0)
        return mm_fail(error, MM_STATUS_MODEL_ACCESS_DENIED,
                       "%.100s is gated and the account of the token (%s) has no access yet: ask "
                       "for it at %.100s/%.100s",
                       client->name, where, endpoint, client->name);
    if (strstr(text, "Invalid credentials"))
        return mm_fail(error, MM_STATUS_MODEL_ACCESS_DENIED,
                       "the Hub does not know the token (%s): it is wrong or has run out; make a "
                       "new one at %.100s/settings/tokens, or unset it for public models",
                       where, endpoint);
    if (strstr(text, "disabled"))
        return mm_fail(error, MM_STATUS_MODEL_ACCESS_DENIED,
                       "the Hub has disabled access to %.100s", client->name);
    return mm_fail(error, MM_STATUS_MODEL_ACCESS_DENIED,
                   "%.200s refuses access to %.100s (HTTP %d): %.200s", endpoint, client->name,
                   response->status, text[0] ? text : "no reason given");
}

static mm_status not_there(const mm_hub_client *client, const char *code, const char *what,
                           mm_error *error) {
    const char *endpoint = client->access->endpoint;
    if (strcmp(code, "RevisionNotFound") == 0)
        return mm_fail(error, MM_STATUS_MODEL_NOT_FOUND,
                       "%.100s has no revision \"%.100s\"; see %.100s/%.100s/tree/main",
                       client->name, client->revision, endpoint, client->name);
    if (strcmp(code, "EntryNotFound") == 0)
        return mm_fail(error, MM_STATUS_DOWNLOAD_FAILED,
                       "%.200s has not got %.100s of %.100s, although it lists it", endpoint, what,
                       client->name);
    return mm_fail(error, MM_STATUS_MODEL_NOT_FOUND,
                   "there is no model %.100s on %.200s, or it is private%s", client->name, endpoint,
                   client->token ? " and the token has no access to it"
                                 : ": then set HF_TOKEN to a token that may read it");
}

mm_status mm_hub_client_fail(const mm_hub_client *client, mm_http_outcome outcome,
                             const mm_http_response *response, const char *what, mm_error *error) {
    const char *endpoint = client->access->endpoint;
    char text[MAX_TEXT];
    mm_status status;
    if (outcome == MM_HTTP_CANCELLED)
        return mm_hub_client_fail_cancelled(error);
    if (outcome == MM_HTTP_NO_MEMORY)
        return mm_fail_memory(error, "an answer of the Hub");
    if (outcome == MM_HTTP_STOPPED)
        return mm_fail(error, MM_STATUS_DOWNLOAD_FAILED,
                       "%.200s: the answer for %.100s of %.100s is too large", endpoint, what,
                       client->name);
    if (outcome == MM_HTTP_UNTRUSTED)
        return mm_fail(error, MM_STATUS_DOWNLOAD_FAILED,
                       "the certificate of %.200s is not trusted: %.150s (SSL_CERT_FILE names "
                       "certificates to trust)",
                       endpoint, response->cause);
    if (outcome)
        return mm_fail(error, MM_STATUS_DOWNLOAD_FAILED, "%s %.200s for %.100s of %.100s: %.200s%s",
                       outcome == MM_HTTP_UNREACHABLE ? "cannot reach" : "no proper answer from",
                       endpoint, what, client->name, response->cause,
                       outcome == MM_HTTP_UNREACHABLE ? " (is there a network? a proxy?)" : "");
    const char *header = response->headers[MM_HTTP_ERROR_CODE];
    const char *code = header ? header : "";
    status = server_text(text, response, error);
    if (status)
        return status;
    bool missing_repository =
        strcmp(code, "RepoNotFound") == 0 ||
        (response->status == 401 && !*code && !strstr(text, "Invalid credentials"));
    bool access =
        response->status == 401 || response->status == 403 || strcmp(code, "GatedRepo") == 0;
    if (missing_repository || (response->status == 404 && !access))
        status = not_there(client, code, what, error);
    else if (access && response->at_home)
        status = denied(client, response, code, text, error);
    else
        status = mm_fail(error, MM_STATUS_DOWNLOAD_FAILED,
                         "%.200s answers HTTP %d for %.100s of %.100s%s%.200s%s", endpoint,
                         response->status, what, client->name, text[0] ? ": " : "", text,
                         response->status == 429 ? " (too many requests; a token raises the limit)"
                                                 : "");
    mm_error_details(error, "{\"http_status\": %d}", response->status);
    return status;
}
