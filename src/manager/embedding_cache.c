// SPDX-License-Identifier: Apache-2.0
// A shard is a hash table with chains and a list by last use. Each use takes the next number of one
// clock that all shards share, so the entry that was unused longest is the oldest of the 16 list
// ends: that one goes first, in whichever shard it lies.
#include "manager/embedding_cache.h"

#include "base/memory.h"
#include "manager/disk_cache.h"
#include "manager/lock_ranks.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { SHARDS = 16, FIRST_BUCKETS = 16 };

// A vector, or a claim of one (then neither listed by use nor counted).
typedef struct entry {
    mm_cache_key key;
    struct entry *next;          // in its bucket
    struct entry *newer, *older; // by last use
    void *owner;                 // of a claim: the payload of who made it
    mm_cache_waiter *waiters;    // of a claim
    uint64_t used;               // the clock's number
    int64_t expires_ns;
    size_t dimension;
    int32_t tokens;
    bool is_claim;
    bool truncated;
    const char *prompt; // behind the values, or NULL
    float values[];
} entry;

typedef struct shard {
    mm_mutex lock;
    entry **buckets; // [bucket_count], a power of two
    size_t bucket_count, filled;
    entry *newest, *oldest;
    _Atomic uint64_t oldest_used; // UINT64_MAX when it has no vector; a hint without the lock
} shard;

struct mm_embedding_cache {
    size_t max_entries;
    int64_t ttl_ns;      // INT64_MAX: for ever
    mm_disk_cache *disk; // or NULL
    atomic_size_t entries;
    _Atomic uint64_t clock, hits, misses, bytes;
    shard shards[SHARDS];
};

// ---- Life --------------------------------------------------------------------------------------

mm_status mm_embedding_cache_create(mm_embedding_cache **out, size_t max_entries,
                                    double ttl_seconds, mm_error *error) {
    mm_embedding_cache *cache = *out = mm_calloc(1, sizeof(*cache));
    if (!cache)
        return mm_fail_memory(error, "the embedding cache");
    cache->max_entries = max_entries;
    cache->ttl_ns = ttl_seconds < 9e9 ? (int64_t)(ttl_seconds * 1e9) : INT64_MAX;
    for (size_t i = 0; i < SHARDS; i++) {
        mm_mutex_init(&cache->shards[i].lock, MM_RANK_SHARD);
        cache->shards[i].oldest_used = UINT64_MAX;
    }
    return MM_STATUS_OK;
}

void mm_embedding_cache_set_disk(mm_embedding_cache *cache, mm_disk_cache *disk) {
    cache->disk = disk;
}

void mm_embedding_cache_free(mm_embedding_cache *cache) {
    if (!cache)
        return;
    mm_disk_cache_close(cache->disk);
    for (size_t i = 0; i < SHARDS; i++) {
        shard *own = &cache->shards[i];
        for (entry *at = own->newest, *older; at; at = older) {
            older = at->older;
            mm_free(at);
        }
        mm_free(own->buckets);
        mm_mutex_destroy(&own->lock);
    }
    mm_free(cache);
}

static size_t bytes_of(const entry *item) {
    return sizeof(*item) + item->dimension * sizeof(item->values[0]) +
           (item->prompt ? strlen(item->prompt) + 1 : 0);
}

// ---- One shard's table -------------------------------------------------------------------------

static uint64_t hash_of(const mm_cache_key *key) {
    uint64_t hash;
    memcpy(&hash, key->digest, sizeof(hash));
    return hash;
}

static shard *shard_of(mm_embedding_cache *cache, const mm_cache_key *key) {
    return &cache->shards[key->digest[31] % SHARDS];
}

// The link that points to the key's entry, or to where it would be.
static entry **find_locked(const shard *own, const mm_cache_key *key) {
    entry **at = &own->buckets[hash_of(key) & (own->bucket_count - 1)];
    while (*at && memcmp((*at)->key.digest, key->digest, sizeof(key->digest)) != 0)
        at = &(*at)->next;
    return at;
}

static bool grow_locked(shard *own) {
    if (own->filled < own->bucket_count)
        return true;
    size_t count = own->bucket_count ? 2 * own->bucket_count : FIRST_BUCKETS;
    entry **buckets = mm_calloc(count, sizeof(entry *));
    if (!buckets)
        return own->bucket_count > 0; // longer chains will do
    for (size_t i = 0; i < own->bucket_count; i++) {
        for (entry *at = own->buckets[i], *next; at; at = next) {
            next = at->next;
            entry **to = &buckets[hash_of(&at->key) & (count - 1)];
            at->next = *to;
            *to = at;
        }
    }
    mm_free(own->buckets);
    own->buckets = buckets;
    own->bucket_count = count;
    return true;
}

static void link_locked(shard *own, entry *item, uint64_t used) {
    item->used = used;
    item->newer = NULL;
    item->older = own->newest;
    *(own->newest ? &own->newest->newer : &own->oldest) = item;
    own->newest = item;
    own->oldest_used = own->oldest->used;
}

static void unlink_locked(shard *own, entry *item) {
    *(item->newer ? &item->newer->older : &own->newest) = item->older;
    *(item->older ? &item->older->newer : &own->oldest) = item->newer;
    own->oldest_used = own->oldest ? own->oldest->used : UINT64_MAX;
}

// A vector leaves table, list and count.
static void drop_locked(mm_embedding_cache *cache, shard *own, entry *item) {
    *find_locked(own, &item->key) = item->next;
    own->filled--;
    unlink_locked(own, item);
    cache->entries--;
    cache->bytes -= bytes_of(item);
    mm_free(item);
}

static void insert_locked(shard *own, entry *item) {
    entry **at = find_locked(own, &item->key);
    item->next = *at;
    *at = item;
    own->filled++;
}

// ---- Room --------------------------------------------------------------------------------------

// Drops the vector that was unused longest; false when no shard has any.
static bool drop_oldest(mm_embedding_cache *cache) {
    shard *from = NULL;
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < SHARDS; i++) {
        uint64_t used = cache->shards[i].oldest_used;
        if (used < oldest) {
            oldest = used;
            from = &cache->shards[i];
        }
    }
    if (!from)
        return false;
    mm_mutex_lock(&from->lock);
    if (from->oldest)
        drop_locked(cache, from, from->oldest);
    mm_mutex_unlock(&from->lock);
    return true;
}

// Counts one vector more, never above max_entries.
static bool reserve(mm_embedding_cache *cache) {
    size_t entries = cache->entries;
    while (true) {
        if (entries < cache->max_entries) {
            if (atomic_compare_exchange_weak(&cache->entries, &entries, entries + 1))
                return true;
        } else if (cache->max_entries == 0 || !drop_oldest(cache)) {
            return false;
        } else {
            entries = cache->entries;
        }
    }
}

// ---- Entries -----------------------------------------------------------------------------------

static int64_t later(int64_t from_ns, int64_t by_ns) {
    return from_ns > INT64_MAX - by_ns ? INT64_MAX : from_ns + by_ns;
}

static entry *copy_vector(const mm_cache_key *key, const mm_cached_vector *vector,
                          int64_t expires_ns) {
    size_t prompt_size = vector->prompt ? strlen(vector->prompt) + 1 : 0;
    size_t size;
    if (!mm_size_mul(&size, vector->dimension, sizeof(float)) ||
        !mm_size_add(&size, size, sizeof(entry) + prompt_size))
        return NULL;
    entry *item = mm_malloc(size);
    if (!item)
        return NULL;
    *item = (entry){.key = *key,
                    .expires_ns = expires_ns,
                    .dimension = vector->dimension,
                    .tokens = vector->tokens,
                    .truncated = vector->truncated};
    memcpy(item->values, vector->values, vector->dimension * sizeof(float));
    if (vector->prompt)
        item->prompt = memcpy(item->values + vector->dimension, vector->prompt, prompt_size);
    return item;
}

// A copy that counts as one of the vectors; NULL when there is no room or no memory for it.
static entry *copy_counted(mm_embedding_cache *cache, const mm_cache_key *key,
                           const mm_cached_vector *vector, int64_t expires_ns) {
    entry *item = cache->max_entries > 0 ? copy_vector(key, vector, expires_ns) : NULL;
    if (item && !reserve(cache)) {
        mm_free(item);
        item = NULL;
    }
    return item;
}

// ---- Claims ------------------------------------------------------------------------------------

static mm_cache_answer hit_locked(mm_embedding_cache *cache, shard *own, entry *found,
                                  mm_cached_vector *out) {
    unlink_locked(own, found);
    link_locked(own, found, cache->clock++);
    memcpy(out->values, found->values, found->dimension * sizeof(float));
    out->tokens = found->tokens;
    out->truncated = found->truncated;
    return MM_CACHE_HIT;
}

static mm_cache_answer wait_locked(entry *claim, mm_cache_waiter *waiter) {
    if (waiter) {
        waiter->owner = claim->owner;
        if (waiter->keep)
            waiter->keep(claim->owner);
        waiter->next = claim->waiters;
        claim->waiters = waiter;
    }
    return MM_CACHE_PENDING;
}

static mm_cache_answer claim_locked(shard *own, const mm_cache_key *key,
                                    const mm_cache_waiter *waiter) {
    entry *claim = mm_calloc(1, sizeof(*claim));
    if (!claim)
        return MM_CACHE_FULL;
    claim->key = *key;
    claim->is_claim = true;
    claim->owner = waiter ? waiter->payload : NULL;
    insert_locked(own, claim);
    return MM_CACHE_CLAIMED;
}

mm_cache_answer mm_embedding_cache_claim(mm_embedding_cache *cache, const mm_cache_key *key,
                                         mm_cached_vector *out, mm_cache_waiter *waiter,
                                         int64_t now_ns) {
    shard *own = shard_of(cache, key);
    mm_cache_answer answer = MM_CACHE_FULL;
    mm_mutex_lock(&own->lock);
    if (grow_locked(own)) {
        entry *found = *find_locked(own, key);
        if (found && !found->is_claim &&
            (found->expires_ns <= now_ns || found->dimension != out->dimension)) {
            drop_locked(cache, own, found);
            found = NULL;
        }
        answer = !found            ? claim_locked(own, key, waiter)
                 : found->is_claim ? wait_locked(found, waiter)
                                   : hit_locked(cache, own, found, out);
    }
    mm_mutex_unlock(&own->lock);
    if (answer != MM_CACHE_PENDING)
        *(answer == MM_CACHE_HIT ? &cache->hits : &cache->misses) += 1;
    return answer;
}

// Takes the claim out of its shard and puts `vector` there unless NULL.
static mm_cache_waiter *end_claim(mm_embedding_cache *cache, const mm_cache_key *key,
                                  entry *vector) {
    shard *own = shard_of(cache, key);
    mm_mutex_lock(&own->lock);
    entry **at = find_locked(own, key);
    entry *claim = *at;
    *at = claim->next;
    own->filled--;
    if (vector) {
        insert_locked(own, vector);
        link_locked(own, vector, cache->clock++);
        cache->bytes += bytes_of(vector);
    }
    mm_mutex_unlock(&own->lock);
    mm_cache_waiter *waiters = claim->waiters;
    mm_free(claim);
    return waiters;
}

mm_cache_waiter *mm_embedding_cache_publish(mm_embedding_cache *cache, const mm_cache_key *key,
                                            const mm_cached_vector *vector, int64_t now_ns) {
    if (cache->disk)
        mm_disk_cache_put(cache->disk, key, vector,
                          later(mm_disk_cache_wall_ns(cache->disk), cache->ttl_ns));
    return end_claim(cache, key, copy_counted(cache, key, vector, later(now_ns, cache->ttl_ns)));
}

mm_cache_waiter *mm_embedding_cache_abandon(mm_embedding_cache *cache, const mm_cache_key *key) {
    return end_claim(cache, key, NULL);
}

// ---- From the disk -----------------------------------------------------------------------------

// What the disk has, or NULL. For the caller to mm_free.
static mm_disk_record *read_disk(mm_embedding_cache *cache, const mm_cache_key *key) {
    return cache->disk ? mm_disk_cache_get(cache->disk, key) : NULL;
}

// It gets no older in memory than it would have on the disk.
static entry *copy_record(mm_embedding_cache *cache, mm_disk_record *record, int64_t now_ns) {
    const mm_cached_vector vector = {record->values, record->dimension, record->tokens,
                                     record->truncated, record->prompt};
    const int64_t own = later(now_ns, cache->ttl_ns);
    const int64_t wall_ns = mm_disk_cache_wall_ns(cache->disk);
    const int64_t left = record->expires_ns > wall_ns ? record->expires_ns - wall_ns : 0;
    const int64_t expires_ns = later(now_ns, left);
    return copy_counted(cache, &record->key, &vector, own < expires_ns ? own : expires_ns);
}

static bool copy_out(mm_cached_vector *out, const mm_disk_record *record) {
    if (record->dimension != out->dimension)
        return false;
    memcpy(out->values, record->values, record->dimension * sizeof(float));
    out->tokens = record->tokens;
    out->truncated = record->truncated;
    return true;
}

// Has memory know it too, unless it does by now or somebody computes it.
static void keep(mm_embedding_cache *cache, mm_disk_record *record, int64_t now_ns) {
    entry *item = copy_record(cache, record, now_ns);
    if (!item)
        return;
    shard *own = shard_of(cache, &record->key);
    mm_mutex_lock(&own->lock);
    bool is_new = grow_locked(own);
    entry *before = is_new ? *find_locked(own, &record->key) : NULL;
    if (before && !before->is_claim && before->expires_ns <= now_ns) {
        drop_locked(cache, own, before);
        before = NULL;
    }
    is_new = is_new && !before;
    if (is_new) {
        insert_locked(own, item);
        link_locked(own, item, cache->clock++);
        cache->bytes += bytes_of(item);
    }
    mm_mutex_unlock(&own->lock);
    if (is_new)
        return;
    cache->entries--;
    mm_free(item);
}

bool mm_embedding_cache_restore(mm_embedding_cache *cache, const mm_cache_key *key,
                                mm_cached_vector *out, mm_cache_waiter **waiters, int64_t now_ns) {
    mm_disk_record *record = read_disk(cache, key);
    bool there = record && copy_out(out, record);
    if (there) {
        *waiters = end_claim(cache, key, copy_record(cache, record, now_ns));
        cache->hits++;
        cache->misses--;
    }
    mm_free(record);
    return there;
}

// ---- Without claims ----------------------------------------------------------------------------

// NULL when there is none, or none that is young enough.
static entry *vector_locked(const shard *own, const mm_cache_key *key, int64_t now_ns) {
    entry *found = own->bucket_count ? *find_locked(own, key) : NULL;
    return found && !found->is_claim && found->expires_ns > now_ns ? found : NULL;
}

static bool get_from_memory(mm_embedding_cache *cache, const mm_cache_key *key,
                            mm_cached_vector *out, int64_t now_ns) {
    shard *own = shard_of(cache, key);
    mm_mutex_lock(&own->lock);
    entry *found = vector_locked(own, key, now_ns);
    bool there = found && found->dimension == out->dimension;
    if (there)
        (void)hit_locked(cache, own, found, out);
    mm_mutex_unlock(&own->lock);
    return there;
}

bool mm_embedding_cache_get(mm_embedding_cache *cache, const mm_cache_key *key,
                            mm_cached_vector *out, int64_t now_ns) {
    bool there = get_from_memory(cache, key, out, now_ns);
    mm_disk_record *record = there ? NULL : read_disk(cache, key);
    if (record && copy_out(out, record)) {
        keep(cache, record, now_ns);
        there = true;
    }
    mm_free(record);
    cache->hits += there;
    return there;
}

static size_t look_in_memory(mm_embedding_cache *cache, const mm_cache_key *key, char **prompt,
                             int64_t now_ns) {
    shard *own = shard_of(cache, key);
    mm_mutex_lock(&own->lock);
    const entry *found = vector_locked(own, key, now_ns);
    size_t length = found ? found->dimension : 0;
    if (prompt)
        *prompt = found && found->prompt ? mm_strdup(found->prompt) : NULL;
    mm_mutex_unlock(&own->lock);
    return length;
}

size_t mm_embedding_cache_look(mm_embedding_cache *cache, const mm_cache_key *key, char **prompt,
                               int64_t now_ns) {
    size_t length = look_in_memory(cache, key, prompt, now_ns);
    mm_disk_record *record = length > 0 ? NULL : read_disk(cache, key);
    if (!record)
        return length;
    length = record->dimension;
    if (prompt)
        *prompt = record->prompt ? mm_strdup(record->prompt) : NULL;
    keep(cache, record, now_ns);
    mm_free(record);
    return length;
}

void mm_embedding_cache_statistics(mm_cache_statistics *out, const mm_embedding_cache *cache) {
    *out = (mm_cache_statistics){
        .entries = cache->entries,
        .hits = cache->hits,
        .misses = cache->misses,
        .bytes = cache->bytes,
        .has_disk = cache->disk != NULL,
    };
    if (!cache->disk)
        return;
    mm_disk_statistics disk;
    mm_disk_cache_statistics(&disk, cache->disk);
    out->disk_entries = disk.entries;
    out->disk_hits = disk.hits;
    out->disk_misses = disk.misses;
    out->disk_bytes = disk.bytes;
}
