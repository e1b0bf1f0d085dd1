// SPDX-License-Identifier: Apache-2.0
// Writes a tree as a pattern of PCRE2.
#include "text/regex_tree.h"

#include <string.h>

enum { MANY = 64, MANY_REPEATS = 12 };

typedef struct writer {
    mm_buffer *out;
    mm_code_set word; // \w, for word boundaries; made when needed
    bool counts_all;  // callouts behind all repeats, not only behind long ones
} writer;

// Where a node stands. `first`: where the match begins. `last`: nothing behind it can fail, so the
// match is there once this is over, and no work is in vain.
typedef struct place {
    bool first, last;
} place;

static bool write_node(writer *self, const mm_regex_node *node, place at);

// Callouts around what may be long and in vain, so that the way there and back is counted. Where a
// match begins is known without.
static bool write_count(writer *self, bool wanted) {
    static const char callout[] = "(?C)";
    size_t length = sizeof(callout) - 1;
    const mm_buffer *out = self->out;
    if (!wanted ||
        (out->length >= length && memcmp(out->data + out->length - length, callout, length) == 0))
        return true;
    return mm_buffer_puts(self->out, callout);
}

// Word boundaries by the reference library's \w, which is not that of PCRE2.
static bool write_boundary(writer *self, bool is) {
    bool known, ok = true;
    if (self->word.count == 0)
        ok = mm_code_set_add_property(&self->word, "word", 4, &known) &&
             mm_code_set_add_word_extras(&self->word);
    static const char *const parts[2][4] = {{"(?:(?<=", ")(?=", ")|(?<!", ")(?!"},
                                            {"(?:(?<=", ")(?!", ")|(?<!", ")(?="}};
    for (int i = 0; i < 4 && ok; i++)
        ok = mm_buffer_puts(self->out, parts[is][i]) && mm_code_set_write(&self->word, self->out);
    return ok && mm_buffer_puts(self->out, "))");
}

static bool write_property(writer *self, const char *name, size_t length) {
    mm_code_set set = {0};
    bool known, ok = mm_code_set_add_property(&set, name, length, &known);
    mm_code_set_tidy(&set);
    ok = ok && mm_code_set_write(&set, self->out);
    mm_code_set_free(&set);
    return ok;
}

// An extended grapheme cluster, which PCRE2 has too, but from another version of Unicode; 10.42
// also joins pictographs that only have a modifier between them.
static bool write_cluster(writer *self, place where) {
    static const char pattern[] =
        "(?>\\r\\n|<+control>|<+prepends>*(?:"
        "<+lead>*(?:<+vowel>+|<+lv><+vowel>*|<+lvt>)<+trail>*|<+lead>+|<+trail>+|"
        "<regionalindicator>{2}|<+pictograph>(?:<+joins>*\\x{200D}<+pictograph>)*|\\p{Any}"
        ")<+extends>*)";
    bool ok = write_count(self, !where.last && !where.first);
    for (const char *at = pattern; *at && ok;) {
        const char *open = strchr(at, '<'), *close = open ? strchr(open, '>') : NULL;
        size_t plain = open ? (size_t)(open - at) : strlen(at);
        ok = mm_buffer_append(self->out, at, plain) &&
             (!open || write_property(self, open + 1, (size_t)(close - open - 1)));
        at = open ? close + 1 : at + plain;
    }
    return ok && write_count(self, !where.last);
}

static bool write_quantifier(writer *self, const mm_regex_node *node) {
    bool ok;
    if (node->max == UINT32_MAX)
        ok = node->min <= 1 ? mm_buffer_puts(self->out, node->min ? "+" : "*")
                            : mm_buffer_printf(self->out, "{%u,}", (unsigned)node->min);
    else
        ok = mm_buffer_printf(self->out, "{%u,%u}", (unsigned)node->min, (unsigned)node->max);
    return ok && (node->mode == '\0' || mm_buffer_putc(self->out, node->mode));
}

static bool write_repeat(writer *self, const mm_regex_node *node, place at) {
    bool plain = node->child->kind == MM_REGEX_SET ||
                 (node->child->kind == MM_REGEX_TEXT && node->child->text[0] == '\\') ||
                 (node->child->kind == MM_REGEX_GROUP && node->child->text[1] != '?');
    bool counts = !at.last && node->min != node->max && (node->max > MANY || self->counts_all);
    place inner = {.last = at.last && node->max <= 1};
    return write_count(self, counts && !at.first) && (plain || mm_buffer_puts(self->out, "(?:")) &&
           write_node(self, node->child, inner) && (plain || mm_buffer_putc(self->out, ')')) &&
           write_quantifier(self, node) && write_count(self, counts);
}

static bool always_matches(const mm_regex_node *node) {
    return node->kind == MM_REGEX_REPEAT && node->min == 0;
}

static bool write_sequence(writer *self, const mm_regex_node *node, place at) {
    const mm_regex_node *needed = NULL; // the last child that may fail
    for (const mm_regex_node *child = node->child; child; child = child->next)
        if (!always_matches(child))
            needed = child;
    bool ok = true, behind = needed == NULL;
    for (const mm_regex_node *child = node->child; child && ok; child = child->next) {
        behind = behind || child == needed;
        place inner = {.first = at.first && child == node->child, .last = at.last && behind};
        ok = write_node(self, child, inner);
    }
    return ok;
}

static bool write_choice(writer *self, const mm_regex_node *node, place at) {
    bool ok = true;
    for (const mm_regex_node *child = node->child; child && ok; child = child->next)
        ok =
            (child == node->child || mm_buffer_putc(self->out, '|')) && write_node(self, child, at);
    return ok;
}

static bool write_group(writer *self, const mm_regex_node *node, place at) {
    bool looks = node->text[1] == '?' && strchr("=!<", node->text[2]);
    place inner = {.first = at.first, .last = at.last && !looks};
    return mm_buffer_puts(self->out, node->text) && write_node(self, node->child, inner) &&
           mm_buffer_putc(self->out, ')');
}

static bool write_node(writer *self, const mm_regex_node *node, place at) {
    switch (node->kind) {
    case MM_REGEX_SET:
        return mm_code_set_write(&node->set, self->out);
    case MM_REGEX_TEXT:
        return mm_buffer_puts(self->out, node->text);
    case MM_REGEX_BOUNDARY:
        return write_boundary(self, node->min);
    case MM_REGEX_CLUSTER:
        return write_cluster(self, at);
    case MM_REGEX_BACKREF:
        return write_count(self, true) &&
               mm_buffer_printf(self->out, node->max ? "(?i:\\g{%u})" : "\\g{%u}",
                                (unsigned)node->min) &&
               write_count(self, true);
    case MM_REGEX_SEQUENCE:
        return write_sequence(self, node, at);
    case MM_REGEX_CHOICE:
        return write_choice(self, node, at);
    case MM_REGEX_REPEAT:
        return write_repeat(self, node, at);
    case MM_REGEX_GROUP:
        return write_group(self, node, at);
    }
    return true;
}

bool mm_regex_write(const mm_regex_tree *tree, mm_buffer *out) {
    size_t repeats = 0;
    for (const mm_regex_node *node = tree->made; node; node = node->made_before)
        repeats += node->kind == MM_REGEX_REPEAT && node->child && node->min != node->max;
    writer self = {.out = out, .counts_all = repeats > MANY_REPEATS};
    bool ok = write_node(&self, tree->root, (place){true, true});
    mm_code_set_free(&self.word);
    return ok;
}
