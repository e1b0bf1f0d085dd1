// SPDX-License-Identifier: Apache-2.0
// Bytes of a file on the Hub, in order, however many answers it takes.
#ifndef MM_HUB_HUB_STREAM_H
#define MM_HUB_HUB_STREAM_H

#include "hub/hub_client.h"

typedef struct mm_hub_stream {
    const char *url;
    const mm_hub_file *file; // that they are of
    uint64_t at, end;        // the next byte, and that behind the last one wanted
    // Takes the bytes at `at`; false when they cannot be kept.
    bool (*take)(void *payload, const void *bytes, size_t length);
    // The server sends the file from its beginning: false when that is no use, NULL = never is.
    bool (*restart)(void *payload);
    void *payload;
    _Atomic uint64_t *downloaded; // grows by what came

    char *location;      // where the last answer came from; mm_hub_stream_close
    bool lacks_ranges;   // the server sends nothing but whole files
    bool refused;        // take or restart said no
    bool began;          // the body of this answer
    const char *problem; // what is wrong with this answer, or NULL
} mm_hub_stream;

// Goes on, with retries, until at == end. Otherwise: OK with `refused`, or with `lacks_ranges`
// when there is no `restart`; or an error that says what happened.
mm_status mm_hub_stream_get(mm_hub_stream *self, mm_hub_client *client, mm_error *error);
void mm_hub_stream_close(mm_hub_stream *self);

#endif
