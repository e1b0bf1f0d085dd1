// SPDX-License-Identifier: Apache-2.0
// mm pull: a model of the Hub onto this machine, with a bar on a terminal and JSON lines elsewhere.
#include "base/clock.h"
#include "cli/options.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR_CELLS = 24, NAME_CELLS = 32, MAX_NAME = 512 };
static const int64_t line_every_ns = 1000000000;

typedef struct meter {
    bool terminal; // stderr is one
    bool quiet;
    int64_t begun_ns, shown_ns;
    size_t files_done;
} meter;

typedef struct pull_arguments {
    bool quiet;
} pull_arguments;

static const mm_option options[] = {
    {.name = "quiet",
     .kind = MM_OPTION_SWITCH,
     .offset = offsetof(pull_arguments, quiet),
     .help = "No progress."},
};

static void print_bar(const meter *self, const mm_pull_progress *at, int64_t now) {
    double part = at->size ? (double)at->bytes / (double)at->size : 1;
    int full = (int)(part * BAR_CELLS);
    double seconds = (double)(now - self->begun_ns) * 1e-9;
    char bar[BAR_CELLS + 1];
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', (size_t)(full < BAR_CELLS ? full : BAR_CELLS));
    bar[BAR_CELLS] = '\0';
    size_t length = strlen(at->file);
    const char *name = length > NAME_CELLS ? at->file + length - NAME_CELLS : at->file;
    (void)fprintf(stderr, "\r[%s] %3d%%  %zu/%zu files  %.1f/%.1f MB  %.1f MB/s  %-*s", bar,
                  (int)(part * 100), at->files_done, at->files, (double)at->bytes * 1e-6,
                  (double)at->size * 1e-6, seconds > 0 ? (double)at->bytes * 1e-6 / seconds : 0,
                  NAME_CELLS, name);
    (void)fflush(stderr);
}

static void print_line(const mm_pull_progress *at) {
    json_t *object =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "file", at->file, "file_bytes",
                  (json_int_t)at->file_bytes, "file_size", (json_int_t)at->file_size, "bytes",
                  (json_int_t)at->bytes, "size", (json_int_t)at->size, "files_done",
                  (json_int_t)at->files_done, "files", (json_int_t)at->files);
    mm_buffer text;
    mm_buffer_init(&text, 1 << 16);
    if (mm_output_json(&text, object, 0))
        (void)fprintf(stderr, "%s\n", text.data);
    mm_buffer_free(&text);
    json_decref(object);
}

static bool on_progress(const mm_pull_progress *at, void *payload) {
    meter *self = payload;
    int64_t now = mm_clock_now_ns();
    bool file_ended = at->files_done != self->files_done;
    if (self->quiet || at->files == 0 || // not chosen yet
        (!self->terminal && !file_ended && now - self->shown_ns < line_every_ns))
        return true;
    self->files_done = at->files_done;
    self->shown_ns = now;
    if (self->terminal)
        print_bar(self, at, now);
    else
        print_line(at);
    return true;
}

// MODEL[@revision]; false when that is too long for a name.
static bool split(char name[MAX_NAME], const char **revision, const char *word) {
    if (strlen(word) >= MAX_NAME)
        return false;
    memcpy(name, word, strlen(word) + 1);
    char *at = strchr(name, '@');
    if (at)
        *at = '\0';
    *revision = at ? at + 1 : NULL;
    return true;
}

static int pull(const mm_invocation *line, bool quiet) {
    char name[MAX_NAME];
    const char *revision;
    mm_manager *manager = NULL;
    mm_error error = {0};
    char *json = NULL;
    int status;
    if (!split(name, &revision, line->words[0]))
        return mm_usage_error(line->command, "the model's name is too long");
    if (!mm_invocation_manager(&manager, &status, line))
        return status;
    meter shown = {.terminal = isatty(2) == 1, .quiet = quiet, .begun_ns = mm_clock_now_ns()};
    mm_status result = mm_model_pull(&json, manager, name, revision, on_progress, &shown, &error);
    if (shown.terminal && shown.shown_ns)
        (void)fprintf(stderr, "\n");
    if (result) {
        status = mm_output_failure(&error, true);
        mm_output_hint(&error, name);
    } else {
        mm_output_line(json);
        status = MM_EXIT_OK;
    }
    mm_text_free(json);
    mm_manager_free(manager);
    return status;
}

static int run(const mm_command *command, int argc, char **argv) {
    pull_arguments arguments = {0};
    mm_invocation line;
    int status;
    if (!mm_invocation_read(&line, &status, command, &arguments, argc, argv))
        return status;
    if (line.word_count != 1)
        status = mm_usage_error(command, line.word_count ? "one model at a time" : "no model");
    else
        status = pull(&line, arguments.quiet);
    mm_invocation_free(&line);
    return status;
}

const mm_command mm_command_pull = {
    .name = "pull",
    .summary = "Download a model from the Hugging Face Hub, or bring it up to date",
    .synopsis = "MODEL[@REVISION] [--quiet]",
    .description =
        "Gets what is needed to run MODEL into the folder of the setting models_dir, which has "
        "the\n"
        "form of the Python libraries' cache. What is there already is not fetched again; what "
        "was\n"
        "interrupted goes on. Every file is verified. HF_TOKEN opens gated and private models.",
    .examples = "  mm pull sentence-transformers/all-MiniLM-L6-v2\n"
                "  mm pull all-MiniLM-L6-v2@main --set models_dir=/srv/models\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .run = run,
};
