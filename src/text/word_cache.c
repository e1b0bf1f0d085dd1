// SPDX-License-Identifier: Apache-2.0
#include "text/word_cache.h"

#include "base/memory.h"

#include <string.h>

enum { FIRST_BITS = 8, MOST_BITS = 14, PLACES = 2 };

void mm_word_cache_free(mm_word_cache *cache) {
    mm_free(cache->entries);
    *cache = (mm_word_cache){0};
}

void mm_word_cache_claim(mm_word_cache *cache, uint64_t owner) {
    if (cache->owner == owner)
        return;
    if (cache->entries)
        memset(cache->entries, 0, sizeof(*cache->entries) << cache->bits);
    cache->owner = owner;
    cache->kept = 0;
}

static uint64_t load8(const char *from) {
    uint64_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static uint32_t load4(const char *from) {
    uint32_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static uint64_t mix(const uint64_t parts[4], size_t length) {
    uint64_t hash = (parts[0] ^ length) * UINT64_C(0x9E3779B97F4A7C15);
    hash = (hash ^ hash >> 32 ^ parts[1]) * UINT64_C(0xBF58476D1CE4E5B9);
    hash = (hash ^ hash >> 32 ^ parts[2]) * UINT64_C(0x94D049BB133111EB);
    hash = (hash ^ hash >> 32 ^ parts[3]) * UINT64_C(0xD6E8FEB86659FD93);
    return hash ^ hash >> 32;
}

// Two loads from the front and two from the back, overlapping where the word is short: together
// with the length they say every byte.
mm_word mm_word_key(const char *text, size_t length) {
    mm_word word = {{0}, 0};
    if (length > 16) {
        word.parts[0] = load8(text);
        word.parts[1] = load8(text + 8);
        word.parts[2] = load8(text + length - 16);
        word.parts[3] = load8(text + length - 8);
    } else if (length >= 8) {
        word.parts[0] = load8(text);
        word.parts[1] = load8(text + length - 8);
    } else if (length >= 4) {
        word.parts[0] = load4(text) | (uint64_t)load4(text + length - 4) << 32;
    } else {
        word.parts[0] = (unsigned char)text[0] | (uint64_t)(unsigned char)text[length / 2] << 8 |
                        (uint64_t)(unsigned char)text[length - 1] << 16;
    }
    word.hash = mix(word.parts, length);
    return word;
}

static bool is_same(const mm_word_entry *entry, const uint64_t parts[4], size_t length) {
    return entry->length == length && memcmp(entry->parts, parts, sizeof(entry->parts)) == 0;
}

// The two places of a hash.
static mm_word_entry *places(const mm_word_cache *cache, uint64_t hash) {
    return &cache->entries[(hash & (((size_t)1 << cache->bits) - 1)) & ~(size_t)(PLACES - 1)];
}

const mm_word_entry *mm_word_cache_find(const mm_word_cache *cache, const mm_word *word,
                                        size_t length) {
    if (!cache->entries)
        return NULL;
    const mm_word_entry *place = places(cache, word->hash);
    for (int i = 0; i < PLACES; i++)
        if (is_same(&place[i], word->parts, length))
            return &place[i];
    return NULL;
}

// A free place, or else the second one: what stands first was there before it and goes next time.
static mm_word_entry *choose(const mm_word_cache *cache, uint64_t hash) {
    mm_word_entry *place = places(cache, hash);
    if (place[0].length && place[1].length)
        place[1] = place[0];
    else if (place[0].length)
        return &place[1];
    return &place[0];
}

static bool grow(mm_word_cache *cache) {
    unsigned bits = cache->entries ? cache->bits + 1 : FIRST_BITS;
    mm_word_entry *old = cache->entries, *entries = mm_calloc((size_t)1 << bits, sizeof(*entries));
    if (!entries)
        return false;
    size_t old_count = old ? (size_t)1 << cache->bits : 0;
    cache->entries = entries;
    cache->bits = bits;
    cache->kept = 0;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].length == 0)
            continue;
        *choose(cache, mix(old[i].parts, old[i].length)) = old[i];
        cache->kept++;
    }
    mm_free(old);
    return true;
}

mm_word_entry *mm_word_cache_put(mm_word_cache *cache, const mm_word *word, size_t length) {
    size_t room = cache->entries ? (size_t)1 << cache->bits : 0;
    if (cache->kept >= room / 2 && cache->bits < MOST_BITS && !grow(cache))
        return NULL;
    cache->kept++;
    mm_word_entry *entry = choose(cache, word->hash);
    memcpy(entry->parts, word->parts, sizeof(entry->parts));
    entry->length = (uint8_t)length;
    return entry;
}
