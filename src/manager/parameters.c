// SPDX-License-Identifier: Apache-2.0
// THE table of what a request may say. Setters, JSON codec, command line, bindings and
// documentation all read it; a parameter is added here and nowhere else.
#include "manager/parameters.h"

#include "base/buffer.h"
#include "base/utf8.h"
#include "manager/json_text.h"

#include <math.h>
#include <string.h>

#define EMBED MM_TASK_EMBEDDING
#define GENERATE MM_TASK_TEXT_GENERATION
#define ALL MM_TASK_ALL

static const mm_parameter table[MM_PARAM_COUNT] = {
    [MM_PARAM_TASK_TYPE] = {"task_type", MM_PARAMETER_TEXT, 0, 0, "embedding text_generation",
                            "required", ALL, "What to do with the data."},
    [MM_PARAM_MODEL_NAME] = {"model_name", MM_PARAMETER_TEXT, 0, 0, NULL, "required", ALL,
                             "Hub id org/name, a bare name, or a directory (/..., ./..., ../...)."},
    [MM_PARAM_NUM_WORKERS] = {"num_workers", MM_PARAMETER_INTEGER, 1, 4096, NULL, "1", ALL,
                              "Workers wanted; null: the number of the settings. Later calls only "
                              "add workers, a pre-load sets their number exactly."},
    [MM_PARAM_DEVICE] = {"device", MM_PARAMETER_TEXT, 0, 0, NULL, "gpu", ALL,
                         "gpu (the one with most free memory), cpu, or cuda:N."},
    [MM_PARAM_KEEP_ALIVE] = {"keep_alive", MM_PARAMETER_NUMBER, -HUGE_VAL, HUGE_VAL, NULL,
                             "unchanged", ALL,
                             "Minutes of inactivity before the model is released; 0: after this "
                             "call, negative: never."},
    [MM_PARAM_REVISION] = {"revision", MM_PARAMETER_TEXT, 0, 0, NULL, "main", ALL,
                           "Branch, tag or commit of a Hub repository."},
    [MM_PARAM_DTYPE] =
        {"dtype", MM_PARAMETER_TEXT, 0, 0, "auto f32 bf16 f16 int8", "auto", ALL,
         "Type the weights are computed in; auto is f32 on the CPU, and on a GPU f16 (T5: bf16) "
         "for files of half precision, else f32."},
    [MM_PARAM_TIMEOUT_MS] = {"timeout_ms", MM_PARAMETER_NUMBER, 1, 1e12, NULL, "none", ALL,
                             "Longest time for the whole way: download, load, queue and run."},
    [MM_PARAM_PRIORITY] = {"priority", MM_PARAMETER_TEXT, 0, 0, "interactive bulk", "interactive",
                           ALL, "Bulk work waits behind interactive work of the same model."},
    [MM_PARAM_TRUNCATE] = {"truncate", MM_PARAMETER_TEXT, 0, 0, "right left error", "right", ALL,
                           "Side on which a text longer than the limit is cut; error refuses it."},
    [MM_PARAM_RETURN_IDS] =
        {"return_ids", MM_PARAMETER_BOOLEAN, 0, 0, NULL, "false", ALL,
         "Adds the token ids that were used as input_ids, and those generated as "
         "output_ids."},
    [MM_PARAM_ID] = {"id", MM_PARAMETER_TEXT, 0, 0, NULL, "none", ALL,
                     "Echoed in the Result, so that answers can be told apart."},
    [MM_PARAM_PROMPT] = {"prompt", MM_PARAMETER_TEXT, 0, 0, NULL, "none", EMBED,
                         "Put in front of every text as it is."},
    [MM_PARAM_PROMPT_NAME] = {"prompt_name", MM_PARAMETER_TEXT, 0, 0, NULL, "none", EMBED,
                              "Name of a prompt that the model's repository defines."},
    [MM_PARAM_INPUT_ROLE] = {"input_role", MM_PARAMETER_TEXT, 0, 0, "query document", "none", EMBED,
                             "Picks the prompt for this role: the repository's own, else one known "
                             "for the model, else none."},
    [MM_PARAM_NORMALIZE] = {"normalize", MM_PARAMETER_BOOLEAN, 0, 0, NULL, "false", EMBED,
                            "Scales every vector to length 1 at the end."},
    [MM_PARAM_DIMENSIONS] = {"dimensions", MM_PARAMETER_INTEGER, 1, 1 << 24, NULL, "the model's",
                             EMBED, "Cuts vectors to this many values."},
    [MM_PARAM_MAX_LENGTH] = {"max_length", MM_PARAMETER_INTEGER, 1, 1 << 24, NULL, "the model's",
                             ALL,
                             "Embedding: longest text in tokens, special tokens included. Text "
                             "generation: longest output in tokens, start token included."},
    [MM_PARAM_USE_CACHE] = {"use_cache", MM_PARAMETER_BOOLEAN, 0, 0, NULL, "true", EMBED,
                            "Whether vectors may come from, and go to, the embedding cache."},
    [MM_PARAM_TASK] =
        {"task", MM_PARAMETER_TEXT, 0, 0, NULL, "none", GENERATE,
         "Applies this entry of the model's task_specific_params: its parameters and its prefix."},
    [MM_PARAM_MAX_NEW_TOKENS] =
        {"max_new_tokens", MM_PARAMETER_INTEGER, 1, 1 << 24, NULL, "20 without max_length",
         GENERATE, "Longest output in tokens, start token not included; goes before max_length."},
    [MM_PARAM_MIN_LENGTH] = {"min_length", MM_PARAMETER_INTEGER, 0, 1 << 24, NULL,
                             "the model's, else 0", GENERATE,
                             "Shortest output in tokens, start token included."},
    [MM_PARAM_MIN_NEW_TOKENS] =
        {"min_new_tokens", MM_PARAMETER_INTEGER, 0, 1 << 24, NULL, "none", GENERATE,
         "Shortest output in tokens, start token not included; goes before min_length."},
    [MM_PARAM_NUM_BEAMS] = {"num_beams", MM_PARAMETER_INTEGER, 1, 256, NULL, "the model's, else 1",
                            GENERATE, "Beams of the search; 1: greedy."},
    [MM_PARAM_NUM_RETURN_SEQUENCES] = {"num_return_sequences", MM_PARAMETER_INTEGER, 1, 256, NULL,
                                       "the model's, else 1", GENERATE,
                                       "Texts for each input: the best beams, or as many samples."},
    [MM_PARAM_EARLY_STOPPING] =
        {"early_stopping", MM_PARAMETER_JSON, 0, 0, "true, false or \"never\"",
         "the model's, else false", GENERATE,
         "When a beam search ends: true once num_beams texts are finished, false when better ones "
         "are unlikely, \"never\" when there can be none."},
    [MM_PARAM_LENGTH_PENALTY] =
        {"length_penalty", MM_PARAMETER_NUMBER, -1e3, 1e3, NULL, "the model's, else 1", GENERATE,
         "Beam scores are divided by the length to this power: above 0 favours long texts."},
    [MM_PARAM_DO_SAMPLE] = {"do_sample", MM_PARAMETER_BOOLEAN, 0, 0, NULL,
                            "the model's, else false", GENERATE,
                            "Draws tokens by their probability."},
    [MM_PARAM_TEMPERATURE] = {"temperature", MM_PARAMETER_NUMBER, 0, 1e6, NULL,
                              "the model's, else 1", GENERATE,
                              "Divides the logits before sampling."},
    [MM_PARAM_TOP_K] = {"top_k", MM_PARAMETER_INTEGER, 0, 2147483647, NULL, "the model's, else 50",
                        GENERATE, "Samples among the k most likely tokens; 0: among all."},
    [MM_PARAM_TOP_P] =
        {"top_p", MM_PARAMETER_NUMBER, 0, 1, NULL, "the model's, else 1", GENERATE,
         "Samples among the most likely tokens that have this probability together."},
    [MM_PARAM_MIN_P] =
        {"min_p", MM_PARAMETER_NUMBER, 0, 1, NULL, "none", GENERATE,
         "Samples among tokens with at least this share of the highest probability."},
    [MM_PARAM_TYPICAL_P] =
        {"typical_p", MM_PARAMETER_NUMBER, 0, 1, NULL, "the model's, else 1", GENERATE,
         "Samples among the most typical tokens that have this probability together."},
    [MM_PARAM_EPSILON_CUTOFF] = {"epsilon_cutoff", MM_PARAMETER_NUMBER, 0, 1, NULL, "none",
                                 GENERATE, "Samples among tokens of at least this probability."},
    [MM_PARAM_ETA_CUTOFF] = {"eta_cutoff", MM_PARAMETER_NUMBER, 0, 1, NULL, "none", GENERATE,
                             "As epsilon_cutoff, but lower where the distribution is flat."},
    [MM_PARAM_TOP_H] = {"top_h", MM_PARAMETER_NUMBER, 0, 1, NULL, "none", GENERATE,
                        "Samples among tokens that keep this share of the entropy."},
    [MM_PARAM_SEED] = {"seed", MM_PARAMETER_INTEGER, 0, 9007199254740992, NULL, "drawn anew",
                       GENERATE,
                       "Makes sampling repeatable: same seed, same text, on any machine."},
    [MM_PARAM_REPETITION_PENALTY] = {"repetition_penalty", MM_PARAMETER_NUMBER, 1e-6, 1e6, NULL,
                                     "the model's, else 1", GENERATE,
                                     "Above 1: tokens of the output become less likely."},
    [MM_PARAM_ENCODER_REPETITION_PENALTY] = {"encoder_repetition_penalty", MM_PARAMETER_NUMBER,
                                             1e-6, 1e6, NULL, "the model's, else 1", GENERATE,
                                             "Above 1: tokens of the input become more likely."},
    [MM_PARAM_NO_REPEAT_NGRAM_SIZE] = {"no_repeat_ngram_size", MM_PARAMETER_INTEGER, 0, 1 << 24,
                                       NULL, "the model's, else 0", GENERATE,
                                       "No sequence of so many tokens comes twice in the output."},
    [MM_PARAM_ENCODER_NO_REPEAT_NGRAM_SIZE] =
        {"encoder_no_repeat_ngram_size", MM_PARAMETER_INTEGER, 0, 1 << 24, NULL,
         "the model's, else 0", GENERATE,
         "No sequence of so many tokens of the input comes in the output."},
    [MM_PARAM_BAD_WORDS_IDS] = {"bad_words_ids", MM_PARAMETER_JSON, 0, 0,
                                "a list of lists of token ids", "none", GENERATE,
                                "Sequences of tokens that must not come."},
    [MM_PARAM_SEQUENCE_BIAS] = {"sequence_bias", MM_PARAMETER_JSON, 0, 0,
                                "a list of [[token ids], bias]", "none", GENERATE,
                                "Added to the score of a token that completes a sequence."},
    [MM_PARAM_SUPPRESS_TOKENS] = {"suppress_tokens", MM_PARAMETER_JSON, 0, 0, "a list of token ids",
                                  "the model's, else none", GENERATE, "Tokens that must not come."},
    [MM_PARAM_BEGIN_SUPPRESS_TOKENS] = {"begin_suppress_tokens", MM_PARAMETER_JSON, 0, 0,
                                        "a list of token ids", "the model's, else none", GENERATE,
                                        "Tokens that must not come first."},
    [MM_PARAM_FORCED_BOS_TOKEN_ID] =
        {"forced_bos_token_id", MM_PARAMETER_INTEGER, 0, 2147483647, NULL, "the model's, else none",
         GENERATE,
         "The first token behind the start token, such as the language of a translation."},
    [MM_PARAM_FORCED_EOS_TOKEN_ID] = {"forced_eos_token_id", MM_PARAMETER_JSON, 0, 0,
                                      "a token id or a list of them", "the model's, else none",
                                      GENERATE, "The last token when max_length is reached."},
    [MM_PARAM_EXPONENTIAL_DECAY_LENGTH_PENALTY] =
        {"exponential_decay_length_penalty", MM_PARAMETER_JSON, 0, 0,
         "[tokens before it begins, factor]", "the model's, else none", GENERATE,
         "Makes the end more likely with every token."},
    [MM_PARAM_STOP] = {"stop", MM_PARAMETER_JSON, 0, 0, "a string or a list of them", "none",
                       GENERATE, "The output ends before the first of these."},
};

size_t mm_parameter_count(void) {
    return MM_PARAM_COUNT;
}

const mm_parameter *mm_parameter_at(size_t index) {
    return index < MM_PARAM_COUNT ? &table[index] : NULL;
}

const mm_parameter *mm_parameter_find(const char *name) {
    for (size_t i = 0; i < MM_PARAM_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}

bool mm_parameter_is_of_generate(mm_parameter_index index) {
    return index >= MM_PARAM_FIRST_OF_GENERATE || index == MM_PARAM_MAX_LENGTH;
}

mm_parameter_index mm_parameter_index_of(const mm_parameter *parameter) {
    return (mm_parameter_index)(parameter - table);
}

const char *mm_parameter_type_name(mm_parameter_type type) {
    static const char *const names[] = {"a string", "an integer", "a number", "true or false",
                                        "JSON"};
    return names[type];
}

void mm_parameter_details(mm_error *error, const char *name) {
    mm_buffer quoted;
    mm_buffer_init(&quoted, sizeof(error->details));
    if (mm_json_put_string(&quoted, name, strlen(name)))
        mm_error_details(error, "{\"parameter\": %s}", quoted.data);
    mm_buffer_free(&quoted);
}

mm_status mm_parameter_unknown(mm_error *error, const char *name) {
    mm_status status = mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                               "there is no parameter \"%.64s\"; \"mm embed --help\" and \"mm "
                               "generate --help\" list those there are",
                               name);
    mm_parameter_details(error, name);
    return status;
}

bool mm_choice_known(const char *choices, const char *value) {
    size_t length = strlen(value);
    if (length == 0 || strchr(value, ' '))
        return false;
    for (const char *at = choices; (at = strstr(at, value)) != NULL; at += length) {
        bool starts = at == choices || at[-1] == ' ';
        if (starts && (at[length] == ' ' || at[length] == '\0'))
            return true;
    }
    return false;
}

static bool device_known(const char *value) {
    if (mm_choice_known("gpu cpu", value))
        return true;
    if (strncmp(value, "cuda:", 5) != 0)
        return false;
    size_t digits = strspn(value + 5, "0123456789");
    return digits >= 1 && digits <= 3 && value[5 + digits] == '\0';
}

mm_status mm_parameter_check_text(const mm_parameter *parameter, const char *value, size_t length,
                                  mm_error *error) {
    mm_status status = MM_STATUS_OK;
    mm_parameter_index index = mm_parameter_index_of(parameter);
    bool is_prompt = index == MM_PARAM_PROMPT || index == MM_PARAM_ID;
    if (!mm_utf8_valid(value, length, NULL))
        status =
            mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s is not valid UTF-8", parameter->name);
    else if (strlen(value) != length)
        status =
            mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s must not hold U+0000", parameter->name);
    else if (index == MM_PARAM_DEVICE && !device_known(value))
        status = mm_fail(error, MM_STATUS_INVALID_DEVICE,
                         "device is \"%.64s\", must be gpu, cpu or cuda:N", value);
    else if (parameter->choices && !mm_choice_known(parameter->choices, value))
        status = mm_fail(
            error,
            index == MM_PARAM_TASK_TYPE ? MM_STATUS_INVALID_TASK_TYPE : MM_STATUS_INVALID_PARAMETER,
            "%s is \"%.64s\", must be one of: %s", parameter->name, value, parameter->choices);
    else if (length == 0 && !is_prompt)
        status =
            mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s must not be empty", parameter->name);
    if (status)
        mm_parameter_details(error, parameter->name);
    return status;
}

mm_status mm_parameter_check_number(const mm_parameter *parameter, double value, mm_error *error) {
    bool bounded = isfinite(parameter->minimum) || isfinite(parameter->maximum);
    if (isfinite(value) && value >= parameter->minimum && value <= parameter->maximum)
        return MM_STATUS_OK;
    mm_status status =
        bounded ? mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s is %.15g, must be from %g to %g",
                          parameter->name, value, parameter->minimum, parameter->maximum)
                : mm_fail(error, MM_STATUS_INVALID_PARAMETER, "%s must be a finite number",
                          parameter->name);
    mm_parameter_details(error, parameter->name);
    return status;
}
