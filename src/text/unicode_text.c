// SPDX-License-Identifier: Apache-2.0
#include "text/unicode_text.h"

#include <string.h>
#include <utf8proc.h>

static bool in_ranges(const mm_code_range *ranges, size_t count, uint32_t code) {
    if (count == 0 || code < ranges[0].first)
        return false;
    size_t low = 0, high = count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (ranges[middle].first <= code)
            low = middle;
        else
            high = middle;
    }
    return code <= ranges[low].last;
}

#define DIFFERS(name, code)                                                                        \
    in_ranges(mm_unicode_##name##_differs, mm_unicode_##name##_differs_count, code)

static unsigned category_bit(uint32_t code) {
    return 1u << utf8proc_category((utf8proc_int32_t)code);
}

#define BIT(name) (1u << UTF8PROC_CATEGORY_##name)
enum {
    LETTERS = BIT(LU) | BIT(LL) | BIT(LT) | BIT(LM) | BIT(LO),
    MARKS = BIT(MN) | BIT(MC) | BIT(ME),
    NUMBERS = BIT(ND) | BIT(NL) | BIT(NO),
    PUNCTUATION = BIT(PC) | BIT(PD) | BIT(PS) | BIT(PE) | BIT(PI) | BIT(PF) | BIT(PO),
    CONTROLS = BIT(CC) | BIT(CF) | BIT(CO) | BIT(CS),
    WORDS = LETTERS | MARKS | BIT(ND) | BIT(NL) | BIT(PC),
};

bool mm_unicode_is_space(uint32_t code) {
    if (code < 0x80)
        return code == ' ' || (code >= '\t' && code <= '\r');
    return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
           code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool mm_unicode_is_control(uint32_t code) {
    if (code == '\t' || code == '\n' || code == '\r')
        return false;
    return ((category_bit(code) & CONTROLS) != 0) != DIFFERS(control, code);
}

bool mm_unicode_is_nonspacing(uint32_t code) {
    if (code < 0x300)
        return false;
    return ((category_bit(code) & BIT(MN)) != 0) != DIFFERS(nonspacing, code);
}

bool mm_unicode_is_mark(uint32_t code) {
    if (code < 0x300)
        return false;
    return ((category_bit(code) & MARKS) != 0) != DIFFERS(mark, code);
}

bool mm_unicode_is_punctuation(uint32_t code) {
    if (code < 0x80)
        return (code >= '!' && code <= '/') || (code >= ':' && code <= '@') ||
               (code >= '[' && code <= '`') || (code >= '{' && code <= '~');
    return ((category_bit(code) & PUNCTUATION) != 0) != DIFFERS(punctuation, code);
}

bool mm_unicode_is_numeric(uint32_t code) {
    return ((category_bit(code) & NUMBERS) != 0) != DIFFERS(numeric, code);
}

bool mm_unicode_is_word(uint32_t code) {
    return ((category_bit(code) & WORDS) != 0) != DIFFERS(word, code);
}

bool mm_unicode_is_letter(uint32_t code) {
    return ((category_bit(code) & LETTERS) != 0) != DIFFERS(letter, code);
}

bool mm_unicode_is_number(uint32_t code) {
    return ((category_bit(code) & NUMBERS) != 0) != DIFFERS(number, code);
}

bool mm_unicode_is_chinese(uint32_t code) {
    static const mm_code_range ranges[] = {
        {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
        {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};
    return in_ranges(ranges, sizeof(ranges) / sizeof(ranges[0]), code);
}

size_t mm_unicode_lower(uint32_t out[2], uint32_t code) {
    if (code < 0x80) {
        out[0] = code >= 'A' && code <= 'Z' ? code + 32 : code;
        return 1;
    }
    size_t low = 0, high = mm_unicode_lower_differs_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const mm_lower_difference *row = &mm_unicode_lower_differs[middle];
        if (row->code == code) {
            out[0] = row->first;
            out[1] = row->second;
            return row->second ? 2 : 1;
        }
        if (row->code < code)
            low = middle + 1;
        else
            high = middle;
    }
    out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)code);
    return 1;
}

size_t mm_unicode_decompose(uint32_t out[MM_DECOMPOSITION_MAX], uint32_t code, bool compat) {
    out[0] = code;
    if (code < 0xA0)
        return 1;
    const utf8proc_property_t *property = utf8proc_get_property((utf8proc_int32_t)code);
    bool hangul = code >= 0xAC00 && code <= 0xD7A3;
    if ((property->decomp_seqindex == UINT16_MAX && !hangul) || DIFFERS(normalization, code))
        return 1;
    utf8proc_int32_t buffer[MM_DECOMPOSITION_MAX];
    utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
    if (compat)
        options |= UTF8PROC_COMPAT;
    utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)code, buffer,
                                                     MM_DECOMPOSITION_MAX, options, NULL);
    if (count <= 0 || count > MM_DECOMPOSITION_MAX)
        return 1;
    for (utf8proc_ssize_t i = 0; i < count; i++)
        out[i] = (uint32_t)buffer[i];
    return (size_t)count;
}

unsigned mm_unicode_combining_class(uint32_t code) {
    if (code < 0x300)
        return 0;
    utf8proc_propval_t value = utf8proc_get_property((utf8proc_int32_t)code)->combining_class;
    return value == 0 || DIFFERS(normalization, code) ? 0 : (unsigned)value;
}

uint32_t mm_unicode_compose(uint32_t first, uint32_t second) {
    if (second < 0x300)
        return 0;
    utf8proc_int32_t pair[2] = {(utf8proc_int32_t)first, (utf8proc_int32_t)second};
    if (utf8proc_normalize_utf32(pair, 2, UTF8PROC_STABLE | UTF8PROC_COMPOSE) != 1)
        return 0;
    uint32_t composite = (uint32_t)pair[0];
    return DIFFERS(normalization, composite) ? 0 : composite;
}
