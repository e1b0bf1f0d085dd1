// SPDX-License-Identifier: Apache-2.0
// Numbers of long JSON arrays, rounded as the reference library's JSON reader rounds them.
#include "text/json_scan.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_digit(const mm_json_cursor *in) {
    return in->at < in->end && *in->at >= '0' && *in->at <= '9';
}

// Digits go in as long as the value stays below 2^64; the rest is skipped. Returns how many were
// skipped, *taken how many went in.
static int64_t take_digits(mm_json_cursor *in, uint64_t *value, int64_t *taken) {
    int64_t skipped = 0;
    for (*taken = 0; is_digit(in); in->at++) {
        uint64_t digit = (uint64_t)(*in->at - '0');
        if (skipped || *value > (UINT64_MAX - digit) / 10) {
            skipped++;
        } else {
            *value = *value * 10 + digit;
            ++*taken;
        }
    }
    return skipped;
}

static bool take_exponent(mm_json_cursor *in, int64_t *exponent) {
    bool negative = in->at < in->end && *in->at == '-';
    if (in->at < in->end && (*in->at == '-' || *in->at == '+'))
        in->at++;
    if (!is_digit(in))
        return false;
    int64_t value = 0;
    for (; is_digit(in); in->at++)
        if (value < INT32_MAX)
            value = value * 10 + (*in->at - '0');
    *exponent += negative ? -value : value;
    return true;
}

// Up to 308; each is the nearest double.
static double power_of_ten(int64_t exponent) {
    static const double few[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23};
    if (exponent < (int64_t)(sizeof(few) / sizeof(few[0])))
        return few[exponent];
    char text[16];
    snprintf(text, sizeof(text), "1e%d", (int)exponent);
    return strtod(text, NULL);
}

// One multiplication or division by a power of ten, and divisions by 1e308 before it.
static bool scale(double *value, int64_t exponent) {
    while (exponent < -308 && *value != 0) {
        *value /= 1e308;
        exponent += 308;
    }
    if (exponent > 308)
        return *value == 0;
    if (*value == 0)
        return true;
    *value = exponent < 0 ? *value / power_of_ten(-exponent) : *value * power_of_ten(exponent);
    return !isinf(*value);
}

bool mm_json_take_number(mm_json_cursor *in, double *number) {
    bool negative = mm_json_take(in, '-'); // steps over blanks in any case
    if (!is_digit(in))
        return false;
    const char *start = in->at;
    uint64_t value = 0;
    int64_t taken;
    int64_t exponent = take_digits(in, &value, &taken);
    if (*start == '0' && in->at - start > 1)
        return false;
    if (in->at < in->end && *in->at == '.') {
        in->at++;
        if (!is_digit(in))
            return false;
        (void)take_digits(in, &value, &taken);
        exponent -= taken;
    }
    if (in->at < in->end && (*in->at == 'e' || *in->at == 'E')) {
        in->at++;
        if (!take_exponent(in, &exponent))
            return false;
    }
    double result = (double)value;
    if (!scale(&result, exponent))
        return false;
    *number = negative ? -result : result;
    return true;
}

// Of up to 15 digits the nearest double is read; of 16 or 17 another one may be.
double mm_json_written_number(double number) {
    char text[40];
    double back = 0, read = number;
    for (int digits = DBL_DIG; digits <= DBL_DIG + 2; digits++) {
        int length = snprintf(text, sizeof(text), "%.*e", digits - 1, number);
        back = strtod(text, NULL); // by the same locale
        if (back < number || back > number)
            continue;
        char *point = text + (text[0] == '-') + 1;
        *point = '.';
        mm_json_cursor in = {text, text + length};
        if (digits > DBL_DIG && !mm_json_take_number(&in, &read))
            read = number;
        break;
    }
    return read;
}
