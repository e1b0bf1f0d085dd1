// SPDX-License-Identifier: Apache-2.0
// getopt_long does the reading; its table is made here from three sources: what every command has,
// the command's own options and the library's parameters. The index into `flags` travels as `val`.
#include "cli/options.h"

#include "base/memory.h"
#include "cli/help.h"
#include "cli/output.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 64, SPARE_SETTINGS = 4, FLAG_BASE = 1000 };

typedef enum flag_kind {
    FLAG_HELP,
    FLAG_SETTINGS,
    FLAG_SET,
    FLAG_OPTION,
    FLAG_PARAMETER
} flag_kind;

typedef struct cli_flag {
    char name[NAME_SIZE];
    flag_kind kind;
    bool negative; // --no-NAME
    const mm_option *option;
    const mm_parameter *parameter;
} cli_flag;

typedef struct flag_reader {
    mm_invocation *out;
    void *arguments;
    cli_flag *flags;
    struct option *table;
    size_t count;
} flag_reader;

int mm_usage_error(const mm_command *command, const char *format, ...) {
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "mm %s: %s\nSee \"mm %s --help\".\n", command->name, message,
                  command->name);
    return MM_EXIT_USAGE;
}

// Letters to insert, delete, replace or swap to get from `a` to `b`.
static size_t edit_distance(const char *a, const char *b) {
    size_t rows[3][NAME_SIZE + 1];
    size_t length = strlen(b);
    if (length > NAME_SIZE || strlen(a) > NAME_SIZE)
        return NAME_SIZE;
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= length; j++)
        before[j] = last[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        now[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = best < last[j] + 1 ? best : last[j] + 1;
            best = best < now[j - 1] + 1 ? best : now[j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[length];
}

void mm_guess_offer(mm_guess *guess, const char *candidate) {
    size_t distance = edit_distance(guess->word, candidate);
    size_t near = 1 + strlen(guess->word) / 4;
    if (distance <= near && (!guess->best || distance < guess->distance)) {
        guess->best = candidate;
        guess->distance = distance;
    }
}

static void add_flag(flag_reader *reader, cli_flag entry, int has_argument) {
    cli_flag *slot = &reader->flags[reader->count];
    *slot = entry;
    reader->table[reader->count] =
        (struct option){slot->name, has_argument, NULL, FLAG_BASE + (int)reader->count};
    reader->count++;
}

static bool build_table(flag_reader *reader, const mm_command *command) {
    size_t most = 3 + command->option_count + 2 * mm_parameter_count();
    reader->flags = mm_calloc(most, sizeof(cli_flag));
    reader->table = mm_calloc(most + 1, sizeof(struct option));
    if (!reader->flags || !reader->table)
        return false;
    add_flag(reader, (cli_flag){.name = "help", .kind = FLAG_HELP}, no_argument);
    add_flag(reader, (cli_flag){.name = "settings", .kind = FLAG_SETTINGS}, required_argument);
    add_flag(reader, (cli_flag){.name = "set", .kind = FLAG_SET}, required_argument);
    for (size_t i = 0; i < command->option_count; i++) {
        const mm_option *option = &command->options[i];
        cli_flag entry = {.kind = FLAG_OPTION, .option = option};
        (void)snprintf(entry.name, NAME_SIZE, "%s", option->name);
        add_flag(reader, entry, option->kind == MM_OPTION_SWITCH ? no_argument : required_argument);
    }
    for (size_t i = 0; i < mm_parameter_count(); i++) {
        const mm_parameter *parameter = mm_parameter_at(i);
        if (!mm_help_is_flag(command, parameter))
            continue;
        cli_flag entry = {.kind = FLAG_PARAMETER, .parameter = parameter};
        mm_help_flag_name(entry.name, NAME_SIZE, parameter->name);
        bool boolean = parameter->type == MM_PARAMETER_BOOLEAN;
        add_flag(reader, entry, boolean ? optional_argument : required_argument);
        if (!boolean)
            continue;
        entry.negative = true;
        (void)memcpy(entry.name, "no-", 3);
        mm_help_flag_name(entry.name + 3, NAME_SIZE - 3, parameter->name);
        add_flag(reader, entry, no_argument);
    }
    return true;
}

bool mm_option_choice(const char *choices, const char *value) {
    size_t length = strlen(value);
    for (const char *at = choices; *at && length;) {
        size_t word = strcspn(at, " ");
        if (word == length && strncmp(at, value, word) == 0)
            return true;
        at += word + strspn(at + word, " ");
    }
    return false;
}

static bool parse_integer(int64_t *out, const char *text) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return false;
    *out = value;
    return true;
}

static int read_option(const flag_reader *reader, const mm_option *option, const char *value) {
    const mm_command *command = reader->out->command;
    void *target = (char *)reader->arguments + option->offset;
    switch (option->kind) {
    case MM_OPTION_SWITCH:
        *(bool *)target = true;
        break;
    case MM_OPTION_TEXT:
        if (option->choices && !mm_option_choice(option->choices, value))
            return mm_usage_error(command, "--%s is \"%s\", must be one of: %s", option->name,
                                  value, option->choices);
        *(const char **)target = value;
        break;
    case MM_OPTION_INTEGER: {
        int64_t number;
        if (!parse_integer(&number, value) || number < option->minimum || number > option->maximum)
            return mm_usage_error(
                command, "--%s is \"%s\", must be a whole number from %lld to %lld", option->name,
                value, (long long)option->minimum, (long long)option->maximum);
        *(int64_t *)target = number;
        break;
    }
    }
    return MM_EXIT_OK;
}

static int read_flag(const flag_reader *reader, const cli_flag *flag, char *value) {
    mm_invocation *out = reader->out;
    switch (flag->kind) {
    case FLAG_HELP:
        break;
    case FLAG_SETTINGS:
        out->settings_file = value;
        break;
    case FLAG_SET: {
        char *equals = strchr(value, '=');
        if (!equals || equals == value)
            return mm_usage_error(out->command, "--set needs NAME=VALUE, not \"%s\"", value);
        *equals = '\0';
        out->settings[out->setting_count++] = (mm_cli_pair){value, equals + 1};
        break;
    }
    case FLAG_OPTION:
        return read_option(reader, flag->option, value);
    case FLAG_PARAMETER:
        // Booleans need no value: --normalize, --no-normalize, --normalize=false.
        out->parameters[out->parameter_count++] =
            (mm_cli_pair){flag->parameter->name, value            ? value
                                                 : flag->negative ? "false"
                                                                  : "true"};
        break;
    }
    return MM_EXIT_OK;
}

// getopt_long says only that something is wrong; finds out what, as precisely as it can.
static int refuse(const flag_reader *reader, int got, const char *given) {
    const mm_command *command = reader->out->command;
    if (got == ':')
        return mm_usage_error(command, "%s needs a value", given);
    if (optopt >= FLAG_BASE)
        return mm_usage_error(command, "--%s takes no value",
                              reader->flags[optopt - FLAG_BASE].name);
    if (optopt)
        return mm_usage_error(command,
                              "unknown option \"-%c\" (write -- in front of texts that begin with "
                              "a dash)",
                              optopt);
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof(name), "%s", given + 2);
    name[strcspn(name, "=")] = '\0';
    mm_guess guess = {.word = name};
    int matches = 0;
    for (size_t i = 0; i < reader->count; i++) {
        mm_guess_offer(&guess, reader->flags[i].name);
        matches += strncmp(reader->flags[i].name, name, strlen(name)) == 0;
    }
    if (matches > 1)
        return mm_usage_error(command, "option \"--%s\" may mean several; write it out", name);
    if (guess.best)
        return mm_usage_error(command, "unknown option \"--%s\"; did you mean \"--%s\"?", name,
                              guess.best);
    return mm_usage_error(command, "unknown option \"--%s\"", name);
}

// Returns false when the command shall not run.
static bool read_all(flag_reader *reader, int *exit_status, int argc, char **argv) {
    int got;
    opterr = 0;
    optind = 1;
    while ((got = getopt_long(argc, argv, ":h", reader->table, NULL)) != -1) {
        if (got == ':' || got == '?') {
            *exit_status = refuse(reader, got, argv[optind - 1]);
            return false;
        }
        const cli_flag *flag = got == 'h' ? &reader->flags[0] : &reader->flags[got - FLAG_BASE];
        if (flag->kind == FLAG_HELP) {
            mm_help_command(reader->out->command);
            *exit_status = MM_EXIT_OK;
            return false;
        }
        *exit_status = read_flag(reader, flag, optarg);
        if (*exit_status)
            return false;
    }
    reader->out->words = argv + optind;
    reader->out->word_count = argc - optind;
    return true;
}

bool mm_invocation_read(mm_invocation *out, int *exit_status, const mm_command *command,
                        void *arguments, int argc, char **argv) {
    *out = (mm_invocation){.command = command};
    flag_reader reader = {.out = out, .arguments = arguments};
    bool go_on = false;
    size_t most = (size_t)argc + SPARE_SETTINGS;
    out->settings = mm_calloc(most, sizeof(mm_cli_pair));
    out->parameters = mm_calloc(most, sizeof(mm_cli_pair));
    if (out->settings && out->parameters && build_table(&reader, command)) {
        go_on = read_all(&reader, exit_status, argc, argv);
    } else {
        mm_complain("out of memory");
        *exit_status = MM_EXIT_FAILED;
    }
    mm_free(reader.flags);
    mm_free(reader.table);
    if (!go_on)
        mm_invocation_free(out);
    return go_on;
}

void mm_invocation_free(mm_invocation *invocation) {
    mm_free(invocation->settings);
    mm_free(invocation->parameters);
    *invocation = (mm_invocation){.command = invocation->command};
}

void mm_invocation_set(mm_invocation *invocation, const char *name, const char *value) {
    memmove(invocation->settings + 1, invocation->settings,
            invocation->setting_count * sizeof(*invocation->settings));
    invocation->settings[0] = (mm_cli_pair){name, value};
    invocation->setting_count++;
}
