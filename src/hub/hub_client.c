// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_client.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <string.h>

enum { MAX_URL = 16 << 10, MAX_ANSWER = 32 << 20, MAX_PAGES = 2000 };

mm_status mm_hub_client_open(mm_hub_client *out, const mm_hub_access *access, const char *token,
                             const mm_hub_watch *watch, mm_error *error) {
    *out = (mm_hub_client){.access = access, .watch = watch};
    mm_status status = mm_hub_access_token(&out->token, access, token, error);
    if (!status)
        status = mm_http_create(&out->http, error);
    if (status)
        mm_hub_client_close(out);
    return status;
}

mm_status mm_hub_client_share(mm_hub_client *out, const mm_hub_client *client,
                              const mm_hub_watch *watch, mm_error *error) {
    *out = *client;
    out->watch = watch;
    out->http = NULL;
    out->token = client->token ? mm_strdup(client->token) : NULL;
    mm_status status = client->token && !out->token ? mm_fail_memory(error, "a connection")
                                                    : mm_http_create(&out->http, error);
    if (status)
        mm_hub_client_close(out);
    return status;
}

void mm_hub_client_close(mm_hub_client *client) {
    mm_http_free(client->http);
    if (client->token)
        explicit_bzero(client->token, strlen(client->token));
    mm_free(client->token);
    *client = (mm_hub_client){0};
}

// ---- URLs --------------------------------------------------------------------------------------

static bool put_escaped(mm_buffer *out, const char *text, const char *kept) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    bool ok = true;
    for (; *text && ok; text++)
        ok = strchr(plain, *text) || strchr(kept, *text)
                 ? mm_buffer_putc(out, *text)
                 : mm_buffer_printf(out, "%%%02X", (unsigned char)*text);
    return ok;
}

char *mm_hub_client_file_url(const mm_hub_client *client, const char *commit, const char *path) {
    mm_buffer url;
    mm_buffer_init(&url, MAX_URL);
    bool ok = mm_buffer_printf(&url, "%s/%s/resolve/%s/", client->access->endpoint, client->name,
                               commit) &&
              put_escaped(&url, path, "/");
    char *text = ok ? mm_buffer_detach(&url) : NULL;
    mm_buffer_free(&url);
    return text;
}

// Lists name the next page by its full address. Ours it must be, by whichever name it is called.
static mm_status next_page(char **out, const mm_hub_client *client, const mm_http_response *answer,
                           mm_error *error) {
    static const char official[] = "https://huggingface.co";
    const char *link = answer->headers[MM_HTTP_LINK];
    const char *end = link ? strstr(link, "rel=\"next\"") : NULL;
    *out = NULL;
    if (!end)
        return MM_STATUS_OK;
    const char *open = end;
    while (open > link && *open != '<')
        open--;
    const char *close = strchr(open, '>');
    const char *endpoint = client->access->endpoint;
    mm_buffer url;
    mm_buffer_init(&url, MAX_URL);
    bool ok = true;
    if (*open == '<' && close && close < end) {
        const char *start = open + 1;
        size_t length = strlen(official);
        if (strncmp(start, official, length) == 0 && start[length] == '/' &&
            strcmp(endpoint, official) != 0) {
            ok = mm_buffer_puts(&url, endpoint);
            start += length;
        }
        ok = ok && mm_buffer_append(&url, start, (size_t)(close - start));
    }
    mm_status status = MM_STATUS_OK;
    if (!ok)
        status = mm_fail_memory(error, "an address");
    else if (!url.data || !mm_http_same_origin(url.data, endpoint))
        status = mm_fail(error, MM_STATUS_DOWNLOAD_FAILED,
                         "%.200s: the list of files of %.100s goes on at another host; not "
                         "followed",
                         endpoint, client->name);
    else if (!(*out = mm_buffer_detach(&url)))
        status = mm_fail_memory(error, "an address");
    mm_buffer_free(&url);
    return status;
}

// ---- Questions answered in JSON ----------------------------------------------------------------

typedef struct answer_body {
    mm_buffer text;
    bool too_large; // why no more was taken; memory else
} answer_body;

static bool collect(void *payload, const mm_http_response *response, const void *bytes,
                    size_t length) {
    answer_body *self = payload;
    (void)response;
    self->too_large = length > self->text.maximum - self->text.length;
    return !self->too_large && mm_buffer_append(&self->text, bytes, length);
}

mm_http_request mm_hub_client_request(const mm_hub_client *client, const char *url) {
    return (mm_http_request){.url = url,
                             .token = client->token,
                             .connect_seconds = client->access->connect_seconds,
                             .idle_seconds = client->access->idle_seconds,
                             .ca_file = client->access->ca_file,
                             .ca_folder = client->access->ca_folder,
                             .cancelled = client->watch->cancelled,
                             .cancel_payload = client->watch->payload};
}

// GETs with retries; `answer` keeps the headers (mm_http_response_free it in any case).
static mm_status ask(json_t **out, mm_http_response *answer, mm_hub_client *client, const char *url,
                     const char *what, mm_error *error) {
    *out = NULL;
    answer_body body = {0};
    mm_buffer_init(&body.text, MAX_ANSWER);
    mm_http_request request = mm_hub_client_request(client, url);
    request.sink = collect;
    request.payload = &body;
    request.idle_seconds = client->access->connect_seconds;
    mm_http_outcome outcome;
    for (int attempt = 1;; attempt++) {
        mm_buffer_clear(&body.text);
        outcome = mm_http_get(answer, client->http, &request);
        if (outcome == MM_HTTP_STOPPED && !body.too_large)
            outcome = MM_HTTP_NO_MEMORY;
        if (attempt >= MM_HUB_TRIES || !mm_hub_client_retryable(outcome, answer))
            break;
        if (outcome == MM_HTTP_UNREACHABLE && attempt >= 2)
            break; // no network: the user waits for nothing
        if (!mm_hub_client_wait(client, answer, attempt)) {
            outcome = MM_HTTP_CANCELLED;
            break;
        }
    }
    mm_status status = MM_STATUS_OK;
    if (outcome || answer->status < 200 || answer->status > 299)
        status = mm_hub_client_fail(client, outcome, answer, what, error);
    else
        status = mm_json_parse(out, body.text.data ? body.text.data : "", body.text.length,
                               "the Hub's answer", MM_STATUS_DOWNLOAD_FAILED, error);
    mm_buffer_free(&body.text);
    return status;
}

mm_status mm_hub_client_resolve(char commit[41], mm_hub_client *client, mm_error *error) {
    mm_buffer url;
    mm_buffer_init(&url, MAX_URL);
    mm_http_response answer = {0};
    json_t *object = NULL;
    mm_status status = MM_STATUS_OK;
    if (!mm_buffer_printf(&url, "%s/api/models/%s/revision/", client->access->endpoint,
                          client->name) ||
        !put_escaped(&url, client->revision, ""))
        status = mm_fail_memory(error, "an address");
    else
        status = ask(&object, &answer, client, url.data, "the model", error);
    const char *sha = json_string_value(json_object_get(object, "sha"));
    if (!status && (!sha || !mm_hub_is_commit(sha)))
        status = mm_fail(error, MM_STATUS_DOWNLOAD_FAILED,
                         "%.200s: does not answer like a Hub (no commit); is HF_ENDPOINT right?",
                         client->access->endpoint);
    if (!status)
        memcpy(commit, sha, 41);
    json_decref(object);
    mm_http_response_free(&answer);
    mm_buffer_free(&url);
    return status;
}

mm_status mm_hub_client_list(mm_hub_tree *out, mm_hub_client *client, const char *commit,
                             mm_error *error) {
    *out = (mm_hub_tree){0};
    mm_buffer first;
    mm_buffer_init(&first, MAX_URL);
    char *url = NULL;
    mm_status status = MM_STATUS_OK;
    if (mm_buffer_printf(&first, "%s/api/models/%s/tree/%s?recursive=true&expand=false",
                         client->access->endpoint, client->name, commit))
        url = mm_buffer_detach(&first);
    mm_buffer_free(&first);
    if (!url)
        status = mm_fail_memory(error, "an address");
    for (int pages = 0; url && !status; pages++) {
        mm_http_response answer = {0};
        json_t *page = NULL;
        char *next = NULL;
        if (pages == MAX_PAGES)
            status = mm_fail(error, MM_STATUS_DOWNLOAD_FAILED,
                             "the list of files of %.100s does not end", client->name);
        if (!status)
            status = ask(&page, &answer, client, url, "the list of files", error);
        if (!status)
            status = mm_hub_tree_add(out, page, error);
        if (!status)
            status = next_page(&next, client, &answer, error);
        json_decref(page);
        mm_http_response_free(&answer);
        mm_free(url);
        url = next;
    }
    mm_free(url);
    mm_hub_tree_sort(out);
    if (status)
        mm_hub_tree_free(out);
    return status;
}

mm_status mm_hub_client_account(json_t **out, mm_hub_client *client, mm_error *error) {
    mm_buffer url;
    mm_buffer_init(&url, MAX_URL);
    mm_http_response answer = {0};
    mm_status status = MM_STATUS_OK;
    *out = NULL;
    client->name = "the token";
    if (!mm_buffer_printf(&url, "%s/api/whoami-v2", client->access->endpoint))
        status = mm_fail_memory(error, "an address");
    else
        status = ask(out, &answer, client, url.data, "the owner", error);
    if (status && (answer.status == 401 || answer.status == 403))
        status = mm_fail(error, MM_STATUS_MODEL_ACCESS_DENIED,
                         "the Hub does not know this token: make one at %.200s/settings/tokens",
                         client->access->endpoint);
    mm_http_response_free(&answer);
    mm_buffer_free(&url);
    return status;
}
