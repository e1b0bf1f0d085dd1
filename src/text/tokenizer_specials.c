// SPDX-License-Identifier: Apache-2.0
// The special tokens of a tokenizer: what the small files say, and what its class has in code.
#include "text/tokenizer_files.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static const char config_name[] = "tokenizer_config.json";

const json_t *mm_tokenizer_special(const mm_tokenizer_settings *settings, const char *name) {
    const json_t *value = NULL;
    // The older file counts only where the newer form is not used.
    if (!json_object_get(settings->config, "added_tokens_decoder"))
        value = json_object_get(settings->special_map, name);
    if (!value)
        value = json_object_get(settings->config, name);
    return json_is_null(value) ? NULL : value;
}

const char *mm_tokenizer_special_text(const mm_tokenizer_settings *settings, const char *name,
                                      const char *fallback) {
    const json_t *value = mm_tokenizer_special(settings, name);
    if (json_is_object(value))
        value = json_object_get(value, "content");
    return json_is_string(value) ? json_string_value(value) : fallback;
}

mm_status mm_tokenizer_add(mm_tokenizer *tokenizer, const json_t *value, bool special,
                           mm_error *error) {
    mm_added_token token = {0};
    if (json_is_string(value)) {
        token.length = json_string_length(value);
        token.content = json_string_value(value);
        token.normalized = !special;
    } else {
        mm_status status = mm_tokenizer_read_added(&token, value, "tokenizer_config.json", error);
        if (status)
            return status;
        if (special && !json_object_get(value, "normalized"))
            token.normalized = false;
    }
    token.special |= special;
    if (!token.content || mm_added_tokens_has(&tokenizer->added, token.content, token.length))
        return MM_STATUS_OK;
    return mm_added_tokens_add(&tokenizer->added, &token, &tokenizer->model.vocabulary, error);
}

typedef struct numbered {
    long long id;
    const char *name;
    const json_t *value;
} numbered;

static int compare_numbered(const void *left, const void *right) {
    const numbered *a = left, *b = right;
    return a->id < b->id ? -1 : a->id > b->id;
}

static bool names(const json_t *value, const char *content) {
    if (json_is_object(value))
        value = json_object_get(value, "content");
    return json_is_string(value) && strcmp(json_string_value(value), content) == 0;
}

static bool is_special_name(const mm_tokenizer_settings *settings, const char *content) {
    for (size_t i = 0; i < MM_SPECIAL_NAMES; i++)
        if (names(mm_tokenizer_special(settings, mm_special_names[i]), content))
            return true;
    const json_t *more = mm_tokenizer_special(settings, "additional_special_tokens");
    for (size_t i = 0; i < json_array_size(more); i++)
        if (names(json_array_get(more, i), content))
            return true;
    return false;
}

// The members of {"id": token} (added_tokens_decoder) or {"token": id} (added_tokens.json) in the
// order of their ids.
static mm_status add_numbered(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                              const json_t *object, bool by_id, mm_error *error) {
    size_t count = json_object_size(object), at = 0;
    if (count == 0)
        return MM_STATUS_OK;
    numbered *items = mm_calloc(count, sizeof(*items));
    if (!items)
        return mm_fail_memory(error, "added tokens");
    const char *key;
    json_t *value, *unlocked = NULL;
    memcpy(&unlocked, &object, sizeof(object)); // json_object_foreach wants it non-const
    json_object_foreach(unlocked, key, value) {
        long long id = by_id ? strtoll(key, NULL, 10) : (long long)json_integer_value(value);
        items[at++] = (numbered){id, key, value};
    }
    qsort(items, count, sizeof(*items), compare_numbered);
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; i < count && !status; i++) {
        if (by_id) {
            status = mm_tokenizer_add(tokenizer, items[i].value, false, error);
            continue;
        }
        json_t *name = json_string(items[i].name);
        status = name ? mm_tokenizer_add(tokenizer, name, is_special_name(settings, items[i].name),
                                         error)
                      : mm_fail_memory(error, "added tokens");
        json_decref(name);
    }
    mm_free(items);
    return status;
}

mm_status mm_tokenizer_add_configured(mm_tokenizer *tokenizer,
                                      const mm_tokenizer_settings *settings, mm_error *error) {
    const json_t *decoder = json_object_get(settings->config, "added_tokens_decoder");
    mm_status status = decoder ? add_numbered(tokenizer, settings, decoder, true, error)
                               : add_numbered(tokenizer, settings, settings->added, false, error);
    for (size_t i = 0; i < MM_SPECIAL_NAMES && !status; i++) {
        const json_t *value = mm_tokenizer_special(settings, mm_special_names[i]);
        if (value)
            status = mm_tokenizer_add(tokenizer, value, true, error);
    }
    const json_t *more = mm_tokenizer_special(settings, "additional_special_tokens");
    for (size_t i = 0; i < json_array_size(more) && !status; i++)
        status = mm_tokenizer_add(tokenizer, json_array_get(more, i), true, error);
    return status;
}

mm_status mm_tokenizer_add_defaults(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                                    const char *const *specials, bool mask_lstrip,
                                    mm_error *error) {
    mm_status status = MM_STATUS_OK;
    for (size_t i = 0; specials && i < MM_SPECIAL_NAMES && !status; i++) {
        if (!specials[i] || mm_tokenizer_special(settings, mm_special_names[i]) ||
            mm_added_tokens_has(&tokenizer->added, specials[i], strlen(specials[i])))
            continue;
        mm_added_token token = {.content = specials[i],
                                .length = strlen(specials[i]),
                                .lstrip = mask_lstrip && i == MM_SPECIAL_MASK,
                                .special = true};
        status =
            mm_added_tokens_add(&tokenizer->added, &token, &tokenizer->model.vocabulary, error);
    }
    return status;
}

// ---- What surrounds a text ---------------------------------------------------------------------

// Writes the token of the language that texts are in.
static mm_status write_language(char *token, size_t room, const mm_tokenizer_settings *settings,
                                const mm_languages *languages, mm_error *error) {
    const char *code;
    mm_status status = mm_json_get_string(&code, settings->config, "src_lang", languages->source,
                                          config_name, error);
    if (status)
        return status;
    if (mm_language_token(token, room, languages, code, strlen(code)))
        return MM_STATUS_OK;
    return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"src_lang\" is no language's code",
                   config_name);
}

// The id of the special token that goes by this name; 0 when there is no name.
static mm_status find_special(uint32_t *id, const mm_tokenizer *tokenizer,
                              const mm_tokenizer_settings *settings, const mm_class_traits *traits,
                              const char *name, mm_error *error) {
    *id = 0;
    if (!name)
        return MM_STATUS_OK;
    char language[64];
    const char *text = language;
    if (strcmp(name, "src_lang") == 0) {
        mm_status status =
            write_language(language, sizeof(language), settings, traits->languages, error);
        if (status)
            return status;
    }
    for (size_t i = 0; i < MM_SPECIAL_NAMES; i++)
        if (strcmp(name, mm_special_names[i]) == 0)
            text = mm_tokenizer_special_text(settings, name,
                                             traits->specials ? traits->specials[i] : NULL);
    int32_t found = text ? mm_tokenizer_token_id(tokenizer, text) : -1;
    if (found < 0)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: there is no token \"%s\" for %s",
                       config_name, text ? text : "", name);
    *id = (uint32_t)found;
    return MM_STATUS_OK;
}

// What add_bos_token and add_eos_token ask for: tokens at the beginning, the end, both or neither.
static mm_status choose_ends(const mm_template_forms **forms, const mm_tokenizer_settings *settings,
                             bool adds_bos, mm_error *error) {
    static const mm_template_forms ends[] = {{"A0", "A0B1", NULL, NULL},
                                             {"A0s0", "A0s0B1s1", NULL, "eos_token"},
                                             {"c0A0", "c0A0c1B1", "bos_token", NULL},
                                             {"c0A0s0", "c0A0s0c1B1s1", "bos_token", "eos_token"}};
    bool bos, eos;
    mm_status status =
        mm_json_get_bool(&bos, settings->config, "add_bos_token", adds_bos, config_name, error);
    if (!status)
        status =
            mm_json_get_bool(&eos, settings->config, "add_eos_token", false, config_name, error);
    if (!status)
        *forms = &ends[bos * 2 + eos];
    return status;
}

mm_status mm_tokenizer_surround(mm_tokenizer *tokenizer, const mm_tokenizer_settings *settings,
                                const mm_class_traits *traits, mm_error *error) {
    const mm_template_forms *forms = traits->forms;
    mm_status status =
        forms ? MM_STATUS_OK : choose_ends(&forms, settings, traits->adds_bos, error);
    uint32_t cls = 0, sep = 0;
    if (!status)
        status = find_special(&cls, tokenizer, settings, traits, forms->cls, error);
    if (!status)
        status = find_special(&sep, tokenizer, settings, traits, forms->sep, error);
    if (status)
        return status;
    return mm_postprocessor_make(&tokenizer->postprocessor, forms->single, forms->pair, cls, sep,
                                 error);
}
