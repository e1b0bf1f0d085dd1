// SPDX-License-Identifier: Apache-2.0
// How far a download is, on stderr: a bar on a terminal, lines of JSON elsewhere.
#ifndef MM_CLI_METER_H
#define MM_CLI_METER_H

#include "modelmanager/modelmanager.h"

#include <pthread.h>

enum { MM_METER_NAME = 256 };

typedef struct mm_meter {
    bool terminal; // stderr is one
    bool quiet;
    pthread_mutex_t lock;
    char name[MM_METER_NAME]; // of the model that is shown; of several downloads the last bar wins
    int64_t begun_ns, shown_ns;
    uint64_t begun_bytes; // that were here already
    size_t files_done;
    bool open; // a bar stands there without its newline
} mm_meter;

void mm_meter_init(mm_meter *meter, bool quiet);
// An mm_pull_callback; `meter` is the payload. Any thread.
bool mm_meter_show(const mm_pull_progress *at, void *meter);
void mm_meter_end(mm_meter *meter); // before anything else is printed

#endif
