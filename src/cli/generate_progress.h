// SPDX-License-Identifier: Apache-2.0
// How far a generation is, in one line of a terminal on stderr, once it takes longer than a moment.
#ifndef MM_CLI_GENERATE_PROGRESS_H
#define MM_CLI_GENERATE_PROGRESS_H

#include "modelmanager/modelmanager.h"

#include <stdbool.h>

// Belongs to the job it shows; its functions are called one after the other.
typedef struct mm_generate_progress {
    bool terminal; // stderr is one; else nothing is ever shown
    bool open;     // the line stands there
    size_t texts;  // to be written
    size_t done, tokens;
    int64_t begun_ns, shown_ns; // 0 before the first token
} mm_generate_progress;

void mm_generate_progress_init(mm_generate_progress *progress, size_t texts);
// For each token of the job.
void mm_generate_progress_add(mm_generate_progress *progress, const mm_token *token);
void mm_generate_progress_end(mm_generate_progress *progress); // takes the line away

#endif
