// SPDX-License-Identifier: Apache-2.0
// The way of a pattern from Oniguruma's syntax to PCRE2's: read into a tree, then written.
#ifndef MM_TEXT_REGEX_TREE_H
#define MM_TEXT_REGEX_TREE_H

#include "text/code_set.h"

#include "base/error.h"

typedef enum mm_regex_kind {
    MM_REGEX_SET,      // one character of `set`
    MM_REGEX_TEXT,     // `text`, which PCRE2 understands in the same way
    MM_REGEX_BOUNDARY, // of a word; where there is none when min is 0
    MM_REGEX_CLUSTER,  // \X
    MM_REGEX_BACKREF,  // to group `min`; without case when max is 1
    MM_REGEX_SEQUENCE, // of the children
    MM_REGEX_CHOICE,   // between the children
    MM_REGEX_REPEAT,   // the child min to max times
    MM_REGEX_GROUP,    // the child in a group that begins with `text`
} mm_regex_kind;

typedef struct mm_regex_node mm_regex_node;
struct mm_regex_node {
    mm_regex_kind kind;
    mm_regex_node *child, *last_child, *next; // next: the sibling
    mm_regex_node *made_before;               // all nodes of a tree, for freeing
    mm_code_set set;
    const char *text;  // a literal
    bool has_options;  // of a group, such as (?i:..)
    uint32_t min, max; // UINT32_MAX: no limit
    char mode;         // of a repeat: '\0' greedy, '?' lazy, '+' possessive
};

typedef struct mm_regex_tree {
    mm_regex_node *root;
    mm_regex_node *made; // the last one
} mm_regex_tree;

// The tree must be freed also when reading fails. Messages do not have the pattern.
mm_status mm_regex_read(mm_regex_tree *tree, const char *pattern, size_t length, mm_error *error);
// Writes the tree as a pattern of PCRE2 (UTF, MULTILINE, line feeds as the only line ends), with a
// callout behind each repeat whose work may be in vain.
bool mm_regex_write(const mm_regex_tree *tree, mm_buffer *out);
void mm_regex_tree_free(mm_regex_tree *tree);

// For the reader. Classes: `*at` is behind the '['; the set is tidy.
typedef struct mm_regex_reader {
    const char *pattern;
    size_t length, at;
    mm_regex_tree *tree;
    bool ignore_case, dot_all, extended;
    uint32_t literal;   // the character read last,
    size_t literal_end; // and where its text ended
    bool named;         // there are named groups, so others do not capture
    unsigned depth, groups, largest_backref;
    struct {
        size_t start, length;
    } names[64]; // of group n at n - 1
    mm_error *error;
    mm_status status;
} mm_regex_reader;

bool mm_regex_fail(mm_regex_reader *reader, mm_status status, const char *what); // false
bool mm_regex_read_class(mm_regex_reader *reader, mm_code_set *set);
// Reads what begins with a backslash, which is behind us, and stands for one character: a shorthand
// such as \d or \p{..} into `set` (and *code UINT32_MAX), or a single *code.
bool mm_regex_read_escape(mm_regex_reader *reader, bool in_class, mm_code_set *set, uint32_t *code);

#endif
