// SPDX-License-Identifier: Apache-2.0
// A number of a long JSON array: accepted as JSON's grammar says, and near to what strtod reads;
// where it is written and read again the same.
//
// Covers: src/text/json_number.c
#include "base/json.h"
#include "frame.h"
#include "text/json_scan.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_TEXT = 2000 };

// Two roundings of a factor and one of the product, and the last places of what is very small.
static void check_near(double number, double exact) {
    frame_require(isfinite(number) && signbit(number) == signbit(exact));
    if (isfinite(exact))
        frame_require(fabs(number - exact) <= 4 * DBL_EPSILON * fabs(exact) + 4 * 0x1p-1074);
    else
        frame_require(fabs(number) > DBL_MAX * (1 - 4 * DBL_EPSILON));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[MAX_TEXT + 1];
    if (size > MAX_TEXT)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    mm_json_cursor in = {text, text + size};
    double number = 0;
    if (!mm_json_take_number(&in, &number))
        return 0;
    frame_require(in.at > text && in.at <= text + size);
    size_t start = strspn(text, " \t\r\n"), length = (size_t)(in.at - text);
    frame_require(memchr("-0123456789", text[start], 11) != NULL);
    text[length] = '\0';
    double exact =
        text[start] == '-' ? -strtod(text + start + 1, NULL) : strtod(text + start, NULL);
    check_near(number, exact);
    double written = mm_json_written_number(number);
    check_near(written, number);
    return 0;
}
