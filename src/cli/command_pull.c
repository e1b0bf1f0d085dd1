// SPDX-License-Identifier: Apache-2.0
// mm pull: a model of the Hub onto this machine, with a bar on a terminal and JSON lines elsewhere.
#include "cli/meter.h"
#include "cli/one_model.h"
#include "cli/output.h"

typedef struct pull_arguments {
    bool quiet;
} pull_arguments;

static const mm_option options[] = {
    {.name = "quiet",
     .kind = MM_OPTION_SWITCH,
     .offset = offsetof(pull_arguments, quiet),
     .help = "No progress."},
};

static mm_status pull(char **out, mm_manager *manager, const char *model, const void *arguments,
                      mm_error *error) {
    const pull_arguments *given = arguments;
    char name[MM_MODEL_WORD];
    const char *revision;
    mm_meter meter;
    mm_status status = mm_model_split(name, &revision, model, error);
    if (status)
        return status;
    mm_meter_init(&meter, given->quiet);
    status = mm_model_pull(out, manager, name, revision, mm_meter_show, &meter, error);
    mm_meter_end(&meter);
    return status;
}

static int print(const char *json, const void *arguments) {
    (void)arguments;
    mm_output_line(json);
    return MM_EXIT_OK;
}

static int run(const mm_command *command, int argc, char **argv) {
    pull_arguments arguments = {0};
    const bool as_json = true;
    return mm_one_model(command, &arguments, &as_json, argc, argv, pull, print);
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
        "interrupted goes on. Every file is verified. \"mm login\" or HF_TOKEN opens gated and "
        "private\n"
        "models.",
    .examples = "  mm pull sentence-transformers/all-MiniLM-L6-v2\n"
                "  mm pull all-MiniLM-L6-v2@main --set models_dir=/srv/models\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .run = run,
};
