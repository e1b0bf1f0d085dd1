// SPDX-License-Identifier: Apache-2.0
// A text on its way through the normalizers, and where each byte of it came from.
//
// A step reads `text` and writes a new one; mm_rewrite_finish makes that the input of the next
// step. Origins are kept only when offsets are wanted; they follow the reference library's rule: a
// character that replaces another has its origin, an inserted one that of the input before it.
// Belongs to one thread and is reused from text to text. When a step fails, for want of memory or
// as `failure` says, `failed` is set and its output is short; whoever runs the steps looks at it
// once at the end.
#ifndef MM_TEXT_REWRITE_H
#define MM_TEXT_REWRITE_H

#include "text/regex.h"
#include "text/unicode_text.h"

typedef struct mm_span {
    uint32_t start, end; // bytes
} mm_span;

typedef struct mm_rewrite_buffer {
    char *bytes;
    mm_span *origins;
    size_t capacity, origins_capacity;
} mm_rewrite_buffer;

typedef struct mm_mark { // a character on its way through a Unicode normal form
    uint32_t code;
    int change; // 0: replaces an input character, 1: inserted, -n: replaces 1 + n
    unsigned combining_class;
} mm_mark;

typedef struct mm_mark_list {
    mm_mark *items;
    size_t count, capacity;
} mm_mark_list;

typedef struct mm_rewrite {
    const char *text; // input of the step; borrowed until the first step, then in a buffer
    size_t length;
    const mm_span *origins; // of the input, one a byte; NULL when not wanted
    uint32_t base;          // where the text begins in the original
    size_t read;            // bytes of the input the step has used up
    size_t written;
    mm_rewrite_buffer *out; // one of the two
    mm_rewrite_buffer buffers[2];
    mm_mark_list marks, sorted, waiting; // scratch of the Unicode normal forms
    mm_regex_scratch *regex_scratch;
    bool failed;
    const char *failure; // why, when it is not for want of memory; borrowed
} mm_rewrite;

// `text` must be valid UTF-8 and live until the next begin; it starts at byte `base` of the
// original.
void mm_rewrite_begin(mm_rewrite *rewrite, const char *text, size_t length, size_t base,
                      bool want_origins);
// Begins with a part of what another rewrite has come to; that one must stay as it is meanwhile.
void mm_rewrite_begin_part(mm_rewrite *rewrite, const mm_rewrite *whole, size_t start, size_t end);
void mm_rewrite_free(mm_rewrite *rewrite);
// The error of a rewrite that failed; `what` names what memory was wanted for.
mm_status mm_rewrite_error(const mm_rewrite *rewrite, const char *what, mm_error *error);

// Between start and finish a step uses up the input from left to right:
void mm_rewrite_start(mm_rewrite *rewrite);
void mm_rewrite_copy(mm_rewrite *rewrite, size_t bytes);     // passes whole characters on
void mm_rewrite_replace(mm_rewrite *rewrite, uint32_t code); // one character by another
void mm_rewrite_insert(mm_rewrite *rewrite, uint32_t code);  // behind what has been read
void mm_rewrite_insert_text(mm_rewrite *rewrite, const char *text, size_t length);
static inline void mm_rewrite_drop(mm_rewrite *rewrite, size_t bytes) {
    rewrite->read += bytes;
}
void mm_rewrite_finish(mm_rewrite *rewrite); // what was not read is dropped
// Room for `bytes` more output, where a step without origins may write by itself (it then adds to
// `written`); NULL when out of memory.
char *mm_rewrite_room(mm_rewrite *rewrite, size_t bytes);
// Appends to one of the lists of marks.
void mm_rewrite_add_mark(mm_rewrite *rewrite, mm_mark_list *list, mm_mark mark);
// Where a part of the present text lies in the original; nowhere without origins. start <= end.
static inline mm_span mm_rewrite_span(const mm_rewrite *rewrite, size_t start, size_t end) {
    if (!rewrite->origins)
        return (mm_span){0};
    if (start == end)
        return (mm_span){rewrite->base, rewrite->base};
    return (mm_span){rewrite->origins[start].start, rewrite->origins[end - 1].end};
}

#endif
