// SPDX-License-Identifier: Apache-2.0
#include "text/charsmap.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

static uint32_t read_unit(const char *bytes) {
    const unsigned char *from = (const unsigned char *)bytes;
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

mm_status mm_charsmap_read(mm_charsmap *map, const char *bytes, size_t length, const char *where,
                           mm_error *error) {
    *map = (mm_charsmap){0};
    size_t count = length >= 4 ? read_unit(bytes) / 4 : 0;
    if (length < 4 || count > (length - 4) / 4)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: the character map of %zu bytes is shorter than it says", where, length);
    const char *texts = bytes + 4 + count * 4;
    size_t texts_length = length - 4 - count * 4, bad;
    if (!mm_utf8_valid(texts, texts_length, &bad))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: the texts of the character map are not UTF-8 at byte %zu", where, bad);
    map->units = mm_calloc(count + 1, sizeof(*map->units));
    map->texts = mm_malloc(texts_length + 1);
    if (!map->units || !map->texts) {
        mm_charsmap_free(map);
        return mm_fail_memory(error, "the character map");
    }
    for (size_t i = 0; i < count; i++)
        map->units[i] = read_unit(bytes + 4 + i * 4);
    memcpy(map->texts, texts, texts_length);
    map->texts[texts_length] = '\0';
    map->count = count;
    map->texts_length = texts_length;
    return MM_STATUS_OK;
}

static int base64_value(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Four characters at a time, the last of them padded; no line breaks, no bits left over.
static bool decode_base64(char *out, size_t *out_length, const char *text, size_t length) {
    size_t padding = 0;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    if (length % 4 != 0)
        return false;
    uint32_t bits = 0;
    size_t written = 0;
    for (size_t i = 0; i < length - padding; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0)
            out[written++] = (char)(bits >> (6 - i % 4 * 2));
    }
    *out_length = written;
    return padding == 0 || (bits & ((1u << padding * 2) - 1)) == 0;
}

mm_status mm_charsmap_read_base64(mm_charsmap *map, const char *text, size_t length,
                                  const char *where, mm_error *error) {
    *map = (mm_charsmap){0};
    char *bytes = mm_malloc(length + 1);
    if (!bytes)
        return mm_fail_memory(error, "the character map");
    size_t count;
    mm_status status =
        decode_base64(bytes, &count, text, length)
            ? mm_charsmap_read(map, bytes, count, where, error)
            : mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: the character map is not base64", where);
    mm_free(bytes);
    return status;
}

void mm_charsmap_free(mm_charsmap *map) {
    mm_free(map->units);
    mm_free(map->texts);
    *map = (mm_charsmap){0};
}

// Units: the low byte is the label and the top bit marks a leaf's value, bit 8 says that a leaf
// follows, the rest is where the children are, as an exclusive or with the unit's own place.
static size_t children(uint32_t unit) {
    return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

// The text of a leaf. Within a character lies none; one that begins behind the last is empty.
static const char *text_at(const mm_charsmap *map, size_t leaf) {
    size_t start = leaf < map->count ? map->units[leaf] & ~(1u << 31) : map->texts_length;
    if (start > map->texts_length || ((unsigned char)map->texts[start] & 0xC0) == 0x80)
        return NULL;
    return map->texts + start;
}

static const char *find(const mm_charsmap *map, const char *text, size_t length, bool longest,
                        size_t *matched) {
    const char *found = NULL;
    size_t at = map->count ? children(map->units[0]) : 0;
    for (size_t i = 0; i < length && map->count && text[i] != '\0'; i++) {
        unsigned char byte = (unsigned char)text[i];
        at ^= byte;
        if (at >= map->count || (map->units[at] & (1u << 31 | 0xFF)) != byte)
            break;
        uint32_t unit = map->units[at];
        at ^= children(unit);
        if (!(unit & 1u << 8))
            continue;
        found = text_at(map, at);
        *matched = i + 1;
        if (!longest || !found)
            break;
    }
    return found;
}

const char *mm_charsmap_find(const mm_charsmap *map, const char *text, size_t length,
                             size_t *found_length) {
    size_t matched;
    const char *found = find(map, text, length, false, &matched);
    *found_length = found ? strlen(found) : 0;
    return found;
}

const char *mm_charsmap_find_longest(const mm_charsmap *map, const char *text, size_t length,
                                     size_t *matched, size_t *found_length) {
    const char *found = find(map, text, length, true, matched);
    *found_length = found ? strlen(found) : 0;
    return found;
}
