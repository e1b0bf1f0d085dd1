// SPDX-License-Identifier: Apache-2.0
// mm generate: texts in, what the model makes of them out.
#include "cli/generate_progress.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/texts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct generate_arguments {
    mm_cli_texts texts;
    bool stream;
} generate_arguments;

static const mm_option options[] = {
    MM_CLI_TEXTS_OPTIONS(generate_arguments, "text",
                         "what was generated alone, a line for each text."),
    {.name = "stream",
     .kind = MM_OPTION_SWITCH,
     .offset = offsetof(generate_arguments, stream),
     .help = "Print the text while it is generated, as --format text does at the end. For one text "
             "and one sequence; with beams there is nothing to see before their search is over."},
};

// A text that has lines of its own keeps them.
static bool print_texts(const mm_result *result) {
    bool written = true;
    for (size_t i = 0; i < mm_result_sequences(result) && written; i++) {
        size_t length;
        const char *text = mm_result_generated_text(result, i, &length);
        written = mm_output_write(text, length) && mm_output_write("\n", 1);
    }
    return written;
}

static int print_result(const mm_result *result, bool as_text) {
    mm_error error = {0};
    char *text = NULL;
    if (as_text)
        (void)print_texts(result); // a write error stays with stdout until it is flushed
    else if (mm_result_json(&text, result, &error))
        return mm_output_failure(&error, false);
    else
        mm_output_line(text);
    mm_text_free(text);
    return MM_EXIT_OK;
}

// ---- Hearing of tokens -------------------------------------------------------------------------

// What is known of the job; the thread of the command waits for its last call.
typedef struct desk {
    bool prints;                   // the text as it comes
    mm_generate_progress progress; // else, on a terminal
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool has_ended;
    mm_status status;
    mm_result *result;
    mm_error error;
} desk;

static bool on_token(mm_job *job, const mm_token *token, void *payload) {
    desk *self = payload;
    (void)job;
    if (!self->prints) {
        mm_generate_progress_add(&self->progress, token);
        return true;
    }
    return token->sequence > 0 || token->length == 0 ||
           (mm_output_write(token->text, token->length) && mm_output_flush());
}

static void on_end(mm_job *job, mm_status status, mm_result *result, const mm_error *error,
                   void *payload) {
    desk *self = payload;
    (void)job;
    (void)pthread_mutex_lock(&self->lock);
    self->status = status;
    self->result = result;
    if (status)
        self->error = *error;
    self->has_ended = true;
    (void)pthread_cond_signal(&self->ended);
    (void)pthread_mutex_unlock(&self->lock);
}

// As mm_task; with `prints` the text goes to stdout meanwhile, else a terminal shows how far it is.
// `texts` is how many there will be.
static mm_status hear(mm_result **out, mm_manager *manager, const mm_request *request, bool prints,
                      size_t texts, mm_error *error) {
    desk self = {
        .prints = prints, .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    mm_job *job;
    mm_generate_progress_init(&self.progress, texts);
    mm_status status = mm_task_stream(&job, manager, request, on_token, on_end, &self, error);
    if (status)
        return status;
    (void)pthread_mutex_lock(&self.lock);
    while (!self.has_ended)
        (void)pthread_cond_wait(&self.ended, &self.lock);
    (void)pthread_mutex_unlock(&self.lock);
    mm_job_free(job);
    mm_generate_progress_end(&self.progress);
    if (prints)
        (void)mm_output_write("\n", 1);
    *out = self.result;
    *error = self.error;
    // Only a reader that went away cancels, and stdout tells of that at the end.
    return prints && self.status == MM_STATUS_CANCELLED ? MM_STATUS_OK : self.status;
}

// ---- The command -------------------------------------------------------------------------------

// Of each text, as the flags say; what is given last counts.
static size_t sequences(const mm_invocation *line) {
    size_t count = 1;
    for (size_t i = 0; i < line->parameter_count; i++) {
        if (strcmp(line->parameters[i].name, "num_return_sequences") == 0)
            count = (size_t)strtoull(line->parameters[i].value, NULL, 10);
    }
    return count;
}

static int generate(const mm_invocation *line, const generate_arguments *arguments) {
    bool as_text = arguments->stream || mm_cli_texts_in_other(&arguments->texts);
    const char *model = line->words[0];
    mm_manager *manager = NULL;
    mm_request *request = NULL;
    mm_result *result = NULL;
    mm_error error = {0};
    size_t texts = 0;
    int status = MM_EXIT_USAGE;
    if (!mm_invocation_request(&request, line, "text_generation", model))
        goto done;
    if (!mm_invocation_manager(&manager, &status, line))
        goto done;
    mm_request_set_single(request, line->word_count == 2);
    if (!mm_cli_texts_add(request, &texts, line, &arguments->texts, &error) ||
        hear(&result, manager, request, arguments->stream, texts * sequences(line), &error)) {
        status = mm_output_failure(&error, !as_text);
        mm_output_hint(&error, model);
    } else {
        status = arguments->stream ? MM_EXIT_OK : print_result(result, as_text);
        (void)mm_output_flush(); // the reader need not wait for the manager to close
    }
done:
    mm_result_free(result);
    mm_request_free(request);
    mm_manager_free(manager);
    return status;
}

static int check_stream(const mm_invocation *line, const generate_arguments *arguments) {
    if (line->word_count != 2)
        return mm_usage_error(line->command, "--stream is for one text of the command line");
    if (arguments->texts.format && !mm_cli_texts_in_other(&arguments->texts))
        return mm_usage_error(line->command, "--stream prints text, not --format json");
    if (sequences(line) != 1)
        return mm_usage_error(line->command, "--stream is for one sequence");
    return MM_EXIT_OK;
}

static int run(const mm_command *command, int argc, char **argv) {
    generate_arguments arguments = {0};
    mm_invocation line;
    int status;
    if (!mm_invocation_read(&line, &status, command, &arguments, argc, argv))
        return status;
    status = mm_cli_texts_check(&line, &arguments.texts);
    if (!status && arguments.stream)
        status = check_stream(&line, &arguments);
    if (!status)
        status = generate(&line, &arguments);
    mm_invocation_free(&line);
    return status;
}

const mm_command mm_command_generate = {
    .name = "generate",
    .summary = "Have a model write: translate, summarise, answer",
    .synopsis = "MODEL TEXT... [options]\nMODEL --file FILE [options]\nMODEL [options] < FILE",
    .description = "Generates text with MODEL, an encoder-decoder such as T5 or BART: a directory "
                   "(./..., ../...\n"
                   "or /...) or the name of a model on the Hub. Prints one line of JSON, the "
                   "Result: the\n"
                   "generated texts in the order of the texts, why each ended, token counts and "
                   "where the time\n"
                   "went. For one text they are single values, else lists. Parameters that are "
                   "not given are\n"
                   "the model's own.",
    .examples = "  mm generate ./flan-t5-small \"Translate to German: good morning\"\n"
                "  mm generate ./flan-t5-small \"Tell a joke.\" --num-beams 4 --max-new-tokens 40\n"
                "  mm generate ./flan-t5-small \"Tell a story.\" --stream --max-new-tokens 100\n"
                "  mm generate ./flan-t5-small --file texts.txt --format text\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .tasks = MM_TASK_TEXT_GENERATION,
    .without = "keep_alive",
    .run = run,
};
