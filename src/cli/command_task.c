// SPDX-License-Identifier: Apache-2.0
// mm task: a JSON request a line in, a Result a line out, all in one manager.
//
// Each of N threads takes turns at the input, answers on its own, and takes turns at the output;
// with one thread answers come in order. SIGINT and SIGTERM end the input and shut the manager
// down: what was begun is still answered. A second signal ends the program.
#include "base/memory.h"
#include "cli/input.h"
#include "cli/options.h"
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { GRACE_MS = 30000 }; // for what was begun, after a signal

typedef struct task_arguments {
    int64_t jobs;
} task_arguments;

static const mm_option options[] = {
    {.name = "jobs",
     .kind = MM_OPTION_INTEGER,
     .offset = offsetof(task_arguments, jobs),
     .argument = "N",
     .minimum = 1,
     .maximum = 1024,
     .help = "Run N requests at once and answer as they finish; give each an \"id\" to tell them "
             "apart. Default: 1, answers in order."},
};

typedef struct task_desk {
    mm_manager *manager;
    pthread_mutex_t input_lock;
    mm_input input;
    bool alone;         // one thread: lines need no copy, and they may be large
    atomic_bool closed; // no more lines: the end, a failure, or nobody reads the answers
    pthread_mutex_t output_lock;
    atomic_bool failed;
} task_desk;

// Stays open to the end, as the handlers stay: a late signal must not write into another file.
static int stop_pipe[2] = {-1, -1};
static atomic_int stop_signal;

static void on_signal(int number) {
    stop_signal = number;
    (void)!write(stop_pipe[1], "", 1);
}

static bool catch_signals(void) {
    if (pipe2(stop_pipe, O_CLOEXEC))
        return false;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    static const int numbers[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction before;
        // What the parent has switched off, for a job in the background, stays off.
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            (void)sigaction(numbers[i], &action, NULL);
    }
    return true;
}

// After a signal, gives what was begun its time. Ends when anything is written into the pipe.
static void *watch(void *payload) {
    task_desk *desk = payload;
    struct pollfd stop = {.fd = stop_pipe[0], .events = POLLIN};
    while (poll(&stop, 1, -1) < 0 && errno == EINTR) {
    }
    if (stop_signal)
        (void)mm_manager_shutdown(desk->manager, GRACE_MS, NULL); // each is told by its Result
    return NULL;
}

// The next line, copied so that another thread can read on meanwhile; false when there is none.
static bool take_line(task_desk *desk, char **out, size_t *length) {
    mm_error error = {0};
    char *line;
    *out = NULL;
    (void)pthread_mutex_lock(&desk->input_lock);
    int got = desk->closed || stop_signal ? 0 : mm_input_line(&desk->input, &line, length, &error);
    if (got > 0 && !(*out = desk->alone ? line : mm_strndup(line, *length))) {
        (void)mm_fail_memory(&error, "a line of input");
        got = -1;
    }
    if (got < 0) {
        mm_complain("%s", error.message);
        desk->failed = true;
    }
    if (got <= 0)
        desk->closed = true;
    (void)pthread_mutex_unlock(&desk->input_lock);
    return got > 0;
}

static void answer(task_desk *desk, const char *result, bool failed) {
    static const char no_memory[] =
        "{\"success\": false, \"error\": {\"code\": \"OUT_OF_MEMORY\", "
        "\"message\": \"out of memory while writing the Result\", \"details\": {}}}";
    (void)pthread_mutex_lock(&desk->output_lock);
    if (failed)
        desk->failed = true;
    bool written = mm_output_line(result ? result : no_memory) && mm_output_flush();
    (void)pthread_mutex_unlock(&desk->output_lock);
    if (!written) {
        desk->closed = true;
        (void)!write(stop_pipe[1], "", 1); // another thread may be waiting for input
    }
}

static void *serve(void *payload) {
    task_desk *desk = payload;
    char *line;
    size_t length;
    while (take_line(desk, &line, &length)) {
        char *result = NULL;
        mm_status status = mm_task_json(&result, desk->manager, line, length);
        if (!desk->alone)
            mm_free(line);
        answer(desk, result, status != MM_STATUS_OK);
        mm_text_free(result);
    }
    return NULL;
}

static bool serve_all(task_desk *desk, size_t jobs) {
    pthread_t *threads = mm_calloc(jobs, sizeof(*threads));
    size_t started = 1; // this thread
    while (threads && started < jobs && pthread_create(&threads[started], NULL, serve, desk) == 0)
        started++;
    if (threads)
        serve(desk);
    for (size_t i = 1; threads && i < started; i++)
        (void)pthread_join(threads[i], NULL);
    mm_free(threads);
    return threads && started == jobs;
}

static int run(const mm_command *command, int argc, char **argv) {
    task_arguments arguments = {.jobs = 1};
    mm_invocation line;
    int status;
    if (!mm_invocation_read(&line, &status, command, &arguments, argc, argv))
        return status;
    task_desk desk = {.input_lock = PTHREAD_MUTEX_INITIALIZER,
                      .output_lock = PTHREAD_MUTEX_INITIALIZER};
    if (line.word_count > 0) {
        status = mm_usage_error(command, "requests come on standard input, not as \"%s\"",
                                line.words[0]);
    } else if (!catch_signals()) {
        mm_complain("cannot create a pipe");
        status = MM_EXIT_FAILED;
    } else {
        if (mm_invocation_manager(&desk.manager, &status, &line)) {
            mm_input_init(&desk.input, STDIN_FILENO);
            desk.input.stop = stop_pipe[0];
            desk.alone = arguments.jobs == 1;
            pthread_t watcher;
            bool watched = pthread_create(&watcher, NULL, watch, &desk) == 0;
            if (!serve_all(&desk, (size_t)arguments.jobs))
                mm_complain("could not start %lld threads", (long long)arguments.jobs);
            (void)!write(stop_pipe[1], "", 1);
            if (watched)
                (void)pthread_join(watcher, NULL);
            mm_input_close(&desk.input);
            status = desk.failed ? MM_EXIT_FAILED : MM_EXIT_OK;
        }
        mm_manager_free(desk.manager);
    }
    mm_invocation_free(&line);
    if (stop_signal)
        (void)raise(stop_signal); // everything is answered and released: end as the sender expects
    return status;
}

const mm_command mm_command_task = {
    .name = "task",
    .summary = "Answer JSON requests, one a line, from standard input",
    .synopsis = "[--jobs N] [options] < REQUESTS",
    .description =
        "Reads one JSON request a line and prints one Result a line, flushed, all in one manager: "
        "a\n"
        "model is loaded by the first request that names it and stays for the next ones. Without\n"
        "--jobs each request is answered before the next line is read. A request that fails is\n"
        "answered like any other, and the exit status is then 1. SIGTERM and Ctrl-C end the "
        "input;\n"
        "what was begun is still answered, or after 30 seconds cancelled.\n"
        "\n"
        "Fields: task_type, model_name, task_data (a text, a list of texts, or null to load only), "
        "and\n"
        "the parameters that \"mm embed --help\" and \"mm generate --help\" list. \"op\" may be\n"
        "\"task\", \"plan\", \"release\" or \"status\".",
    .examples = "  echo '{\"task_type\": \"embedding\", \"model_name\": \"./all-MiniLM-L6-v2\", "
                "\"task_data\": [\"a text\"]}' | mm task\n"
                "  mm task --jobs 4 < requests.jsonl > results.jsonl\n"
                "  echo '{\"op\": \"status\"}' | mm task\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .run = run,
};
