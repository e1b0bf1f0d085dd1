// SPDX-License-Identifier: Apache-2.0
// Normalizers that edit text whatever its characters are: Strip, Replace, Prepend;
// and Nmt, which has a short list of them.
#include "text/normalizer_kinds.h"

#include "base/memory.h"

#include <string.h>

typedef struct strip {
    bool left, right;
} strip;

mm_status mm_strip_read(void **settings, const json_t *config, const char *where, mm_error *error) {
    strip sides;
    mm_status status = mm_json_get_bool(&sides.left, config, "strip_left", true, where, error);
    if (!status)
        status = mm_json_get_bool(&sides.right, config, "strip_right", true, where, error);
    if (status)
        return status;
    strip *made = mm_malloc(sizeof(*made));
    if (!made)
        return mm_fail_memory(error, "Strip");
    *made = sides;
    *settings = made;
    return MM_STATUS_OK;
}

void mm_strip_apply(const void *settings, mm_rewrite *rewrite) {
    const strip *sides = settings;
    size_t start = 0, end = rewrite->length;
    while (sides->left && start < end) {
        size_t next = start;
        if (!mm_unicode_is_space(mm_unicode_next(rewrite->text, &next)))
            break;
        start = next;
    }
    while (sides->right && end > start) {
        size_t previous = end;
        if (!mm_unicode_is_space(mm_unicode_previous(rewrite->text, &previous)))
            break;
        end = previous;
    }
    mm_rewrite_start(rewrite);
    mm_rewrite_drop(rewrite, start);
    mm_rewrite_copy(rewrite, end - start);
    mm_rewrite_finish(rewrite);
}

// Two texts of any bytes in one block.
typedef struct text_pair {
    const char *first, *second;
    size_t first_length, second_length;
} text_pair;

static mm_status make_pair(void **settings, const json_t *first, const json_t *second,
                           mm_error *error) {
    size_t first_length = json_string_length(first), second_length = json_string_length(second);
    text_pair *pair = mm_malloc(sizeof(*pair) + first_length + second_length);
    if (!pair)
        return mm_fail_memory(error, "a normalizer");
    char *bytes = (char *)(pair + 1);
    *pair = (text_pair){bytes, bytes + first_length, first_length, second_length};
    if (first_length)
        memcpy(bytes, json_string_value(first), first_length);
    if (second_length)
        memcpy(bytes + first_length, json_string_value(second), second_length);
    *settings = pair;
    return MM_STATUS_OK;
}

mm_status mm_replace_read(void **settings, const json_t *config, const char *where,
                          mm_error *error) {
    const json_t *pattern = json_object_get(config, "pattern");
    const json_t *content = json_object_get(config, "content");
    if (json_is_string(json_object_get(pattern, "Regex")))
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: the normalizer \"Replace\" with a Regex pattern is not supported",
                       where);
    pattern = json_object_get(pattern, "String");
    if (!json_is_string(pattern) || !json_is_string(content))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: Replace needs \"pattern\" {\"String\"} and \"content\"", where);
    return make_pair(settings, pattern, content, error);
}

void mm_replace_apply(const void *settings, mm_rewrite *rewrite) {
    const text_pair *pair = settings;
    if (pair->first_length == 0)
        return;
    mm_rewrite_start(rewrite);
    while (rewrite->read < rewrite->length && !rewrite->failed) {
        const char *from = rewrite->text + rewrite->read;
        const char *found =
            memmem(from, rewrite->length - rewrite->read, pair->first, pair->first_length);
        if (!found)
            break;
        mm_rewrite_copy(rewrite, (size_t)(found - from));
        mm_rewrite_drop(rewrite, pair->first_length);
        mm_rewrite_insert_text(rewrite, pair->second, pair->second_length);
    }
    mm_rewrite_copy(rewrite, rewrite->length - rewrite->read);
    mm_rewrite_finish(rewrite);
}

mm_status mm_prepend_read(void **settings, const json_t *config, const char *where,
                          mm_error *error) {
    const json_t *text = json_object_get(config, "prepend");
    if (!json_is_string(text))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"prepend\" must be a string", where);
    return make_pair(settings, text, NULL, error);
}

void mm_prepend_apply(const void *settings, mm_rewrite *rewrite) {
    const text_pair *pair = settings;
    if (rewrite->length == 0 || pair->first_length == 0)
        return;
    mm_rewrite_start(rewrite);
    // As in the reference library, what is put in front has the origin of the first character.
    size_t first = mm_unicode_width(rewrite->text[0]);
    mm_rewrite_drop(rewrite, first);
    mm_rewrite_insert_text(rewrite, pair->first, pair->first_length);
    rewrite->read = 0;
    mm_rewrite_copy(rewrite, rewrite->length);
    mm_rewrite_finish(rewrite);
}

// Nmt: control characters go, separators and what is not seen become blanks.
static bool nmt_drops(uint32_t code) {
    return (code >= 1 && code <= 8) || code == 0xB || (code >= 0xE && code <= 0x1F) ||
           code == 0x7F || code == 0x8F || code == 0x9F;
}

static bool nmt_blanks(uint32_t code) {
    return code == '\t' || code == '\n' || code == '\f' || code == '\r' || code == 0x1680 ||
           (code >= 0x200B && code <= 0x200F) || code == 0x2028 || code == 0x2029 ||
           code == 0x2581 || code == 0xFEFF || code == 0xFFFD;
}

void mm_nmt_apply(const void *settings, mm_rewrite *rewrite) {
    (void)settings;
    mm_rewrite_start(rewrite);
    size_t at = 0;
    while (at < rewrite->length && !rewrite->failed) {
        size_t end = at;
        uint32_t code = mm_unicode_next(rewrite->text, &end);
        bool drops = nmt_drops(code);
        if (drops || nmt_blanks(code)) {
            mm_rewrite_copy(rewrite, at - rewrite->read);
            if (drops)
                mm_rewrite_drop(rewrite, end - at);
            else
                mm_rewrite_replace(rewrite, ' ');
        }
        at = end;
    }
    mm_rewrite_copy(rewrite, rewrite->length - rewrite->read);
    mm_rewrite_finish(rewrite);
}
