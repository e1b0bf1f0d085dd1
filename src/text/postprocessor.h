// SPDX-License-Identifier: Apache-2.0
// Post-processors: what special tokens surround a text or a pair, and the trimming of offsets.
//
// All kinds come down to templates, one for a text and one for a pair, each with and without
// special tokens; in a Sequence each kind goes on with what the one before it made. To add a kind:
// write the reader that changes the templates and add a row to the table in postprocessor_kinds.c.
#ifndef MM_TEXT_POSTPROCESSOR_H
#define MM_TEXT_POSTPROCESSOR_H

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum mm_template_part_kind {
    MM_PART_TEXT,    // the ids of the text
    MM_PART_PAIR,    // the ids of the pair
    MM_PART_SPECIAL, // one special token
} mm_template_part_kind;

typedef struct mm_template_part {
    mm_template_part_kind kind;
    uint32_t id; // of MM_PART_SPECIAL
    int32_t type_id;
    size_t group;    // while being made: what the next kind sees as one sequence
    uint32_t behind; // of text and pair: bit t set when at trim t another part stood before it
} mm_template_part;

typedef struct mm_template {
    mm_template_part *parts;
    size_t count, capacity;
    size_t groups;
    size_t special_count;
    bool refused; // a kind in a Sequence cannot take what the one before it made
} mm_template;

enum { MM_TRIMS_MAX = 32 };

typedef struct mm_postprocessor {
    mm_template templates[2][2]; // [has a pair][special tokens are added]
    size_t added[2];             // [has a pair]: what truncation leaves room for
    // Taking the blanks out of offsets, in order: whether one blank may have been put there.
    bool trims[MM_TRIMS_MAX];
    size_t trims_count;
} mm_postprocessor;

// `config` null gives text, or text and pair, with nothing added.
mm_status mm_postprocessor_read(mm_postprocessor *out, const json_t *config, const char *where,
                                mm_error *error);
// From two templates in short: c = cls, s = sep, A = text, B = pair, each followed by the digit of
// its type, such as "c0A0s0B1s1".
mm_status mm_postprocessor_make(mm_postprocessor *out, const char *single, const char *pair,
                                uint32_t cls, uint32_t sep, mm_error *error);
void mm_postprocessor_free(mm_postprocessor *postprocessor); // accepts a zeroed one

// For the kinds: appends a part to the last group of a template; `part.group` is set here.
mm_status mm_template_add(mm_template *template, mm_template_part part, mm_error *error);
// Changes what is there as one kind in a Sequence; UNSUPPORTED names a kind not built.
mm_status mm_postprocessor_apply(void *postprocessor, const char *type, const json_t *config,
                                 const char *where, mm_error *error);

#endif
