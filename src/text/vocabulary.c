// SPDX-License-Identifier: Apache-2.0
#include "text/vocabulary.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void mm_vocabulary_free(mm_vocabulary *vocabulary) {
    mm_free(vocabulary->bytes);
    mm_free(vocabulary->entries);
    mm_free(vocabulary->slots);
    mm_free(vocabulary->by_id);
    *vocabulary = (mm_vocabulary){0};
}

static uint64_t hash_bytes(const char *bytes, size_t length) {
    uint64_t hash = MM_VOCABULARY_SEED;
    for (size_t i = 0; i < length; i++)
        hash = mm_vocabulary_hash(hash, (unsigned char)bytes[i]);
    return hash;
}

// The last multiplication's low bits are the weak ones: slots come from the top, tags from below.
static size_t first_slot(const mm_vocabulary *vocabulary, uint64_t hash) {
    return (size_t)((hash * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - vocabulary->bits));
}

static bool set_slots(mm_vocabulary *vocabulary, unsigned bits) {
    uint64_t *slots = bits <= 33 ? mm_calloc((size_t)1 << bits, sizeof(*slots)) : NULL;
    if (!slots)
        return false;
    mm_free(vocabulary->slots);
    vocabulary->slots = slots;
    vocabulary->bits = bits;
    size_t mask = ((size_t)1 << bits) - 1;
    for (size_t i = 0; i < vocabulary->count; i++) {
        const mm_vocabulary_entry *entry = &vocabulary->entries[i];
        uint64_t hash = hash_bytes(vocabulary->bytes + entry->offset, entry->length);
        size_t slot = first_slot(vocabulary, hash);
        while (slots[slot])
            slot = (slot + 1) & mask;
        slots[slot] = (uint64_t)entry->tag << 32 | (uint32_t)(i + 1);
    }
    return true;
}

const mm_vocabulary_entry *mm_vocabulary_probe(const mm_vocabulary *vocabulary, uint64_t hash,
                                               const char *prefix, size_t prefix_length,
                                               const char *rest, size_t rest_length) {
    if (!vocabulary->bits)
        return NULL;
    size_t mask = ((size_t)1 << vocabulary->bits) - 1;
    uint32_t tag = (uint32_t)hash;
    for (size_t slot = first_slot(vocabulary, hash);; slot = (slot + 1) & mask) {
        uint64_t value = vocabulary->slots[slot];
        if (value == 0)
            return NULL;
        if ((uint32_t)(value >> 32) != tag)
            continue;
        const mm_vocabulary_entry *entry = &vocabulary->entries[(uint32_t)value - 1];
        const char *bytes = vocabulary->bytes + entry->offset;
        if (entry->length == prefix_length + rest_length &&
            memcmp(bytes, prefix, prefix_length) == 0 &&
            memcmp(bytes + prefix_length, rest, rest_length) == 0)
            return entry;
    }
}

bool mm_vocabulary_find(const mm_vocabulary *vocabulary, const char *token, size_t length,
                        uint32_t *id) {
    const mm_vocabulary_entry *entry =
        mm_vocabulary_probe(vocabulary, hash_bytes(token, length), "", 0, token, length);
    if (entry)
        *id = entry->id;
    return entry != NULL;
}

static bool reserve_bytes(mm_vocabulary *vocabulary, size_t extra) {
    size_t need = vocabulary->bytes_length + extra;
    if (need > UINT32_MAX)
        return false;
    if (need <= vocabulary->bytes_capacity)
        return true;
    size_t capacity = need + need / 2 + 4096;
    char *bytes = mm_realloc(vocabulary->bytes, capacity);
    if (!bytes)
        return false;
    vocabulary->bytes = bytes;
    vocabulary->bytes_capacity = capacity;
    return true;
}

static bool set_capacity(mm_vocabulary *vocabulary, size_t capacity) {
    mm_vocabulary_entry *entries =
        mm_array_realloc(vocabulary->entries, capacity, sizeof(*entries));
    if (!entries)
        return false;
    vocabulary->entries = entries;
    vocabulary->capacity = capacity;
    return true;
}

static bool reserve_entry(mm_vocabulary *vocabulary) {
    if (vocabulary->count == vocabulary->capacity &&
        !set_capacity(vocabulary, vocabulary->capacity * 2 + 64))
        return false;
    size_t slots = vocabulary->bits ? (size_t)1 << vocabulary->bits : 0;
    return vocabulary->count * 2 < slots ||
           set_slots(vocabulary, vocabulary->bits ? vocabulary->bits + 1 : 7);
}

bool mm_vocabulary_reserve(mm_vocabulary *vocabulary, size_t count, size_t bytes) {
    unsigned bits = 7;
    while (((size_t)1 << bits) / 2 < count && bits < 32)
        bits++;
    return set_capacity(vocabulary, count + 64) && reserve_bytes(vocabulary, bytes) &&
           set_slots(vocabulary, bits);
}

bool mm_vocabulary_add(mm_vocabulary *vocabulary, const char *token, size_t length, uint32_t id) {
    uint64_t hash = hash_bytes(token, length);
    const mm_vocabulary_entry *known = mm_vocabulary_probe(vocabulary, hash, "", 0, token, length);
    if (known) {
        vocabulary->entries[known - vocabulary->entries].id = id;
        return true;
    }
    if (length >= UINT32_MAX || vocabulary->count >= UINT32_MAX - 1 ||
        !reserve_bytes(vocabulary, length + 1) || !reserve_entry(vocabulary))
        return false;
    char *bytes = vocabulary->bytes + vocabulary->bytes_length;
    if (length)
        memcpy(bytes, token, length);
    bytes[length] = '\0';
    vocabulary->entries[vocabulary->count++] =
        (mm_vocabulary_entry){.offset = (uint32_t)vocabulary->bytes_length,
                              .length = (uint32_t)length,
                              .id = id,
                              .tag = (uint32_t)hash};
    vocabulary->bytes_length += length + 1;
    if (length > vocabulary->longest)
        vocabulary->longest = length;
    size_t mask = ((size_t)1 << vocabulary->bits) - 1;
    size_t slot = first_slot(vocabulary, hash);
    while (vocabulary->slots[slot])
        slot = (slot + 1) & mask;
    vocabulary->slots[slot] = (uint64_t)(uint32_t)hash << 32 | (uint32_t)vocabulary->count;
    return true;
}

bool mm_vocabulary_append(mm_vocabulary *vocabulary, const char *token, size_t length) {
    size_t id = vocabulary->by_id_count, count = vocabulary->count;
    if (id >= UINT32_MAX - 1)
        return false;
    if (id == vocabulary->by_id_capacity) {
        size_t capacity = id * 2 + 256;
        uint32_t *by_id = mm_array_realloc(vocabulary->by_id, capacity, sizeof(*by_id));
        if (!by_id)
            return false;
        vocabulary->by_id = by_id;
        vocabulary->by_id_capacity = capacity;
    }
    if (!mm_vocabulary_add(vocabulary, token, length, (uint32_t)id))
        return false;
    size_t entry = count; // a new one is the last
    if (vocabulary->count == count) {
        vocabulary->repeated++;
        entry = (size_t)(mm_vocabulary_probe(vocabulary, hash_bytes(token, length), "", 0, token,
                                             length) -
                         vocabulary->entries);
    }
    vocabulary->by_id[id] = (uint32_t)entry + 1;
    vocabulary->by_id_count++;
    vocabulary->dense = true;
    vocabulary->largest_id = (uint32_t)id;
    return true;
}

static int compare_ids(const void *left, const void *right, void *payload) {
    const mm_vocabulary_entry *entries = payload;
    const uint32_t *a = left, *b = right;
    uint32_t first = entries[*a].id, second = entries[*b].id;
    if (first != second)
        return first < second ? -1 : 1;
    return *a < *b ? -1 : *a > *b;
}

bool mm_vocabulary_finish(mm_vocabulary *vocabulary) {
    uint32_t largest = 0;
    for (size_t i = 0; i < vocabulary->count; i++)
        if (vocabulary->entries[i].id > largest)
            largest = vocabulary->entries[i].id;
    vocabulary->largest_id = largest;
    vocabulary->dense = largest / 4 < vocabulary->count;
    size_t count = vocabulary->dense ? (size_t)largest + 1 : vocabulary->count;
    mm_free(vocabulary->by_id);
    vocabulary->by_id = mm_calloc(count, sizeof(*vocabulary->by_id));
    if (!vocabulary->by_id)
        return false;
    vocabulary->by_id_count = count;
    for (size_t i = 0; i < vocabulary->count; i++) {
        if (vocabulary->dense)
            vocabulary->by_id[vocabulary->entries[i].id] = (uint32_t)(i + 1);
        else
            vocabulary->by_id[i] = (uint32_t)i;
    }
    if (!vocabulary->dense)
        qsort_r(vocabulary->by_id, count, sizeof(*vocabulary->by_id), compare_ids,
                vocabulary->entries);
    return true;
}

const char *mm_vocabulary_token(const mm_vocabulary *vocabulary, uint32_t id, size_t *length) {
    const mm_vocabulary_entry *entry = NULL;
    if (vocabulary->dense) {
        if (id < vocabulary->by_id_count && vocabulary->by_id[id])
            entry = &vocabulary->entries[vocabulary->by_id[id] - 1];
    } else {
        size_t low = 0, high = vocabulary->by_id_count;
        while (low < high) { // the last entry of an id that is not above the one wanted
            size_t middle = low + (high - low) / 2;
            if (vocabulary->entries[vocabulary->by_id[middle]].id <= id)
                low = middle + 1;
            else
                high = middle;
        }
        if (low > 0 && vocabulary->entries[vocabulary->by_id[low - 1]].id == id)
            entry = &vocabulary->entries[vocabulary->by_id[low - 1]];
    }
    if (!entry)
        return NULL;
    *length = entry->length;
    return vocabulary->bytes + entry->offset;
}
