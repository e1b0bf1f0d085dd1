// SPDX-License-Identifier: Apache-2.0
#include "cli/meter.h"

#include "base/clock.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR_CELLS = 20, NAME_CELLS = 28, SECOND = 1000000000 };

void mm_meter_init(mm_meter *meter, bool quiet) {
    *meter =
        (mm_meter){.terminal = isatty(2) == 1, .quiet = quiet, .lock = PTHREAD_MUTEX_INITIALIZER};
}

// "1:23 left", or what there is to say instead.
static void put_left(char out[32], double bytes, double rate) {
    double seconds = rate > 0 ? bytes / rate : 0;
    if (bytes <= 0)
        (void)snprintf(out, 32, "done");
    else if (rate <= 0 || seconds > 359999)
        (void)snprintf(out, 32, "-:-- left");
    else if (seconds >= 3600)
        (void)snprintf(out, 32, "%d:%02d:%02d left", (int)seconds / 3600, (int)seconds / 60 % 60,
                       (int)seconds % 60);
    else
        (void)snprintf(out, 32, "%d:%02d left", (int)seconds / 60, (int)seconds % 60);
}

static void print_bar(mm_meter *self, const mm_pull_progress *at, int64_t now) {
    double part = at->size ? (double)at->bytes / (double)at->size : 1;
    int full = (int)(part * BAR_CELLS);
    double seconds = (double)(now - self->begun_ns) / SECOND;
    double came = at->bytes > self->begun_bytes ? (double)(at->bytes - self->begun_bytes) : 0;
    double rate = seconds > 0 ? came / seconds : 0;
    char bar[BAR_CELLS + 1], left[32];
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', (size_t)(full < BAR_CELLS ? full : BAR_CELLS));
    bar[BAR_CELLS] = '\0';
    put_left(left, (double)(at->size > at->bytes ? at->size - at->bytes : 0), rate);
    const char *shown = at->files_done < at->files ? at->file : self->name;
    size_t length = strlen(shown);
    (void)fprintf(stderr, "\r[%s] %3d%% %zu/%zu files %.1f/%.1f MB %.1f MB/s %-12s %-*s", bar,
                  (int)(part * 100), at->files_done, at->files, (double)at->bytes * 1e-6,
                  (double)at->size * 1e-6, rate * 1e-6, left, NAME_CELLS,
                  length > NAME_CELLS ? shown + length - NAME_CELLS : shown);
    (void)fflush(stderr);
    self->open = true;
}

static void print_line(const mm_pull_progress *at) {
    json_t *object = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "file", at->file,
                               "file_bytes", (json_int_t)at->file_bytes, "file_size",
                               (json_int_t)at->file_size, "bytes", (json_int_t)at->bytes, "size",
                               (json_int_t)at->size, "files_done", (json_int_t)at->files_done,
                               "files", (json_int_t)at->files, "model_name", at->model_name);
    mm_buffer text;
    mm_buffer_init(&text, 1 << 16);
    if (mm_output_json(&text, object, 0))
        (void)fprintf(stderr, "%s\n", text.data);
    mm_buffer_free(&text);
    json_decref(object);
}

static void end_bar(mm_meter *self) {
    if (self->open)
        (void)fprintf(stderr, "\n");
    self->open = false;
}

static void begin(mm_meter *self, const mm_pull_progress *at, int64_t now) {
    end_bar(self);
    (void)snprintf(self->name, sizeof(self->name), "%s", at->model_name);
    self->begun_ns = now;
    self->begun_bytes = at->bytes;
    self->files_done = 0;
}

static void show(mm_meter *self, const mm_pull_progress *at) {
    int64_t now = mm_clock_now_ns();
    if (strncmp(self->name, at->model_name, sizeof(self->name) - 1) != 0)
        begin(self, at, now);
    bool file_ended = at->files_done != self->files_done;
    if (!self->terminal && !file_ended && now - self->shown_ns < SECOND)
        return;
    self->files_done = at->files_done;
    self->shown_ns = now;
    if (self->terminal)
        print_bar(self, at, now);
    else
        print_line(at);
    if (at->files_done == at->files && at->bytes >= at->size)
        end_bar(self);
}

bool mm_meter_show(const mm_pull_progress *at, void *meter) {
    mm_meter *self = meter;
    if (self->quiet || at->files == 0) // not chosen yet
        return true;
    (void)pthread_mutex_lock(&self->lock);
    show(self, at);
    (void)pthread_mutex_unlock(&self->lock);
    return true;
}

void mm_meter_end(mm_meter *meter) {
    (void)pthread_mutex_lock(&meter->lock);
    end_bar(meter);
    (void)pthread_mutex_unlock(&meter->lock);
}
