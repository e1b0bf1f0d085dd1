// SPDX-License-Identifier: Apache-2.0
// Reads long JSON arrays and objects without a tree.
//
// A vocabulary and its merges are nine tenths of tokenizer.json, and a tree of them costs several
// times the rest of opening a tokenizer. So they are cut out and read here, and the file without
// them, which is small, goes to base/json.h, which also checks everything outside of them. The
// readers check what they read; texts need not be valid JSON, but must be UTF-8.
#ifndef MM_TEXT_JSON_SCAN_H
#define MM_TEXT_JSON_SCAN_H

#include "base/buffer.h"

typedef struct mm_json_part { // bytes of a JSON text
    const char *start;        // NULL when there is none
    size_t length;
} mm_json_part;

typedef struct mm_json_cursor {
    const char *at, *end;
} mm_json_cursor;

typedef enum mm_json_result { MM_JSON_OK, MM_JSON_BAD, MM_JSON_NO_MEMORY } mm_json_result;

// The values of object[outer][keys[0 .. count - 1]], in one pass.
void mm_json_locate(mm_json_part *parts, const char *text, size_t length, const char *outer,
                    const char *const *keys, size_t count);

void mm_json_skip_space(mm_json_cursor *in);
bool mm_json_take(mm_json_cursor *in, char byte); // false when another byte is next
bool mm_json_skip_value(mm_json_cursor *in);
// Takes a string. *text lies in the input, or, when there are escapes, in `scratch`, which must
// outlive it.
mm_json_result mm_json_take_string(mm_json_cursor *in, mm_json_part *text, mm_buffer *scratch);
// Takes a number as serde_json reads it without its feature float_roundtrip, which the reference
// library does: the result may be one unit in the last place from the nearest double. False when
// it is no number or beyond a double.
bool mm_json_take_number(mm_json_cursor *in, double *number);
// What mm_json_take_number makes of the shortest text of a finite number.
double mm_json_written_number(double number);

#endif
