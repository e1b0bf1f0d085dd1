// SPDX-License-Identifier: Apache-2.0
#include "text/text_pattern.h"

#include "base/memory.h"

#include <string.h>

mm_status mm_text_pattern_read(mm_text_pattern *pattern, const json_t *config, const char *where,
                               mm_error *error) {
    *pattern = (mm_text_pattern){0};
    const json_t *regex = json_object_get(config, "Regex");
    const json_t *literal = json_object_get(config, "String");
    const json_t *text = regex ? regex : literal;
    if (!json_is_string(text) || json_object_size(config) != 1)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: \"pattern\" must be {\"String\": ..} or {\"Regex\": ..}", where);
    pattern->length = json_string_length(text);
    // The reference library makes a regular expression of any String, so an empty one is found
    // everywhere.
    if (regex || pattern->length == 0)
        return mm_regex_compile(&pattern->regex, json_string_value(text), pattern->length, where,
                                error);
    pattern->literal = mm_strndup(json_string_value(text), pattern->length);
    return pattern->literal ? MM_STATUS_OK : mm_fail_memory(error, where);
}

void mm_text_pattern_free(mm_text_pattern *pattern) {
    mm_regex_free(pattern->regex);
    mm_free(pattern->literal);
    *pattern = (mm_text_pattern){0};
}

void mm_text_replacement_free(void *settings) {
    mm_text_replacement *own = settings;
    mm_text_pattern_free(&own->pattern);
    mm_free(own->content);
    mm_free(own);
}

mm_status mm_text_replacement_read(void **settings, const json_t *config, const char *where,
                                   mm_error *error) {
    const json_t *content = json_object_get(config, "content");
    if (!json_is_string(content))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: Replace needs \"content\"", where);
    mm_text_replacement *made = mm_calloc(1, sizeof(*made));
    if (!made)
        return mm_fail_memory(error, "Replace");
    made->length = json_string_length(content);
    made->content = mm_strndup(json_string_value(content), made->length);
    mm_status status =
        made->content
            ? mm_text_pattern_read(&made->pattern, json_object_get(config, "pattern"), where, error)
            : mm_fail_memory(error, "Replace");
    if (status)
        mm_text_replacement_free(made);
    else
        *settings = made;
    return status;
}

bool mm_text_find_begin(mm_text_finder *finder, const mm_text_pattern *pattern,
                        mm_regex_scratch **scratch, const char *text, size_t length) {
    finder->pattern = pattern;
    if (pattern->regex)
        return mm_regex_begin(&finder->search, pattern->regex, scratch, text, length);
    finder->search = (mm_regex_search){.text = text, .length = length};
    return true;
}

mm_regex_result mm_text_find_next(mm_text_finder *finder) {
    const mm_text_pattern *pattern = finder->pattern;
    mm_regex_search *search = &finder->search;
    if (pattern->regex)
        return mm_regex_next(search);
    if (search->length - search->at < pattern->length)
        return MM_REGEX_END;
    const char *found = memmem(search->text + search->at, search->length - search->at,
                               pattern->literal, pattern->length);
    if (!found)
        return MM_REGEX_END;
    search->start = (size_t)(found - search->text);
    search->at = search->end = search->start + pattern->length;
    return MM_REGEX_FOUND;
}

const char *mm_text_find_failure(const mm_text_finder *finder, mm_regex_result result) {
    return result == MM_REGEX_TOO_LONG ? mm_regex_failure(finder->pattern->regex) : NULL;
}
