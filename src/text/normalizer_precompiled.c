// SPDX-License-Identifier: Apache-2.0
// Precompiled: rewrites by the character map that SentencePiece made.
//
// As in the reference library, a grapheme cluster of less than six bytes that begins with a string
// of the map becomes that string's text, whatever else is in it; otherwise each character is looked
// up alone.
#include "text/normalizer_kinds.h"

#include "base/memory.h"
#include "text/charsmap.h"
#include "text/graphemes.h"

enum { SHORT_CLUSTER = 5 };

typedef struct precompiled {
    mm_charsmap map;
    bool keeps[128]; // ASCII characters that are no string of the map
} precompiled;

mm_status mm_precompiled_read(void **settings, const json_t *config, const char *where,
                              mm_error *error) {
    const json_t *text = json_object_get(config, "precompiled_charsmap");
    if (!json_is_string(text))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: \"precompiled_charsmap\" must be a string", where);
    precompiled *made = mm_calloc(1, sizeof(*made));
    if (!made)
        return mm_fail_memory(error, "Precompiled");
    mm_status status = mm_charsmap_read_base64(&made->map, json_string_value(text),
                                               json_string_length(text), where, error);
    if (status) {
        mm_free(made);
        return status;
    }
    for (int i = 0; i < 128; i++) {
        char byte = (char)i;
        size_t length;
        made->keeps[i] = !mm_charsmap_find(&made->map, &byte, 1, &length);
    }
    *settings = made;
    return MM_STATUS_OK;
}

void mm_precompiled_release(void *settings) {
    precompiled *self = settings;
    mm_charsmap_free(&self->map);
    mm_free(self);
}

// What is written at a distance: a later removal counts for the character before it.
typedef struct writer {
    mm_rewrite *rewrite;
    mm_mark last;
    bool has_last;
} writer;

static void flush(writer *out) {
    if (out->has_last)
        mm_mark_emit(out->rewrite, out->last);
    out->has_last = false;
}

static void put(writer *out, uint32_t code, int change) {
    flush(out);
    out->last = (mm_mark){.code = code, .change = change};
    out->has_last = true;
}

static size_t count_characters(const char *text, size_t length) {
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

// Puts `made` in the place of `count` characters: the first of it replace them, the rest is
// inserted. Characters too many count as removed with the last one written; before the first one
// nothing can take them, and what follows moves to their place, as it does in the reference
// library.
static void put_text(writer *out, size_t count, const char *made, size_t length) {
    size_t written = 0;
    for (size_t at = 0; at < length; written++) {
        uint32_t code = mm_unicode_next(made, &at);
        put(out, code, written < count ? 0 : 1);
    }
    if (written < count && out->has_last)
        out->last.change -= (int)(count - written);
}

static void put_cluster(writer *out, const precompiled *self, const char *text, size_t length) {
    size_t made_length;
    if (length <= SHORT_CLUSTER) {
        const char *made = mm_charsmap_find(&self->map, text, length, &made_length);
        if (made) {
            put_text(out, count_characters(text, length), made, made_length);
            return;
        }
    }
    for (size_t at = 0; at < length;) {
        size_t start = at;
        uint32_t code = mm_unicode_next(text, &at);
        const char *made = mm_charsmap_find(&self->map, text + start, at - start, &made_length);
        if (made)
            put_text(out, 1, made, made_length);
        else
            put(out, code, 0);
    }
}

// ASCII that stays as it is: a cluster each, but for the one before other characters.
static size_t plain_run(const precompiled *self, const char *text, size_t length, size_t start) {
    size_t end = start;
    while (end < length && (unsigned char)text[end] < 0x80 && self->keeps[(unsigned char)text[end]])
        end++;
    if (end < length && end > start)
        end--; // CR, too, is no cluster of its own before LF
    return end - start;
}

static void put_run(writer *out, const char *text, size_t at, size_t length) {
    flush(out);
    if (out->rewrite->read == at) {
        mm_rewrite_copy(out->rewrite, length - 1);
        at += length - 1;
        length = 1;
    }
    for (size_t i = 0; i < length; i++)
        put(out, (unsigned char)text[at + i], 0);
}

void mm_precompiled_apply(const void *settings, mm_rewrite *rewrite) {
    const precompiled *self = settings;
    const char *text = rewrite->text;
    size_t length = rewrite->length;
    if (plain_run(self, text, length, 0) == length)
        return;
    writer out = {.rewrite = rewrite};
    mm_rewrite_start(rewrite);
    for (size_t at = 0; at < length && !rewrite->failed;) {
        size_t run = plain_run(self, text, length, at);
        if (run) {
            put_run(&out, text, at, run);
            at += run;
            continue;
        }
        size_t end = mm_grapheme_end(text, length, at);
        put_cluster(&out, self, text + at, end - at);
        at = end;
    }
    flush(&out);
    mm_rewrite_finish(rewrite);
}

// ---- As SentencePiece itself -------------------------------------------------------------------

// The longest string of the map at each place, whatever characters it is of.
static void apply_longest(const void *settings, mm_rewrite *rewrite) {
    const precompiled *self = settings;
    const char *text = rewrite->text;
    size_t length = rewrite->length, matched, made_length;
    writer out = {.rewrite = rewrite};
    mm_rewrite_start(rewrite);
    for (size_t at = 0; at < length && !rewrite->failed;) {
        const char *made =
            mm_charsmap_find_longest(&self->map, text + at, length - at, &matched, &made_length);
        if (made) {
            put_text(&out, count_characters(text + at, matched), made, made_length);
            at += matched;
        } else {
            put(&out, mm_unicode_next(text, &at), 0);
        }
    }
    flush(&out);
    mm_rewrite_finish(rewrite);
}

static const mm_normalizer_kind longest = {{"SentencePiece", NULL, mm_precompiled_release},
                                           apply_longest};

mm_status mm_normalizer_add_charsmap(mm_stage_list *list, const char *bytes, size_t length,
                                     const char *where, mm_error *error) {
    if (!length)
        return MM_STATUS_OK;
    precompiled *made = mm_calloc(1, sizeof(*made));
    if (!made)
        return mm_fail_memory(error, "the character map");
    mm_status status = mm_charsmap_read(&made->map, bytes, length, where, error);
    if (status) {
        mm_free(made);
        return status;
    }
    return mm_stages_append(list, (mm_stage){&longest.stage, made}, error);
}
