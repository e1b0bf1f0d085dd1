// SPDX-License-Identifier: Apache-2.0
// mm tokenize: texts to token ids and back, as JSON lines.
#include "base/json.h"
#include "base/utf8.h"
#include "cli/input.h"
#include "cli/options.h"
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct tokenize_arguments {
    bool jsonl;
    bool decode;
    const char *pair;
    bool no_special_tokens;
} tokenize_arguments;

static const mm_option options[] = {
    {.name = "jsonl",
     .kind = MM_OPTION_SWITCH,
     .offset = offsetof(tokenize_arguments, jsonl),
     .help = "Answer one JSON object for each JSON object on standard input."},
    {.name = "pair",
     .kind = MM_OPTION_TEXT,
     .offset = offsetof(tokenize_arguments, pair),
     .argument = "TEXT",
     .help = "A second text, as for models that compare two."},
    {.name = "no-special-tokens",
     .kind = MM_OPTION_SWITCH,
     .offset = offsetof(tokenize_arguments, no_special_tokens),
     .help = "Leave out [CLS], [SEP] and their like."},
    {.name = "decode",
     .kind = MM_OPTION_SWITCH,
     .offset = offsetof(tokenize_arguments, decode),
     .help = "The words are token ids; print their text."},
};

static const char no_memory[] =
    "{\"error\": {\"code\": \"OUT_OF_MEMORY\", \"message\": \"out of memory\", \"details\": {}}}";
static const char not_utf8[] =
    "{\"error\": {\"code\": \"INVALID_REQUEST\", \"message\": \"the text is not "
    "valid UTF-8\", \"details\": {}}}";

// False when stdout is gone.
static bool answer(const mm_text_codec *codec, const char *json, size_t length, bool *failed) {
    char *out = NULL;
    if (mm_text_codec_json(&out, codec, json, length))
        *failed = true;
    bool written = mm_output_line(out ? out : no_memory);
    mm_text_free(out);
    return written;
}

// Consumes the object; NULL counts as memory being out.
static bool answer_object(const mm_text_codec *codec, json_t *object, bool *failed) {
    mm_buffer json;
    mm_buffer_init(&json, SIZE_MAX / 4);
    bool written;
    if (mm_output_json(&json, object, JSON_COMPACT)) {
        written = answer(codec, json.data, json.length, failed);
    } else {
        *failed = true;
        written = mm_output_line(no_memory);
    }
    mm_buffer_free(&json);
    json_decref(object);
    return written;
}

static bool answer_text(const mm_text_codec *codec, const char *text, size_t length,
                        const tokenize_arguments *arguments, bool *failed) {
    const char *pair = arguments->pair;
    if (!mm_utf8_valid(text, length, NULL) || (pair && !mm_utf8_valid(pair, strlen(pair), NULL))) {
        *failed = true;
        return mm_output_line(not_utf8);
    }
    json_t *object = json_pack("{s:s%, s:b}", "text", text, length, "add_special_tokens",
                               !arguments->no_special_tokens);
    if (object && pair && json_object_set_new(object, "pair", json_string(pair))) {
        json_decref(object);
        object = NULL;
    }
    return answer_object(codec, object, failed);
}

static int tokenize_words(const mm_text_codec *codec, const mm_invocation *line,
                          const tokenize_arguments *arguments) {
    bool failed = false;
    json_t *ids = arguments->decode ? json_array() : NULL;
    for (int i = 1; i < line->word_count; i++) {
        char *word = line->words[i];
        if (!arguments->decode) {
            if (!answer_text(codec, word, strlen(word), arguments, &failed))
                break;
            continue;
        }
        char *end;
        long long id = strtoll(word, &end, 10);
        if (end == word || *end) {
            json_decref(ids);
            return mm_usage_error(line->command, "\"%s\" is no token id", word);
        }
        (void)json_array_append_new(ids, json_integer(id));
    }
    if (arguments->decode)
        (void)answer_object(codec,
                            json_pack("{s:o, s:b}", "ids", ids, "skip_special_tokens",
                                      arguments->no_special_tokens),
                            &failed);
    return failed ? MM_EXIT_FAILED : MM_EXIT_OK;
}

static int tokenize_lines(const mm_text_codec *codec, const tokenize_arguments *arguments) {
    mm_error error = {0};
    mm_input input;
    mm_input_init(&input, STDIN_FILENO);
    bool failed = false, written = true;
    char *line;
    size_t length;
    int got = 1;
    while (written && (got = mm_input_line(&input, &line, &length, &error)) > 0) {
        if (arguments->jsonl) {
            written = answer(codec, line, length, &failed);
        } else {
            if (length && line[length - 1] == '\r')
                length--;
            written = answer_text(codec, line, length, arguments, &failed);
        }
        // Whoever waits for this answer before sending more must get it now.
        if (!mm_input_pending(&input))
            written = mm_output_flush() && written;
    }
    mm_input_close(&input);
    if (got < 0)
        return mm_output_failure(&error, false);
    return failed ? MM_EXIT_FAILED : MM_EXIT_OK;
}

static int tokenize(const mm_invocation *line, const tokenize_arguments *arguments) {
    const char *model = line->words[0];
    mm_manager *manager = NULL;
    mm_text_codec *codec = NULL;
    mm_error error = {0};
    int status;
    if (!mm_invocation_manager(&manager, &status, line))
        return status;
    if (mm_text_codec_open(&codec, manager, model, &error)) {
        status = mm_output_failure(&error, false);
        mm_output_hint(&error, model);
    } else if (line->word_count > 1) {
        status = tokenize_words(codec, line, arguments);
    } else {
        status = tokenize_lines(codec, arguments);
    }
    mm_text_codec_free(codec);
    mm_manager_free(manager);
    return status;
}

static int run(const mm_command *command, int argc, char **argv) {
    tokenize_arguments arguments = {0};
    mm_invocation line;
    int status;
    if (!mm_invocation_read(&line, &status, command, &arguments, argc, argv))
        return status;
    bool options_given = arguments.decode || arguments.pair || arguments.no_special_tokens;
    if (line.word_count < 1)
        status = mm_usage_error(command, "no model; it comes first: mm tokenize MODEL TEXT");
    else if (arguments.jsonl && (line.word_count > 1 || options_given))
        status = mm_usage_error(command, "with --jsonl everything is said in the JSON objects");
    else if (arguments.decode && (line.word_count < 2 || arguments.pair))
        status = mm_usage_error(command,
                                "--decode needs token ids: mm tokenize MODEL --decode 101 7592");
    else if (line.word_count == 1 && !arguments.jsonl && isatty(STDIN_FILENO))
        status = mm_usage_error(command, "no text; give texts, or pipe lines in");
    else
        status = tokenize(&line, &arguments);
    mm_invocation_free(&line);
    return status;
}

const mm_command mm_command_tokenize = {
    .name = "tokenize",
    .summary = "Turn texts into token ids and back",
    .synopsis = "MODEL TEXT... [options]\nMODEL --decode ID...\nMODEL --jsonl < OBJECTS",
    .description =
        "MODEL is a name, a directory, or a tokenizer file: tokenizer.json, vocab.txt,\n"
        "vocab.json or a SentencePiece file (*.model). Prints a\n"
        "line of JSON for each text (an argument, or a line of standard input): ids, type_ids,\n"
        "attention_mask, tokens, and offsets: begin and end of each token in turn, counted in "
        "code\n"
        "points of the text as given.\n"
        "\n"
        "With --jsonl each line of standard input is an object, and so is each answer:\n"
        "  {\"text\", \"pair\"?}               ->  {\"ids\", \"type_ids\", ...}\n"
        "  {\"texts\": [...]}                 ->  {\"batch\": [...]}\n"
        "  {\"ids\", \"skip_special_tokens\"?}  ->  {\"text\"}\n"
        "To the last may be added \"clean_up_tokenization_spaces\": true, to the first two:\n"
        "  \"add_special_tokens\": false\n"
        "  \"truncation\": true (as stored in the file), or\n"
        "      {\"max_length\", \"stride\"?, \"strategy\"?, \"direction\"?};\n"
        "      strategy longest_first, only_first or only_second; direction right or left;\n"
        "      the answer then has \"overflow\", the ids of each further window\n"
        "  \"padding\": true (as stored in the file), or\n"
        "      {\"direction\"?, \"pad_id\"?, \"pad_type_id\"?, \"pad_token\"?, \"length\"?,\n"
        "      \"pad_to_multiple_of\"?}\n"
        "A line that fails is answered {\"error\": {\"code\", \"message\", \"details\"}}, the next "
        "one is\n"
        "read, and the exit status is 1 at the end.",
    .examples =
        "  mm tokenize ./all-MiniLM-L6-v2 \"How do I reset my password?\"\n"
        "  mm tokenize ./all-MiniLM-L6-v2 --decode 101 2129 2079 102\n"
        "  mm tokenize ./all-MiniLM-L6-v2/tokenizer.json --no-special-tokens \"just the text\"\n"
        "  echo '{\"text\": \"one\", \"pair\": \"two\"}' | mm tokenize ./all-MiniLM-L6-v2 "
        "--jsonl\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .run = run,
};
