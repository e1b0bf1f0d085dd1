// SPDX-License-Identifier: Apache-2.0
// Shortest decimal of a float32, after R. Giulietti, "The Schubfach way to render doubles" (2020),
// for 32 bits: one multiplication by a 64-bit power of ten decides. snprintf needs several tries a
// number, and its decimal point depends on the host's locale; a table of 77 numbers is the price.
#include "manager/json_text.h"

#include <string.h>

enum {
    MANTISSA_BITS = 23,
    EXPONENT_BIAS = 127 + MANTISSA_BITS,
    SMALLEST_POWER = -31,
};

// ceil(10^k * 2^(63 - floor(log2(10^k)))) for k = -31 .. 45; a test recomputes them.
const uint64_t mm_float_powers[] = {
    0x81ceb32c4b43fcf5, 0xa2425ff75e14fc32, 0xcad2f7f5359a3b3f, 0xfd87b5f28300ca0e,
    0x9e74d1b791e07e49, 0xc612062576589ddb, 0xf79687aed3eec552, 0x9abe14cd44753b53,
    0xc16d9a0095928a28, 0xf1c90080baf72cb2, 0x971da05074da7bef, 0xbce5086492111aeb,
    0xec1e4a7db69561a6, 0x9392ee8e921d5d08, 0xb877aa3236a4b44a, 0xe69594bec44de15c,
    0x901d7cf73ab0acda, 0xb424dc35095cd810, 0xe12e13424bb40e14, 0x8cbccc096f5088cc,
    0xafebff0bcb24aaff, 0xdbe6fecebdedd5bf, 0x89705f4136b4a598, 0xabcc77118461cefd,
    0xd6bf94d5e57a42bd, 0x8637bd05af6c69b6, 0xa7c5ac471b478424, 0xd1b71758e219652c,
    0x83126e978d4fdf3c, 0xa3d70a3d70a3d70b, 0xcccccccccccccccd, 0x8000000000000000,
    0xa000000000000000, 0xc800000000000000, 0xfa00000000000000, 0x9c40000000000000,
    0xc350000000000000, 0xf424000000000000, 0x9896800000000000, 0xbebc200000000000,
    0xee6b280000000000, 0x9502f90000000000, 0xba43b74000000000, 0xe8d4a51000000000,
    0x9184e72a00000000, 0xb5e620f480000000, 0xe35fa931a0000000, 0x8e1bc9bf04000000,
    0xb1a2bc2ec5000000, 0xde0b6b3a76400000, 0x8ac7230489e80000, 0xad78ebc5ac620000,
    0xd8d726b7177a8000, 0x878678326eac9000, 0xa968163f0a57b400, 0xd3c21bcecceda100,
    0x84595161401484a0, 0xa56fa5b99019a5c8, 0xcecb8f27f4200f3a, 0x813f3978f8940985,
    0xa18f07d736b90be6, 0xc9f2c9cd04674edf, 0xfc6f7c4045812297, 0x9dc5ada82b70b59e,
    0xc5371912364ce306, 0xf684df56c3e01bc7, 0x9a130b963a6c115d, 0xc097ce7bc90715b4,
    0xf0bdc21abb48db21, 0x96769950b50d88f5, 0xbc143fa4e250eb32, 0xeb194f8e1ae525fe,
    0x92efd1b8d0cf37bf, 0xb7abc627050305ae, 0xe596b7b0c643c71a, 0x8f7e32ce7bea5c70,
    0xb35dbf821ae4f38c,
};

static int32_t floor_log2_pow10(int32_t exponent) {
    return (exponent * 1741647) >> 19; // right for |exponent| <= 1233
}

static int32_t floor_log10_pow2(int32_t exponent) {
    return (exponent * 1262611) >> 22; // right for |exponent| <= 1500
}

static int32_t floor_log10_three_quarters_pow2(int32_t exponent) {
    return (exponent * 1262611 - 524031) >> 22;
}

// The upper bits of power * value, the last bit sticky: set when anything was cut off.
static uint32_t multiply_to_odd(uint64_t power, uint32_t value) {
    unsigned __int128 product = (unsigned __int128)power * value;
    uint32_t upper = (uint32_t)(product >> 64);
    uint32_t lower = (uint32_t)(product >> 32);
    return upper | (lower > 1);
}

// *digits * 10^*exponent is the shortest decimal within the rounding interval of mantissa *
// 2^power, the nearest of those.
static void shortest(uint32_t *digits, int32_t *exponent, uint32_t mantissa, int32_t power,
                     bool lower_is_closer) {
    // Interval ends and value in quarters of the last place, scaled to the decimal exponent k.
    int32_t k = lower_is_closer ? floor_log10_three_quarters_pow2(power) : floor_log10_pow2(power);
    int32_t shift = power + floor_log2_pow10(-k) + 1;
    uint64_t scale = mm_float_powers[-k - SMALLEST_POWER];
    uint32_t low = multiply_to_odd(scale, (4 * mantissa - 2 + lower_is_closer) << shift);
    uint32_t middle = multiply_to_odd(scale, (4 * mantissa) << shift);
    uint32_t high = multiply_to_odd(scale, (4 * mantissa + 2) << shift);
    bool is_odd = mantissa & 1; // the ends round to an even neighbour, so they count for even only
    low += is_odd;
    high -= is_odd;

    uint32_t whole = middle / 4;
    if (whole >= 10) { // one digit fewer?
        uint32_t tens = whole / 10;
        bool down = low <= 40 * tens;
        bool up = 40 * tens + 40 <= high;
        if (down != up) {
            *digits = tens + up;
            *exponent = k + 1;
            return;
        }
    }
    bool down = low <= 4 * whole;
    bool up = 4 * whole + 4 <= high;
    if (down == up) { // both or none: the nearer one, ties to even
        uint32_t half = 4 * whole + 2;
        up = middle > half || (middle == half && (whole & 1));
    }
    *digits = whole + up;
    *exponent = k;
}

// Eight digits with leading zeros, the first in the lowest byte: halves, quarters and single digits
// are split side by side in one register.
static uint64_t eight_digits(uint32_t value) {
    uint64_t fours = value / 10000 | (uint64_t)(value % 10000) << 32;
    uint64_t hundreds = (fours * 5243 >> 19) & 0x0000007F0000007F; // by 100
    uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
    uint64_t tens = (twos * 103 >> 10) & 0x000F000F000F000F; // by 10
    return 0x3030303030303030 + (tens | (twos - 10 * tens) << 8);
}

static int32_t count_digits(uint32_t value) { // of a value above 0
    static const uint32_t powers[] = {1,      10,      100,      1000,      10000,
                                      100000, 1000000, 10000000, 100000000, 1000000000};
    int32_t about = ((32 - __builtin_clz(value)) * 1233) >> 12; // log10, or one more
    return about + (value >= powers[about]);
}

static size_t put_exponent(char *out, int32_t exponent) {
    char *start = out;
    *out++ = 'e';
    *out++ = exponent < 0 ? '-' : '+';
    uint32_t magnitude = (uint32_t)(exponent < 0 ? -exponent : exponent);
    *out++ = (char)('0' + magnitude / 10);
    *out++ = (char)('0' + magnitude % 10);
    return (size_t)(out - start);
}

// Writes the digits, at most nine, and up to nine bytes in all; returns how many digits. What is
// written is of fixed size: a jump that depends on random digits costs more than all the
// arithmetic.
static int32_t write_digits(char *out, uint32_t value) {
    int32_t length = count_digits(value);
    uint32_t first = value / 100000000;
    uint64_t rest = eight_digits(value % 100000000);
    bool nine = length == 9;
    *out = (char)('0' + first);
    out += nine;
    rest >>= nine ? 0 : 8 * (8 - length);
    memcpy(out, &rest, sizeof(rest));
    return length;
}

// Places the point as Python's repr does: plain from 1e-4 on; from 1e9 on with an exponent, which
// keeps MM_FLOAT_TEXT_MAX small.
static size_t place_point(char *out, uint32_t digits, int32_t exponent) {
    int32_t length = count_digits(digits);
    int32_t point = length + exponent; // digits in front of the point
    if (point <= 0 && point > -4) {
        memcpy(out, "0.000", 5);
        (void)write_digits(out + 2 - point, digits);
        return (size_t)(2 - point + length);
    }
    char first[16];
    (void)write_digits(first, digits);
    char *at = out;
    if (point > 0 && point <= 9) {
        int32_t before = length < point ? length : point;
        memcpy(at, first, (size_t)before);
        at += before;
        for (int32_t i = before; i < point; i++)
            *at++ = '0';
        *at++ = '.';
        if (length > point) {
            memcpy(at, first + point, (size_t)(length - point));
            at += length - point;
        } else {
            *at++ = '0';
        }
        return (size_t)(at - out);
    }
    *at++ = first[0];
    if (length > 1) {
        *at++ = '.';
        memcpy(at, first + 1, (size_t)(length - 1));
        at += length - 1;
    }
    at += put_exponent(at, point - 1);
    return (size_t)(at - out);
}

size_t mm_float_text(char out[MM_FLOAT_TEXT_MAX], float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    size_t sign = bits >> 31;
    if (sign)
        *out++ = '-';
    bits &= 0x7FFFFFFF;
    if (bits == 0) {
        memcpy(out, "0.0", 3);
        return sign + 3;
    }
    uint32_t fraction = bits & ((1U << MANTISSA_BITS) - 1);
    int32_t biased = (int32_t)(bits >> MANTISSA_BITS);
    uint32_t mantissa = biased ? fraction | 1U << MANTISSA_BITS : fraction;
    int32_t power = (biased ? biased : 1) - EXPONENT_BIAS;
    uint32_t digits;
    int32_t exponent;
    shortest(&digits, &exponent, mantissa, power, fraction == 0 && biased > 1);
    while (digits % 10 == 0) { // a shorter decimal may hide behind zeros
        digits /= 10;
        exponent++;
    }
    return sign + place_point(out, digits, exponent);
}
