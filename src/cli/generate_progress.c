// SPDX-License-Identifier: Apache-2.0
#include "cli/generate_progress.h"

#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

enum { SECOND = 1000000000, BETWEEN = SECOND / 5 };

void mm_generate_progress_init(mm_generate_progress *progress, size_t texts) {
    *progress = (mm_generate_progress){.terminal = isatty(STDERR_FILENO) == 1, .texts = texts};
}

void mm_generate_progress_add(mm_generate_progress *progress, const mm_token *token) {
    if (!progress->terminal || token->id < 0)
        return;
    int64_t now = mm_clock_now_ns();
    if (!progress->tokens++)
        progress->begun_ns = progress->shown_ns = now;
    progress->done += token->is_last;
    if (now - progress->shown_ns < (progress->open ? BETWEEN : SECOND))
        return;
    progress->shown_ns = now;
    progress->open = true;
    double seconds = (double)(now - progress->begun_ns) / SECOND;
    (void)fprintf(stderr, "\r\033[K%zu of %zu texts, %zu tokens, %.0f tokens/s", progress->done,
                  progress->texts, progress->tokens, (double)progress->tokens / seconds);
    (void)fflush(stderr);
}

void mm_generate_progress_end(mm_generate_progress *progress) {
    if (progress->open)
        (void)fprintf(stderr, "\r\033[K");
    progress->open = false;
}
