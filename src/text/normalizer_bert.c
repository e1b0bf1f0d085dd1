// SPDX-License-Identifier: Apache-2.0
// BertNormalizer: clean, space out Chinese characters, strip accents, lower-case.
//
// Two ways to the same text: one pass without origins, which is what encoding in bulk runs, and
// step by step when origins are wanted, because only the reference library's own sequence of steps
// gives its offsets.
#include "text/normalizer_kinds.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <string.h>

typedef struct bert_normalizer {
    bool clean_text, handle_chinese_chars, strip_accents, lowercase;
    char ascii[128]; // what an ASCII character becomes
    bool keep[128];  // false: it is dropped
} bert_normalizer;

mm_status mm_bert_normalizer_read(void **settings, const json_t *config, const char *where,
                                  mm_error *error) {
    bert_normalizer flags = {0};
    mm_status status =
        mm_json_get_bool(&flags.clean_text, config, "clean_text", true, where, error);
    if (!status)
        status = mm_json_get_bool(&flags.handle_chinese_chars, config, "handle_chinese_chars", true,
                                  where, error);
    if (!status)
        status = mm_json_get_bool(&flags.lowercase, config, "lowercase", true, where, error);
    if (!status)
        status = mm_json_get_bool(&flags.strip_accents, config, "strip_accents", flags.lowercase,
                                  where, error);
    if (status)
        return status;
    for (int i = 0; i < 128; i++) {
        bool space = i == '\t' || i == '\n' || i == '\r';
        bool upper = i >= 'A' && i <= 'Z';
        flags.keep[i] = !flags.clean_text || space || (i >= ' ' && i < 127);
        flags.ascii[i] = (char)(flags.clean_text && space  ? ' '
                                : flags.lowercase && upper ? i + 32
                                                           : i);
    }
    *settings = mm_malloc(sizeof(flags));
    if (!*settings)
        return mm_fail_memory(error, "BertNormalizer");
    memcpy(*settings, &flags, sizeof(flags));
    return MM_STATUS_OK;
}

static bool is_cleaned(uint32_t code) {
    return code == 0 || code == 0xFFFD || mm_unicode_is_control(code);
}

static void clean_and_space(const bert_normalizer *bert, mm_rewrite *rewrite) {
    mm_rewrite_start(rewrite);
    for (size_t at = 0; at < rewrite->length && !rewrite->failed;) {
        size_t start = at;
        uint32_t code = mm_unicode_next(rewrite->text, &at);
        if (bert->clean_text && is_cleaned(code)) {
            mm_rewrite_drop(rewrite, at - start);
        } else if (bert->handle_chinese_chars && mm_unicode_is_chinese(code)) {
            mm_rewrite_replace(rewrite, ' ');
            mm_rewrite_insert(rewrite, code);
            mm_rewrite_insert(rewrite, ' ');
        } else {
            bool space = bert->clean_text && mm_unicode_is_space(code);
            mm_rewrite_replace(rewrite, space ? ' ' : code);
        }
    }
    mm_rewrite_finish(rewrite);
}

static void apply_in_steps(const bert_normalizer *bert, mm_rewrite *rewrite) {
    clean_and_space(bert, rewrite);
    if (bert->strip_accents) {
        mm_nfd_apply(NULL, rewrite);
        mm_nonspacing_drop(rewrite);
    }
    if (bert->lowercase)
        mm_lowercase_apply(NULL, rewrite);
}

static void put(const bert_normalizer *bert, mm_rewrite *rewrite, uint32_t code) {
    uint32_t lower[2] = {code, 0};
    size_t count = bert->lowercase ? mm_unicode_lower(lower, code) : 1;
    char *room = mm_rewrite_room(rewrite, 8);
    if (!room)
        return;
    size_t length = mm_utf8_encode(room, lower[0]);
    if (count > 1)
        length += mm_utf8_encode(room + length, lower[1]);
    rewrite->written += length;
}

static void put_marks(const bert_normalizer *bert, mm_rewrite *rewrite) {
    mm_marks_order(rewrite);
    for (size_t i = 0; i < rewrite->marks.count && !rewrite->failed; i++)
        put(bert, rewrite, rewrite->marks.items[i].code);
    rewrite->marks.count = 0;
}

// Accents are decomposed and dropped. The few marks that stay may still have to change places.
static void put_stripped(const bert_normalizer *bert, mm_rewrite *rewrite, uint32_t code) {
    uint32_t parts[MM_DECOMPOSITION_MAX];
    size_t count = mm_unicode_decompose(parts, code, false);
    for (size_t i = 0; i < count; i++) {
        unsigned class = mm_unicode_combining_class(parts[i]);
        if (class == 0 && rewrite->marks.count)
            put_marks(bert, rewrite);
        if (mm_unicode_is_nonspacing(parts[i]))
            continue;
        if (class == 0)
            put(bert, rewrite, parts[i]);
        else
            mm_rewrite_add_mark(rewrite, &rewrite->marks, (mm_mark){parts[i], 0, class});
    }
}

static void put_character(const bert_normalizer *bert, mm_rewrite *rewrite, uint32_t code) {
    if (bert->clean_text) {
        if (is_cleaned(code))
            return;
        if (mm_unicode_is_space(code))
            code = ' ';
    }
    bool chinese = bert->handle_chinese_chars && mm_unicode_is_chinese(code);
    if (rewrite->marks.count && (chinese || code < 0x80))
        put_marks(bert, rewrite);
    if (chinese)
        put(bert, rewrite, ' ');
    if (bert->strip_accents)
        put_stripped(bert, rewrite, code);
    else
        put(bert, rewrite, code);
    if (chinese)
        put(bert, rewrite, ' ');
}

void mm_bert_normalizer_apply(const void *settings, mm_rewrite *rewrite) {
    const bert_normalizer *bert = settings;
    if (rewrite->origins) {
        apply_in_steps(bert, rewrite);
        return;
    }
    mm_rewrite_start(rewrite);
    rewrite->marks.count = 0;
    const char *text = rewrite->text;
    for (size_t at = 0; at < rewrite->length && !rewrite->failed;) {
        if ((unsigned char)text[at] >= 0x80) {
            put_character(bert, rewrite, mm_unicode_next(text, &at));
            continue;
        }
        if (rewrite->marks.count)
            put_marks(bert, rewrite);
        char *room = mm_rewrite_room(rewrite, rewrite->length - at);
        if (!room)
            break;
        size_t used = 0;
        for (; at < rewrite->length && (unsigned char)text[at] < 0x80; at++) {
            room[used] = bert->ascii[(unsigned char)text[at]];
            used += bert->keep[(unsigned char)text[at]];
        }
        rewrite->written += used;
    }
    put_marks(bert, rewrite);
    mm_rewrite_finish(rewrite);
}
