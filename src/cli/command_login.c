// SPDX-License-Identifier: Apache-2.0
// mm login: a token of the Hub, checked and kept where the Python libraries keep theirs.
#include "cli/input.h"
#include "cli/options.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { MAX_TOKEN = 4096 };

typedef struct login_arguments {
    bool json;
} login_arguments;

static const mm_option options[] = {
    {.name = "json",
     .kind = MM_OPTION_SWITCH,
     .offset = offsetof(login_arguments, json),
     .help = "Print one JSON object."},
};

// A line from standard input; on a terminal it is asked for and not shown.
static bool read_token(char out[MAX_TOKEN]) {
    struct termios before, silent;
    bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        (void)fprintf(stderr, "Token (from https://huggingface.co/settings/tokens; not shown): ");
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    bool got = fgets(out, MAX_TOKEN, stdin) != NULL;
    if (terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        (void)fprintf(stderr, "\n");
    }
    size_t length = got ? strlen(out) : 0;
    return length > 0 && (out[length - 1] == '\n' || length < MAX_TOKEN - 1);
}

static int print(const char *json, bool as_json) {
    json_t *object = json_loads(json, 0, NULL);
    const char *user = json_string_value(json_object_get(object, "user"));
    const char *path = json_string_value(json_object_get(object, "path"));
    if (as_json)
        mm_output_line(json);
    else if (user && path)
        mm_output_printf("logged in as %s; the token is in %s\n", user, path);
    json_decref(object);
    return MM_EXIT_OK;
}

static int login(const mm_invocation *line, bool as_json) {
    mm_manager *manager = NULL;
    mm_error error = {0};
    char token[MAX_TOKEN];
    char *json = NULL;
    int status;
    if (!read_token(token))
        return mm_usage_error(line->command, "no token on standard input");
    if (mm_invocation_manager(&manager, &status, line))
        status = mm_hub_token_store(&json, manager, token, &error)
                     ? mm_output_failure(&error, as_json)
                     : print(json, as_json);
    explicit_bzero(token, sizeof(token));
    mm_text_free(json);
    mm_manager_free(manager);
    return status;
}

static int run(const mm_command *command, int argc, char **argv) {
    login_arguments arguments = {0};
    mm_invocation line;
    int status;
    if (!mm_invocation_read(&line, &status, command, &arguments, argc, argv))
        return status;
    if (line.word_count > 0)
        status = mm_usage_error(
            command, "the token comes on standard input: on the command line others could see it");
    else
        status = login(&line, arguments.json);
    mm_invocation_free(&line);
    return status;
}

const mm_command mm_command_login = {
    .name = "login",
    .summary = "Keep a token of the Hugging Face Hub, for gated and private models",
    .synopsis = "[--json] < TOKEN",
    .description =
        "Asks for a token, or reads it from standard input, asks the Hub whose it is, and writes "
        "it\n"
        "where \"hf auth login\" does: into the file that HF_TOKEN_PATH names, else "
        "HF_HOME/token. HF_TOKEN\n"
        "goes before it.",
    .examples = "  mm login\n"
                "  mm login < token.txt\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .run = run,
};
