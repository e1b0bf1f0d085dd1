// SPDX-License-Identifier: Apache-2.0
// The cache of vectors: its size, its order, its clock, claims and who waits for them.
#include "check.h"

#include "base/memory.h"
#include "manager/embedding_cache.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { DIMENSION = 8 };

static mm_cache_key key_of(uint32_t number) {
    mm_cache_key key = {0};
    uint64_t mixed = (number + 1) * 0x9E3779B97F4A7C15u;
    memcpy(key.digest, &mixed, sizeof(mixed));
    memcpy(key.digest + 8, &number, sizeof(number));
    key.digest[31] = (uint8_t)(mixed >> 40);
    return key;
}

static mm_embedding_cache *cache_of(size_t max_entries, double ttl_seconds) {
    mm_embedding_cache *cache;
    mm_error error = {0};
    assert_ok(mm_embedding_cache_create(&cache, max_entries, ttl_seconds, &error), error);
    return cache;
}

static mm_cache_answer ask(mm_embedding_cache *cache, uint32_t number, float *first, int64_t now) {
    float values[DIMENSION];
    mm_cached_vector vector = {.values = values, .dimension = DIMENSION};
    const mm_cache_key key = key_of(number);
    mm_cache_answer answer = mm_embedding_cache_claim(cache, &key, &vector, NULL, now);
    if (answer == MM_CACHE_HIT) {
        for (size_t i = 0; i < DIMENSION; i++)
            assert_true(values[i] == (float)number + (float)i); // whole, and no other's
        assert_int_equal(vector.tokens, (int32_t)number);
        assert_true(vector.truncated == (number % 2 == 1));
        if (first)
            *first = values[0];
    }
    return answer;
}

static mm_cache_waiter *publish(mm_embedding_cache *cache, uint32_t number, int64_t now) {
    float values[DIMENSION];
    for (size_t i = 0; i < DIMENSION; i++)
        values[i] = (float)number + (float)i;
    const mm_cache_key key = key_of(number);
    return mm_embedding_cache_publish(cache, &key,
                                      &(mm_cached_vector){values, DIMENSION, (int32_t)number,
                                                          number % 2 == 1,
                                                          number % 3 == 0 ? "query: " : NULL},
                                      now);
}

static void compute(mm_embedding_cache *cache, uint32_t number, int64_t now) {
    assert_int_equal(ask(cache, number, NULL, now), MM_CACHE_CLAIMED);
    assert_null(publish(cache, number, now));
}

static bool holds(mm_embedding_cache *cache, uint32_t number, int64_t now) {
    mm_cache_answer answer = ask(cache, number, NULL, now);
    const mm_cache_key key = key_of(number);
    if (answer == MM_CACHE_CLAIMED)
        assert_null(mm_embedding_cache_abandon(cache, &key));
    return answer == MM_CACHE_HIT;
}

static mm_cache_statistics statistics(const mm_embedding_cache *cache) {
    mm_cache_statistics out;
    mm_embedding_cache_statistics(&out, cache);
    return out;
}

static void test_a_vector_comes_back(void **state) {
    (void)state;
    mm_embedding_cache *cache = cache_of(10, INFINITY);
    float first = 0;
    compute(cache, 7, 0);
    assert_int_equal(ask(cache, 7, &first, INT64_MAX - 1), MM_CACHE_HIT);
    assert_true(first == 7.0F);
    mm_cache_statistics now = statistics(cache);
    assert_int_equal(now.entries, 1);
    assert_int_equal(now.hits, 1);
    assert_int_equal(now.misses, 1);
    assert_true(now.bytes >= DIMENSION * sizeof(float));
    mm_embedding_cache_free(cache);
}

// Whatever the shard: the ones that were used last stay, exactly as many as are allowed.
static void test_the_longest_unused_goes_first(void **state) {
    (void)state;
    enum { MOST = 100, ALL = 1000 };
    mm_embedding_cache *cache = cache_of(MOST, INFINITY);
    for (uint32_t i = 0; i < ALL; i++) {
        compute(cache, i, 0);
        assert_true(statistics(cache).entries <= MOST);
        if (i >= 10)
            assert_int_equal(ask(cache, i % 10, NULL, 0), MM_CACHE_HIT); // ten stay in use
    }
    assert_int_equal(statistics(cache).entries, MOST);
    for (uint32_t i = 0; i < ALL; i++)
        assert_true(holds(cache, i, 0) == (i < 10 || i >= ALL - (MOST - 10)));
    mm_embedding_cache_free(cache);
}

static void test_the_size_is_never_exceeded(void **state) {
    (void)state;
    for (size_t most = 0; most <= 2; most++) {
        mm_embedding_cache *cache = cache_of(most, INFINITY);
        for (uint32_t i = 0; i < 50; i++) {
            compute(cache, i, 0);
            assert_true(statistics(cache).entries == (i + 1 < most ? i + 1 : most));
            assert_true(holds(cache, i, 0) == (most > 0));
        }
        assert_true((statistics(cache).bytes > 0) == (most > 0));
        mm_embedding_cache_free(cache);
    }
}

static void test_a_vector_gets_too_old(void **state) {
    (void)state;
    mm_embedding_cache *cache = cache_of(10, 2.5);
    compute(cache, 1, 1000);
    assert_true(holds(cache, 1, 1000 + 2499999999));
    assert_false(holds(cache, 1, 1000 + 2500000000)); // use does not prolong it
    assert_int_equal(statistics(cache).entries, 0);
    assert_int_equal(statistics(cache).bytes, 0);
    mm_embedding_cache_free(cache);
}

static void test_another_length_is_not_there(void **state) {
    (void)state;
    mm_embedding_cache *cache = cache_of(10, INFINITY);
    compute(cache, 1, 0);
    float values[DIMENSION];
    const mm_cache_key key = key_of(1);
    mm_cached_vector vector = {.values = values, .dimension = DIMENSION - 1};
    assert_int_equal(mm_embedding_cache_claim(cache, &key, &vector, NULL, 0), MM_CACHE_CLAIMED);
    mm_embedding_cache_abandon(cache, &key);
    mm_embedding_cache_free(cache);
}

static void test_a_look_is_no_use(void **state) {
    (void)state;
    mm_embedding_cache *cache = cache_of(2, 1);
    char *prompt;
    for (uint32_t i = 0; i < 2; i++) {
        const mm_cache_key key = key_of(i);
        compute(cache, i, 0);
        assert_int_equal(mm_embedding_cache_look(cache, &key, &prompt, 0), DIMENSION);
        assert_true((i == 0) == (prompt != NULL));
        if (prompt)
            assert_string_equal(prompt, "query: ");
        mm_free(prompt);
        assert_int_equal(mm_embedding_cache_look(cache, &key, NULL, 1000000000), 0);
    }
    assert_int_equal(statistics(cache).hits, 0);
    const mm_cache_key first = key_of(0);
    (void)mm_embedding_cache_look(cache, &first, NULL, 0);
    compute(cache, 2, 0);
    assert_int_equal(mm_embedding_cache_look(cache, &first, NULL, 0), 0); // still the oldest
    mm_embedding_cache_free(cache);
}

static void test_getting_claims_nothing(void **state) {
    (void)state;
    mm_embedding_cache *cache = cache_of(2, INFINITY);
    float values[DIMENSION];
    mm_cached_vector vector = {.values = values, .dimension = DIMENSION};
    const mm_cache_key key = key_of(5);
    assert_false(mm_embedding_cache_get(cache, &key, &vector, 0));
    compute(cache, 5, 0);
    assert_true(mm_embedding_cache_get(cache, &key, &vector, 0));
    assert_true(values[0] == 5.0F);
    vector.dimension = 1;
    assert_false(mm_embedding_cache_get(cache, &key, &vector, 0));
    mm_embedding_cache_free(cache);
}

static size_t count_waiters(const mm_cache_waiter *waiters) {
    size_t count = 0;
    for (; waiters; waiters = waiters->next)
        count++;
    return count;
}

static void test_a_text_in_flight_is_computed_once(void **state) {
    (void)state;
    mm_embedding_cache *cache = cache_of(10, INFINITY);
    mm_cache_waiter waiters[3] = {0};
    const mm_cache_key key = key_of(3);
    float values[DIMENSION];
    mm_cached_vector vector = {.values = values, .dimension = DIMENSION};
    assert_int_equal(ask(cache, 3, NULL, 0), MM_CACHE_CLAIMED);
    assert_int_equal(ask(cache, 3, NULL, 0), MM_CACHE_PENDING); // asks only
    assert_int_equal(mm_embedding_cache_look(cache, &key, NULL, 0), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(mm_embedding_cache_claim(cache, &key, &vector, &waiters[i], 0),
                         MM_CACHE_PENDING);
    assert_int_equal(count_waiters(publish(cache, 3, 0)), 3);
    assert_int_equal(ask(cache, 3, NULL, 0), MM_CACHE_HIT);
    mm_embedding_cache_free(cache);
}

static void note_owner(void *owner) {
    *(int *)owner += 1;
}

static void test_who_waits_is_told_who_computes(void **state) {
    (void)state;
    mm_embedding_cache *cache = cache_of(10, INFINITY);
    int kept = 0;
    mm_cache_waiter claimer = {.payload = &kept}, waiter = {.keep = note_owner};
    const mm_cache_key key = key_of(3);
    float values[DIMENSION];
    mm_cached_vector vector = {.values = values, .dimension = DIMENSION};
    assert_int_equal(mm_embedding_cache_claim(cache, &key, &vector, &claimer, 0), MM_CACHE_CLAIMED);
    assert_int_equal(kept, 0);
    assert_int_equal(mm_embedding_cache_claim(cache, &key, &vector, &waiter, 0), MM_CACHE_PENDING);
    assert_ptr_equal(waiter.owner, &kept);
    assert_int_equal(kept, 1);
    assert_ptr_equal(mm_embedding_cache_abandon(cache, &key), &waiter);
    mm_embedding_cache_free(cache);
}

static void test_a_claim_given_up_goes_to_the_next(void **state) {
    (void)state;
    mm_embedding_cache *cache = cache_of(10, INFINITY);
    mm_cache_waiter waiter = {0};
    const mm_cache_key key = key_of(3);
    float values[DIMENSION];
    mm_cached_vector vector = {.values = values, .dimension = DIMENSION};
    assert_int_equal(ask(cache, 3, NULL, 0), MM_CACHE_CLAIMED);
    assert_int_equal(mm_embedding_cache_claim(cache, &key, &vector, &waiter, 0), MM_CACHE_PENDING);
    assert_ptr_equal(mm_embedding_cache_abandon(cache, &key), &waiter);
    compute(cache, 3, 0);
    mm_embedding_cache_free(cache);
}

static void test_every_allocation_may_fail(void **state) {
    (void)state;
    for (size_t failing = 1; failing < 8; failing++) {
        mm_embedding_cache *cache = cache_of(10, INFINITY);
        mm_memory_fail_after(failing, false);
        for (uint32_t i = 0; i < 20; i++) {
            mm_cache_answer answer = ask(cache, i, NULL, 0);
            assert_true(answer == MM_CACHE_CLAIMED || answer == MM_CACHE_FULL);
            if (answer == MM_CACHE_CLAIMED)
                assert_null(publish(cache, i, 0));
        }
        mm_memory_fail_after(0, false);
        assert_int_equal(statistics(cache).entries, 10);
        compute(cache, 100, 0);
        mm_embedding_cache_free(cache);
    }
}

// ---- Many threads ------------------------------------------------------------------------------

enum { THREADS = 8, ROUNDS = 20000, TEXTS = 300, ROOM = 100 };

typedef struct crowd {
    mm_embedding_cache *cache;
    atomic_int computing[TEXTS]; // threads that hold its claim: never two
    atomic_int woken, waited;
    mm_cache_waiter waiters[THREADS * ROUNDS];
} crowd;

typedef struct person {
    crowd *all;
    uint32_t number;
} person;

static void wake(crowd *all, const mm_cache_waiter *waiters) {
    for (; waiters; waiters = waiters->next) {
        if (waiters->payload != all)
            abort();
        all->woken++;
    }
}

static void compute_in_crowd(crowd *all, uint32_t text, bool gives_up, int64_t now) {
    const mm_cache_key key = key_of(text);
    if (atomic_fetch_add(&all->computing[text], 1) != 0)
        abort();
    atomic_fetch_sub(&all->computing[text], 1);
    wake(all,
         gives_up ? mm_embedding_cache_abandon(all->cache, &key) : publish(all->cache, text, now));
}

static void *use(void *payload) {
    const person *own = payload;
    crowd *all = own->all;
    mm_cache_waiter *waiter = &all->waiters[own->number * ROUNDS];
    uint32_t random = own->number;
    for (int i = 0; i < ROUNDS; i++, waiter++) {
        random = random * 1664525 + 1013904223;
        uint32_t text = (random >> 8) % TEXTS;
        const mm_cache_key key = key_of(text);
        float values[DIMENSION];
        mm_cached_vector vector = {.values = values, .dimension = DIMENSION};
        waiter->payload = all;
        mm_cache_answer answer = mm_embedding_cache_claim(all->cache, &key, &vector, waiter, i);
        if (answer == MM_CACHE_PENDING)
            all->waited++;
        else if (answer == MM_CACHE_CLAIMED)
            compute_in_crowd(all, text, random % 5 == 0, i);
        else if (answer == MM_CACHE_HIT && values[0] != (float)text)
            abort();
        if (statistics(all->cache).entries > ROOM)
            abort();
    }
    return NULL;
}

static void test_threads_share_it(void **state) {
    (void)state;
    static crowd all;
    all.cache = cache_of(ROOM, INFINITY);
    pthread_t threads[THREADS];
    person people[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        people[i] = (person){&all, i};
        assert_int_equal(pthread_create(&threads[i], NULL, use, &people[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(all.woken, all.waited); // each exactly once
    mm_cache_statistics now = statistics(all.cache);
    assert_true(now.hits > 0 && now.misses > 0);
    mm_embedding_cache_free(all.cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_vector_comes_back),
        cmocka_unit_test(test_the_longest_unused_goes_first),
        cmocka_unit_test(test_the_size_is_never_exceeded),
        cmocka_unit_test(test_a_vector_gets_too_old),
        cmocka_unit_test(test_another_length_is_not_there),
        cmocka_unit_test(test_a_look_is_no_use),
        cmocka_unit_test(test_getting_claims_nothing),
        cmocka_unit_test(test_a_text_in_flight_is_computed_once),
        cmocka_unit_test(test_who_waits_is_told_who_computes),
        cmocka_unit_test(test_a_claim_given_up_goes_to_the_next),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_threads_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
