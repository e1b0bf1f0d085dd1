// SPDX-License-Identifier: Apache-2.0
// What the Hub, or whoever stands in its place, answers. The first byte chooses what is asked: a
// file, the commit of a revision, the list of files or whose the token is, and whether one is sent.
// Behind it follow the answers, with the bytes FF 00 FF between them: status, headers and body, as
// they go over the wire.
//
// Covers: src/hub/hub_http.c src/hub/hub_answer.c src/hub/hub_client.c
#include "answers.h"
#include "base/memory.h"
#include "hub/hub_client.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input {
    unsigned char choice;
    frame_part answers;
} input;

enum { ASK_FILE, ASK_COMMIT, ASK_LIST, QUESTIONS, ASK_ACCOUNT = 128 };

static char endpoint[] = "http://hub.test", token[] = "hf_secret";
static bool waiting; // before another try: all further ones are cancelled
static bool known;   // the answers themselves have the token in them

// No token in what a user or a log gets to see.
static void check_secret(const char *text) {
    frame_require(known || !strstr(text, token));
}

static void note_waiting(mm_log_level level, const char *message, void *payload) {
    (void)level;
    (void)payload;
    frame_require(message[0] != '\0');
    check_secret(message);
    waiting = true;
}

static bool is_cancelled(void *payload) {
    (void)payload;
    return waiting;
}

static bool take_body(void *payload, const mm_http_response *response, const void *bytes,
                      size_t length) {
    size_t *taken = payload;
    (void)bytes;
    frame_require(response->status >= 200 && response->status < 300 && length > 0);
    *taken += length;
    return *taken < 1000;
}

static mm_status ask_file(const mm_hub_client *client, mm_error *error) {
    char *url = mm_hub_client_file_url(client, "0123456789abcdef0123456789abcdef01234567",
                                       "1_Pooling/\xC3\xA9 #.json");
    if (!url)
        return mm_fail_memory(error, "an address");
    size_t taken = 0;
    const mm_http_request request = {.url = url,
                                     .token = client->token,
                                     .from = client->token ? 7 : 0,
                                     .sink = take_body,
                                     .payload = &taken,
                                     .connect_seconds = 8,
                                     .idle_seconds = 8,
                                     .cancelled = is_cancelled};
    mm_http_response response = {0};
    mm_http_outcome outcome = mm_http_get(&response, client->http, &request);
    frame_require(response.status >= 0 && response.status < 1000);
    check_secret(response.cause);
    frame_require(outcome == MM_HTTP_ANSWERED || outcome == MM_HTTP_STOPPED ||
                  outcome == MM_HTTP_NO_MEMORY || response.cause[0]);
    if (mm_hub_client_retryable(outcome, &response))
        (void)mm_hub_client_wait(client, &response, 1 + response.status % 7);
    mm_status status = MM_STATUS_OK;
    if (outcome || response.status < 200 || response.status > 299)
        status = mm_hub_client_fail(client, outcome, &response, "a file", error);
    mm_http_response_free(&response);
    mm_free(url);
    return status;
}

static mm_status ask_commit(mm_hub_client *client, mm_error *error) {
    char commit[41] = "";
    mm_status status = mm_hub_client_resolve(commit, client, error);
    frame_require(status || strspn(commit, "0123456789abcdef") == 40);
    return status;
}

static mm_status ask_list(mm_hub_client *client, mm_error *error) {
    mm_hub_tree tree;
    mm_status status =
        mm_hub_client_list(&tree, client, "0123456789abcdef0123456789abcdef01234567", error);
    frame_require(!status || tree.count == 0);
    mm_hub_tree_free(&tree);
    return status;
}

// Over a second connection, as the parts of a large file come.
static mm_status ask_account(mm_hub_client *client, mm_error *error) {
    mm_hub_client other;
    json_t *account = NULL;
    mm_status status = mm_hub_client_share(&other, client, client->watch, error);
    if (!status)
        status = mm_hub_client_account(&account, &other, error);
    json_decref(account);
    mm_hub_client_close(&other);
    return status;
}

static mm_status ask(const void *payload, mm_error *error) {
    const input *own = payload;
    const mm_hub_access access = {.endpoint = endpoint,
                                  .token = own->choice / QUESTIONS % 2 ? token : NULL,
                                  .connect_seconds = 8,
                                  .idle_seconds = 8};
    const mm_log log = {note_waiting, NULL, MM_LOG_DEBUG};
    const mm_hub_watch watch = {.cancelled = is_cancelled, .log = &log};
    mm_hub_client client;
    mm_status status = mm_hub_client_open(&client, &access, NULL, &watch, error);
    if (status)
        return status;
    client.name = "org/model";
    client.revision = "refs/pr/1";
    waiting = false;
    known = memmem(own->answers.data, own->answers.size, token, strlen(token)) != NULL;
    answers_begin(own->answers);
    switch (own->choice < ASK_ACCOUNT ? own->choice % QUESTIONS : ASK_ACCOUNT) {
    case ASK_ACCOUNT:
        status = ask_account(&client, error);
        break;
    case ASK_FILE:
        status = ask_file(&client, error);
        break;
    case ASK_COMMIT:
        status = ask_commit(&client, error);
        break;
    default:
        status = ask_list(&client, error);
    }
    check_secret(error->message);
    mm_hub_client_close(&client);
    answers_end();
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input own;
    size_t failing;
    own.answers = frame_input(&failing, data, size);
    if (own.answers.size == 0)
        return 0;
    own.choice = (unsigned char)*own.answers.data++;
    own.answers.size--;
    frame_run(ask, &own, failing);
    return 0;
}
