// SPDX-License-Identifier: Apache-2.0
// Writing JSON text straight into a buffer: Results hold many numbers, and a tree of them would
// cost more than computing them. All functions return false when memory is out.
#ifndef MM_MANAGER_JSON_TEXT_H
#define MM_MANAGER_JSON_TEXT_H

#include "base/buffer.h"

#include <stdint.h>

enum { MM_FLOAT_TEXT_MAX = 16 }; // bytes of the longest float, "-1.17549435e-38"

// Writes the shortest decimal that reads back as the same float32 ("0.1", "1.0", "1e-07");
// `value` must be finite. Returns the length; no NUL.
size_t mm_float_text(char out[MM_FLOAT_TEXT_MAX], float value);

extern const uint64_t mm_float_powers[]; // for the test that recomputes it

// Quoted and escaped; bytes that are not UTF-8 become U+FFFD.
bool mm_json_put_string(mm_buffer *out, const char *text, size_t length);
bool mm_json_put_string_or_null(mm_buffer *out, const char *text);
bool mm_json_put_integer(mm_buffer *out, int64_t value);
bool mm_json_put_float(mm_buffer *out, float value);
bool mm_json_put_milliseconds(mm_buffer *out, double value);                // three decimals
bool mm_json_put_floats(mm_buffer *out, const float *values, size_t count); // [a,b]
bool mm_json_put_integers(mm_buffer *out, const int32_t *values, size_t count);
// [[a,b],[c]]: list i is values[starts[i]] up to values[starts[i + 1]].
bool mm_json_put_integer_lists(mm_buffer *out, const int32_t *values, const size_t *starts,
                               size_t count);
bool mm_json_put_booleans(mm_buffer *out, const bool *values, size_t count); // NULL: all false

#endif
