// SPDX-License-Identifier: Apache-2.0
// Normalizers that edit text whatever its characters are: Strip, Replace, Prepend;
// and Nmt, which has a short list of them.
#include "text/normalizer_kinds.h"

#include "base/memory.h"
#include "text/text_pattern.h"

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

void mm_replace_apply(const void *settings, mm_rewrite *rewrite) {
    const mm_text_replacement *own = settings;
    mm_text_finder finder;
    if (rewrite->length == 0)
        return;
    mm_rewrite_start(rewrite);
    mm_regex_result result = MM_REGEX_NO_MEMORY;
    if (mm_text_find_begin(&finder, &own->pattern, &rewrite->regex_scratch, rewrite->text,
                           rewrite->length)) {
        while ((result = mm_text_find_next(&finder)) == MM_REGEX_FOUND && !rewrite->failed) {
            mm_rewrite_copy(rewrite, finder.search.start - rewrite->read);
            mm_rewrite_drop(rewrite, finder.search.end - finder.search.start);
            mm_rewrite_insert_text(rewrite, own->content, own->length);
        }
        rewrite->failure = mm_text_find_failure(&finder, result);
    }
    rewrite->failed = rewrite->failed || result != MM_REGEX_END;
    mm_rewrite_copy(rewrite, rewrite->length - rewrite->read);
    mm_rewrite_finish(rewrite);
}

typedef struct prepend {
    size_t length;
    char text[];
} prepend;

mm_status mm_prepend_read(void **settings, const json_t *config, const char *where,
                          mm_error *error) {
    const json_t *text = json_object_get(config, "prepend");
    if (!json_is_string(text))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: \"prepend\" must be a string", where);
    prepend *made = mm_malloc(sizeof(*made) + json_string_length(text));
    if (!made)
        return mm_fail_memory(error, "Prepend");
    made->length = json_string_length(text);
    memcpy(made->text, json_string_value(text), made->length);
    *settings = made;
    return MM_STATUS_OK;
}

void mm_prepend_apply(const void *settings, mm_rewrite *rewrite) {
    const prepend *own = settings;
    if (rewrite->length == 0 || own->length == 0)
        return;
    mm_rewrite_start(rewrite);
    // As in the reference library, what is put in front has the origin of the first character.
    size_t first = mm_unicode_width(rewrite->text[0]);
    mm_rewrite_drop(rewrite, first);
    mm_rewrite_insert_text(rewrite, own->text, own->length);
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
