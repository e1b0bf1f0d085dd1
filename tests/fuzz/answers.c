// SPDX-License-Identifier: Apache-2.0
#include "answers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // guards the next two
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static frame_part left;
static bool serving; // a part is being sent

// Up to the empty line behind the headers; false when the client went away.
static bool read_request(int client) {
    char last[4] = {0};
    while (memcmp(last, "\r\n\r\n", 4) != 0) {
        memmove(last, last + 1, 3);
        if (recv(client, last + 3, 1, 0) <= 0)
            return false;
    }
    return true;
}

static void answer(int client) {
    (void)pthread_mutex_lock(&lock);
    frame_part part = frame_take(&left, "\xFF\0\xFF", 3);
    serving = true;
    (void)pthread_mutex_unlock(&lock);
    while (part.size > 0) {
        ssize_t sent = send(client, part.data, part.size, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        part.data += sent;
        part.size -= (size_t)sent;
    }
    (void)pthread_mutex_lock(&lock);
    serving = false;
    (void)pthread_cond_signal(&idle);
    (void)pthread_mutex_unlock(&lock);
}

static void *serve(void *payload) {
    int listener = *(int *)payload;
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            continue;
        if (read_request(client))
            answer(client);
        (void)close(client);
    }
    return NULL;
}

static void start(void) {
    static const char *const used[] = {"http_proxy", "https_proxy", "all_proxy"};
    static const char *const unused[] = {"no_proxy", "NO_PROXY", "HTTPS_PROXY", "ALL_PROXY"};
    static int listener;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    pthread_t thread;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    frame_require(listener >= 0 && bind(listener, (struct sockaddr *)&address, length) == 0 &&
                  listen(listener, 64) == 0 &&
                  getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(address.sin_port));
    for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
        frame_require(setenv(used[i], url, 1) == 0);
    for (size_t i = 0; i < sizeof(unused) / sizeof(unused[0]); i++)
        frame_require(unsetenv(unused[i]) == 0);
    frame_require(pthread_create(&thread, NULL, serve, &listener) == 0 &&
                  pthread_detach(thread) == 0);
}

void answers_begin(frame_part parts) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, start);
    (void)pthread_mutex_lock(&lock);
    left = parts;
    (void)pthread_mutex_unlock(&lock);
}

void answers_end(void) {
    (void)pthread_mutex_lock(&lock);
    left = (frame_part){0};
    while (serving)
        (void)pthread_cond_wait(&idle, &lock);
    (void)pthread_mutex_unlock(&lock);
}
