// SPDX-License-Identifier: Apache-2.0
// Which text goes in front of the caller's: what config_sentence_transformers.json stores, what is
// known of models that store nothing, and the choice between them.
#include "tasks/embedder.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <string.h>

// ---- Built in ----------------------------------------------------------------------------------
// Models whose card asks for a prompt that their repository does not hold.

#define SEARCH_QUERY "Represent this sentence for searching relevant passages: "

static const struct {
    const char *model_name;
    const char *query;
    const char *document;
} built_in[] = {
    {"intfloat/e5-small", "query: ", "passage: "},
    {"intfloat/e5-base", "query: ", "passage: "},
    {"intfloat/e5-large", "query: ", "passage: "},
    {"intfloat/e5-small-v2", "query: ", "passage: "},
    {"intfloat/e5-base-v2", "query: ", "passage: "},
    {"intfloat/e5-large-v2", "query: ", "passage: "},
    {"intfloat/multilingual-e5-small", "query: ", "passage: "},
    {"intfloat/multilingual-e5-base", "query: ", "passage: "},
    {"intfloat/multilingual-e5-large", "query: ", "passage: "},
    {"mixedbread-ai/mxbai-embed-large-v1", SEARCH_QUERY, NULL},
    {"mixedbread-ai/mxbai-embed-2d-large-v1", SEARCH_QUERY, NULL},
    {"BAAI/bge-small-en", SEARCH_QUERY, NULL},
    {"BAAI/bge-base-en", SEARCH_QUERY, NULL},
    {"BAAI/bge-large-en", SEARCH_QUERY, NULL},
    {"BAAI/bge-small-en-v1.5", SEARCH_QUERY, NULL},
    {"BAAI/bge-base-en-v1.5", SEARCH_QUERY, NULL},
    {"BAAI/bge-large-en-v1.5", SEARCH_QUERY, NULL},
    {"nomic-ai/nomic-embed-text-v1", "search_query: ", "search_document: "},
    {"nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: "},
    {"nomic-ai/nomic-embed-text-v2-moe", "search_query: ", "search_document: "},
};

void mm_prompts_set_built_in(mm_prompts *prompts, const char *model_name) {
    for (size_t i = 0; model_name && i < sizeof built_in / sizeof built_in[0]; i++) {
        if (strcmp(built_in[i].model_name, model_name) == 0) {
            prompts->role_texts[MM_ROLE_QUERY] = built_in[i].query;
            prompts->role_texts[MM_ROLE_DOCUMENT] = built_in[i].document;
        }
    }
}

// ---- config_sentence_transformers.json ---------------------------------------------------------

static const mm_prompt *find(const mm_prompts *prompts, const char *name) {
    for (size_t i = 0; i < prompts->count; i++) {
        if (strcmp(prompts->items[i].name, name) == 0)
            return &prompts->items[i];
    }
    return NULL;
}

// A prompt without text (null) counts as an empty one.
static mm_status add_prompt(mm_prompts *prompts, const char *name, const json_t *value,
                            const char *path, mm_error *error) {
    const char *text = json_is_null(value) ? "" : json_string_value(value);
    if (!text || (json_is_string(value) && strlen(text) != json_string_length(value)))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: the prompt \"%.64s\" must be a string without U+0000", path, name);
    mm_prompt *prompt = &prompts->items[prompts->count++];
    prompt->name = mm_strdup(name);
    prompt->text = mm_strdup(text);
    return prompt->name && prompt->text ? MM_STATUS_OK : mm_fail_memory(error, "a prompt");
}

static mm_status read_prompts(mm_prompts *prompts, json_t *object, const char *path,
                              mm_error *error) {
    json_t *texts = json_object_get(object, "prompts");
    if (!texts || json_is_null(texts))
        return MM_STATUS_OK;
    if (!json_is_object(texts))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"prompts\" must be an object", path);
    prompts->items = mm_calloc(json_object_size(texts), sizeof *prompts->items);
    if (!prompts->items)
        return mm_fail_memory(error, "prompts");
    const char *name;
    json_t *value;
    mm_status status = MM_STATUS_OK;
    json_object_foreach(texts, name, value) {
        if (!status)
            status = add_prompt(prompts, name, value, path, error);
    }
    return status;
}

// The reference library always has the names "query" and "document", with empty texts when the file
// does not give them; so they may be the default without being there.
static mm_status read_default(mm_prompts *prompts, const json_t *object, const char *path,
                              mm_error *error) {
    const char *name;
    mm_status status = mm_json_get_string(&name, object, "default_prompt_name", NULL, path, error);
    if (status || !name)
        return status;
    const mm_prompt *prompt = find(prompts, name);
    if (prompt)
        prompts->default_text = prompt->text;
    else if (strcmp(name, "query") != 0 && strcmp(name, "document") != 0)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: \"default_prompt_name\" is \"%.64s\", which \"prompts\" does not hold",
                       path, name);
    return MM_STATUS_OK;
}

mm_status mm_prompts_read(mm_prompts *prompts, const char *directory, mm_error *error) {
    *prompts = (mm_prompts){0};
    json_t *object = NULL;
    mm_status status = MM_STATUS_OK;
    char *path = mm_path_join(directory, "config_sentence_transformers.json");
    if (!path)
        return mm_fail_memory(error, "a path");
    if (!mm_file_exists(path))
        goto done;
    status = mm_json_read_object(&object, path, MM_JSON_MAX, error);
    if (!status)
        status = read_prompts(prompts, object, path, error);
    if (!status)
        status = read_default(prompts, object, path, error);
    if (!status)
        status = mm_json_get_integer(&prompts->truncate_dim, object, "truncate_dim", 0, 1,
                                     INT32_MAX, path, error);
done:
    json_decref(object);
    mm_free(path);
    return status;
}

void mm_prompts_free(mm_prompts *prompts) {
    for (size_t i = 0; i < prompts->count; i++) {
        mm_free(prompts->items[i].name);
        mm_free(prompts->items[i].text);
    }
    mm_free(prompts->items);
    *prompts = (mm_prompts){0};
}

// ---- The choice --------------------------------------------------------------------------------

static mm_status unknown_name(const mm_prompts *prompts, const char *name, mm_error *error) {
    mm_buffer list;
    mm_buffer_init(&list, 256); // as many names as fit
    for (size_t i = 0; i < prompts->count; i++) {
        if (!mm_buffer_printf(&list, "%s\"%s\"", i ? ", " : "", prompts->items[i].name))
            break;
    }
    mm_status status = mm_fail(error, MM_STATUS_INVALID_PARAMETER,
                               "prompt_name \"%.64s\": the model has no such prompt; it has %s",
                               name, list.length ? list.data : "none");
    mm_buffer_free(&list);
    return status;
}

mm_status mm_prompts_choose(const char **out, const mm_prompts *prompts,
                            const mm_embedding_options *options, mm_error *error) {
    static const char *const role_names[] = {NULL, "query", "document"};
    const char *text = prompts->default_text;
    if (options->prompt) {
        text = options->prompt;
        if (!mm_utf8_valid(text, strlen(text), NULL))
            return mm_fail(error, MM_STATUS_INVALID_PARAMETER, "prompt: not valid UTF-8");
    } else if (options->prompt_name) {
        const mm_prompt *prompt = find(prompts, options->prompt_name);
        if (!prompt)
            return unknown_name(prompts, options->prompt_name, error);
        text = prompt->text;
    } else if (options->input_role != MM_ROLE_NONE) {
        // A role never falls back to the default prompt, which is meant for the other one.
        const mm_prompt *prompt = find(prompts, role_names[options->input_role]);
        text = prompt && prompt->text[0] ? prompt->text : prompts->role_texts[options->input_role];
    }
    *out = text && text[0] ? text : NULL;
    return MM_STATUS_OK;
}
