// SPDX-License-Identifier: Apache-2.0
// Our side of bench/tokenizer_speed.py, which says what to time. Nothing but the work itself is in
// the time, and all of it on one thread. Times are processor times.
//
// Arguments: a tokenizer (a file or a folder), then a file of texts, each followed by a NUL byte.
// For each line of input one line of output:
//   load     nanoseconds to open the tokenizer and free it again
//   encode   nanoseconds to encode all texts one by one, and the number of ids
//   offsets  the same with offsets
//   sum      FNV-1a (64 bit) of all ids, 4 bytes each in this machine's order
#include "text/tokenizer.h"

#include "base/file.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct timer {
    const char *path;
    mm_tokenizer *tokenizer;
    char *texts;
    size_t length;
    mm_encoding encoding;
} timer;

static void check(mm_status status, const mm_error *error) {
    if (!status)
        return;
    fprintf(stderr, "%s\n", error->message);
    exit(1);
}

// Processor time, which says the same on a machine that has other things to do.
static int64_t cpu_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void load(const timer *self) {
    mm_tokenizer *tokenizer;
    mm_error error = {0};
    int64_t start = cpu_ns();
    check(mm_tokenizer_open(&tokenizer, self->path, &error), &error);
    mm_tokenizer_free(tokenizer);
    printf("%" PRId64 "\n", cpu_ns() - start);
}

static void encode(timer *self, bool offsets, bool sum) {
    mm_encode_options options = {.add_special_tokens = true, .want_offsets = offsets};
    mm_error error = {0};
    size_t count = 0;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    int64_t start = cpu_ns();
    for (size_t at = 0; at < self->length;) {
        size_t length = strlen(self->texts + at);
        check(mm_tokenizer_encode(self->tokenizer, &self->encoding, self->texts + at, length, NULL,
                                  0, &options, &error),
              &error);
        count += self->encoding.count;
        at += length + 1;
        const unsigned char *bytes = (const unsigned char *)self->encoding.ids;
        for (size_t i = 0; sum && i < self->encoding.count * sizeof(*self->encoding.ids); i++)
            hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    if (sum)
        printf("%016" PRIx64 "\n", hash);
    else
        printf("%" PRId64 " %zu\n", cpu_ns() - start, count);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: tokenizer_timer TOKENIZER TEXTS\n");
        return 2;
    }
    timer self = {.path = argv[1]};
    mm_error error = {0};
    check(mm_tokenizer_open(&self.tokenizer, self.path, &error), &error);
    check(mm_file_read(&self.texts, &self.length, argv[2], (size_t)1 << 32, &error), &error);
    char line[32];
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "load") == 0)
            load(&self);
        else
            encode(&self, strcmp(line, "offsets") == 0, strcmp(line, "sum") == 0);
        fflush(stdout);
    }
    mm_encoding_free(&self.encoding);
    mm_tokenizer_free(self.tokenizer);
    mm_free(self.texts);
    return 0;
}
