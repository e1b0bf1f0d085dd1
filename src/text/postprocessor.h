// SPDX-License-Identifier: Apache-2.0
// Post-processors: the last stage, which puts special tokens around the sequences.
//
// All kinds come down to two templates, one for a single text and one for a pair; a kind is a
// reader that makes them. To add one: write the reader and add a row to the table in
// postprocessor.c.
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
} mm_template_part;

typedef struct mm_template {
    mm_template_part *parts;
    size_t count, capacity;
    size_t special_count;
} mm_template;

typedef struct mm_postprocessor {
    mm_template single, pair;
    bool trim_offsets; // take the blanks out of offsets
    bool add_prefix_space;
} mm_postprocessor;

// `config` null gives text, or text and pair, with nothing added.
mm_status mm_postprocessor_read(mm_postprocessor *out, const json_t *config, const char *where,
                                mm_error *error);
// From two templates in short: c = cls, s = sep, A = text, B = pair, each followed by the digit of
// its type, such as "c0A0s0B1s1".
mm_status mm_postprocessor_make(mm_postprocessor *out, const char *single, const char *pair,
                                uint32_t cls, uint32_t sep, mm_error *error);
void mm_postprocessor_free(mm_postprocessor *postprocessor); // accepts a zeroed one

#endif
