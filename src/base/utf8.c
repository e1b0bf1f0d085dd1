// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <string.h>

size_t mm_utf8_decode(uint32_t *character, const char *text, size_t length) {
    const unsigned char *bytes = (const unsigned char *)text;
    unsigned char lead = bytes[0];
    if (lead < 0x80) {
        *character = lead;
        return 1;
    }
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    size_t need = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length < need)
        return 0;
    uint32_t value = lead & (0x7Fu >> need);
    for (size_t i = 1; i < need; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < smallest[need] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *character = value;
    return need;
}

size_t mm_utf8_encode(char out[4], uint32_t character) {
    if (character < 0x80) {
        out[0] = (char)character;
        return 1;
    }
    size_t length = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (character & 0x3F));
        character >>= 6;
    }
    out[0] = (char)(leads[length] | character);
    return length;
}

bool mm_utf8_valid(const char *text, size_t length, size_t *error_offset) {
    size_t at = 0;
    while (at < length) {
        uint64_t word; // eight ASCII bytes at a time
        while (length - at >= sizeof(word)) {
            memcpy(&word, text + at, sizeof(word));
            if (word & 0x8080808080808080u)
                break;
            at += sizeof(word);
        }
        if (at == length)
            break;
        uint32_t character;
        size_t used = mm_utf8_decode(&character, text + at, length - at);
        if (used == 0) {
            if (error_offset)
                *error_offset = at;
            return false;
        }
        at += used;
    }
    return true;
}

size_t mm_utf8_bad_length(const char *text, size_t length) {
    const unsigned char *bytes = (const unsigned char *)text;
    unsigned char lead = bytes[0];
    if (lead < 0xC2 || lead > 0xF4)
        return 1;
    // The second byte has a narrower range behind some leads: no overlong forms, no surrogates.
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    size_t need = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4, good = 1;
    while (good < need && good < length && bytes[good] >= low && bytes[good] <= high) {
        good++;
        low = 0x80;
        high = 0xBF;
    }
    return good;
}
