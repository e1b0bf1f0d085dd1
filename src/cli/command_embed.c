// SPDX-License-Identifier: Apache-2.0
// mm embed: texts in, one Result line or a NumPy array out.
#include "cli/options.h"
#include "cli/output.h"
#include "cli/texts.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

typedef struct embed_arguments {
    mm_cli_texts texts;
    const char *output;
} embed_arguments;

static const mm_option options[] = {
    MM_CLI_TEXTS_OPTIONS(embed_arguments, "npy", "a NumPy file, float32, a row for each text."),
    {.name = "output",
     .kind = MM_OPTION_TEXT,
     .offset = offsetof(embed_arguments, output),
     .argument = "FILE",
     .help = "Write the result there instead of to standard output."},
};

static bool write_result(FILE *file, const mm_result *result, bool npy, mm_error *error) {
    if (npy) {
        return mm_output_npy(file, mm_result_vectors(result), mm_result_count(result),
                             mm_result_dimension(result));
    }
    char *text;
    if (mm_result_json(&text, result, error))
        return false;
    bool written = fputs(text, file) >= 0 && fputc('\n', file) >= 0;
    mm_text_free(text);
    return written;
}

static int print_result(const mm_result *result, const embed_arguments *arguments, bool npy) {
    mm_error error = {0};
    errno = 0;
    if (!arguments->output) {
        if (!write_result(stdout, result, npy, &error) && error.status)
            return mm_output_failure(&error, false);
        return MM_EXIT_OK; // a write error stays with stdout until it is flushed
    }
    FILE *file = fopen(arguments->output, "wbe");
    bool written = file && write_result(file, result, npy, &error);
    int reason = errno;
    if (file && fclose(file) != 0 && written) {
        written = false;
        reason = errno;
    }
    if (written)
        return MM_EXIT_OK;
    mm_complain("cannot write %s: %s", arguments->output,
                error.status ? error.message : strerror(reason));
    return MM_EXIT_FAILED;
}

static int embed(const mm_invocation *line, const embed_arguments *arguments) {
    bool npy = mm_cli_texts_in_other(&arguments->texts);
    const char *model = line->words[0];
    mm_manager *manager = NULL;
    mm_request *request = NULL;
    mm_result *result = NULL;
    mm_error error = {0};
    size_t texts;
    int status = MM_EXIT_USAGE;
    if (!mm_invocation_request(&request, line, "embedding", model))
        goto done;
    if (!mm_invocation_manager(&manager, &status, line))
        goto done;
    if (!mm_cli_texts_add(request, &texts, line, &arguments->texts, &error) ||
        mm_task(&result, manager, request, &error)) {
        status = mm_output_failure(&error, !npy && !arguments->output);
        mm_output_hint(&error, model);
    } else {
        status = print_result(result, arguments, npy);
        (void)mm_output_flush(); // the reader need not wait for the manager to close
    }
done:
    mm_result_free(result);
    mm_request_free(request);
    mm_manager_free(manager);
    return status;
}

static int run(const mm_command *command, int argc, char **argv) {
    embed_arguments arguments = {0};
    mm_invocation line;
    int status;
    if (!mm_invocation_read(&line, &status, command, &arguments, argc, argv))
        return status;
    bool to_stdout = !arguments.output && mm_cli_texts_in_other(&arguments.texts);
    status = mm_cli_texts_check(&line, &arguments.texts);
    if (!status)
        status = to_stdout && isatty(STDOUT_FILENO)
                     ? mm_usage_error(command, "npy is binary; give --output FILE or redirect")
                     : embed(&line, &arguments);
    mm_invocation_free(&line);
    return status;
}

const mm_command mm_command_embed = {
    .name = "embed",
    .summary = "Turn texts into vectors",
    .synopsis = "MODEL TEXT... [options]\nMODEL --file FILE [options]\nMODEL [options] < FILE",
    .description = "Embeds texts with MODEL: a directory (./..., ../... or /...) or the name of a "
                   "model on the\n"
                   "Hub. Prints one line of JSON, the Result: the vectors in the order of the "
                   "texts, the token\n"
                   "counts, which texts were cut, and where the time went. Lines of a file or of "
                   "standard input\n"
                   "are one text each.",
    .examples = "  mm embed ./all-MiniLM-L6-v2 \"How do I reset my password?\"\n"
                "  mm embed ./all-MiniLM-L6-v2 \"first text\" \"second text\" --max-length 64\n"
                "  mm embed ./all-MiniLM-L6-v2 --file texts.txt --format npy --output vectors.npy\n"
                "  cat texts.txt | mm embed ./all-MiniLM-L6-v2 --device cpu --no-normalize\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .tasks = MM_TASK_EMBEDDING,
    .without = "keep_alive",
    .run = run,
};
