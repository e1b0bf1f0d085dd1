// SPDX-License-Identifier: Apache-2.0
// The program `mm`: finds the command and runs it. Each command is a file, command_NAME.c.
#include "cli/command.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>

static const mm_command *const commands[] = {
    &mm_command_embed,    &mm_command_generate, &mm_command_task,
    &mm_command_tokenize, &mm_command_inspect,  &mm_command_pull,
    &mm_command_models,   &mm_command_login,    &mm_command_bench,
};
enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static const char introduction[] =
    "mm runs Hugging Face models: give it a model and texts, it loads, runs and answers.\n"
    "\n"
    "Usage: mm COMMAND [arguments]\n"
    "\n"
    "Commands:\n";

static const char closing[] =
    "\n"
    "\"mm COMMAND --help\" explains a command; \"mm --version\" prints the version.\n"
    "\n"
    "Start here (MODEL is a directory such as ./all-MiniLM-L6-v2):\n"
    "  mm inspect ./all-MiniLM-L6-v2\n"
    "  mm embed ./all-MiniLM-L6-v2 \"How do I reset my password?\"\n"
    "  mm embed ./all-MiniLM-L6-v2 --file texts.txt --format npy --output vectors.npy\n"
    "  mm generate ./flan-t5-small \"Translate to German: good morning\"\n"
    "\n"
    "Results go to standard output, everything else to standard error. Exit status: 0 success,\n"
    "1 a result with an error, 2 a command line that makes no sense.\n"
    "Settings come from --settings FILE, then MM_... variables (and .env), then --set "
    "NAME=VALUE.\n";

static int print_help(void) {
    mm_output_printf("%s", introduction);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        mm_output_printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    mm_output_printf("%s", closing);
    return MM_EXIT_OK;
}

static const mm_command *find_command(const char *name) {
    mm_guess guess = {.word = name};
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
        mm_guess_offer(&guess, commands[i]->name);
    }
    mm_guess_offer(&guess, "help");
    (void)fprintf(stderr, "mm: unknown %s \"%s\"", name[0] == '-' ? "option" : "command", name);
    if (guess.best)
        (void)fprintf(stderr, "; did you mean \"%s\"?", guess.best);
    (void)fprintf(stderr, "\nSee \"mm --help\".\n");
    return NULL;
}

static int run(int argc, char **argv) {
    if (argc < 2) {
        (void)fprintf(stderr, "mm: no command\nSee \"mm --help\".\n");
        return MM_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        mm_output_printf("mm %s\n", mm_version());
        return MM_EXIT_OK;
    }
    bool help = strcmp(name, "help") == 0;
    bool asks = help && argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0);
    if (asks || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || (help && argc == 2))
        return print_help();
    const mm_command *command = find_command(help ? argv[2] : name);
    if (!command)
        return MM_EXIT_USAGE;
    if (help) {
        mm_help_command(command);
        return MM_EXIT_OK;
    }
    return command->run(command, argc - 1, argv + 1);
}

int main(int argc, char **argv) {
    mm_output_init();
    return mm_output_finish(run(argc, argv));
}
